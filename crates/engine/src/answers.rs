//! Whole answers, kept while someone pages through them: an answer at (T, K) never changes, so a later page is a slice.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use asof_storage::StorageError;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use crate::{EngineError, Point};

/// What an entry costs beside what it keeps.
const ENTRY_BYTES: u64 = 256;
/// Few and large are expected; the cache grows where they are many and small.
const ENTRIES_EXPECTED: usize = 1_024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    /// Which opening of which tenant: no other tenant, and none that later has the same name, shares an answer.
    opening: u64,
    /// A digest of everything that the question says beside its point.
    question: [u8; 32],
    point: Point,
}

#[derive(Clone)]
struct Kept {
    bytes: u64,
    answer: Arc<dyn Any + Send + Sync>,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Key, Kept> for Bytes {
    fn weight(&self, _: &Key, kept: &Kept) -> u64 {
        kept.bytes.saturating_add(ENTRY_BYTES)
    }
}

/// The answers of all tenants of an engine.
#[derive(Clone)]
pub(crate) struct Answers {
    kept: Arc<Cache<Key, Kept, Bytes>>,
    openings: Arc<AtomicU64>,
}

impl Answers {
    /// Keeps so many bytes.
    pub fn new(bytes: u64) -> Result<Self, EngineError> {
        let options = OptionsBuilder::new()
            .estimated_items_capacity(ENTRIES_EXPECTED)
            .weight_capacity(bytes)
            // One answer may take nearly all of it; shards would each keep a part.
            .shards(1)
            .build()
            .map_err(|error| {
                EngineError::Storage(StorageError::Io(format!("answers cannot be kept: {error}")))
            })?;
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        let kept = Cache::with_options(options, Bytes, hasher, lifecycle);
        Ok(Self { kept: Arc::new(kept), openings: Arc::default() })
    }

    /// Those of a tenant that was just opened.
    pub fn of_tenant(&self) -> TenantAnswers {
        let opening = self.openings.fetch_add(1, Ordering::Relaxed);
        TenantAnswers { kept: Arc::clone(&self.kept), opening }
    }
}

/// The answers of one tenant.
#[derive(Clone)]
pub(crate) struct TenantAnswers {
    kept: Arc<Cache<Key, Kept, Bytes>>,
    opening: u64,
}

impl TenantAnswers {
    /// The answer to a question, if it is kept.
    pub fn get<T: Send + Sync + 'static>(&self, question: [u8; 32], point: Point) -> Option<Arc<T>> {
        let kept = self.kept.get(&Key { opening: self.opening, question, point })?;
        kept.answer.downcast().ok()
    }

    /// Keeps the answer to a question, which takes so many bytes; others may go for it.
    pub fn put<T: Send + Sync + 'static>(
        &self,
        question: [u8; 32],
        point: Point,
        answer: Arc<T>,
        bytes: u64,
    ) {
        self.kept.insert(Key { opening: self.opening, question, point }, Kept { bytes, answer });
    }

    /// Forgets all of them: what is true of every K is so no longer, or nobody asks any more.
    pub fn forget(&self) {
        self.kept.retain(|key, _| key.opening != self.opening);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use asof_model::Instant;

    use super::*;

    fn point(size: u64) -> Point {
        Point { at: Instant::from_nanos(1), size }
    }

    #[test]
    fn answers_are_kept_apart() {
        let answers = Answers::new(1 << 20).unwrap();
        let (one, other) = (answers.of_tenant(), answers.of_tenant());
        one.put([1; 32], point(5), Arc::new(vec![1_u32, 2]), 8);
        assert_eq!(*one.get::<Vec<u32>>([1; 32], point(5)).unwrap(), [1, 2]);
        assert!(one.get::<Vec<u32>>([2; 32], point(5)).is_none());
        assert!(one.get::<Vec<u32>>([1; 32], point(6)).is_none());
        assert!(one.get::<Vec<u64>>([1; 32], point(5)).is_none());
        assert!(other.get::<Vec<u32>>([1; 32], point(5)).is_none());
        other.put([1; 32], point(5), Arc::new(vec![3_u32]), 4);
        one.forget();
        assert!(one.get::<Vec<u32>>([1; 32], point(5)).is_none());
        assert!(other.get::<Vec<u32>>([1; 32], point(5)).is_some());
    }

    #[test]
    fn memory_is_bounded() {
        let answers = Answers::new(1 << 20).unwrap();
        let tenant = answers.of_tenant();
        for size in 0..200 {
            tenant.put([0; 32], point(size), Arc::new(vec![0_u8; 100_000]), 100_000);
            assert!(answers.kept.weight() <= 1 << 20);
        }
        assert!(answers.kept.weight() > 1 << 19);
        tenant.put([0; 32], point(500), Arc::new(vec![0_u8; 2 << 20]), 2 << 20);
        assert!(answers.kept.weight() <= 1 << 20);
        assert!(tenant.get::<Vec<u8>>([0; 32], point(500)).is_none());
    }
}
