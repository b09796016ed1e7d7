//! The whole program from outside: written over gRPC, asked over HTTP, stopped and started again.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use asof_grpc::proto::ingest_client::IngestClient;
use asof_grpc::proto::ledger_client::LedgerClient;
use asof_grpc::proto::{Observation, ReadRequest, WriteRequest, WriteResponse};
use asof_tests::contract::{batch, lines, list, questions, refused, text};
use asof_tests::naive::Ledger;
use serde_json::{Value as Json, json};
use tonic::{Code, Request, Status};

use crate::contract::same;
use crate::server::{Server, binary, check, run};
use crate::wire;

fn of<T>(tenant: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("asof-tenant", tenant.parse().unwrap());
    request
}

/// One stream: the acknowledgements, and how it ended.
async fn write(
    server: &Server,
    tenant: &str,
    batches: Vec<WriteRequest>,
) -> (Vec<WriteResponse>, Result<(), Status>) {
    let mut client = IngestClient::connect(format!("http://{}", server.address)).await.unwrap();
    let mut answers = match client.write(of(tenant, tokio_stream::iter(batches))).await {
        Ok(answers) => answers.into_inner(),
        Err(status) => return (Vec::new(), Err(status)),
    };
    let mut acknowledged = Vec::new();
    loop {
        match answers.message().await {
            Ok(Some(answer)) => acknowledged.push(answer),
            Ok(None) => return (acknowledged, Ok(())),
            Err(status) => return (acknowledged, Err(status)),
        }
    }
}

/// The whole response to a question.
fn ask(server: &Server, tenant: &str, question: Json) -> Json {
    let url = format!("http://{}/graphql", server.address);
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut response = agent.post(url).header("asof-tenant", tenant).send_json(question).unwrap();
    response.body_mut().read_json().unwrap()
}

fn size(server: &Server, tenant: &str) -> u64 {
    ask(server, tenant, json!({"query": "{ ledger { size } }"}))["data"]["ledger"]["size"].as_u64().unwrap()
}

