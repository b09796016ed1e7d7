use asof_model::{
    CoverageKind, Duration, EdgeKind, NodeKind, NodeValue, Outcome, Privilege, SecretState, SecretValue,
};

use super::{World, day, find, text, window};
use crate::{
    CoverageWhere, DeadSecretWhere, EventList, IdentityWhere, Key, Known, NewSourceWhere, Node, NodeWhere,
    QueryError, SecretWhere, SourceDimension,
};

fn dead(from: i64, to: i64) -> DeadSecretWhere {
    DeadSecretWhere { during: window(from, to), grace_after: None, survivors: false }
}

fn seen_with(world: &mut World, identity: &str, secret: &str, at: i64) {
    world.seen(identity, at, Privilege::Read, "").with(|seen| secret.clone_into(&mut seen.secret));
}

/// key expires on day 3; a session was minted from it. b uses the key, a the session and the key.
fn keys() -> World {
    let mut world = World::default();
    let expiring = SecretValue { expires_at: Some(day(3)), ..SecretValue::default() };
    let value = |secret| NodeValue { secret: Some(secret), ..NodeValue::default() };
    world.value(NodeKind::Secret, "key", value(expiring), 0).edge(
        EdgeKind::Issued,
        "key",
        "session",
        (0, None),
    );
    for (identity, secret, at) in
        [("b", "key", 4), ("a", "key", 2), ("a", "key", 3), ("a", "key", 6), ("a", "session", 5)]
    {
        seen_with(&mut world, identity, secret, at);
    }
    seen_with(&mut world, "a", "key", 5);
    world.with(|seen| seen.outcome = Outcome::Denied);
    world
}

#[test]
fn dead_uses_are_what_is_behind_the_filter() {
    let world = keys();
    let known = world.known();
    let (a, key) = (find(&known, NodeKind::Identity, "a"), find(&known, NodeKind::Secret, "key"));
    let session = find(&known, NodeKind::Secret, "session");
    let of = |known: &Known, node: Node, filter: &DeadSecretWhere| {
        let found = known.dead_uses(day(9), node, filter).unwrap();
        let list = EventList::DeadUses { node, filter: filter.clone() };
        assert_eq!(known.count_events(day(9), &list).unwrap(), found.len() as u64);
        found.iter().map(|event| event.time.nanos() / day(1).nanos()).collect::<Vec<_>>()
    };
    // It is dead at the moment at which it expires; what was denied is no use.
    assert_eq!(of(&known, a, &dead(0, 9)), [3, 6]);
    assert_eq!(of(&known, a, &dead(3, 6)), [3]);
    assert_eq!(of(&known, key, &dead(0, 9)), [3, 4, 6]);
    assert_eq!(of(&known, session, &dead(0, 9)), [0; 0]);
    let surviving = DeadSecretWhere { survivors: true, ..dead(0, 9) };
    assert_eq!(of(&known, session, &surviving), [5]);
    assert_eq!(of(&known, a, &surviving), [3, 5, 6]);
    let late = DeadSecretWhere { grace_after: Some(Duration::from_secs(86_400)), ..surviving };
    assert_eq!(of(&known, a, &late), [5, 6]);
    // Two facts, then the observations as they came: day 6 is the sixth record.
    assert_eq!(of(&world.known_at(6), a, &dead(0, 9)), [3, 6]);
    assert_eq!(of(&world.known_at(5), a, &dead(0, 9)), [3]);
    let page = EventList::DeadUses { node: key, filter: dead(0, 9) };
    let second = known.events(day(9), &page, Some((day(3), 4)), 1).unwrap();
    assert_eq!(second.iter().map(|event| event.time).collect::<Vec<_>>(), [day(4)]);
    let owner = Node { kind: NodeKind::Owner, ordinal: 0 };
    assert!(matches!(known.dead_uses(day(9), owner, &dead(0, 9)), Err(QueryError::Invalid(_))));
}

