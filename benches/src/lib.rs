//! The questions of the benchmarks, and what they are asked about: tests hold the work that they take to account.

#![expect(missing_docs, reason = "for this repository's benchmarks and tests alone")]

pub mod questions;
pub mod rows;
pub mod subjects;

/// What a benchmark fails with.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
