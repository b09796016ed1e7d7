//! A full listing held against what its source stated before.

use std::collections::HashSet;

use asof_model::{
    Batch, EdgeRef, Fact, Instant, Listing, NodeRef, Op, RecordBody, State, Statement, Subject, Timeline,
    Value,
};

use crate::canonical;
use crate::db::Family;
use crate::error::{StorageError, corrupt};
use crate::keys::{self, NodeKey, Space, TimelineKey};
use crate::prepared::{Prepared, digest};
use crate::store::Group;
use crate::views::{decode_statement, parse_name};

/// What a listing came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reconciled {
    /// PUT: its source's own timeline did not hold it then.
    pub created: u64,
    /// PUT: with another value, or the sources together held it as deleted.
    pub changed: u64,
    /// END: no longer listed.
    pub ended: u64,
    /// No record.
    pub unchanged: u64,
    /// The ledger size after it.
    pub ledger_size: u64,
}

/// What is so of a key at the listing's moment.
struct Standing {
    own: State,
    together_deleted: bool,
}

impl Group<'_> {
    /// Takes in a listing that has no faults: writes what differs as one batch, or nothing where nothing does.
    pub fn reconcile(&mut self, listing: Listing, now: Instant) -> Result<Reconciled, StorageError> {
        let request = digest_of(&listing);
        let mut listed: HashSet<&Subject> = HashSet::new();
        let parts: Vec<&(Subject, Value)> =
            listing.parts.iter().filter(|part| listed.insert(&part.0)).collect();
        let mut found = Reconciled::default();
        if self.known(&listing.source, &listing.batch_id, &request)?.is_some() {
            found.unchanged = parts.len() as u64;
            found.ledger_size = self.size();
            return Ok(found);
        }
        let source =
            self.views.dictionary().lookup(Space::Sources, listing.source.as_bytes(), &self.pending)?;
        let mut facts: Vec<Fact> = Vec::new();
        let mut keys_listed = HashSet::new();
        for (subject, value) in &parts {
            let standing = match self.key_of(subject)? {
                Some(key) => {
                    keys_listed.insert(key);
                    self.standing(key, source, listing.at)?
                }
                None => Standing { own: State::Never, together_deleted: false },
            };
            match standing.own.value() {
                Some(own) if **own == *value && !standing.together_deleted => {
                    found.unchanged += 1;
                    continue;
                }
                Some(_) => found.changed += 1,
                None => found.created += 1,
            }
            facts.push(listing.fact(subject.clone(), Op::Put(value.clone())));
        }
        if let Some(source) = source {
            for (row, _) in self.pending.prefixed(Family::BySource, &source.to_be_bytes())? {
                let key = keys::by_source_from(&row)?;
                let ends = !matches!(key, TimelineKey::Coverage(_))
                    && !keys_listed.contains(&key)
                    && self.standing(key, Some(source), listing.at)?.own.is_value();
                if ends {
                    facts.push(listing.fact(self.subject_of(key)?, Op::End));
                    found.ended += 1;
                }
            }
        }
        // A batch_id is remembered even where nothing differs: with another content it is refused.
        if facts.is_empty() && listing.batch_id.is_empty() {
            found.ledger_size = self.size();
            return Ok(found);
        }
        let batch = Batch {
            source: listing.source.clone(),
            batch_id: listing.batch_id.clone(),
            facts,
            observations: Vec::new(),
        };
        found.ledger_size =
            self.append(Prepared { digest: request, ..Prepared::of(batch) }, now)?.ledger_size;
        Ok(found)
    }

    fn key_of(&mut self, subject: &Subject) -> Result<Option<TimelineKey>, StorageError> {
        let mut node = |kind, id: &str| -> Result<Option<NodeKey>, StorageError> {
            let space = Space::Nodes(kind);
            let ordinal = self.views.dictionary().lookup(space, id.as_bytes(), &self.pending)?;
            Ok(ordinal.map(|ordinal| NodeKey { kind, ordinal }))
        };
        Ok(match subject {
            Subject::Node(said) => node(said.kind, &said.id)?.map(TimelineKey::Node),
            Subject::Edge(edge) => {
                let (from, to) = (node(edge.from_kind(), &edge.from)?, node(edge.to_kind, &edge.to)?);
                from.zip(to).map(|(from, to)| TimelineKey::Edge { kind: edge.kind, from, to })
            }
            Subject::Coverage(_) => None,
        })
    }

    fn standing(&self, key: TimelineKey, source: Option<u32>, at: Instant) -> Result<Standing, StorageError> {
        let mut all: Vec<Statement> = Vec::new();
        for (row, value) in self.pending.prefixed(Family::Statements, &keys::timeline(key))? {
            all.push(decode_statement(keys::statement_from(&row)?.1, &value)?);
        }
        let together_deleted = *Timeline::resolve(&all).at(at) == State::Deleted;
        all.retain(|statement| Some(statement.source) == source);
        Ok(Standing { own: Timeline::resolve(&all).at(at).clone(), together_deleted })
    }

    fn subject_of(&self, key: TimelineKey) -> Result<Subject, StorageError> {
        let id = |node: NodeKey| -> Result<String, StorageError> {
            let row = self.pending.get(Family::Names, &keys::name(Space::Nodes(node.kind), node.ordinal))?;
            let row = row.ok_or_else(|| corrupt(format!("{} {} has no name", node.kind, node.ordinal)))?;
            String::from_utf8(parse_name(&row)?.1.to_vec()).map_err(|_| corrupt("a name is not UTF-8"))
        };
        match key {
            TimelineKey::Node(node) => Ok(Subject::Node(NodeRef { kind: node.kind, id: id(node)? })),
            TimelineKey::Edge { kind, from, to } => {
                Ok(Subject::Edge(EdgeRef { kind, from: id(from)?, to_kind: to.kind, to: id(to)? }))
            }
            TimelineKey::Coverage(_) => Err(corrupt("a coverage among nodes and edges")),
        }
    }
}

/// The request's digest: of the moment and of all that is listed, in the order sent.
fn digest_of(listing: &Listing) -> [u8; 32] {
    let facts = listing.parts.iter().map(|(subject, value)| {
        canonical::encode_body(&RecordBody::Fact(listing.fact(subject.clone(), Op::Put(value.clone()))))
    });
    let at = listing.at.nanos().to_be_bytes().to_vec();
    let bodies: Vec<Vec<u8>> = std::iter::once(b"listing".to_vec()).chain([at]).chain(facts).collect();
    digest(&listing.source, &listing.batch_id, bodies.iter().map(Vec::as_slice))
}
