//! Uses of dead secrets, in every window and at every ledger size, against reading events and timelines one by one.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use asof_model::{
    Batch, Fact, Instant, Interval, NodeKind, NodeRef, NodeValue, Observation, Op, Outcome, Privilege,
    SecretState, SecretValue, State, Subject, Value,
};
use asof_storage::{
    Apart, Axis, DeadUse, EventScan, Memory, NodeKey, Pieces, Prepared, Store, StoredEvent, TimelineKey,
    Wanted, Writer,
};

use common::{at, fact};

const SECRETS: u64 = 40;

struct Draw(u64);

impl Draw {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn secret(&mut self) -> String {
        format!("s{}", self.below(SECRETS))
    }

    /// On some secret, from some hour on, and now and then for a while.
    fn fact(&mut self) -> Fact {
        let subject = Subject::Node(NodeRef { kind: NodeKind::Secret, id: self.secret() });
        let op = match self.below(8) {
            0 => Op::Delete,
            1 => Op::End,
            other => {
                let state = [SecretState::Active, SecretState::Revoked, SecretState::Inactive];
                let state = state[(other as usize % 5) % 3];
                let expires_at = (self.below(2) == 0).then(|| at(self.below(110) as i64));
                let secret = Some(SecretValue { state, expires_at, ..SecretValue::default() });
                Op::Put(Value::Node(NodeValue { secret, ..NodeValue::default() }))
            }
        };
        let from = self.below(90) as i64;
        let mut fact = fact(subject, op, from);
        if self.below(4) == 0 {
            fact.valid_to = at(from + 1 + self.below(40) as i64);
        }
        fact
    }

    fn observation(&mut self, number: usize) -> Observation {
        let time = at(self.below(100) as i64);
        let mut seen = Observation::new(format!("i{}", self.below(6)), time, Privilege::Read);
        seen.outcome = [Outcome::Success, Outcome::Success, Outcome::Denied][self.below(3) as usize];
        if self.below(5) > 0 {
            seen.secret = self.secret();
        }
        seen.event_id = format!("e{number}");
        seen
    }
}

fn append(writer: &mut Writer, facts: Vec<Fact>, observations: Vec<Observation>) -> u64 {
    let batch = Batch { source: "s".into(), facts, observations, ..Batch::default() };
    let mut group = writer.group();
    group.append(Prepared::of(batch), at(100)).unwrap();
    group.commit().unwrap()
}

fn dead(state: &State, t: Instant) -> bool {
    match state.value() {
        None => *state == State::Deleted,
        Some(value) => {
            let said = value.node().unwrap().secret.unwrap_or_default();
            said.state != SecretState::Active || said.expires_at.is_some_and(|expiry| expiry <= t)
        }
    }
}

/// From when on a secret is dead for good, where it never was before; FOREVER where it never is.
fn death(store: &Store, secret: u32, size: u64) -> Option<Instant> {
    let key = TimelineKey::Node(NodeKey { kind: NodeKind::Secret, ordinal: secret });
    let timeline = store.timeline(key, size).unwrap();
    let hours = (-1..200).map(at);
    let is_dead: Vec<(Instant, bool)> = hours.map(|t| (t, dead(timeline.at(t), t))).collect();
    let first = is_dead.iter().find(|each| each.1).map_or(Instant::FOREVER, |each| each.0);
    is_dead.iter().all(|(t, dead)| *dead == (first <= *t)).then_some(first)
}

/// How many uses are told, and how many secrets are open or have too many.
fn agrees(store: &Store, during: Interval, size: u64) -> (usize, usize, usize) {
    let wanted = Wanted::of(Privilege::ALL.iter().copied().collect(), &[Outcome::Success]);
    let scan = EventScan { axis: Axis::All, from: (during.from, 0), to: during.to, backwards: false, wanted };
    let mut events: Vec<StoredEvent> = Vec::new();
    let mut visit = |event: &StoredEvent| {
        events.push(*event);
        ControlFlow::Continue(())
    };
    store.events(&scan, size, &mut || true, &mut visit).unwrap();
    let mut uses: Vec<DeadUse> = Vec::new();
    let Apart { open, many } =
        store.dead_uses(during, size, &mut || true, &mut |used| uses.push(*used)).unwrap();
    assert!(many.keys().all(|secret| !open.contains(*secret)));
    let deaths: BTreeMap<u32, Option<Instant>> =
        (0..SECRETS as u32).map(|secret| (secret, death(store, secret, size))).collect();
    let decided = |secret: u32| !open.contains(secret);
    let mut expected: Vec<DeadUse> = Vec::new();
    for event in &events {
        let Some(secret) = event.secret.filter(|secret| decided(*secret)) else { continue };
        assert!(deaths[&secret].is_some(), "{secret} is not decided at {size}");
        let dies = deaths[&secret].unwrap();
        if dies <= event.time {
            let StoredEvent { time, index, identity, .. } = *event;
            expected.push(DeadUse { time, dies, index, secret, identity });
        }
    }
    uses.sort_unstable_by_key(|used| used.index);
    expected.sort_unstable_by_key(|used| used.index);
    for (secret, dies) in &many {
        assert_eq!(deaths[secret], Some(*dies), "{secret} {size}");
    }
    uses.retain(|used| !many.contains_key(&used.secret));
    expected.retain(|used| !many.contains_key(&used.secret));
    assert_eq!(uses, expected, "{during:?} {size}");
    // Only timelines tell of those that are not so simple, and where another fact came after these records.
    let changed = |secret: &u32| {
        let key = TimelineKey::Node(NodeKey { kind: NodeKind::Secret, ordinal: *secret });
        let known = store.statements(key, size).unwrap().len();
        store.statements(key, u64::MAX).unwrap().len() > known || death(store, *secret, size).is_none()
    };
    assert!(open.iter().all(|secret| changed(&secret)), "{during:?} {size}");
    (uses.len(), open.len() as usize, many.len())
}

