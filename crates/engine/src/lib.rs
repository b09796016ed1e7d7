//! The engine: opens a data folder, takes batches in, and runs questions at a point (T, K).
//!
//! Knows neither gRPC nor GraphQL. All blocking work goes through one gate (`gate.rs`).

mod engine;
mod error;
mod gate;
pub mod maintenance;
mod reader;
mod session;
mod tenant;
mod writer;

pub use asof_storage::{LedgerEntry, Receipt, Reconciled};
pub use engine::{Engine, Options};
pub use error::EngineError;
pub use session::{Point, PointRequest, Session, SnapshotInfo};
pub use tenant::Tenant;
pub use writer::{Lane, Ticket};
