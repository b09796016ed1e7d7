use asof_model::{EdgeKind, NodeKind, Privilege};

use super::{World, allow, day, find, matching, named, present, text, window};
use crate::{IdentityWhere, Known, QueryError, ReachWhere, StepKind, TextMatch};

/// a is in g from day 1 to day 4, g in h, h in k, and k in g again. h can assume r, r is in s, s can assume a.
/// p can assume itself.
fn world() -> World {
    let mut world = World::default();
    world
        .edge(EdgeKind::MemberOf, "a", "g", (1, Some(4)))
        .edge(EdgeKind::MemberOf, "g", "h", (0, None))
        .edge(EdgeKind::MemberOf, "h", "k", (0, None))
        .edge(EdgeKind::MemberOf, "k", "g", (0, None))
        .edge(EdgeKind::CanAssume, "h", "r", (0, None))
        .edge(EdgeKind::MemberOf, "r", "s", (0, None))
        .edge(EdgeKind::CanAssume, "s", "a", (0, None))
        .edge(EdgeKind::CanAssume, "p", "p", (0, None));
    world
}

fn member_of(id: Option<TextMatch>, effective: bool) -> IdentityWhere {
    IdentityWhere { member_of: Some(ReachWhere { id, effective }), ..IdentityWhere::default() }
}

fn can_assume(id: Option<TextMatch>, effective: bool) -> IdentityWhere {
    IdentityWhere { can_assume: Some(ReachWhere { id, effective }), ..IdentityWhere::default() }
}

#[test]
fn a_group_is_reached_over_one_edge_or_more() {
    let known = world().known();
    let of = |at, id: &str, effective| matching(&known, at, &member_of(Some(text(id)), effective));
    assert_eq!(of(1, "g", false), ["a", "k"]);
    assert_eq!(of(1, "h", false), ["g"]);
    // g, h and k come back to themselves; a does not.
    assert_eq!(of(1, "h", true), ["a", "g", "h", "k"]);
    assert_eq!(of(1, "?", true), ["a", "g", "h", "k", "r"]);
    assert_eq!(of(1, "a", true), Vec::<String>::new());
    // Half-open: in g from day 1 up to day 4.
    assert_eq!(of(0, "h", true), ["g", "h", "k"]);
    assert_eq!(of(3, "h", true), ["a", "g", "h", "k"]);
    assert_eq!(of(4, "h", true), ["g", "h", "k"]);
}

#[test]
fn whom_one_can_act_as_is_as_holding_has_it() {
    let known = world().known();
    let of = |at, id: &str, effective| matching(&known, at, &can_assume(Some(text(id)), effective));
    assert_eq!(of(1, "r", false), ["h"]);
    assert_eq!(of(1, "p", false), ["p"]);
    // Over its groups, and on over those of r: a comes back to itself. r comes to a, and from there to itself.
    assert_eq!(of(1, "r", true), ["a", "g", "h", "k", "r", "s"]);
    assert_eq!(of(1, "a", true), ["a", "g", "h", "k", "r", "s"]);
    // Outside g it can assume nobody, and r comes to it and no further.
    assert_eq!(of(4, "r", true), ["g", "h", "k"]);
    assert_eq!(of(4, "a", true), ["g", "h", "k", "r", "s"]);
    // A group is not acted as.
    assert_eq!(of(1, "s", true), Vec::<String>::new());
}

#[test]
fn any_or_none_will_do_where_so_asked() {
    let known = world().known();
    for effective in [false, true] {
        assert_eq!(matching(&known, 1, &member_of(None, effective)), ["a", "g", "h", "k", "r"]);
        assert_eq!(matching(&known, 1, &member_of(Some(present(true)), effective)).len(), 5);
        assert_eq!(matching(&known, 1, &member_of(Some(present(false)), effective)), ["s", "p"]);
    }
    assert_eq!(matching(&known, 1, &can_assume(None, false)), ["h", "s", "p"]);
    assert_eq!(matching(&known, 1, &can_assume(None, true)), ["a", "g", "h", "k", "r", "s", "p"]);
    assert_eq!(matching(&known, 4, &can_assume(Some(present(false)), true)), ["a"]);
    let never = TextMatch { present: Some(false), ..text("g") };
    assert_eq!(matching(&known, 1, &member_of(Some(never), true)), Vec::<String>::new());
}

