//! The acceptance tests, in one binary.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod chance;
mod contract;
mod evaluation;
mod house;
mod naive;
mod property;
mod wire;
