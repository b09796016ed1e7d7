//! Where timelines take, change or lose a value.

use std::collections::BTreeSet;

use asof_model::{EdgeKind, Instant, Interval, NodeKind, State};

use crate::limits::keep;
use crate::plan::check_at;
use crate::span::same_state;
use crate::{ChangeKind, ChangeWhere, Direction, Edge, Key, Known, Node, QueryError, Window};

/// One moment at which a key's own timeline takes, changes or loses a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub time: Instant,
    /// The record that rules from then on or, where none does, the one that ruled until then.
    pub ledger_index: u64,
    /// What happened.
    pub kind: ChangeKind,
    /// To whom.
    pub key: Key,
    /// The state until then.
    pub before: State,
    /// The state from then on.
    pub after: State,
}

impl ChangeWhere {
    /// Where node or edge kinds are given, one of them.
    fn accepts_kind(&self, key: Key) -> bool {
        let nodes = self.node_kinds.as_deref().unwrap_or_default();
        let edges = self.edge_kinds.as_deref().unwrap_or_default();
        (nodes.is_empty() && edges.is_empty())
            || match key {
                Key::Node(node) => nodes.contains(&node.kind),
                Key::Edge(edge) => edges.contains(&edge.kind),
                Key::Coverage(_) => false,
            }
    }
}

impl Known {
    /// The changes of nodes and edges within the window, by (valid time, ledger index).
    ///
    /// # Errors
    /// [`QueryError::Limit`] for more than [`crate::ENTRIES_MAX`].
    pub fn changes(
        &self,
        t: Instant,
        filter: &ChangeWhere,
        during: &Window,
    ) -> Result<Vec<Change>, QueryError> {
        let window = during.bounds(t)?;
        let keys = match filter.id.as_ref().and_then(|wanted| wanted.named()) {
            Some(named) => self.keys_of(&named)?.into_iter().collect(),
            None => self.reader().keys()?,
        };
        let mut found = Vec::new();
        for (count, key) in keys.into_iter().enumerate() {
            check_at(self, count)?;
            if filter.accepts_kind(key) && self.is_about(filter, key)? {
                self.changes_of(key, window, filter, &mut found)?;
            }
        }
        found.sort_by_key(|change| (change.time, change.ledger_index));
        Ok(found)
    }

    /// Every key that names a node of one of these ids: the node, and its edges.
    fn keys_of(&self, ids: &[&str]) -> Result<BTreeSet<Key>, QueryError> {
        let mut keys = BTreeSet::new();
        for id in ids {
            for kind in NodeKind::ALL {
                let Some(node) = self.reader().lookup(*kind, id)? else { continue };
                keys.insert(Key::Node(node));
                for edge in EdgeKind::ALL {
                    let (from, to) = edge.ends();
                    if from == *kind {
                        self.edges_of(*edge, node, Direction::Out, &mut keys)?;
                    }
                    if to.is_none_or(|to| to == *kind) && *kind != NodeKind::Owner {
                        self.edges_of(*edge, node, Direction::In, &mut keys)?;
                    }
                }
            }
        }
        Ok(keys)
    }

    fn edges_of(
        &self,
        kind: EdgeKind,
        node: Node,
        direction: Direction,
        keys: &mut BTreeSet<Key>,
    ) -> Result<(), QueryError> {
        for other in self.neighbours(kind, node, direction)?.iter().copied() {
            let (from, to) = match direction {
                Direction::Out => (node, other),
                Direction::In => (other, node),
            };
            keys.insert(Key::Edge(Edge { kind, from, to }));
        }
        Ok(())
    }

    /// The id of the node, or of either end, matches.
    fn is_about(&self, filter: &ChangeWhere, key: Key) -> Result<bool, QueryError> {
        let Some(wanted) = &filter.id else { return Ok(true) };
        Ok(match key {
            Key::Node(node) => wanted.matches(&self.id(node)?),
            Key::Edge(edge) => wanted.matches(&self.id(edge.from)?) || wanted.matches(&self.id(edge.to)?),
            Key::Coverage(_) => false,
        })
    }

    fn changes_of(
        &self,
        key: Key,
        window: Interval,
        filter: &ChangeWhere,
        found: &mut Vec<Change>,
    ) -> Result<(), QueryError> {
        if matches!(key, Key::Coverage(_)) {
            return Ok(());
        }
        let timeline = self.timeline(key)?;
        let (mut before, mut ruled) = (&State::Never, None);
        for piece in timeline.pieces() {
            let kind = match (before.is_value(), piece.state.is_value()) {
                (true, true) => Some(ChangeKind::Changed).filter(|_| !same_state(before, &piece.state)),
                (false, true) => Some(ChangeKind::Began),
                (true, false) => Some(ChangeKind::Ended),
                (false, false) => None,
            };
            let wanted = kind.filter(|kind| filter.kinds.as_ref().is_none_or(|kinds| kinds.contains(kind)));
            if let (Some(kind), Some(ledger_index)) = (wanted, piece.ruler.or(ruled))
                && window.contains(piece.from)
            {
                let (before, after) = (before.clone(), piece.state.clone());
                let change = Change { time: piece.from, ledger_index, kind, key, before, after };
                keep(found, change, "changes")?;
            }
            (before, ruled) = (&piece.state, piece.ruler);
        }
        Ok(())
    }
}
