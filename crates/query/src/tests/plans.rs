use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use asof_model::{CoverageKind, Duration, EdgeKind, NodeKind, Outcome, Privilege};

use super::{World, allow, day, deny, set, window};
use crate::limits::Tuning;
use crate::{
    ChangedHoldsWhere, EventList, HoldsWhere, IdentityOrder, IdentityWhere, Known, NewSourceWhere, NodeWhere,
    ObservedWhere, QueryError, ReachWhere, SeenWhere, SourceDimension, TextMatch, UncoveredWhere,
    UnusedWhere, UsedWhere,
};

/// A world with corners, the same every time: holders, groups, denials, roles, uses.
fn world(identities: u64) -> World {
    let mut world = World::default();
    let mut drawn = 7_u64;
    let mut draw = move |below: u64| {
        drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (drawn >> 33) % below
    };
    world
        .entitlement("write", allow(&[Privilege::Write], "s3/*"))
        .entitlement("read", allow(&[Privilege::Read], "*"))
        .entitlement("no", deny(&[Privilege::Write], "*"))
        .coverage(CoverageKind::Observations, &[], 0, 5);
    for i in 0..identities {
        let id = format!("id/{i}");
        for (entitlement, chance) in [("write", 3), ("read", 3), ("no", 9)] {
            if draw(chance) == 0 {
                let from = draw(8) as i64;
                world.edge(EdgeKind::Holds, &id, entitlement, (from, Some(from + 1 + draw(6) as i64)));
            }
        }
        if draw(4) == 0 {
            world.edge(EdgeKind::MemberOf, &id, &format!("id/{}", draw(identities)), (draw(8) as i64, None));
        }
        if draw(6) == 0 {
            world.edge(EdgeKind::CanAssume, &id, &format!("id/{}", draw(identities)), (draw(8) as i64, None));
        }
        for _ in 0..draw(4) {
            let privilege = if draw(2) == 0 { Privilege::Write } else { Privilege::Read };
            world.seen(&id, draw(10) as i64, privilege, ["s3/x", "db/x", ""][draw(3) as usize]);
        }
    }
    world
}

fn holds(privilege: Privilege, effective: bool) -> HoldsWhere {
    HoldsWhere {
        privileges: set(&[privilege]),
        on: None,
        effective,
        throughout: None,
        sometime: None,
        conditional: true,
        entitlement: None,
    }
}

fn used(min_count: u64) -> UsedWhere {
    let seen = SeenWhere {
        privileges: Some(set(&[Privilege::Write])),
        outcomes: Some(vec![Outcome::Success]),
        ..SeenWhere::default()
    };
    UsedWhere { during: window(2, 8), seen, min_count }
}

fn filters() -> Vec<IdentityWhere> {
    let none = IdentityWhere::default;
    let holding = |holds| IdentityWhere { holds: Some(holds), ..none() };
    let using = |min_count| IdentityWhere { used: Some(used(min_count)), ..none() };
    let not = |filter| IdentityWhere { not: Some(Box::new(filter)), ..none() };
    let write = || holds(Privilege::Write, false);
    let observed =
        ObservedWhere { during: window(1, 4), privileges: None, on: None, kind: CoverageKind::Observations };
    let drift = UncoveredWhere {
        used: used(1),
        covered_by: None,
        effective: false,
        explained: None,
        posture_known: None,
    };
    let id = TextMatch { any_of: Some(vec!["id/3".into(), "id/5".into()]), ..TextMatch::default() };
    let unused = UnusedWhere { privileges: None, during: window(2, 8) };
    let new_source = NewSourceWhere { of: SourceDimension::Resource, during: window(2, 8) };
    let mut filters = vec![
        none(),
        holding(write()),
        holding(holds(Privilege::Write, true)),
        holding(HoldsWhere { on: Some("s3/*".into()), conditional: false, ..write() }),
        holding(HoldsWhere { throughout: Some(window(3, 5)), ..write() }),
        holding(HoldsWhere { sometime: Some(window(3, 5)), ..write() }),
        using(0),
        using(1),
        using(2),
        IdentityWhere {
            and: Some(vec![holding(write()), not(using(1))]),
            observed: Some(observed),
            ..none()
        },
        IdentityWhere { or: Some(vec![not(holding(write())), using(2)]), ..none() },
        IdentityWhere { used_without_holding: Some(drift.clone()), ..none() },
        IdentityWhere { used_without_holding: Some(UncoveredWhere { effective: true, ..drift }), ..none() },
        IdentityWhere { holds_unused: Some(unused), ..none() },
        IdentityWhere { gained: Some(ChangedHoldsWhere { holds: write(), between: window(2, 6) }), ..none() },
        IdentityWhere {
            lost: Some(ChangedHoldsWhere { holds: holds(Privilege::Read, true), between: window(2, 6) }),
            ..none()
        },
        IdentityWhere { node: NodeWhere { id: Some(id), ..NodeWhere::default() }, ..holding(write()) },
        IdentityWhere { new_source: Some(new_source), ..none() },
    ];
    let end = |glob: &str| Some(TextMatch { glob: Some(glob.to_owned()), ..TextMatch::default() });
    let absent = || Some(TextMatch { present: Some(false), ..TextMatch::default() });
    for id in [None, end("id/?"), end("id/1*"), absent()] {
        for effective in [false, true] {
            let reach = ReachWhere { id: id.clone(), effective };
            filters.push(IdentityWhere { member_of: Some(reach.clone()), ..none() });
            filters.push(IdentityWhere { can_assume: Some(reach), ..none() });
        }
    }
    filters
}

