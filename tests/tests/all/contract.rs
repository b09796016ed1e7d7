//! The contract's cases through the real GraphQL schema, in process, and through the wire's real reading of batches.

use asof_engine::{Engine, Options, Tenant};
use asof_grpc::convert;
use asof_model::{Instant, Limits};
use asof_tests::contract::{batch, cases, lines, questions, refused, text};
use asof_tests::naive::Ledger;
use serde_json::Value as Json;

use crate::tenant::acknowledges;
use crate::wire;

/// Questions that need what is not built yet, as `case/name`. They are asked all the same, and one that passes fails the
/// test until it is taken off the list.
const NOT_YET: &[&str] = &[];

/// Equal as JSON: members in any order, lists in theirs, timestamps as instants.
pub fn same(expected: &Json, found: &Json) -> bool {
    match (expected, found) {
        (Json::Object(expected), Json::Object(found)) => {
            expected.len() == found.len()
                && expected
                    .iter()
                    .all(|(name, value)| found.get(name).is_some_and(|found| same(value, found)))
        }
        (Json::Array(expected), Json::Array(found)) => {
            expected.len() == found.len()
                && expected.iter().zip(found).all(|(expected, found)| same(expected, found))
        }
        (Json::String(expected), Json::String(found)) => {
            match (Instant::parse(expected), Instant::parse(found)) {
                (Ok(expected), Ok(found)) => expected == found,
                _ => expected == found,
            }
        }
        _ => expected == found,
    }
}

/// The smallest parts in which two answers differ.
pub fn difference(expected: &Json, found: &Json) -> String {
    match (expected, found) {
        (Json::Object(one), Json::Object(other)) => {
            let differs = |name: &&String| !same(&one[*name], other.get(*name).unwrap_or(&Json::Null));
            let parts = one.keys().filter(differs).map(|name| {
                format!("{name}: {}", difference(&one[name], other.get(name).unwrap_or(&Json::Null)))
            });
            parts.collect::<Vec<_>>().join("; ")
        }
        (Json::Array(one), Json::Array(other)) if one.len() == other.len() => {
            let first = one.iter().zip(other).position(|(one, other)| !same(one, other)).unwrap_or_default();
            format!("[{first}] {}", difference(&one[first], &other[first]))
        }
        _ => format!("expected {expected}, found {found}"),
    }
}

/// The tenant of a case.
pub fn tenant_of(case: &str) -> &str {
    case.rsplit('/').next().unwrap_or(case)
}

/// Writes a case's history; every receipt is what the naive ledger says.
pub async fn write(tenant: &Tenant, case: &str) {
    let mut ledger = Ledger::default();
    for line in lines(case) {
        let read = convert::batch(wire::request(&line), &Limits::DEFAULT)
            .check(&Limits::DEFAULT, Instant::FOREVER)
            .unwrap();
        let own = batch(&line);
        assert_eq!(read, own, "{case}: the wire is read as the contract's JSON is");
        let expected = ledger.write(&own);
        let receipt = tenant.ingest(read).await.unwrap();
        assert!(
            acknowledges(&receipt, &expected, ledger.size()),
            "{case}: expected {expected:?}, got {receipt:?}"
        );
    }
    assert_eq!(tenant.size(), ledger.size());
}

/// The `data` of an answer; an error is one.
pub async fn ask(tenant: &Tenant, question: &Json) -> Result<Json, String> {
    let variables = async_graphql::Variables::from_json(question["variables"].clone());
    let request = async_graphql::Request::new(text(&question["query"])).variables(variables);
    let response = asof_graphql::execute(tenant.clone(), request).await;
    if !response.errors.is_empty() {
        return Err(format!("errors: {:?}", response.errors));
    }
    response.data.into_json().map_err(|why| why.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_question_is_answered_as_expected() {
    let folder = tempfile::tempdir().unwrap();
    let engine =
        Engine::open(Options { data: folder.path().to_owned(), ..Options::default() }).await.unwrap();
    let (mut passed, mut not_yet, mut failed) = (0, 0, 0);
    let cases = cases();
    assert!(cases.len() >= 18, "the cases of fresh seeds are missing: {cases:?}");
    for case in &cases {
        let tenant = engine.tenant_or_create(tenant_of(case)).await.unwrap();
        write(&tenant, case).await;
        for question in questions(case) {
            let name = format!("{case}/{}", text(&question["name"]));
            let wrong = match ask(&tenant, &question).await {
                Ok(found) if same(&question["expected"], &found) => None,
                Ok(found) => Some(difference(&question["expected"], &found)),
                Err(why) => Some(why),
            };
            match (wrong, NOT_YET.contains(&name.as_str())) {
                (None, false) => passed += 1,
                (Some(_), true) => not_yet += 1,
                (None, true) => {
                    failed += 1;
                    println!("{name} passes: take it off the list of what is not built yet");
                }
                (Some(wrong), false) => {
                    failed += 1;
                    println!("{name}: {} {wrong}", text(&question["about"]));
                }
            }
        }
    }
    println!("{passed} passed, {not_yet} need what is not built yet, {failed} failed");
    assert_eq!(failed, 0);
    engine.close().await.unwrap();
}

#[test]
fn faulty_batches_are_refused_with_their_fields_named() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let latest = Instant::from_nanos(now.as_nanos() as i64 + 300_000_000_000);
    let (mut wrong, mut count) = (0, 0);
    for case in refused() {
        let read =
            convert::batch(wire::request(&case["request"]), &Limits::DEFAULT).check(&Limits::DEFAULT, latest);
        let mut found: Vec<_> = match read {
            Err((_, faults)) => faults.into_iter().map(|fault| fault.field).collect(),
            Ok(batch) => {
                batch.faults(&Limits::DEFAULT, latest).into_iter().map(|fault| fault.field).collect()
            }
        };
        let mut expected: Vec<_> = asof_tests::contract::list(&case["fields"]).iter().map(text).collect();
        found.sort();
        expected.sort();
        // Of a list, the list or a member of it may be named.
        let named = |field: &String| {
            found.iter().any(|found| found == field || found.starts_with(&format!("{field}[")))
        };
        count += 1;
        if found.len() != expected.len() || !expected.iter().all(named) {
            wrong += 1;
            println!("{}: expected {expected:?}, found {found:?}", case["name"]);
        }
    }
    assert_eq!(wrong, 0, "of {count}");
}

#[test]
fn schema_file_is_fresh() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../schema/asof.graphql");
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    let fresh = asof_graphql::sdl();
    if std::env::var_os("ASOF_TEST_WRITE").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    } else {
        assert!(kept == fresh, "schema/asof.graphql is stale: run this test once with ASOF_TEST_WRITE=1");
    }
}
