//! Subscriptions from outside: the real server, over real WebSockets.

use std::path::Path;
use std::time::{Duration, Instant};

use asof_grpc::client;
use asof_model::Batch;
use asof_tests::draw::Draw;
use serde_json::{Value as Json, json};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::chance::seed;
use crate::load;
use crate::server::{Server, run};
use crate::socket::{Socket, upgrade};
use crate::subscriptions::{MATCHES, RECORDS};

fn batches(first: u64, count: u64) -> Vec<Batch> {
    (first..first + count).map(|number| load::batch((1, number))).collect()
}

fn size(batches: &[Batch]) -> u64 {
    batches.iter().map(|batch| (batch.facts.len() + batch.observations.len()) as u64).sum()
}

async fn write(address: &str, tenant: &str, batches: Vec<Batch>) {
    let mut client = client::connect(address, tenant).await.unwrap();
    let mut receipts = Box::pin(client.write(tokio_stream::iter(batches)).await.unwrap());
    while let Some(receipt) = tokio_stream::StreamExt::next(&mut receipts).await {
        receipt.unwrap();
    }
}

/// The records from an index to another, over one connection.
async fn records(address: &str, tenant: &str, from: u64, to: u64) -> Vec<Json> {
    let mut socket = Socket::ready(address, tenant).await;
    socket.subscribe("1", RECORDS, json!({"fromIndex": from})).await;
    let mut found = Vec::new();
    for _ in from..to {
        found.push(socket.event().await.unwrap()["records"].take());
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn records_come_once_and_in_order_whenever_the_connection_breaks() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (first, then) = (batches(0, 40), batches(40, 160));
    let (begun, total) = (size(&first), size(&first) + size(&then));
    write(&server.address, "t", first).await;
    let writing = tokio::spawn({
        let address = server.address.clone();
        async move {
            for some in then.chunks(4) {
                write(&address, "t", some.to_vec()).await;
            }
        }
    });
    let mut readers = Vec::new();
    for (number, start) in [0, begun / 2, begun].into_iter().enumerate() {
        let address = server.address.clone();
        readers.push(tokio::spawn(async move {
            let mut draw = Draw::new(seed().wrapping_add(number as u64));
            let (mut found, mut connections): (Vec<Json>, _) = (Vec::new(), 0);
            while (found.len() as u64) < total - start {
                let mut socket = Socket::ready(&address, "t").await;
                let from = start + found.len() as u64;
                socket.subscribe("r", RECORDS, json!({"fromIndex": from})).await;
                for _ in 0..draw.below(200).min((total - from) as usize) {
                    found.push(socket.event().await.unwrap()["records"].take());
                }
                if draw.chance(0.5) {
                    socket.say(&json!({"type": "complete", "id": "r"})).await;
                }
                connections += 1;
            }
            (start, found, connections)
        }));
    }
    writing.await.unwrap();
    let whole = records(&server.address, "t", 0, total).await;
    for (index, record) in whole.iter().enumerate() {
        assert_eq!(record["ledgerIndex"], index);
    }
    for reader in readers {
        let (start, found, connections) = reader.await.unwrap();
        assert!(connections > 3, "{connections} connections are too few");
        assert_eq!(found, whole[start as usize..], "from {start}");
    }
    // The same after a restart, and after the views were built anew.
    assert!(server.terminate().success());
    let server = Server::start(folder.path());
    assert_eq!(records(&server.address, "t", 0, total).await, whole);
    assert!(server.terminate().success());
    assert!(run("reindex", folder.path()).status.success());
    let server = Server::start(folder.path());
    assert_eq!(records(&server.address, "t", 0, total).await, whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_server_tells_the_same_matches() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let all = batches(0, 120);
    let total = size(&all);
    write(&server.address, "t", all).await;
    let filter = json!({"or": [
        {"usedWithoutHolding": {"used": {"during": {}}}},
        {"holds": {"privileges": ["WRITE"], "on": "s3/*"}},
        {"id": {"eq": "the/last"}},
    ]});
    async fn matches(address: &str, filter: &Json, from: u64) -> Vec<Json> {
        let mut socket = Socket::ready(address, "t").await;
        socket.subscribe("m", MATCHES, json!({"where": filter, "fromIndex": from})).await;
        let mut events = Vec::new();
        loop {
            let event = socket.event().await.unwrap()["matches"].take();
            let last = event["began"].as_array().unwrap().contains(&json!({"id": "the/last"}));
            events.push(event);
            if last {
                return events;
            }
        }
    }
    let last = asof_model::Observation::new(
        "the/last",
        asof_model::Instant::from_nanos(1),
        asof_model::Privilege::Authenticate,
    );
    let last = Batch { source: "s".to_owned(), observations: vec![last], ..Batch::default() };
    write(&server.address, "t", vec![last]).await;
    let whole = matches(&server.address, &filter, 0).await;
    assert!(whole.len() > 10, "{} events are too few", whole.len());
    assert!(server.terminate().success());
    let server = Server::start(folder.path());
    assert_eq!(matches(&server.address, &filter, 0).await, whole);
    // And from each event on, the rest.
    for (place, event) in whole.iter().enumerate().step_by(7) {
        let from = event["ledgerSize"].as_u64().unwrap();
        if from < total {
            assert_eq!(matches(&server.address, &filter, from).await, whole[place + 1..]);
        }
    }
}

/// The client stops reading; later it finds what was queued, then where to go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_stops_is_told_where_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(folder.path(), &[("ASOF_SLOW_READER", Path::new("PT0.3S"))]);
    let long = "x".repeat(4_000);
    let wide: Vec<Batch> = (0..100_u64)
        .map(|number| {
            let mut batch = load::batch((1, number));
            for seen in &mut batch.observations {
                seen.attributes.insert("long".to_owned(), long.clone());
            }
            for turn in 0..60 {
                let at = asof_model::Instant::from_nanos((number * 60 + turn) as i64);
                let mut seen = asof_model::Observation::new("sa/0", at, asof_model::Privilege::Read);
                seen.attributes.insert("long".to_owned(), long.clone());
                batch.observations.push(seen);
            }
            batch
        })
        .collect();
    let total = size(&wide);
    write(&server.address, "t", wide).await;
    let query = "subscription($fromIndex: Long) { records(fromIndex: $fromIndex) {
        ledgerIndex observation { a: attributes { key value } b: attributes { key value } } } }";
    let mut socket = Socket::ready(&server.address, "t").await;
    socket.subscribe("slow", query, json!({"fromIndex": 0})).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut next = 0;
    let errors = loop {
        match socket.event().await {
            Ok(event) => assert_eq!(event["records"]["ledgerIndex"], next),
            Err(errors) => break errors,
        }
        next += 1;
    };
    assert_eq!(errors[0]["extensions"], json!({"code": "SLOW_READER", "resumeFrom": next}), "{errors}");
    assert!(next > 256 && next < total, "{next} of {total} came");
    // The connection is as good as before.
    socket.subscribe("again", query, json!({"fromIndex": next})).await;
    for index in next..total {
        assert_eq!(socket.event().await.unwrap()["records"]["ledgerIndex"], index);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_protocol_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let address = &*server.address;
    write(address, "t", batches(0, 3)).await;
    let fresh = || async { Socket::open(address, upgrade(address, &[("asof-tenant", "t")])).await.unwrap() };
    let records = json!({"query": RECORDS, "variables": {"fromIndex": 0}});
    // What closes before connection_init, with its code.
    for (text, code) in [
        ("", 4400),
        ("{", 4400),
        ("[]", 4400),
        ("{}", 4400),
        (r#"{"type": "start", "id": "1", "payload": {"query": "{ ledger { size } }"}}"#, 4400),
        (r#"{"type": "connection_init", "payload": 7}"#, 4400),
        (r#"{"type": "connection_init", "payload": {"asof-tenant": 7}}"#, 4400),
        (r#"{"type": "connection_init", "payload": {"asof-tenant": "u"}}"#, 4400),
        (&*json!({"type": "subscribe", "id": "1", "payload": records}).to_string(), 4401),
    ] {
        let mut socket = fresh().await;
        socket.say_text(text.to_owned()).await;
        assert_eq!(socket.closed().await.0, code, "{text}");
    }
    // And what does after it.
    for (text, code) in [
        (r#"{"type": "connection_init"}"#, 4429),
        (r#"{"type": "subscribe", "id": 1, "payload": {"query": "{ ledger { size } }"}}"#, 4400),
        (r#"{"type": "subscribe", "id": "1", "payload": {"variables": {}}}"#, 4400),
        (
            r#"{"type": "subscribe", "id": "1", "payload": {"query": "{ ledger { size } }", "variables": 7}}"#,
            4400,
        ),
        (r#"{"type": "next"}"#, 4400),
        (&*json!({"type": "subscribe", "id": "i".repeat(300), "payload": records}).to_string(), 4400),
        (&*json!({"type": "ping", "payload": {"long": "x".repeat(1 << 20)}}).to_string(), 1009),
    ] {
        let mut socket = Socket::ready(address, "t").await;
        socket.say_text(text.to_owned()).await;
        let (closed, why) = socket.closed().await;
        assert_eq!(closed, code, "{text:.100}: {why}");
        assert!(why.len() <= 123);
    }
    let mut socket = Socket::ready(address, "t").await;
    socket.say_message(Message::Binary(vec![1, 2, 3].into())).await;
    assert_eq!(socket.closed().await.0, 4400);
    let mut socket = Socket::ready(address, "t").await;
    for _ in 0..2 {
        socket.subscribe("twice", RECORDS, json!({})).await;
    }
    assert_eq!(socket.closed().await.0, 4409);
    // Another protocol, or none.
    for other in ["graphql-ws", ""] {
        let mut request = upgrade(address, &[]);
        request.headers_mut().remove("sec-websocket-protocol");
        if !other.is_empty() {
            request.headers_mut().insert("sec-websocket-protocol", other.parse().unwrap());
        }
        match Socket::open(address, request).await {
            Ok(mut socket) => assert_eq!(socket.closed().await.0, 4406),
            // The client's own library does not take a handshake without its protocol.
            Err(error) => assert!(error.to_string().contains("protocol"), "{error}"),
        }
    }
    // The tenant in connection_init alone.
    let mut socket = Socket::open(address, upgrade(address, &[])).await.unwrap();
    socket.say(&json!({"type": "connection_init", "payload": {"asof-tenant": "t", "more": [1]}})).await;
    assert_eq!(socket.hear().await["type"], "connection_ack");
    socket.say(&json!({"type": "ping", "payload": {"a": 1}})).await;
    assert_eq!(socket.hear().await, json!({"type": "pong", "payload": {"a": 1}}));
    socket.say(&json!({"type": "ping"})).await;
    assert_eq!(socket.hear().await, json!({"type": "pong"}));
    socket.say(&json!({"type": "pong", "payload": null})).await;
    // A query is answered once.
    socket.subscribe("q", "{ ledger { size } }", Json::Null).await;
    let message = socket.hear().await;
    assert_eq!((&message["type"], &message["id"]), (&json!("next"), &json!("q")));
    assert!(message["payload"]["data"]["ledger"]["size"].as_u64() > Some(0), "{message}");
    assert_eq!(socket.hear().await, json!({"type": "complete", "id": "q"}));
    // Its id is free again, and so is that of what the client completed.
    socket.subscribe("q", "subscription { nothing }", json!({})).await;
    let message = socket.hear().await;
    assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("q")));
    assert_eq!(message["payload"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED");
    for _ in 0..3 {
        socket.subscribe("q", RECORDS, json!({"fromIndex": 1})).await;
        assert_eq!(socket.event().await.unwrap()["records"]["ledgerIndex"], 1);
        socket.say(&json!({"type": "complete", "id": "q"})).await;
        socket.say(&json!({"type": "ping", "payload": {"after": true}})).await;
        while socket.hear().await["type"] != "pong" {}
    }
    // What the client completes twice, or never began, is no fault.
    socket.say(&json!({"type": "complete", "id": "none"})).await;
    // More than are allowed at once.
    for number in 0..101 {
        socket.subscribe(&format!("s{number}"), RECORDS, json!({})).await;
    }
    let message = socket.hear().await;
    assert_eq!((&message["type"], &message["id"]), (&json!("error"), &json!("s100")), "{message}");
    let extensions = &message["payload"][0]["extensions"];
    assert_eq!(
        (&extensions["code"], &extensions["limit"]),
        (&json!("LIMIT_EXCEEDED"), &json!(100)),
        "{message}"
    );
    // A tenant that is not there.
    let mut socket = Socket::ready(address, "nobody").await;
    for (id, code) in [("a", "NO_SUCH_TENANT"), ("b", "NO_SUCH_TENANT")] {
        socket.subscribe(id, RECORDS, json!({})).await;
        assert_eq!(socket.event().await.unwrap_err()[0]["extensions"]["code"], code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sites_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let address = &*server.address;
    let port = address.rsplit_once(':').unwrap().1;
    let status = |headers: Vec<(&'static str, String)>| async move {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        match Socket::open(address, upgrade(address, &headers)).await {
            Ok(_) => 101,
            Err(Error::Http(response)) => response.status().as_u16(),
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(status(vec![]).await, 101);
    assert_eq!(status(vec![("origin", format!("http://{address}"))]).await, 101);
    let own = format!("localhost:{port}");
    assert_eq!(status(vec![("host", own.clone()), ("origin", format!("http://{own}"))]).await, 101);
    for origin in [
        "https://evil.example".to_owned(),
        format!("https://evil.example:{port}"),
        format!("http://localhost:{port}"),
        "http://127.0.0.1:1".to_owned(),
        "http://127.0.0.1".to_owned(),
        "null".to_owned(),
        String::new(),
    ] {
        assert_eq!(status(vec![("origin", origin.clone())]).await, 403, "{origin}");
    }
    let evil = format!("evil.example:{port}");
    assert_eq!(status(vec![("host", evil.clone())]).await, 403);
    assert_eq!(status(vec![("host", evil.clone()), ("origin", format!("http://{evil}"))]).await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closing_server_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    write(&server.address, "t", batches(0, 5)).await;
    let mut idle = Socket::ready(&server.address, "t").await;
    let mut busy = Socket::ready(&server.address, "t").await;
    busy.subscribe("r", RECORDS, json!({})).await;
    busy.say(&json!({"type": "ping"})).await;
    assert_eq!(busy.hear().await["type"], "pong");
    let begun = Instant::now();
    let ending = tokio::task::spawn_blocking(move || server.terminate());
    assert_eq!(idle.closed().await.0, 1001);
    assert_eq!(busy.closed().await.0, 1001);
    assert!(ending.await.unwrap().success());
    assert!(begun.elapsed() < Duration::from_secs(8), "it took {:?}", begun.elapsed());
}

/// Seconds of processor time that the server has used.
fn worked(server: &Server) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.id())).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

fn open_files(server: &Server) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", server.id())).unwrap().count()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_done_for_a_client_that_has_gone() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    write(&server.address, "t", batches(0, 1_500)).await;
    let files = open_files(&server);
    let heavy = json!({"not": {"usedWithoutHolding": {"used": {"during": {}, "minCount": 1_000}, "effective": true}}});
    let mut all = Vec::new();
    for _ in 0..5 {
        let mut socket = Socket::ready(&server.address, "t").await;
        for id in 0..10 {
            let id = id.to_string();
            socket.subscribe(&id, MATCHES, json!({"where": heavy, "fromIndex": 0})).await;
        }
        socket.event().await.unwrap();
        all.push(socket);
    }
    let (before, begun) = (worked(&server), Instant::now());
    tokio::time::sleep(Duration::from_millis(700)).await;
    let busy = (worked(&server) - before) / begun.elapsed().as_secs_f64();
    drop(all);
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let (before, begun) = (worked(&server), Instant::now());
    tokio::time::sleep(Duration::from_secs(1)).await;
    let idle = (worked(&server) - before) / begun.elapsed().as_secs_f64();
    println!("{busy:.2} processors while there are readers, {idle:.2} after");
    assert!(busy > 0.3, "it was not even busy: {busy}");
    assert!(idle < 0.15, "{idle} processors work for nobody");
    assert!(open_files(&server) <= files, "connections stay open");
}
