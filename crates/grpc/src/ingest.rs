//! `asof.v1.Ingest`: batches in, acknowledgements out, in order.

use std::pin::Pin;
use std::time::{SystemTime, UNIX_EPOCH};

use asof_engine::{Engine, EngineError, Lane, Receipt, Tenant, Ticket};
use asof_model::{Batch, Duration, Instant, Limits};
use tokio::sync::{mpsc, watch};
use tokio_stream::Stream;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::proto::ingest_server::Ingest;
use crate::proto::{ReconcileRequest, ReconcileResponse, WriteRequest, WriteResponse};
use crate::{convert, status, tenant};

/// How many batches of one stream are under way before the next one is read.
const PIPELINED_BATCHES: usize = 64;

/// The service.
#[derive(Clone)]
pub struct IngestService {
    pub(crate) engine: Engine,
    pub(crate) limits: Limits,
    pub(crate) future_skew: Duration,
    pub(crate) closing: watch::Receiver<bool>,
}

#[tonic::async_trait]
impl Ingest for IngestService {
    type WriteStream = Pin<Box<dyn Stream<Item = Result<WriteResponse, Status>> + Send>>;

    async fn write(
        &self,
        request: Request<Streaming<WriteRequest>>,
    ) -> Result<Response<Self::WriteStream>, Status> {
        let name = tenant::name(request.metadata())?;
        let tenant = self.engine.tenant_or_create(&name).await.map_err(status::from_engine)?;
        let (sender, mut receiver) = mpsc::channel(PIPELINED_BATCHES);
        let service = self.clone();
        tokio::spawn(async move { service.pump(&tenant, request.into_inner(), &sender).await });
        let acknowledgements = async_stream::try_stream! {
            while let Some(next) = receiver.recv().await {
                let receipt = next?.wait().await.map_err(status::from_engine)?;
                yield acknowledgement(receipt);
            }
        };
        Ok(Response::new(Box::pin(acknowledgements)))
    }

    async fn reconcile(
        &self,
        request: Request<Streaming<ReconcileRequest>>,
    ) -> Result<Response<ReconcileResponse>, Status> {
        let name = tenant::name(request.metadata())?;
        let tenant = self.engine.tenant_or_create(&name).await.map_err(status::from_engine)?;
        let mut requests = request.into_inner();
        let mut listed = convert::Listed::default();
        while let Some(message) = self.next(&mut requests).await? {
            if let Err(fault) = listed.take(message, &self.limits) {
                return Err(status::refused(listed.batch_id(), &[fault]));
            }
        }
        let listing =
            listed.finish(&self.limits).map_err(|(batch_id, faults)| status::refused(&batch_id, &faults))?;
        let done = tenant.reconcile(listing).await.map_err(status::from_engine)?;
        Ok(Response::new(ReconcileResponse {
            created: done.created,
            changed: done.changed,
            ended: done.ended,
            unchanged: done.unchanged,
            ledger_size: done.ledger_size,
        }))
    }
}

impl IngestService {
    /// Reads the stream and enqueues its batches, in order, up to the first that fails: that one's error is the last
    /// thing sent, and nothing behind it is read.
    async fn pump(
        &self,
        tenant: &Tenant,
        mut requests: Streaming<WriteRequest>,
        sender: &mpsc::Sender<Result<Ticket, Status>>,
    ) {
        let lane = Lane::default();
        loop {
            let next = tokio::select! {
                next = self.next(&mut requests) => next,
                () = sender.closed() => return,
            };
            let enqueued = match next {
                Ok(None) => return,
                Ok(Some(request)) => self.enqueue(tenant, &lane, request).await,
                Err(error) => Err(error),
            };
            let last = enqueued.is_err();
            if sender.send(enqueued).await.is_err() || last {
                return;
            }
        }
    }

    /// The next message, unless the server closes first.
    async fn next<T>(&self, requests: &mut Streaming<T>) -> Result<Option<T>, Status> {
        let mut closing = self.closing.clone();
        tokio::select! {
            next = requests.message() => next.map_err(|error| self.explained(error)),
            _ = closing.wait_for(|closing| *closing) => Err(Status::unavailable(
                "the server is closing: what is not acknowledged is to be sent again",
            )),
        }
    }

    async fn enqueue(&self, tenant: &Tenant, lane: &Lane, request: WriteRequest) -> Result<Ticket, Status> {
        let plain = request.observations.len();
        let batch: Batch = convert::batch(request, &self.limits)
            .check(&self.limits, now().plus(self.future_skew))
            .map_err(|(batch_id, faults)| status::refused(&batch_id, &faults))?;
        tenant.enqueue_in(lane, batch).await.map_err(|error| match error {
            EngineError::Refused { batch_id, faults } => {
                status::refused(&batch_id, &convert::packed_names(faults, plain))
            }
            other => status::from_engine(other),
        })
    }

    /// The transport's own refusal of a message that is too large, with the limit's name.
    fn explained(&self, error: Status) -> Status {
        if error.code() == Code::OutOfRange {
            let limit = self.limits.batch_bytes;
            return Status::invalid_argument(format!(
                "the batch passes the limit of {limit} bytes (batch_bytes): send it in parts ({})",
                error.message()
            ));
        }
        error
    }
}

fn now() -> Instant {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Instant::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

fn acknowledgement(receipt: Receipt) -> WriteResponse {
    WriteResponse {
        batch_id: receipt.batch_id,
        first_index: receipt.first_index,
        ledger_size: receipt.ledger_size,
        recorded_at: Some(convert::timestamp(receipt.recorded_at)),
        duplicate_batch: receipt.duplicate_batch,
        duplicate_events: receipt.duplicate_events,
        duplicate_facts: receipt.duplicate_facts,
        conflicting: receipt.conflicting,
    }
}
