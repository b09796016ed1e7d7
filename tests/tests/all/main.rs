//! The acceptance tests, in one binary.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod chance;
mod contract;
mod crash;
mod evaluation;
mod house;
mod load;
mod meanwhile;
mod naive;
mod points;
mod power;
mod property;
mod real_logs;
mod server;
mod smoke;
mod tenant;
mod upkeep;
mod wire;
