use asof_model::{EdgeKind, NodeKind, Privilege};

use super::{World, allow, day, deny, find};
use crate::{ChangeKind, ChangeWhere, Known, QueryError, Step, StepKind, TextMatch, Window};

fn shown(known: &Known, path: &[Step]) -> String {
    let ends =
        path.iter().map(|step| format!("{} {}", step.kind.name(), known.reader().id(step.to).unwrap()));
    ends.collect::<Vec<_>>().join(", ")
}

/// Two ways to a bucket, one shorter, and a cycle.
fn world() -> World {
    let mut world = World::default();
    world
        .node(NodeKind::Resource, "s3/a", 0)
        .node(NodeKind::Resource, "s3/b", 0)
        .entitlement("reader", allow(&[Privilege::Read], "s3/*"))
        .entitlement("no", deny(&[Privilege::Read], "s3/b"))
        .node(NodeKind::Identity, "start", 0)
        .edge(EdgeKind::CanAssume, "start", "role", (0, None))
        .edge(EdgeKind::MemberOf, "start", "group", (0, None))
        .edge(EdgeKind::MemberOf, "start", "start", (0, None))
        .edge(EdgeKind::CanAssume, "group", "role", (0, None))
        .edge(EdgeKind::CanAssume, "role", "group", (0, None))
        .edge(EdgeKind::Holds, "role", "reader", (0, None))
        .edge(EdgeKind::Holds, "role", "no", (0, None));
    world
}

#[test]
fn paths_come_shortest_first_and_visit_no_node_twice() {
    let known = world().known();
    let (start, goal) = (find(&known, NodeKind::Identity, "start"), find(&known, NodeKind::Resource, "s3/a"));
    let found = known.paths(day(1), Some(start), Some(goal), 6, None, 9).unwrap();
    assert_eq!(
        found.iter().map(|path| shown(&known, path)).collect::<Vec<_>>(),
        [
            "CAN_ASSUME role, HOLDS reader, GRANTS s3/a",
            "MEMBER_OF group, CAN_ASSUME role, HOLDS reader, GRANTS s3/a"
        ]
    );
    assert_eq!(known.paths(day(1), Some(start), Some(goal), 6, None, 1).unwrap().len(), 1);
    assert_eq!(known.paths(day(1), Some(start), Some(goal), 2, None, 9).unwrap(), Vec::<Vec<Step>>::new());
    assert_eq!(known.paths(day(1), None, Some(goal), 6, None, 9).unwrap(), Vec::<Vec<Step>>::new());
    assert!(matches!(known.paths(day(1), Some(start), None, 65, None, 9), Err(QueryError::Limit { .. })));
}

#[test]
fn what_is_denied_is_not_within_reach() {
    let known = world().known();
    let start = find(&known, NodeKind::Identity, "start");
    let radius = known.blast_radius(day(1), Some(start), None, 4).unwrap();
    assert_eq!(radius.identities.iter().map(|(_, hops)| *hops).collect::<Vec<_>>(), [0, 1, 1]);
    assert_eq!(radius.resources, [(find(&known, NodeKind::Resource, "s3/a"), 1)]);
    let nothing = known.blast_radius(day(1), Some(start), None, 0).unwrap();
    assert_eq!((nothing.identities.len(), nothing.resources.len()), (1, 0));
}

#[test]
fn entitlements_come_with_the_way_to_their_holder() {
    let known = world().known();
    let start = find(&known, NodeKind::Identity, "start");
    let grants = known.entitlements(day(1), start, None, Some("s3/b"), true).unwrap();
    assert_eq!(grants.len(), 2);
    for grant in grants {
        let way = known.via(day(1), start, grant.holder).unwrap();
        assert_eq!(way.iter().map(|step| step.kind).collect::<Vec<_>>(), [StepKind::CanAssume]);
    }
    assert_eq!(known.entitlements(day(1), start, None, None, false).unwrap(), []);
}

#[test]
fn changes_are_where_values_come_change_and_go() {
    let mut world = world();
    world.delete(NodeKind::Identity, "start", 3).node(NodeKind::Identity, "start", 5);
    let known = world.known();
    let id = Some(TextMatch { eq: Some("start".to_owned()), ..TextMatch::default() });
    let filter = ChangeWhere { id, node_kinds: Some(vec![NodeKind::Identity]), ..ChangeWhere::default() };
    let found = known.changes(day(9), &filter, &Window::default()).unwrap();
    assert_eq!(
        found.iter().map(|change| (change.time, change.kind)).collect::<Vec<_>>(),
        [(day(0), ChangeKind::Began), (day(3), ChangeKind::Ended), (day(5), ChangeKind::Began)]
    );
    let everything = known.changes(day(9), &ChangeWhere::default(), &Window::default()).unwrap();
    assert!(everything.is_sorted_by_key(|change| (change.time, change.ledger_index)));
    assert_eq!(everything.len(), 14);
}
