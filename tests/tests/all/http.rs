//! GraphQL over HTTP: who gets which status, media type and code, and that nobody's work goes on when he has gone.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use asof_engine::{Engine, Options};
use bytes::Bytes;
use serde_json::{Value as Json, json};

use crate::server::{Server, binary};

const MODERN: &str = "application/graphql-response+json; charset=utf-8";
const PLAIN: &str = "application/json; charset=utf-8";
const SIZE: &str = r#"{"query": "{ ledger { size } }"}"#;

/// What came back.
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    fn json(&self) -> Json {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.body))
    }

    /// The code of a response without data, which is what it must be.
    fn refused(&self) -> String {
        let json = self.json();
        assert!(json.get("data").is_none(), "{} {json}", self.status);
        assert_eq!(self.header("content-type"), MODERN, "{json}");
        assert_eq!(self.header("cache-control"), "no-store", "{json}");
        for error in json["errors"].as_array().unwrap() {
            assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{json}");
            assert!(error["extensions"]["code"].is_string(), "{json}");
        }
        json["errors"][0]["extensions"]["code"].as_str().unwrap().to_owned()
    }
}

/// Sends a request as it stands, on a connection of its own.
fn send(server: &Server, request: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut head = format!("{request} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", server.address);
    for (name, value) in headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !body.is_empty() {
        head += &format!("Content-Length: {}\r\n", body.len());
    }
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.write_all(format!("{head}\r\n").as_bytes()).unwrap();
    // Who refuses a long body may close before it has all of it.
    let _ = stream.write_all(body);
    let mut all = Vec::new();
    let _ = stream.read_to_end(&mut all);
    let text = String::from_utf8(all).unwrap();
    let (head, body) =
        text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer to {request}: {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let header =
        |line: &str| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    Answer { status, headers: lines.filter_map(header).collect(), body: body.to_owned() }
}

const JSON: (&str, &str) = ("Content-Type", "application/json");

fn post(server: &Server, body: &str) -> Answer {
    send(server, "POST /graphql", &[JSON], body.as_bytes())
}

fn get(server: &Server, query: &str) -> Answer {
    send(server, &format!("GET /graphql?{query}"), &[], b"")
}

#[test]
fn media_types_are_negotiated() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let invalid = r#"{"query": "{ nothing }"}"#;
    for (accept, expected) in [
        (None, PLAIN),
        (Some("*/*"), PLAIN),
        (Some("application/json"), PLAIN),
        (Some("application/graphql-response+json"), MODERN),
        (Some("application/graphql-response+json, application/json;q=0.9"), MODERN),
        (Some("text/html, application/json;q=0.5, application/graphql-response+json;q=0.1"), PLAIN),
    ] {
        let headers: Vec<_> = [JSON].into_iter().chain(accept.map(|accept| ("Accept", accept))).collect();
        let good = send(&server, "POST /graphql", &headers, SIZE.as_bytes());
        assert_eq!((good.status, good.header("content-type")), (200, expected), "{accept:?}");
        assert_eq!(good.header("cache-control"), "no-store");
        assert_eq!(good.json()["data"], json!({"ledger": {"size": 0}}));
        let bad = send(&server, "POST /graphql", &headers, invalid.as_bytes());
        assert_eq!((bad.status, bad.refused().as_str()), (422, "GRAPHQL_VALIDATION_FAILED"), "{accept:?}");
    }
    for accept in ["text/html", "application/json;q=0", "image/*, nonsense"] {
        let answer = send(&server, "POST /graphql", &[JSON, ("Accept", accept)], SIZE.as_bytes());
        assert_eq!((answer.status, answer.refused().as_str()), (406, "NOT_ACCEPTABLE"), "{accept}");
    }
    for content in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
    ] {
        let answer = send(&server, "POST /graphql", &[("Content-Type", content)], SIZE.as_bytes());
        assert_eq!((answer.status, answer.refused().as_str()), (415, "UNSUPPORTED_MEDIA_TYPE"), "{content}");
    }
    assert_eq!(send(&server, "POST /graphql", &[], SIZE.as_bytes()).status, 415, "no type at all");
}

