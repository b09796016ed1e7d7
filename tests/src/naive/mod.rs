//! DESIGN, section 2, as plain loops over the records at a point (T, K). It shares the nouns and the question's form with
//! the engine and nothing else: no index, no cache, no function that decides anything.

mod answer;
mod filter;
pub mod glob;
mod holds;
mod ledger;
mod seen;
mod state;

pub use answer::{Counts, TimelinePoint, Unused, Usage};
pub use filter::{Wrong, bounds};
pub use ledger::{Acknowledged, Entry, Key, Ledger, node};
pub use seen::Seen;
pub use state::{Known, Merged, State};
