//! The nouns of AsOf: kinds, instants, intervals, values, facts, observations, batches, and the timeline that a key's
//! statements make. Everything here is pure data; construction at the door validates it ([`Batch::faults`]).

mod batch;
mod glob;
mod kinds;
mod limits;
mod listing;
mod record;
mod time;
mod timeline;
mod value;

pub use batch::{Batch, Fault};
pub use glob::{GLOB_STEPS_MAX, glob_includes, glob_matches, globs_meet, is_glob};
pub use kinds::{CoverageKind, EdgeKind, Effect, NodeKind, Outcome, Privilege, PrivilegeSet, SecretState};
pub use limits::Limits;
pub use listing::Listing;
pub use record::{EdgeRef, Fact, NodeRef, Observation, Op, Record, RecordBody, Subject};
pub use time::{Duration, Instant, Interval, TimeError};
pub use timeline::{Piece, State, Statement, StatementOp, Timeline};
pub use value::{Attributes, CoverageValue, EntitlementValue, NodeValue, Said, SecretValue, Value};