#[test]
fn what_is_wrong_has_its_status_and_its_code() {
    const BAD: &str = "BAD_REQUEST";
    const PARSE: &str = "GRAPHQL_PARSE_FAILED";
    const INVALID: &str = "GRAPHQL_VALIDATION_FAILED";
    const LIMIT: &str = "LIMIT_EXCEEDED";
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let deep = format!("{{ a{} }}", "(x: [".repeat(40));
    let many = format!("{{ {} }}", (0..3_000).map(|n| format!("a{n}: __typename ")).collect::<String>());
    let paged = "query($n: Int!) { identities(first: $n) { totalCount } }";
    let cases = [
        (json!({"query": 1}), 422, BAD),
        (json!({"query": ["{ ledger { size } }"]}), 422, BAD),
        (json!({"qeury": "{ ledger { size } }"}), 422, BAD),
        (json!({"query": "{ ledger { size } }", "operationName": {}}), 422, BAD),
        (json!({"query": "{ ledger { size } }", "variables": []}), 422, BAD),
        (json!({"query": "{ ledger { size } }", "variables": "{}"}), 422, BAD),
        (json!({"query": "{ ledger { size } }", "extensions": 1}), 422, BAD),
        (json!([{"query": "{ ledger { size } }"}]), 422, BAD),
        (json!("{ ledger { size } }"), 422, BAD),
        (json!({"query": "{"}), 400, PARSE),
        (json!({"query": ""}), 400, PARSE),
        (json!({"query": "{ nothing }"}), 422, INVALID),
        (json!({"query": "{ ledger }"}), 422, INVALID),
        (json!({"query": "query A { ledger { size } } query B { ledger { size } }"}), 422, INVALID),
        (json!({"query": "query A { ledger { size } }", "operationName": "B"}), 422, INVALID),
        (
            json!({"query": "query A { ledger { size } } query A { ledger { root } }", "operationName": "A"}),
            422,
            INVALID,
        ),
        (json!({"query": paged}), 422, INVALID),
        (json!({"query": paged, "variables": {"n": null}}), 422, INVALID),
        (json!({"query": paged, "variables": {"n": "many"}}), 422, INVALID),
        (
            json!({"query": "query($w: IdentityWhere) { identities(where: $w) { totalCount } }", "variables": {"w": 5}}),
            422,
            INVALID,
        ),
        (json!({"query": "query($yes: Boolean!) { ledger { size @include(if: $yes) } }"}), 422, INVALID),
        (json!({"query": "mutation { __typename }"}), 422, INVALID),
        (json!({"query": "subscription { records(fromIndex: 0) { index } }"}), 422, INVALID),
        (json!({"query": deep}), 422, LIMIT),
        (json!({"query": many}), 422, LIMIT),
    ];
    for (request, status, code) in cases {
        let answer = post(&server, &request.to_string());
        assert_eq!((answer.status, answer.refused().as_str()), (status, code), "{request}: {}", answer.body);
    }
    for broken in ["{", "nonsense", "{\"query\": \"{ ledger { size } }\"} trailing"] {
        let answer = post(&server, broken);
        assert_eq!((answer.status, answer.refused().as_str()), (400, BAD), "{broken}");
    }
    let empty = send(&server, "POST /graphql", &[JSON], b"");
    assert_eq!((empty.status, empty.refused().as_str()), (400, BAD));
    let unreadable = send(&server, "POST /graphql", &[JSON], b"{\"query\": \"\xff\"}");
    assert_eq!((unreadable.status, unreadable.refused().as_str()), (400, BAD));
    let long = format!("{{\"query\": \"{}\"}}", "#".repeat(2 << 20));
    let answer = post(&server, &long);
    assert_eq!((answer.status, answer.refused().as_str()), (413, LIMIT));
    assert_eq!(answer.json()["errors"][0]["extensions"]["limit"], 1 << 20);
    for (tenant, status, code) in [("nobody", 404, "NO_SUCH_TENANT"), ("no/such", 400, "INVALID_TENANT")] {
        let answer = send(&server, "POST /graphql", &[JSON, ("asof-tenant", tenant)], SIZE.as_bytes());
        assert_eq!((answer.status, answer.refused().as_str()), (status, code), "{tenant}");
    }
}

