//! IAM policies: their documents, the entitlements that their statements give, and whom a trust policy lets
//! in.

mod document;
mod entitlements;
pub(crate) mod managed;
pub(crate) mod trust;

pub use document::{Actions, Document, Resources, Statement};
pub use entitlements::{Granted, entitlements};

#[cfg(test)]
mod tests;
