use asof_model::{EdgeKind, NodeKind, NodeValue, Privilege};

use super::{World, allow, day, matching, named, present, set, text, window};
use crate::{
    AttributeMatch, ChangeWhere, EventList, HoldsWhere, IdentityWhere, NodeWhere, ObservationWhere,
    SecretWhere, SeenWhere, TextMatch, UsedWhere, Window,
};

fn none() -> IdentityWhere {
    IdentityWhere::default()
}

fn both(present: bool) -> TextMatch {
    TextMatch { present: Some(present), ..text("x*") }
}

#[test]
fn presence_stands_alone_or_beside_others() {
    for (wanted, empty, given) in [
        (TextMatch::default(), false, true),
        (present(true), false, true),
        (present(false), true, false),
        (text("x*"), false, true),
        (text("y*"), false, false),
        (both(true), false, true),
        (both(false), false, false),
        (TextMatch { any_of: Some(Vec::new()), ..present(false) }, false, false),
        (TextMatch { prefix: Some(String::new()), ..present(false) }, false, false),
    ] {
        assert_eq!((wanted.matches(""), wanted.matches("xyz")), (empty, given), "{wanted:?}");
    }
}

/// a has it all, b nothing of it, c gives it empty, d is only seen, e is deleted on day 3.
fn people() -> World {
    let said = |name: &str, kind: &str, env: &[&str]| NodeValue {
        name: name.to_owned(),
        node_type: kind.to_owned(),
        attributes: env.iter().map(|env| ("env".to_owned(), (*env).to_owned())).collect(),
        ..NodeValue::default()
    };
    let mut world = World::default();
    world
        .value(NodeKind::Identity, "a", said("xa", "xt", &["xe"]), 1)
        .value(NodeKind::Identity, "b", said("", "", &[]), 1)
        .value(NodeKind::Identity, "c", said("", "", &[""]), 1)
        .value(NodeKind::Identity, "e", said("xe", "xt", &["xe"]), 1)
        .delete(NodeKind::Identity, "e", 3)
        .seen("d", 1, Privilege::Read, "");
    world
}

#[test]
fn what_a_state_does_not_give_is_absent() {
    let world = people();
    let of = |at: i64, size: u64, ask: &dyn Fn(TextMatch) -> NodeWhere, wanted: TextMatch| {
        matching(&world.known_at(size), at, &IdentityWhere { node: ask(wanted), ..none() })
    };
    let asks: [&dyn Fn(TextMatch) -> NodeWhere; 3] = [
        &|wanted| NodeWhere { name: Some(wanted), ..NodeWhere::default() },
        &|wanted| NodeWhere { node_type: Some(wanted), ..NodeWhere::default() },
        &|value| NodeWhere {
            attribute: Some(AttributeMatch { key: "env".to_owned(), value: Some(value) }),
            ..NodeWhere::default()
        },
    ];
    let all = world.size();
    for ask in asks {
        // Before day 3, e has them still; from then on it has no value at all.
        assert_eq!(of(2, all, ask, present(false)), ["b", "c", "d"]);
        assert_eq!(of(3, all, ask, present(false)), ["b", "c", "e", "d"]);
        assert_eq!(of(3, all, ask, present(true)), ["a"]);
        assert_eq!(of(3, all, ask, both(true)), ["a"]);
        assert_eq!(of(3, all, ask, both(false)), Vec::<String>::new());
        // Without the deletion, the fifth record, e has them on day 3; d is the sixth.
        assert_eq!(of(3, 4, ask, present(false)), ["b", "c"]);
        let not = IdentityWhere { node: ask(present(false)), ..none() };
        let not = IdentityWhere { not: Some(Box::new(not)), ..none() };
        assert_eq!(matching(&world.known(), 3, &not), ["a"]);
    }
    let has = NodeWhere {
        attribute: Some(AttributeMatch { key: "env".to_owned(), value: None }),
        ..NodeWhere::default()
    };
    assert_eq!(matching(&world.known(), 2, &IdentityWhere { node: has, ..none() }), ["a", "c", "e"]);
}