fn windows() -> Vec<Interval> {
    let ends = [-1, 0, 24, 37, 48, 72, 99, 200].map(at);
    ends.iter().flat_map(|from| ends.iter().filter_map(|to| Interval::new(*from, *to))).collect()
}

#[test]
fn dead_uses_are_those_of_events_and_timelines() {
    let (mut decided, mut open, mut many) = (0, 0, 0);
    for seed in 0..6 {
        let folder = tempfile::tempdir().unwrap();
        // Parts of a day become one every other time.
        let kept_uses = [1, 4, Pieces::DEFAULT.kept_uses][seed as usize % 3];
        let pieces = Pieces { page_events: 8, day_parts: 2, kept_uses, ..Pieces::DEFAULT };
        let memory = Memory::new(Memory::BYTES_DEFAULT);
        let path = folder.path().join("t");
        let (mut store, mut writer) = Store::open_in(&path, pieces, &memory).unwrap();
        let mut draw = Draw(seed);
        for round in 0..12 {
            // Sometimes of one kind alone, so that it comes to what is kept of the other.
            let facts = if round % 3 == 1 { 0 } else { draw.below(SECRETS / 2) };
            let seen = if round % 3 == 2 { 0 } else { 60 };
            let facts = (0..facts).map(|_| draw.fact()).collect();
            let observations = (0..seen).map(|number| draw.observation(round * 1_000 + number)).collect();
            let size = append(&mut writer, facts, observations);
            // Of now first on some rounds, and of before first on others.
            let mut sizes = vec![size, size / 2, size - 1, size.saturating_sub(40), 0];
            sizes.rotate_left(round % 3);
            for during in windows() {
                for size in &sizes {
                    let of = agrees(&store, during, *size);
                    (decided, open, many) = (decided + of.0, open + of.1, many + of.2);
                }
            }
            if round == 6 {
                drop((store, writer));
                (store, writer) = Store::open_in(&path, pieces, &memory).unwrap();
            }
        }
    }
    assert!(decided > 10_000 && open > 10_000 && many > 1_000, "{decided} {open} {many}");
}

/// While facts and observations come, whoever asks at a size has what that size has.
#[test]
fn dead_uses_are_right_while_facts_come() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::new(Memory::BYTES_DEFAULT);
    let (store, mut writer) = Store::open_in(&folder.path().join("t"), Pieces::DEFAULT, &memory).unwrap();
    let (done, mut draw) = (AtomicBool::new(false), Draw(7));
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut sizes = BTreeSet::new();
                    while !done.load(Ordering::Acquire) {
                        let size = store.published();
                        agrees(&store, Interval::ALWAYS, size);
                        sizes.insert(size);
                    }
                    sizes.len()
                })
            })
            .collect();
        for round in 0..300 {
            let facts = (0..draw.below(3)).map(|_| draw.fact()).collect();
            append(&mut writer, facts, vec![draw.observation(round)]);
        }
        done.store(true, Ordering::Release);
        for reader in readers {
            assert!(reader.join().unwrap() > 1, "it asked at one size");
        }
    });
}

/// What is kept is not looked at again, and a fact on a secret has this one's events looked at.
#[test]
fn what_is_kept_is_not_looked_at_again() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::new(Memory::BYTES_DEFAULT);
    let (store, mut writer) = Store::open_in(&folder.path().join("t"), Pieces::DEFAULT, &memory).unwrap();
    let revoked = |number: u64| {
        let subject = Subject::Node(NodeRef { kind: NodeKind::Secret, id: format!("s{number}") });
        let secret = Some(SecretValue { state: SecretState::Revoked, ..SecretValue::default() });
        fact(subject, Op::Put(Value::Node(NodeValue { secret, ..NodeValue::default() })), 10)
    };
    let seen = |number: u64| {
        let mut seen = Observation::new("i", at(12), Privilege::Read);
        seen.secret = format!("s{}", number % SECRETS);
        seen.event_id = format!("e{number}");
        seen
    };
    let events = 1_000;
    append(&mut writer, vec![revoked(1)], (0..events).map(seen).collect());
    let ask = || {
        let (counted, mut uses) = (store.counted(), 0);
        counted.dead_uses(Interval::ALWAYS, store.published(), &mut || true, &mut |_| uses += 1).unwrap();
        (counted.work().events, uses)
    };
    let each = events / SECRETS;
    assert_eq!(ask(), (events + each, each), "all of the day");
    assert_eq!(ask(), (each, each), "what is kept");
    append(&mut writer, vec![revoked(2)], vec![]);
    // Of one that dies after the day nothing is looked at, nor of one that is not seen on it.
    append(&mut writer, vec![Fact { valid_from: at(40), ..revoked(3) }, revoked(SECRETS + 1)], vec![]);
    assert_eq!(ask(), (each + 2 * each, 2 * each), "those of one secret");
    assert_eq!(ask(), (2 * each, 2 * each), "what is kept");
    // So many of one secret are not kept: its own events tell.
    append(&mut writer, vec![], (0..300).map(|number| seen((number + 1_000) * SECRETS + 1)).collect());
    let apart = store.dead_uses(Interval::ALWAYS, store.published(), &mut || true, &mut |_| {}).unwrap();
    let first_named = Apart { open: [].into(), many: [(0, at(10))].into() };
    assert_eq!(apart, first_named);
    assert_eq!(ask(), (each, each), "of the other one");
}
