//! What questions about posture read, counted: it grows with what is asked about, not with who holds it or how often it
//! was granted before.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use asof_model::{EdgeKind, NodeKind, Privilege, PrivilegeSet};

use super::{World, allow, day, find, matching, set, window};
use crate::{HoldsWhere, IdentityWhere, Known, SeenWhere, UncoveredWhere, UsedWhere};

/// So many holders of WRITE on one resource, each of them granted it so often before; every tenth uses it, and the first
/// uses what it does not hold.
fn world(holders: i64, grants: i64) -> World {
    let mut world = World::default();
    world.entitlement("write", allow(&[Privilege::Write], "db/x")).node(NodeKind::Resource, "db/x", 0);
    for i in 0..holders {
        let id = format!("id/{i}");
        for turn in 0..grants {
            world.edge(EdgeKind::Holds, &id, "write", (turn * 2, Some(turn * 2 + 1)));
        }
        world.edge(EdgeKind::Holds, &id, "write", (100, None));
        if i % 10 == 0 {
            world.seen(&id, 110, Privilege::Write, "db/x");
        }
    }
    world.seen("id/0", 111, Privilege::Write, "db/y");
    world
}

/// How many identities match, and how many timelines were read for it.
fn asked(world: &World, filter: &IdentityWhere) -> (usize, u64) {
    let memory = Arc::new(world.memory());
    let known = Known::new(Arc::clone(&memory) as Arc<dyn crate::Reader>);
    let found = matching(&known, 120, filter).len();
    (found, memory.timelines.load(Relaxed))
}

#[test]
fn holding_on_a_resource_looks_at_entitlements_and_not_at_holders() {
    let holds = HoldsWhere {
        privileges: set(&[Privilege::Write]),
        on: Some("db/x".to_owned()),
        effective: false,
        throughout: None,
        sometime: None,
        conditional: true,
        entitlement: None,
    };
    let filter = IdentityWhere { holds: Some(holds), ..IdentityWhere::default() };
    let (few, looked) = asked(&world(50, 0), &filter);
    assert_eq!((few, asked(&world(500, 9), &filter)), (50, (500, looked)));
}

#[test]
fn drift_looks_at_entitlements_and_not_at_grants() {
    let seen = SeenWhere { privileges: Some(set(&[Privilege::Write])), ..SeenWhere::default() };
    let drift = UncoveredWhere {
        used: UsedWhere { during: window(105, 115), seen, min_count: 1 },
        covered_by: None,
        effective: false,
        explained: None,
        posture_known: None,
    };
    let filter = IdentityWhere { used_without_holding: Some(drift), ..IdentityWhere::default() };
    let (drifted, looked) = asked(&world(500, 0), &filter);
    assert_eq!((drifted, asked(&world(500, 9), &filter)), (1, (1, looked)));
}

#[test]
fn a_blast_radius_looks_at_who_is_reached_and_not_at_what_they_were_granted() {
    let reached = |grants| {
        let mut world = world(40, grants);
        for i in 1..40 {
            world.edge(EdgeKind::CanAssume, "id/0", &format!("id/{i}"), (0, None));
        }
        let memory = Arc::new(world.memory());
        let known = Known::new(Arc::clone(&memory) as Arc<dyn crate::Reader>);
        let start = find(&known, NodeKind::Identity, "id/0");
        let found = known.blast_radius(day(120), Some(start), None::<PrivilegeSet>, 4).unwrap();
        ((found.identities.len(), found.resources.len()), memory.timelines.load(Relaxed))
    };
    let (found, looked) = reached(0);
    assert_eq!((found, reached(9)), ((40, 1), ((40, 1), looked)));
}
