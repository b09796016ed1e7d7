//! What one request sees: one default point, and everything known at each ledger size that it asks for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use asof_model::{Instant, Record};
use asof_query::Known;
use asof_storage::{Store, Work};

use crate::answers::TenantAnswers;
use crate::gate::Cancel;
use crate::reader::StoreReader;
use crate::{EngineError, SealKey};

/// A point as asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PointRequest {
    /// When it was true in the world.
    pub as_of: Option<Instant>,
    /// What had been recorded by then; goes not with `ledger_size`.
    pub known_at: Option<Instant>,
    /// The first so many records.
    pub ledger_size: Option<u64>,
}

/// The point (T, K) of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Point {
    /// T.
    pub at: Instant,
    /// K.
    pub size: u64,
}

/// What an answer was computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotInfo {
    /// T.
    pub as_of: Instant,
    /// K.
    pub ledger_size: u64,
    /// When the last of the K records was recorded.
    pub recorded_at: Option<Instant>,
    /// The Merkle root over them.
    pub root: [u8; 32],
}

/// A batch with records, as the ledger has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchInfo {
    /// The ledger index of its first record.
    pub first: u64,
    /// The ledger size after it.
    pub end: u64,
    /// When it was recorded.
    pub recorded_at: Instant,
}

/// What all requests to a tenant share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub store: Store,
    pub answers: TenantAnswers,
    pub seal: Arc<SealKey>,
}

/// The reads of one request.
pub struct Session {
    store: Store,
    answers: TenantAnswers,
    seal: Arc<SealKey>,
    cancel: Cancel,
    default: Point,
    known: Mutex<HashMap<u64, Arc<Known>>>,
}

impl Session {
    pub(crate) fn new(shared: Shared, cancel: Cancel, now: Instant) -> Self {
        let Shared { store, answers, seal } = shared;
        let default = Point { at: now, size: store.published() };
        let store = store.counted();
        Self { store, answers, seal, cancel, default, known: Mutex::default() }
    }

    /// What reading took so far.
    pub fn work(&self) -> Work {
        self.store.work()
    }

    /// Marks what is given out to come back.
    pub fn seal(&self) -> &SealKey {
        &self.seal
    }

    /// The whole answer to a question at a point, if it is still kept. The question is a digest of all that it says beside
    /// its point.
    pub fn kept<T: Send + Sync + 'static>(&self, question: [u8; 32], point: Point) -> Option<Arc<T>> {
        self.answers.get(question, point)
    }

    /// Keeps a whole answer of so many bytes for later pages.
    pub fn keep<T: Send + Sync + 'static>(
        &self,
        question: [u8; 32],
        point: Point,
        answer: Arc<T>,
        bytes: usize,
    ) {
        self.answers.put(question, point, answer, bytes as u64);
    }

    /// The point that is asked for. Root fields that name none see the same one.
    pub fn point(&self, request: &PointRequest) -> Result<Point, EngineError> {
        let size = match (request.known_at, request.ledger_size) {
            (Some(_), Some(_)) => {
                return Err(EngineError::Point("a point has knownAt or ledgerSize, not both".to_owned()));
            }
            (Some(at), None) => self.store.size_at(at)?.min(self.default.size),
            (None, Some(size)) if size > self.default.size => {
                return Err(EngineError::Point(format!(
                    "ledgerSize {size} is beyond the ledger, which has {} records",
                    self.default.size
                )));
            }
            (None, Some(size)) => size,
            (None, None) => self.default.size,
        };
        let at = request.as_of.or(request.known_at).unwrap_or(self.default.at);
        Ok(Point { at, size })
    }

    /// Everything known at a ledger size that [`Session::point`] gave.
    pub fn known(&self, size: u64) -> Result<Arc<Known>, EngineError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(&size) {
            return Ok(Arc::clone(found));
        }
        let reader = StoreReader::new(self.store.clone(), size, self.cancel.clone());
        let made = Arc::new(Known::new(Arc::new(reader)));
        known.insert(size, Arc::clone(&made));
        Ok(made)
    }

    /// What stands behind a point.
    pub fn snapshot(&self, point: Point) -> Result<SnapshotInfo, EngineError> {
        let (root, recorded_at) = self.store.root_at(point.size)?;
        Ok(SnapshotInfo { as_of: point.at, ledger_size: point.size, recorded_at, root })
    }

    /// The batch that holds a record.
    pub fn batch_of(&self, index: u64) -> Result<BatchInfo, EngineError> {
        self.holds(index)?;
        let header = self.store.header_of(index)?;
        Ok(BatchInfo { first: header.first, end: header.end, recorded_at: header.recorded_at })
    }

    /// A record.
    pub fn record(&self, index: u64) -> Result<Record, EngineError> {
        self.holds(index)?;
        Ok(self.store.record(index)?)
    }

    fn holds(&self, index: u64) -> Result<(), EngineError> {
        if index < self.default.size {
            return Ok(());
        }
        let size = self.default.size;
        Err(EngineError::Point(format!("record {index} is beyond the ledger, which has {size} records")))
    }
}
