//! What facts state, and of what.

use asof_model::{Fact, Instant, NodeValue, Record, SecretValue, StatementOp, Value};
use asof_query::{Key, Recorded};
use async_graphql::{ID, SimpleObject};

use crate::asked::Moment;
use crate::enums::{CoverageKind, EdgeKind, Effect, NodeKind, Op, Privilege, SecretState, privileges};
use crate::failure::Failure;
use crate::scalars::{DateTime, Long};

/// By key.
#[derive(SimpleObject)]
pub(crate) struct Attribute {
    /// Its key.
    key: String,
    /// Its value.
    value: String,
}

pub(crate) fn attributes(given: &asof_model::Attributes) -> Vec<Attribute> {
    given.iter().map(|(key, value)| Attribute { key: key.clone(), value: value.clone() }).collect()
}

/// A text that is given.
pub(crate) fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// What a fact states of its subject. A member that the subject's kind has not, or that is not given, is null. Privileges stand in the
/// order of their enum, here and wherever else they are listed.
#[derive(SimpleObject, Default)]
#[expect(clippy::struct_field_names, reason = "the contract's")]
pub(crate) struct State {
    /// Of a node.
    name: Option<String>,
    /// Of a node.
    #[graphql(name = "type")]
    node_type: Option<String>,
    /// Of a node or an edge.
    attributes: Vec<Attribute>,
    /// Of an entitlement.
    effect: Option<Effect>,
    /// Of an entitlement or a coverage.
    privileges: Option<Vec<Privilege>>,
    /// Of an entitlement: resource ids or globs.
    scopes: Option<Vec<String>>,
    /// Of an entitlement: the actions it speaks of; empty: all.
    actions: Option<Vec<String>>,
    /// Of an entitlement: its source attaches a condition that is not evaluated here.
    conditional: Option<bool>,
    /// Of a secret.
    state: Option<SecretState>,
    /// Of a secret.
    issued_at: Option<DateTime>,
    /// Of a secret.
    expires_at: Option<DateTime>,
    /// Of a secret.
    last_rotated_at: Option<DateTime>,
    /// Of a coverage, which has privileges too: globs; empty: all.
    coverage: Option<CoverageKind>,
    /// Of a coverage: globs; empty: all.
    identities: Option<Vec<String>>,
    /// Of a coverage: globs; empty: all.
    resources: Option<Vec<String>>,
}

impl State {
    /// What one fact states.
    pub(crate) fn stated(value: &Value) -> Self {
        match value {
            Value::Node(node) => Self::node(node),
            Value::Edge(said) => Self { attributes: attributes(said), ..Self::default() },
            Value::Coverage(said) => Self {
                privileges: Some(privileges(said.privileges)),
                coverage: Some(said.kind.into()),
                identities: Some(said.identities.clone()),
                resources: Some(said.resources.clone()),
                ..Self::default()
            },
        }
    }

    /// What all sources together make of a key: a secret of which nobody says it is ACTIVE.
    pub(crate) fn resolved(key: Key, state: &asof_model::State) -> Option<Self> {
        let mut shown = Self::stated(state.value()?);
        if matches!(key, Key::Node(node) if node.kind == asof_model::NodeKind::Secret)
            && shown.state.is_none()
        {
            shown.state = Some(SecretValue::default().state.into());
        }
        Some(shown)
    }

    fn node(node: &NodeValue) -> Self {
        let entitlement = node.entitlement.as_ref();
        Self {
            name: given(&node.name),
            node_type: given(&node.node_type),
            attributes: attributes(&node.attributes),
            effect: entitlement.map(|said| said.effect.into()),
            privileges: entitlement.map(|said| privileges(said.privileges)),
            scopes: entitlement.map(|said| said.scopes.clone()),
            actions: entitlement.map(|said| said.actions.clone()),
            conditional: entitlement.map(|said| said.conditional),
            state: node.secret.map(|said| said.state.into()),
            issued_at: node.secret.and_then(|said| said.issued_at).map(Into::into),
            expires_at: node.secret.and_then(|said| said.expires_at).map(Into::into),
            last_rotated_at: node.secret.and_then(|said| said.last_rotated_at).map(Into::into),
            ..Self::default()
        }
    }
}

/// validTo absent: until further notice. state is null where deleted; stretches never stated are left out.
#[derive(SimpleObject)]
pub(crate) struct Version {
    /// Its first moment.
    valid_from: DateTime,
    /// The first moment after it.
    valid_to: Option<DateTime>,
    /// It is deleted over this stretch.
    deleted: bool,
    /// What is so over this stretch.
    state: Option<State>,
}

impl Version {
    pub(crate) fn new(key: Key, (from, to, state): &(Instant, Instant, asof_model::State)) -> Self {
        Self {
            valid_from: (*from).into(),
            valid_to: until(*to),
            deleted: *state == asof_model::State::Deleted,
            state: State::resolved(key, state),
        }
    }
}

