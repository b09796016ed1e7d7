//! Groups that are made while those before them are still to be written, against groups that are written one by one.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::{BTreeMap, VecDeque};

use asof_model::{
    Batch, EdgeKind, EdgeRef, NodeKind, NodeRef, NodeValue, Observation, Op, Privilege, Subject, Value,
};
use asof_storage::{Memory, Pieces, Prepared, Store, Writer, check};

use common::{at, fact};

/// Groups that are made before the first of them is written.
const AHEAD: usize = 3;

/// Each names what others named, and brings an event that another one brought; every seventh is one that came before.
fn history() -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for n in 0..80_usize {
        if n % 7 == 6 {
            batches.push(batches[n - 1 - n % 3].clone());
            continue;
        }
        let identity = format!("i{}", n % 11);
        let node = Subject::Node(NodeRef { kind: NodeKind::Identity, id: identity.clone() });
        let group = EdgeRef {
            kind: EdgeKind::MemberOf,
            from: identity.clone(),
            to_kind: NodeKind::Identity,
            to: format!("g{}", n % 5),
        };
        let told = [
            fact(node, Op::Put(Value::Node(NodeValue::default())), n as i64),
            fact(
                Subject::Edge(group),
                if n % 4 == 0 { Op::Delete } else { Op::Put(Value::Edge(BTreeMap::new())) },
                n as i64 * 5 % 60,
            ),
        ];
        let seen = |number: usize| {
            let mut seen = Observation::new(format!("i{}", number % 13), at(number as i64), Privilege::Write);
            seen.event_id = format!("e{number}");
            seen.secret = format!("s{}", number % 17);
            seen.action = format!("a{}", number % 3);
            seen
        };
        batches.push(Batch {
            source: format!("s{}", n % 2),
            batch_id: format!("b{n}"),
            facts: told.to_vec(),
            // Half of them come again in the next batch of the source but one.
            observations: (n * 3..n * 3 + 12).map(seen).collect(),
        });
    }
    batches
}

#[test]
fn groups_that_are_made_ahead_come_to_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let pieces = Pieces { page_events: 8, day_parts: 2, segment_changes: 4, ..Pieces::DEFAULT };
    let open = |name: &str| -> (Store, Writer) {
        let memory = Memory::new(Memory::BYTES_DEFAULT);
        Store::open_in(&folder.path().join(name), pieces, &memory).unwrap()
    };
    let (one_by_one, mut writer) = open("one");
    let mut expected = Vec::new();
    for (n, batch) in history().into_iter().enumerate() {
        let mut group = writer.group();
        expected.push(group.append(Prepared::of(batch), at(10_000 + n as i64)).unwrap());
        group.commit().unwrap();
    }
    assert!(expected.iter().any(|receipt| receipt.duplicate_batch));
    assert!(expected.iter().any(|receipt| receipt.duplicate_events > 0));

    let (store, mut writer) = open("ahead");
    let preparer = store.preparer();
    let (mut waiting, mut receipts) = (VecDeque::new(), Vec::new());
    for (n, batch) in history().into_iter().enumerate() {
        let mut group = writer.group();
        receipts.push(group.append(preparer.prepare(batch), at(10_000 + n as i64)).unwrap());
        waiting.push_back(group.seal().unwrap());
        if waiting.len() > AHEAD {
            let before = store.published();
            let size = waiting.pop_front().unwrap().write().unwrap();
            let written = &expected[n - AHEAD];
            assert!(before <= size && size == store.published(), "visible when it is written");
            assert!(
                written.duplicate_batch || size == written.ledger_size,
                "in the order in which they were made"
            );
        }
    }
    for mut sealed in waiting {
        sealed.write().unwrap();
    }
    assert_eq!(receipts, expected);
    assert_eq!(store.published(), one_by_one.published());
    let size = store.published();
    drop((store, writer, preparer, one_by_one));
    let report = check(&folder.path().join("ahead"), &mut |_, _| Ok(())).unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    assert_eq!(report.records, size);
}
