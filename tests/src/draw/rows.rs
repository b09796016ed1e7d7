//! Answers as rows of text.

use asof_model::{CoverageValue, Instant, NodeRef, Op, PrivilegeSet};

use crate::naive::{Change, Merged, State, Step};

/// A row of observations.
pub fn event_row(seen: &asof_model::Observation, index: Option<u64>) -> String {
    let index = index.map(|index| format!("#{index} ")).unwrap_or_default();
    format!(
        "{index}{} {} {} {} on {:?} by {:?} with {:?} as {:?} from {:?} {:?} {:?} granted {}",
        seen.time,
        seen.identity,
        seen.privilege,
        seen.outcome,
        seen.resource,
        seen.action,
        seen.secret,
        seen.actor,
        seen.workload,
        seen.region,
        seen.source_ip,
        !seen.granted_by.is_empty()
    )
}

/// A new source. Which of the observations of one time is the first depends on the order of arrival.
pub fn source_row(source: &str, first: &asof_model::Observation, index: Option<u64>) -> String {
    let first = index.map_or_else(|| first.time.to_string(), |index| event_row(first, Some(index)));
    format!("{source} first {first}")
}

/// A row of entitlements.
pub fn grant_row(entitlement: &str, holder: &str, via: &[Step], whole: bool) -> String {
    format!("{entitlement} by {holder} over {}", path_row(via, whole))
}

/// A path; its steps depend on the order of arrival, its length does not.
pub fn path_row(steps: &[Step], whole: bool) -> String {
    let step = |step: &Step| {
        let [from, to] = [&step.from, &step.to].map(|end| format!("{:?} {}", end.kind, end.id));
        format!("{from} {:?} {to}", step.kind)
    };
    let steps: Vec<_> = steps.iter().filter(|_| whole).map(step).chain([steps.len().to_string()]).collect();
    steps.join(", ")
}

/// A node reached.
pub fn hop_row(node: &NodeRef, distance: u32) -> String {
    format!("{:?} {} at {distance}", node.kind, node.id)
}

/// A row of changes.
pub fn change_row(change: &Change, whole: bool) -> String {
    let state = |state: &State| match state {
        State::Value(merged) => value_row(merged),
        State::Never | State::Deleted => "no value".to_owned(),
    };
    let index = if whole { format!("#{} ", change.index) } else { String::new() };
    let Change { time, kind, key, before, after, .. } = change;
    format!("{index}{time} {kind:?} {key:?} from {} to {}", state(before), state(after))
}

/// A row of revisions. `batch`: of the batches that it is of, and of those before it in the list.
pub fn revision_row(stated: &Revision<'_>, whole: bool) -> String {
    let Revision { index, batch, source, op, from, to } = stated;
    let place = if whole { format!("#{index} of batch {batch} ") } else { String::new() };
    let op = match op {
        Op::Put(value) => format!("{value:?}"),
        Op::Delete | Op::End => format!("{op:?}"),
    };
    format!("{place}{source} {op} from {from} to {to}")
}

/// A recorded fact on a key.
#[derive(Debug)]
#[expect(missing_docs, reason = "as recorded")]
pub struct Revision<'a> {
    pub index: u64,
    /// How many of the batches in the list were recorded before its own.
    pub batch: usize,
    pub source: &'a str,
    pub op: &'a Op,
    pub from: Instant,
    pub to: Instant,
}

/// A count of a step.
pub fn step_row(start: Instant, count: u64) -> String {
    format!("{start}: {count}")
}

/// A count of a value.
pub fn facet_row(value: Option<&str>, count: u64) -> String {
    format!("{value:?}: {count}")
}

/// A coverage as stated.
pub fn coverage_row(source: &str, scope: &str, said: &CoverageValue) -> String {
    format!("{source} {scope:?} {said:?}")
}

/// A row of usage.
pub fn usage_row(
    privilege: asof_model::Privilege,
    resource: &str,
    counts: [u64; 3],
    first: Instant,
    last: Instant,
) -> String {
    format!("{privilege} on {resource:?} {counts:?} {first} to {last}")
}

/// A row of unused.
pub fn unused_row(
    entitlement: &str,
    privilege: asof_model::Privilege,
    since: Instant,
    last: Option<Instant>,
) -> String {
    format!("{entitlement} {privilege} since {since} last {}", moment(last))
}

/// A row of activity.
pub fn activity_row(
    start: Instant,
    held: PrivilegeSet,
    entitlements: u32,
    seen: impl Iterator<Item = (asof_model::Privilege, [u64; 3])>,
) -> String {
    let held: Vec<_> = held.iter().map(|each| each.name()).collect();
    let seen: Vec<_> = seen.map(|(privilege, counts)| format!("{privilege} {counts:?}")).collect();
    format!("{start} held {held:?} by {entitlements}, seen {seen:?}")
}

/// First and last use.
pub fn used_row(first: Option<Instant>, last: Option<Instant>) -> String {
    format!("first {} last {}", moment(first), moment(last))
}

/// Whether it exists.
pub fn existence_row(exists: bool) -> String {
    format!("exists: {exists}")
}

/// A state.
pub fn state_row(state: &State) -> String {
    match state {
        State::Never => "never stated".to_owned(),
        State::Deleted => "deleted".to_owned(),
        State::Value(merged) => value_row(merged),
    }
}

/// A value.
pub fn value_row(merged: &Merged) -> String {
    format!("{merged:?}")
}

/// A stretch of one state.
pub fn version_row(from: Instant, to: Instant, state: &State) -> String {
    format!("{from} to {to}: {}", state_row(state))
}

fn moment(at: Option<Instant>) -> String {
    at.map_or("never".to_owned(), |at| at.to_string())
}
