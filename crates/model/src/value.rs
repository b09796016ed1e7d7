//! What a PUT states: the value of a node, an edge or a coverage.

use std::collections::BTreeMap;

use crate::{CoverageKind, Effect, Instant, PrivilegeSet, SecretState};

/// Free key-value pairs, in order of key.
pub type Attributes = BTreeMap<String, String>;

/// The value of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Of a node.
    Node(NodeValue),
    /// Of an edge: its attributes.
    Edge(Attributes),
    /// Of a coverage.
    Coverage(CoverageValue),
}

/// What is stated of a node. Empty texts and absent members are not given: another source's may show through.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeValue {
    /// What people call it.
    pub name: String,
    /// Free, lower-case, dotted: `aws.iam.role`.
    pub node_type: String,
    /// Free pairs.
    pub attributes: Attributes,
    /// Of an ENTITLEMENT alone.
    pub entitlement: Option<EntitlementValue>,
    /// Of a SECRET alone.
    pub secret: Option<SecretValue>,
}

/// A text that a node's value may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Said<'a> {
    /// As its name.
    Name(&'a str),
    /// As its type.
    Type(&'a str),
    /// As an attribute, by its key.
    Attribute(&'a str, &'a str),
    /// Whatever text, as an attribute with this key.
    Key(&'a str),
}

impl NodeValue {
    /// All that it says.
    pub fn said(&self) -> impl Iterator<Item = Said<'_>> {
        let attributes =
            self.attributes.iter().flat_map(|(key, value)| [Said::Attribute(key, value), Said::Key(key)]);
        [Said::Name(&self.name), Said::Type(&self.node_type)].into_iter().chain(attributes)
    }
}

/// What an entitlement gives or takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntitlementValue {
    /// Gives or takes away.
    pub effect: Effect,
    /// A plain set, at least one.
    pub privileges: PrivilegeSet,
    /// At least one: resource ids or globs.
    pub scopes: Vec<String>,
    /// Action names or globs, ASCII case ignored; none: it speaks of every action.
    pub actions: Vec<String>,
    /// A condition is attached that is not evaluated here.
    pub conditional: bool,
}

/// What is known of a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretValue {
    /// Its state.
    pub state: SecretState,
    /// When it was made.
    pub issued_at: Option<Instant>,
    /// From when on it no longer works.
    pub expires_at: Option<Instant>,
    /// When it was last exchanged.
    pub last_rotated_at: Option<Instant>,
}

impl Default for SecretValue {
    /// What is so of a secret of which nobody gives it.
    fn default() -> Self {
        Self { state: SecretState::Active, issued_at: None, expires_at: None, last_rotated_at: None }
    }
}

/// What a source has delivered. Empty lists stand for all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoverageValue {
    /// Of which half.
    pub kind: CoverageKind,
    /// Globs.
    pub identities: Vec<String>,
    /// Globs.
    pub resources: Vec<String>,
    /// Empty: all.
    pub privileges: PrivilegeSet,
}

impl Value {
    /// Lays a newer statement over this one: each member that it gives replaces the older one's.
    pub fn overlay(&mut self, newer: &Self) {
        match (self, newer) {
            (Self::Node(older), Self::Node(newer)) => {
                if !newer.name.is_empty() {
                    older.name.clone_from(&newer.name);
                }
                if !newer.node_type.is_empty() {
                    older.node_type.clone_from(&newer.node_type);
                }
                for (key, value) in &newer.attributes {
                    older.attributes.insert(key.clone(), value.clone());
                }
                if newer.entitlement.is_some() {
                    older.entitlement.clone_from(&newer.entitlement);
                }
                if newer.secret.is_some() {
                    older.secret = newer.secret;
                }
            }
            (Self::Edge(older), Self::Edge(newer)) => {
                for (key, value) in newer {
                    older.insert(key.clone(), value.clone());
                }
            }
            (older, newer) => *older = newer.clone(),
        }
    }

    /// The node's value, where it is one.
    pub fn node(&self) -> Option<&NodeValue> {
        match self {
            Self::Node(value) => Some(value),
            _ => None,
        }
    }

    /// The entitlement, where it is the value of one.
    pub fn entitlement(&self) -> Option<&EntitlementValue> {
        self.node().and_then(|node| node.entitlement.as_ref())
    }

    /// The coverage, where it is one.
    pub fn coverage(&self) -> Option<&CoverageValue> {
        match self {
            Self::Coverage(value) => Some(value),
            _ => None,
        }
    }
}
