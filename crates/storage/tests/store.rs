//! The store on a real disk: acknowledgements, replay, reindex, check, and what corruption shows as.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

use asof_model::{
    Batch, EdgeKind, EdgeRef, Effect, EntitlementValue, Fact, Instant, Interval, NodeKind, NodeRef,
    NodeValue, Observation, Op, Outcome, Privilege, PrivilegeSet, Subject, Value,
};
use asof_storage::{
    Axis, EventScan, Members, Memory, Pieces, Prepared, Space, StorageError, Store, StoredEvent, Wanted,
    Writer, check, reindex,
};
use roaring::RoaringBitmap;

use common::{at, fact};

fn entitlement(id: &str, effect: Effect, privilege: Privilege, from: i64) -> Fact {
    let value = NodeValue {
        entitlement: Some(EntitlementValue {
            effect,
            privileges: PrivilegeSet::from_iter([privilege]),
            scopes: vec!["*".into()],
            actions: vec![],
            conditional: false,
        }),
        ..NodeValue::default()
    };
    let subject = Subject::Node(NodeRef { kind: NodeKind::Entitlement, id: id.into() });
    fact(subject, Op::Put(Value::Node(value)), from)
}

fn holds(identity: &str, entitlement: &str, op: Op, from: i64) -> Fact {
    let edge = EdgeRef {
        kind: EdgeKind::Holds,
        from: identity.into(),
        to_kind: NodeKind::Entitlement,
        to: entitlement.into(),
    };
    fact(Subject::Edge(edge), op, from)
}

fn put() -> Op {
    Op::Put(Value::Edge(BTreeMap::new()))
}

fn seen(identity: &str, time: i64, event_id: &str) -> Observation {
    let mut seen = Observation::new(identity, at(time), Privilege::Write);
    seen.event_id = event_id.into();
    seen
}

fn batch(n: usize, facts: Vec<Fact>, observations: Vec<Observation>) -> Batch {
    Batch { source: "s".into(), batch_id: format!("b{n}"), facts, observations }
}

/// Some hundred batches: grants, corrections, deletions, observations late and early.
fn history() -> Vec<Batch> {
    let mut batches = vec![batch(
        0,
        vec![
            entitlement("w", Effect::Allow, Privilege::Write, 0),
            entitlement("w2", Effect::Allow, Privilege::Write, 50),
            entitlement("no", Effect::Deny, Privilege::Write, 0),
        ],
        vec![],
    )];
    for n in 1..300_usize {
        let identity = format!("i{}", n % 37);
        let time = (n as i64 * 7919) % 900;
        let op = match n % 5 {
            0 => Op::Delete,
            1 => Op::End,
            _ => put(),
        };
        let mut facts = vec![holds(&identity, ["w", "w2", "no"][n % 3], op, time)];
        if n % 41 == 0 {
            facts.push(entitlement("w2", Effect::Allow, Privilege::Write, time));
        }
        batches.push(batch(
            n,
            facts,
            vec![seen(&identity, time, &format!("e{n}")), seen("x", 900 - time, "same")],
        ));
    }
    batches
}

/// The database without us.
fn bare(path: &std::path::Path) -> rocksdb::DB {
    let options = rocksdb::Options::default();
    let families = rocksdb::DB::list_cf(&options, path).unwrap();
    rocksdb::DB::open_cf(&options, path, families).unwrap()
}

fn write(path: &std::path::Path, batches: &[Batch], together: usize) -> Store {
    let (store, mut writer) = Store::open(path).unwrap();
    for (n, chunk) in batches.chunks(together).enumerate() {
        let mut group = writer.group();
        for each in chunk {
            group.append(Prepared::of(each.clone()), at(10_000 + n as i64)).unwrap();
        }
        group.commit().unwrap();
    }
    store
}

/// The stretches that questions are asked about, of which some are one moment.
fn stretches() -> impl Iterator<Item = Interval> {
    let ends = (0..10).map(|place| place * 97);
    ends.clone().flat_map(move |from| {
        let longer = ends.clone().filter(move |to| *to > from).map(at);
        let moment = Instant::from_nanos(at(from).nanos() + 1);
        longer.chain([moment]).filter_map(move |to| Interval::new(at(from), to))
    })
}