#[test]
fn what_is_executed_is_answered_with_200() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    for query in [
        json!({"query": "{ ledger { size } }", "operationName": null, "variables": null, "extensions": null, "more": 1}),
        json!({"query": "query A { ledger { size } } query B { nodes: ledger { root } }", "operationName": "A"}),
        json!({"query": "query($after: String) { identities(after: $after) { totalCount } }"}),
    ] {
        let answer = post(&server, &query.to_string());
        assert!(answer.status == 200 && answer.json().get("errors").is_none(), "{query}: {}", answer.body);
        assert!(answer.json()["extensions"]["snapshot"]["asOf"].is_string(), "{}", answer.body);
    }
    // A field that fails is part of an answer; so is nothing but such fields.
    let failed = post(&server, r#"{"query": "{ identities(first: 20000) { totalCount } }"}"#);
    let json = failed.json();
    assert_eq!((failed.status, &json["data"]), (200, &Json::Null), "{json}");
    assert!(json.as_object().unwrap().contains_key("data"), "it was executed: {json}");
    assert_eq!(json["errors"][0]["extensions"]["code"], "LIMIT_EXCEEDED", "{json}");
    assert_eq!(json["errors"][0]["path"], json!(["identities"]), "{json}");
    // What may not be null is never left out: there is a null above it.
    let beside = post(&server, r#"{"query": "{ identities(first: 20000) { totalCount } ledger { size } }"}"#);
    assert_eq!((beside.status, &beside.json()["data"]), (200, &Json::Null), "{}", beside.body);
    let below = r#"{"query": "{ a: identities(after: \"x\") { totalCount } identity(id: \"i\") { id } }"}"#;
    assert_eq!(post(&server, below).json()["data"], Json::Null);
    let skipped = post(&server, r#"{"query": "{ ledger @skip(if: true) { size } }"}"#);
    assert_eq!((skipped.status, &skipped.json()["data"]), (200, &json!({})));
}

#[test]
fn get_asks_queries_alone() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let ledger = "query=%7B+ledger+%7B+size+%7D+%7D";
    for query in [
        ledger.to_owned(),
        format!("{ledger}&operationName=&variables=&extensions="),
        "query=query+A($n:Int!)%7Bledger%7Bsize%7Didentities(first:$n)%7BtotalCount%7D%7D&variables=%7B%22n%22:1%7D&operationName=A"
            .to_owned(),
    ] {
        let answer = get(&server, &query);
        assert_eq!((answer.status, &answer.json()["data"]["ledger"]), (200, &json!({"size": 0})), "{query}");
    }
    for (query, status, code) in [
        ("", 422, "BAD_REQUEST"),
        ("query=", 400, "GRAPHQL_PARSE_FAILED"),
        ("query=%7B+ledger+%7B+size+%7D+%7D&operationName=null", 422, "GRAPHQL_VALIDATION_FAILED"),
        ("query=%7B+a+%7D&query=%7B+b+%7D", 422, "BAD_REQUEST"),
        ("query=%7B+a+%7D&variables=%7B", 400, "BAD_REQUEST"),
        ("query=%7B+a+%7D&variables=%5B%5D", 422, "BAD_REQUEST"),
        ("query=mutation%7B__typename%7D", 405, "METHOD_NOT_ALLOWED"),
    ] {
        let answer = get(&server, query);
        assert_eq!((answer.status, answer.refused().as_str()), (status, code), "{query}: {}", answer.body);
    }
    assert_eq!(get(&server, "query=mutation%7B__typename%7D").header("allow"), "POST");
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS", "QUERY"] {
        let answer = send(&server, &format!("{method} /graphql"), &[JSON], SIZE.as_bytes());
        assert_eq!((answer.status, answer.header("allow")), (405, "GET, HEAD, POST"), "{method}");
        assert_eq!(answer.refused(), "METHOD_NOT_ALLOWED", "{method}");
    }
    let head = send(&server, &format!("HEAD /graphql?{ledger}"), &[], b"");
    assert_eq!((head.status, head.header("content-type"), head.body.as_str()), (200, PLAIN, ""));
}

#[test]
fn pages_of_other_sites_ask_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let query = "GET /graphql?query=%7Bledger%7Bsize%7D%7D";
    for (site, status) in [("none", 200), ("same-origin", 200), ("cross-site", 403)] {
        assert_eq!(send(&server, query, &[("Sec-Fetch-Site", site)], b"").status, status, "{site}");
    }
    assert_eq!(send(&server, query, &[("Origin", "https://evil.example")], b"").status, 403);
    assert_eq!(
        send(&server, "GET /", &[("Sec-Fetch-Site", "cross-site")], b"").status,
        200,
        "a link to the page"
    );
    let preflight = [("Origin", "https://evil.example"), ("Access-Control-Request-Method", "POST")];
    assert_eq!(send(&server, "OPTIONS /graphql", &preflight, b"").status, 403);
}

