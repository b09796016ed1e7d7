//! The one place where blocking work is let run: it owns the semaphore, the deadline and cancellation.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use asof_query::QueryError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::EngineError;

/// How often work on its asker's thread looks whether he is still there.
const LOOK: Duration = Duration::from_millis(50);
/// Of so many checks of such work one looks at the clock: large questions check thousands of times, with little work between.
const CHECKS: u32 = 8;

/// The thread that answers a question.
#[derive(Clone)]
pub enum Place {
    /// One of those for blocking work, while the asker's serves others. Dropping the future ends the work.
    Pool,
    /// The asker's own, for whom nobody else waits: two changes of threads less, which is as long as many a question takes.
    /// The work itself looks whether the asker has gone: this says so.
    Here(Arc<dyn Fn() -> bool + Send + Sync>),
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pool => "Pool",
            Self::Here(_) => "Here",
        })
    }
}

/// Tells running work that nobody waits for it any more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cancel(Arc<Cancelled>);

#[derive(Debug, Default)]
struct Cancelled {
    is: AtomicBool,
    /// Of work on its asker's thread, which nothing else can end.
    itself: Option<Itself>,
}

/// What work looks at that is to end by itself.
struct Itself {
    until: Instant,
    gone: Arc<dyn Fn() -> bool + Send + Sync>,
    checks: AtomicU32,
    looked: Mutex<Instant>,
}

impl fmt::Debug for Itself {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Itself").field("until", &self.until).finish_non_exhaustive()
    }
}

impl Itself {
    fn is_over(&self) -> bool {
        let now = Instant::now();
        if now >= self.until {
            return true;
        }
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(*looked) < LOOK {
            return false;
        }
        *looked = now;
        (self.gone)()
    }
}

impl Cancel {
    /// [`QueryError::Cancelled`] once it is so.
    pub fn check(&self) -> Result<(), QueryError> {
        if let Some(itself) = &self.0.itself
            && itself.checks.fetch_add(1, Ordering::Relaxed).is_multiple_of(CHECKS)
            && itself.is_over()
        {
            self.set();
        }
        if self.0.is.load(Ordering::Relaxed) { Err(QueryError::Cancelled) } else { Ok(()) }
    }

    fn set(&self) {
        self.0.is.store(true, Ordering::Relaxed);
    }
}

/// Cancels when it is dropped: when the deadline has passed, or the waiting future itself was dropped.
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}

/// How many blocking pieces of work run at once, and how many wait.
#[derive(Debug, Clone)]
pub(crate) struct Gate {
    running: Arc<Semaphore>,
    /// One for each question that runs or waits.
    places: Arc<Semaphore>,
    at_once: usize,
    waiting: usize,
}

impl Gate {
    pub fn new(at_once: usize, waiting: usize) -> Self {
        let at_once = at_once.clamp(1, Semaphore::MAX_PERMITS / 2);
        let waiting = waiting.min(Semaphore::MAX_PERMITS / 2);
        Self {
            running: Arc::new(Semaphore::new(at_once)),
            places: Arc::new(Semaphore::new(at_once + waiting)),
            at_once,
            waiting,
        }
    }

    /// Answers somebody's question, there or on the pool, or refuses it at once where too many wait already. The deadline counts
    /// waiting, too.
    pub async fn ask<R: Send + 'static>(
        &self,
        place: Place,
        deadline: Duration,
        work: impl FnOnce(Cancel) -> R + Send + 'static,
    ) -> Result<R, EngineError> {
        let counted = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| EngineError::Busy { running: self.at_once, waiting: self.waiting })?;
        match place {
            Place::Here(gone) => {
                let until = Instant::now() + deadline;
                let _permit = within(deadline, self.permit()).await??;
                here(until, gone, work)
            }
            Place::Pool => {
                let work = move |cancel| {
                    // As below: a place is free when the work ends, and not when its client goes.
                    let _counted = counted;
                    work(cancel)
                };
                self.run(deadline, work).await
            }
        }
    }

    /// Runs the work on the blocking pool. The deadline counts waiting, too.
    pub async fn run<R: Send + 'static>(
        &self,
        deadline: Duration,
        work: impl FnOnce(Cancel) -> R + Send + 'static,
    ) -> Result<R, EngineError> {
        let cancel = Cancel::default();
        let on_drop = CancelOnDrop(cancel.clone());
        let result = within(deadline, async {
            let permit = self.permit().await?;
            let running = tokio::task::spawn_blocking(move || {
                // The permit is the work's, not the waiter's: work that is cancelled still takes its place until it stops.
                let _permit = permit;
                work(cancel)
            });
            running.await.map_err(|error| failed(&error))
        })
        .await?;
        drop(on_drop);
        result
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit, EngineError> {
        Arc::clone(&self.running).acquire_owned().await.map_err(|_| EngineError::Closed)
    }
}

async fn within<T>(deadline: Duration, work: impl Future<Output = T>) -> Result<T, EngineError> {
    tokio::time::timeout(deadline, work).await.map_err(|_| cancelled())
}

/// Runs the work on this very thread.
fn here<R>(
    until: Instant,
    gone: Arc<dyn Fn() -> bool + Send + Sync>,
    work: impl FnOnce(Cancel) -> R,
) -> Result<R, EngineError> {
    let itself = Itself { until, gone, checks: AtomicU32::new(0), looked: Mutex::new(Instant::now()) };
    let cancel = Cancel(Arc::new(Cancelled { is: AtomicBool::new(false), itself: Some(itself) }));
    let ran = catch_unwind(AssertUnwindSafe(|| work(cancel.clone()))).map_err(|_| failed(&"it panicked"))?;
    // As on the pool: what comes after the deadline is no answer.
    if cancel.check().is_err() || Instant::now() >= until { Err(cancelled()) } else { Ok(ran) }
}

fn cancelled() -> EngineError {
    EngineError::Query(QueryError::Cancelled)
}

fn failed(error: &dyn fmt::Display) -> EngineError {
    tracing::error!(%error, "blocking work failed");
    EngineError::Query(QueryError::Storage("the work stopped unexpectedly; see the server's log".into()))
}
