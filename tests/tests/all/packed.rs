//! Packed observations are the plain ones by another form: random batches sent as both come to the same ledger.

use asof_engine::{Engine, Options};
use asof_grpc::proto::ingest_client::IngestClient;
use asof_grpc::proto::ingest_server::IngestServer;
use asof_grpc::proto::ledger_client::LedgerClient;
use asof_grpc::proto::{LedgerRecord, ReadRequest, WriteRequest, WriteResponse};
use asof_grpc::{IngestService, Services, TENANT_HEADER, convert};
use asof_model::{Batch, Duration, Limits};
use asof_tests::draw::{Draw, history};
use tokio::sync::watch;
use tokio_stream::StreamExt as _;
use tonic::{Request, Status};

use crate::chance;

type Client = IngestClient<IngestServer<IngestService>>;

fn to<T>(tenant: &str, sent: T) -> Request<T> {
    let mut request = Request::new(sent);
    request.metadata_mut().insert(TENANT_HEADER, tenant.parse().unwrap());
    request
}

/// One batch, and its acknowledgement without the time of it, which is each tenant's own.
async fn write(client: &mut Client, tenant: &str, sent: WriteRequest) -> Result<WriteResponse, Status> {
    let mut answers = client.write(to(tenant, tokio_stream::once(sent))).await?.into_inner();
    let receipt = answers.next().await.unwrap()?;
    Ok(WriteResponse { recorded_at: None, ..receipt })
}

/// Plain ones up to a place, packed ones from there on.
fn split(batch: &Batch, at: usize) -> WriteRequest {
    let (first, rest) = batch.observations.split_at(at);
    let part = |observations: &[asof_model::Observation]| Batch {
        observations: observations.to_vec(),
        facts: Vec::new(),
        ..batch.clone()
    };
    WriteRequest {
        facts: convert::request(batch.clone()).facts,
        observations: convert::request(part(first)).observations,
        ..convert::packed(part(rest))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_batches_plain_and_packed_give_the_same_ledger() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { data: folder.path().to_owned(), ..Options::default() };
    let engine = Engine::open(options).await.unwrap();
    let (_close, closing) = watch::channel(false);
    let services = Services::new(engine.clone(), Limits::DEFAULT, Duration::from_secs(300), closing);
    let mut client = IngestClient::new(services.ingest());
    let mut ledger = LedgerClient::new(services.ledger());
    let seed = chance::seed();
    let mut draw = Draw::new(seed);
    let (mut packed, mut mixed) = (0, 0);
    for case in 0..chance::cases(20) {
        let told = format!("case {case} with ASOF_TEST_SEED={seed}");
        let names = [format!("plain-{case}"), format!("packed-{case}")];
        for batch in history(&mut draw, 12) {
            let plain = convert::request(batch.clone());
            let at = if draw.chance(0.3) { draw.below(batch.observations.len() + 1) } else { 0 };
            let other = split(&batch, at);
            packed += usize::from(other.packed.is_some());
            mixed += usize::from(other.packed.is_some() && !other.observations.is_empty());
            let first = write(&mut client, &names[0], plain.clone()).await;
            let second = write(&mut client, &names[1], other.clone()).await;
            match (first, second) {
                (Ok(first), Ok(second)) => assert_eq!(first, second, "{told}: {batch:?}"),
                (Err(first), Err(second)) => assert_eq!(first.code(), second.code(), "{told}: {batch:?}"),
                (first, second) => panic!("{told}: {first:?}, {second:?}: {batch:?}"),
            }
            if batch.batch_id.is_empty() {
                continue;
            }
            // Its digest is the same: each tenant knows the other form as the batch that it has.
            for (name, sent) in [(&names[0], other), (&names[1], plain)] {
                if let Ok(again) = write(&mut client, name, sent).await {
                    assert!(again.duplicate_batch, "{told}: {again:?}: {batch:?}");
                }
            }
        }
        let mut records = Vec::new();
        for name in &names {
            let asked = to(name, ReadRequest { first_index: 0, limit: 0, follow: false });
            let read = ledger.read(asked).await.unwrap().into_inner();
            let read: Vec<LedgerRecord> = read.map(Result::unwrap).collect().await;
            // Times and salts are each tenant's own, and the canonical bytes hold the time.
            let same = |record| LedgerRecord {
                recorded_at: None,
                salt: Vec::new(),
                canonical: Vec::new(),
                ..record
            };
            records.push(read.into_iter().map(same).collect::<Vec<_>>());
        }
        assert_eq!(records[0], records[1], "{told}");
    }
    assert!(packed > 0 && mixed > 0, "{packed} packed, {mixed} mixed");
    engine.close().await.unwrap();
}