#[test]
fn what_is_deleted_or_not_yet_known_leads_nowhere() {
    let mut world = world();
    world.delete(NodeKind::Identity, "h", 2);
    let of = |size, at| matching(&world.known_at(size), at, &member_of(Some(text("k")), true));
    assert_eq!(of(9, 1), ["a", "g", "h", "k"]);
    assert_eq!(of(9, 2), Vec::<String>::new());
    assert_eq!(of(8, 2), ["a", "g", "h", "k"]);
    // Before the fourth record k is not in g.
    assert_eq!(of(3, 2), ["a", "g", "h"]);
    assert_eq!(of(2, 2), Vec::<String>::new());
    let plan = world.known().explain(day(1), &can_assume(Some(text("r*")), true)).unwrap();
    assert!(plan.contains("CAN_ASSUME effectively to one that matches"), "{plan}");
}

/// Both the key and the machine lead to a; a is in g, g can assume r, r can assume a. r reads b, a writes c.
fn exposed() -> World {
    let mut world = World::default();
    world
        .node(NodeKind::Resource, "b", 0)
        .node(NodeKind::Resource, "c", 0)
        .entitlement("reads", allow(&[Privilege::Read], "b"))
        .entitlement("writes", allow(&[Privilege::Write], "c"))
        .edge(EdgeKind::AuthenticatesWith, "a", "key", (1, Some(3)))
        .edge(EdgeKind::RunsAs, "machine", "a", (1, Some(3)))
        .edge(EdgeKind::MemberOf, "a", "g", (0, None))
        .edge(EdgeKind::CanAssume, "g", "r", (0, None))
        .edge(EdgeKind::CanAssume, "r", "a", (0, None))
        .edge(EdgeKind::Holds, "r", "reads", (0, None))
        .edge(EdgeKind::Holds, "a", "writes", (0, None));
    world
}

fn radius(known: &Known, kind: NodeKind, id: &str, at: i64, hops: u32) -> Vec<(String, u32)> {
    let start = known.reader().lookup(kind, id).unwrap();
    let found = known.blast_radius(day(at), start, None, hops).unwrap();
    let hop = |(node, hops): &(crate::Node, u32)| (named(known, &[*node]).remove(0), *hops);
    found.identities.iter().chain(&found.resources).map(hop).collect()
}

#[test]
fn a_blast_radius_starts_at_a_secret_or_a_workload() {
    let world = exposed();
    let known = world.known();
    let hops =
        |found: &[(&str, u32)]| found.iter().map(|(id, hops)| ((*id).to_owned(), *hops)).collect::<Vec<_>>();
    for (kind, id) in [(NodeKind::Secret, "key"), (NodeKind::Workload, "machine")] {
        let of = |at, most| radius(&known, kind, id, at, most);
        assert_eq!(of(1, 9), hops(&[("a", 1), ("g", 2), ("r", 3), ("c", 1), ("b", 3)]));
        // r is three hops away, g the last one from which it can be assumed.
        assert_eq!(of(1, 3), hops(&[("a", 1), ("g", 2), ("r", 3), ("c", 1), ("b", 3)]));
        assert_eq!(of(1, 2), hops(&[("a", 1), ("g", 2), ("c", 1)]));
        assert_eq!(of(1, 1), hops(&[("a", 1), ("c", 1)]));
        assert_eq!(of(1, 0), []);
        // The edge is in force from day 1 up to day 3.
        assert_eq!(of(0, 9), []);
        assert_eq!(of(2, 9).len(), 5);
        assert_eq!(of(3, 9), []);
        // The fifth record is the key's edge, the sixth the machine's.
        let before = if kind == NodeKind::Secret { 4 } else { 5 };
        assert_eq!(radius(&world.known_at(before), kind, id, 1, 9), []);
        assert_eq!(radius(&world.known_at(before + 1), kind, id, 1, 9), hops(&[("a", 1)]));
    }
    assert_eq!(radius(&known, NodeKind::Identity, "a", 1, 0), hops(&[("a", 0), ("c", 0)]));
    let bucket = find(&known, NodeKind::Resource, "b");
    let answer = known.blast_radius(day(1), Some(bucket), None, 4);
    assert!(matches!(answer, Err(QueryError::Invalid(_))), "{answer:?}");
}

