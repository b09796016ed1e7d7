//! What one request sees: one default point, and everything known at each ledger size that it asks for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use asof_model::Instant;
use asof_query::Known;
use asof_storage::Store;

use crate::EngineError;
use crate::gate::Cancel;
use crate::reader::StoreReader;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// The reads of one request.
pub struct Session {
    store: Store,
    cancel: Cancel,
    default: Point,
    known: Mutex<HashMap<u64, Arc<Known>>>,
}

impl Session {
    pub(crate) fn new(store: Store, cancel: Cancel, now: Instant) -> Self {
        let size = store.published();
        Self { store, cancel, default: Point { at: now, size }, known: Mutex::default() }
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
}