#[test]
fn a_relation_without_an_end_is_absent() {
    let mut world = people();
    world
        .edge(EdgeKind::Owns, "xo", "a", (2, Some(4)))
        .edge(EdgeKind::RunsAs, "xw", "a", (2, Some(4)))
        .edge(EdgeKind::Owns, "o", "b", (0, None))
        .edge(EdgeKind::RunsAs, "w", "b", (0, None));
    let all = world.size();
    let asks: [&dyn Fn(TextMatch) -> IdentityWhere; 2] =
        [&|wanted| IdentityWhere { owned_by: Some(wanted), ..none() }, &|wanted| IdentityWhere {
            runs_on: Some(wanted),
            ..none()
        }];
    for ask in asks {
        let of = |at, wanted| matching(&world.known_at(all), at, &ask(wanted));
        assert_eq!(of(1, present(false)), ["a", "c", "e", "d"]);
        assert_eq!(of(2, present(false)), ["c", "e", "d"]);
        assert_eq!(of(4, present(false)), ["a", "c", "e", "d"]);
        assert_eq!(of(2, present(true)), ["a", "b"]);
        assert_eq!(of(2, TextMatch::default()), ["a", "b"]);
        assert_eq!(of(2, both(true)), ["a"]);
        assert_eq!(of(2, both(false)), Vec::<String>::new());
    }
    // Facts come first: the first six of them know neither edge of a's owners but the one.
    let owned = |size| {
        matching(&world.known_at(size), 2, &IdentityWhere { owned_by: Some(present(false)), ..none() })
    };
    assert_eq!(owned(5), ["a", "b", "c", "e"]);
    assert_eq!(owned(6), ["b", "c", "e"]);

    let mut vault = World::default();
    vault.node(NodeKind::Secret, "k", 0).node(NodeKind::Secret, "l", 0).edge(
        EdgeKind::StoredIn,
        "k",
        "xr",
        (1, Some(2)),
    );
    let known = vault.known();
    let stored = |at, wanted| {
        let filter = SecretWhere { stored_in: Some(wanted), ..SecretWhere::default() };
        named(&known, &known.secrets(day(at), &filter, false).unwrap().all())
    };
    assert_eq!(stored(0, present(false)), ["k", "l"]);
    assert_eq!(stored(1, present(false)), ["l"]);
    assert_eq!(stored(1, both(true)), ["k"]);
    assert_eq!(stored(2, present(false)), ["k", "l"]);
}

#[test]
fn what_an_observation_does_not_name_is_absent() {
    let mut world = World::default();
    world.seen("a", 1, Privilege::Read, "").with(|seen| {
        for member in [&mut seen.region, &mut seen.source_ip, &mut seen.workload, &mut seen.secret] {
            "xx".clone_into(member);
        }
        "xx".clone_into(&mut seen.actor);
    });
    world.seen("b", 2, Privilege::Read, "");
    let known = world.known();
    let seen = SeenWhere::default;
    let asks: [&dyn Fn(TextMatch) -> SeenWhere; 5] = [
        &|wanted| SeenWhere { region: Some(wanted), ..seen() },
        &|wanted| SeenWhere { source_ip: Some(wanted), ..seen() },
        &|wanted| SeenWhere { workload: Some(wanted), ..seen() },
        &|wanted| SeenWhere { secret: Some(wanted), ..seen() },
        &|wanted| SeenWhere { actor: Some(wanted), ..seen() },
    ];
    for ask in asks {
        let of = |wanted: TextMatch| {
            let filter = ObservationWhere { seen: ask(wanted.clone()), ..ObservationWhere::default() };
            let list = EventList::Observations { identity: None, filter, during: window(0, 9) };
            let found = known.events(day(9), &list, None, 9).unwrap();
            let used = UsedWhere { during: window(0, 9), seen: ask(wanted), min_count: 1 };
            let users = matching(&known, 9, &IdentityWhere { used: Some(used), ..none() });
            assert_eq!(users.len(), found.len());
            users
        };
        assert_eq!(of(present(false)), ["b"]);
        assert_eq!(of(present(true)), ["a"]);
        assert_eq!(of(both(true)), ["a"]);
        assert_eq!(of(both(false)), Vec::<String>::new());
    }
}

#[test]
fn an_id_is_always_there() {
    let mut world = people();
    world.entitlement("read", allow(&[Privilege::Read], "*")).edge(EdgeKind::Holds, "a", "read", (0, None));
    let known = world.known();
    let holds = |entitlement| HoldsWhere {
        privileges: set(&[Privilege::Read]),
        on: None,
        effective: false,
        throughout: None,
        sometime: None,
        conditional: true,
        entitlement: Some(entitlement),
    };
    let by_id = |id| IdentityWhere { node: NodeWhere { id: Some(id), ..NodeWhere::default() }, ..none() };
    assert_eq!(matching(&known, 2, &by_id(present(false))), Vec::<String>::new());
    assert_eq!(matching(&known, 2, &by_id(present(true))), ["a", "b", "c", "e", "d"]);
    let by = |id| matching(&known, 2, &IdentityWhere { holds: Some(holds(id)), ..none() });
    assert_eq!(by(present(true)), ["a"]);
    assert_eq!(by(present(false)), Vec::<String>::new());
    for (wanted, changes, seen) in [(present(true), 7, 1), (present(false), 0, 0)] {
        let filter = ChangeWhere { id: Some(wanted.clone()), ..ChangeWhere::default() };
        assert_eq!(known.changes(day(9), &filter, &Window::default()).unwrap().len(), changes);
        let filter = ObservationWhere { identity: Some(wanted), ..ObservationWhere::default() };
        let list = EventList::Observations { identity: None, filter, during: window(0, 9) };
        assert_eq!(known.count_events(day(9), &list).unwrap(), seen);
    }
}