#[test]
fn a_deleted_start_reaches_nothing() {
    let mut world = exposed();
    world.delete(NodeKind::Secret, "key", 2);
    assert_eq!(radius(&world.known(), NodeKind::Secret, "key", 2, 9), []);
    assert_eq!(radius(&world.known_at(world.size() - 1), NodeKind::Secret, "key", 2, 9).len(), 5);
}

#[test]
fn paths_from_a_secret_lead_through_who_authenticates_with_it() {
    let mut world = exposed();
    world.edge(EdgeKind::AuthenticatesWith, "a", "other", (0, None));
    world.edge(EdgeKind::AuthenticatesWith, "q", "other", (0, None));
    world.edge(EdgeKind::Holds, "q", "reads", (0, None));
    let known = world.known();
    let paths = |kind, id, to_kind, to, at| {
        let (from, to) = (find(&known, kind, id), find(&known, to_kind, to));
        let found = known.paths(day(at), Some(from), Some(to), 6, None, 9).unwrap();
        let shown = |path: &Vec<crate::Step>| {
            let step = |step: &crate::Step| format!("{} {}", step.kind.name(), named(&known, &[step.to])[0]);
            path.iter().map(step).collect::<Vec<_>>().join(", ")
        };
        found.iter().map(shown).collect::<Vec<_>>()
    };
    let (secret, resource) = (NodeKind::Secret, NodeKind::Resource);
    assert_eq!(
        paths(secret, "key", resource, "b", 1),
        ["AUTHENTICATES a, MEMBER_OF g, CAN_ASSUME r, HOLDS reads, GRANTS b"]
    );
    assert_eq!(paths(secret, "key", resource, "c", 1), ["AUTHENTICATES a, HOLDS writes, GRANTS c"]);
    assert_eq!(paths(secret, "key", resource, "c", 3), Vec::<String>::new());
    // The other secret, met on the way, ends a path: it does not lead on to q.
    assert_eq!(paths(secret, "key", NodeKind::Identity, "q", 1), Vec::<String>::new());
    assert_eq!(paths(secret, "key", secret, "other", 1), ["AUTHENTICATES a, AUTHENTICATES_WITH other"]);
    assert_eq!(paths(secret, "key", secret, "key", 1), Vec::<String>::new());
    // From it, the shorter way is over q.
    assert_eq!(
        paths(secret, "other", resource, "b", 1),
        [
            "AUTHENTICATES q, HOLDS reads, GRANTS b",
            "AUTHENTICATES a, MEMBER_OF g, CAN_ASSUME r, HOLDS reads, GRANTS b"
        ]
    );
    assert_eq!(paths(NodeKind::Workload, "machine", resource, "c", 1), ["RUNS_AS a, HOLDS writes, GRANTS c"]);
    assert!(StepKind::ActedAs < StepKind::Authenticates);
    let too_far = known.paths(day(1), None, None, 65, Some(&window(0, 1)), 9);
    assert!(matches!(too_far, Err(QueryError::Limit { .. })));
}
