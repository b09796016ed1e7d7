//! The writer of a tenant: one thread that takes batches in the order in which they were enqueued, and writes those that
//! wait together with one sync.

use std::time::{SystemTime, UNIX_EPOCH};

use asof_model::{Batch, Instant};
use asof_storage::{Receipt, StorageError, Writer};
use tokio::sync::{mpsc, oneshot, watch};

use crate::EngineError;

/// Batches that wait; the next one waits at the door.
pub(crate) const QUEUE_BATCHES: usize = 256;
/// Records that share one sync.
const GROUP_RECORDS: usize = 20_000;

/// A batch on its way.
pub(crate) struct Job {
    pub batch: Batch,
    pub reply: oneshot::Sender<Result<Receipt, EngineError>>,
}

/// The promise of a receipt.
#[derive(Debug)]
pub struct Ticket(pub(crate) oneshot::Receiver<Result<Receipt, EngineError>>);

impl Ticket {
    /// The receipt, when the batch is on disk and visible.
    pub async fn wait(self) -> Result<Receipt, EngineError> {
        self.0.await.map_err(|_| EngineError::Closed)?
    }
}

/// This clock, as an instant.
pub(crate) fn now() -> Instant {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos());
    Instant::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX - 1))
}

/// Runs until every sender is gone, or storage fails. Replies come after the sync, in order.
pub(crate) fn run(mut writer: Writer, mut jobs: mpsc::Receiver<Job>, published: &watch::Sender<u64>) {
    while let Some(first) = jobs.blocking_recv() {
        let mut records = first.batch.facts.len() + first.batch.observations.len();
        let mut group_jobs = vec![first];
        while records < GROUP_RECORDS {
            let Ok(next) = jobs.try_recv() else { break };
            records += next.batch.facts.len() + next.batch.observations.len();
            group_jobs.push(next);
        }
        if let Err(error) = write_group(&mut writer, group_jobs, published) {
            tracing::error!(%error, "writing failed; this tenant takes no more batches until the server is started again");
            jobs.close();
            while let Ok(job) = jobs.try_recv() {
                let _ = job.reply.send(Err(EngineError::Storage(error.clone())));
            }
            return;
        }
    }
    if let Err(error) = writer.store().flush() {
        tracing::error!(%error, "flushing at the end failed; the write-ahead log has everything");
    }
}

fn write_group(
    writer: &mut Writer,
    jobs: Vec<Job>,
    published: &watch::Sender<u64>,
) -> Result<(), StorageError> {
    let mut group = writer.group();
    let mut replies = Vec::with_capacity(jobs.len());
    let mut failed = None;
    for Job { batch, reply } in jobs {
        if let Some(error) = &failed {
            replies.push((reply, Err(EngineError::Storage(StorageError::clone(error)))));
            continue;
        }
        match group.append(batch, now()) {
            Ok(receipt) => replies.push((reply, Ok(receipt))),
            Err(error @ StorageError::BatchIdReused { .. }) => replies.push((reply, Err(error.into()))),
            Err(error) => {
                failed = Some(error.clone());
                replies.push((reply, Err(EngineError::Storage(error))));
            }
        }
    }
    let outcome = match failed {
        Some(error) => Err(error),
        None => group.commit().map(|size| published.send_replace(size)),
    };
    for (reply, receipt) in replies {
        let receipt = match &outcome {
            // Nothing of a group that failed is on disk, whatever its batches were told.
            Err(error) if receipt.is_ok() => Err(EngineError::Storage(error.clone())),
            _ => receipt,
        };
        // A caller that has gone does not want it; its batch is written all the same.
        let _ = reply.send(receipt);
    }
    outcome.map(drop)
}
