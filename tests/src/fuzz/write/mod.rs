//! A write, byte by byte as a client might send it, through the real services to a real tenant and back.

mod seeds;

use std::collections::BTreeMap;

use asof_engine::{Tenant, maintenance};
use asof_evidence::{Frontier, commitment, leaf_hash};
use asof_grpc::proto::ingest_server::IngestServer;
use asof_grpc::proto::ledger_client::LedgerClient;
use asof_grpc::proto::ledger_record::Record;
use asof_grpc::proto::ledger_server::LedgerServer;
use asof_grpc::proto::{
    self, GetCheckpointRequest, LedgerRecord, ReadRequest, WriteRequest, WriteResponse, fact::Subject,
};
use asof_grpc::{IngestService, LedgerService, Services, convert, violations};
use asof_model::{Batch, Duration, Instant, Limits, RecordBody};
use prost::Message as _;
use tokio::sync::watch;
use tokio_stream::StreamExt as _;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request, Status};

pub use seeds::seeds;

use super::mutate;
use super::server::{Kept, World, ask, lock, runtime};
use crate::draw::Draw;
use crate::naive::Ledger;

/// So large a ledger gives place to a fresh one.
const RECORDS_MAX: u64 = 2_000;
const SKEW: Duration = Duration::from_secs(300);
/// What can be asked of whatever has been written.
const PROBE: &str = "{
    identities(first: 3, includeDeleted: true) {
        nodes { id name type attributes { key value } inventoried owners { id } entitlements(effective: true) { totalCount } }
    }
    observations(during: {}, first: 3) { totalCount nodes { time action attributes { key value } } }
    changes(during: {}, first: 3) { totalCount nodes { time kind subject { id from to } } }
}";

struct State {
    world: World,
    tenant: Tenant,
    ingest: Grpc<IngestServer<IngestService>>,
    ledger: LedgerClient<LedgerServer<LedgerService>>,
    _closing: watch::Sender<bool>,
    /// What there should be.
    naive: Ledger,
    batches: BTreeMap<(String, String), Batch>,
    tree: Frontier,
}

static STATE: Kept<State> = Kept::new(None);

/// Bytes: a `WriteRequest` as it is on the wire.
pub fn write_request(bytes: &[u8]) {
    let mut kept = lock(&STATE);
    let state = kept.get_or_insert_with(State::new);
    state.write(bytes);
    if state.naive.size() > RECORDS_MAX {
        kept.take().into_iter().for_each(State::close);
    }
}

