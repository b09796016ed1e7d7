//! What is behind a match: the uses of dead secrets, and the first sights from new sources.

use std::ops::ControlFlow;
use std::sync::Arc;

use asof_model::{Instant, NodeKind};

use crate::limits::{ENTRIES_MAX, keep, within};
use crate::used::NewSources;
use crate::watch::Watch as _;
use crate::{DeadSecretWhere, Event, EventList, Known, NewSourceWhere, Node, QueryError, Role, Text};

/// What a node was seen from, or with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A node: a workload, a secret, a resource, an actor.
    Node(Node),
    /// A text: a region, an address.
    Text(Text),
}

/// A source that a node was first seen from, and the earliest SUCCESS observation of the pair: the first in the ledger
/// among those of that time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewSource {
    /// The source; [`Known::source_text`] gives its id or text.
    pub source: Source,
    /// The observation.
    pub first: Event,
}

impl Role {
    /// As what a node can be seen.
    pub(crate) fn of_node(node: Node) -> Result<Self, QueryError> {
        match node.kind {
            NodeKind::Identity => Ok(Self::Identity),
            NodeKind::Secret => Ok(Self::Secret),
            kind => Err(QueryError::invalid(format!("an IDENTITY or a SECRET is seen in use, no {kind}"))),
        }
    }
}

impl Known {
    /// The uses of dead secrets by an identity, or of a secret, by (time, ledger index): [`EventList::DeadUses`], whole.
    ///
    /// # Errors
    /// [`QueryError::Limit`] for more than [`ENTRIES_MAX`]; [`QueryError::Invalid`] for a node of another kind.
    pub fn dead_uses(
        &self,
        t: Instant,
        node: Node,
        filter: &DeadSecretWhere,
    ) -> Result<Vec<Event>, QueryError> {
        let list = EventList::DeadUses { node, filter: filter.clone() };
        let found = self.events(t, &list, None, ENTRIES_MAX as usize + 1)?;
        within("observations", found.len() as u64, ENTRIES_MAX, "ENTRIES_MAX")?;
        Ok(found)
    }

    /// The sources that an identity, or a secret, was first seen from in the window, by the pair's first observation.
    ///
    /// # Errors
    /// [`QueryError::Limit`] for more than [`ENTRIES_MAX`]; [`QueryError::Invalid`] for a node of another kind.
    pub fn new_sources(
        &self,
        t: Instant,
        node: Node,
        filter: &NewSourceWhere,
    ) -> Result<Vec<NewSource>, QueryError> {
        let (role, new) = (Role::of_node(node)?, NewSources::of(filter, t)?);
        let (mut seen, mut found) = (Default::default(), Vec::new());
        self.scan(role.axis(node.ordinal), new.during(), false, |event| {
            if new.feed(self, event, &mut seen)?
                && let Some(source) = new.source(event)
            {
                let first = NewSource { source, first: *event };
                keep(&mut found, first, "new sources")?;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    /// A source's id or text.
    pub fn source_text(&self, source: Source) -> Result<Arc<str>, QueryError> {
        match source {
            Source::Node(node) => self.id(node),
            Source::Text(text) => self.text(text),
        }
    }
}
