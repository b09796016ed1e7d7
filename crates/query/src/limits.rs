//! What bounds a question; every bound has its name here.

use crate::QueryError;

/// Steps of a `trend` or a `timeline`.
pub const STEPS_MAX: u64 = 10_000;
/// Entries held in memory at once of a list other than of nodes or observations: changes, grants and the like.
pub const ENTRIES_MAX: u64 = 1_000_000;
/// Hops of `paths` and of `blastRadius`.
pub const HOPS_MAX: u64 = 64;
/// Members of one filter, with those nested in it.
pub const FILTER_MEMBERS_MAX: u64 = 1_000;

/// Stretches kept of what one identity holds, of bundles, and of the like, each.
pub(crate) const KEPT_MAX: usize = 1 << 17;
/// Resources kept as those that scopes match, all scopes together.
pub(crate) const MATCHED_MAX: u64 = 1 << 24;

/// From how many candidates on which way is taken. It changes no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// So few candidates are looked at one by one rather than narrowed by sets.
    pub few: u64,
    /// From so many candidates on a set at a time is computed, where that is cheaper than one by one.
    pub many: u64,
    /// So many pairs of a node and what it was seen from are remembered at once.
    pub remembered: usize,
}

impl Tuning {
    /// What is used unless said otherwise.
    pub const DEFAULT: Self = Self { few: 32, many: 1_024, remembered: 1 << 23 };
}

/// Checked for cancellation after so many events or nodes.
pub(crate) const CHECK_EVERY: u32 = 256;

/// One entry more of a list of at most [`ENTRIES_MAX`].
pub(crate) fn keep<T>(found: &mut Vec<T>, entry: T, what: &'static str) -> Result<(), QueryError> {
    within(what, found.len() as u64 + 1, ENTRIES_MAX, "ENTRIES_MAX")?;
    found.push(entry);
    Ok(())
}

/// A typed error where a limit is passed.
pub(crate) fn within(
    what: &'static str,
    asked: u64,
    limit: u64,
    name: &'static str,
) -> Result<(), QueryError> {
    if asked > limit { Err(QueryError::Limit { what, asked, limit, name }) } else { Ok(()) }
}
