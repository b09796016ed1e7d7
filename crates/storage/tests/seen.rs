//! Who was seen, and what was used, in every window and at every ledger size, against reading the events one by one.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;

use asof_model::{
    Batch, Instant, Interval, NodeKind, NodeRef, NodeValue, Observation, Op, Outcome, Privilege,
    PrivilegeSet, Subject, Value,
};
use asof_storage::{Axis, EventScan, Memory, Pieces, Prepared, Store, StoredEvent, Tally, UsedWith, Wanted};

use common::fact;

const HOUR: i64 = 3_600_000_000_000;

fn just(hours: i64, nanos: i64) -> Instant {
    Instant::from_nanos(hours * HOUR + nanos)
}

/// Four weeks of events of some identities, secrets, classes and outcomes; later batches add to all of them.
fn batches() -> Vec<Batch> {
    let event = |number: i64| {
        let privilege = [Privilege::Read, Privilege::Write, Privilege::Other][number as usize % 3];
        let mut seen =
            Observation::new(format!("i{}", number * 7 % 11), just(number * 37 % 650, 0), privilege);
        seen.outcome = [Outcome::Success, Outcome::Denied, Outcome::Error][number as usize % 5 % 3];
        if number % 4 != 0 {
            seen.secret = format!("s{}", number * 5 % 13);
        }
        if number % 3 != 0 {
            seen.resource = format!("r{}", number % 5);
        }
        seen.event_id = format!("e{number}");
        seen
    };
    let batch = |events: std::ops::Range<i64>| Batch {
        source: "s".into(),
        batch_id: String::new(),
        facts: vec![],
        observations: events.map(event).collect(),
    };
    (0..6).map(|number| batch(number * 30..number * 30 + 30)).collect()
}

/// Names some of the identities and then as many others as are taken together: the rest of them are of another such group.
fn named() -> Batch {
    let names =
        (0..5).map(|number| format!("i{number}")).chain((0..1_100).map(|number| format!("x{number}")));
    let put = |id: String| {
        let node = Subject::Node(NodeRef { kind: NodeKind::Identity, id });
        fact(node, Op::Put(Value::Node(NodeValue::default())), 0)
    };
    Batch { source: "s".into(), facts: names.map(put).collect(), ..Batch::default() }
}

#[test]
fn who_was_seen_is_who_has_an_event() {
    // Parts of a day become one every other time, or seldom.
    for day_parts in [2, 16] {
        all_agree(Pieces { page_events: 8, day_parts, ..Pieces::DEFAULT });
    }
}

fn all_agree(pieces: Pieces) {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::new(Memory::BYTES_DEFAULT);
    let (store, mut writer) = Store::open_in(&folder.path().join("t"), pieces, &memory).unwrap();
    let mut group = writer.group();
    group.append(Prepared::of(named()), just(100, 0)).unwrap();
    group.commit().unwrap();
    for (number, batch) in batches().into_iter().enumerate() {
        let mut group = writer.group();
        group.append(Prepared::of(batch), just(100, 0)).unwrap();
        let size = group.commit().unwrap();
        if number == 0 {
            // What is summed up of one of them is behind what is of the others.
            let (wanted, during) =
                (Wanted::of(PrivilegeSet::from_iter([Privilege::Read]), &[]), Interval::ALWAYS);
            store
                .uses(&[0], &wanted, during, size, &mut || true, &mut |_, _| ControlFlow::Continue(()))
                .unwrap();
            continue;
        }
        agrees(&store);
    }
    // Much comes to one of eight days that were summed up, and then only to others: it is added to the sum of the eight.
    for (hours, count) in [(700, 60), (220, 60), (700, 90)] {
        let event = |number: i64| Observation::new("i0", just(hours, number), Privilege::Read);
        let (source, observations) = ("s".to_owned(), (0..count).map(event).collect());
        let batch = Batch { source, batch_id: String::new(), facts: vec![], observations };
        let mut group = writer.group();
        group.append(Prepared::of(batch), just(100, 0)).unwrap();
        group.commit().unwrap();
        agrees(&store);
    }
    // Little comes to them: it is beside their sum.
    for number in 0..6 {
        let mut event = Observation::new(format!("x{number}"), just(200 + number * 24, 0), Privilege::Write);
        event.resource = "r0".into();
        let batch = Batch { source: "s".to_owned(), observations: vec![event], ..Batch::default() };
        let mut group = writer.group();
        group.append(Prepared::of(batch), just(100, 0)).unwrap();
        group.commit().unwrap();
        agrees(&store);
    }
    ends_when_told(&store);
}

