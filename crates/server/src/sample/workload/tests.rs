#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};

use asof_model::{Batch, EdgeKind, Instant, Limits, NodeKind, Outcome, Privilege, Subject};

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
    assert!((0.1..0.2).contains(&share(top)), "the top one has {top}");

    let of = |privilege| share(seen.iter().filter(|each| each.privilege == privilege).count());
    assert!((0.78..0.82).contains(&of(Privilege::Read)));
    assert!((0.16..0.20).contains(&of(Privilege::Write)));
    assert!((0.01..0.03).contains(&of(Privilege::Admin)));
    let denied = share(seen.iter().filter(|each| each.outcome == Outcome::Denied).count());
    assert!((0.02..0.04).contains(&denied));
    let ids: BTreeSet<&str> = seen.iter().map(|each| each.event_id.as_str()).collect();
    assert_eq!(ids.len(), seen.len());
}
