//! The contract's refused batches, read as a client would send them.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use asof_model::{Instant, Limits};
use prost_types::Timestamp;
use serde_json::Value;

use crate::proto;

const NOW: i64 = 1_790_000_000_000_000_000;

/// The fields at fault in a request, in the order told.
fn fields(request: proto::WriteRequest) -> Vec<String> {
    let latest = Instant::from_nanos(NOW);
    let faults = match super::batch(request, &Limits::DEFAULT).check(&Limits::DEFAULT, latest) {
        Ok(batch) => batch.faults(&Limits::DEFAULT, latest),
        Err((_, faults)) => faults,
    };
    faults.into_iter().map(|fault| fault.field).collect()
}

#[test]
fn every_refused_case_names_its_fields_and_no_others() {
    let text = include_str!("../../../../tests/contract/refused.json");
    let cases: Vec<Value> = serde_json::from_str(text).unwrap();
    assert!(cases.len() > 30);
    for case in &cases {
        let mut expected: Vec<&str> =
            case["fields"].as_array().unwrap().iter().map(|f| f.as_str().unwrap()).collect();
        let mut found = fields(request(&case["request"]));
        expected.sort_unstable();
        found.sort_unstable();
        assert_eq!(found, expected, "{}", case["name"]);
    }
}

#[test]
fn faults_stand_in_the_order_of_the_records() {
    let text = include_str!("../../../../tests/contract/refused.json");
    let cases: Vec<Value> = serde_json::from_str(text).unwrap();
    let case = cases.iter().find(|case| case["name"] == "faults-everywhere").unwrap();
    let found = fields(request(&case["request"]));
    let records: Vec<&str> = found.iter().map(|field| field.split('.').next().unwrap()).collect();
    let mut ordered = records.clone();
    ordered.sort_unstable();
    assert_eq!(records, ordered);
}

#[test]
fn a_batch_goes_to_the_wire_and_back() {
    for line in include_str!("../../../../tests/contract/story.jsonl").lines().filter(|line| !line.is_empty())
    {
        let wire = request(&serde_json::from_str(line).unwrap());
        let batch =
            super::batch(wire, &Limits::DEFAULT).check(&Limits::DEFAULT, Instant::from_nanos(NOW)).unwrap();
        assert!(batch.faults(&Limits::DEFAULT, Instant::from_nanos(NOW)).is_empty());
        let again = super::batch(super::request(batch.clone()), &Limits::DEFAULT)
            .check(&Limits::DEFAULT, Instant::from_nanos(NOW));
        assert_eq!(again.unwrap(), batch);
    }
}

#[test]
fn unknown_numbers_are_named() {
    let observation = proto::Observation {
        identity: "sa/x".into(),
        time: Some(Timestamp { seconds: 1, nanos: 0 }),
        privilege: 12,
        outcome: 4,
        ..Default::default()
    };
    let request =
        proto::WriteRequest { source: "s".into(), observations: vec![observation], ..Default::default() };
    assert_eq!(fields(request), ["observations[0].privilege", "observations[0].outcome"]);
}

// The proto3 JSON mapping, as far as the cases use it.

fn request(json: &Value) -> proto::WriteRequest {
    proto::WriteRequest {
        source: text(json, "source"),
        batch_id: text(json, "batch_id"),
        facts: list(json, "facts").iter().map(fact).collect(),
        observations: list(json, "observations").iter().map(observation).collect(),
        packed: None,
    }
}

fn list<'a>(json: &'a Value, name: &str) -> &'a [Value] {
    json.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text(json: &Value, name: &str) -> String {
    json.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn texts(json: &Value, name: &str) -> Vec<String> {
    list(json, name).iter().map(|each| each.as_str().unwrap().to_owned()).collect()
}

fn attributes(json: &Value) -> std::collections::BTreeMap<String, String> {
    let pairs = json.get("attributes").and_then(Value::as_object).into_iter().flatten();
    pairs.map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned())).collect()
}