/// A read that is told not to go on ends there, and asks many times otherwise.
fn ends_when_told(store: &Store) {
    let (wanted, during) =
        (Wanted::of(Privilege::ALL.iter().copied().collect(), Outcome::ALL), Interval::ALWAYS);
    let size = store.published();
    type Read<'a> = &'a dyn Fn(&mut dyn FnMut() -> bool);
    let reads: [Read<'_>; 4] = [
        &|go_on| drop(store.seen(false, &wanted, during, size, go_on).unwrap()),
        &|go_on| drop(store.seen(true, &wanted, during, size, go_on).unwrap()),
        &|go_on| drop(store.seen_on(0, &wanted, during, size, go_on).unwrap()),
        &|go_on| drop(store.dead_uses(during, size, go_on, &mut |_| {}).unwrap()),
    ];
    for (number, read) in reads.iter().enumerate() {
        let asked = |times: usize| {
            let mut asked = 0;
            read(&mut || {
                asked += 1;
                asked < times
            });
            asked
        };
        let all = asked(usize::MAX);
        assert!(all > 3, "{number}: {all}");
        // What is done for a step may have asked, and the next step asks again.
        assert!(asked(1) == 1 && asked(2) <= 3, "{number}");
    }
}

#[test]
fn what_comes_to_a_day_is_asked_about_alone() {
    let folder = tempfile::tempdir().unwrap();
    let pieces = Pieces { page_events: 8, day_parts: 2, ..Pieces::DEFAULT };
    let memory = Memory::new(Memory::BYTES_DEFAULT);
    let (store, mut writer) = Store::open_in(&folder.path().join("t"), pieces, &memory).unwrap();
    let wanted = Wanted::of([Privilege::Write].into_iter().collect(), &[Outcome::Success]);
    let chosen = |test: &str, during: Interval, size: u64| {
        let (mut found, mut asked) = (BTreeSet::new(), 0);
        let mut choose = |event: &StoredEvent| {
            asked += 1;
            Some(event.identity.is_multiple_of(2))
        };
        let mut visit = |event: &StoredEvent| assert!(found.insert(event.index), "told twice");
        assert!(store.chosen(&test.into(), &wanted, during, size, &mut choose, &mut visit).unwrap());
        (found, asked)
    };
    // All of the days, with a midnight at one end, on an event at the other, and less than half of one day.
    let windows =
        [(0, 900), (24, 333), (24, 30)].map(|(from, to)| Interval::new(just(from, 0), just(to, 0)).unwrap());
    let mut before = 0;
    for batch in batches() {
        let mut group = writer.group();
        group.append(Prepared::of(batch), just(100, 0)).unwrap();
        let size = group.commit().unwrap();
        for during in windows {
            let all = |size: u64| {
                let (mut events, from) = (Vec::new(), (during.from, 0));
                let mut visit = |event: &StoredEvent| {
                    events.push(*event);
                    ControlFlow::Continue(())
                };
                let wanted = wanted.clone();
                let scan = EventScan { axis: Axis::All, from, to: during.to, backwards: false, wanted };
                store.events(&scan, size, &mut || true, &mut visit).unwrap();
                events
            };
            let even = |size: u64| -> BTreeSet<u64> {
                let even = all(size).into_iter().filter(|event| event.identity.is_multiple_of(2));
                even.map(|event| event.index).collect()
            };
            let test = format!("{during:?}");
            // Knowledge between two batches first, so that the rest of one comes later.
            for size in [size - 7, size, before, size - 1, 1, 0] {
                assert_eq!(chosen(&test, during, size).0, even(size), "{during:?} {size}");
            }
            if during == windows[0] {
                let new = all(size).iter().filter(|event| before <= event.index).count();
                assert_eq!(chosen("whole days", during, size).1, new, "{before} to {size}");
                assert_eq!(chosen("whole days", during, size).1, 0, "{size}");
            }
        }
        before = size;
    }
}

