use asof_model::{EdgeKind, NodeKind, Privilege};

use super::{World, allow, day, deny, find, named, set, window};
use crate::{HoldsWhere, IdentityOrder, IdentityWhere, Known, UnusedWhere};

fn holds(privileges: &[Privilege]) -> HoldsWhere {
    HoldsWhere {
        privileges: set(privileges),
        on: None,
        effective: false,
        throughout: None,
        sometime: None,
        conditional: true,
        entitlement: None,
    }
}

fn holders(known: &Known, at: i64, holds: HoldsWhere) -> Vec<String> {
    let filter = IdentityWhere { holds: Some(holds), ..IdentityWhere::default() };
    named(known, &known.identities(day(at), &filter, false, IdentityOrder::Appearance).unwrap().all())
}

/// `a` itself, `b` by a group, `c` by a role that it can assume.
fn world() -> World {
    let mut world = World::default();
    world
        .entitlement("writer", allow(&[Privilege::Write], "s3/*"))
        .entitlement("no", deny(&[Privilege::Write], "s3/secret*"))
        .edge(EdgeKind::Holds, "a", "writer", (1, Some(5)))
        .edge(EdgeKind::Holds, "group", "writer", (2, None))
        .edge(EdgeKind::MemberOf, "b", "group", (3, None))
        .edge(EdgeKind::MemberOf, "group", "b", (3, None))
        .edge(EdgeKind::CanAssume, "c", "b", (4, None));
    world
}

#[test]
fn holds_by_itself_by_groups_and_effectively() {
    let known = world().known();
    assert_eq!(holders(&known, 1, holds(&[Privilege::Write])), ["a"]);
    assert_eq!(holders(&known, 4, holds(&[Privilege::Write])), ["a", "group", "b"]);
    assert_eq!(holders(&known, 5, holds(&[Privilege::Write])), ["group", "b"]);
    assert_eq!(
        holders(&known, 5, HoldsWhere { effective: true, ..holds(&[Privilege::Write]) }),
        ["group", "b", "c"]
    );
    assert!(holders(&known, 5, holds(&[Privilege::Authenticate, Privilege::Read])).is_empty());
}

#[test]
fn a_denial_counts_where_it_covers_all_that_is_asked() {
    let mut world = world();
    world.edge(EdgeKind::Holds, "a", "no", (1, None));
    let known = world.known();
    let on =
        |on: &str| holders(&known, 1, HoldsWhere { on: Some(on.to_owned()), ..holds(&[Privilege::Write]) });
    assert_eq!(on("s3/*"), ["a"]);
    assert!(on("s3/secret").is_empty());
    assert!(on("s3/secret/*").is_empty());
    assert!(on("db/*").is_empty());
}

#[test]
fn nothing_of_a_deleted_end_is_in_force() {
    let mut world = world();
    world.delete(NodeKind::Identity, "group", 4);
    let known = world.known();
    assert_eq!(holders(&known, 4, holds(&[Privilege::Write])), ["a"]);
    let filter = IdentityWhere::default();
    let all = |deleted| {
        named(&known, &known.identities(day(4), &filter, deleted, IdentityOrder::Id).unwrap().all())
    };
    assert_eq!(all(false), ["a", "b", "c"]);
    assert_eq!(all(true), ["a", "b", "c", "group"]);
}

#[test]
fn throughout_and_sometime_look_at_every_moment() {
    let known = world().known();
    let over = |throughout, sometime| {
        holders(&known, 9, HoldsWhere { throughout, sometime, ..holds(&[Privilege::Write]) })
    };
    assert_eq!(over(Some(window(3, 6)), None), ["group", "b"]);
    assert_eq!(over(None, Some(window(4, 6))), ["a", "group", "b"]);
    assert!(over(Some(window(3, 6)), Some(window(0, 1))).is_empty());
}

#[test]
fn unused_is_what_no_use_may_have_needed() {
    let mut world = World::default();
    world
        .entitlement("files", allow(&[Privilege::Read, Privilege::Write], "s3/*"))
        .edge(EdgeKind::Holds, "a", "files", (1, Some(3)))
        .edge(EdgeKind::Holds, "a", "files", (3, None))
        .seen("a", 2, Privilege::Write, "s3/x")
        .seen("a", 7, Privilege::Read, "db/x")
        .seen("a", 8, Privilege::Read, "");
    let known = world.known();
    let a = find(&known, NodeKind::Identity, "a");
    let unused = |from, to| {
        let filter = UnusedWhere { privileges: None, during: window(from, to) };
        let found = known.unused(day(9), a, &filter, crate::Told::ALL).unwrap();
        found.into_iter().map(|each| (each.privilege, each.held_since, each.last_used)).collect::<Vec<_>>()
    };
    let write = (Privilege::Write, day(1), Some(day(2)));
    assert_eq!(unused(8, 9), [write]);
    assert_eq!(unused(7, 8), [(Privilege::Read, day(1), Some(day(8))), write]);
    assert_eq!(unused(1, 9), []);
}
