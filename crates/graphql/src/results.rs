//! What questions about identities answer with.

use asof_model::Interval as Stretch;
use asof_query as query;
use async_graphql::{ID, SimpleObject};

use crate::asked::{Moment, Snapshot};
use crate::change::Step;
use crate::enums::{NodeKind, Privilege, privileges};
use crate::failure::Failure;
use crate::node::Entitlement;
use crate::observation::Observation;
use crate::page::Shown as _;
use crate::rows::{Rows, plain};
use crate::scalars::{DateTime, Long};

/// Observed use of one privilege on one resource.
#[derive(SimpleObject)]
pub(crate) struct Usage {
    /// What was used.
    privilege: Privilege,
    /// On what; null where none is named.
    resource: Option<String>,
    /// How often it was done.
    successes: Long,
    /// How often it was refused.
    denials: Long,
    /// How often it failed otherwise.
    errors: Long,
    /// The first of all these.
    first: DateTime,
    /// The last of all these.
    last: DateTime,
}

impl Usage {
    pub(crate) fn show(usage: &query::Usage, moment: &Moment) -> Result<Self, Failure> {
        Ok(Self {
            privilege: usage.privilege.into(),
            resource: usage.resource.map(|node| moment.id(node)).transpose()?,
            successes: Long(usage.counts.successes),
            denials: Long(usage.counts.denials),
            errors: Long(usage.counts.errors),
            first: usage.first.into(),
            last: usage.last.into(),
        })
    }
}

/// A privilege that is held by an entitlement and was not used: what could be taken away.
#[derive(SimpleObject)]
pub(crate) struct UnusedPrivilege {
    /// By what it is held.
    entitlement: Entitlement,
    /// What is held.
    privilege: Privilege,
    /// Since when it is held without a break.
    held_since: DateTime,
    /// The latest such use up to and at asOf, whatever the window.
    last_used: Option<DateTime>,
}

impl UnusedPrivilege {
    pub(crate) fn show(unused: &query::Unused, moment: &Moment) -> Result<Self, Failure> {
        Ok(Self {
            entitlement: Entitlement::show(&unused.entitlement, moment)?,
            privilege: unused.privilege.into(),
            held_since: unused.held_since.into(),
            last_used: unused.last_used.map(Into::into),
        })
    }
}

/// gaps: the maximal stretches of the window at which it is not observed for one of the privileges at least. complete: there are none.
#[derive(SimpleObject)]
pub(crate) struct Coverage {
    /// There are no gaps.
    complete: bool,
    /// When nobody was looking.
    gaps: Vec<Interval>,
}

impl Coverage {
    pub(crate) fn of(gaps: &[Stretch]) -> Self {
        let gaps =
            gaps.iter().map(|gap| Interval { from: gap.from.into(), to: gap.to.into() }).collect::<Vec<_>>();
        Self { complete: gaps.is_empty(), gaps }
    }
}

/// Half-open, within the window.
#[derive(SimpleObject)]
pub(crate) struct Interval {
    /// Its first moment.
    from: DateTime,
    /// The first moment after it.
    to: DateTime,
}

/// A step of an identity's timeline.
#[derive(SimpleObject)]
pub(crate) struct TimelinePoint {
    /// The step's first moment.
    start: DateTime,
    /// What may be held then, as itself, on `*`.
    held: Vec<Privilege>,
    /// How many entitlements it HOLDS itself then.
    entitlements: i32,
    /// What was observed within the step.
    observations: Rows<PrivilegeCount>,
}

impl From<query::TimelinePoint> for TimelinePoint {
    fn from(point: query::TimelinePoint) -> Self {
        let counted = |(privilege, counts): (asof_model::Privilege, query::Counts)| PrivilegeCount {
            privilege: privilege.into(),
            successes: Long(counts.successes),
            denials: Long(counts.denials),
            errors: Long(counts.errors),
        };
        Self {
            start: point.start.into(),
            held: privileges(point.held),
            entitlements: i32::try_from(point.entitlements).unwrap_or(i32::MAX),
            observations: point.observations.into_iter().map(counted).collect(),
        }
    }
}

/// Observations of one privilege.
#[derive(SimpleObject)]
pub(crate) struct PrivilegeCount {
    /// Which.
    privilege: Privilege,
    /// How often it was done.
    successes: Long,
    /// How often it was refused.
    denials: Long,
    /// How often it failed otherwise.
    errors: Long,
}