/// Every window at every ledger size, while what was made of parts that are gone is still kept.
fn agrees(store: &Store) {
    let size = store.published();
    // On an event and just after one, at midnights, with one day, eight and all of them between, and beyond what there is.
    let ends = [
        just(-1, 0),
        just(0, 0),
        just(37, 0),
        just(37, 1),
        just(168, 0),
        just(192, 0),
        just(384, 0),
        just(384, 1),
        just(576, 0),
        just(600, 0),
        just(900, 0),
    ];
    let windows: Vec<Interval> =
        ends.iter().flat_map(|from| ends.iter().filter_map(|to| Interval::new(*from, *to))).collect();
    let privileges = |some: &[Privilege]| some.iter().copied().collect::<PrivilegeSet>();
    let all = privileges(Privilege::ALL);
    let asked = [
        (all, Outcome::ALL),
        (all, &[Outcome::Success][..]),
        (privileges(&[Privilege::Write]), &[Outcome::Success, Outcome::Error][..]),
        (privileges(&[Privilege::Read, Privilege::Other]), &[Outcome::Denied][..]),
    ];
    for during in &windows {
        for (privileges, outcomes) in &asked {
            let wanted = Wanted::of(*privileges, outcomes);
            for size in [size, size - 1, size / 2, 30, 0] {
                let mut events: Vec<StoredEvent> = Vec::new();
                let mut visit = |event: &StoredEvent| {
                    events.push(*event);
                    ControlFlow::Continue(())
                };
                let (from, wanted) = ((during.from, 0), wanted.clone());
                let scan = EventScan { axis: Axis::All, from, to: during.to, backwards: false, wanted };
                store.events(&scan, size, &mut || true, &mut visit).unwrap();
                let seen = |secrets: bool| -> BTreeSet<u32> {
                    store
                        .seen(secrets, &scan.wanted, *during, size, &mut || true)
                        .unwrap()
                        .into_iter()
                        .collect()
                };
                let identities: BTreeSet<u32> = events.iter().map(|event| event.identity).collect();
                let secrets: BTreeSet<u32> = events.iter().filter_map(|event| event.secret).collect();
                assert_eq!(seen(false), identities, "{during:?} {privileges:?} {outcomes:?} {size}");
                assert_eq!(seen(true), secrets, "{during:?} {privileges:?} {outcomes:?} {size}");
                for resource in 0..6 {
                    let of_it = events.iter().filter(|event| event.resource == Some(resource));
                    let on = store.seen_on(resource, &scan.wanted, *during, size, &mut || true).unwrap();
                    let on: BTreeSet<u32> = on.into_iter().collect();
                    let users: BTreeSet<u32> = of_it.map(|event| event.identity).collect();
                    assert_eq!(on, users, "on {resource} {during:?} {privileges:?} {outcomes:?} {size}");
                }
                uses_agree(store, &scan, size, &events);
                if *privileges == all && *outcomes == Outcome::ALL {
                    tallies_agree(store, *during, size, &events);
                }
            }
        }
    }
}

/// An identity's events by step and class are those that there are, where a step holds all of a page and where it cuts one.
fn tallies_agree(store: &Store, during: Interval, size: u64, events: &[StoredEvent]) {
    for hours in [5, 24, 1_000] {
        let steps = (0..).map(|step: i64| Instant::from_nanos(during.from.nanos() + step * hours * HOUR));
        let steps: Vec<Instant> = steps.take_while(|start| *start < during.to).collect();
        for identity in [0, 3] {
            let mut expected = vec![Tally::new(); steps.len()];
            for event in events.iter().filter(|event| event.identity == identity) {
                let step = steps.partition_point(|start| *start <= event.time) - 1;
                *expected[step].entry((event.privilege, event.outcome)).or_default() += 1;
            }
            let found = store.tally(identity, &steps, during.to, size).unwrap();
            assert_eq!(found, expected, "{identity} every {hours} h, {during:?} {size}");
        }
    }
}

/// What identities used is what their events say, and no more is told of those of whom nothing more is wanted.
fn uses_agree(store: &Store, scan: &EventScan, size: u64, events: &[StoredEvent]) {
    // Not in order, and some that there are none of: of more groups than a question adds to.
    let identities = || [1_109, 0, 4, 5_000, 1_105, 3].into_iter().chain((6..26).map(|group| group * 1_024));
    let all: Vec<u32> = identities().collect();
    let during = Interval { from: scan.from.0, to: scan.to };
    let use_of = |event: &StoredEvent| {
        let place = identities().position(|each| each == event.identity)?;
        Some((place, event.privilege, event.outcome, event.resource, event.action))
    };
    let used: HashSet<_> = events.iter().filter_map(use_of).collect();
    let (mut found, mut once) = (HashSet::new(), Vec::new());
    let mut visit = |place, with: UsedWith| {
        found.insert((place, with.privilege, with.outcome, with.resource, with.action));
        ControlFlow::Continue(())
    };
    store.uses(&all, &scan.wanted, during, size, &mut || true, &mut visit).unwrap();
    assert_eq!(found, used, "{during:?} {size}");
    let mut visit = |place, _| {
        once.push(place);
        ControlFlow::Break(())
    };
    store.uses(&all, &scan.wanted, during, size, &mut || true, &mut visit).unwrap();
    once.sort_unstable();
    let mut users: Vec<usize> = used.iter().map(|each| each.0).collect();
    users.sort_unstable();
    users.dedup();
    assert_eq!(once, users, "{during:?} {size}");
}
