//! Subscriptions in process: what is told is what `identities` and the ledger say, at every batch's point.

use std::time::Duration;

use asof_engine::{Engine, Options, Tenant};
use asof_graphql::{SLOW_AFTER, Subscribed, Told, execute, subscribe};
use asof_model::{Batch, Fact, Instant, NodeKind, NodeRef, NodeValue, Op, RecordBody, Subject, Value};
use asof_query::{IdentityOrder, IdentityWhere, Tuning};
use asof_tests::contract::identity_variable;
use asof_tests::draw::{Ask, Question, history};
use asof_tests::naive::Ledger;
use async_graphql::{Request, Variables};
use futures_util::StreamExt as _;
use serde_json::{Value as Json, json};

use crate::chance::{Asked, cases, naive, seed};
use crate::load;
use crate::property::draw_for;
use crate::tenant::Bench;

pub const MATCHES: &str = "subscription($where: IdentityWhere!, $fromIndex: Long) {
    matches(where: $where, fromIndex: $fromIndex) { ledgerSize began { id } ceased } }";
pub const RECORDS: &str = "subscription($fromIndex: Long) { records(fromIndex: $fromIndex) {
    ledgerIndex recordedAt source
    fact { ledgerIndex recordedAt source op validFrom validTo
        subject { nodeKind id edgeKind fromKind from toKind to source coverageScope }
        state { name type attributes { key value } effect privileges scopes coverage } }
    observation { ledgerIndex source eventId time identity resource privilege outcome covered } } }";

/// Nobody is cut off but where that is tested.
pub const PATIENT: Duration = Duration::from_secs(600);

pub fn request(query: &str, variables: Json) -> Request {
    Request::new(query).variables(Variables::from_json(variables))
}

fn json(text: &serde_json::value::RawValue) -> Json {
    serde_json::from_str(text.get()).unwrap()
}

/// What comes next: an event's data, or the errors.
pub async fn next(told: &mut Subscribed) -> Option<Result<Json, Json>> {
    let next = tokio::time::timeout(Duration::from_secs(60), told.next())
        .await
        .unwrap_or_else(|_| panic!("nothing comes"));
    next.map(|told| match told {
        Told::Next(event) => {
            let event = json(&event);
            assert!(event.get("errors").is_none(), "{event}");
            Ok(event["data"].clone())
        }
        Told::Error(errors) => Err(json(&errors)),
    })
}

pub async fn event(told: &mut Subscribed) -> Json {
    next(told)
        .await
        .unwrap_or_else(|| panic!("it does not go on"))
        .unwrap_or_else(|errors| panic!("{errors}"))
}

pub fn put(id: &str) -> Batch {
    let fact = Fact {
        subject: Subject::Node(NodeRef { kind: NodeKind::Identity, id: id.to_owned() }),
        op: Op::Put(Value::Node(NodeValue::default())),
        valid_from: Instant::from_nanos(0),
        valid_to: Instant::FOREVER,
        until_next: false,
        event_id: String::new(),
        caused_by: String::new(),
    };
    Batch { source: "subscriptions".to_owned(), facts: vec![fact], ..Batch::default() }
}

pub fn delete(id: &str) -> Batch {
    let mut batch = put(id);
    batch.facts[0].op = Op::Delete;
    batch
}

/// Exists, and nothing else is said of it: with it a history ends.
const LAST: &str = "the/last";

fn or_the_last(filter: IdentityWhere) -> IdentityWhere {
    let mut last = IdentityWhere::default();
    last.node.id = Some(asof_query::TextMatch { eq: Some(LAST.to_owned()), ..Default::default() });
    IdentityWhere { or: Some(vec![filter, last]), ..IdentityWhere::default() }
}

/// (T, K) behind each batch that has records.
pub async fn write(tenant: &Tenant, history: &[Batch], together: bool) -> Vec<(Instant, u64)> {
    let (mut tickets, mut points) = (Vec::new(), Vec::new());
    for batch in history {
        let ticket = tenant.enqueue(batch.clone()).await.unwrap();
        if together {
            tickets.push(ticket);
            continue;
        }
        let receipt = ticket.wait().await.unwrap();
        points.push((receipt.recorded_at, receipt.ledger_size));
    }
    for ticket in tickets {
        let receipt = ticket.wait().await.unwrap();
        points.push((receipt.recorded_at, receipt.ledger_size));
    }
    points
}

