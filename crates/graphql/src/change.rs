//! Changes, and the steps of ways through the graph.

use asof_query as query;
use async_graphql::{ID, SimpleObject};

use crate::asked::Moment;
use crate::enums::{ChangeKind, NodeKind, StepKind};
use crate::failure::Failure;
use crate::page::Shown;
use crate::scalars::{DateTime, Long};
use crate::state::{State, Subject};

/// One moment at which a key's own timeline takes (BEGAN), changes or loses (ENDED) a value. ledgerIndex: the record that rules from
/// then on or, where none does, the one that ruled until then. before and after are null where there is no value.
#[derive(SimpleObject)]
pub(crate) struct Change {
    /// When, in the world.
    time: DateTime,
    /// The record that makes it.
    ledger_index: Long,
    /// What happens.
    kind: ChangeKind,
    /// To what.
    subject: Subject,
    /// What was so until then.
    before: Option<State>,
    /// What is so from then on.
    after: Option<State>,
}

impl Shown for Change {
    type Entry = query::Change;

    fn show(entry: &query::Change, moment: &Moment) -> Result<Self, Failure> {
        Ok(Self {
            time: entry.time.into(),
            ledger_index: Long(entry.ledger_index),
            kind: entry.kind.into(),
            subject: Subject::of(moment, entry.key)?,
            before: State::resolved(entry.key, &entry.before),
            after: State::resolved(entry.key, &entry.after),
        })
    }
}

/// A grant, and of whom it was asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GrantEntry {
    pub(crate) identity: query::Node,
    pub(crate) grant: query::Grant,
}

/// One step of a way.
#[derive(SimpleObject)]
pub(crate) struct Step {
    /// Over which edge.
    kind: StepKind,
    /// The kind of its first end.
    from_kind: NodeKind,
    /// Its first end.
    from: ID,
    /// The kind of its second end.
    to_kind: NodeKind,
    /// Its second end.
    to: ID,
}

impl Step {
    pub(crate) fn show(step: &query::Step, moment: &Moment) -> Result<Self, Failure> {
        Ok(Self {
            kind: step.kind.into(),
            from_kind: step.from.kind.into(),
            from: moment.id(step.from)?.into(),
            to_kind: step.to.kind.into(),
            to: moment.id(step.to)?.into(),
        })
    }
}
