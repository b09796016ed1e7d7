//! Whoever does not take what is queued is cut off, and can go on as if nothing had been.

use std::time::Duration;

use asof_engine::Tenant;
use asof_graphql::subscribe;
use asof_model::Batch;
use serde_json::{Value as Json, json};

use crate::subscriptions::{MATCHES, PATIENT, RECORDS, delete, event, next, put, request, write};
use crate::tenant::Bench;

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_is_told_where_to_go_on() {
    let mut bench = Bench::new().await;
    let tenant = bench.tenant().await;
    let slow = Duration::from_millis(300);
    let from = request(RECORDS, json!({"fromIndex": 0}));
    let mut records = subscribe(tenant.clone(), from, slow);
    let by_id = json!({"where": {"id": {"prefix": "sa/"}}, "fromIndex": 0});
    let mut matches = subscribe(tenant.clone(), request(MATCHES, by_id), slow);
    let history: Vec<Batch> =
        (0..400).flat_map(|n| [put(&format!("sa/{n}")), delete(&format!("sa/{}", n / 2))]).collect();
    write(&tenant, &history, true).await;
    // Neither is read; both are full.
    tokio::time::sleep(slow * 4).await;
    let mut next_index = 0;
    let errors = loop {
        match next(&mut records).await.unwrap() {
            Ok(event) => assert_eq!(event["records"]["ledgerIndex"], next_index),
            Err(errors) => break errors,
        }
        next_index += 1;
    };
    assert!(next(&mut records).await.is_none(), "an error is the last");
    assert_eq!(errors[0]["extensions"], json!({"code": "SLOW_READER", "resumeFrom": next_index}), "{errors}");
    assert!((200..800).contains(&next_index), "{next_index} records were queued");
    let mut told = Vec::new();
    let errors = loop {
        match next(&mut matches).await.unwrap() {
            Ok(event) => told.push(event),
            Err(errors) => break errors,
        }
    };
    let resume = &errors[0]["extensions"]["resumeFrom"];
    assert_eq!(errors[0]["extensions"]["code"], "SLOW_READER", "{errors}");
    assert!(told.last().unwrap()["matches"]["ledgerSize"].as_u64() <= resume.as_u64(), "{errors}");
    // Going on gives the rest, as if it had never been cut off.
    // The 800th record deletes what was deleted before.
    let rest = matches_until(&tenant, resume, 799).await;
    assert!(!rest.is_empty());
    told.extend(rest);
    assert_eq!(told, matches_until(&tenant, &json!(0), 799).await);
}

async fn matches_until(tenant: &Tenant, from: &Json, to: u64) -> Vec<Json> {
    let variables = json!({"where": {"id": {"prefix": "sa/"}}, "fromIndex": from});
    let mut told = subscribe(tenant.clone(), request(MATCHES, variables), PATIENT);
    let mut events: Vec<Json> = Vec::new();
    while events.last().is_none_or(|event| event["matches"]["ledgerSize"] != to) {
        events.push(event(&mut told).await);
    }
    events
}

/// A reader who takes little, but does take, is not cut off.
#[tokio::test(flavor = "multi_thread")]
async fn a_patient_reader_is_not_cut_off() {
    let mut bench = Bench::new().await;
    let tenant = bench.tenant().await;
    let history: Vec<Batch> = (0..300).map(|n| put(&format!("sa/{n}"))).collect();
    write(&tenant, &history, true).await;
    let from = request(RECORDS, json!({"fromIndex": 0}));
    let mut told = subscribe(tenant.clone(), from, Duration::from_millis(500));
    for index in 0..300 {
        if index < 10 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(event(&mut told).await["records"]["ledgerIndex"], index);
    }
}
