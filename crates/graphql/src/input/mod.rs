//! What is asked with: the contract's input types, and their reading into the query algebra.

mod filters;
mod read;
mod seen;

pub(crate) use filters::{IdentityWhere, NodeWhere, SecretWhere};
pub(crate) use read::{Read, privilege_set, read};
pub(crate) use seen::{ChangeWhere, CoverageWhere, DeadSecretWhere, ObservationWhere};

use async_graphql::InputObject;

use crate::scalars::{DateTime, Duration, Long};

/// The point in time, on both axes, that a query speaks of. asOf: when it was true in the world. knownAt or ledgerSize: what had
/// been recorded by then. All absent: now, with all that is recorded. knownAt alone: asOf is the same moment.
#[derive(InputObject, Clone)]
#[expect(clippy::struct_field_names, reason = "the contract's")]
pub(crate) struct At {
    /// When it was true in the world.
    pub(crate) as_of: Option<DateTime>,
    /// What had been recorded by that moment; not with ledgerSize.
    pub(crate) known_at: Option<DateTime>,
    /// The first so many records; not with knownAt.
    pub(crate) ledger_size: Option<Long>,
}

/// Half-open [from, to). to absent: asOf. `last` instead of from: that long before to.
#[derive(InputObject)]
pub(crate) struct Window {
    /// Its first moment; absent, and no `last`: the beginning of time.
    pub(crate) from: Option<DateTime>,
    /// The first moment after it.
    pub(crate) to: Option<DateTime>,
    /// Instead of `from`: that long before `to`.
    pub(crate) last: Option<Duration>,
}

/// All given members must match. What is absent or empty matches nothing but `present: false` alone.
#[derive(InputObject)]
pub(crate) struct TextMatch {
    /// false: there is no text, that is, it is absent or empty; true: there is one. Alone, or with others that must match too. Of a
    /// relation's ends, such as ownedBy: false, there is none.
    pub(crate) present: Option<bool>,
    /// Equal to it.
    pub(crate) eq: Option<String>,
    /// One of these.
    #[graphql(name = "in")]
    pub(crate) any_of: Option<Vec<String>>,
    /// Starts with it.
    pub(crate) prefix: Option<String>,
    /// Contains it.
    pub(crate) contains: Option<String>,
    /// Matches the glob: `*` any run of characters, `?` one.
    pub(crate) glob: Option<String>,
}

/// The state has the attribute, and its value matches where one is asked for. With `value: {present: false}` the attribute is not there, or
/// it is empty; so it is where there is no value state at all.
#[derive(InputObject)]
pub(crate) struct AttributeMatch {
    /// The attribute's key.
    pub(crate) key: String,
    /// What its value must match.
    pub(crate) value: Option<TextMatch>,
}
