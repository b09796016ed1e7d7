//! Which nodes: the filters that nest.

use async_graphql::InputObject;

use super::seen::{
    ChangedHoldsWhere, DeadSecretWhere, NewSourceWhere, ObservedWhere, UncoveredWhere, UnusedWhere, UsedWhere,
};
use super::{AttributeMatch, TextMatch, Window};
use crate::enums::{Privilege, SecretState};
use crate::scalars::{DateTime, Duration};

/// All given members must match (an implicit and). An empty filter matches every node that exists at asOf; with includeDeleted, also every
/// node that is deleted then: nothing of it is in force, so it holds nothing, but what it used, its drift and the like answer.
#[derive(InputObject)]
pub(crate) struct IdentityWhere {
    /// All of these.
    pub(crate) and: Option<Vec<IdentityWhere>>,
    /// One of these at least.
    pub(crate) or: Option<Vec<IdentityWhere>>,
    /// Not this.
    pub(crate) not: Option<Box<IdentityWhere>>,
    /// Its id.
    pub(crate) id: Option<TextMatch>,
    /// Its name at asOf.
    pub(crate) name: Option<TextMatch>,
    /// Its type at asOf.
    #[graphql(name = "type")]
    pub(crate) node_type: Option<TextMatch>,
    /// An attribute at asOf.
    pub(crate) attribute: Option<AttributeMatch>,
    /// Its state at asOf is a value. false: it is only discovered, named by an edge or an observation; or it is deleted (includeDeleted).
    pub(crate) inventoried: Option<bool>,
    /// Someone OWNS it at asOf.
    pub(crate) owned: Option<bool>,
    /// The id of one that OWNS it at asOf.
    pub(crate) owned_by: Option<TextMatch>,
    /// First stated to exist within the window (valid time).
    pub(crate) created_during: Option<Window>,
    /// What it is allowed to do.
    pub(crate) holds: Option<HoldsWhere>,
    /// What it was seen to do.
    pub(crate) used: Option<UsedWhere>,
    /// What it was seen to do without being allowed to: drift.
    pub(crate) used_without_holding: Option<UncoveredWhere>,
    /// HOLDS at asOf at least one ALLOW entitlement with a privilege that it has not used in the window.
    pub(crate) holds_unused: Option<UnusedWhere>,
    /// Whether someone was looking.
    pub(crate) observed: Option<ObservedWhere>,
    /// AUTHENTICATES_WITH such a secret at asOf.
    pub(crate) authenticates_with: Option<SecretWhere>,
    /// Used a secret that was dead.
    pub(crate) used_dead_secret: Option<DeadSecretWhere>,
    /// Seen first from some source.
    pub(crate) new_source: Option<NewSourceWhere>,
    /// The id of a workload that RUNS_AS it at asOf.
    pub(crate) runs_on: Option<TextMatch>,
    /// A group that it is in at asOf over a MEMBER_OF edge in force; effective: over one or more.
    pub(crate) member_of: Option<ReachWhere>,
    /// An identity that it has a CAN_ASSUME edge to in force at asOf; effective: any that it can come to act as, as `holds` has it (over its
    /// groups and over chains).
    pub(crate) can_assume: Option<ReachWhere>,
    /// Gained, between the window's start and its end, the last of what `holds` describes.
    pub(crate) gained: Option<ChangedHoldsWhere>,
    /// Lost, between the window's start and its end, the last of what `holds` describes.
    pub(crate) lost: Option<ChangedHoldsWhere>,
}

/// An identity is not its own group, nor one that it assumes, but over an edge to itself (effective: or a cycle back to it).
#[derive(InputObject)]
pub(crate) struct ReachWhere {
    /// The id of such a one; absent: any.
    pub(crate) id: Option<TextMatch>,
    /// Over more than one edge, too.
    #[graphql(default_with = "Some(false)")]
    pub(crate) effective: Option<bool>,
}

/// Holds any of `privileges` on `on`, a resource id or a glob; absent: `*`. Directly, by an entitlement that it itself holds; effective:
/// through its groups, and as any identity that it can come to act as, too. With throughout and sometime both, both must be so.
#[derive(InputObject)]
pub(crate) struct HoldsWhere {
    /// Any of these.
    pub(crate) privileges: Vec<Privilege>,
    /// A resource id or a glob.
    pub(crate) on: Option<String>,
    /// Also as any identity that it can come to act as.
    #[graphql(default_with = "Some(false)")]
    pub(crate) effective: Option<bool>,
    /// At every moment of the window, instead of at asOf, it holds any of them: not always the same one, nor by the same entitlement.
    pub(crate) throughout: Option<Window>,
    /// At one moment of the window at least, instead of at asOf, it holds any of them.
    pub(crate) sometime: Option<Window>,
    /// true, may hold: a conditional ALLOW counts, a conditional DENY does not. false, holds whatever the conditions: the reverse.
    #[graphql(default_with = "Some(true)")]
    pub(crate) conditional: Option<bool>,
    /// The id of the ALLOW entitlement by which it holds. Denials count whatever their id.
    pub(crate) entitlement: Option<TextMatch>,
}

/// Which secrets. All given members must match.
#[derive(InputObject)]
pub(crate) struct SecretWhere {
    /// All of these.
    pub(crate) and: Option<Vec<SecretWhere>>,
    /// One of these at least.
    pub(crate) or: Option<Vec<SecretWhere>>,
    /// Not this.
    pub(crate) not: Option<Box<SecretWhere>>,
    /// Its id.
    pub(crate) id: Option<TextMatch>,
    /// Its type at asOf.
    #[graphql(name = "type")]
    pub(crate) node_type: Option<TextMatch>,
    /// An attribute at asOf.
    pub(crate) attribute: Option<AttributeMatch>,
    /// Its state at asOf is a value.
    pub(crate) inventoried: Option<bool>,
    /// Someone OWNS it at asOf.
    pub(crate) owned: Option<bool>,
    /// Its state at asOf.
    pub(crate) state: Option<SecretState>,
    /// It expires at that moment or before.
    pub(crate) expired_by: Option<DateTime>,
    /// last_rotated_at, or issued_at where it was never rotated, is longer ago than this.
    pub(crate) not_rotated_for: Option<Duration>,
    /// The id of a resource that it is STORED_IN at asOf.
    pub(crate) stored_in: Option<TextMatch>,
    /// It is STORED_IN some resource at asOf.
    pub(crate) stored: Option<bool>,
    /// Observations with it.
    pub(crate) used: Option<UsedWhere>,
    /// Used while it was dead.
    pub(crate) used_dead: Option<DeadSecretWhere>,
    /// Seen first from some source.
    pub(crate) new_source: Option<NewSourceWhere>,
}

/// Which nodes of a kind. All given members must match.
#[derive(InputObject)]
pub(crate) struct NodeWhere {
    /// All of these.
    pub(crate) and: Option<Vec<NodeWhere>>,
    /// One of these at least.
    pub(crate) or: Option<Vec<NodeWhere>>,
    /// Not this.
    pub(crate) not: Option<Box<NodeWhere>>,
    /// Its id.
    pub(crate) id: Option<TextMatch>,
    /// Its name at asOf.
    pub(crate) name: Option<TextMatch>,
    /// Its type at asOf.
    #[graphql(name = "type")]
    pub(crate) node_type: Option<TextMatch>,
    /// An attribute at asOf.
    pub(crate) attribute: Option<AttributeMatch>,
    /// Its state at asOf is a value.
    pub(crate) inventoried: Option<bool>,
    /// Someone OWNS it at asOf.
    pub(crate) owned: Option<bool>,
}