#[test]
fn what_is_deleted_later_known_was_dead_all_the_same() {
    let mut world = World::default();
    world.node(NodeKind::Secret, "key", 0).delete(NodeKind::Secret, "key", 2);
    seen_with(&mut world, "a", "key", 1);
    seen_with(&mut world, "a", "key", 2);
    let known = world.known();
    let a = find(&known, NodeKind::Identity, "a");
    let found = known.dead_uses(day(9), a, &dead(0, 9)).unwrap();
    assert_eq!(found.iter().map(|event| event.time).collect::<Vec<_>>(), [day(2)]);
}

#[test]
fn new_sources_come_with_their_first_sight() {
    let mut world = World::default();
    for (secret, region, at, outcome) in [
        ("s", "eu", 1, Outcome::Success),
        ("", "us", 3, Outcome::Success),
        ("s", "us", 3, Outcome::Success),
        ("s", "ap", 5, Outcome::Success),
        ("s", "sa", 4, Outcome::Denied),
        ("s", "", 4, Outcome::Success),
        ("s", "us", 2, Outcome::Success),
        ("s", "eu", 4, Outcome::Success),
    ] {
        seen_with(&mut world, "a", secret, at);
        world.with(|seen| {
            region.clone_into(&mut seen.region);
            seen.outcome = outcome;
        });
    }
    let known = world.known();
    let a = find(&known, NodeKind::Identity, "a");
    let of = |known: &Known, node, of, from, to| {
        let filter = NewSourceWhere { of, during: window(from, to) };
        let found = known.new_sources(day(9), node, &filter).unwrap();
        let shown = |new: &crate::NewSource| {
            (known.source_text(new.source).unwrap().as_ref().to_owned(), new.first.index)
        };
        found.iter().map(shown).collect::<Vec<_>>()
    };
    let new = |found: &[(&str, u64)]| {
        found.iter().map(|(id, index)| ((*id).to_owned(), *index)).collect::<Vec<_>>()
    };
    let region = SourceDimension::Region;
    // eu is where it was first seen at all, sa where it was denied.
    assert_eq!(of(&known, a, region, 0, 9), new(&[("us", 6), ("ap", 3)]));
    assert_eq!(of(&known, a, region, 3, 5), []);
    assert_eq!(of(&known, a, region, 5, 6), new(&[("ap", 3)]));
    assert_eq!(of(&known, a, region, 2, 5), new(&[("us", 6)]));
    // Before the seventh record arrived, us was first seen on day 3, twice: the first in the ledger counts.
    assert_eq!(of(&world.known_at(6), a, region, 0, 9), new(&[("us", 1), ("ap", 3)]));
    assert_eq!(of(&known, a, SourceDimension::Secret, 0, 9), []);
    let s = find(&known, NodeKind::Secret, "s");
    assert_eq!(of(&world.known_at(6), s, region, 0, 9), new(&[("us", 2), ("ap", 3)]));
    let filter = NewSourceWhere { of: region, during: window(2, 2) };
    assert!(matches!(known.new_sources(day(9), a, &filter), Err(QueryError::Invalid(_))));
}