/// The status line of what a plain request is answered with.
fn status_of(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

fn story() -> Vec<WriteRequest> {
    lines("story").iter().map(wire::request).collect()
}

fn some_answers_are_right(server: &Server) {
    for question in questions("story").iter().step_by(9) {
        let asked = json!({"query": question["query"], "variables": question["variables"]});
        let found = ask(server, "story", asked);
        assert!(same(&question["expected"], &found["data"]), "{}: {found}", question["name"]);
        assert!(found["extensions"]["snapshot"]["ledgerSize"].is_u64(), "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_answered_and_still_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let mut ledger = Ledger::default();
    let expected: Vec<_> = lines("story").iter().map(|line| ledger.write(&batch(line))).collect();
    let (acknowledged, ended) = write(&server, "story", story()).await;
    ended.unwrap();
    assert_eq!(acknowledged.len(), expected.len());
    for (answer, expected) in acknowledged.iter().zip(&expected) {
        assert_eq!(answer.duplicate_batch, expected.duplicate_batch, "{answer:?}");
        assert_eq!(answer.ledger_size, expected.ledger_size, "{answer:?}");
    }
    some_answers_are_right(&server);
    let root =
        |server: &Server| ask(server, "story", json!({"query": "{ ledger { size root } }"}))["data"].clone();
    let before = root(&server);
    assert!(server.terminate().success(), "SIGTERM ends with status 0");
    let server = Server::start(folder.path());
    assert_eq!(root(&server), before);
    some_answers_are_right(&server);
    let (again, ended) = write(&server, "story", story()).await;
    ended.unwrap();
    assert!(server.terminate().success());
    let reindexed = run("reindex", folder.path());
    assert!(reindexed.status.success(), "{}", String::from_utf8_lossy(&reindexed.stderr));
    check(folder.path());
    let server = Server::start(folder.path());
    assert_eq!(root(&server), before, "reindex leaves the ledger as it is");
    some_answers_are_right(&server);
    assert!(again.iter().filter(|answer| !answer.batch_id.is_empty()).all(|answer| answer.duplicate_batch));
}

#[tokio::test(flavor = "multi_thread")]
async fn faulty_batches_are_refused_over_grpc() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let good = |id: &str| {
        let node = json!({"kind": "OWNER", "id": id});
        wire::request(&json!({"source": "refused", "batch_id": id,
            "facts": [{"node": node, "valid_from": "2025-01-01T00:00:00Z"}]}))
    };
    write(&server, "refused", vec![good("team/first")]).await.1.unwrap();
    let mut size_now = size(&server, "refused");
    for case in refused() {
        let name = text(&case["name"]);
        // One before it, which stays, and one behind it, which is not applied.
        let behind = good("team/behind");
        let batches = vec![good(&format!("team/{name}")), wire::request(&case["request"]), behind];
        let (acknowledged, ended) = write(&server, "refused", batches).await;
        let status = ended.unwrap_err();
        assert_eq!((acknowledged.len(), status.code()), (1, Code::InvalidArgument), "{name}: {status}");
        let details = tonic_types::StatusExt::get_details_bad_request(&status).unwrap();
        for field in list(&case["fields"]).iter().map(text) {
            let named = |each: &tonic_types::FieldViolation| {
                each.field == field || each.field.starts_with(&format!("{field}["))
            };
            assert!(details.field_violations.iter().any(named), "{name}: {field} is not in {details:?}");
        }
        let batch_id = text(&case["request"]["batch_id"]);
        assert!(
            status.message().contains(&batch_id),
            "{name}: {} does not name {batch_id}",
            status.message()
        );
        size_now += 1;
        assert_eq!(size(&server, "refused"), size_now, "{name}");
    }
    let (_, ended) =
        write(&server, "refused", vec![WriteRequest { facts: vec![], ..good("team/first") }]).await;
    assert_eq!(ended.unwrap_err().code(), Code::FailedPrecondition);
    let many = WriteRequest { observations: vec![Observation::default(); 5_000], ..good("many") };
    let (_, ended) = write(&server, "refused", vec![many]).await;
    let status = ended.unwrap_err();
    assert!(
        status.details().len() + status.message().len() <= 4_096 + 256,
        "{} bytes",
        status.details().len()
    );
    assert!(
        status.message().contains("5000")
            || status.message().contains("10000")
            || status.message().contains("15000")
    );
    assert_eq!(size(&server, "refused"), size_now);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_is_read_back_and_followed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    write(&server, "story", story()).await.1.unwrap();
    let known = size(&server, "story");
    let mut client = LedgerClient::connect(format!("http://{}", server.address)).await.unwrap();
    let request = ReadRequest { first_index: known - 3, limit: 0, follow: true };
    let mut records = client.read(of("story", request)).await.unwrap().into_inner();
    for index in known - 3..known {
        let record = records.message().await.unwrap().unwrap();
        assert_eq!(record.index, index);
        assert!(!record.salt.is_empty() && !record.canonical.is_empty());
    }
    let more = json!({"source": "more", "observations":
        [{"time": "2025-01-01T00:00:00Z", "identity": "sa/late", "privilege": "READ"}]});
    write(&server, "story", vec![wire::request(&more)]).await.1.unwrap();
    let record = records.message().await.unwrap().unwrap();
    assert_eq!((record.index, record.source.as_str()), (known, "more"));
    let limited = ReadRequest { first_index: 1, limit: 2, follow: false };
    let mut records = client.read(of("story", limited)).await.unwrap().into_inner();
    assert_eq!(records.message().await.unwrap().unwrap().index, 1);
    assert_eq!(records.message().await.unwrap().unwrap().index, 2);
    assert!(records.message().await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_are_apart() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    write(&server, "one", story()).await.1.unwrap();
    assert_eq!(size(&server, "default"), 0);
    let none = ask(&server, "nobody", json!({"query": "{ ledger { size } }"}));
    assert_eq!(none["errors"][0]["extensions"]["code"], "NO_SUCH_TENANT", "{none}");
    let bad = ask(&server, "no/such", json!({"query": "{ ledger { size } }"}));
    assert!(bad["errors"][0]["message"].is_string(), "{bad}");
    let (_, ended) = write(&server, "no/such", story()).await;
    assert_eq!(ended.unwrap_err().code(), Code::InvalidArgument);
    let mut client = LedgerClient::connect(format!("http://{}", server.address)).await.unwrap();
    let absent = client.read(of("nobody", ReadRequest { first_index: 0, limit: 0, follow: false })).await;
    assert_eq!(absent.unwrap_err().code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_port_has_it_all_and_foreign_hosts_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let (url, host) = (format!("http://{}", server.address), server.address.clone());

    let channel = tonic::transport::Endpoint::from_shared(url).unwrap().connect().await.unwrap();
    let mut health = tonic_health::pb::health_client::HealthClient::new(channel.clone());
    let request = tonic_health::pb::HealthCheckRequest { service: String::new() };
    let serving = tonic_health::pb::health_check_response::ServingStatus::Serving as i32;
    assert_eq!(health.check(request).await.unwrap().into_inner().status, serving);

    let mut services = Vec::new();
    {
        use tonic_reflection::pb::v1::{
            ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
            server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
        };
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut client = ServerReflectionClient::new(channel.clone());
        let mut answers =
            client.server_reflection_info(tokio_stream::iter([request])).await.unwrap().into_inner();
        if let Some(MessageResponse::ListServicesResponse(list)) =
            answers.message().await.unwrap().unwrap().message_response
        {
            services.push(list.service.into_iter().map(|each| each.name).collect::<Vec<_>>());
        }
    }
    {
        use tonic_reflection::pb::v1alpha::{
            ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
            server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
        };
        let request = ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut client = ServerReflectionClient::new(channel);
        let mut answers =
            client.server_reflection_info(tokio_stream::iter([request])).await.unwrap().into_inner();
        if let Some(MessageResponse::ListServicesResponse(list)) =
            answers.message().await.unwrap().unwrap().message_response
        {
            services.push(list.service.into_iter().map(|each| each.name).collect::<Vec<_>>());
        }
    }
    assert_eq!(services.len(), 2);
    for listed in services {
        for name in ["asof.v1.Ingest", "asof.v1.Ledger", "grpc.health.v1.Health"] {
            assert!(listed.iter().any(|each| each == name), "{name} is not in {listed:?}");
        }
    }

    let get = |path: &str, headers: &str| {
        status_of(&server, &format!("GET {path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"))
    };
    assert!(get("/", &format!("Host: {host}\r\n")).contains(" 200 "), "GraphiQL");
    assert!(get("/", "Host: evil.example\r\n").contains(" 403 "), "a foreign Host");
    assert!(
        get("/", &format!("Host: {host}\r\nOrigin: http://evil.example\r\n")).contains(" 403 "),
        "a foreign Origin"
    );
    let post = |headers: &str| {
        let body = r#"{"query": "{ ledger { size } }"}"#;
        let length = body.len();
        let head = format!(
            "{headers}Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close"
        );
        status_of(&server, &format!("POST /graphql HTTP/1.1\r\n{head}\r\n\r\n{body}"))
    };
    assert!(post(&format!("Host: {host}\r\n")).contains(" 200 "));
    assert!(post("Host: rebound.example:80\r\n").contains(" 403 "));
    assert!(post(&format!("Host: {host}\r\nOrigin: https://evil.example\r\n")).contains(" 403 "));
}

/// Starts `asof serve` where it must not start, and gives what it says.
fn refuses(listen: &str, data: &Path) -> String {
    let mut command = Command::new(binary());
    command.args(["serve", "--listen", listen, "--data"]).arg(data).stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(!output.status.success(), "it must not serve {listen}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn it_does_not_start_where_it_must_not() {
    let folder = tempfile::tempdir().unwrap();
    for open in ["0.0.0.0:0", "[::]:0"] {
        let said = refuses(open, folder.path());
        assert!(said.contains("loopback"), "it says why: {said}");
    }
    let server = Server::start(folder.path());
    let said = refuses("127.0.0.1:0", folder.path());
    assert!(said.contains("in use"), "it says that another has the folder: {said}");
    assert!(server.terminate().success());
}

/// A byte on disk that is not what was written is found, and said, without a panic.
#[tokio::test(flavor = "multi_thread")]
async fn check_finds_a_byte_that_has_changed() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    write(&server, "story", story()).await.1.unwrap();
    assert!(server.terminate().success());
    check(folder.path());
    let tables =
        std::fs::read_dir(folder.path().join("tenants/story")).unwrap().map(|entry| entry.unwrap().path());
    let tables = tables.filter(|path| path.extension().is_some_and(|ending| ending == "sst"));
    let largest = tables.max_by_key(|path| std::fs::metadata(path).unwrap().len()).unwrap();
    let mut bytes = std::fs::read(&largest).unwrap();
    let middle = bytes.len() / 3;
    bytes[middle] ^= 1;
    std::fs::write(&largest, bytes).unwrap();
    let output = run("check", folder.path());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code().is_some_and(|code| code != 0 && code != 101), "{:?}: {said}", output.status);
    assert!(!said.contains("panicked"), "{said}");
}
