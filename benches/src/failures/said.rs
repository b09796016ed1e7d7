//! Small histories, fact by fact.

use asof_model::{
    Attributes, Batch, Duration, EdgeKind, EdgeRef, Effect, EntitlementValue, Fact, Instant, Interval,
    NodeKind, NodeRef, NodeValue, Observation, Op, Privilege, Subject, Value,
};
use asof_server::sample::workload::SPAN;

/// Records of one batch.
pub const BATCH: usize = 1_000;
pub const HOUR: Duration = Duration::from_secs(3_600);

/// So many hours after the start.
pub fn hour(number: i64) -> Instant {
    SPAN.from.plus(Duration::from_nanos(HOUR.nanos() * number))
}

pub fn always() -> Interval {
    Interval { from: SPAN.from, to: Instant::FOREVER }
}

fn fact(subject: Subject, op: Op, during: Interval) -> Fact {
    Fact {
        subject,
        op,
        valid_from: during.from,
        valid_to: during.to,
        until_next: false,
        event_id: String::new(),
        caused_by: String::new(),
    }
}

/// An entitlement of this id with these privileges on everything.
pub fn entitlement(id: &str, privileges: &[Privilege], during: Interval) -> Fact {
    let value = NodeValue {
        entitlement: Some(EntitlementValue {
            effect: Effect::Allow,
            privileges: privileges.iter().copied().collect(),
            scopes: vec!["*".to_owned()],
            actions: Vec::new(),
            conditional: false,
        }),
        ..NodeValue::default()
    };
    let node = NodeRef { kind: NodeKind::Entitlement, id: id.to_owned() };
    fact(Subject::Node(node), Op::Put(Value::Node(value)), during)
}

/// An identity with attributes.
pub fn identity(id: String, attributes: Attributes, during: Interval) -> Fact {
    let value = NodeValue { attributes, ..NodeValue::default() };
    fact(Subject::Node(NodeRef { kind: NodeKind::Identity, id }), Op::Put(Value::Node(value)), during)
}

fn edge(kind: EdgeKind, from: String, to: String) -> Subject {
    let to_kind = kind.ends().1.unwrap_or(NodeKind::Identity);
    Subject::Edge(EdgeRef { kind, from, to_kind, to })
}

/// The identity holds the entitlement, or it is deleted that it does.
pub fn holds(identity: String, entitlement: &str, during: Interval, does: bool) -> Fact {
    let op = if does { Op::Put(Value::Edge(Attributes::new())) } else { Op::Delete };
    fact(edge(EdgeKind::Holds, identity, entitlement.to_owned()), op, during)
}

pub fn owns(owner: String, identity: String, during: Interval) -> Fact {
    fact(edge(EdgeKind::Owns, owner, identity), Op::Put(Value::Edge(Attributes::new())), during)
}

/// Facts as batches of one source.
pub fn batches(source: &str, facts: impl IntoIterator<Item = Fact>) -> impl Iterator<Item = Batch> {
    let mut facts = facts.into_iter();
    let source = source.to_owned();
    std::iter::from_fn(move || {
        let facts: Vec<Fact> = facts.by_ref().take(BATCH).collect();
        let batch = Batch { source: source.clone(), facts, ..Batch::default() };
        (!batch.facts.is_empty()).then_some(batch)
    })
}

/// The same of observations.
pub fn seen(source: &str, all: impl IntoIterator<Item = Observation>) -> impl Iterator<Item = Batch> {
    let mut all = all.into_iter();
    let source = source.to_owned();
    std::iter::from_fn(move || {
        let observations: Vec<Observation> = all.by_ref().take(BATCH).collect();
        let batch = Batch { source: source.clone(), observations, ..Batch::default() };
        (!batch.observations.is_empty()).then_some(batch)
    })
}

/// A number that follows no order; the same for the same number.
pub fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    mixed ^ (mixed >> 27)
}