fn number(value: Option<&Value>, from: impl Fn(&str) -> Option<i32>) -> i32 {
    match value {
        None => 0,
        Some(Value::String(name)) => from(name).unwrap_or_else(|| panic!("{name} is no member")),
        Some(other) => other.as_i64().unwrap() as i32,
    }
}

fn privilege(value: Option<&Value>) -> i32 {
    number(value, |name| proto::Privilege::from_str_name(name).map(i32::from))
}

fn timestamp(json: &Value, name: &str) -> Option<Timestamp> {
    json.get(name).map(|text| text.as_str().unwrap().parse().unwrap())
}

fn fact(json: &Value) -> proto::Fact {
    use proto::fact::{Op, Subject};
    let node = json.get("node").map(|said| Subject::Node(node(said)));
    let edge = json.get("edge").map(|said| Subject::Edge(edge(said)));
    let coverage = json.get("coverage").map(|said| Subject::Coverage(coverage(said)));
    proto::Fact {
        op: number(json.get("op"), |name| Op::from_str_name(name).map(i32::from)),
        subject: node.or(edge).or(coverage),
        valid_from: timestamp(json, "valid_from"),
        valid_to: timestamp(json, "valid_to"),
        until_next: json.get("until_next").and_then(Value::as_bool).unwrap_or_default(),
        event_id: text(json, "event_id"),
        caused_by: text(json, "caused_by"),
    }
}

fn node(json: &Value) -> proto::Node {
    use proto::entitlement::Effect;
    use proto::secret::State;
    proto::Node {
        kind: number(json.get("kind"), |name| proto::NodeKind::from_str_name(name).map(i32::from)),
        id: text(json, "id"),
        name: text(json, "name"),
        r#type: text(json, "type"),
        attributes: attributes(json),
        entitlement: json.get("entitlement").map(|said| proto::Entitlement {
            effect: number(said.get("effect"), |name| Effect::from_str_name(name).map(i32::from)),
            privileges: list(said, "privileges").iter().map(|each| privilege(Some(each))).collect(),
            scopes: texts(said, "scopes"),
            actions: texts(said, "actions"),
            conditional: said.get("conditional").and_then(Value::as_bool).unwrap_or_default(),
        }),
        secret: json.get("secret").map(|said| proto::Secret {
            state: number(said.get("state"), |name| State::from_str_name(name).map(i32::from)),
            issued_at: timestamp(said, "issued_at"),
            expires_at: timestamp(said, "expires_at"),
            last_rotated_at: timestamp(said, "last_rotated_at"),
        }),
    }
}

fn edge(json: &Value) -> proto::Edge {
    proto::Edge {
        kind: number(json.get("kind"), |name| proto::EdgeKind::from_str_name(name).map(i32::from)),
        from: text(json, "from"),
        to: text(json, "to"),
        attributes: attributes(json),
        to_kind: number(json.get("to_kind"), |name| proto::NodeKind::from_str_name(name).map(i32::from)),
    }
}

fn coverage(json: &Value) -> proto::Coverage {
    proto::Coverage {
        kind: number(json.get("kind"), |name| proto::coverage::Kind::from_str_name(name).map(i32::from)),
        scope: text(json, "scope"),
        identities: texts(json, "identities"),
        resources: texts(json, "resources"),
        privileges: list(json, "privileges").iter().map(|each| privilege(Some(each))).collect(),
    }
}

fn observation(json: &Value) -> proto::Observation {
    proto::Observation {
        event_id: text(json, "event_id"),
        time: timestamp(json, "time"),
        identity: text(json, "identity"),
        actor: text(json, "actor"),
        secret: text(json, "secret"),
        workload: text(json, "workload"),
        resource: text(json, "resource"),
        action: text(json, "action"),
        privilege: privilege(json.get("privilege")),
        outcome: number(json.get("outcome"), |name| proto::Outcome::from_str_name(name).map(i32::from)),
        source_ip: text(json, "source_ip"),
        region: text(json, "region"),
        session: text(json, "session"),
        attributes: attributes(json),
        actor_chain: texts(json, "actor_chain"),
        raw_sha256: Vec::new(),
        raw_ref: text(json, "raw_ref"),
        granted_by: texts(json, "granted_by"),
    }
}
