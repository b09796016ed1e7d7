//! One line of a history.

use asof_model::{
    Attributes, Batch, CoverageKind, CoverageValue, EdgeKind, EdgeRef, Effect, EntitlementValue, Fact,
    Instant, NodeKind, NodeRef, NodeValue, Observation, Op, Outcome, Privilege, SecretState, SecretValue,
    Subject, Value,
};
use serde_json::Value as Json;

use super::{list, text, texts};

/// A batch that is known to be good.
pub fn batch(json: &Json) -> Batch {
    Batch {
        source: text(&json["source"]),
        batch_id: text(&json["batch_id"]),
        facts: list(&json["facts"]).iter().map(fact).collect(),
        observations: list(&json["observations"]).iter().map(observation).collect(),
    }
}

/// A member of one of the vocabularies; of what is absent, the one that stands for it.
macro_rules! named {
    ($json:expr, $kind:ident, $absent:expr) => {
        match $json.as_str() {
            Some(name) => {
                $kind::from_name(name).unwrap_or_else(|| panic!("no such {}: {name}", stringify!($kind)))
            }
            None => $absent,
        }
    };
    ($json:expr, $kind:ident) => {
        named!($json, $kind, panic!("a {} is missing", stringify!($kind)))
    };
}

pub(super) fn instant(json: &Json) -> Option<Instant> {
    let at = json.as_str()?;
    Some(Instant::parse(at).unwrap_or_else(|why| panic!("{why}")))
}

pub(super) fn attributes(json: &Json) -> Attributes {
    json.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), text(value))).collect()
}

fn fact(json: &Json) -> Fact {
    let (subject, value) = if let Some(node) = json.get("node") {
        let kind = named!(node["kind"], NodeKind);
        (Subject::Node(NodeRef { kind, id: text(&node["id"]) }), Value::Node(node_value(kind, node)))
    } else if let Some(edge) = json.get("edge") {
        let kind = named!(edge["kind"], EdgeKind);
        let to_kind = kind.ends().1.unwrap_or_else(|| named!(edge["to_kind"], NodeKind));
        let subject = EdgeRef { kind, from: text(&edge["from"]), to_kind, to: text(&edge["to"]) };
        (Subject::Edge(subject), Value::Edge(attributes(&edge["attributes"])))
    } else {
        let said = &json["coverage"];
        let value = CoverageValue {
            kind: named!(said["kind"], CoverageKind, CoverageKind::Observations),
            identities: texts(&said["identities"]),
            resources: texts(&said["resources"]),
            privileges: list(&said["privileges"]).iter().map(|each| named!(each, Privilege)).collect(),
        };
        (Subject::Coverage(text(&said["scope"])), Value::Coverage(value))
    };
    Fact {
        subject,
        op: match json["op"].as_str() {
            Some("DELETE") => Op::Delete,
            Some("END") => Op::End,
            _ => Op::Put(value),
        },
        valid_from: instant(&json["valid_from"]).unwrap_or_else(|| panic!("no valid_from: {json}")),
        valid_to: instant(&json["valid_to"]).unwrap_or(Instant::FOREVER),
        until_next: json["until_next"].as_bool().unwrap_or_default(),
        event_id: text(&json["event_id"]),
        caused_by: text(&json["caused_by"]),
    }
}

fn node_value(kind: NodeKind, node: &Json) -> NodeValue {
    let (entitlement, secret) = (&node["entitlement"], &node["secret"]);
    NodeValue {
        name: text(&node["name"]),
        node_type: text(&node["type"]),
        attributes: attributes(&node["attributes"]),
        entitlement: (kind == NodeKind::Entitlement && entitlement.is_object()).then(|| EntitlementValue {
            effect: named!(entitlement["effect"], Effect, Effect::Allow),
            privileges: list(&entitlement["privileges"]).iter().map(|each| named!(each, Privilege)).collect(),
            scopes: texts(&entitlement["scopes"]),
            actions: texts(&entitlement["actions"]),
            conditional: entitlement["conditional"].as_bool().unwrap_or_default(),
        }),
        secret: secret.is_object().then(|| SecretValue {
            state: named!(secret["state"], SecretState, SecretState::Active),
            issued_at: instant(&secret["issued_at"]),
            expires_at: instant(&secret["expires_at"]),
            last_rotated_at: instant(&secret["last_rotated_at"]),
        }),
    }
}

fn observation(json: &Json) -> Observation {
    let time = instant(&json["time"]).unwrap_or_else(|| panic!("no time: {json}"));
    Observation {
        event_id: text(&json["event_id"]),
        actor: text(&json["actor"]),
        secret: text(&json["secret"]),
        workload: text(&json["workload"]),
        resource: text(&json["resource"]),
        action: text(&json["action"]),
        outcome: named!(json["outcome"], Outcome, Outcome::Success),
        source_ip: text(&json["source_ip"]),
        region: text(&json["region"]),
        session: text(&json["session"]),
        attributes: attributes(&json["attributes"]),
        granted_by: texts(&json["granted_by"]),
        ..Observation::new(text(&json["identity"]), time, named!(json["privilege"], Privilege))
    }
}
