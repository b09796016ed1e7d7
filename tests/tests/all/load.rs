//! Load whose every batch can be told from its number, so that what a crash leaves can be held to what was sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use asof_engine::Receipt;
use asof_grpc::client;
use asof_grpc::convert;
use asof_grpc::proto::ledger_client::LedgerClient;
use asof_grpc::proto::ledger_record::Record;
use asof_grpc::proto::{LedgerRecord, ReadRequest};
use asof_model::{
    Attributes, Batch, EdgeKind, EdgeRef, Effect, EntitlementValue, Fact, Instant, NodeKind, NodeRef,
    NodeValue, Observation, Op, Privilege, Subject, Value,
};
use tokio_stream::StreamExt as _;

/// A batch's stream and its number there.
pub type Name = (u32, u64);

const START: i64 = 1_735_689_600_000_000_000;

fn source(stream: u32) -> String {
    format!("load/{stream}")
}

/// The batch of a name, always the same: one to sixteen records, facts and observations.
pub fn batch((stream, number): Name) -> Batch {
    let at = |place: u64| Instant::from_nanos(START + (number * 16 + place) as i64 * 1_000_000_000);
    let identity = |place: u64| format!("sa/{}", (number * 7 + place * 3 + u64::from(stream)) % 50);
    let entitlement = |place: u64| format!("ent/{}", (number + place) % 10);
    let event_id = |place: u64| format!("{number}/{place}");
    let fact = |place: u64| {
        let (subject, value) = if place == 0 {
            let value = NodeValue {
                entitlement: Some(EntitlementValue {
                    effect: if number.is_multiple_of(5) { Effect::Deny } else { Effect::Allow },
                    privileges: [Privilege::HELD[number as usize % 9], Privilege::Write]
                        .into_iter()
                        .collect(),
                    scopes: vec!["s3/*".to_owned()],
                    actions: Vec::new(),
                    conditional: false,
                }),
                ..NodeValue::default()
            };
            let node = NodeRef { kind: NodeKind::Entitlement, id: entitlement(place) };
            (Subject::Node(node), Value::Node(value))
        } else {
            let (from, to) = (identity(place), entitlement(place));
            let edge = EdgeRef { kind: EdgeKind::Holds, from, to_kind: NodeKind::Entitlement, to };
            (Subject::Edge(edge), Value::Edge(Attributes::new()))
        };
        Fact {
            subject,
            op: Op::Put(value),
            valid_from: at(place),
            valid_to: if number.is_multiple_of(3) { at(place + 100) } else { Instant::FOREVER },
            until_next: false,
            event_id: event_id(place),
            caused_by: String::new(),
        }
    };
    let facts = number % 4;
    let seen = 1 + number * 5 % 12;
    let observation = |place: u64| Observation {
        event_id: event_id(place),
        resource: format!("s3/{}", place % 4),
        region: "eu-west-1".to_owned(),
        ..Observation::new(identity(place), at(place), Privilege::ALL[(number + place) as usize % 11])
    };
    Batch {
        source: source(stream),
        batch_id: number.to_string(),
        facts: (0..facts).map(fact).collect(),
        observations: (facts..facts + seen).map(observation).collect(),
    }
}

/// What was acknowledged, by name.
pub type Acknowledged = Arc<Mutex<BTreeMap<Name, Receipt>>>;

/// Sends these batches over one stream, and then those from `next` on, until the server is gone or `most` are sent.
/// What comes back is noted at once.
pub async fn send(
    address: String,
    stream: u32,
    first: Vec<u64>,
    next: u64,
    most: u64,
    acknowledged: Acknowledged,
) {
    let Ok(mut client) = client::connect(&address, "default").await else { return };
    let numbers = first.into_iter().chain(next..next + most);
    let batches = tokio_stream::iter(numbers.map(move |number| batch((stream, number))));
    let Ok(mut receipts) = client.write(batches).await else { return };
    while let Some(Ok(receipt)) = receipts.next().await {
        let number = receipt.batch_id.parse().unwrap();
        acknowledged.lock().unwrap().insert((stream, number), receipt);
    }
}

/// The records from an index on.
pub async fn read(address: &str, first_index: u64) -> Vec<LedgerRecord> {
    let mut client = LedgerClient::connect(format!("http://{address}")).await.unwrap();
    let request = ReadRequest { first_index, limit: 0, follow: false };
    let mut records = client.read(request).await.unwrap().into_inner();
    let mut found = Vec::new();
    while let Some(record) = records.message().await.unwrap() {
        found.push(record);
    }
    found
}

/// What stands in the ledger: batches by name, each with its first index.
#[derive(Debug, Default)]
pub struct Found {
    /// Where each batch begins.
    pub batches: BTreeMap<Name, u64>,
    /// How many records there are.
    pub size: u64,
}

impl Found {
    /// Takes in the records behind those already taken: whole batches, each once, in the order of their stream.
    pub fn take(&mut self, records: &[LedgerRecord]) {
        let mut left = records;
        while let Some(first) = left.first() {
            assert_eq!(first.index, self.size, "no index is left out");
            let name = named(first);
            let request = convert::request(batch(name));
            let facts = request.facts.into_iter().map(Record::Fact);
            let whole: Vec<_> =
                facts.chain(request.observations.into_iter().map(Record::Observation)).collect();
            assert!(
                left.len() >= whole.len(),
                "half a batch: {name:?} has {} of {} records",
                left.len(),
                whole.len()
            );
            for (record, expected) in left.iter().zip(&whole) {
                assert_eq!(record.source, source(name.0), "half a batch: {name:?}");
                assert_eq!(record.record.as_ref(), Some(expected), "half a batch, or another: {name:?}");
                assert_eq!(record.recorded_at, first.recorded_at, "one recorded_at for a batch: {name:?}");
            }
            assert!(self.batches.insert(name, self.size).is_none(), "{name:?} stands there twice");
            self.size += whole.len() as u64;
            left = &left[whole.len()..];
        }
    }

    /// Every acknowledged batch is where it was said to be.
    pub fn holds_all(&self, acknowledged: &BTreeMap<Name, Receipt>) {
        for (name, receipt) in acknowledged {
            assert_eq!(
                self.batches.get(name),
                Some(&receipt.first_index),
                "{name:?} was acknowledged: {receipt:?}"
            );
            assert!(receipt.ledger_size <= self.size, "{name:?}: {receipt:?}");
        }
    }

    /// A stream's batches are a beginning of what it sent.
    pub fn is_a_beginning(&self, stream: u32) {
        let numbers: Vec<_> =
            self.batches.keys().filter(|(each, _)| *each == stream).map(|(_, number)| *number).collect();
        let all: Vec<_> = (0..numbers.len() as u64).collect();
        assert_eq!(numbers, all, "stream {stream} has a hole");
    }
}

fn named(record: &LedgerRecord) -> Name {
    let event_id = match record.record.as_ref().unwrap() {
        Record::Fact(fact) => &fact.event_id,
        Record::Observation(seen) => &seen.event_id,
        Record::System(_) => panic!("nobody wrote {record:?}"),
    };
    let number = event_id.split('/').next().unwrap().parse().unwrap();
    let stream = record.source.strip_prefix("load/").unwrap().parse().unwrap();
    (stream, number)
}
