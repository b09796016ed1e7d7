//! The engine on a real folder: points, order of acknowledgements, closing and opening again.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use asof_engine::{Engine, EngineError, Options, Place, Point, PointRequest};
use asof_model::{
    Batch, Fact, Instant, NodeKind, NodeRef, NodeValue, Observation, Op, Privilege, Subject, Value,
};
use asof_query::{IdentityOrder, IdentityWhere, QueryError, Window};

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
        .run(Place::Pool, DEADLINE, |session| {
            let known = session.known(50).unwrap();
            let all = IdentityWhere::default();
            let at = Instant::from_nanos(29);
            let nodes = known.identities(at, &all, false, IdentityOrder::Appearance).unwrap().all();
            (nodes.len(), nodes.iter().all(|node| node.kind == NodeKind::Identity))
        })
        .await
        .unwrap();
    assert_eq!(found, (30, true), "those seen at 29 ns or before");
    assert_eq!(tenant.read(98, 10).await.unwrap().len(), 2);
}

/// When the nth of some identities comes to be, and when it is deleted.
fn life(n: i64) -> (i64, Option<i64>) {
    (10 + n % 3, (n % 3 == 1).then_some(20 + n % 4))
}

/// As few as are looked at one by one, more than that, and more than a block of them with a few of the next.
#[tokio::test(flavor = "multi_thread")]
async fn who_exists_where_lives_begin_and_end() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::open(options(folder.path())).await.unwrap();
    for count in [6, 100, 1_040] {
        let tenant = engine.tenant_or_create(&format!("t{count}")).await.unwrap();
        let fact = |n: i64, op: Op, from: i64| Fact {
            event_id: String::new(),
            caused_by: String::new(),
            until_next: false,
            subject: Subject::Node(NodeRef { kind: NodeKind::Identity, id: format!("i{n}") }),
            op,
            valid_from: Instant::from_nanos(from),
            valid_to: Instant::FOREVER,
        };
        let put = |n: i64| fact(n, Op::Put(Value::Node(NodeValue::default())), life(n).0);
        let deleted = |n: i64| Some(fact(n, Op::Delete, life(n).1?));
        let puts: Vec<Fact> = (0..count).map(put).collect();
        let deletes: Vec<Fact> = (0..count).filter_map(deleted).collect();
        let all = (puts.len() + deletes.len()) as u64;
        for (batch_id, facts) in [("puts", puts), ("deletes", deletes)] {
            let (source, batch_id) = ("s".to_owned(), batch_id.to_owned());
            tenant.ingest(Batch { source, batch_id, facts, observations: vec![] }).await.unwrap();
        }
        let sizes = [0, 1, count as u64 / 2, count as u64, count as u64 + 1, all - 1, all];
        let ask = move |session: Arc<asof_engine::Session>| {
            for (size, include_deleted) in sizes.into_iter().flat_map(|size| [(size, false), (size, true)]) {
                let known = session.known(size).unwrap();
                for t in 9..=24 {
                    let (mut expected, mut index) = (Vec::new(), count as u64);
                    for n in 0..count {
                        let (from, to) = life(n);
                        let told = to.is_some_and(|_| index < size);
                        index += u64::from(to.is_some());
                        let is_deleted = told && to.is_some_and(|to| to <= t);
                        if (n as u64) < size && from <= t && (include_deleted || !is_deleted) {
                            expected.push(n as u32);
                        }
                    }
                    let (at, any) = (Instant::from_nanos(t), IdentityWhere::default());
                    let found =
                        known.identities(at, &any, include_deleted, IdentityOrder::Appearance).unwrap();
                    let found: Vec<u32> = found.into_ordinals().into_iter().collect();
                    assert_eq!(found, expected, "{count} at {t}, knowing {size}, {include_deleted}");
                }
                // Created in a window: from its first instant on, and before its end.
                for (from, to) in (8..=13).flat_map(|from| (from + 1..=14).map(move |to| (from, to))) {
                    let [from, to, at] = [from, to, 30].map(Instant::from_nanos);
                    let window = Window { from: Some(from), to: Some(to), last: None };
                    let created = IdentityWhere { created_during: Some(window), ..IdentityWhere::default() };
                    let found = known.identities(at, &created, true, IdentityOrder::Appearance).unwrap();
                    let found: Vec<u32> = found.into_ordinals().into_iter().collect();
                    let is_in =
                        |n: &i64| (from..to).contains(&Instant::from_nanos(life(*n).0)) && (*n as u64) < size;
                    let expected: Vec<u32> = (0..count).filter(is_in).map(|n| n as u32).collect();
                    assert_eq!(found, expected, "{count} from {from} to {to}, knowing {size}");
                }
            }
        };
        tenant.run(Place::Pool, DEADLINE, ask).await.unwrap();
    }
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
        .run(Place::Pool, DEADLINE, move |session| {
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

/// A place on the caller's thread, by which he goes at the nth look.
fn here(goes: u32) -> Place {
    let looks = AtomicU32::new(0);
    Place::Here(Arc::new(move || looks.fetch_add(1, Ordering::Relaxed) == goes))
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_passes_its_deadline_is_told_to_stop() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Engine::open(options(folder.path())).await.unwrap();
    let tenant = engine.tenant_or_create("default").await.unwrap();
    for place in [Place::Pool, here(u32::MAX)] {
        let (told, telling) = std::sync::mpsc::channel();
        let outcome = tenant
            .run(place, Duration::from_millis(120), move |session| {
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
    // What never looks is no answer either, when it comes too late.
    let slow = |_| std::thread::sleep(Duration::from_millis(2));
    let outcome = tenant.run(here(u32::MAX), Duration::from_millis(1), slow).await;
    assert_eq!(outcome, Err(EngineError::Query(QueryError::Cancelled)));
}

#[tokio::test]
async fn work_on_the_asker_s_own_thread() {
    let folder = tempfile::tempdir().unwrap();
    let one = Options { concurrent_reads: 1, waiting_reads: 0, ..options(folder.path()) };
    let engine = Engine::open(one).await.unwrap();
    let tenant = engine.tenant_or_create("default").await.unwrap();
    let asker = std::thread::current().id();
    let is_here = move |_| std::thread::current().id() == asker;
    assert_eq!(tenant.run(here(0), DEADLINE, is_here).await, Ok(true));
    assert_eq!(tenant.run(Place::Pool, DEADLINE, is_here).await, Ok(false));
    // He goes, though not at once.
    let gone = tenant
        .run(here(1), DEADLINE, |session| {
            let known = session.known(0).unwrap();
            while known.reader().check().is_ok() {}
        })
        .await;
    assert_eq!(gone, Err(EngineError::Query(QueryError::Cancelled)));
    // What panics gives its place back, as does what was refused for want of one.
    let broken = tenant.run(here(0), DEADLINE, |_| "no number".parse::<u8>().unwrap()).await;
    assert!(matches!(broken, Err(EngineError::Query(QueryError::Storage(_)))), "{broken:?}");
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let taken = tenant.run(Place::Pool, DEADLINE, move |_| wait.recv().is_ok());
    let mut taken = std::pin::pin!(taken);
    assert!(tokio::time::timeout(Duration::from_millis(1), &mut taken).await.is_err());
    let refused = tenant.run(here(0), DEADLINE, is_here).await;
    assert_eq!(refused, Err(EngineError::Busy { running: 1, waiting: 0 }));
    go.send(()).unwrap();
    assert_eq!(taken.await, Ok(true));
    assert_eq!(tenant.run(here(0), DEADLINE, is_here).await, Ok(true));
}
