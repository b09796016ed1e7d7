//! The writer of a tenant: one thread that takes batches in the order in which they were enqueued, and writes those that
//! wait together with one sync; and ahead of it one that prepares them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use asof_model::{Batch, Instant, Listing};
use asof_storage::{Group, Prepared, Receipt, Reconciled, StorageError, Writer};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use crate::EngineError;

/// Batches that wait to be prepared, and as many to be written; the next one waits at the door.
pub(crate) const QUEUE_BATCHES: usize = 256;
/// Records of batches that wait: the next batch waits at the door until there is room for it.
pub(crate) const QUEUE_RECORDS: usize = 1 << 16;
/// Batches that share one sync.
const GROUP_BATCHES: usize = 64;
/// Records that share one sync.
const GROUP_RECORDS: usize = 20_000;

type Reply<T> = oneshot::Sender<Result<T, EngineError>>;

/// The batches of one stream: once one of them is refused, none that was enqueued behind it is written.
#[derive(Debug, Clone, Default)]
pub struct Lane(Arc<AtomicBool>);

impl Lane {
    fn is_closed(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn close(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Something to write, on its way: a batch as it came, or prepared.
pub(crate) enum Job<B> {
    /// With the room that it takes among those that wait.
    Write(B, Lane, Reply<Receipt>, OwnedSemaphorePermit),
    Reconcile(Listing, Reply<Reconciled>),
}

impl Job<Prepared> {
    fn records(&self) -> usize {
        match self {
            Self::Write(batch, ..) => batch.len(),
            Self::Reconcile(listing, _) => listing.parts.len(),
        }
    }

    fn refuse(self, error: EngineError) {
        match self {
            Self::Write(_, _, reply, _) => drop(reply.send(Err(error))),
            Self::Reconcile(_, reply) => drop(reply.send(Err(error))),
        }
    }
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

/// Lets questions go first, whose threads are woken for a millisecond and wait for an answer: where all cores are busy, a writer
/// that yields takes a few milliseconds longer for a group.
fn yield_to_questions() {
    /// As in nice(2): about a tenth of what an ordinary thread gets.
    const LESS: i32 = 10;
    // On Linux this is of the thread alone. Where it is not allowed, it is as it was.
    if cfg!(target_os = "linux")
        && let Err(error) = rustix::process::nice(LESS)
    {
        tracing::debug!(%error, "the writer has the priority of all other threads");
    }
}

/// Runs until every sender is gone, or the writer is: does what needs nothing but the batch, ahead of the writer.
pub(crate) fn prepare(mut jobs: mpsc::Receiver<Job<Batch>>, prepared: &mpsc::Sender<Job<Prepared>>) {
    yield_to_questions();
    while let Some(job) = jobs.blocking_recv() {
        let job = match job {
            Job::Write(batch, lane, reply, room) => Job::Write(Prepared::of(batch), lane, reply, room),
            Job::Reconcile(listing, reply) => Job::Reconcile(listing, reply),
        };
        // Whoever waits for the reply of a job that is dropped learns that it was not written.
        if prepared.blocking_send(job).is_err() {
            return;
        }
    }
}

/// Runs until every sender is gone, or storage fails. Replies come after the sync, in order.
pub(crate) fn run(
    mut writer: Writer,
    mut jobs: mpsc::Receiver<Job<Prepared>>,
    published: &watch::Sender<u64>,
) {
    yield_to_questions();
    while let Some(first) = jobs.blocking_recv() {
        let mut records = first.records();
        let mut together = vec![first];
        while records < GROUP_RECORDS && together.len() < GROUP_BATCHES {
            let Ok(next) = jobs.try_recv() else { break };
            records += next.records();
            together.push(next);
        }
        if let Err(error) = write_group(&mut writer, together, published) {
            tracing::error!(%error, "writing failed; this tenant takes no more batches until it is opened again");
            jobs.close();
            while let Ok(job) = jobs.try_recv() {
                job.refuse(EngineError::Storage(error.clone()));
            }
            return;
        }
    }
    if let Err(error) = writer.store().flush() {
        tracing::error!(%error, "flushing at the end failed; the write-ahead log has everything");
    }
}

/// Tells one caller how it ended: with what its own job came to, where the group's sync succeeded.
type Answer = Box<dyn FnOnce(Option<&StorageError>)>;

fn write_group(
    writer: &mut Writer,
    jobs: Vec<Job<Prepared>>,
    published: &watch::Sender<u64>,
) -> Result<(), StorageError> {
    let mut group = writer.group();
    let mut answers: Vec<Answer> = Vec::with_capacity(jobs.len());
    let mut failed = None;
    // Given back when all of it is on disk, and no longer in memory.
    let mut rooms = Vec::with_capacity(jobs.len());
    for job in jobs {
        let outcome = match job {
            Job::Write(_, lane, reply, _) if lane.is_closed() => {
                Box::new(|_: Option<&StorageError>| drop(reply.send(Err(EngineError::Closed))))
            }
            Job::Write(batch, lane, reply, room) => {
                rooms.push(room);
                take(&mut group, &mut failed, reply, |group| {
                    group.append(batch, now()).inspect_err(|_| lane.close())
                })
            }
            Job::Reconcile(listing, reply) => {
                take(&mut group, &mut failed, reply, |group| group.reconcile(listing, now()))
            }
        };
        answers.push(outcome);
    }
    let outcome = match failed {
        Some(error) => Err(error),
        None => group.commit().map(|size| {
            published.send_replace(size);
        }),
    };
    for answer in answers {
        answer(outcome.as_ref().err());
    }
    outcome
}

/// Takes one job into the group. After a failure of storage nothing more is taken.
fn take<T: 'static>(
    group: &mut Group<'_>,
    failed: &mut Option<StorageError>,
    reply: Reply<T>,
    work: impl FnOnce(&mut Group<'_>) -> Result<T, StorageError>,
) -> Answer {
    let outcome = if failed.is_some() { None } else { Some(work(group)) };
    if let Some(Err(error)) = &outcome
        && !matches!(error, StorageError::BatchIdReused { .. })
    {
        *failed = Some(error.clone());
    }
    Box::new(move |of_group| {
        // Nothing of a group that failed is on disk, whatever its jobs came to. A caller that has gone does not want to
        // know; what it sent is written all the same.
        let _ = reply.send(match (of_group, outcome) {
            (None, Some(outcome)) => outcome.map_err(EngineError::from),
            (Some(error), _) => Err(EngineError::Storage(error.clone())),
            (None, None) => Err(EngineError::Closed),
        });
    })
}
