//! Results kept for the stretches of valid time over which they hold.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use asof_model::{Instant, Interval};
use foldhash::fast::FixedState;

/// A map whose order is never seen.
pub(crate) type Map<K, V> = HashMap<K, V, FixedState>;

/// Keeps results by key and stretch. Bounded: when it is full, it starts anew.
#[derive(Debug)]
pub(crate) struct Memo<K, V> {
    kept: Mutex<Kept<K, V>>,
    entries_max: usize,
}

/// The stretches of one key do not overlap: each is what the evaluation of any of its moments gives.
#[derive(Debug)]
struct Kept<K, V> {
    by_key: Map<K, Vec<(Interval, V)>>,
    entries: usize,
}

impl<K: Hash + Eq, V: Clone> Memo<K, V> {
    pub(crate) fn new(entries_max: usize) -> Self {
        Self { kept: Mutex::new(Kept { by_key: Map::default(), entries: 0 }), entries_max }
    }

    /// What is kept for the moment; the stretch is narrowed to that over which it holds.
    pub(crate) fn get(&self, key: &K, at: Instant, span: &mut Interval) -> Option<V> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let stretches = kept.by_key.get(key)?;
        let place = stretches.partition_point(|(stretch, _)| stretch.from <= at).checked_sub(1)?;
        let (stretch, value) = stretches.get(place).filter(|(stretch, _)| stretch.contains(at))?;
        super::span::narrow(span, *stretch);
        Some(value.clone())
    }

    /// Keeps a result for a stretch.
    pub(crate) fn put(&self, key: K, stretch: Interval, value: V) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.entries >= self.entries_max {
            kept.by_key.clear();
            kept.entries = 0;
        }
        let stretches = kept.by_key.entry(key).or_default();
        let place = stretches.partition_point(|(other, _)| other.from < stretch.to);
        if place
            .checked_sub(1)
            .and_then(|before| stretches.get(before))
            .is_none_or(|(other, _)| other.to <= stretch.from)
        {
            stretches.insert(place, (stretch, value));
            kept.entries += 1;
        }
    }
}

/// What was read, kept by key. Bounded by weight: when it is full, it starts anew.
#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    kept: Mutex<(Map<K, V>, usize)>,
    weight_max: usize,
}

impl<K: Hash + Eq, V: Clone> Cache<K, V> {
    pub(crate) fn new(weight_max: usize) -> Self {
        Self { kept: Mutex::new((Map::default(), 0)), weight_max }
    }

    /// What is kept, or is read and kept.
    pub(crate) fn get<E>(
        &self,
        key: K,
        weight: impl FnOnce(&V) -> usize,
        read: impl FnOnce() -> Result<V, E>,
    ) -> Result<V, E> {
        if let Some(value) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).0.get(&key) {
            return Ok(value.clone());
        }
        let value = read()?;
        let more = 1 + weight(&value);
        let (by_key, total) = &mut *self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if *total + more > self.weight_max {
            by_key.clear();
            *total = 0;
        }
        *total += more;
        by_key.insert(key, value.clone());
        Ok(value)
    }
}
