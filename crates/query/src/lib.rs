//! The query algebra, its planner and its exact evaluation, over a reader that it declares itself.
//!
//! [`Known`] is the way in: everything known at one ledger size. Questions are plain values ([`IdentityWhere`] and its
//! like); nothing here performs I/O, and a reader's [`Reader::check`] is how a caller stops a question.

mod activity;
mod algebra;
mod axis;
mod blast;
mod changes;
mod cover;
mod coverages;
mod drill;
mod error;
mod filter;
mod grants;
mod held;
mod holds;
mod known;
mod leaves;
mod limits;
mod lists;
mod memo;
#[cfg(test)]
mod memory;
mod nodes;
mod observed;
mod on;
mod paths;
mod plan;
mod reaches;
mod reader;
mod secrets;
mod seen;
mod sets;
mod span;
mod stated;
mod terms;
#[cfg(test)]
mod tests;
mod text;
mod unused;
mod used;
mod uses;
mod walk;
mod watch;

pub use activity::{Counts, TimelinePoint, Usage};
pub use algebra::*;
pub use axis::{EventAxis, EventPlace, EventRange};
pub use blast::BlastRadius;
pub use changes::Change;
pub use coverages::StatedCoverage;
pub use drill::EventList;
pub use error::QueryError;
pub use grants::Grant;
pub use known::Known;
pub use limits::{ENTRIES_MAX, FILTER_MEMBERS_MAX, HOPS_MAX, STEPS_MAX, Tuning};
pub use lists::FacetBy;
pub use nodes::Nodes;
pub use paths::{Step, StepKind};
pub use reader::*;
pub use unused::{Told, Unused};
pub use uses::{NewSource, Source};
