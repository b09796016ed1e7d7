//! Data that is made up, from a seed: the sample organisation of `asof demo` with the questions about it, and the
//! workload of `asof generate`.

pub mod organisation;
pub mod questions;
pub mod workload;