/// A reader that keeps the pieces of temporal bitmaps in memory knows who holds, or leaves it open, while the writer cuts them in two.
#[test]
fn holders_are_known_while_segments_are_cut() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::new(Memory::BYTES_DEFAULT);
    let writes = PrivilegeSet::from_iter([Privilege::Write]);
    let open = |name: &str, segment_changes| {
        let pieces = Pieces { segment_changes, ..Pieces::DEFAULT };
        Store::open_in(&folder.path().join(name), pieces, &memory).unwrap()
    };
    let append = |writer: &mut Writer, n: usize, each: &Batch| {
        let mut group = writer.group();
        group.append(Prepared::of(each.clone()), at(10_000 + n as i64)).unwrap();
        group.commit().unwrap();
    };
    let holders = |store: &Store, during, size| store.direct_holders(writes, during, size).unwrap();
    // In one piece, and asked when all that is on record is known.
    let mut truth = BTreeMap::from([(0, stretches().map(|_| RoaringBitmap::new()).collect::<Vec<_>>())]);
    let (whole, mut writer) = open("whole", usize::MAX);
    for (n, each) in history().iter().enumerate() {
        append(&mut writer, n, each);
        let size = whole.published();
        let found = stretches().map(|during| holders(&whole, during, size));
        truth.insert(size, found.map(|found| found.sure).collect());
    }
    let (store, mut writer) = open("cut", 3);
    let agrees = |size: u64| {
        for (during, truth) in stretches().zip(&truth[&size]) {
            let Members { sure, maybe } = holders(&store, during, size);
            assert!(sure.is_subset(truth), "{during:?} {size}");
            assert!(truth.is_subset(&(&sure | &maybe)), "{during:?} {size}");
        }
    };
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut rounds = 0;
            while !done.load(Ordering::Acquire) {
                agrees(store.published());
                rounds += 1;
            }
            rounds
        });
        for (n, each) in history().iter().enumerate() {
            append(&mut writer, n, each);
            agrees(store.published());
        }
        done.store(true, Ordering::Release);
        assert!(reader.join().unwrap() > 0);
    });
    // Knowing all of it, nothing is open; and the same from the disk alone.
    let size = store.published();
    drop((store, writer));
    let (store, _writer) = open("cut", 3);
    for (during, truth) in stretches().zip(&truth[&size]) {
        let found = holders(&store, during, size);
        assert_eq!((&found.sure, found.maybe.len()), (truth, 0), "{during:?}");
    }
}

#[test]
fn groups_of_any_size_give_the_same_answers_and_check_clean() {
    let mut answers = Vec::new();
    for together in [1, 7, 300] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t");
        let store = write(&path, &history(), together);
        let size = store.published();
        let mut found = Vec::new();
        for hour in (0..950).step_by(13) {
            let moment = Interval::new(at(hour), Instant::from_nanos(at(hour).nanos() + 1)).unwrap();
            let holders =
                store.direct_holders(PrivilegeSet::from_iter([Privilege::Write]), moment, size).unwrap();
            assert!(holders.maybe.is_empty());
            found.push(holders.sure);
        }
        let run = Interval::new(at(0), at(960)).unwrap();
        let writes = Wanted::of([Privilege::Write].into_iter().collect(), &[Outcome::Success]);
        found.push(store.seen(false, &writes, run, size, &mut || true).unwrap());
        answers.push((size, found));
        drop(store);
        let report = check(&path, &mut |_, _| Ok(())).unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
        assert_eq!((report.records, report.batches), (size, 300));
        assert_eq!(reindex(&path, false, &mut |_, _| Ok(())).unwrap(), size);
        assert_eq!(check(&path, &mut |_, _| Ok(())).unwrap().problems, Vec::<String>::new());
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(answers[0].0, 3 + 299 + 7 + 300, "facts, observations, and one event of many that repeat");
}

