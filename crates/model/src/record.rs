//! The ledger's records: facts and observations, by name (not by ordinal).

use crate::{Attributes, EdgeKind, Instant, NodeKind, Outcome, Privilege, Value};

/// A node by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeRef {
    /// Its kind.
    pub kind: NodeKind,
    /// Stable and unique within its kind.
    pub id: String,
}

/// An edge by name. `to_kind` follows from the kind, but for OWNS.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EdgeRef {
    /// Its kind.
    pub kind: EdgeKind,
    /// The id of its first end.
    pub from: String,
    /// The kind of its second end.
    pub to_kind: NodeKind,
    /// The id of its second end.
    pub to: String,
}

impl EdgeRef {
    /// The kind of its first end.
    pub const fn from_kind(&self) -> NodeKind {
        self.kind.ends().0
    }
}

/// What a fact speaks of: the key of a timeline.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A node.
    Node(NodeRef),
    /// An edge.
    Edge(EdgeRef),
    /// A coverage of the record's own source, by its scope.
    Coverage(String),
}

/// What a fact does to its source's timeline on its subject, over its interval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Sets the source's whole statement.
    Put(Value),
    /// It was deleted.
    Delete,
    /// The source no longer states it.
    End,
}

/// Posture: one statement of one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// What it speaks of.
    pub subject: Subject,
    /// What it says.
    pub op: Op,
    /// From when on.
    pub valid_from: Instant,
    /// Until when; [`Instant::FOREVER`]: until further notice.
    pub valid_to: Instant,
    /// Yields at the valid_from of its source's next statement on the same subject.
    pub until_next: bool,
    /// Unique per source and subject; empty: none.
    pub event_id: String,
    /// event_id of the observation that made this change; empty: none.
    pub caused_by: String,
}

/// Runtime: something that one identity did, once. Empty texts are not given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// Unique per source; empty: none.
    pub event_id: String,
    /// When.
    pub time: Instant,
    /// Whose permissions were used.
    pub identity: String,
    /// Who stood behind.
    pub actor: String,
    /// With which secret.
    pub secret: String,
    /// From which workload.
    pub workload: String,
    /// On what.
    pub resource: String,
    /// The source's own name of the action.
    pub action: String,
    /// The action's class.
    pub privilege: Privilege,
    /// How it ended.
    pub outcome: Outcome,
    /// From which address.
    pub source_ip: String,
    /// Where.
    pub region: String,
    /// The provider's session.
    pub session: String,
    /// Free pairs.
    pub attributes: Attributes,
    /// Where more than one stood behind, outermost first.
    pub actor_chain: Vec<String>,
    /// Digest of the source's own record; empty or 32 bytes.
    pub raw_sha256: Vec<u8>,
    /// Where the source's own record is kept.
    pub raw_ref: String,
    /// What the provider itself says allowed it.
    pub granted_by: Vec<String>,
}

impl Observation {
    /// One of which nothing but this is known; SUCCESS.
    pub fn new(identity: impl Into<String>, time: Instant, privilege: Privilege) -> Self {
        Self {
            event_id: String::new(),
            time,
            identity: identity.into(),
            actor: String::new(),
            secret: String::new(),
            workload: String::new(),
            resource: String::new(),
            action: String::new(),
            privilege,
            outcome: Outcome::Success,
            source_ip: String::new(),
            region: String::new(),
            session: String::new(),
            attributes: Attributes::new(),
            actor_chain: Vec::new(),
            raw_sha256: Vec::new(),
            raw_ref: String::new(),
            granted_by: Vec::new(),
        }
    }

    /// The nodes it names, in the order of first appearance.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeKind, &str)> {
        [
            (NodeKind::Identity, &self.identity),
            (NodeKind::Identity, &self.actor),
            (NodeKind::Secret, &self.secret),
            (NodeKind::Workload, &self.workload),
            (NodeKind::Resource, &self.resource),
        ]
        .into_iter()
        .filter(|(_, id)| !id.is_empty())
        .map(|(kind, id)| (kind, id.as_str()))
    }
}

impl Fact {
    /// The nodes it names, in the order of first appearance: the node, or from and to. A coverage names none.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeKind, &str)> {
        let (first, second) = match &self.subject {
            Subject::Node(node) => (Some((node.kind, node.id.as_str())), None),
            Subject::Edge(edge) => {
                (Some((edge.from_kind(), edge.from.as_str())), Some((edge.to_kind, edge.to.as_str())))
            }
            Subject::Coverage(_) => (None, None),
        };
        first.into_iter().chain(second)
    }
}

/// One record of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its number, from 0.
    pub index: u64,
    /// One for all records of a batch.
    pub recorded_at: Instant,
    /// Which collector.
    pub source: String,
    /// The fact or observation.
    pub body: RecordBody,
}

/// The two halves.
#[expect(clippy::large_enum_variant, reason = "facts are few beside observations, which are boxed")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordBody {
    /// Posture.
    Fact(Fact),
    /// Runtime.
    Observation(Box<Observation>),
}
