//! The answers in `expected.json` are those of the contract's oracle, which shares no code with the engine.
#![expect(clippy::unwrap_used, reason = "tests")]

use asof_engine::{Engine, Options};
use serde_json::{Value, json};

use super::QUESTIONS;
use crate::sample::organisation;

fn expected() -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("expected.json")).unwrap();
    ["used", "dormant", "drift", "rotated", "agents"].iter().map(|name| all[*name].clone()).collect()
}

#[test]
fn every_question_is_asked_at_the_same_moment() {
    for question in &QUESTIONS {
        let at = format!("at: {{ asOf: \"{}\" }}", organisation::ASKED_AT);
        assert!(question.graphql.contains(&at), "{}", question.asks);
    }
    assert!(QUESTIONS[3].graphql.contains(organisation::ROTATED_KEY));
}

#[test]
fn the_tables_show_the_stories() {
    let tables: Vec<Vec<Vec<String>>> =
        QUESTIONS.iter().zip(expected()).map(|(question, data)| (question.rows)(&data)).collect();
    for (question, rows) in QUESTIONS.iter().zip(&tables) {
        assert!(!rows.is_empty(), "{}", question.asks);
        assert!(rows.iter().all(|row| row.len() == question.head.len()), "{}", question.asks);
    }
    let row = |table: usize, name: &str| tables[table].iter().find(|row| row[0] == name).unwrap().join(" | ");
    assert!(tables[0].iter().all(|row| row[0] != "billing-export"));
    assert!(row(1, "break-glass").contains("for sure"));
    assert!(row(1, "directory-sync").ends_with("as far as was seen | 2026-02-17 06:00 to 2026-02-19 06:00"));
    assert!(row(2, "billing-export").contains("2026-03-12 02:00 | s3:PutObject (WRITE)"));
    assert!(row(2, "aws:AROAFERNWOODUNKNOWN1").starts_with("aws:AROAFERNWOODUNKNOWN1 | no | "));
    assert!(row(2, "legacy-etl").contains("as far as is known"));
    assert!(row(3, "report-builder").contains("forgotten"));
    assert!(row(4, "support-agent").starts_with("support-agent | 12 | 3 | "));
}

#[tokio::test]
async fn the_engine_answers_as_the_oracle_does() {
    let data = std::env::temp_dir().join(format!("asof-sample-{}", std::process::id()));
    let engine = Engine::open(Options { data: data.clone(), ..Options::default() }).await.unwrap();
    let tenant = engine.tenant_or_create("default").await.unwrap();
    for batch in organisation::batches() {
        tenant.ingest(batch).await.unwrap();
    }
    let size = tenant.size();
    for batch in organisation::batches() {
        assert!(tenant.ingest(batch).await.unwrap().duplicate_batch);
    }
    assert_eq!(tenant.size(), size);
    for (question, expected) in QUESTIONS.iter().zip(expected()) {
        let answer = asof_graphql::execute(tenant.clone(), question.graphql).await;
        assert!(answer.errors.is_empty(), "{}: {:?}", question.asks, answer.errors);
        assert_eq!(json!(answer.data), expected, "{}", question.asks);
    }
    engine.close().await.unwrap();
    std::fs::remove_dir_all(data).unwrap();
}
