//! What a question is bounded by; every bound has its name here.

use std::time::Duration;

/// Entries of one page, or of one list with `first`.
pub(crate) const PAGE_SIZE: u64 = 10_000;
/// Nesting of fields. GraphiQL's own introspection needs 14.
pub(crate) const QUERY_DEPTH: usize = 24;
/// Fields of one request.
pub(crate) const QUERY_FIELDS: usize = 2_000;
/// What a request may come to, as [`crate::cost`] reckons it.
pub(crate) const COMPLEXITY: u64 = 20_000_000;
/// Bytes of an answer, counted while it is being made.
pub(crate) const RESULT_BYTES: u64 = 64 << 20;
/// Members of all objects of an answer: each takes some memory, however short it is.
pub(crate) const RESULT_VALUES: u64 = 2_000_000;
/// Entries of lists that are counted as a whole, up to which an answer is not counted field by field.
pub(crate) const COUNTED_ENTRIES: u64 = 20_000;
/// Nesting of brackets in a request's text, and in its variables: reading them takes stack, some 30 KiB a level.
pub(crate) const NESTING: usize = 32;
/// How long a step of a subscription may take.
pub(crate) const STEP_DEADLINE: Duration = Duration::from_secs(60);

/// How long the queue of a subscription may stay full before its reader is cut off.
pub const SLOW_AFTER: Duration = Duration::from_secs(30);
/// Events of one subscription that wait to be taken.
pub(crate) const QUEUE_EVENTS: usize = 256;
/// Their bytes. A greater event waits until the queue is empty.
pub(crate) const QUEUE_BYTES: u32 = 1 << 20;
/// Bytes of one event.
pub(crate) const EVENT_BYTES: u64 = 16 << 20;
/// Identities that one event may tell of.
pub(crate) const MATCH_CHANGES: u64 = 100_000;
/// Steps of subscriptions that run at once, whatever their number.
pub(crate) const STEPS_AT_ONCE: usize = 8;
/// After this a step does nothing more than it has begun.
pub(crate) const STEP_TIME: Duration = Duration::from_millis(50);
/// The same in bytes of events.
pub(crate) const STEP_BYTES: usize = 256 << 10;
