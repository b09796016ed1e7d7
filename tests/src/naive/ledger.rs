//! What a history's batches come to: the records in order of arrival, and what each batch is acknowledged with.

use std::collections::BTreeMap;

use asof_model::{Batch, EdgeRef, NodeKind, NodeRef, RecordBody, Subject};

/// The key of a timeline, by names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A node.
    Node(NodeRef),
    /// An edge.
    Edge(EdgeRef),
    /// A coverage: its source and scope.
    Coverage(String, String),
}

impl Key {
    /// Of a fact's subject, stated by a source.
    pub fn of(source: &str, subject: &Subject) -> Self {
        match subject {
            Subject::Node(node) => Self::Node(node.clone()),
            Subject::Edge(edge) => Self::Edge(edge.clone()),
            Subject::Coverage(scope) => Self::Coverage(source.to_owned(), scope.clone()),
        }
    }

    /// The nodes that it names.
    pub fn nodes(&self) -> Vec<NodeRef> {
        match self {
            Self::Node(node) => vec![node.clone()],
            Self::Edge(edge) => vec![first_end(edge), second_end(edge)],
            Self::Coverage(..) => Vec::new(),
        }
    }
}

/// Where an edge begins.
pub fn first_end(edge: &EdgeRef) -> NodeRef {
    NodeRef { kind: edge.from_kind(), id: edge.from.clone() }
}

/// Where an edge ends.
pub fn second_end(edge: &EdgeRef) -> NodeRef {
    NodeRef { kind: edge.to_kind, id: edge.to.clone() }
}

/// A node by kind and id.
pub fn node(kind: NodeKind, id: &str) -> NodeRef {
    NodeRef { kind, id: id.to_owned() }
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its source.
    pub source: String,
    /// How many batches came before its own: what a batch records has one time, later than that of the one before.
    pub batch: u64,
    /// The fact or observation.
    pub body: RecordBody,
}

/// What a batch is acknowledged with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// Index of its first record; of no meaning where it has none.
    pub first_index: u64,
    /// The ledger's size with it.
    pub ledger_size: u64,
    /// It came before.
    pub duplicate_batch: bool,
    /// Observations known by (source, event_id).
    pub duplicate_events: u64,
    /// Facts likewise, each on its subject.
    pub duplicate_facts: u64,
    /// Of both, those with another content.
    pub conflicting: u64,
}

/// The records in order of arrival.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// Record n is the one with ledger index n.
    pub entries: Vec<Entry>,
    written: u64,
    batches: BTreeMap<(String, String), Acknowledged>,
    events: BTreeMap<(String, String, Option<Key>), RecordBody>,
}

impl Ledger {
    /// Of a whole history.
    pub fn of(batches: &[Batch]) -> Self {
        let mut ledger = Self::default();
        for batch in batches {
            ledger.write(batch);
        }
        ledger
    }

    /// How many records there are.
    pub fn size(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Appends a batch: facts before observations, none of them twice.
    pub fn write(&mut self, batch: &Batch) -> Acknowledged {
        let name = (batch.source.clone(), batch.batch_id.clone());
        if !batch.batch_id.is_empty()
            && let Some(before) = self.batches.get(&name)
        {
            return Acknowledged { duplicate_batch: true, ..before.clone() };
        }
        let mut told = Acknowledged {
            first_index: self.size(),
            ledger_size: 0,
            duplicate_batch: false,
            duplicate_events: 0,
            duplicate_facts: 0,
            conflicting: 0,
        };
        for fact in &batch.facts {
            let key = Key::of(&batch.source, &fact.subject);
            let body = RecordBody::Fact(fact.clone());
            self.append(&batch.source, &fact.event_id, Some(key), body, &mut told);
        }
        for seen in &batch.observations {
            let body = RecordBody::Observation(Box::new(seen.clone()));
            self.append(&batch.source, &seen.event_id, None, body, &mut told);
        }
        told.ledger_size = self.size();
        self.written += 1;
        self.batches.insert(name, told.clone());
        told
    }

    fn append(
        &mut self,
        source: &str,
        event: &str,
        key: Option<Key>,
        body: RecordBody,
        told: &mut Acknowledged,
    ) {
        if !event.is_empty() {
            let name = (source.to_owned(), event.to_owned(), key);
            if let Some(first) = self.events.get(&name) {
                *(if name.2.is_some() { &mut told.duplicate_facts } else { &mut told.duplicate_events }) += 1;
                told.conflicting += u64::from(*first != body);
                return;
            }
            self.events.insert(name, body.clone());
        }
        self.entries.push(Entry { source: source.to_owned(), batch: self.written, body });
    }
}