/// A source that a node was first seen from: its id or text, and the earliest SUCCESS observation of the pair (the first in the ledger among
/// those of that time).
#[derive(SimpleObject)]
pub(crate) struct NewSource {
    /// The source's id or text.
    source: String,
    /// The earliest of the pair.
    first: Observation,
}

impl NewSource {
    pub(crate) fn show(new: &query::NewSource, moment: &Moment) -> Result<Self, Failure> {
        Ok(Self {
            source: moment.known.source_text(new.source)?.to_string(),
            first: Observation::show(&new.first, moment)?,
        })
    }
}

/// How many match at the start of a step.
#[derive(SimpleObject)]
pub(crate) struct TrendPoint {
    /// The step's first moment.
    pub(crate) start: DateTime,
    /// How many match then.
    pub(crate) count: i32,
}

/// value null: those without one. Most first, then by value, null last. An identity with several owners counts for each.
#[derive(SimpleObject)]
pub(crate) struct Facet {
    /// The field's value.
    pub(crate) value: Option<String>,
    /// How many have it.
    pub(crate) count: i32,
}

/// The identities within maxHops over MEMBER_OF and CAN_ASSUME, the start itself at distance 0, and the existing resources on which the
/// start, or one of them that another of them nearer than maxHops can assume, is as itself (with its bundle) allowed one of the
/// privileges (absent: any); a resource is as far as the nearest such identity.
/// From a secret or a workload that exists: the identities with an AUTHENTICATES_WITH edge to it, or that it has a RUNS_AS edge to, are at
/// distance 1 and act as themselves; the start is no identity and is not among the hops.
/// hops: identities, then resources, each by distance, then appearance; the first ones alone.
#[derive(SimpleObject)]
pub(crate) struct BlastRadius {
    /// How many are reached, the start among them where it is one.
    pub(crate) identities: Long,
    /// How many are reached.
    pub(crate) resources: Long,
    /// The first of them.
    pub(crate) hops: Rows<Hop>,
    /// What the answer was computed from.
    pub(crate) snapshot: Snapshot,
}

/// What is reached, and how far it is.
#[derive(SimpleObject)]
pub(crate) struct Hop {
    /// An identity or a resource.
    pub(crate) kind: NodeKind,
    /// Its id.
    pub(crate) id: ID,
    /// Over how many edges.
    pub(crate) distance: i32,
}

/// Visits no node twice. Edges are walked from `from` to `to`; denials and conditions do not cut a path. Ordered by length, then step by
/// step by the first appearance of the step's end, then by its kind.
#[derive(SimpleObject)]
pub(crate) struct Path {
    /// How many steps it has.
    length: i32,
    /// From `from` to `to`.
    steps: Vec<Step>,
}

impl Path {
    pub(crate) fn show(steps: &[query::Step], moment: &Moment) -> Result<Self, Failure> {
        let steps = steps.iter().map(|step| Step::show(step, moment)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { length: steps.len() as i32, steps })
    }
}

/// The ledger at the request's default point.
#[derive(SimpleObject)]
pub(crate) struct LedgerInfo {
    /// How many records it has.
    pub(crate) size: Long,
    /// The Merkle root over them, in lower-case hexadecimal digits.
    pub(crate) root: String,
    /// When the last of them was recorded.
    pub(crate) recorded_at: Option<DateTime>,
    /// The signed checkpoint; empty as long as checkpoints are not signed.
    pub(crate) checkpoint: String,
}

plain!(Usage {
    "privilege" => privilege,
    "resource" => resource,
    "successes" => successes,
    "denials" => denials,
    "errors" => errors,
    "first" => first,
    "last" => last
});
plain!(UnusedPrivilege {
    "entitlement" => entitlement,
    "privilege" => privilege,
    "heldSince" => held_since,
    "lastUsed" => last_used
});
plain!(TimelinePoint {
    "start" => start,
    "held" => held,
    "entitlements" => entitlements,
    "observations" => observations
});
plain!(PrivilegeCount {
    "privilege" => privilege,
    "successes" => successes,
    "denials" => denials,
    "errors" => errors
});
plain!(Hop { "kind" => kind, "id" => id, "distance" => distance });
