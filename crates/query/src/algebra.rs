//! The question: filters and windows as plain values, already checked for form. The meaning of each is DESIGN's, and
//! is stated beside it in the query contract.

use asof_model::{CoverageKind, Duration, Instant, Interval, NodeKind, Outcome, PrivilegeSet, SecretState};

/// A window as asked for. `to` absent: the point's T. Neither `from` nor `last`: from the beginning of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Window {
    /// Its first moment.
    pub from: Option<Instant>,
    /// The first moment after it.
    pub to: Option<Instant>,
    /// Instead of `from`: that long before `to`.
    pub last: Option<Duration>,
}

impl Window {
    /// Its bounds for a question asked at `at`.
    ///
    /// # Errors
    /// [`crate::QueryError::Invalid`] for an empty window, or one with both `from` and `last`.
    pub fn bounds(&self, at: Instant) -> Result<Interval, crate::QueryError> {
        let to = self.to.unwrap_or(at);
        let from = match (self.from, self.last) {
            (Some(_), Some(_)) => {
                return Err(crate::QueryError::invalid("a window has `from` or `last`, not both"));
            }
            (Some(from), None) => from,
            (None, Some(last)) => to.minus(last),
            (None, None) => Instant::BEGINNING,
        };
        Interval::new(from, to).ok_or_else(|| {
            crate::QueryError::invalid(format!(
                "the window is empty: from {from} to {to}; `to` must be later than `from`"
            ))
        })
    }
}

/// All given members must match. What is absent or empty matches nothing but `present: false` alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TextMatch {
    /// false: there is no text, that is, it is absent or empty. true: there is one.
    pub present: Option<bool>,
    /// Equal.
    pub eq: Option<String>,
    /// One of these.
    pub any_of: Option<Vec<String>>,
    /// Starts with.
    pub prefix: Option<String>,
    /// Contains.
    pub contains: Option<String>,
    /// Matches the glob.
    pub glob: Option<String>,
}

/// The state has the attribute, and its value matches where one is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeMatch {
    /// Its key.
    pub key: String,
    /// What its value must match.
    pub value: Option<TextMatch>,
}

/// Which nodes of a kind. All given members must match.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NodeWhere {
    /// All of them.
    pub and: Option<Vec<NodeWhere>>,
    /// One of them.
    pub or: Option<Vec<NodeWhere>>,
    /// Not it.
    pub not: Option<Box<NodeWhere>>,
    /// Its id.
    pub id: Option<TextMatch>,
    /// Its name at T.
    pub name: Option<TextMatch>,
    /// Its type at T.
    pub node_type: Option<TextMatch>,
    /// An attribute at T.
    pub attribute: Option<AttributeMatch>,
    /// Its state at T is a value.
    pub inventoried: Option<bool>,
    /// Someone OWNS it at T.
    pub owned: Option<bool>,
}

/// Which identities. All given members must match.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct IdentityWhere {
    /// All of them.
    pub and: Option<Vec<IdentityWhere>>,
    /// One of them.
    pub or: Option<Vec<IdentityWhere>>,
    /// Not it.
    pub not: Option<Box<IdentityWhere>>,
    /// id, name, type, attribute, inventoried, owned; its own and/or/not are absent here.
    pub node: NodeWhere,
    /// The id of one that OWNS it at T.
    pub owned_by: Option<TextMatch>,
    /// First stated to exist within the window.
    pub created_during: Option<Window>,
    /// Holds.
    pub holds: Option<HoldsWhere>,
    /// Used.
    pub used: Option<UsedWhere>,
    /// Drift.
    pub used_without_holding: Option<UncoveredWhere>,
    /// Unused.
    pub holds_unused: Option<UnusedWhere>,
    /// Observed.
    pub observed: Option<ObservedWhere>,
    /// AUTHENTICATES_WITH such a secret at T.
    pub authenticates_with: Option<SecretWhere>,
    /// Used a dead secret.
    pub used_dead_secret: Option<DeadSecretWhere>,
    /// Seen from a new source.
    pub new_source: Option<NewSourceWhere>,
    /// The id of a workload that RUNS_AS it at T.
    pub runs_on: Option<TextMatch>,
    /// Is in such a group at T.
    pub member_of: Option<ReachWhere>,
    /// Can assume such an identity at T.
    pub can_assume: Option<ReachWhere>,
    /// Did not hold at the window's start, holds at its end.
    pub gained: Option<ChangedHoldsWhere>,
    /// Held at the window's start, does not at its end.
    pub lost: Option<ChangedHoldsWhere>,
}

/// One that it reaches over an edge in force at T. It is itself among these only over an edge to itself or, where
/// `effective`, a cycle back to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReachWhere {
    /// Its id; absent: any.
    pub id: Option<TextMatch>,
    /// Over one or more edges: over groups of groups, or as Holds has whom it can come to act as.
    pub effective: bool,
}

/// Holds any of `privileges` on `on`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HoldsWhere {
    /// Any of these.
    pub privileges: PrivilegeSet,
    /// A resource id or a glob; absent: `*`.
    pub on: Option<String>,
    /// Also as one that it can come to act as.
    pub effective: bool,
    /// At every moment of the window.
    pub throughout: Option<Window>,
    /// At one moment of the window.
    pub sometime: Option<Window>,
    /// true: may hold. false: holds whatever the conditions.
    pub conditional: bool,
    /// The id of the ALLOW entitlement.
    pub entitlement: Option<TextMatch>,
}