#[test]
fn what_is_omitted_is_deleted_and_would_match() {
    let mut world = World::default();
    world
        .node(NodeKind::Identity, "xa", 0)
        .node(NodeKind::Identity, "xb", 0)
        .node(NodeKind::Identity, "b", 0)
        .node(NodeKind::Secret, "xs", 0)
        .delete(NodeKind::Secret, "xs", 2)
        .delete(NodeKind::Identity, "b", 2)
        .delete(NodeKind::Identity, "xa", 2)
        .node(NodeKind::Identity, "xa", 5)
        .seen("xd", 1, Privilege::Read, "");
    let node = || NodeWhere { id: Some(text("x*")), ..NodeWhere::default() };
    let known = world.known();
    let identities = |known: &Known, at| {
        let filter = IdentityWhere { node: node(), ..IdentityWhere::default() };
        let count = known.omitted_identities(day(at), &filter).unwrap();
        assert_eq!(known.omitted_nodes(day(at), NodeKind::Identity, &node()).unwrap(), count);
        count
    };
    assert_eq!((1..=5).map(|at| identities(&known, at)).collect::<Vec<_>>(), [0, 1, 1, 1, 0]);
    // The deletion of xa is the seventh record.
    assert_eq!(identities(&world.known_at(6), 2), 0);
    assert_eq!(identities(&world.known_at(7), 5), 1);
    assert_eq!(known.omitted_identities(day(2), &IdentityWhere::default()).unwrap(), 2);
    let filter = SecretWhere { node: node(), ..SecretWhere::default() };
    assert_eq!(known.omitted_secrets(day(1), &filter).unwrap(), 0);
    assert_eq!(known.omitted_secrets(day(2), &filter).unwrap(), 1);
    let revoked = SecretWhere { state: Some(SecretState::Revoked), ..filter };
    assert_eq!(known.omitted_secrets(day(2), &revoked).unwrap(), 0);
}

#[test]
fn coverages_are_listed_while_they_are_stated() {
    let mut world = World::default();
    world.batch.source = "trail".to_owned();
    world.coverage(CoverageKind::Observations, &["s3/*"], 1, 3).coverage(CoverageKind::Posture, &[], 2, 9);
    let known = world.known();
    let of = |known: &Known, at, filter: &CoverageWhere| {
        let found = known.stated_coverages(day(at), filter).unwrap();
        found.into_iter().map(|stated| stated.scope.as_ref().to_owned()).collect::<Vec<_>>()
    };
    let any = CoverageWhere::default;
    assert_eq!(of(&known, 0, &any()), Vec::<String>::new());
    assert_eq!(of(&known, 1, &any()), ["scope 0"]);
    assert_eq!(of(&known, 2, &any()), ["scope 0", "scope 1"]);
    assert_eq!(of(&known, 3, &any()), ["scope 1"]);
    assert_eq!(of(&world.known_at(1), 2, &any()), ["scope 0"]);
    let posture = CoverageWhere { kinds: Some(vec![CoverageKind::Posture]), ..any() };
    assert_eq!(of(&known, 2, &posture), ["scope 1"]);
    assert_eq!(of(&known, 2, &CoverageWhere { kinds: Some(Vec::new()), ..any() }), Vec::<String>::new());
    assert_eq!(of(&known, 2, &CoverageWhere { scope: Some(text("*0")), ..any() }), ["scope 0"]);
    assert_eq!(of(&known, 2, &CoverageWhere { source: Some(text("trail")), ..any() }).len(), 2);
    assert_eq!(of(&known, 2, &CoverageWhere { source: Some(text("x")), ..any() }), Vec::<String>::new());
    let first = known.stated_coverages(day(1), &any()).unwrap().remove(0);
    assert_eq!(
        (first.source.as_ref(), first.value.resources.as_slice()),
        ("trail", ["s3/*".to_owned()].as_slice())
    );
    assert_eq!(known.versions(Key::Coverage(first.ordinal)).unwrap().len(), 1);
}

#[test]
fn a_coverage_speaks_of_those_whom_its_globs_match() {
    let mut world = World::default();
    world.coverage(CoverageKind::Posture, &[], 0, 9).coverage(CoverageKind::Posture, &[], 0, 9);
    if let Some(asof_model::Op::Put(asof_model::Value::Coverage(said))) =
        world.batch.facts.last_mut().map(|fact| &mut fact.op)
    {
        said.identities = vec!["role/*".to_owned(), "root".to_owned()];
    }
    let known = world.known();
    let about = |id: &str| {
        let filter = CoverageWhere { identity: Some(id.to_owned()), ..CoverageWhere::default() };
        known.stated_coverages(day(1), &filter).unwrap().len()
    };
    assert_eq!([about("role/a"), about("root"), about("roots"), about("")], [2, 2, 1, 1]);
}