/// A question that takes longer than any test waits for it.
fn endless() -> String {
    let trend = "trend(where: {or: [{holds: {privileges: [WRITE], on: \"resource/*\", effective: true}}, \
        {used: {privileges: [READ], during: {last: \"P30D\"}}}]}, \
        during: {from: \"2026-01-01T00:00:00Z\", to: \"2026-03-31T00:00:00Z\"}, every: \"PT13M\") { count }";
    let all: Vec<_> = (0..100).map(|number| format!("t{number}: {trend}")).collect();
    format!("{{ {} }}", all.join(" "))
}

/// A folder with two thousand identities and what they do.
fn generated(folder: &Path) {
    let mut command = Command::new(binary());
    command.args(["generate", "--scale", "0.02", "--observations", "20000", "--data"]).arg(folder);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Asks again and again until the status is this one.
fn until(server: &Server, status: u16, patience: Duration) -> Answer {
    let begun = Instant::now();
    loop {
        let answer = post(server, SIZE);
        if answer.status == status {
            return answer;
        }
        assert!(begun.elapsed() < patience, "still {} {}", answer.status, answer.body);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Far more than it takes to stop, and far less than the question would run on.
const PATIENCE: Duration = Duration::from_secs(30);

/// With one place and no queue, whether the place is taken can be seen: another question is refused.
#[tokio::test(flavor = "multi_thread")]
async fn work_ends_with_its_client() {
    let folder = tempfile::tempdir().unwrap();
    generated(folder.path());
    let places = [("ASOF_CONCURRENT_READS", Path::new("1")), ("ASOF_WAITING_READS", Path::new("0"))];
    let server = Server::start_with(folder.path(), &places);
    let body = json!({"query": endless()}).to_string();
    until(&server, 200, PATIENCE);

    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        server.address,
        body.len()
    );
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let busy = until(&server, 503, PATIENCE);
    assert_eq!((busy.refused().as_str(), busy.header("retry-after")), ("BUSY", "1"));
    stream.shutdown(Shutdown::Both).unwrap();
    drop(stream);
    until(&server, 200, PATIENCE);

    let ask = async || {
        let stream = tokio::net::TcpStream::connect(&server.address).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        let connection = tokio::spawn(connection);
        let request = http::Request::post(format!("http://{}/graphql", server.address));
        let request = request.header("content-type", "application/json").body(()).unwrap();
        let (answer, mut sent) = client.ready().await.unwrap().send_request(request, false).unwrap();
        sent.reserve_capacity(body.len());
        sent.send_data(Bytes::from(body.clone()), true).unwrap();
        (connection, answer, sent)
    };
    let running = async || {
        let begun = Instant::now();
        loop {
            let (connection, mut answer, sent) = ask().await;
            // What asks whether it runs may take the place before it; it is refused then, and asked again.
            while tokio::time::timeout(Duration::from_millis(20), &mut answer).await.is_err() {
                assert!(begun.elapsed() < PATIENCE, "it neither runs nor is it refused");
                if tokio::task::block_in_place(|| post(&server, SIZE)).status == 503 {
                    return (connection, answer, sent);
                }
            }
        }
    };
    // One stream of a connection that stays.
    let (connection, answer, mut sent) = running().await;
    sent.send_reset(h2::Reason::CANCEL);
    tokio::task::block_in_place(|| until(&server, 200, PATIENCE));
    assert!(answer.await.is_err() && !connection.is_finished());
    connection.abort();
    // The whole connection.
    let (connection, answer, _sent) = running().await;
    connection.abort();
    assert!(connection.await.unwrap_err().is_cancelled());
    tokio::task::block_in_place(|| until(&server, 200, PATIENCE));
    drop(answer);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_ends_with_its_deadline() {
    let folder = tempfile::tempdir().unwrap();
    generated(folder.path());
    let options = Options { data: folder.path().to_owned(), concurrent_reads: 1, ..Options::default() };
    let engine = Engine::open(options).await.unwrap();
    let tenant = engine.tenant("default").await.unwrap().unwrap();
    let late = asof_graphql::execute_within(tenant.clone(), endless(), Duration::from_secs(5)).await;
    assert!(asof_graphql::is_request_error(&late), "it takes longer than its deadline: {late:?}");
    let extensions = serde_json::to_value(&late.errors[0].extensions).unwrap();
    assert_eq!((late.errors.len(), &extensions["code"]), (1, &json!("DEADLINE_EXCEEDED")), "{extensions}");
    // The only place is free again, or this would wait for it in vain.
    let next = asof_graphql::execute_within(tenant, "{ ledger { size } }", PATIENCE).await;
    assert!(next.is_ok(), "{next:?}");
    engine.close().await.unwrap();
    drop(engine);
    // On the thread of its connection, too.
    let server = Server::start_with(folder.path(), &[("ASOF_QUERY_DEADLINE", Path::new("1s"))]);
    let late = tokio::task::block_in_place(|| post(&server, &json!({"query": endless()}).to_string()));
    assert_eq!((late.status, late.refused().as_str()), (504, "DEADLINE_EXCEEDED"));
}

/// A POST on a connection that stays.
fn ask(stream: &mut TcpStream, server: &Server, body: &str) {
    let head =
        format!("POST /graphql HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n", server.address);
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes()).unwrap();
}

/// The status of the next answer.
fn status(stream: &mut TcpStream) -> String {
    let mut line = [0; "HTTP/1.1 200".len()];
    stream.read_exact(&mut line).unwrap();
    String::from_utf8(line.to_vec()).unwrap()
}

/// How many connections have a thread of their own.
fn own_threads(server: &Server) -> usize {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.id())).unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.trim() == "connection").count()
}

