//! Reconcile over gRPC, held to a plain model of its definition: what it answers, what it records, and what everyone is
//! told afterwards, with several sources and whatever comes between.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use asof_engine::{Engine, Options, Tenant};
use asof_grpc::Services;
use asof_grpc::convert;
use asof_grpc::proto::ingest_client::IngestClient;
use asof_grpc::proto::ledger_client::LedgerClient;
use asof_grpc::proto::ledger_record::Record;
use asof_grpc::proto::{LedgerRecord, ReadRequest, ReconcileRequest, ReconcileResponse};
use asof_model::{
    Attributes, Batch, Fact, Instant, Limits, Listing, NodeKind, NodeRef, NodeValue, Op, Subject, Value,
};
use asof_query::Key as Ordinals;
use asof_tests::draw::{Ask, Draw, history, version_row};
use asof_tests::exact::merged;
use asof_tests::naive::{Key, Known, Ledger};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use crate::chance::{cases, drawn, naive, seed};
use crate::listing::{Due, deletions, due, listing, messages};
use crate::property::draw_for;
use crate::server::{Server, check};
use crate::tenant::{Way, answers, write_on};

/// gRPC over a socket, and the engine behind it at hand.
struct Wired {
    engine: Engine,
    channel: Channel,
    closing: watch::Sender<bool>,
    _folder: tempfile::TempDir,
}

impl Wired {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { data: folder.path().to_owned(), ..Options::default() };
        let engine = Engine::open(options.clone()).await.unwrap();
        let (closing, closed) = watch::channel(false);
        let services = Services::new(engine.clone(), options.limits, options.future_skew, closed.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let mut closed = closed;
        tokio::spawn(async move {
            let until = async move { drop(closed.wait_for(|closed| *closed).await) };
            tonic::transport::Server::builder()
                .add_service(services.ingest())
                .add_service(services.ledger())
                .serve_with_incoming_shutdown(TcpListenerStream::new(listener), until)
                .await
                .unwrap();
        });
        let channel = tonic::transport::Endpoint::from_shared(address).unwrap().connect().await.unwrap();
        Self { engine, channel, closing, _folder: folder }
    }

    async fn close(self) {
        self.closing.send_replace(true);
        self.engine.close().await.unwrap();
    }
}

fn of<T>(tenant: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("asof-tenant", tenant.parse().unwrap());
    request
}

async fn send(
    channel: &Channel,
    tenant: &str,
    messages: Vec<ReconcileRequest>,
) -> Result<ReconcileResponse, Status> {
    let mut client = IngestClient::new(channel.clone());
    Ok(client.reconcile(of(tenant, tokio_stream::iter(messages))).await?.into_inner())
}

/// Sends the messages and goes away without an end: the call is dropped while the server waits for more.
async fn break_off(channel: &Channel, tenant: &str, messages: Vec<ReconcileRequest>) {
    let (sender, receiver) = mpsc::channel(messages.len().max(1));
    for message in messages {
        sender.send(message).await.unwrap();
    }
    let mut client = IngestClient::new(channel.clone());
    let call = client.reconcile(of(tenant, ReceiverStream::new(receiver)));
    let answered = tokio::time::timeout(Duration::from_millis(10), call).await;
    assert!(answered.is_err(), "without an end it is not answered: {answered:?}");
}

async fn records(channel: &Channel, tenant: &str, first_index: u64) -> Vec<LedgerRecord> {
    let request = ReadRequest { first_index, limit: 0, follow: false };
    let mut client = LedgerClient::new(channel.clone());
    let mut stream = client.read(of(tenant, request)).await.unwrap().into_inner();
    let mut found = Vec::new();
    while let Some(record) = stream.message().await.unwrap() {
        found.push(record);
    }
    found
}

/// The facts of records, through the wire's own reading; all of one source, recorded at once.
fn facts(records: Vec<LedgerRecord>, source: &str) -> Vec<Fact> {
    let at = records.first().map(|record| record.recorded_at);
    let wire = records.into_iter().map(|record| {
        assert_eq!(
            (record.source.as_str(), Some(record.recorded_at)),
            (source, at),
            "one batch of one source"
        );
        match record.record.unwrap() {
            Record::Fact(fact) => fact,
            other => panic!("not a fact: {other:?}"),
        }
    });
    let request = asof_grpc::proto::WriteRequest { facts: wire.collect(), ..Default::default() };
    convert::batch(request, &Limits::DEFAULT).check(&Limits::DEFAULT, Instant::FOREVER).unwrap().facts
}

