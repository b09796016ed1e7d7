//! Changes, and the steps of ways through the graph.

use asof_model::Instant;
use asof_query as query;
use async_graphql::{ID, SimpleObject};

use crate::asked::Moment;
use crate::enums::{ChangeKind, NodeKind, StepKind};
use crate::failure::Failure;
use crate::page::Shown;
use crate::rows::Plain;
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

/// A change as a list holds it: its states are read off the key's timeline when it is shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChangeEntry {
    time: Instant,
    ledger_index: u64,
    kind: query::ChangeKind,
    key: query::Key,
}

impl From<query::Change> for ChangeEntry {
    fn from(change: query::Change) -> Self {
        let query::Change { time, ledger_index, kind, key, .. } = change;
        Self { time, ledger_index, kind, key }
    }
}

impl Plain for Change {}

impl Shown for Change {
    type Entry = ChangeEntry;

    fn show(entry: &ChangeEntry, moment: &Moment) -> Result<Self, Failure> {
        let state = |at| moment.known.state(entry.key, at);
        let before = match entry.time {
            Instant::BEGINNING => asof_model::State::Never,
            time => state(Instant::from_nanos(time.nanos() - 1))?,
        };
        Ok(Self {
            time: entry.time.into(),
            ledger_index: Long(entry.ledger_index),
            kind: entry.kind.into(),
            subject: Subject::of(moment, entry.key)?,
            before: State::resolved(entry.key, &before),
            after: State::resolved(entry.key, &state(entry.time)?),
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