#[test]
fn knowledge_before_now_leaves_open_what_later_batches_touched() {
    let folder = tempfile::tempdir().unwrap();
    let store = write(&folder.path().join("t"), &history(), 4);
    let privileges = PrivilegeSet::from_iter([Privilege::Write]);
    for size in [0, 3, 40, 200, store.published()] {
        // The same history, cut at K by writing only whole batches up to it.
        let cut = tempfile::tempdir().unwrap();
        let (early, mut writer) = Store::open(&cut.path().join("t")).unwrap();
        let mut group = writer.group();
        for each in history() {
            if early_enough(&store, &each, size) {
                group.append(Prepared::of(each), at(10_000)).unwrap();
            }
        }
        let early_size = group.commit().unwrap();
        for hour in (0..950).step_by(29) {
            let moment = Interval::new(at(hour), Instant::from_nanos(at(hour).nanos() + 1)).unwrap();
            let then = early.direct_holders(privileges, moment, early_size).unwrap().sure;
            let now = store.direct_holders(privileges, moment, early_size).unwrap();
            assert!(now.sure.is_subset(&then), "{size} {hour}");
            assert!(then.is_subset(&(&now.sure | &now.maybe)), "{size} {hour}");
        }
    }
}

fn early_enough(store: &Store, batch: &Batch, size: u64) -> bool {
    let number: u64 = batch.batch_id[1..].parse().unwrap();
    let mut index = 0;
    loop {
        if index >= size {
            return false;
        }
        let header = store.header_of(index).unwrap();
        if header.number == number {
            return header.end <= size;
        }
        index = header.end;
    }
}

#[test]
fn repeats_are_counted_once_and_conflicts_told() {
    let folder = tempfile::tempdir().unwrap();
    let (store, mut writer) = Store::open(&folder.path().join("t")).unwrap();
    let mut group = writer.group();
    let first = group
        .append(
            Prepared::of(batch(1, vec![], vec![seen("a", 1, "e"), seen("a", 1, "e"), seen("a", 2, "e")])),
            at(5),
        )
        .unwrap();
    assert_eq!((first.ledger_size, first.duplicate_events, first.conflicting), (1, 2, 1));
    let again = group
        .append(
            Prepared::of(batch(1, vec![], vec![seen("a", 1, "e"), seen("a", 1, "e"), seen("a", 2, "e")])),
            at(5),
        )
        .unwrap();
    assert!(again.duplicate_batch);
    assert_eq!((again.first_index, again.ledger_size), (0, 1));
    let reused = group.append(Prepared::of(batch(1, vec![], vec![seen("b", 1, "f")])), at(5)).unwrap_err();
    assert!(matches!(reused, StorageError::BatchIdReused { .. }));
    // The clock stands still, or runs backwards: recorded_at grows all the same.
    let second = group.append(Prepared::of(batch(2, vec![], vec![seen("b", 1, "f")])), at(4)).unwrap();
    assert_eq!(second.recorded_at.nanos(), at(5).nanos() + 1);
    let empty = group.append(Prepared::of(batch(3, vec![], vec![])), at(6)).unwrap();
    assert_eq!((empty.first_index, empty.ledger_size), (2, 2));
    group.commit().unwrap();
    assert_eq!(store.size_at(Instant::from_nanos(at(5).nanos() - 1)).unwrap(), 0);
    assert_eq!(store.size_at(at(5)).unwrap(), 1);
    assert_eq!(store.size_at(Instant::from_nanos(at(5).nanos() + 1)).unwrap(), 2);
    assert_eq!(store.root_at(2).unwrap().0, store.last_header().unwrap().unwrap().root);
    assert_eq!(store.lookup(Space::Nodes(NodeKind::Identity), b"b").unwrap(), Some((1, 8)));
    let mut events = 0;
    let scan = EventScan {
        axis: Axis::Identity(0),
        from: (Instant::BEGINNING, 0),
        to: Instant::FOREVER,
        backwards: true,
        wanted: Wanted::of(Privilege::ALL.iter().copied().collect(), Outcome::ALL),
    };
    store
        .events(&scan, 2, &mut || true, &mut |_| {
            events += 1;
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(events, 1);
}

#[test]
fn a_second_process_and_another_format_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    let held = Store::open(&path).unwrap();
    assert!(matches!(Store::open(&path).map(drop), Err(StorageError::Locked(_))));
    drop(held);
    let db = bare(&path);
    db.put_cf(&db.cf_handle("meta").unwrap(), b"format", 9_u32.to_be_bytes()).unwrap();
    drop(db);
    let error = Store::open(&path).map(drop).unwrap_err();
    assert_eq!(error, StorageError::FormatVersion { found: 9, supported: asof_storage::FORMAT_VERSION });
}

#[test]
fn check_finds_a_changed_record_and_a_changed_view() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    drop(write(&path, &history(), 10));
    let db = bare(&path);
    let ledger = db.cf_handle("ledger").unwrap();
    let mut record = db.get_cf(&ledger, 20_u64.to_be_bytes()).unwrap().unwrap();
    // A bit of recorded_at: still a well-formed record.
    record[8] ^= 1;
    db.put_cf(&ledger, 20_u64.to_be_bytes(), record).unwrap();
    let entangled = db.cf_handle("entangled").unwrap();
    db.delete_cf(&entangled, [3]).unwrap();
    drop((ledger, entangled));
    drop(db);
    let report = check(&path, &mut |_, _| Ok(())).unwrap();
    assert!(report.problems.iter().any(|problem| problem.contains("record 20")), "{:?}", report.problems);
    assert!(
        report.problems.iter().any(|problem| problem.contains("view entangled")),
        "{:?}",
        report.problems
    );
}

