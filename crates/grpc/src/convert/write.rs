//! Batches and records to the wire.

use asof_engine::LedgerEntry;
use asof_model::{
    Attributes, Batch, EdgeKind, Fact, Instant, NodeRef, NodeValue, Observation, Op, PrivilegeSet,
    RecordBody, Subject, Value,
};

use super::timestamp;
use crate::proto;

/// A batch as a request.
pub fn request(batch: Batch) -> proto::WriteRequest {
    proto::WriteRequest {
        source: batch.source,
        batch_id: batch.batch_id,
        facts: batch.facts.into_iter().map(fact).collect(),
        observations: batch.observations.into_iter().map(observation).collect(),
        packed: None,
    }
}

/// A record of the ledger, with what its commitment is made of.
pub fn record(entry: LedgerEntry) -> proto::LedgerRecord {
    use proto::ledger_record::Record;
    proto::LedgerRecord {
        index: entry.record.index,
        recorded_at: Some(timestamp(entry.record.recorded_at)),
        source: entry.record.source,
        record: Some(match entry.record.body {
            RecordBody::Fact(said) => Record::Fact(fact(said)),
            RecordBody::Observation(seen) => Record::Observation(observation(*seen)),
        }),
        salt: entry.salt.to_vec(),
        canonical: entry.canonical,
    }
}

fn numbers(privileges: PrivilegeSet) -> Vec<i32> {
    privileges.iter().map(|each| i32::from(each.number())).collect()
}

pub(super) fn fact(fact: Fact) -> proto::Fact {
    use proto::fact::{Op as WireOp, Subject as Wire};
    let (op, value) = match fact.op {
        Op::Put(value) => (WireOp::Put, Some(value)),
        Op::Delete => (WireOp::Delete, None),
        Op::End => (WireOp::End, None),
    };
    let subject = match (fact.subject, value) {
        (Subject::Node(key), Some(Value::Node(value))) => Wire::Node(node(key, value)),
        (Subject::Node(key), _) => Wire::Node(node(key, NodeValue::default())),
        (Subject::Edge(edge), value) => Wire::Edge(proto::Edge {
            kind: i32::from(edge.kind.number()),
            from: edge.from,
            to: edge.to,
            attributes: if let Some(Value::Edge(attributes)) = value {
                attributes
            } else {
                Attributes::new()
            },
            to_kind: if edge.kind == EdgeKind::Owns { i32::from(edge.to_kind.number()) } else { 0 },
        }),
        (Subject::Coverage(scope), value) => Wire::Coverage(match value {
            Some(Value::Coverage(said)) => proto::Coverage {
                kind: i32::from(said.kind.number()),
                scope,
                identities: said.identities,
                resources: said.resources,
                privileges: numbers(said.privileges),
            },
            _ => proto::Coverage { scope, ..proto::Coverage::default() },
        }),
    };
    proto::Fact {
        op: op.into(),
        subject: Some(subject),
        valid_from: Some(timestamp(fact.valid_from)),
        valid_to: (fact.valid_to != Instant::FOREVER).then(|| timestamp(fact.valid_to)),
        until_next: fact.until_next,
        event_id: fact.event_id,
        caused_by: fact.caused_by,
    }
}

fn node(key: NodeRef, value: NodeValue) -> proto::Node {
    proto::Node {
        kind: i32::from(key.kind.number()),
        id: key.id,
        name: value.name,
        r#type: value.node_type,
        attributes: value.attributes,
        entitlement: value.entitlement.map(|said| proto::Entitlement {
            effect: i32::from(said.effect.number()),
            privileges: numbers(said.privileges),
            scopes: said.scopes,
            actions: said.actions,
            conditional: said.conditional,
        }),
        secret: value.secret.map(|said| proto::Secret {
            state: i32::from(said.state.number()),
            issued_at: said.issued_at.map(timestamp),
            expires_at: said.expires_at.map(timestamp),
            last_rotated_at: said.last_rotated_at.map(timestamp),
        }),
    }
}

fn observation(seen: Observation) -> proto::Observation {
    proto::Observation {
        event_id: seen.event_id,
        time: Some(timestamp(seen.time)),
        identity: seen.identity,
        actor: seen.actor,
        secret: seen.secret,
        workload: seen.workload,
        resource: seen.resource,
        action: seen.action,
        privilege: i32::from(seen.privilege.number()),
        outcome: i32::from(seen.outcome.number()),
        source_ip: seen.source_ip,
        region: seen.region,
        session: seen.session,
        attributes: seen.attributes,
        actor_chain: seen.actor_chain,
        raw_sha256: seen.raw_sha256,
        raw_ref: seen.raw_ref,
        granted_by: seen.granted_by,
    }
}
