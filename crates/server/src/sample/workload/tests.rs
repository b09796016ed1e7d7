#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use std::sync::Arc;

use asof_model::{Batch, EdgeKind, Instant, Limits, NodeKind, Outcome, Privilege, Subject};

use super::posture::{Grant, World};
use super::{BATCH_RECORDS, SPAN, Workload};

fn small() -> Workload {
    Workload::at_scale(0.01, 7).with_observations(40_000)
}

#[test]
fn the_same_seed_gives_the_same_batches_and_another_seed_others() {
    let some = |seed: u64| -> Vec<Batch> { Workload::at_scale(0.001, seed).batches().collect() };
    assert_eq!(some(1), some(1));
    assert_ne!(some(1), some(2));
}

#[test]
fn batches_pass_the_door_and_have_ids_of_their_own() {
    let mut ids = BTreeSet::new();
    for batch in small().batches() {
        assert_eq!(batch.faults(&Limits::DEFAULT, SPAN.to), Vec::new());
        assert!(batch.facts.len() + batch.observations.len() <= BATCH_RECORDS);
        assert!(ids.insert(batch.batch_id));
    }
    assert!(ids.contains("coverage"));
}

#[test]
fn the_numbers_are_those_of_the_workload() {
    let mut nodes: BTreeMap<NodeKind, BTreeSet<String>> = BTreeMap::new();
    let mut holds = 0_u32;
    for fact in small().batches().flat_map(|batch| batch.facts) {
        match fact.subject {
            Subject::Node(node) => {
                nodes.entry(node.kind).or_default().insert(node.id);
            }
            Subject::Edge(edge) if edge.kind == EdgeKind::Holds => holds += 1,
            _ => {}
        }
    }
    assert_eq!(nodes[&NodeKind::Identity].len(), 1_000);
    assert_eq!(nodes[&NodeKind::Resource].len(), 500);
    assert_eq!(nodes[&NodeKind::Workload].len(), 200);
    assert_eq!(nodes[&NodeKind::Secret].len(), 1_500);
    assert_eq!(nodes[&NodeKind::Owner].len(), 5);
    assert!((7_000..13_000).contains(&holds), "{holds} grants");
}

#[test]
fn observations_are_skewed_nearly_in_order_and_mostly_on_grants() {
    let seen: Vec<_> = small().batches().flat_map(|batch| batch.observations).collect();
    assert_eq!(seen.len(), 40_000);
    let share = |count: usize| count as f64 / seen.len() as f64;

    let mut latest = Instant::BEGINNING;
    let mut late = 0;
    let mut by_identity: BTreeMap<&str, usize> = BTreeMap::new();
    for each in &seen {
        assert!(SPAN.contains(each.time));
        late += usize::from(each.time < latest);
        latest = latest.max(each.time);
        *by_identity.entry(&each.identity).or_default() += 1;
    }
    assert!((0.015..0.025).contains(&share(late)), "{late} late");
    assert!(by_identity.len() <= 700, "{} seen", by_identity.len());
    let top = *by_identity.values().max().unwrap();
    // Zipf's share among so few, and some more as it holds most classes; at scale 1 it has 13 %.
    assert!((0.1..0.25).contains(&share(top)), "the top one has {top}");

    let of = |privilege| share(seen.iter().filter(|each| each.privilege == privilege).count());
    assert!((0.78..0.82).contains(&of(Privilege::Read)));
    assert!((0.16..0.20).contains(&of(Privilege::Write)));
    assert!((0.01..0.03).contains(&of(Privilege::Admin)));
    let denied = share(seen.iter().filter(|each| each.outcome == Outcome::Denied).count());
    assert!((0.02..0.04).contains(&denied));
    let ids: BTreeSet<&str> = seen.iter().map(|each| each.event_id.as_str()).collect();
    assert_eq!(ids.len(), seen.len());
    assert!(ids.iter().all(|id| id.len() == 16));
}

