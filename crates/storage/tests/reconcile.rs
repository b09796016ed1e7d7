//! Reconcile against its definition, on random histories of several sources.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use asof_model::{
    Batch, EdgeKind, EdgeRef, Fact, Instant, Listing, NodeKind, NodeRef, NodeValue, Op, Statement,
    StatementOp, Subject, Timeline, Value,
};
use asof_storage::{Prepared, Reconciled, Space, Store, TimelineKey, Writer};

struct Draw(u64);

impl Draw {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

fn subject(n: u64) -> Subject {
    if n.is_multiple_of(3) {
        let edge = EdgeRef {
            kind: EdgeKind::MemberOf,
            from: format!("i{n}"),
            to_kind: NodeKind::Identity,
            to: "group".into(),
        };
        Subject::Edge(edge)
    } else {
        Subject::Node(NodeRef { kind: NodeKind::Identity, id: format!("i{n}") })
    }
}

fn value(n: u64, version: u64) -> Value {
    let name = ("v".to_owned(), version.to_string());
    if n.is_multiple_of(3) {
        Value::Edge(BTreeMap::from([name]))
    } else {
        Value::Node(NodeValue { attributes: BTreeMap::from([name]), ..NodeValue::default() })
    }
}

fn append(writer: &mut Writer, batches: Vec<Batch>) {
    let mut group = writer.group();
    for batch in batches {
        group.append(Prepared::of(batch), Instant::from_nanos(1)).unwrap();
    }
    group.commit().unwrap();
}

fn key(store: &Store, n: u64) -> Option<TimelineKey> {
    let node = |id: &str| {
        let found = store.lookup(Space::Nodes(NodeKind::Identity), id.as_bytes()).unwrap();
        found.map(|(ordinal, _)| asof_storage::NodeKey { kind: NodeKind::Identity, ordinal })
    };
    match subject(n) {
        Subject::Node(said) => node(&said.id).map(TimelineKey::Node),
        Subject::Edge(edge) => {
            Some(TimelineKey::Edge { kind: edge.kind, from: node(&edge.from)?, to: node(&edge.to)? })
        }
        Subject::Coverage(_) => None,
    }
}

/// The statements on a subject, of one source or of all.
fn statements(store: &Store, n: u64, source: Option<u32>) -> Vec<Statement> {
    let Some(key) = key(store, n) else { return vec![] };
    let mut found = store.statements(key, store.published()).unwrap();
    found.retain(|each| source.is_none_or(|source| each.source == source));
    found
}

#[test]
fn a_listing_ends_puts_and_leaves_alone_what_it_should() {
    let mut draw = Draw(11);
    for round in 0..60 {
        let folder = tempfile::tempdir().unwrap();
        let (store, mut writer) = Store::open(&folder.path().join("t")).unwrap();
        // The sources' numbers follow the order in which they first write.
        let mut batches: Vec<Batch> =
            ["a", "b"].map(|source| Batch { source: source.into(), ..Batch::default() }).into();
        for _ in 0..40 {
            let n = draw.below(12);
            let from = draw.below(10) as i64;
            let op = match draw.below(5) {
                0 => Op::Delete,
                1 => Op::End,
                _ => Op::Put(value(n, draw.below(2))),
            };
            let to = if draw.below(2) == 0 {
                Instant::FOREVER
            } else {
                Instant::from_nanos(from + 1 + draw.below(6) as i64)
            };
            let until_next = to == Instant::FOREVER && draw.below(3) == 0;
            let fact = Fact {
                subject: subject(n),
                op,
                valid_from: Instant::from_nanos(from),
                valid_to: to,
                until_next,
                event_id: String::new(),
                caused_by: String::new(),
            };
            let source = ["a", "b"][draw.below(2) as usize].to_owned();
            batches.push(Batch { source, facts: vec![fact], ..Batch::default() });
        }
        append(&mut writer, batches);
        let at = Instant::from_nanos(draw.below(10) as i64);
        let mut draw_half = Draw(draw.below(1 << 30));
        let parts: Vec<(u64, Value)> =
            (0..12).map(|n| (n, value(n, draw.below(2)))).filter(|_| draw_half.below(2) == 0).collect();
        let listing = Listing {
            source: "a".into(),
            batch_id: if round % 2 == 0 { "listing".into() } else { String::new() },
            at,
            parts: parts.iter().map(|(n, value)| (subject(*n), value.clone())).collect(),
            empty: parts.is_empty(),
        };
        let before: Vec<_> =
            (0..12).map(|n| (statements(&store, n, Some(0)), statements(&store, n, None))).collect();
        let others: Vec<_> = (0..12).map(|n| statements(&store, n, Some(1))).collect();
        let size = store.published();

        let mut group = writer.group();
        let told = group.reconcile(listing.clone(), Instant::from_nanos(1)).unwrap();
        group.commit().unwrap();

        let mut expected = Reconciled::default();
        for n in 0..12 {
            let (own, all) = &before[n as usize];
            let own_state = Timeline::resolve(own).at(at).clone();
            let deleted = *Timeline::resolve(all).at(at) == asof_model::State::Deleted;
            let after = statements(&store, n, Some(0));
            let added: Vec<&StatementOp> = after[own.len()..].iter().map(|each| &each.op).collect();
            assert!(after[own.len()..].iter().all(|each| each.from == at && each.to == Instant::FOREVER));
            match parts.iter().find(|part| part.0 == n).map(|part| &part.1) {
                None if own_state.is_value() => {
                    expected.ended += 1;
                    assert_eq!(added, [&StatementOp::End], "{round} {n}");
                }
                None => assert!(added.is_empty(), "{round} {n}"),
                Some(listed) => match own_state.value() {
                    Some(held) if **held == *listed && !deleted => {
                        expected.unchanged += 1;
                        assert!(added.is_empty(), "{round} {n}");
                    }
                    held => {
                        if held.is_some() {
                            expected.changed += 1;
                        } else {
                            expected.created += 1;
                        }
                        assert_eq!(added, [&StatementOp::Put(listed.clone().into())], "{round} {n}");
                    }
                },
            }
            assert_eq!(statements(&store, n, Some(1)), others[n as usize], "another source's timeline");
        }
        expected.ledger_size = size + expected.created + expected.changed + expected.ended;
        assert_eq!(told, expected, "{round}");

        let mut group = writer.group();
        let again = group.reconcile(listing, Instant::from_nanos(1)).unwrap();
        group.commit().unwrap();
        assert_eq!((again.created, again.changed, again.ended), (0, 0, 0), "sent twice it changes nothing");
        assert_eq!(again.ledger_size, expected.ledger_size);
    }
}

#[test]
fn a_listing_of_nothing_must_be_meant() {
    let listing = Listing {
        source: "a".into(),
        batch_id: String::new(),
        at: Instant::from_nanos(1),
        parts: vec![],
        empty: false,
    };
    let faults = listing.faults(&asof_model::Limits::DEFAULT);
    assert_eq!(faults[0].field, "commit.empty");
    assert!(Listing { empty: true, ..listing }.faults(&asof_model::Limits::DEFAULT).is_empty());
}