fn until(to: Instant) -> Option<DateTime> {
    (to != Instant::FOREVER).then(|| to.into())
}

/// One recorded fact. state is null with DELETE and END.
#[derive(SimpleObject)]
pub(crate) struct Revision {
    /// The record.
    ledger_index: Long,
    /// When it was recorded.
    recorded_at: DateTime,
    /// Which collector stated it.
    source: String,
    /// What it does.
    op: Op,
    /// Of what it speaks.
    subject: Subject,
    /// From when on.
    valid_from: DateTime,
    /// Until when; null: until further notice.
    valid_to: Option<DateTime>,
    /// What it states.
    state: Option<State>,
}

impl Revision {
    /// A record as it stands in the ledger.
    pub(crate) fn recorded(record: &Record, fact: &Fact) -> Self {
        let (op, state) = match &fact.op {
            asof_model::Op::Put(value) => (Op::Put, Some(State::stated(value))),
            asof_model::Op::Delete => (Op::Delete, None),
            asof_model::Op::End => (Op::End, None),
        };
        Self {
            ledger_index: Long(record.index),
            recorded_at: record.recorded_at.into(),
            source: record.source.clone(),
            op,
            subject: Subject::named(&record.source, &fact.subject),
            valid_from: fact.valid_from.into(),
            valid_to: until(fact.valid_to),
            state,
        }
    }

    pub(crate) fn new(
        moment: &Moment,
        key: Key,
        said: &Recorded<asof_model::Statement>,
    ) -> Result<Self, Failure> {
        let (op, state) = match &said.record.op {
            StatementOp::Put(value) => (Op::Put, Some(State::stated(value))),
            StatementOp::Delete => (Op::Delete, None),
            StatementOp::End => (Op::End, None),
        };
        Ok(Self {
            ledger_index: Long(said.record.index),
            recorded_at: said.recorded_at.into(),
            source: said.source.to_string(),
            op,
            subject: Subject::of(moment, key)?,
            valid_from: said.record.from.into(),
            valid_to: until(said.record.to),
            state,
        })
    }
}

/// A node (nodeKind, id), an edge (edgeKind, from, to) or a coverage (source, coverageScope); the other members are null.
#[derive(SimpleObject, Default)]
pub(crate) struct Subject {
    /// Of a node.
    node_kind: Option<NodeKind>,
    /// Of a node.
    id: Option<ID>,
    /// Of an edge.
    edge_kind: Option<EdgeKind>,
    /// Of an edge.
    from_kind: Option<NodeKind>,
    /// Of an edge.
    from: Option<ID>,
    /// Of an edge.
    to_kind: Option<NodeKind>,
    /// Of an edge.
    to: Option<ID>,
    /// Of a coverage.
    source: Option<String>,
    /// Of a coverage: its source's own name for it.
    coverage_scope: Option<String>,
}

impl Subject {
    /// What a source's fact speaks of.
    fn named(source: &str, subject: &asof_model::Subject) -> Self {
        match subject {
            asof_model::Subject::Node(node) => Self {
                node_kind: Some(node.kind.into()),
                id: Some(node.id.as_str().into()),
                ..Self::default()
            },
            asof_model::Subject::Edge(edge) => Self {
                edge_kind: Some(edge.kind.into()),
                from_kind: Some(edge.from_kind().into()),
                from: Some(edge.from.as_str().into()),
                to_kind: Some(edge.to_kind.into()),
                to: Some(edge.to.as_str().into()),
                ..Self::default()
            },
            asof_model::Subject::Coverage(scope) => Self {
                source: Some(source.to_owned()),
                coverage_scope: Some(scope.clone()),
                ..Self::default()
            },
        }
    }

    pub(crate) fn of(moment: &Moment, key: Key) -> Result<Self, Failure> {
        Ok(match key {
            Key::Node(node) => Self {
                node_kind: Some(node.kind.into()),
                id: Some(moment.id(node)?.into()),
                ..Self::default()
            },
            Key::Edge(edge) => Self {
                edge_kind: Some(edge.kind.into()),
                from_kind: Some(edge.from.kind.into()),
                from: Some(moment.id(edge.from)?.into()),
                to_kind: Some(edge.to.kind.into()),
                to: Some(moment.id(edge.to)?.into()),
                ..Self::default()
            },
            Key::Coverage(ordinal) => {
                let named = moment.known.coverage_key(ordinal)?;
                Self {
                    source: named.as_ref().map(|(_, source, _)| source.to_string()),
                    coverage_scope: named.as_ref().map(|(_, _, scope)| scope.to_string()),
                    ..Self::default()
                }
            }
        })
    }
}
