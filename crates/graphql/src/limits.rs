//! What a question is bounded by; every bound has its name here.

use std::time::Duration;

/// Entries of one page, or of one list with `first`.
pub(crate) const PAGE_SIZE: u64 = 10_000;
/// Nesting of fields. GraphiQL's own introspection needs 14.
pub(crate) const QUERY_DEPTH: usize = 24;
/// Fields of one request.
pub(crate) const QUERY_FIELDS: usize = 2_000;
/// Nesting of brackets in a request's text, and in its variables: reading them takes stack, some 30 KiB a level.
pub(crate) const NESTING: usize = 32;
/// How long a request may take.
pub const DEADLINE: Duration = Duration::from_secs(60);