/// Changes the row of the events whose key begins with this byte.
fn change(path: &std::path::Path, kind: u8, how: impl FnOnce(&mut Vec<u8>)) {
    let db = bare(path);
    let events = db.cf_handle("events").unwrap();
    let mode = rocksdb::IteratorMode::From(&[kind], rocksdb::Direction::Forward);
    let (key, value) = db.iterator_cf(&events, mode).next().unwrap().unwrap();
    assert_eq!(key[0], kind);
    let mut value = value.into_vec();
    how(&mut value);
    db.put_cf(&events, key, value).unwrap();
}

#[test]
fn what_stands_beside_the_events_is_checked_and_made_anew() {
    let (line, head, page, users) = (1, 2, 3, 4);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    let on = |identity: &str, time, resource: &str| Observation {
        resource: resource.into(),
        ..seen(identity, time, &format!("{identity} {time}"))
    };
    let observations = vec![on("a", 1, "r"), on("b", 2, "r"), on("c", 3, "q"), seen("a", 4, "none")];
    drop(write(&path, &[batch(0, vec![], observations)], 1));
    let sound = check(&path, &mut |_, _| Ok(())).unwrap();
    assert_eq!(sound.problems, Vec::<String>::new());

    // A line: varint of events, first and last moment, then how many pages and what each begins with, of events and of users.
    let (events, pages) = (0, 17);
    let told = |kind: u8, how: &dyn Fn(&mut Vec<u8>), opens: bool, what: &str| {
        change(&path, kind, how);
        let opened = Store::open(&path).map(drop);
        assert_eq!(opened.is_ok(), opens, "{what}: {opened:?}");
        assert!(opens || matches!(opened, Err(StorageError::Corruption(_))), "{what}: {opened:?}");
        let report = check(&path, &mut |_, _| Ok(())).unwrap();
        assert!(
            report.problems.iter().any(|problem| problem.contains(what)),
            "{what}: {:?}",
            report.problems
        );
        assert_eq!(reindex(&path, false, &mut |_, _| Ok(())).unwrap(), 4, "{what}");
        assert_eq!(check(&path, &mut |_, _| Ok(())).unwrap(), sound, "{what}");
    };
    told(line, &|line| line.truncate(5), false, "part of the events");
    told(line, &|line| line[pages] = 0, false, "it has no page");
    told(line, &|line| line.splice(pages..=pages + 1, [2, 0, 0]).for_each(drop), false, "not in order");
    told(line, &|line| line[events] = 9, true, "does not say what its pages hold");
    told(line, &|line| line[events + 8] ^= 1, true, "does not say what its pages hold");
    told(
        line,
        &|line| line.splice(pages..=pages + 1, [2, 0, 1]).for_each(drop),
        true,
        "identity of another page",
    );
    told(head, &|head| head[2] ^= 0b1000, true, "its head is not that of its events");
    told(head, &|head| head.truncate(3), true, "ends too early");
    told(page, &|page| page.truncate(9), true, "view events differs");
    // The last byte is the identity of the last resource's last user.
    told(users, &|users| *users.last_mut().unwrap() ^= 1, true, "its users are not those of its events");
    told(users, &|users| users.clear(), true, "view events differs");
}