/// More connections than have a thread each, and others over HTTP/2, which have none: those that ask for long, with a thread and without, stand in nobody's way.
#[test]
fn connections_do_not_wait_for_each_other() {
    const MANY: usize = 40;
    const THREADS: usize = 16;
    /// The preface, and no settings (RFC 9113, section 3.4).
    const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let folder = tempfile::tempdir().unwrap();
    generated(folder.path());
    let server = Server::start_with(folder.path(), &[("ASOF_CONCURRENT_READS", Path::new("8"))]);
    let http2: Vec<TcpStream> = (0..MANY).map(|_| TcpStream::connect(&server.address).unwrap()).collect();
    for mut stream in &http2 {
        stream.write_all(HTTP2).unwrap();
        stream.read_exact(&mut [0; 9]).unwrap();
    }
    assert_eq!(own_threads(&server), 0);
    let mut streams: Vec<TcpStream> =
        (0..MANY).map(|_| TcpStream::connect(&server.address).unwrap()).collect();
    // In this order they are taken.
    for stream in &mut streams {
        ask(stream, &server, SIZE);
        assert_eq!(status(stream), "HTTP/1.1 200");
    }
    assert_eq!(own_threads(&server), THREADS);
    let (mut first, mut last) = (streams.remove(0), streams.pop().unwrap());
    let body = json!({"query": endless()}).to_string();
    let rest = |stream: &mut TcpStream| {
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let mut rest = [0; 4_096];
        while stream.read(&mut rest).is_ok_and(|read| read > 0) {}
    };
    for stream in [&mut first, &mut last] {
        rest(stream);
        ask(stream, &server, &body);
    }
    for stream in &mut streams {
        rest(stream);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        ask(stream, &server, SIZE);
        assert_eq!(status(stream), "HTTP/1.1 200", "while others ask for long");
    }
    for stream in [&mut first, &mut last] {
        assert!(stream.read(&mut [0]).is_err(), "nothing came yet");
    }
}

/// What still runs when the server has waited for it is cut off: on the connection's own thread, and on the pool.
#[test]
fn a_server_that_closes_waits_for_nothing_endless() {
    let folder = tempfile::tempdir().unwrap();
    generated(folder.path());
    let server = Server::start_with(folder.path(), &[("ASOF_CONCURRENT_READS", Path::new("32"))]);
    let body = json!({"query": endless()}).to_string();
    // The last of them have no thread of their own.
    let mut streams: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(&server.address).unwrap()).collect();
    for stream in &mut streams {
        ask(stream, &server, SIZE);
        assert_eq!(status(stream), "HTTP/1.1 200");
    }
    for stream in [0, 19] {
        ask(&mut streams[stream], &server, &body);
    }
    // It has to end in any case; by then both have begun.
    std::thread::sleep(Duration::from_millis(500));
    assert!(server.terminate().success(), "it ends with status 0");
    for mut stream in streams {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(!String::from_utf8_lossy(&rest).contains("HTTP/1.1 200"), "nothing more is answered");
    }
}
