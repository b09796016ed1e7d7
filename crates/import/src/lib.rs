//! Foreign files to batches: CloudTrail logs ([`cloudtrail`]) and IAM's account authorization details
//! ([`aws_iam`]).
//!
//! An importer reads files and gives [`asof_model::Batch`]es; who writes them, and where, is the caller's
//! affair. What a file cannot say exactly is approximated as this crate's README lists, and what is left out
//! is told in a summary.

pub mod actions;
mod arn;
pub mod aws_iam;
mod batches;
pub mod cloudtrail;
mod digest;
mod error;
mod facts;
mod files;
pub mod policy;
mod records;
mod statements;
mod summary;
mod when;

pub use error::ImportError;
pub use summary::{Note, Skipped, Summary};
