//! `asof.v1.Ledger`: the records themselves.

use std::pin::Pin;
use std::time::Duration;

use asof_engine::{Engine, Place, PointRequest, Tenant};
use tokio::sync::watch;
use tokio_stream::Stream;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use crate::proto::ledger_server::Ledger;
use crate::proto::{
    Checkpoint, GetCheckpointRequest, LedgerRecord, Proof, ProveConsistencyRequest, ProveInclusionRequest,
    ReadRequest,
};
use crate::{convert, status, tenant};

/// How many records are read at a time.
const RECORDS_PER_READ: usize = 512;
/// How long a checkpoint may take.
const CHECKPOINT_DEADLINE: Duration = Duration::from_secs(60);

/// The service.
#[derive(Clone)]
pub struct LedgerService {
    pub(crate) engine: Engine,
    pub(crate) closing: watch::Receiver<bool>,
}

impl LedgerService {
    async fn tenant(&self, metadata: &MetadataMap) -> Result<Tenant, Status> {
        let name = tenant::name(metadata)?;
        let tenant = self.engine.tenant(&name).await.map_err(status::from_engine)?;
        tenant.ok_or_else(|| {
            Status::not_found(format!("there is no tenant {name:?} yet; a first write creates it"))
        })
    }
}

#[tonic::async_trait]
impl Ledger for LedgerService {
    type ReadStream = Pin<Box<dyn Stream<Item = Result<LedgerRecord, Status>> + Send>>;

    async fn get_checkpoint(
        &self,
        request: Request<GetCheckpointRequest>,
    ) -> Result<Response<Checkpoint>, Status> {
        let tenant = self.tenant(request.metadata()).await?;
        let size = request.into_inner().size;
        let asked = PointRequest { ledger_size: (size > 0).then_some(size), ..PointRequest::default() };
        let snapshot = tenant
            .run(Place::Pool, CHECKPOINT_DEADLINE, move |session| session.snapshot(session.point(&asked)?))
            .await
            .and_then(|found| found)
            .map_err(status::from_engine)?;
        Ok(Response::new(Checkpoint {
            size: snapshot.ledger_size,
            root: snapshot.root.to_vec(),
            note: String::new(),
        }))
    }

    async fn read(&self, request: Request<ReadRequest>) -> Result<Response<Self::ReadStream>, Status> {
        let tenant = self.tenant(request.metadata()).await?;
        let asked = request.into_inner();
        let mut closing = self.closing.clone();
        let records = async_stream::try_stream! {
            let mut sizes = tenant.watch();
            let mut next = asked.first_index;
            let mut left = if asked.limit == 0 { u64::MAX } else { asked.limit };
            while left > 0 {
                // Seen before the read: what is published after it wakes the wait below.
                let size = *sizes.borrow_and_update();
                if next < size {
                    let most = RECORDS_PER_READ.min(usize::try_from(left).unwrap_or(RECORDS_PER_READ));
                    let read = tenant.read(next, most).await.map_err(status::from_engine)?;
                    for entry in read {
                        next = entry.record.index + 1;
                        left -= 1;
                        yield convert::record(entry);
                    }
                    continue;
                }
                if !asked.follow {
                    break;
                }
                let grown = tokio::select! {
                    grown = sizes.changed() => grown.is_ok(),
                    _ = closing.wait_for(|closing| *closing) => false,
                };
                if !grown {
                    Err(Status::unavailable(format!("the server is closing: read on from {next} later")))?;
                }
            }
        };
        Ok(Response::new(Box::pin(records)))
    }

    async fn prove_inclusion(
        &self,
        _request: Request<ProveInclusionRequest>,
    ) -> Result<Response<Proof>, Status> {
        Err(Status::unimplemented("proofs of inclusion are not built yet; GetCheckpoint gives size and root"))
    }

    async fn prove_consistency(
        &self,
        _request: Request<ProveConsistencyRequest>,
    ) -> Result<Response<Proof>, Status> {
        Err(Status::unimplemented(
            "proofs of consistency are not built yet; GetCheckpoint gives size and root",
        ))
    }
}