/// Those with records, each once, in order.
fn boundaries(mut points: Vec<(Instant, u64)>) -> Vec<(Instant, u64)> {
    points.sort_by_key(|(at, size)| (*size, *at));
    points.dedup_by_key(|(_, size)| *size);
    points.retain(|(_, size)| *size > 0);
    points
}

/// Who matches at each point, as the naive model has it; by first appearance.
fn matching(
    ledger: &Ledger,
    filter: &IdentityWhere,
    points: &[(Instant, u64)],
) -> Result<Vec<Vec<String>>, ()> {
    let asked: Vec<_> = points
        .iter()
        .map(|(at, size)| Asked {
            question: Question::Identities {
                filter: Box::new(filter.clone()),
                include_deleted: false,
                order: IdentityOrder::Appearance,
            },
            at: *at,
            size: *size,
            tuning: Tuning::DEFAULT,
        })
        .collect();
    naive(ledger, &asked).into_iter().collect::<Result<_, _>>().map_err(drop)
}

/// The events that lead from the first of these sets through the others.
fn expected(points: &[(Instant, u64)], sets: &[Vec<String>]) -> Vec<Json> {
    let mut events = Vec::new();
    for (place, (_, size)) in points.iter().enumerate().skip(1) {
        let (before, after) = (&sets[place - 1], &sets[place]);
        let only = |one: &[String], other: &[String]| -> Vec<String> {
            one.iter().filter(|id| !other.contains(id)).cloned().collect()
        };
        let (began, ceased) = (only(after, before), only(before, after));
        if !began.is_empty() || !ceased.is_empty() {
            let began: Vec<_> = began.iter().map(|id| json!({"id": id})).collect();
            events.push(json!({"matches": {"ledgerSize": size, "began": began, "ceased": ceased}}));
        }
    }
    events
}

async fn until_the_last(mut told: Subscribed) -> Result<Vec<Json>, Json> {
    let mut events = Vec::new();
    loop {
        let event = next(&mut told).await.unwrap_or_else(|| panic!("it does not go on"))?;
        let last = event["matches"]["began"].as_array().unwrap().contains(&json!({"id": LAST}));
        events.push(event);
        if last {
            return Ok(events);
        }
    }
}

fn follow(tenant: &Tenant, filter: &IdentityWhere, from: u64) -> Subscribed {
    let variables = json!({"where": identity_variable(filter), "fromIndex": from});
    subscribe(tenant.clone(), request(MATCHES, variables), PATIENT)
}

#[tokio::test(flavor = "multi_thread")]
async fn matches_tell_what_identities_says_at_every_batch() {
    let (mut bench, mut events, mut refused) = (Bench::new().await, 0, 0);
    for number in 0..cases(60) {
        let mut draw = draw_for(21, number);
        let batches = 1 + draw.below(12);
        let mut all = history(&mut draw, batches);
        let ask = Ask::about(&all);
        all.push(put(LAST));
        let ledger = Ledger::of(&all);
        let filters: Vec<_> = (0..4).map(|_| or_the_last(ask.identities(&mut draw, 2))).collect();
        let tenant = bench.tenant().await;
        // Some of it is there before, the rest comes while it is followed, one by one or in groups.
        let (before, after) = all.split_at(draw.below(all.len()));
        let mut points = write(&tenant, before, true).await;
        let begun = tenant.size();
        let live: Vec<_> = filters.iter().map(|filter| follow(&tenant, filter, begun)).collect();
        points.extend(write(&tenant, after, draw.chance(0.5)).await);
        let points = boundaries(points);
        assert_eq!(points.last().unwrap().1, ledger.size());
        for (filter, live) in filters.iter().zip(live) {
            let case =
                || format!("case {number} with ASOF_TEST_SEED={}: {}", seed(), identity_variable(filter));
            let live = until_the_last(live).await;
            for from in 0..ledger.size() {
                // Every boundary, and a few places within batches.
                let at = points.iter().find(|(_, size)| *size >= from).unwrap().0;
                let boundary = from == 0 || points.iter().any(|(_, size)| *size == from);
                if from != begun && !boundary && !draw.chance(0.02) {
                    continue;
                }
                let mut route = vec![(at, from)];
                route.extend(points.iter().filter(|(_, size)| *size > from));
                let Ok(sets) = matching(&ledger, filter, &route) else {
                    let errors = until_the_last(follow(&tenant, filter, from)).await.unwrap_err();
                    assert_eq!(errors[0]["extensions"]["code"], "BAD_REQUEST", "{errors}: {}", case());
                    assert!(live.is_err(), "{}", case());
                    refused += 1;
                    break;
                };
                let expected = expected(&route, &sets);
                let found = until_the_last(follow(&tenant, filter, from)).await;
                assert_eq!(found.as_ref(), Ok(&expected), "from {from}: {}", case());
                if from == begun {
                    assert_eq!(live.as_ref(), Ok(&expected), "live, from {from}: {}", case());
                }
                events += expected.len();
            }
        }
    }
    println!("{events} events, {refused} filters refused");
    assert!(events > 100, "{events} events are too few");
}