/// At least `min_count` observations match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedWhere {
    /// When.
    pub during: Window,
    /// What.
    pub seen: SeenWhere,
    /// At least so many; 1 unless said otherwise.
    pub min_count: u64,
}

/// The members that UsedWhere and ObservationWhere share.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SeenWhere {
    /// Any of these; absent: all.
    pub privileges: Option<PrivilegeSet>,
    /// The resource's id or a glob; an observation without a resource matches none.
    pub on: Option<String>,
    /// The source's own name, exactly.
    pub action: Option<String>,
    /// Any of these; absent: all. (UsedWhere's default, SUCCESS, is put in where the question is read.)
    pub outcomes: Option<Vec<Outcome>>,
    /// Region.
    pub region: Option<TextMatch>,
    /// Address.
    pub source_ip: Option<TextMatch>,
    /// Workload id.
    pub workload: Option<TextMatch>,
    /// Secret id.
    pub secret: Option<TextMatch>,
    /// Actor id.
    pub actor: Option<TextMatch>,
}

/// Which observations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObservationWhere {
    /// The shared members.
    pub seen: SeenWhere,
    /// Identity id.
    pub identity: Option<TextMatch>,
    /// May hold, as itself, what it used.
    pub covered: Option<bool>,
    /// granted_by is not empty.
    pub explained: Option<bool>,
    /// Some POSTURE coverage matches it at its own time.
    pub posture_known: Option<bool>,
}

/// Drift.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UncoveredWhere {
    /// Of these observations at least `min_count`.
    pub used: UsedWhere,
    /// May hold none of these; absent: the observation's own privilege.
    pub covered_by: Option<PrivilegeSet>,
    /// Nor as one that it can come to act as.
    pub effective: bool,
    /// granted_by is not empty, or is.
    pub explained: Option<bool>,
    /// Some POSTURE coverage matches, or none.
    pub posture_known: Option<bool>,
}

/// Holds something that it has not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnusedWhere {
    /// Of these; absent: all.
    pub privileges: Option<PrivilegeSet>,
    /// Not used in it.
    pub during: Window,
}

/// Someone was looking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedWhere {
    /// At every moment of it.
    pub during: Window,
    /// For every one of these; absent: all.
    pub privileges: Option<PrivilegeSet>,
    /// On this resource id or glob; absent: `*`.
    pub on: Option<String>,
    /// Of this kind.
    pub kind: CoverageKind,
}

/// A SUCCESS observation with a secret that was then dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadSecretWhere {
    /// In this window.
    pub during: Window,
    /// Dead for that long before, too.
    pub grace_after: Option<Duration>,
    /// Or a survivor.
    pub survivors: bool,
}

/// What a node can be seen from, or with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceDimension {
    /// Workload.
    Workload,
    /// Region.
    Region,
    /// Address.
    SourceIp,
    /// Secret.
    Secret,
    /// Resource.
    Resource,
    /// Actor.
    Actor,
}

/// Seen first from some source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSourceWhere {
    /// Which dimension.
    pub of: SourceDimension,
    /// In this window.
    pub during: Window,
}

/// Held, or not, at a window's two ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedHoldsWhere {
    /// What; its `throughout` and `sometime` have no meaning here.
    pub holds: HoldsWhere,
    /// Between which moments.
    pub between: Window,
}

/// Which secrets. All given members must match.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SecretWhere {
    /// All of them.
    pub and: Option<Vec<SecretWhere>>,
    /// One of them.
    pub or: Option<Vec<SecretWhere>>,
    /// Not it.
    pub not: Option<Box<SecretWhere>>,
    /// id, type, attribute, inventoried, owned; its own and/or/not and name are absent here.
    pub node: NodeWhere,
    /// The state at T.
    pub state: Option<SecretState>,
    /// expires_at is at or before.
    pub expired_by: Option<Instant>,
    /// Last rotated, or issued, longer ago than this.
    pub not_rotated_for: Option<Duration>,
    /// The id of a resource that it is STORED_IN at T.
    pub stored_in: Option<TextMatch>,
    /// Is STORED_IN any.
    pub stored: Option<bool>,
    /// Used.
    pub used: Option<UsedWhere>,
    /// Used while dead.
    pub used_dead: Option<DeadSecretWhere>,
    /// Seen from a new source.
    pub new_source: Option<NewSourceWhere>,
}

/// Which coverages. All given members must match.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CoverageWhere {
    /// Of these.
    pub kinds: Option<Vec<CoverageKind>>,
    /// Who states it.
    pub source: Option<TextMatch>,
    /// Its scope.
    pub scope: Option<TextMatch>,
    /// It speaks of this identity: one of its globs matches the id, or it has none.
    pub identity: Option<String>,
}

/// What happened to a key at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Takes a value.
    Began,
    /// Its value changes.
    Changed,
    /// Loses it.
    Ended,
}

/// Which changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangeWhere {
    /// Of these.
    pub kinds: Option<Vec<ChangeKind>>,
    /// Of a node of these kinds ...
    pub node_kinds: Option<Vec<NodeKind>>,
    /// ... or an edge of these.
    pub edge_kinds: Option<Vec<asof_model::EdgeKind>>,
    /// The id of the node, or of either end.
    pub id: Option<TextMatch>,
}

/// The order of a list of identities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IdentityOrder {
    /// First appearance in the ledger.
    #[default]
    Appearance,
    /// By id, in code point order.
    Id,
    /// Latest use first, never last, ties by appearance.
    LastUsed,
}
