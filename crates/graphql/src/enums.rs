//! The contract's enumerations, as GraphQL sees them.

use async_graphql::Enum;

/// What a node is.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "asof_model::NodeKind")]
pub(crate) enum NodeKind {
    /// Service account, role, group, workload identity, OAuth app, AI agent; `type` says which.
    Identity,
    /// A permission set that an identity can hold: privileges on scopes, allowed or denied.
    Entitlement,
    /// API key, token, certificate, password, SSH key, signing key.
    Secret,
    /// Pod, VM, function, CI job, agent runtime.
    Workload,
    /// What entitlements and observations point at: bucket, database, API, namespace, tool.
    Resource,
    /// Human, team, vendor.
    Owner,
}

/// What an edge says of its two ends.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "asof_model::EdgeKind")]
pub(crate) enum EdgeKind {
    /// Identity to entitlement.
    Holds,
    /// Identity to identity: the member has all that the group holds, denials too.
    MemberOf,
    /// Identity to identity: the first can act as the second.
    CanAssume,
    /// Identity to secret.
    AuthenticatesWith,
    /// Workload to identity.
    RunsAs,
    /// Workload to secret: it is delivered to, or found in, the workload.
    Mounts,
    /// Owner to any kind but owner.
    Owns,
    /// Resource to resource.
    Contains,
    /// Secret to resource: vault, repository, config file.
    StoredIn,
    /// Secret to secret: the second was minted with the first.
    Issued,
}

/// The class of an action; none implies another. AUTHENTICATE and OTHER are seen, never held.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "asof_model::Privilege")]
pub(crate) enum Privilege {
    /// Enumerate.
    List,
    /// Read.
    Read,
    /// Write.
    Write,
    /// Delete, purge, overwrite for good.
    DeleteData,
    /// Tag.
    Tag,
    /// Invoke, run.
    Execute,
    /// Act as another identity, or mint its credentials.
    Assume,
    /// Read secret material, decrypt.
    SecretRead,
    /// Change who may do what: permissions management.
    Admin,
    /// Signed in, obtained a token. Seen, never held.
    Authenticate,
    /// An action that no catalogue knows. Seen, never held.
    Other,
}

/// How an observed action ended.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "asof_model::Outcome")]
pub(crate) enum Outcome {
    /// It was done.
    Success,
    /// It was refused for want of permission.
    Denied,
    /// It failed for another reason.
    Error,
}

/// The state that is stated of a secret.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "asof_model::SecretState")]
pub(crate) enum SecretState {
    /// It works.
    Active,
    /// Switched off; it can be switched on again.
    Inactive,
    /// Switched off for good.
    Revoked,
}

/// What an entitlement does.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "asof_model::Effect")]
pub(crate) enum Effect {
    /// Gives.
    Allow,
    /// Takes away.
    Deny,
}

/// OBSERVATIONS: a source delivered all that happened. POSTURE: a source stated all that was in force.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "asof_model::CoverageKind")]
pub(crate) enum CoverageKind {
    /// All that happened.
    Observations,
    /// All that was in force.
    Posture,
}

/// What a node can be seen from, or with.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "asof_query::SourceDimension")]
pub(crate) enum SourceDimension {
    /// The workload.
    Workload,
    /// The region.
    Region,
    /// The address.
    SourceIp,
    /// The secret.
    Secret,
    /// The resource.
    Resource,
    /// The actor.
    Actor,
}

/// What happened to a node or an edge at a moment.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "asof_query::ChangeKind")]
pub(crate) enum ChangeKind {
    /// It takes a value.
    Began,
    /// Its value changes.
    Changed,
    /// It loses its value.
    Ended,
}

/// The edges that are walked; GRANTS: from an ALLOW entitlement to an existing resource that a scope of it matches; ACTED_AS: from an
/// actor to the identity of a SUCCESS observation; AUTHENTICATES: from a secret, where a path starts at one, to the identities that have
/// an AUTHENTICATES_WITH edge to it.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "asof_query::StepKind")]
pub(crate) enum StepKind {
    /// Identity to entitlement.
    Holds,
    /// Identity to group.
    MemberOf,
    /// Identity to the identity that it can act as.
    CanAssume,
    /// Identity to secret.
    AuthenticatesWith,
    /// Workload to identity.
    RunsAs,
    /// Workload to secret.
    Mounts,
    /// ALLOW entitlement to an existing resource that a scope of it matches.
    Grants,
    /// Actor to the identity of a SUCCESS observation.
    ActedAs,
    /// Secret to an identity that authenticates with it, as a path's first step.
    Authenticates,
}

/// APPEARANCE: first appearance in the ledger. ID: in code point order. LAST_USED: the latest first, never last, ties by appearance.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "asof_query::IdentityOrder")]
pub(crate) enum IdentityOrder {
    /// First appearance in the ledger.
    Appearance,
    /// By id, in code point order.
    Id,
    /// The latest use first, never last, ties by appearance.
    LastUsed,
}

/// What a fact does to its source's timeline.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    /// It sets the source's whole statement.
    Put,
    /// It says that its subject was deleted.
    Delete,
    /// It says that its source no longer states its subject.
    End,
}

/// The graphql face of each, in their order.
pub(crate) fn privileges(set: asof_model::PrivilegeSet) -> Vec<Privilege> {
    set.iter().map(Into::into).collect()
}
