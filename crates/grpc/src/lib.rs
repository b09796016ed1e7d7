//! The gRPC face of AsOf: `asof.v1.Ingest` and `asof.v1.Ledger` over the engine.
//!
//! It knows the wire, back-pressure and status codes; it does not know what the records mean.

pub mod client;
mod codec;
pub mod convert;
mod door;
mod ingest;
mod ledger;
pub mod proto;
mod status;
mod tenant;

use asof_engine::Engine;
use asof_model::{Duration, Limits};
use tokio::sync::watch;
use tonic::codec::CompressionEncoding;

pub use ingest::IngestService;
pub use ledger::LedgerService;
pub use proto::DESCRIPTORS;
pub use status::violations;
pub use tenant::{DEFAULT_TENANT, TENANT_HEADER};

use proto::ingest_server::IngestServer;
use proto::ledger_server::LedgerServer;

/// The services over one engine.
#[derive(Clone)]
pub struct Services {
    engine: Engine,
    limits: Limits,
    future_skew: Duration,
    closing: watch::Receiver<bool>,
}

impl Services {
    /// `limits` and `future_skew` are the engine's. Once `closing` holds true, streams end: what is enqueued is still
    /// acknowledged, nothing more is read.
    pub fn new(
        engine: Engine,
        limits: Limits,
        future_skew: Duration,
        closing: watch::Receiver<bool>,
    ) -> Self {
        Self { engine, limits, future_skew, closing }
    }

    /// `asof.v1.Ingest`.
    pub fn ingest(&self) -> IngestServer<IngestService> {
        IngestServer::new(IngestService {
            engine: self.engine.clone(),
            limits: self.limits,
            future_skew: self.future_skew,
            closing: self.closing.clone(),
        })
        .max_decoding_message_size(self.limits.batch_bytes)
        .accept_compressed(CompressionEncoding::Gzip)
    }

    /// `asof.v1.Ledger`.
    pub fn ledger(&self) -> LedgerServer<LedgerService> {
        LedgerServer::new(LedgerService { engine: self.engine.clone(), closing: self.closing.clone() })
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Gzip)
    }
}
