//! The point (T, K) of a question: by time or by size, in pages, and the same for ever.

use std::sync::Arc;

use asof_engine::{EngineError, PointRequest, Tenant};
use asof_model::{Duration, Instant};
use asof_tests::contract::text;
use asof_tests::draw::history;
use serde_json::{Value as Json, json};

use crate::property::draw_for;
use crate::tenant::{Bench, Way, write};

async fn ask(tenant: &Tenant, query: &str, variables: Json) -> Json {
    let variables = async_graphql::Variables::from_json(variables);
    let request = async_graphql::Request::new(query).variables(variables);
    let response = asof_graphql::execute(tenant.clone(), request).await;
    serde_json::to_value(&response).unwrap()
}

async fn size_at(tenant: &Tenant, request: PointRequest) -> Result<(Instant, u64), EngineError> {
    let work =
        move |session: Arc<asof_engine::Session>| session.point(&request).map(|point| (point.at, point.size));
    tenant.run(asof_engine::Place::Pool, std::time::Duration::from_secs(10), work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn knowledge_by_time_is_knowledge_by_size() {
    let mut bench = Bench::new().await;
    let history = history(&mut draw_for(6, 0), 12);
    let tenant = bench.tenant().await;
    let known_at = |known_at: Instant| PointRequest { known_at: Some(known_at), ..PointRequest::default() };
    let mut size = 0;
    for batch in history {
        let receipt = tenant.ingest(batch).await.unwrap();
        if receipt.duplicate_batch {
            continue;
        }
        let before = receipt.recorded_at.minus(Duration::from_nanos(1));
        assert_eq!(size_at(&tenant, known_at(before)).await.unwrap(), (before, size));
        size = receipt.ledger_size;
        assert_eq!(
            size_at(&tenant, known_at(receipt.recorded_at)).await.unwrap(),
            (receipt.recorded_at, size)
        );
        let as_of = Instant::from_nanos(5);
        let request = PointRequest { as_of: Some(as_of), ..known_at(receipt.recorded_at) };
        assert_eq!(size_at(&tenant, request).await.unwrap(), (as_of, size), "asOf stands for itself");
    }
    assert_eq!(size_at(&tenant, known_at(Instant::from_nanos(0))).await.unwrap().1, 0, "before everything");
    assert_eq!(size_at(&tenant, PointRequest::default()).await.unwrap().1, size, "absent: all of it");
    let both = PointRequest { ledger_size: Some(1), ..known_at(Instant::from_nanos(0)) };
    assert!(matches!(size_at(&tenant, both).await, Err(EngineError::Point(_))), "not both");
    let beyond = PointRequest { ledger_size: Some(size + 1), ..PointRequest::default() };
    assert!(matches!(size_at(&tenant, beyond).await, Err(EngineError::Point(_))), "not beyond the ledger");
}

#[tokio::test(flavor = "multi_thread")]
async fn later_pages_answer_from_the_first_one_s_snapshot() {
    const QUERY: &str = "query($first: Int!, $after: String) { identities(first: $first, after: $after) {
        totalCount nodes { id } pageInfo { hasNextPage endCursor } snapshot { asOf ledgerSize root } } }";
    let mut bench = Bench::new().await;
    let tenant = bench.tenant().await;
    let mut draw = draw_for(7, 0);
    write(&tenant, &history(&mut draw, 10), Way::OneByOne).await.unwrap();
    let whole = ask(&tenant, QUERY, json!({"first": 100})).await;
    let whole = &whole["data"]["identities"];
    let mut page = ask(&tenant, QUERY, json!({"first": 2})).await["data"]["identities"].clone();
    let snapshot = page["snapshot"].clone();
    let mut listed = Vec::new();
    let mut number = 0;
    loop {
        assert_eq!(page["totalCount"], whole["totalCount"]);
        assert_eq!(page["snapshot"], snapshot, "each page says the same snapshot");
        listed.extend(page["nodes"].as_array().unwrap().clone());
        if page["pageInfo"]["hasNextPage"] == json!(false) {
            break;
        }
        let mut seen = asof_model::Observation::new(
            format!("new/{number}"),
            Instant::from_nanos(1),
            asof_model::Privilege::Read,
        );
        seen.event_id = number.to_string();
        number += 1;
        let batch = asof_model::Batch {
            source: "late".to_owned(),
            observations: vec![seen],
            ..asof_model::Batch::default()
        };
        tenant.ingest(batch).await.unwrap();
        let after = text(&page["pageInfo"]["endCursor"]);
        page = ask(&tenant, QUERY, json!({"first": 2, "after": after})).await["data"]["identities"].clone();
    }
    assert_eq!(&json!(listed), &whole["nodes"]);
    assert!(number > 2, "there were too few pages: {number}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_questions_are_errors_even_where_nobody_is_asked_about() {
    let mut bench = Bench::new().await;
    let tenant = bench.tenant().await;
    let empty = json!({"from": "2025-01-02T00:00:00Z", "to": "2025-01-02T00:00:00Z"});
    let twice = json!({"from": "2025-01-01T00:00:00Z", "last": "P1D"});
    for window in [empty, twice] {
        for filter in [
            json!({"holds": {"privileges": ["READ"], "throughout": window}}),
            json!({"holds": {"privileges": ["READ"], "sometime": window}}),
            json!({"used": {"during": window}}),
            json!({"usedWithoutHolding": {"used": {"during": window}}}),
            json!({"holdsUnused": {"during": window}}),
            json!({"observed": {"during": window}}),
            json!({"not": {"or": [{"used": {"during": window}}]}}),
        ] {
            let query = "query($where: IdentityWhere) { identities(where: $where) { totalCount } }";
            let answer = ask(&tenant, query, json!({"where": filter})).await;
            assert!(answer["errors"][0]["extensions"]["code"].is_string(), "{filter}: {answer}");
        }
        let query = "query($during: Window!) { observations(during: $during) { totalCount } }";
        let answer = ask(&tenant, query, json!({"during": window})).await;
        assert!(answer["errors"][0]["message"].is_string(), "{answer}");
    }
    for at in [
        json!({"knownAt": "2025-01-01T00:00:00Z", "ledgerSize": 0}),
        json!({"ledgerSize": 1}),
        json!({"asOf": "1969-12-31T23:59:59Z"}),
        json!({"asOf": "2500-01-01T00:00:00Z"}),
    ] {
        let answer =
            ask(&tenant, "query($at: At) { identities(at: $at) { totalCount } }", json!({"at": at})).await;
        assert!(answer["errors"][0]["message"].is_string(), "{at}: {answer}");
    }
}