/// Held against what is due, and then written to the naive ledger in the order in which it was recorded.
fn take(ledger: &mut Ledger, listing: &Listing, due: &Due, recorded: Vec<LedgerRecord>, when: &str) {
    let found = facts(recorded, &listing.source);
    let puts = due.facts.iter().filter(|fact| fact.op != Op::End).count();
    let sorted = |facts: &[Fact]| {
        let mut rows: Vec<_> = facts.iter().map(|fact| format!("{fact:?}")).collect();
        rows.sort();
        rows
    };
    assert_eq!(sorted(&found), sorted(&due.facts), "{when}: {listing:#?}");
    assert_eq!(found[..puts], due.facts[..puts], "{when}: PUTs as they were listed: {listing:#?}");
    ledger.write(&Batch { source: listing.source.clone(), facts: found, ..Batch::default() });
}

/// The states of every node and edge that was ever stated, over all of time, as known at a size.
async fn states(tenant: &Tenant, size: u64) -> Vec<String> {
    let work = move |session: Arc<asof_engine::Session>| {
        let known = session.known(size).unwrap();
        let node = |node: asof_query::Node| NodeRef {
            kind: node.kind,
            id: known.reader().id(node).unwrap().to_string(),
        };
        let mut rows = Vec::new();
        for ordinals in known.reader().keys().unwrap() {
            let key = match ordinals {
                Ordinals::Node(each) => Key::Node(node(each)),
                Ordinals::Edge(edge) => Key::Edge(asof_model::EdgeRef {
                    kind: edge.kind,
                    from: node(edge.from).id,
                    to_kind: edge.to.kind,
                    to: node(edge.to).id,
                }),
                Ordinals::Coverage(_) => continue,
            };
            for (from, to, state) in known.versions(ordinals).unwrap() {
                rows.push(format!("{key:?} {}", version_row(from, to, &merged(&key, &state))));
            }
        }
        rows
    };
    tenant.run(asof_engine::Place::Pool, Duration::from_secs(60), work).await.unwrap()
}

/// The same by the naive model.
fn naive_states(ledger: &Ledger) -> Vec<String> {
    let known = Known::new(ledger, ledger.size());
    let mut rows = Vec::new();
    for key in known.keys.iter().filter(|key| !matches!(key, Key::Coverage(..))) {
        for (from, to, state) in known.versions(key) {
            rows.push(format!("{key:?} {}", version_row(from, to, &state)));
        }
    }
    rows
}

/// What is wrong in one way, and must change nothing.
fn spoilt(draw: &mut Draw, listing: &Listing) -> (Vec<ReconcileRequest>, &'static str) {
    let mut sent = messages(listing);
    match draw.below(6) {
        0 => {
            sent.pop();
            (sent, "no commit")
        }
        1 => {
            sent.truncate(1 + draw.below(sent.len() - 1));
            (sent, "cut short")
        }
        2 => {
            sent.remove(0);
            (sent, "no begin")
        }
        3 => {
            let nothing = Listing { parts: Vec::new(), empty: false, ..listing.clone() };
            (messages(&nothing), "lists nothing and does not mean it")
        }
        4 => {
            let ambiguous = Listing { empty: listing.parts.is_empty(), ..listing.clone() };
            let mut sent = messages(&ambiguous);
            sent.push(sent[0].clone());
            (sent, "goes on behind its commit")
        }
        _ => {
            let subject = Subject::Node(NodeRef { kind: NodeKind::Owner, id: "twice".to_owned() });
            let named = |name: &str| NodeValue { name: name.to_owned(), ..NodeValue::default() };
            let two = ["a", "b"].map(|name| (subject.clone(), Value::Node(named(name))));
            let parts = listing.parts.iter().cloned().chain(two).collect();
            (messages(&Listing { parts, empty: false, ..listing.clone() }), "lists one twice, differently")
        }
    }
}

/// How much was held to the model: each kind of part must have come up.
#[derive(Debug, Default)]
struct Sum {
    listings: usize,
    created: u64,
    changed: u64,
    reborn: u64,
    ended: u64,
    unchanged: u64,
    questions: usize,
}

