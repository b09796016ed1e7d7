//! Ordinals by id, as writers looked them up: kept for all stores of a process, bounded in bytes.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};

use crate::keys::Space;
use crate::parts::sharded;

/// In pieces with a lock each: writers of several tenants seldom wait for each other.
const SHARDS: usize = 8;
/// What an entry takes beside its id.
const ENTRY_BYTES: u64 = 72;

/// An id of a space of the store that was opened as this.
#[derive(Clone, PartialEq, Eq)]
struct OwnName {
    opening: u32,
    space: Space,
    id: Box<[u8]>,
}

/// The same, borrowed.
struct Asked<'a> {
    opening: u32,
    space: Space,
    id: &'a [u8],
}

impl Hash for Asked<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.opening, self.space, self.id).hash(state);
    }
}

impl Hash for OwnName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Asked { opening: self.opening, space: self.space, id: &self.id }.hash(state);
    }
}

impl Equivalent<OwnName> for Asked<'_> {
    fn equivalent(&self, key: &OwnName) -> bool {
        *self.id == *key.id && self.space == key.space && self.opening == key.opening
    }
}

#[derive(Clone)]
struct Bytes;

impl Weighter<OwnName, u32> for Bytes {
    fn weight(&self, key: &OwnName, _: &u32) -> u64 {
        key.id.len() as u64 + ENTRY_BYTES
    }
}

/// Those of all stores.
#[derive(Clone)]
pub(crate) struct Names(Arc<Cache<OwnName, u32, Bytes>>);

impl Names {
    /// At most so many bytes.
    pub fn new(bytes: u64) -> Self {
        Self(Arc::new(sharded(bytes, SHARDS, Bytes)))
    }

    /// Those of the store that was opened as this.
    pub fn of(&self, opening: u32) -> OwnNames {
        OwnNames { all: self.clone(), opening }
    }
}

/// Those of one store.
pub(crate) struct OwnNames {
    all: Names,
    opening: u32,
}

impl OwnNames {
    pub fn get(&self, space: Space, id: &[u8]) -> Option<u32> {
        self.all.0.get(&Asked { opening: self.opening, space, id })
    }

    pub fn put(&self, space: Space, id: &[u8], ordinal: u32) {
        self.all.0.insert(OwnName { opening: self.opening, space, id: id.into() }, ordinal);
    }
}
