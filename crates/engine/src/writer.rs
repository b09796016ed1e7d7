//! The writer of a tenant: one thread that takes batches in the order in which they were enqueued, and writes those that
//! wait together with one sync; ahead of it one that prepares them, and behind it one that has them written.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use asof_model::{Batch, Instant, Listing};
use asof_storage::{Group, Prepared, Preparer, Receipt, Reconciled, Sealed, StorageError, Writer};
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
/// Groups that wait to be written, beside the one that is: the next one is made meanwhile.
const GROUPS_AHEAD: usize = 1;

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

/// Why the writer takes no more, once it is so.
#[derive(Debug, Clone, Default)]
pub(crate) struct Broken(Arc<OnceLock<StorageError>>);

impl Broken {
    fn is_so(&self) -> bool {
        self.0.get().is_some()
    }

    /// What to tell those whose batches are not written.
    pub fn error(&self) -> EngineError {
        self.0.get().map_or(EngineError::Closed, |error| EngineError::Storage(error.clone()))
    }
}

impl<B> Job<B> {
    fn refuse(self, error: EngineError) {
        match self {
            Self::Write(_, _, reply, _) => drop(reply.send(Err(error))),
            Self::Reconcile(_, reply) => drop(reply.send(Err(error))),
        }
    }
}

impl Job<Prepared> {
    fn records(&self) -> usize {
        match self {
            Self::Write(batch, ..) => batch.len(),
            Self::Reconcile(listing, _) => listing.parts.len(),
        }
    }
}

/// Takes no more, and refuses what waits.
fn refuse_all<B>(jobs: &mut mpsc::Receiver<Job<B>>, broken: &Broken) {
    jobs.close();
    // What was on its way in before arrives still; after it there is an end.
    while let Some(job) = jobs.blocking_recv() {
        job.refuse(broken.error());
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

/// Runs until every sender is gone, or the writer is: does what it can ahead of the writer.
pub(crate) fn prepare(
    mut jobs: mpsc::Receiver<Job<Batch>>,
    prepared: &mpsc::Sender<Job<Prepared>>,
    preparer: &Preparer,
    broken: &Broken,
) {
    yield_to_questions();
    while let Some(job) = jobs.blocking_recv() {
        let job = match job {
            Job::Write(batch, lane, reply, room) => Job::Write(preparer.prepare(batch), lane, reply, room),
            Job::Reconcile(listing, reply) => Job::Reconcile(listing, reply),
        };
        if let Err(mpsc::error::SendError(job)) = prepared.blocking_send(job) {
            job.refuse(broken.error());
            return refuse_all(&mut jobs, broken);
        }
    }
}

/// A group on its way to the disk, and what is told to those whose jobs are in it.
struct Committing {
    sealed: Result<Sealed, StorageError>,
    answers: Vec<Answer>,
    /// Given back when all of it is on disk, and no longer in memory.
    rooms: Vec<OwnedSemaphorePermit>,
}

/// Tells one caller how it ended: with what its own job came to, where the group's sync succeeded.
type Answer = Box<dyn FnOnce(Option<&StorageError>) + Send>;

/// Runs until every sender is gone, or storage fails: makes groups, while another thread writes the one before.
pub(crate) fn run(
    mut writer: Writer,
    mut jobs: mpsc::Receiver<Job<Prepared>>,
    published: &watch::Sender<u64>,
    broken: &Broken,
) {
    yield_to_questions();
    std::thread::scope(|scope| {
        let (made, groups) = std::sync::mpsc::sync_channel(GROUPS_AHEAD);
        // With the priority of this one.
        scope.spawn(move || commit(&groups, published, broken));
        while let Some(first) = jobs.blocking_recv() {
            if broken.is_so() {
                first.refuse(broken.error());
                break;
            }
            let mut records = first.records();
            let mut together = vec![first];
            while records < GROUP_RECORDS && together.len() < GROUP_BATCHES {
                let Ok(next) = jobs.try_recv() else { break };
                records += next.records();
                together.push(next);
            }
            let group = make_group(&mut writer, together);
            let failed = group.sealed.is_err();
            // All are taken until this sender is gone.
            if made.send(group).is_err() || failed {
                break;
            }
        }
    });
    if broken.is_so() {
        return refuse_all(&mut jobs, broken);
    }
    if let Err(error) = writer.store().flush() {
        tracing::error!(%error, "flushing at the end failed; the write-ahead log has everything");
    }
}

/// Writes groups in order, each with one sync; replies come after it, in order. After a failure none is written any more.
fn commit(groups: &std::sync::mpsc::Receiver<Committing>, published: &watch::Sender<u64>, broken: &Broken) {
    for Committing { mut sealed, answers, rooms } in groups {
        let outcome = match (broken.0.get(), &mut sealed) {
            (Some(error), _) => Err(error.clone()),
            (None, Err(error)) => Err(error.clone()),
            (None, Ok(sealed)) => sealed.write(),
        };
        match &outcome {
            Ok(size) => drop(published.send_replace(*size)),
            Err(error) => {
                if broken.0.set(error.clone()).is_ok() {
                    tracing::error!(%error, "writing failed; this tenant takes no more batches until it is opened again");
                }
            }
        }
        for answer in answers {
            answer(outcome.as_ref().err());
        }
        drop((sealed, rooms));
    }
}

fn make_group(writer: &mut Writer, jobs: Vec<Job<Prepared>>) -> Committing {
    let mut group = writer.group();
    let mut answers: Vec<Answer> = Vec::with_capacity(jobs.len());
    let mut failed = None;
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
    let sealed = match failed {
        Some(error) => Err(error),
        None => group.seal(),
    };
    Committing { sealed, answers, rooms }
}

/// Takes one job into the group. After a failure of storage nothing more is taken.
fn take<T: Send + 'static>(
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use asof_storage::Store;
    use tokio::sync::Semaphore;

    use super::*;

    #[test]
    fn who_waits_to_be_prepared_when_storage_fails_is_told_why() {
        let folder = tempfile::tempdir().unwrap();
        let (store, _writer) = Store::open(&folder.path().join("t")).unwrap();
        let (jobs, waiting) = mpsc::channel(4);
        let (prepared, ready) = mpsc::channel(4);
        let room = Arc::new(Semaphore::new(4));
        let mut replies = Vec::new();
        for _ in 0..3 {
            let (reply, receipt) = oneshot::channel();
            let batch = Batch {
                source: "s".to_owned(),
                batch_id: String::new(),
                facts: Vec::new(),
                observations: Vec::new(),
            };
            let room = Arc::clone(&room).try_acquire_owned().unwrap();
            jobs.try_send(Job::Write(batch, Lane::default(), reply, room)).unwrap();
            replies.push(receipt);
        }
        let broken = Broken::default();
        broken.0.set(StorageError::Io("no space left".to_owned())).unwrap();
        drop(ready);
        prepare(waiting, &prepared, &store.preparer(), &broken);
        for receipt in replies {
            let error = receipt.blocking_recv().unwrap().unwrap_err();
            assert!(
                matches!(&error, EngineError::Storage(StorageError::Io(why)) if why == "no space left"),
                "{error}"
            );
        }
        assert!(jobs.is_closed());
    }
}
