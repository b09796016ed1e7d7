//! A tenant: a graph, a ledger and ordinals of its own.

use std::sync::Arc;
use std::time::Duration as StdDuration;

use asof_model::{Batch, Limits, Listing};
use asof_storage::{LedgerEntry, Receipt, Reconciled, StorageError, Writer};
use std::thread::JoinHandle;

use tokio::sync::{Mutex, Semaphore, mpsc, oneshot, watch};

use crate::EngineError;
use crate::engine::Options;
use crate::gate::{Gate, Place};
use crate::session::{Session, Shared};
use crate::writer::{self, Broken, Job, Lane, QUEUE_BATCHES, QUEUE_RECORDS, Ticket};

/// Reading a stretch of the ledger is bounded by its limit; this is for a disk that hangs.
const READ_DEADLINE: StdDuration = StdDuration::from_secs(60);

/// What is enqueued is written to the end, however slow the disk.
const STOP_DEADLINE: StdDuration = StdDuration::from_secs(24 * 3600);

/// A handle on an open tenant.
#[derive(Clone)]
pub struct Tenant {
    name: Arc<str>,
    shared: Shared,
    options: Arc<Options>,
    gate: Gate,
    running: Arc<Running>,
    room: Arc<Semaphore>,
    published: watch::Receiver<u64>,
    broken: Broken,
}

/// What works for a tenant, until it is stopped or its last handle is dropped.
struct Running {
    jobs: Mutex<Option<mpsc::Sender<Job<Batch>>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Drop for Running {
    /// Who drops a tenant that was not stopped waits for its threads: they have its database open, which a process that ends
    /// meanwhile would pull away under them.
    fn drop(&mut self) {
        self.jobs.get_mut().take();
        for thread in self.threads.get_mut().drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of a tenant's writer panicked");
            }
        }
    }
}

impl Tenant {
    /// Starts its writer and who prepares for it, each on a thread of its own: they live as long as the tenant, which the blocking
    /// pool is not for.
    pub(crate) fn start(
        name: &str,
        shared: Shared,
        writer: Writer,
        options: Arc<Options>,
        gate: Gate,
    ) -> Result<Self, EngineError> {
        let (jobs, waiting) = mpsc::channel(QUEUE_BATCHES);
        let (prepared, ready) = mpsc::channel(QUEUE_BATCHES);
        let (publish, published) = watch::channel(shared.store.published());
        let (broken, preparer) = (Broken::default(), writer.store().preparer());
        let (of_writer, of_preparer) = (broken.clone(), broken.clone());
        let threads = vec![
            spawn(format!("prepare-{name}"), move || {
                writer::prepare(waiting, &prepared, &preparer, &of_preparer);
            })?,
            spawn(format!("writer-{name}"), move || writer::run(writer, ready, &publish, &of_writer))?,
        ];
        Ok(Self {
            name: name.into(),
            shared,
            options,
            gate,
            running: Arc::new(Running { jobs: Mutex::new(Some(jobs)), threads: Mutex::new(threads) }),
            room: Arc::new(Semaphore::new(QUEUE_RECORDS)),
            published,
            broken,
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bounds of a batch.
    pub fn limits(&self) -> &Limits {
        &self.options.limits
    }

    /// How long a question may take.
    pub fn query_deadline(&self) -> StdDuration {
        self.options.query_deadline
    }

    /// Checks a batch and puts it in the queue; waits while that is full. Batches are written in the order in which these
    /// calls are made.
    pub async fn enqueue(&self, batch: Batch) -> Result<Ticket, EngineError> {
        self.enqueue_in(&Lane::default(), batch).await
    }

    /// The same for the next batch of a stream, which ends with the first that is refused.
    pub async fn enqueue_in(&self, lane: &Lane, batch: Batch) -> Result<Ticket, EngineError> {
        let latest = writer::now().plus(self.options.future_skew);
        let faults = batch.faults(&self.options.limits, latest);
        if !faults.is_empty() {
            return Err(EngineError::Refused { batch_id: batch.batch_id, faults });
        }
        let records = (batch.facts.len() + batch.observations.len()).clamp(1, QUEUE_RECORDS) as u32;
        let room = Arc::clone(&self.room).acquire_many_owned(records).await;
        let room = room.map_err(|_| EngineError::Closed)?;
        let (reply, receipt) = oneshot::channel();
        self.send(Job::Write(batch, lane.clone(), reply, room)).await?;
        Ok(Ticket(receipt))
    }

    async fn send(&self, job: Job<Batch>) -> Result<(), EngineError> {
        let jobs = self.running.jobs.lock().await.clone().ok_or(EngineError::Closed)?;
        jobs.send(job).await.map_err(|_| self.broken.error())
    }

    /// Holds a full listing against what its source stated before, and writes what differs as one batch.
    pub async fn reconcile(&self, listing: Listing) -> Result<Reconciled, EngineError> {
        let faults = listing.faults(&self.options.limits);
        if !faults.is_empty() {
            return Err(EngineError::Refused { batch_id: listing.batch_id, faults });
        }
        let (reply, reconciled) = oneshot::channel();
        self.send(Job::Reconcile(listing, reply)).await?;
        reconciled.await.map_err(|_| EngineError::Closed)?
    }

    /// Writes a batch: returns when it is on disk and visible.
    pub async fn ingest(&self, batch: Batch) -> Result<Receipt, EngineError> {
        self.enqueue(batch).await?.wait().await
    }

    /// The ledger size that queries may ask for.
    pub fn size(&self) -> u64 {
        self.shared.store.published()
    }

    /// Follows the published ledger size.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.published.clone()
    }

    /// Runs a question, or several, at that place with one default point. Passing the deadline makes the work fail with
    /// `Cancelled` at its next check; so does dropping the future, or the asker's going.
    pub async fn run<R: Send + 'static>(
        &self,
        place: Place,
        deadline: StdDuration,
        work: impl FnOnce(Arc<Session>) -> R + Send + 'static,
    ) -> Result<R, EngineError> {
        let shared = self.shared.clone();
        self.gate
            .ask(place, deadline, move |cancel| work(Arc::new(Session::new(shared, cancel, writer::now()))))
            .await
    }

    /// Records from an index on, at most `limit`, of what is published.
    pub async fn read(&self, first_index: u64, limit: usize) -> Result<Vec<LedgerEntry>, EngineError> {
        let (store, size) = (self.shared.store.clone(), self.size());
        let read = move |_| store.entries(first_index, limit, size);
        Ok(self.gate.ask(Place::Pool, READ_DEADLINE, read).await??)
    }

    /// Takes no more batches, writes those enqueued, flushes.
    pub(crate) async fn stop(&self) -> Result<(), EngineError> {
        self.running.jobs.lock().await.take();
        self.shared.answers.forget();
        let threads = std::mem::take(&mut *self.running.threads.lock().await);
        let join = move |_| threads.into_iter().map(JoinHandle::join).all(|joined| joined.is_ok());
        let joined = self.gate.run(STOP_DEADLINE, join).await?;
        if joined { Ok(()) } else { Err(EngineError::Closed) }
    }
}

fn spawn(name: String, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, EngineError> {
    std::thread::Builder::new()
        .name(name)
        .spawn(work)
        .map_err(|error| EngineError::Storage(StorageError::Io(format!("cannot start a writer: {error}"))))
}
