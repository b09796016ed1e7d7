//! What was seen, and by whom: the filters over observations, coverages and changes.

use async_graphql::{ID, InputObject};

use super::filters::HoldsWhere;
use super::{TextMatch, Window};
use crate::enums::{ChangeKind, CoverageKind, EdgeKind, NodeKind, Outcome, Privilege, SourceDimension};
use crate::scalars::Duration;

/// At least minCount observations in the window match. outcomes default: SUCCESS alone. on: resource id or glob.
#[derive(InputObject)]
pub(crate) struct UsedWhere {
    /// Any of these; absent: all.
    pub(crate) privileges: Option<Vec<Privilege>>,
    /// When.
    pub(crate) during: Window,
    /// A resource id or a glob; an observation that names no resource matches none.
    pub(crate) on: Option<String>,
    /// The source's own name of the action, exactly.
    pub(crate) action: Option<String>,
    /// Any of these.
    #[graphql(default_with = "Some(vec![Outcome::Success])")]
    pub(crate) outcomes: Option<Vec<Outcome>>,
    /// Where.
    pub(crate) region: Option<TextMatch>,
    /// From which address.
    pub(crate) source_ip: Option<TextMatch>,
    /// From which workload, by id.
    pub(crate) workload: Option<TextMatch>,
    /// With which secret, by id.
    pub(crate) secret: Option<TextMatch>,
    /// Who stood behind, by id.
    pub(crate) actor: Option<TextMatch>,
    /// At least so many.
    #[graphql(default_with = "Some(1)")]
    pub(crate) min_count: Option<i32>,
}

/// At least minCount (as `used` has it) of the observations that match `used` are of an identity that, at the observation's own time, may
/// hold none of coveredBy on its resource (on `*`, where it names none).
#[derive(InputObject)]
pub(crate) struct UncoveredWhere {
    /// Which observations.
    pub(crate) used: UsedWhere,
    /// Default: the observation's own privilege.
    pub(crate) covered_by: Option<Vec<Privilege>>,
    /// Nor as any identity that it can come to act as.
    #[graphql(default_with = "Some(false)")]
    pub(crate) effective: Option<bool>,
    /// Only uncovered observations whose granted_by is not empty (true) or is empty (false) count. Absent: either.
    pub(crate) explained: Option<bool>,
    /// At the observation's own time some POSTURE coverage matches its identity, privilege and resource.
    pub(crate) posture_known: Option<bool>,
}

/// An observation that names no resource uses its privilege of every entitlement of its identity.
#[derive(InputObject)]
pub(crate) struct UnusedWhere {
    /// Of these; absent: all.
    pub(crate) privileges: Option<Vec<Privilege>>,
    /// Not used in it.
    pub(crate) during: Window,
}

/// At every moment of the window and for every one of the privileges (absent: all of them) some coverage of the kind that is a value matches the
/// identity, the privilege and `on`: a resource id that one of its resource globs matches, or a glob (absent: `*`) that one of them
/// includes. Different coverages may serve different moments and privileges.
#[derive(InputObject)]
pub(crate) struct ObservedWhere {
    /// At every moment of it.
    pub(crate) during: Window,
    /// For every one of these.
    pub(crate) privileges: Option<Vec<Privilege>>,
    /// A resource id or a glob.
    pub(crate) on: Option<String>,
    /// Of this kind.
    #[graphql(default_with = "Some(CoverageKind::Observations)")]
    pub(crate) kind: Option<CoverageKind>,
}

/// A SUCCESS observation in the window with a secret that was then dead. survivors: or a survivor. graceAfter: at every moment of that
/// long before the observation and at its own, it was dead (survivors: dead or a survivor).
#[derive(InputObject)]
pub(crate) struct DeadSecretWhere {
    /// When it was used.
    pub(crate) during: Window,
    /// Dead for that long before, too.
    pub(crate) grace_after: Option<Duration>,
    /// Or one that lives on though it descends from a dead one.
    #[graphql(default_with = "Some(false)")]
    pub(crate) survivors: Option<bool>,
}

/// The earliest SUCCESS observation of (this node, this source) falls in the window, and the node's own earliest SUCCESS observation is
/// earlier than that.
#[derive(InputObject)]
pub(crate) struct NewSourceWhere {
    /// Which kind of source.
    pub(crate) of: SourceDimension,
    /// When it was first seen.
    pub(crate) during: Window,
}

/// What `holds` describes, at the window's two ends.
#[derive(InputObject)]
pub(crate) struct ChangedHoldsWhere {
    /// What is held.
    pub(crate) holds: HoldsWhere,
    /// Between which moments.
    pub(crate) between: Window,
}

/// UsedWhere's members, but all outcomes where none is named. covered: may hold, as itself, what it used, as DESIGN.md has it.
/// explained: its granted_by is not empty.
#[derive(InputObject, Default)]
pub(crate) struct ObservationWhere {
    /// Whose permissions were used, by id.
    pub(crate) identity: Option<TextMatch>,
    /// Any of these; absent: all.
    pub(crate) privileges: Option<Vec<Privilege>>,
    /// A resource id or a glob; an observation that names no resource matches none.
    pub(crate) on: Option<String>,
    /// The source's own name of the action, exactly.
    pub(crate) action: Option<String>,
    /// Any of these; absent: all.
    pub(crate) outcomes: Option<Vec<Outcome>>,
    /// Where.
    pub(crate) region: Option<TextMatch>,
    /// From which address.
    pub(crate) source_ip: Option<TextMatch>,
    /// From which workload, by id.
    pub(crate) workload: Option<TextMatch>,
    /// With which secret, by id.
    pub(crate) secret: Option<TextMatch>,
    /// Who stood behind, by id.
    pub(crate) actor: Option<TextMatch>,
    /// Its identity may hold, as itself, what it used.
    pub(crate) covered: Option<bool>,
    /// Its granted_by is not empty.
    pub(crate) explained: Option<bool>,
    /// At the observation's own time some POSTURE coverage matches its identity, privilege and resource.
    pub(crate) posture_known: Option<bool>,
}

/// Which coverages. All given members must match.
#[derive(InputObject)]
pub(crate) struct CoverageWhere {
    /// Any of these.
    pub(crate) kinds: Option<Vec<CoverageKind>>,
    /// Who stated it.
    pub(crate) source: Option<TextMatch>,
    /// Its scope: its source's own name for it.
    pub(crate) scope: Option<TextMatch>,
    /// It speaks of this identity: one of its globs matches the id, or it has none.
    pub(crate) identity: Option<ID>,
}

/// nodeKinds and edgeKinds: where either is given, the subject is of one of these kinds. id: the node's, or that of either end.
#[derive(InputObject)]
pub(crate) struct ChangeWhere {
    /// Any of these.
    pub(crate) kinds: Option<Vec<ChangeKind>>,
    /// A node of one of these kinds.
    pub(crate) node_kinds: Option<Vec<NodeKind>>,
    /// An edge of one of these kinds.
    pub(crate) edge_kinds: Option<Vec<EdgeKind>>,
    /// The node's id, or that of either end.
    pub(crate) id: Option<TextMatch>,
}