/// A window that moves with each batch's own time.
#[tokio::test(flavor = "multi_thread")]
async fn last_windows_move_with_the_batches() {
    let mut bench = Bench::new().await;
    let tenant = bench.tenant().await;
    let seen = |id: &str| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let now = Instant::from_nanos(now.as_nanos() as i64);
        let seen = asof_model::Observation::new(id, now, asof_model::Privilege::Read);
        Batch { source: "s".to_owned(), observations: vec![seen], ..Batch::default() }
    };
    let filter = json!({"used": {"during": {"last": "PT0.4S"}}});
    let from = json!({"where": filter, "fromIndex": 0});
    let mut told = subscribe(tenant.clone(), request(MATCHES, from), PATIENT);
    tenant.ingest(seen("sa/a")).await.unwrap();
    assert_eq!(event(&mut told).await["matches"]["began"], json!([{"id": "sa/a"}]));
    tokio::time::sleep(Duration::from_millis(600)).await;
    tenant.ingest(seen("sa/b")).await.unwrap();
    let second = event(&mut told).await;
    assert_eq!(second, json!({"matches": {"ledgerSize": 2, "began": [{"id": "sa/b"}], "ceased": ["sa/a"]}}));
    // Nothing moves by itself.
    tokio::time::sleep(Duration::from_millis(600)).await;
    tenant.ingest(put("sa/c")).await.unwrap();
    assert_eq!(event(&mut told).await["matches"]["ceased"], json!(["sa/b"]));
}

/// What is selected under an event is seen at its own point, for ever.
#[tokio::test(flavor = "multi_thread")]
async fn events_are_seen_at_their_own_point() {
    let mut bench = Bench::new().await;
    for number in 0..cases(20) {
        let mut draw = draw_for(22, number);
        let mut all = history(&mut draw, 8);
        all.push(put(LAST));
        let tenant = bench.tenant().await;
        let points = boundaries(write(&tenant, &all, true).await);
        const FIELDS: &str = "id name type inventoried owners { id } memberOf { id } history { validFrom deleted }
            entitlements(effective: true) { totalCount snapshot { asOf ledgerSize } nodes { holder { id } } } revisions { ledgerIndex }";
        let query = format!(
            "subscription($where: IdentityWhere!) {{ matches(where: $where, fromIndex: 0) {{
                ledgerSize ceased began {{ {FIELDS} }} }} }}"
        );
        let told = subscribe(tenant.clone(), request(&query, json!({"where": {}})), PATIENT);
        for event in until_the_last_named(told).await {
            let size = event["ledgerSize"].as_u64().unwrap();
            let at = points.iter().find(|point| point.1 == size).unwrap().0.to_string();
            for identity in event["began"].as_array().unwrap() {
                let query =
                    format!("query($id: ID!, $at: At) {{ identity(id: $id, at: $at) {{ {FIELDS} }} }}");
                let variables = json!({"id": identity["id"], "at": {"asOf": at, "ledgerSize": size}});
                let found = execute(tenant.clone(), request(&query, variables)).await;
                assert_eq!(found.data.into_json().unwrap()["identity"], *identity);
            }
        }
    }
}

async fn until_the_last_named(mut told: Subscribed) -> Vec<Json> {
    let mut events = Vec::new();
    loop {
        let event = event(&mut told).await["matches"].take();
        let last = event["began"].as_array().unwrap().iter().any(|began| began["id"] == LAST);
        events.push(event);
        if last {
            return events;
        }
    }
}

