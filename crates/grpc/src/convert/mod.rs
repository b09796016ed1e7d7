//! The wire's messages to the model's nouns, with every fault named, and back.

mod listing;
mod read;
mod time;
mod write;

pub use listing::Listed;
pub use read::{Read, batch};
pub use time::{instant, timestamp};
pub use write::{record, request};

#[cfg(test)]
mod tests;