#[test]
fn the_way_that_is_taken_changes_no_answer() {
    let world = world(60);
    let way = |few, many, remembered| Tuning { few, many, remembered };
    let ways = [
        way(u64::MAX, u64::MAX, 9),
        way(0, u64::MAX, 9),
        way(0, 0, 2),
        way(0, 0, 1 << 20),
        way(8, 16, 1 << 20),
    ];
    for filter in filters() {
        let mut answers = Vec::new();
        for tuning in ways {
            for vague in [false, true] {
                let mut memory = world.memory();
                memory.vague = vague;
                let mut known = Known::new(Arc::new(memory));
                known.tuning = tuning;
                answers.push(known.identities(day(5), &filter, false, IdentityOrder::Appearance).unwrap());
            }
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{filter:?}");
    }
}

#[test]
fn who_exists_is_not_asked_where_the_filter_tells() {
    let mut world = world(60);
    for i in (0..60).step_by(3) {
        world.delete(NodeKind::Identity, &format!("id/{i}"), 3 + i % 5);
    }
    let known = world.known();
    let (mut told, mut shown) = (0, 0);
    for filter in filters() {
        // A filter that nobody matches beside it: whoever matches one of both is asked whether it exists.
        let nobody =
            IdentityWhere { not: Some(Box::new(IdentityWhere::default())), ..IdentityWhere::default() };
        let either = IdentityWhere { or: Some(vec![filter.clone(), nobody]), ..IdentityWhere::default() };
        told += usize::from(!known.explain(day(5), &filter).unwrap().contains("exists"));
        assert!(known.explain(day(5), &either).unwrap().contains("exists"));
        for at in 0..10 {
            for include_deleted in [false, true] {
                let all = |filter| {
                    known.identities(day(at), filter, include_deleted, IdentityOrder::Appearance).unwrap()
                };
                shown += all(&filter).len();
                assert_eq!(all(&filter), all(&either), "{at} {include_deleted} {filter:?}");
            }
        }
    }
    assert!(told >= 5 && shown > 1_000, "{told} {shown}");
}

#[test]
fn sets_answer_what_they_can() {
    let mut world = World::default();
    world.entitlement("write", allow(&[Privilege::Write], "*"));
    for i in 0..100 {
        world.edge(EdgeKind::Holds, &format!("id/{i}"), "write", (0, None));
    }
    let memory = Arc::new(world.memory());
    let known = Known::new(memory.clone());
    let filter =
        IdentityWhere { holds: Some(holds(Privilege::Write, false)), used: None, ..IdentityWhere::default() };
    let explained = known.explain(day(1), &filter).unwrap();
    assert!(explained.starts_with("100 of 100 identities match"), "{explained}");
    assert!(!explained.contains("looked at"), "{explained}");
    assert_eq!(memory.timelines.load(Relaxed), 0);
}

#[test]
fn one_identity_costs_what_it_did() {
    let memory = Arc::new(world(60).memory());
    let known = Known::new(memory.clone());
    let id = TextMatch { eq: Some("id/3".to_owned()), ..TextMatch::default() };
    let node = NodeWhere { id: Some(id), ..NodeWhere::default() };
    let filter = IdentityWhere { node, used: Some(used(1)), ..IdentityWhere::default() };
    known.identities(day(9), &filter, false, IdentityOrder::Appearance).unwrap();
    assert!(memory.visited.load(Relaxed) <= 4);
    assert!(memory.timelines.load(Relaxed) <= 1);
}

#[test]
fn a_page_of_observations_costs_the_same_wherever_it_begins() {
    let mut world = World::default();
    for n in 0..200 {
        world.seen("a", n / 7, Privilege::Read, "");
    }
    let memory = Arc::new(world.memory());
    let known = Known::new(memory.clone());
    let (filter, during) = (crate::ObservationWhere::default(), window(0, 90));
    let list = EventList::Observations { identity: None, filter, during };
    let (mut after, mut costs) = (None, Vec::new());
    loop {
        let before = memory.visited.load(Relaxed);
        let page = known.events(day(90), &list, after, 10).unwrap();
        let Some(last) = page.last() else { break };
        costs.push(memory.visited.load(Relaxed) - before);
        after = Some(last.place());
    }
    assert_eq!(costs, [10; 20], "no page reads what stands before it, nor past its end");
}

#[test]
fn a_question_stops_when_its_asker_has_gone() {
    for filter in filters() {
        let mut memory = world(60).memory();
        memory.checks_max = Some(3);
        let known = Known::new(Arc::new(memory));
        let answer = known.identities(day(5), &filter, false, IdentityOrder::Id);
        assert_eq!(answer, Err(QueryError::Cancelled));
    }
}

#[test]
fn a_trend_moves_with_its_steps_and_is_bounded() {
    let known = world(20).known();
    let filter = IdentityWhere { holds: Some(holds(Privilege::Write, false)), ..IdentityWhere::default() };
    let days = Duration::from_secs(86_400);
    let trend = known.trend(day(9), &filter, &window(0, 4), days, false).unwrap();
    assert_eq!(trend.iter().map(|(start, _)| *start).collect::<Vec<_>>(), [day(0), day(1), day(2), day(3)]);
    for (start, count) in trend {
        let found = known.identities(start, &filter, false, IdentityOrder::Appearance).unwrap();
        assert_eq!(count, found.len() as u64);
    }
    let seconds = Duration::from_secs(1);
    let answer = known.trend(day(9), &filter, &window(0, 4), seconds, false);
    assert!(matches!(answer, Err(QueryError::Limit { limit: 10_000, .. })), "{answer:?}");
}