#[test]
fn parts_with_fewer_events_than_their_lines_say_are_not_made_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t");
    drop(write(&path, &[batch(0, vec![], vec![seen("a", 1, "0")])], 1));
    change(&path, 1, |line| line[0] = 2);
    let (_store, mut writer) = Store::open(&path).unwrap();
    let mut refused = None;
    for n in 1..64 {
        let mut group = writer.group();
        group.append(Prepared::of(batch(n, vec![], vec![seen("a", 1, &n.to_string())])), at(20_000)).unwrap();
        if let Err(error) = group.commit() {
            refused = Some(error);
            break;
        }
    }
    let refused = refused.unwrap();
    assert!(refused.to_string().contains("as many as their lines say"), "{refused}");
}

/// Of the events in a window, those of identities with an even ordinal, which `chosen` is asked for; and of how many it was asked.
fn even(store: &Store, test: &str, during: Interval, size: u64) -> (Vec<u64>, usize) {
    let writes = Wanted::of([Privilege::Write].into_iter().collect(), &[Outcome::Success]);
    let (mut found, mut asked) = (Vec::new(), 0);
    let mut choose = |event: &StoredEvent| {
        asked += 1;
        Some(event.identity.is_multiple_of(2))
    };
    let mut visit = |event: &StoredEvent| found.push(event.index);
    assert!(store.chosen(&test.into(), &writes, during, size, &mut choose, &mut visit).unwrap());
    found.sort_unstable();
    (found, asked)
}

#[test]
fn what_was_chosen_of_one_window_answers_for_no_more_than_it() {
    let folder = tempfile::tempdir().unwrap();
    let events = (0..48).map(|hour| seen(&format!("i{}", hour % 7), hour, &format!("e{hour}"))).collect();
    let granted = batch(0, vec![holds("i0", "w", put(), 0)], vec![]);
    let store = write(&folder.path().join("t"), &[granted, batch(1, vec![], events)], 1);
    let size = store.published();
    let just = |hours: i64, nanos: i64| Instant::from_nanos(at(hours).nanos() + nanos);
    // Ends on an event, just after one, at midnight; a sliver, a bit, most and all of a day; and beyond what there is.
    let ends =
        [just(-1, 0), just(0, 0), just(3, 0), just(3, 1), just(20, 0), just(24, 0), just(30, 1), just(60, 0)];
    let windows: Vec<Interval> =
        ends.iter().flat_map(|from| ends.iter().filter_map(|to| Interval::new(*from, *to))).collect();
    let plain = |during: Interval, size: u64| {
        let wanted = Wanted::of([Privilege::Write].into_iter().collect(), &[Outcome::Success]);
        let scan =
            EventScan { axis: Axis::All, from: (during.from, 0), to: during.to, backwards: false, wanted };
        let mut found = Vec::new();
        let mut visit = |event: &StoredEvent| {
            found.extend(event.identity.is_multiple_of(2).then_some(event.index));
            ControlFlow::Continue(())
        };
        store.events(&scan, size, &mut || true, &mut visit).unwrap();
        found.sort_unstable();
        found
    };
    for (first, one) in windows.iter().enumerate() {
        for (second, other) in windows.iter().enumerate() {
            let test = format!("{first} {second}");
            for (during, size) in [(one, size), (other, size), (other, size / 2), (other, 0), (one, size)] {
                assert_eq!(
                    even(&store, &test, *during, size).0,
                    plain(*during, size),
                    "{one:?} {other:?} {size}"
                );
            }
            assert_eq!(
                even(&store, &test, *other, size).1,
                0,
                "nothing is asked of twice: {one:?} {other:?}"
            );
        }
    }
}
