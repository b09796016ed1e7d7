//! The one place where blocking work leaves the async pool: it owns the semaphore, the deadline and cancellation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use asof_query::QueryError;
use tokio::sync::Semaphore;

use crate::EngineError;

/// Tells running work that nobody waits for it any more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// [`QueryError::Cancelled`] once it is so.
    pub fn check(&self) -> Result<(), QueryError> {
        if self.0.load(Ordering::Relaxed) { Err(QueryError::Cancelled) } else { Ok(()) }
    }
}

/// Cancels when it is dropped: when the deadline has passed, or the waiting future itself was dropped.
struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
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

    /// Runs somebody's question as [`Gate::run`] does, or refuses it at once where too many wait already.
    pub async fn ask<R: Send + 'static>(
        &self,
        deadline: Duration,
        work: impl FnOnce(Cancel) -> R + Send + 'static,
    ) -> Result<R, EngineError> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| EngineError::Busy { running: self.at_once, waiting: self.waiting })?;
        self.run(deadline, move |cancel| {
            // As below: a place is free when the work ends, and not when its client goes.
            let _place = place;
            work(cancel)
        })
        .await
    }

    /// Runs the work on the blocking pool. The deadline counts waiting, too.
    pub async fn run<R: Send + 'static>(
        &self,
        deadline: Duration,
        work: impl FnOnce(Cancel) -> R + Send + 'static,
    ) -> Result<R, EngineError> {
        let cancel = Cancel::default();
        let on_drop = CancelOnDrop(cancel.clone());
        let limited = tokio::time::timeout(deadline, async {
            let permit = Arc::clone(&self.running).acquire_owned().await.map_err(|_| EngineError::Closed)?;
            let running = tokio::task::spawn_blocking(move || {
                // The permit is the work's, not the waiter's: work that is cancelled still takes its place until it stops.
                let _permit = permit;
                work(cancel)
            });
            running.await.map_err(|error| {
                tracing::error!(%error, "blocking work failed");
                EngineError::Query(QueryError::Storage(
                    "the work stopped unexpectedly; see the server's log".into(),
                ))
            })
        });
        let result = limited.await.map_err(|_| EngineError::Query(QueryError::Cancelled))?;
        drop(on_drop);
        result
    }
}
