//! Writes to begin with.

use asof_grpc::convert;
use asof_grpc::proto::{WriteRequest, fact::Subject};
use asof_model::{Instant, Limits, Observation, Privilege};
use prost::Message as _;
use serde_json::{Value as Json, json};

use crate::contract::{CASES, batch, lines};

/// The contract's batches, whole, plain and packed; each with few of its records; and two that fill every field.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![full().encode_to_vec(), full_packed().encode_to_vec()];
    for line in CASES.iter().flat_map(|case| lines(case)) {
        let packed = convert::packed(batch(&line));
        if packed.packed.is_some() {
            seeds.push(packed.encode_to_vec());
        }
        let request = convert::request(batch(&line));
        let few = WriteRequest {
            facts: request.facts.iter().take(2).cloned().collect(),
            observations: request.observations.iter().take(2).cloned().collect(),
            batch_id: String::new(),
            source: request.source.clone(),
            packed: None,
        };
        seeds.extend([request.encode_to_vec(), few.encode_to_vec()]);
    }
    seeds
}

/// The full observation as columns, with event ids of two lengths and of one, behind a plain one.
fn full_packed() -> WriteRequest {
    let full = full();
    let read = convert::batch(full.clone(), &Limits::DEFAULT).check(&Limits::DEFAULT, Instant::FOREVER);
    let mut batch = read.unwrap_or_else(|(_, faults)| panic!("{faults:?}"));
    batch.batch_id.clear();
    batch.facts.clear();
    let first = batch.observations[0].clone();
    batch.observations.push(Observation { event_id: "another".to_owned(), ..first.clone() });
    batch.observations.push(Observation::new("full/5", first.time, Privilege::Read));
    WriteRequest { observations: full.observations, ..convert::packed(batch) }
}

/// Facts of each op on each kind of subject, and an observation, of which nothing is left out.
fn full() -> WriteRequest {
    let attributes = || json!({"env": "prod", "team": "x"});
    let node = |kind: &str, more: Json| {
        let mut node =
            json!({"kind": kind, "id": "full/1", "name": "Full", "type": "a.b", "attributes": attributes()});
        if let (Some(node), Json::Object(more)) = (node.as_object_mut(), more) {
            node.extend(more);
        }
        json!({ "node": node })
    };
    let at = "2025-01-01T00:00:00Z";
    let subjects = [
        node(
            "SECRET",
            json!({"secret": {"state": "INACTIVE", "issued_at": at, "expires_at": at, "last_rotated_at": at}}),
        ),
        node(
            "ENTITLEMENT",
            json!({"entitlement": {"effect": "DENY", "privileges": ["LIST", "ADMIN"], "scopes": ["a*", "b?"], "actions": ["s3:*"], "conditional": true}}),
        ),
        json!({"edge": {"kind": "OWNS", "from": "team/x", "to_kind": "SECRET", "to": "full/1", "attributes": attributes()}}),
        json!({"coverage": {"kind": "POSTURE", "scope": "all", "identities": ["a*"], "resources": ["b?"], "privileges": ["READ", "OTHER"]}}),
    ];
    let mut facts = Vec::new();
    for (place, subject) in subjects.iter().enumerate() {
        for op in ["PUT", "DELETE", "END"] {
            let mut fact = subject.clone();
            fact["op"] = op.into();
            fact["valid_from"] = at.into();
            if place % 2 == 0 {
                fact["valid_to"] = "2025-02-01T00:00:00Z".into();
            } else {
                fact["until_next"] = true.into();
            }
            fact["event_id"] = format!("{op}-{place}").into();
            fact["caused_by"] = "e1".into();
            facts.push(fact);
        }
    }
    let observation = json!({
        "event_id": "e1", "time": at, "identity": "full/2", "actor": "full/3", "secret": "full/1", "workload": "pod/1",
        "resource": "a/1", "action": "s3:PutObject", "privilege": "WRITE", "outcome": "DENIED", "source_ip": "192.0.2.1",
        "region": "eu-west-1", "session": "s", "attributes": attributes(), "granted_by": ["policy/1"],
    });
    let line = json!({"source": "full", "batch_id": "full", "facts": facts, "observations": [observation]});
    let mut request = convert::request(batch(&line));
    for seen in &mut request.observations {
        seen.actor_chain = vec!["full/4".to_owned(), "full/3".to_owned()];
        seen.raw_sha256 = vec![7; 32];
        seen.raw_ref.push_str("s3://raw/1");
    }
    for fact in request.facts.iter_mut().filter(|fact| fact.op != 0) {
        // With DELETE and END the rest is let in, too, and not kept.
        if let Some(Subject::Edge(edge)) = &mut fact.subject {
            edge.attributes.insert("gone".to_owned(), "x".to_owned());
        }
    }
    request
}