async fn records(tenant: &Tenant, from: u64, to: u64) -> Vec<Json> {
    let mut told = subscribe(tenant.clone(), request(RECORDS, json!({"fromIndex": from})), PATIENT);
    let mut found = Vec::new();
    while (found.len() as u64) < to - from {
        found.push(event(&mut told).await["records"].take());
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_the_ledgers() {
    let mut bench = Bench::new().await;
    for number in 0..cases(60) {
        let mut draw = draw_for(23, number);
        let all = history(&mut draw, 10);
        let (ledger, tenant) = (Ledger::of(&all), bench.tenant().await);
        let size = ledger.size();
        let from = draw.below(size as usize + 1) as u64;
        let middle = {
            let tenant = tenant.clone();
            async move { records(&tenant, from, size).await }
        };
        write(&tenant, &all[..1], true).await;
        let from_0 = tokio::spawn({
            let tenant = tenant.clone();
            async move { records(&tenant, 0, size).await }
        });
        let points = boundaries(write(&tenant, &all, draw.chance(0.5)).await);
        let (found, middle) = (from_0.await.unwrap(), middle.await);
        assert_eq!(found[from as usize..], middle[..], "from the middle");
        for (index, (record, entry)) in found.iter().zip(&ledger.entries).enumerate() {
            assert_eq!((&record["ledgerIndex"], &record["source"]), (&json!(index), &json!(entry.source)));
            let batch_end = points.iter().map(|point| point.1).find(|end| *end > index as u64).unwrap();
            let recorded_at = record["recordedAt"].as_str().unwrap();
            match &entry.body {
                RecordBody::Fact(fact) => {
                    assert!(record["observation"].is_null());
                    assert_eq!(record["fact"]["validFrom"], fact.valid_from.to_string());
                    if let Subject::Node(node) = &fact.subject {
                        let at = json!({"asOf": recorded_at, "ledgerSize": batch_end});
                        let query = "query($kind: NodeKind!, $id: ID!, $at: At) { node(kind: $kind, id: $id, at: $at) { revisions {
                            ledgerIndex recordedAt source op validFrom validTo
                            subject { nodeKind id edgeKind fromKind from toKind to source coverageScope }
                            state { name type attributes { key value } effect privileges scopes coverage } } } }";
                        let variables = json!({"kind": node.kind.name(), "id": node.id, "at": at});
                        let shown = execute(tenant.clone(), request(query, variables))
                            .await
                            .data
                            .into_json()
                            .unwrap();
                        // One that is deleted is not shown.
                        if let Some(revisions) = shown["node"]["revisions"].as_array() {
                            assert!(
                                revisions.contains(&record["fact"]),
                                "{} in {revisions:?}",
                                record["fact"]
                            );
                        }
                    }
                }
                RecordBody::Observation(seen) => {
                    assert!(record["fact"].is_null());
                    let at = json!({"asOf": recorded_at, "ledgerSize": batch_end});
                    let after = Instant::from_nanos(seen.time.nanos() + 1);
                    let query =
                        "query($during: Window!, $at: At) { observations(during: $during, at: $at) { nodes {
                        ledgerIndex source eventId time identity resource privilege outcome covered } } }";
                    let during = json!({"from": seen.time.to_string(), "to": after.to_string()});
                    let variables = json!({"during": during, "at": at});
                    let shown =
                        execute(tenant.clone(), request(query, variables)).await.data.into_json().unwrap();
                    assert!(
                        shown["observations"]["nodes"].as_array().unwrap().contains(&record["observation"])
                    );
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_and_questions_between_them() {
    const MANY: usize = 200;
    let mut bench = Bench::new().await;
    let tenant = bench.tenant().await;
    let batches: Vec<Batch> = (0..40).map(|number| load::batch((1, number))).collect();
    let total: u64 = batches.iter().map(|batch| (batch.facts.len() + batch.observations.len()) as u64).sum();
    let readers: Vec<_> = (0..MANY)
        .map(|_| {
            let tenant = tenant.clone();
            tokio::spawn(async move { records(&tenant, 0, total).await })
        })
        .collect();
    for batch in batches {
        tenant.ingest(batch).await.unwrap();
        let begun = std::time::Instant::now();
        let answer = execute(tenant.clone(), "{ identities(where: {}) { totalCount } }").await;
        assert!(answer.errors.is_empty(), "{:?}", answer.errors);
        assert!(begun.elapsed() < Duration::from_secs(20), "questions starve: {:?}", begun.elapsed());
    }
    let mut all = Vec::new();
    for reader in readers {
        all.push(reader.await.unwrap());
    }
    assert!(all.iter().all(|found| *found == all[0]));
}

/// Whoever holds a tenant keeps its database open: so none is held once all subscriptions are dropped.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_dropped_stops() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { data: folder.path().to_owned(), ..Options::default() };
    let engine = Engine::open(options.clone()).await.unwrap();
    let tenant = engine.tenant_or_create("t").await.unwrap();
    for number in 0..200 {
        tenant.ingest(load::batch((1, number))).await.unwrap();
    }
    let heavy = json!({"where": {"not": {"usedWithoutHolding": {"used": {"during": {}}, "effective": true}}}, "fromIndex": 0});
    let mut all: Vec<_> = (0..60)
        .map(|n| {
            let asked =
                if n % 2 == 0 { request(MATCHES, heavy.clone()) } else { request(RECORDS, json!({})) };
            subscribe(tenant.clone(), asked, SLOW_AFTER)
        })
        .collect();
    event(&mut all[0]).await;
    drop((all, tenant));
    engine.close().await.unwrap();
    drop(engine);
    let begun = std::time::Instant::now();
    loop {
        let engine = Engine::open(options.clone()).await.unwrap();
        if engine.tenant("t").await.is_ok() {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "something goes on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// As over POST: the same code, before anything is told.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_told_as_over_post() {
    let mut bench = Bench::new().await;
    let tenant = bench.tenant().await;
    tenant.ingest(put("sa/0")).await.unwrap();
    let deep = format!(
        "subscription {{ matches(where: {}{}) {{ ledgerSize }} }}",
        "{not: ".repeat(40),
        "}".repeat(40)
    );
    let wide = format!(
        "subscription {{ records {{ {} }} }}",
        (0..2100).map(|n| format!("a{n}: source ")).collect::<String>()
    );
    let members = "memberOf {".repeat(25) + "id" + &"}".repeat(25);
    let deeper = format!("subscription {{ matches(where: {{}}) {{ began {{ {members} }} }} }}");
    let bomb = "subscription { ...a } fragment a on Subscription { ...b ...b } fragment b on Subscription { records { source } }";
    for (query, variables, code) in [
        ("subscription {", json!({}), "GRAPHQL_PARSE_FAILED"),
        ("subscription { nothing }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { records { nothing } }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { matches { ledgerSize } }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        (
            "subscription { records { source } matches(where: {}) { ledgerSize } }",
            json!({}),
            "GRAPHQL_VALIDATION_FAILED",
        ),
        ("subscription { __typename }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        ("mutation { records { source } }", json!({}), "GRAPHQL_VALIDATION_FAILED"),
        (bomb, json!({}), "GRAPHQL_VALIDATION_FAILED"),
        (RECORDS, json!({"fromIndex": 2}), "BAD_REQUEST"),
        (RECORDS, json!({"fromIndex": -1}), "GRAPHQL_VALIDATION_FAILED"),
        (MATCHES, json!({}), "GRAPHQL_VALIDATION_FAILED"),
        (MATCHES, json!({"where": {"nothing": 1}}), "GRAPHQL_VALIDATION_FAILED"),
        (MATCHES, json!({"where": {"used": {"during": {"last": "soon"}}}}), "BAD_REQUEST"),
        (
            MATCHES,
            json!({"where": {"createdDuring": {"from": "2025-01-02T00:00:00Z", "to": "2025-01-01T00:00:00Z"}}, "fromIndex": 0}),
            "BAD_REQUEST",
        ),
        (&*deep, json!({}), "LIMIT_EXCEEDED"),
        (&*deeper, json!({}), "LIMIT_EXCEEDED"),
        (&*wide, json!({}), "LIMIT_EXCEEDED"),
    ] {
        let mut told = subscribe(tenant.clone(), request(query, variables), SLOW_AFTER);
        let errors = next(&mut told).await.unwrap().unwrap_err();
        assert_eq!(errors[0]["extensions"]["code"], code, "{query:.80}: {errors}");
        assert!(next(&mut told).await.is_none());
    }
    // A query is answered once; a root field that is skipped, with nothing.
    let mut told = subscribe(tenant.clone(), request("{ ledger { size } }", json!({})), SLOW_AFTER);
    assert_eq!(event(&mut told).await, json!({"ledger": {"size": 1}}));
    assert!(next(&mut told).await.is_none());
    // A field that fails under an event is told with it, and it goes on.
    let bad =
        "subscription { records(fromIndex: 0) { observation { time } source fact { nothing: source } } }";
    let mut told = subscribe(tenant.clone(), request(bad, json!({})), SLOW_AFTER);
    assert_eq!(event(&mut told).await["records"]["fact"]["nothing"], "subscriptions");
}