#[test]
fn grants_begin_and_end_as_they_should() {
    let world = World::new(&Workload::at_scale(0.1, 7));
    let grants: Vec<&Grant> = (0..10_000).flat_map(|number| world.grants_of(number)).collect();
    let share = |fits: &dyn Fn(&Grant) -> bool| {
        grants.iter().filter(|grant| fits(grant)).count() as f64 / grants.len() as f64
    };
    // A little over ten of each, as some are granted twice.
    assert!((100_000..115_000).contains(&grants.len()), "{} grants", grants.len());
    assert!((0.69..0.71).contains(&share(&|grant| grant.privilege == Privilege::Read)));
    assert!((0.24..0.26).contains(&share(&|grant| grant.privilege == Privilege::Write)));
    assert!((0.45..0.60).contains(&share(&|grant| grant.during.from < SPAN.from)));
    assert!((0.35..0.50).contains(&share(&|grant| grant.during.from >= SPAN.from)));
    assert!((0.18..0.23).contains(&share(&|grant| grant.during.to < Instant::FOREVER)));
    for number in 0..10_000 {
        let life = world.identity(number).during;
        let granted = world.grants_of(number);
        assert!(granted.iter().all(|grant| life.from <= grant.during.from && grant.during.to <= life.to));
    }
    let of = |fits: fn(&World, u32) -> bool| (0..10_000).filter(|number| fits(&world, *number)).count();
    assert!((900..1_100).contains(&of(|world, number| world.identity(number).during.from >= SPAN.from)));
    assert!((150..250).contains(&of(|world, number| world.identity(number).during.to < Instant::FOREVER)));
}

#[test]
fn secrets_and_roles_are_as_many_as_they_should_be() {
    let world = World::new(&Workload::at_scale(0.1, 7));
    assert_eq!(world.secrets.len(), 15_000);
    let revoked = world.secrets.iter().filter(|secret| secret.revoked < Instant::FOREVER).count();
    assert!((2_800..3_200).contains(&revoked), "{revoked} revoked");
    assert!(
        (0..10_000).all(|number| {
            world.secrets_of(number).iter().any(|secret| secret.revoked == Instant::FOREVER)
        })
    );
    assert!((19_000..20_000).contains(&world.can_assume.len()));
    let mut by_hub: BTreeMap<u32, usize> = BTreeMap::new();
    for link in &world.can_assume {
        assert!(link.from < link.to, "it has no cycles");
        *by_hub.entry(link.from).or_default() += 1;
    }
    assert!(*by_hub.values().max().unwrap() > 200);
    let runs: BTreeSet<u32> = world.runs_as.iter().map(|link| link.from).collect();
    assert!(runs.len() > 1_900 && world.runs_as.len() > 3_800);
}

#[test]
fn secrets_are_used_from_home_seldom_from_elsewhere_and_seldom_when_they_are_dead() {
    let workload = small();
    let world = World::new(&workload);
    let by_id: BTreeMap<String, &super::posture::Secret> =
        world.secrets.iter().map(|secret| (super::facts::secret_id(secret.number), secret)).collect();
    let seen = super::runtime::Runtime::new(Arc::new(World::new(&workload)));
    let (mut dead, mut away, mut pairs) = (0, 0, BTreeSet::new());
    for each in seen {
        let secret = by_id[&each.secret];
        assert_eq!(super::facts::identity_id(secret.identity), each.identity);
        dead += u32::from(secret.revoked <= each.time);
        if each.workload != super::facts::workload_id(secret.home) {
            away += 1;
            assert!(pairs.insert((each.secret, each.workload)), "it was there before");
        }
    }
    assert!((130..260).contains(&dead), "{dead} of 40,000 with a dead secret");
    assert!((340..460).contains(&away), "{away} of 40,000 from elsewhere");
}

#[test]
fn a_longer_span_has_the_same_rates() {
    let short = Workload::at_scale(0.02, 7).with_observations(1_000);
    let long = short.over_spans(10);
    assert_eq!((long.days, long.observations), (900, 10_000));
    let world = World::new(&long);
    let mut begun = [0_u32; 10];
    for grant in (0..long.identities).flat_map(|number| world.grants_of(number)) {
        let since = grant.during.from.nanos() - long.span().from.nanos();
        if since >= 0 {
            begun[(since / (SPAN.to.nanos() - SPAN.from.nanos())) as usize] += 1;
        }
    }
    let (least, most) = (begun.iter().min().unwrap(), begun.iter().max().unwrap());
    assert!(*most < 2 * *least, "{begun:?}");
    let seen: Vec<_> = long.runtime().flat_map(|batch| batch.observations).collect();
    assert_eq!(seen.len(), 10_000);
    let before = seen.iter().filter(|each| each.time < SPAN.from).count();
    assert!((8_500..9_500).contains(&before), "{before} before the last 90 days");
    assert!(seen.iter().all(|each| long.span().contains(each.time)));
}
