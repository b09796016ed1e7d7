//! The engine: opens a data folder, takes batches in, and runs questions at a point (T, K).
//!
//! Knows neither gRPC nor GraphQL. All blocking work goes through one gate (`gate.rs`).

mod answers;
mod engine;
mod error;
mod gate;
pub mod maintenance;
mod reader;
mod seal;
mod session;
mod tenant;
mod writer;

pub use asof_storage::{LedgerEntry, Memory, Pieces, Receipt, Reconciled, Work};
pub use engine::{Engine, Options};
pub use error::EngineError;
pub use gate::Place;
pub use seal::{MARK_BYTES, SealKey};
pub use session::{BatchInfo, Point, PointRequest, Session, SnapshotInfo};
pub use tenant::Tenant;
pub use writer::{Lane, Ticket};
