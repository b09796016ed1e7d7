//! The importers, from files to batches.
#![expect(clippy::unwrap_used, reason = "tests")]

mod cloudtrail;
mod common;
mod real;
