//! Every limit is an error that says which, and every error has its code.

use std::sync::mpsc;
use std::time::Duration;

use asof_engine::{Engine, EngineError, Options, Place, Tenant};
use asof_tests::contract::batch;
use serde_json::{Value as Json, json};

const LONG: Duration = Duration::from_secs(60);

async fn open(options: Options) -> (Engine, Tenant) {
    let engine = Engine::open(options).await.unwrap();
    let tenant = engine.tenant("default").await.unwrap().unwrap();
    (engine, tenant)
}

async fn ask(tenant: &Tenant, query: &str, variables: Json) -> Json {
    let variables = async_graphql::Variables::from_json(variables);
    let request = async_graphql::Request::new(query).variables(variables);
    serde_json::to_value(asof_graphql::execute(tenant.clone(), request).await).unwrap()
}

/// The only error there is, all of it in the response.
fn error(answer: &Json) -> &Json {
    let errors = answer["errors"].as_array().unwrap_or_else(|| panic!("it has an answer: {answer}"));
    assert!(answer["data"].is_null(), "{answer}");
    let extensions = &errors[0]["extensions"];
    assert!(extensions["code"].is_string(), "{answer}");
    extensions
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_has_its_code() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, tenant) = open(Options { data: folder.path().to_owned(), ..Options::default() }).await;
    let deep =
        format!("{{ __type(name: \"Query\") {{ {} name {} }} }}", "ofType { ".repeat(25), "}".repeat(25));
    let walk = format!("{{ identity(id: \"i\") {{ {} id {} }} }}", "memberOf { ".repeat(20), "}".repeat(20));
    let nested =
        format!("{{ identities(where: {}{}) {{ totalCount }} }}", "{not: ".repeat(40), "}".repeat(40));
    let many =
        format!("{{ {} }}", (0..2_001).map(|n| format!("a{n}: ledger {{ size }} ")).collect::<String>());
    let nots =
        format!("{{ identities(where: {{and: [{}]}}) {{ totalCount }} }}", "{owned: true},".repeat(1_100));
    const VALIDATION: &str = "GRAPHQL_VALIDATION_FAILED";
    const LIMIT: &str = "LIMIT_EXCEEDED";
    for (query, variables, code, limit) in [
        ("", json!({}), "GRAPHQL_PARSE_FAILED", ""),
        ("{ ledger { size", json!({}), "GRAPHQL_PARSE_FAILED", ""),
        ("{ nothing }", json!({}), VALIDATION, ""),
        ("{ ledger }", json!({}), VALIDATION, ""),
        ("{ ledger { size { x } } }", json!({}), VALIDATION, ""),
        ("{ identity { id } }", json!({}), VALIDATION, ""),
        ("{ identities(first: \"x\") { totalCount } }", json!({}), VALIDATION, ""),
        ("{ identities(nothing: 1) { totalCount } }", json!({}), VALIDATION, ""),
        ("{ nodes(kind: NOTHING) { totalCount } }", json!({}), VALIDATION, ""),
        ("query($k: NodeKind!) { nodes(kind: $k) { totalCount } }", json!({"k": "NOTHING"}), VALIDATION, ""),
        ("query($k: NodeKind!) { nodes(kind: $k) { totalCount } }", json!({}), VALIDATION, ""),
        ("query($k: Int) { nodes(kind: $k) { totalCount } }", json!({"k": 1}), VALIDATION, ""),
        (
            "query($w: IdentityWhere) { identities(where: $w) { totalCount } }",
            json!({"w": {"x": 1}}),
            VALIDATION,
            "",
        ),
        (
            "query($w: IdentityWhere) { identities(where: $w) { totalCount } }",
            json!({"w": {"id": {"eq": 5}}}),
            VALIDATION,
            "",
        ),
        ("query($at: At) { identities(at: $at) { totalCount } }", json!({"at": {"asOf": 5}}), VALIDATION, ""),
        ("mutation { ledger { size } }", json!({}), VALIDATION, ""),
        ("subscription { records { ledgerIndex } }", json!({}), VALIDATION, ""),
        ("{ ledger { size } } query A { ledger { size } }", json!({}), VALIDATION, ""),
        ("query A { ledger { size } } query B { ledger { size } }", json!({}), VALIDATION, ""),
        ("{ identities(at: {asOf: \"yesterday\"}) { totalCount } }", json!({}), "BAD_REQUEST", ""),
        ("{ identities(at: {asOf: \"1900-01-01T00:00:00Z\"}) { totalCount } }", json!({}), "BAD_REQUEST", ""),
        ("{ identities(at: {ledgerSize: 5}) { totalCount } }", json!({}), "BAD_REQUEST", ""),
        ("{ identities(first: -1) { totalCount } }", json!({}), "BAD_REQUEST", ""),
        ("{ observations(during: {last: \"soon\"}) { totalCount } }", json!({}), "BAD_REQUEST", ""),
        ("{ facets(by: \"x\") { count } }", json!({}), "BAD_REQUEST", ""),
        ("{ identities(after: \"x\") { totalCount } }", json!({}), "BAD_CURSOR", ""),
        (&deep, json!({}), LIMIT, "query_depth"),
        (&nested, json!({}), LIMIT, "nesting"),
        (&many, json!({}), LIMIT, "query_fields"),
        (&nots, json!({}), LIMIT, "FILTER_MEMBERS_MAX"),
        (&walk, json!({}), LIMIT, "complexity"),
        ("{ identities(first: 10001) { totalCount } }", json!({}), LIMIT, "page_size"),
        (
            "query($n: Int) { identities(first: $n) { totalCount } }",
            json!({"n": 2_000_000_000}),
            LIMIT,
            "page_size",
        ),
        (
            "{ identities(first: 9999) { nodes { entitlements(first: 9999) { nodes { holder { id } } } } } }",
            json!({}),
            LIMIT,
            "complexity",
        ),
        (
            "{ trend(where: {}, during: {last: \"P365D\"}, every: \"PT1S\") { count } }",
            json!({}),
            LIMIT,
            "STEPS_MAX",
        ),
        ("{ paths(from: \"a\", to: \"b\", maxHops: 65) { length } }", json!({}), LIMIT, "HOPS_MAX"),
        ("{ blastRadius(from: \"a\", maxHops: 65) { identities } }", json!({}), LIMIT, "HOPS_MAX"),
    ] {
        let answer = ask(&tenant, query, variables).await;
        let extensions = error(&answer);
        let query = &query[..query.len().min(120)];
        assert_eq!(extensions["code"], json!(code), "{query}: {answer}");
        for error in answer["errors"].as_array().unwrap() {
            assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()));
            assert!(error["extensions"]["code"].is_string(), "{query}: {answer}");
        }
        if !limit.is_empty() {
            assert_eq!(extensions["limitName"], json!(limit), "{query}: {answer}");
            let (limit, asked) = (&extensions["limit"], &extensions["asked"]);
            assert!(limit.as_u64().unwrap() < asked.as_u64().unwrap(), "{query}: {answer}");
        }
    }
    let refused = asof_graphql::refusal(EngineError::NoTenant("x".to_owned()));
    assert_eq!(error(&serde_json::to_value(refused).unwrap())["code"], json!("NO_SUCH_TENANT"));
    engine.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_grows_too_large_is_refused_while_it_grows() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, tenant) = open(Options { data: folder.path().to_owned(), ..Options::default() }).await;
    let attributes: serde_json::Map<_, _> =
        (0..10).map(|n| (format!("k{n}"), json!("x".repeat(1_000)))).collect();
    let fact = |n: usize| json!({"node": {"kind": "IDENTITY", "id": format!("i{n}"), "attributes": attributes}, "valid_from": "2025-01-01T00:00:00Z"});
    let facts: Vec<_> = (0..200).map(fact).collect();
    tenant.ingest(batch(&json!({"source": "s", "batch_id": "b", "facts": facts}))).await.unwrap();
    let aliases =
        |count: usize, field: &str| (0..count).map(|n| format!("a{n}: {field} ")).collect::<String>();
    // 200 x 50 x 10 KiB, and 200 x 1900 of next to nothing, of which nothing is too much.
    let large =
        format!("{{ identities(first: 200) {{ nodes {{ {} }} }} }}", aliases(50, "attributes { key value }"));
    let small = format!("{{ identities(first: 200) {{ nodes {{ {} }} }} }}", aliases(1_900, "deleted"));
    let answer = ask(&tenant, &large, json!({})).await;
    assert_eq!(answer["errors"].as_array().unwrap().len(), 1, "it is said once");
    let extensions = error(&answer);
    assert_eq!(
        (&extensions["code"], &extensions["limitName"]),
        (&json!("LIMIT_EXCEEDED"), &json!("result_bytes"))
    );
    let (limit, asked) = (extensions["limit"].as_u64().unwrap(), extensions["asked"].as_u64().unwrap());
    assert!(limit < asked && asked < limit + (1 << 20), "it stops where it passes the limit: {asked}");
    assert!(ask(&tenant, &small, json!({})).await["errors"].is_null());
    engine.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_with_more_entries_than_go_uncounted_is_whole() {
    const IDENTITIES: usize = 40;
    const ENTITLEMENTS: usize = 200;
    let folder = tempfile::tempdir().unwrap();
    let (engine, tenant) = open(Options { data: folder.path().to_owned(), ..Options::default() }).await;
    let from = "2025-01-01T00:00:00Z";
    let entitlement = |n: usize| {
        let said =
            json!({"effect": "ALLOW", "privileges": ["READ", "WRITE", "ADMIN"], "scopes": [format!("r{n}")]});
        json!({"node": {"kind": "ENTITLEMENT", "id": format!("e{n}"), "entitlement": said}, "valid_from": from})
    };
    let holds = |n: usize| {
        let (i, e) = (format!("i{}", n / ENTITLEMENTS), format!("e{}", n % ENTITLEMENTS));
        json!({"edge": {"kind": "HOLDS", "from": i, "to": e}, "valid_from": from})
    };
    let facts: Vec<_> =
        (0..ENTITLEMENTS).map(entitlement).chain((0..IDENTITIES * ENTITLEMENTS).map(holds)).collect();
    tenant.ingest(batch(&json!({"source": "s", "batch_id": "b", "facts": facts}))).await.unwrap();
    for (first, entries) in [(1, 600), (IDENTITIES, 24_000)] {
        let query = format!(
            "{{ identities(first: {first}) {{ nodes {{ unused(during: {{last: \"P1D\"}}) {{ privilege }} }} }} }}"
        );
        let answer = ask(&tenant, &query, json!({})).await;
        assert!(answer["errors"].is_null(), "{}", answer["errors"]);
        let nodes = answer["data"]["identities"]["nodes"].as_array().unwrap();
        let unused = nodes.iter().map(|node| node["unused"].as_array().unwrap().len());
        assert_eq!(unused.sum::<usize>(), entries);
    }
    engine.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadline_that_passes_is_said_with_its_length() {
    let folder = tempfile::tempdir().unwrap();
    let deadline = Duration::from_millis(1);
    let options = Options { data: folder.path().to_owned(), query_deadline: deadline, ..Options::default() };
    let (engine, tenant) = open(Options { concurrent_reads: 1, ..options }).await;
    let (free, held) = mpsc::channel::<()>();
    let holder = tenant.clone();
    let work = tokio::spawn(async move { holder.run(Place::Pool, LONG, move |_| held.recv()).await });
    while tenant.run(Place::Pool, deadline, |_| ()).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let answer = ask(&tenant, "{ ledger { size } }", json!({})).await;
    let extensions = error(&answer);
    assert_eq!(extensions["code"], json!("DEADLINE_EXCEEDED"), "{answer}");
    assert_eq!((&extensions["limit"], &extensions["limitName"]), (&json!(1), &json!("query_deadline_ms")));
    drop(free);
    let _ = work.await.unwrap();
    engine.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_may_wait_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { data: folder.path().to_owned(), ..Options::default() };
    let (engine, tenant) = open(Options { concurrent_reads: 1, waiting_reads: 2, ..options }).await;
    let (free, held) = mpsc::channel::<()>();
    let (begun, began) = mpsc::channel::<()>();
    let holder = tenant.clone();
    let running = tokio::spawn(async move {
        let work = move |_| {
            begun.send(()).unwrap();
            held.recv()
        };
        holder.run(Place::Pool, LONG, work).await
    });
    tokio::task::spawn_blocking(move || began.recv().unwrap()).await.unwrap();
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let tenant = tenant.clone();
            tokio::spawn(async move {
                loop {
                    // The one below may have its place for a moment.
                    let answer = ask(&tenant, "{ ledger { size } }", json!({})).await;
                    if answer["errors"][0]["extensions"]["code"] != json!("BUSY") {
                        break answer;
                    }
                }
            })
        })
        .collect();
    let refused = loop {
        // The two take their places soon; until then this one may have one of them.
        let asked = ask(&tenant, "{ ledger { size } }", json!({}));
        if let Ok(answer) = tokio::time::timeout(Duration::from_millis(20), asked).await {
            break answer;
        }
    };
    let extensions = error(&refused);
    assert_eq!(extensions["code"], json!("BUSY"), "{refused}");
    assert_eq!((&extensions["limit"], &extensions["limitName"]), (&json!(2), &json!("waiting_reads")));
    drop(free);
    for each in waiting {
        let answer = each.await.unwrap();
        assert!(answer["errors"].is_null(), "who waits is answered: {answer}");
    }
    let _ = running.await.unwrap();
    let answer = ask(&tenant, "{ ledger { size } }", json!({})).await;
    assert!(answer["errors"].is_null(), "there are places again: {answer}");
    engine.close().await.unwrap();
}
