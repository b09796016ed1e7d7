//! DESIGN, section 2, as plain loops over the records at a point (T, K). It shares the nouns and the question's form with
//! the engine and nothing else: no index, no cache, no function that decides anything.

mod answer;
mod changes;
mod counted;
mod filter;
pub mod glob;
mod holds;
mod ledger;
mod seen;
mod state;
mod walks;

pub use answer::{Counts, TimelinePoint, Unused, Usage};
pub use changes::Change;
pub use filter::{Wrong, bounds};
pub use ledger::{Acknowledged, Entry, Key, Ledger, node};
pub use seen::{Role, Seen};
pub use state::{Known, Merged, State, Stated};
pub use walks::{Reached, Step};
