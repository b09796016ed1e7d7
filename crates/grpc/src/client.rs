//! A client that writes batches: what `asof import` sends with.

use asof_engine::Receipt;
use asof_model::{Batch, Instant};
use tokio_stream::{Stream, StreamExt as _};
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::convert;
use crate::proto::WriteResponse;
use crate::proto::ingest_client::IngestClient;
use crate::tenant::TENANT_HEADER;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is none.
    #[error("{0:?} is not an address such as http://127.0.0.1:7420")]
    Address(String),
    /// The tenant's name is none.
    #[error("{0:?} is not a tenant's name: letters, digits, `-` and `_`, at most 64 of them")]
    Tenant(String),
    /// Nobody answers.
    #[error("nobody answers at {address}: is `asof serve` running there? ({why})")]
    Unreachable {
        /// Where.
        address: String,
        /// What the transport says.
        why: String,
    },
}

/// A connection to a server, for one tenant.
#[derive(Debug, Clone)]
pub struct Client {
    ingest: IngestClient<Channel>,
    tenant: AsciiMetadataValue,
}

/// Connects to a server, given as `http://host:port` or `host:port`.
pub async fn connect(address: &str, tenant: &str) -> Result<Client, ConnectError> {
    let full = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let endpoint =
        Endpoint::from_shared(full.clone()).map_err(|_| ConnectError::Address(address.to_owned()))?;
    let tenant = tenant.parse().map_err(|_| ConnectError::Tenant(tenant.to_owned()))?;
    let channel = endpoint.connect().await.map_err(|error| {
        let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        ConnectError::Unreachable { address: full, why }
    })?;
    Ok(Client { ingest: IngestClient::new(channel), tenant })
}

impl Client {
    /// Sends the batches, observations packed, and gives their receipts, in order, as they come back. Ends with the first refusal.
    pub async fn write<S>(
        &mut self,
        batches: S,
    ) -> Result<impl Stream<Item = Result<Receipt, Status>> + Send + use<S>, Status>
    where
        S: Stream<Item = Batch> + Send + 'static,
    {
        let mut request = Request::new(batches.map(convert::packed));
        request.metadata_mut().insert(TENANT_HEADER, self.tenant.clone());
        let answers = self.ingest.write(request).await?.into_inner();
        Ok(answers.map(|answer| answer.map(receipt)))
    }
}

fn receipt(answer: WriteResponse) -> Receipt {
    Receipt {
        batch_id: answer.batch_id,
        first_index: answer.first_index,
        ledger_size: answer.ledger_size,
        recorded_at: answer
            .recorded_at
            .and_then(|at| convert::instant(&at).ok())
            .unwrap_or(Instant::BEGINNING),
        duplicate_batch: answer.duplicate_batch,
        duplicate_events: answer.duplicate_events,
        duplicate_facts: answer.duplicate_facts,
        conflicting: answer.conflicting,
    }
}
