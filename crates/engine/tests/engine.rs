//! The engine on a real folder: points, order of acknowledgements, closing and opening again.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use asof_engine::{Engine, EngineError, Options, Point, PointRequest};
use asof_model::{Batch, Instant, NodeKind, Observation, Privilege};
use asof_query::{IdentityOrder, IdentityWhere, QueryError};

const DEADLINE: Duration = Duration::from_secs(30);

fn batch(n: i64) -> Batch {
    let mut seen = Observation::new(format!("i{n}"), Instant::from_nanos(n), Privilege::Read);
    seen.event_id = format!("e{n}");
    Batch { source: "s".into(), batch_id: format!("b{n}"), facts: vec![], observations: vec![seen] }
}

fn options(data: &std::path::Path) -> Options {
    Options { data: data.to_owned(), ..Options::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_acknowledged_is_visible_and_survives_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::open(options(folder.path())).await.unwrap();
    let tenant = engine.tenant("default").await.unwrap().unwrap();
    let mut tickets = Vec::new();
    for n in 0..100 {
        tickets.push(tenant.enqueue(batch(n)).await.unwrap());
    }
    for (n, ticket) in tickets.into_iter().enumerate() {
        let receipt = ticket.wait().await.unwrap();
        assert_eq!((receipt.first_index, receipt.ledger_size), (n as u64, n as u64 + 1));
        assert!(tenant.size() > n as u64);
    }
    assert_eq!(*tenant.watch().borrow(), 100);
    let again = tenant.ingest(batch(7)).await.unwrap();
    assert!(again.duplicate_batch);
    engine.close().await.unwrap();
    assert!(matches!(tenant.ingest(batch(100)).await, Err(EngineError::Closed)));
    drop((tenant, engine));

    let engine = Engine::open(options(folder.path())).await.unwrap();
    let tenant = engine.tenant_or_create("default").await.unwrap();
    let found = tenant
        .run(DEADLINE, |session| {
            let known = session.known(50).unwrap();
            let all = IdentityWhere::default();
            let at = Instant::from_nanos(29);
            let nodes = known.identities(at, &all, false, IdentityOrder::Appearance).unwrap();
            (nodes.len(), nodes.iter().all(|node| node.kind == NodeKind::Identity))
        })
        .await
        .unwrap();
    assert_eq!(found, (30, true), "those seen at 29 ns or before");
    assert_eq!(tenant.read(98, 10).await.unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn points_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::open(options(folder.path())).await.unwrap();
    assert!(engine.tenant("nobody").await.unwrap().is_none());
    assert!(matches!(engine.tenant_or_create("../x").await, Err(EngineError::TenantName(_))));
    let tenant = engine.tenant_or_create("t").await.unwrap();
    let first = tenant.ingest(batch(1)).await.unwrap();
    let second = tenant.ingest(batch(2)).await.unwrap();
    tenant
        .run(DEADLINE, move |session| {
            let asked =
                |known_at, ledger_size| session.point(&PointRequest { as_of: None, known_at, ledger_size });
            assert_eq!(
                asked(Some(first.recorded_at), None).unwrap(),
                Point { at: first.recorded_at, size: 1 },
                "knownAt alone: asOf is the same moment"
            );
            let before = Instant::from_nanos(second.recorded_at.nanos() - 1);
            assert_eq!(asked(Some(before), None).unwrap().size, 1);
            assert_eq!(asked(Some(second.recorded_at), None).unwrap().size, 2);
            assert_eq!(asked(Some(Instant::from_nanos(0)), None).unwrap().size, 0);
            assert!(matches!(asked(None, Some(3)), Err(EngineError::Point(_))));
            assert!(matches!(asked(Some(before), Some(1)), Err(EngineError::Point(_))));
            assert_eq!(session.point(&PointRequest::default()), session.point(&PointRequest::default()));
            let empty = session.snapshot(Point { at: before, size: 0 }).unwrap();
            assert_eq!((empty.recorded_at, empty.root[0]), (None, 0xe3));
        })
        .await
        .unwrap();
    let mut faulty = batch(3);
    faulty.observations[0].identity.clear();
    let refused = tenant.ingest(faulty).await.unwrap_err();
    assert!(refused.to_string().contains("observations[0].identity: required"), "{refused}");
    assert_eq!(tenant.size(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_passes_its_deadline_is_told_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::open(options(folder.path())).await.unwrap();
    let tenant = engine.tenant_or_create("default").await.unwrap();
    let (told, telling) = std::sync::mpsc::channel();
    let outcome = tenant
        .run(Duration::from_millis(20), move |session| {
            let known = session.known(0).unwrap();
            while known.reader().check().is_ok() {
                std::thread::yield_now();
            }
            told.send(known.reader().check()).unwrap();
        })
        .await;
    assert_eq!(outcome, Err(EngineError::Query(QueryError::Cancelled)));
    assert_eq!(telling.recv().unwrap(), Err(QueryError::Cancelled));
}
