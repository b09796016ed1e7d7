use asof_model::{
    CoverageKind, EdgeKind, Instant, Interval, NodeKind, NodeValue, Outcome, Privilege, SecretState,
    SecretValue,
};

use super::{World, allow, day, find, named, window};
use crate::{
    DeadSecretWhere, Event, EventList, IdentityOrder, IdentityWhere, NewSourceWhere, ObservedWhere,
    QueryError, SeenWhere, SourceDimension, UncoveredWhere, UsedWhere, Window,
};

fn used(from: i64, to: i64) -> UsedWhere {
    let seen = SeenWhere { outcomes: Some(vec![Outcome::Success]), ..SeenWhere::default() };
    UsedWhere { during: window(from, to), seen, min_count: 1 }
}

#[test]
fn drift_is_judged_at_the_time_of_use() {
    let mut world = World::default();
    world
        .entitlement("files", allow(&[Privilege::Write], "s3/*"))
        .edge(EdgeKind::Holds, "a", "files", (2, Some(4)))
        .coverage(CoverageKind::Posture, &["s3/*"], 4, 6)
        .seen("a", 1, Privilege::Write, "s3/x")
        .seen("a", 3, Privilege::Write, "s3/x")
        .seen("a", 4, Privilege::Write, "s3/x")
        .seen("a", 5, Privilege::Authenticate, "s3/x");
    let known = world.known();
    let a = find(&known, NodeKind::Identity, "a");
    let times = |posture_known| {
        let filter = UncoveredWhere {
            used: used(0, 9),
            covered_by: None,
            effective: false,
            explained: None,
            posture_known,
        };
        let list = EventList::Uncovered { identity: a, filter };
        let found = known.events(day(9), &list, None, 9).unwrap();
        assert_eq!(known.count_events(day(9), &list).unwrap(), found.len() as u64);
        found.into_iter().map(|event| event.time).collect::<Vec<_>>()
    };
    assert_eq!(times(None), [day(1), day(4)]);
    assert_eq!(times(Some(true)), [day(4)]);
    assert_eq!(times(Some(false)), [day(1)]);
}

#[test]
fn pages_of_observations_follow_each_other() {
    let mut world = World::default();
    for at in [3, 1, 2, 2] {
        world.seen("a", at, Privilege::Read, "");
    }
    let known = world.known();
    let list = EventList::Observations {
        identity: None,
        filter: crate::ObservationWhere::default(),
        during: window(1, 3),
    };
    let page = |after, first| {
        let found = known.events(day(9), &list, after, first).unwrap();
        found.iter().map(Event::place).collect::<Vec<_>>()
    };
    assert_eq!(known.count_events(day(9), &list).unwrap(), 3);
    assert_eq!(page(None, 2), [(day(1), 1), (day(2), 2)]);
    assert_eq!(page(Some((day(2), 2)), 2), [(day(2), 3)]);
    assert_eq!(page(Some((day(2), 3)), 2), []);
    // Of what stands before the window nothing is shown, wherever a place lies.
    assert_eq!(page(Some((day(0), 7)), 1), [(day(1), 1)]);
    assert_eq!(page(None, 0), []);
}

#[test]
fn gaps_are_where_nobody_looked() {
    let mut world = World::default();
    world
        .node(NodeKind::Identity, "a", 0)
        .coverage(CoverageKind::Observations, &["s3/*"], 1, 3)
        .coverage(CoverageKind::Observations, &[], 3, 4)
        .coverage(CoverageKind::Observations, &["s3/a*"], 5, 9);
    let known = world.known();
    let a = find(&known, NodeKind::Identity, "a");
    let filter = |from, to, on: &str| ObservedWhere {
        during: window(from, to),
        privileges: None,
        on: Some(on.to_owned()),
        kind: CoverageKind::Observations,
    };
    let gaps = |from, to, on| known.gaps(day(9), a, &filter(from, to, on)).unwrap();
    let gap = |from, to| Interval { from: day(from), to: day(to) };
    assert_eq!(gaps(1, 4, "s3/*"), []);
    assert_eq!(gaps(0, 8, "s3/*"), [gap(0, 1), gap(4, 8)]);
    assert_eq!(gaps(4, 8, "s3/ab*"), [gap(4, 5)]);
    let endless = ObservedWhere { during: Window::default(), ..filter(0, 1, "*") };
    assert!(matches!(known.gaps(day(9), a, &endless), Err(QueryError::Invalid(_))));
}

#[test]
fn a_session_survives_its_key() {
    let mut world = World::default();
    let key = SecretValue { expires_at: Some(day(3)), ..SecretValue::default() };
    let revoked = SecretValue { state: SecretState::Revoked, ..SecretValue::default() };
    let of = |secret| NodeValue { secret: Some(secret), ..NodeValue::default() };
    world.value(NodeKind::Secret, "key", of(key), 0).value(NodeKind::Secret, "old", of(revoked), 0).edge(
        EdgeKind::Issued,
        "key",
        "session",
        (1, None),
    );
    for (identity, secret, at) in [("a", "session", 2), ("b", "session", 4), ("c", "key", 4), ("d", "old", 1)]
    {
        world.seen(identity, at, Privilege::Read, "");
        secret.clone_into(&mut world.batch.observations.last_mut().unwrap().secret);
    }
    let known = world.known();
    let with = |survivors, grace: i64| {
        let grace_after = Some(asof_model::Duration::from_secs(grace * 86_400));
        let dead = DeadSecretWhere { during: window(0, 9), grace_after, survivors };
        let filter = IdentityWhere { used_dead_secret: Some(dead), ..IdentityWhere::default() };
        named(&known, &known.identities(day(9), &filter, false, IdentityOrder::Appearance).unwrap().all())
    };
    assert_eq!(with(false, 0), ["c", "d"]);
    assert_eq!(with(true, 1), ["b", "c", "d"]);
    assert_eq!(with(true, 2), Vec::<String>::new());
}

#[test]
fn a_source_is_new_where_the_node_was_seen_before() {
    let mut world = World::default();
    for (identity, region, at) in
        [("a", "eu", 1), ("a", "us", 5), ("b", "us", 5), ("c", "eu", 1), ("c", "eu", 5)]
    {
        world.seen(identity, at, Privilege::Read, "");
        region.clone_into(&mut world.batch.observations.last_mut().unwrap().region);
    }
    let known = world.known();
    let new_source = Some(NewSourceWhere { of: SourceDimension::Region, during: window(4, 6) });
    let filter = IdentityWhere { new_source, ..IdentityWhere::default() };
    let found = known.identities(day(9), &filter, false, IdentityOrder::Appearance).unwrap();
    assert_eq!(named(&known, &found.all()), ["a"]);
}

#[test]
fn a_window_is_checked_before_anything_is_read() {
    let known = World::default().known();
    let both = Window { last: Some(asof_model::Duration::from_secs(1)), ..window(1, 2) };
    for during in [window(2, 2), both, Window { from: Some(day(9)), ..Window::default() }] {
        let used = UsedWhere { during, ..used(0, 1) };
        let filter = IdentityWhere { used: Some(used), ..IdentityWhere::default() };
        let not = IdentityWhere { not: Some(Box::new(filter)), ..IdentityWhere::default() };
        let answer = known.identities(day(9), &not, false, IdentityOrder::Appearance);
        assert!(matches!(answer, Err(QueryError::Invalid(_))), "{answer:?}");
    }
    assert_eq!(known.first_used(day(1), crate::walk::identity(0)), Ok(None::<Instant>));
}