/// One tenant's history: batches, and between them listings of its sources.
struct Course<'a> {
    wired: &'a Wired,
    name: String,
    when: String,
    tenant: Tenant,
    ledger: Ledger,
    sum: &'a mut Sum,
}

impl Course<'_> {
    /// What is refused, or breaks off, changes nothing.
    async fn spoil(&self, draw: &mut Draw, listing: &Listing) {
        let (when, size) = (&self.when, self.ledger.size());
        if draw.chance(0.3) {
            let (sent, how) = spoilt(draw, listing);
            let refused = send(&self.wired.channel, &self.name, sent).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "{when}, {how}: {refused}");
            assert_eq!(self.tenant.size(), size, "{when}, {how}: it changed something");
        }
        if draw.chance(0.05) {
            let mut sent = messages(listing);
            sent.truncate(1 + draw.below(sent.len() - 1));
            break_off(&self.wired.channel, &self.name, sent).await;
            assert_eq!(self.tenant.size(), size, "{when}: a stream that breaks off changed something");
        }
    }

    /// What is answered, recorded and in force afterwards is what the model says; and nothing more when it is sent twice.
    async fn reconcile(&mut self, listing: &Listing) {
        let (wire, name, when) = (&self.wired.channel, &self.name, &self.when);
        let (due, before) = (due(&self.ledger, listing), self.ledger.size());
        let told = send(wire, name, messages(listing)).await.unwrap();
        take(&mut self.ledger, listing, &due, records(wire, name, before).await, when);
        let size = self.ledger.size();
        assert_eq!(told, due.response(size), "{when}: {listing:#?}");
        assert_eq!(naive_states(&self.ledger), states(&self.tenant, size).await, "{when}: {listing:#?}");

        let again = send(wire, name, messages(listing)).await.unwrap();
        assert_eq!(again, Due::again(listing, size), "{when}, sent twice: {listing:#?}");
        assert_eq!(self.tenant.size(), size, "{when}, sent twice");
        if !listing.batch_id.is_empty() {
            let at = Instant::from_nanos(if listing.at.nanos() == 7 { 8 } else { 7 });
            let other = messages(&Listing { at, ..listing.clone() });
            let refused = send(wire, name, other).await.unwrap_err();
            assert_eq!(refused.code(), Code::FailedPrecondition, "{when}: {refused}");
        }
        self.sum.listings += 1;
        self.sum.created += due.created;
        self.sum.changed += due.changed;
        self.sum.reborn += due.reborn;
        self.sum.ended += due.ended;
        self.sum.unchanged += due.unchanged;
    }

    async fn run(&mut self, draw: &mut Draw) {
        let batches = 3 + draw.below(9);
        let history = history(draw, batches);
        let (mut left, mut number, mut kept) = (history.as_slice(), 0, None);
        while !left.is_empty() {
            let (next, rest) = left.split_at(1 + draw.below(left.len().min(3)));
            left = rest;
            write_on(&self.tenant, &mut self.ledger, next, Way::Together).await.unwrap();
            for _ in 0..draw.below(3) {
                let source = draw.text(&["inventory/a", "inventory/b", "trail/1", "nobody/yet"]);
                let listing = listing(draw, &self.ledger, &source, number);
                number += 1;
                if draw.chance(0.3) {
                    let deletions = deletions(draw, &listing);
                    write_on(&self.tenant, &mut self.ledger, &[deletions], Way::OneByOne).await.unwrap();
                }
                self.spoil(draw, &listing).await;
                self.reconcile(&listing).await;
                kept = if listing.batch_id.is_empty() { kept } else { Some(listing) };
            }
        }
        let (when, size) = (&self.when, self.ledger.size());
        if let Some(listing) = kept {
            let again = send(&self.wired.channel, &self.name, messages(&listing)).await.unwrap();
            assert_eq!(again, Due::again(&listing, size), "{when}, sent again after more: {listing:#?}");
        }
        let asked = drawn(draw, &Ask::about(&history), size, 6, 4);
        let found = answers(&self.tenant, asked.clone(), true).await;
        for ((asked, expected), found) in asked.iter().zip(naive(&self.ledger, &asked)).zip(found) {
            assert_eq!(expected, found, "{when}: {asked:?}");
        }
        self.sum.questions += asked.len();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_comes_to_what_its_definition_says() {
    const TENANTS_MAX: u64 = 30;
    let (mut wired, mut sum) = (Wired::new().await, Sum::default());
    let cases = cases(60);
    for number in 0..cases {
        if number > 0 && number.is_multiple_of(TENANTS_MAX) {
            wired.close().await;
            wired = Wired::new().await;
        }
        let name = format!("t{number}");
        let tenant = wired.engine.tenant_or_create(&name).await.unwrap();
        let when = format!("case {number} with ASOF_TEST_SEED={}", seed());
        let ledger = Ledger::default();
        let mut course = Course { wired: &wired, name, when, tenant, ledger, sum: &mut sum };
        course.run(&mut draw_for(9, number)).await;
    }
    wired.close().await;
    println!("{sum:?}");
    let least = [sum.created, sum.changed, sum.reborn, sum.ended, sum.unchanged].into_iter().min();
    assert!(cases < 30 || least >= Some(20), "too few of one kind: {sum:?}");
}

const SOURCE: &str = "inventory/cloud";
const NODES: u64 = 300;

/// The listing of a number: most of the nodes, each with a value that changes now and then.
fn numbered(number: u64) -> Listing {
    let node = |each: u64| {
        let subject = Subject::Node(NodeRef { kind: NodeKind::Identity, id: format!("sa/{each}") });
        let version = (each + number) / 3;
        let attributes = Attributes::from([("version".to_owned(), version.to_string())]);
        (subject, Value::Node(NodeValue { attributes, ..NodeValue::default() }))
    };
    Listing {
        source: SOURCE.to_owned(),
        batch_id: number.to_string(),
        at: Instant::from_nanos(1_735_689_600_000_000_000 + number as i64),
        parts: (0..NODES).filter(|each| !(each * 7 + number).is_multiple_of(5)).map(node).collect(),
        empty: false,
    }
}

async fn channel(server: &Server) -> Channel {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
    endpoint.connect().await.unwrap()
}

async fn start(data: &Path) -> (Server, Channel) {
    let server = Server::start(data);
    let channel = channel(&server).await;
    (server, channel)
}

/// SIGKILL while a listing is under way: all of it is there or nothing, and what is sent again is written once.
#[tokio::test(flavor = "multi_thread")]
async fn a_listing_is_whole_or_nothing_when_the_server_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let (mut draw, mut ledger) = (draw_for(10, 0), Ledger::default());
    let (mut server, mut wire) = start(folder.path()).await;
    let (mut written, mut not_written) = (0, 0);
    for number in 0..cases(14) {
        let (listing, when) = (numbered(number), format!("listing {number} with ASOF_TEST_SEED={}", seed()));
        let due = due(&ledger, &listing);
        let call = tokio::spawn({
            let (wire, sent) = (wire.clone(), messages(&listing));
            async move { send(&wire, "default", sent).await }
        });
        tokio::time::sleep(Duration::from_micros(draw.below(25_000) as u64)).await;
        server.kill();
        let told = call.await.unwrap();
        (server, wire) = start(folder.path()).await;
        let before = ledger.size();
        let found = records(&wire, "default", before).await;
        if found.is_empty() && !due.facts.is_empty() {
            assert!(told.is_err(), "{when} was acknowledged and is lost");
            let told = send(&wire, "default", messages(&listing)).await.unwrap();
            take(&mut ledger, &listing, &due, records(&wire, "default", before).await, &when);
            assert_eq!(told, due.response(ledger.size()), "{when}");
            not_written += 1;
        } else {
            take(&mut ledger, &listing, &due, found, &when);
            assert!(told.is_err() || told.is_ok_and(|told| told == due.response(ledger.size())), "{when}");
            written += 1;
        }
        let again = send(&wire, "default", messages(&listing)).await.unwrap();
        assert_eq!(again, Due::again(&listing, ledger.size()), "{when}, sent again");
        assert!(records(&wire, "default", ledger.size()).await.is_empty(), "{when}, sent again");
    }
    println!("{written} were written when the server was killed, {not_written} were not");
    assert!(server.terminate().success());
    check(folder.path());
}