impl State {
    fn new() -> Self {
        let world = World::new();
        let tenant = world.tenant("default", &[]);
        let (sender, closing) = watch::channel(false);
        let services = Services::new(world.engine.clone(), Limits::DEFAULT, SKEW, closing);
        Self {
            ingest: Grpc::new(services.ingest()),
            ledger: LedgerClient::new(services.ledger()),
            world,
            tenant,
            _closing: sender,
            naive: Ledger::default(),
            batches: BTreeMap::new(),
            tree: Frontier::default(),
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        let decoded = WriteRequest::decode(bytes).ok();
        match runtime().block_on(send(&mut self.ingest, bytes)) {
            Err(status) => self.refused(decoded.as_ref(), &status),
            Ok(told) => {
                let Some(request) = decoded else { panic!("no WriteRequest, and taken: {told:?}") };
                let latest = Instant::from_nanos(i64::MAX - 1);
                let batch = convert::batch(request.clone(), &Limits::DEFAULT).check(&Limits::DEFAULT, latest);
                let batch = batch.unwrap_or_else(|(_, faults)| panic!("taken with {faults:?}: {request:?}"));
                self.taken(&request, &batch, &told);
                let again = runtime().block_on(send(&mut self.ingest, bytes));
                let again =
                    again.unwrap_or_else(|status| panic!("taken, then refused: {status:?}: {request:?}"));
                assert_eq!(again.duplicate_batch, !batch.batch_id.is_empty(), "{again:?}: {request:?}");
                self.taken(&request, &batch, &again);
                let answer = ask(&self.tenant, PROBE.into());
                assert!(answer.errors.is_empty(), "{:?}: after {request:?}", answer.errors);
            }
        }
    }

    /// Nothing of it is written, and it says what is wrong.
    fn refused(&self, request: Option<&WriteRequest>, status: &Status) {
        assert_eq!(self.tenant.size(), self.naive.size(), "refused, and written: {request:?}");
        let Some(request) = request else {
            assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
            return;
        };
        match status.code() {
            Code::InvalidArgument => {
                let told = violations(status);
                assert!(!told.is_empty(), "refused without a field: {status:?}: {request:?}");
                for (field, why) in &told {
                    assert!(is_named(request, field) && !why.is_empty(), "{field}: {why}: {request:?}");
                }
            }
            Code::FailedPrecondition => {
                let before = self.batches.get(&(request.source.clone(), request.batch_id.clone()));
                let now = convert::batch(request.clone(), &Limits::DEFAULT)
                    .check(&Limits::DEFAULT, Instant::FOREVER)
                    .ok();
                assert!(before.is_some() && before != now.as_ref(), "{status:?}: {request:?}");
            }
            _ => panic!("{status:?}: {request:?}"),
        }
    }

    /// What the ledger has is what was sent, in its one form, without what it had already; and the tree is over that.
    fn taken(&mut self, request: &WriteRequest, batch: &Batch, told: &WriteResponse) {
        let before = self.naive.size();
        let name = (batch.source.clone(), batch.batch_id.clone());
        let earlier = self.batches.entry(name).or_insert_with(|| batch.clone());
        assert!(batch.batch_id.is_empty() || earlier == batch, "another content, and taken: {batch:?}");
        let expected = self.naive.write(batch);
        assert_eq!(told.batch_id, request.batch_id);
        assert_eq!(told.duplicate_batch, expected.duplicate_batch, "{told:?}, not {expected:?}: {batch:?}");
        if !told.duplicate_batch {
            let counts = (told.ledger_size, told.duplicate_events, told.duplicate_facts, told.conflicting);
            let (size, events, facts) =
                (expected.ledger_size, expected.duplicate_events, expected.duplicate_facts);
            assert_eq!(
                counts,
                (size, events, facts, expected.conflicting),
                "{told:?}, not {expected:?}: {batch:?}"
            );
            assert!(
                told.first_index == before || before == told.ledger_size,
                "{told:?}, at {before}: {batch:?}"
            );
        }
        assert_eq!(self.tenant.size(), self.naive.size(), "{told:?}: {batch:?}");
        let read = runtime().block_on(read(&mut self.ledger, before));
        let sent = recorded(request, batch, &self.naive.entries[before as usize..]);
        assert_eq!(read.len(), sent.len(), "{read:?}, not {sent:?}");
        for (index, (found, sent)) in (before..).zip(read.into_iter().zip(sent)) {
            assert_eq!(found.index, index);
            assert_eq!(found.recorded_at, told.recorded_at);
            assert_eq!(found.source, request.source);
            assert_eq!(found.record.as_ref(), Some(&sent));
            let salt = found.salt.as_slice().try_into().unwrap_or_else(|_| panic!("no salt: {found:?}"));
            self.tree.append(leaf_hash(&commitment(salt, &found.canonical)), |_, _, _| {});
        }
        let checkpoint = runtime().block_on(self.ledger.get_checkpoint(GetCheckpointRequest { size: 0 }));
        let checkpoint = checkpoint.unwrap_or_else(|status| panic!("{status:?}")).into_inner();
        assert_eq!((checkpoint.size, checkpoint.root), (self.naive.size(), self.tree.root().to_vec()));
    }

    /// Whatever was written, its views are what a rebuild makes of it.
    fn close(self) {
        let Self { world, tenant, ingest, ledger, naive, .. } = self;
        world.close();
        drop((tenant, ingest, ledger));
        // The tasks of the last streams end when they are next looked at, and hold the folder until then.
        let check = || maintenance::check(world.folder.path(), None, &mut |_, _, _| true);
        let mut reports = check();
        for _ in 0..200 {
            if reports.is_ok() {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
            reports = check();
        }
        for (tenant, report) in reports.unwrap_or_else(|why| panic!("{why}")) {
            assert!(report.problems.is_empty(), "{tenant}: {:?}", report.problems);
            assert!(report.views.iter().all(|(_, _, same)| *same), "{tenant}: {:?}", report.views);
            assert_eq!(report.records, naive.size());
        }
    }
}

/// The request's own fields, or a record that it has.
fn is_named(request: &WriteRequest, field: &str) -> bool {
    let within = |name: &str, count: usize| {
        let number = field.strip_prefix(name).and_then(|rest| rest.split_once(']'));
        number.is_some_and(|(number, _)| number.parse().is_ok_and(|number: usize| number < count))
    };
    ["request", "source", "batch_id", "records"].contains(&field)
        || within("facts[", request.facts.len())
        || within("observations[", request.observations.len())
        || request.packed.as_ref().is_some_and(|packed| {
            within("packed[", packed.time.len()) || field == "packed" || field.starts_with("packed.")
        })
}

/// Sends one message, whatever its bytes are.
async fn send(ingest: &mut Grpc<IngestServer<IngestService>>, bytes: &[u8]) -> Result<WriteResponse, Status> {
    let Ok(()) = ingest.ready().await;
    let path = PathAndQuery::from_static("/asof.v1.Ingest/Write");
    let requests = Request::new(tokio_stream::once(bytes.to_vec()));
    let mut responses = ingest.streaming(requests, path, Raw).await?.into_inner();
    let first = responses.next().await.unwrap_or_else(|| Err(Status::unknown("no acknowledgement")))?;
    match responses.next().await {
        None => Ok(first),
        Some(second) => panic!("one batch, and a second answer: {second:?}"),
    }
}

async fn read(ledger: &mut LedgerClient<LedgerServer<LedgerService>>, from: u64) -> Vec<LedgerRecord> {
    let asked = ReadRequest { first_index: from, limit: 0, follow: false };
    let mut records = ledger.read(asked).await.unwrap_or_else(|status| panic!("{status:?}")).into_inner();
    let mut found = Vec::new();
    while let Some(record) = records.next().await {
        found.push(record.unwrap_or_else(|status| panic!("{status:?}")));
    }
    found
}

/// What was sent, in its one form, without those that the naive ledger passed over.
fn recorded(request: &WriteRequest, batch: &Batch, entries: &[crate::naive::Entry]) -> Vec<Record> {
    let facts = batch.facts.iter().map(|fact| RecordBody::Fact(fact.clone()));
    let seen = batch.observations.iter().map(|seen| RecordBody::Observation(Box::new(seen.clone())));
    let facts_sent = request.facts.iter().map(|sent| Record::Fact(fact(sent.clone())));
    // Packed ones as they would have been sent plain.
    let packed = batch.observations.iter().skip(request.observations.len()).cloned().collect();
    let packed = convert::request(Batch { observations: packed, ..Batch::default() }).observations;
    let seen_sent = request.observations.iter().cloned().chain(packed);
    let seen_sent = seen_sent.map(|sent| Record::Observation(observation(sent)));
    let mut left = entries.iter().peekable();
    let mut kept = Vec::new();
    for (body, sent) in facts.chain(seen).zip(facts_sent.chain(seen_sent)) {
        // One that was passed over has an event_id, and so has no like behind it.
        if left.next_if(|entry| entry.body == body).is_some() {
            kept.push(sent);
        }
    }
    assert!(left.next().is_none(), "what was recorded is not in what was sent");
    kept
}

/// The one form of a fact: sets in order and without repetition, and nothing that its op does not say.
fn fact(mut sent: proto::Fact) -> proto::Fact {
    let puts = sent.op == 0;
    let set = |privileges: &mut Vec<i32>| {
        privileges.sort_unstable();
        privileges.dedup();
    };
    match &mut sent.subject {
        Some(Subject::Node(node)) if puts => {
            if let Some(entitlement) = &mut node.entitlement {
                set(&mut entitlement.privileges);
            }
        }
        Some(Subject::Node(node)) => {
            *node =
                proto::Node { kind: node.kind, id: std::mem::take(&mut node.id), ..proto::Node::default() };
        }
        Some(Subject::Edge(edge)) => {
            if !puts {
                edge.attributes.clear();
            }
            if edge.kind != proto::EdgeKind::Owns as i32 {
                edge.to_kind = 0;
            }
        }
        Some(Subject::Coverage(coverage)) if puts => set(&mut coverage.privileges),
        Some(Subject::Coverage(coverage)) => {
            *coverage =
                proto::Coverage { scope: std::mem::take(&mut coverage.scope), ..proto::Coverage::default() };
        }
        None => {}
    }
    sent
}

fn observation(mut sent: proto::Observation) -> proto::Observation {
    if sent.outcome == 0 {
        sent.outcome = proto::Outcome::Success as i32;
    }
    sent
}

/// Requests as they are; responses as they should be.
struct Raw;

impl Codec for Raw {
    type Encode = Vec<u8>;
    type Decode = WriteResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        use prost::bytes::BufMut as _;
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = WriteResponse;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<WriteResponse>, Status> {
        WriteResponse::decode(buffer).map(Some).map_err(|why| Status::data_loss(why.to_string()))
    }
}

/// Fields of the message; now and then bytes.
pub fn mutate(data: &mut Vec<u8>, others: &[Vec<u8>], draw: &mut Draw) {
    if draw.chance(0.15) { mutate::bytes(data, others, draw) } else { mutate::fields(data, others, draw) }
}

pub(super) fn finish() {
    lock(&STATE).take().into_iter().for_each(State::close);
}
