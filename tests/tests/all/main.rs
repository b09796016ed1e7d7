//! The acceptance tests, in one binary.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, clippy::format_collect, reason = "tests")]

mod chance;
mod contract;
mod corners;
mod crash;
mod evaluation;
mod fuzz;
mod house;
mod http;
mod limits;
mod listing;
mod load;
mod meanwhile;
mod metamorphic;
mod naive;
mod old;
mod packed;
mod paging;
mod points;
mod power;
mod property;
mod real_logs;
mod reconcile;
mod rows;
mod server;
mod slow_readers;
mod smoke;
mod socket;
mod subscriptions;
mod tenant;
mod upkeep;
mod websockets;
mod wire;
mod work;
