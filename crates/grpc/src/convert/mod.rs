//! The wire's messages to the model's nouns, with every fault named, and back.

mod listing;
mod pack;
mod read;
mod time;
mod unpack;
mod write;

pub use listing::Listed;
pub use pack::packed;
pub use read::{Read, batch, packed_names};
pub use time::{instant, timestamp};
pub use write::{record, request};

#[cfg(test)]
mod packed_tests;
#[cfg(test)]
mod tests;
