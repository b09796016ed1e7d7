//! What all reads of a tenant share: decoded rows of posture in memory, whatever the ledger size that they are read at.
//!
//! An entry holds all that the disk has of its key, and readers pass over what is at or beyond their K. So an entry is
//! wrong only when it lacks a row, and that is kept out in two ways: the writer, once its rows are on disk and before it
//! publishes their size, forgets every key that it touched; and a read that began before that does not keep what it found
//! (its slot's generation has moved on).

use std::collections::BTreeSet;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use asof_evidence::Hash;
use asof_model::{EdgeKind, Instant, NodeKind, Privilege, Statement, Timeline};
use asof_temporal::{Deaths, EdgeList, Postings, Segment, Stated, Terms};
use foldhash::fast::FixedState;
use quick_cache::Weighter;
use quick_cache::unsync::{Cache, DefaultLifecycle};
use roaring::RoaringBitmap;

use crate::keys::{NodeKey, Space, TimelineKey};

/// Parts with a lock each.
const SHARDS: usize = 16;
/// Generations of a part: a key that is forgotten spoils the reads under way of no more than a share of the others.
const SLOTS: usize = 64;
/// What an entry takes beside what it points to.
const OVERHEAD_BYTES: usize = 96;

/// What is kept, by what it is read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum KeptKey {
    /// The edges of a kind of a node, one way.
    Edges(EdgeKind, bool, NodeKey),
    /// Statements on a key.
    History(TimelineKey),
    /// The ordinal of an id, by its fingerprint. It never changes.
    Id(Space, [u8; 16]),
    /// A name by ordinal. It never changes.
    Name(Space, u32),
    /// The moments at which a node was found to be discovered.
    Discovered(NodeKey),
    /// The segment of a privilege that starts at a moment.
    Segment(Privilege, Instant),
    /// An entangled set.
    Entangled(u8),
    /// How many names a space has.
    Count(Space),
    /// Entitlements with a resource id as a scope, by its fingerprint.
    Scoped([u8; 16]),
    /// Entitlements with globs as scopes.
    Globs,
    /// Entitlements with a scope that matches a resource, by its fingerprint.
    Matching([u8; 16]),
    /// Since when the nodes of a block are stated.
    Stated(NodeKind, u32),
    /// What the nodes of a block ever said.
    Said(NodeKind, u32),
    /// When the secrets of a block die.
    Deaths(u32),
    /// What the entitlements of a block say.
    Terms(u32),
    /// The root over the first so many records, and when the last of them was recorded. It never changes.
    Root(u64),
}

/// All statements on a key, and the timeline that they make.
#[derive(Debug)]
pub(crate) struct History {
    pub statements: Vec<Statement>,
    pub now: Arc<Timeline>,
}

/// Entitlements, each with the index of the record from which on it is one of them.
pub(crate) type Entitlements = Arc<[(u32, u64)]>;
/// Globs, each with its entitlements.
pub(crate) type Globs = Arc<[Glob]>;
/// One of them.
pub(crate) type Glob = (Box<str>, Vec<(u32, u64)>);

/// One entry.
#[derive(Debug, Clone)]
pub(crate) enum Entry {
    Edges(Arc<EdgeList>),
    History(Arc<History>),
    Name(u64, Arc<str>),
    /// With its appearance.
    Ordinal(u32, u64),
    Discovered(Arc<[(u64, Instant)]>),
    /// With the start of the one after it, when it was read.
    Segment(Arc<Segment>, Option<Instant>),
    Set(Arc<RoaringBitmap>),
    Count(u32, u64),
    Entitlements(Entitlements),
    Globs(Globs),
    /// With the version of the globs that it was made of.
    Matching(u64, Entitlements),
    Stated(Arc<Stated>),
    Said(Arc<Postings>),
    Deaths(Arc<Deaths>),
    Terms(Arc<[Terms]>),
    Root(Hash, Instant),
}

impl Entry {
    /// About how many bytes it takes.
    fn bytes(&self) -> usize {
        OVERHEAD_BYTES
            + match self {
                Self::Edges(list) => list.bytes(),
                Self::History(history) => history.bytes(),
                Self::Name(_, text) => text.len(),
                Self::Terms(terms) => size_of_val(&**terms),
                Self::Stated(stated) => stated.bytes(),
                Self::Said(postings) => postings.bytes(),
                Self::Deaths(deaths) => deaths.bytes(),
                Self::Discovered(rows) => size_of_val(&**rows),
                Self::Segment(segment, _) => segment.bytes(),
                Self::Set(set) => set.serialized_size(),
                Self::Count(..) | Self::Ordinal(..) | Self::Root(..) => 0,
                Self::Entitlements(found) | Self::Matching(_, found) => size_of_val(&**found),
                Self::Globs(globs) => {
                    globs.iter().map(|(glob, found)| OVERHEAD_BYTES + glob.len() + 16 * found.len()).sum()
                }
            }
    }
}

impl History {
    /// Of statements in ledger order.
    pub fn of(statements: Vec<Statement>) -> Self {
        let now = Arc::new(Timeline::resolve(&statements));
        Self { statements, now }
    }

    /// The timeline of those below a ledger size.
    pub fn at(&self, size: u64) -> Arc<Timeline> {
        let known = self.statements.partition_point(|each| each.index < size);
        if known == self.statements.len() {
            return Arc::clone(&self.now);
        }
        Arc::new(Timeline::resolve(self.statements.get(..known).unwrap_or_default()))
    }

    fn bytes(&self) -> usize {
        /// Of texts and maps of an ordinary value.
        const VALUE_BYTES: usize = 400;
        self.statements.len() * (size_of::<Statement>() + VALUE_BYTES) + self.now.pieces().len() * 48
    }
}

#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<(u32, KeptKey), Entry> for Bytes {
    fn weight(&self, _: &(u32, KeptKey), entry: &Entry) -> u64 {
        entry.bytes() as u64
    }
}

struct Shard {
    entries: Cache<(u32, KeptKey), Entry, Bytes, FixedState>,
    generations: [u64; SLOTS],
}

/// Entries of all stores of a process, bounded in bytes.
pub(crate) struct Shards {
    shards: Vec<Mutex<Shard>>,
    hasher: FixedState,
}

impl Shards {
    /// At most so many bytes.
    pub fn new(bytes_max: u64) -> Self {
        let shard = || {
            let entries = Cache::with(
                1 << 12,
                bytes_max / SHARDS as u64,
                Bytes,
                FixedState::default(),
                DefaultLifecycle::default(),
            );
            Mutex::new(Shard { entries, generations: [0; SLOTS] })
        };
        Self { shards: (0..SHARDS).map(|_| shard()).collect(), hasher: FixedState::default() }
    }

    /// The part of a key and its slot in it.
    fn shard(&self, key: &(u32, KeptKey)) -> Option<(MutexGuard<'_, Shard>, usize)> {
        let hash = self.hasher.hash_one(key);
        let shard = self.shards.get((hash >> 48) as usize % SHARDS)?;
        let slot = (hash >> 32) as usize % SLOTS;
        Some((shard.lock().unwrap_or_else(PoisonError::into_inner), slot))
    }
}

/// Entries of a store by key.
pub(crate) struct Kept {
    shards: Arc<Shards>,
    opening: u32,
    globs: AtomicU64,
    starts: Mutex<BTreeSet<(Privilege, Instant)>>,
}

impl Kept {
    /// Of the store that was opened as this.
    pub fn new(shards: Arc<Shards>, opening: u32) -> Self {
        Self { shards, opening, globs: AtomicU64::new(0), starts: Mutex::default() }
    }

    /// What is kept or, where nothing is, is read, and then kept unless the key was touched meanwhile. No lock is held
    /// while it is read.
    pub fn get<E>(&self, key: KeptKey, read: impl FnOnce() -> Result<Entry, E>) -> Result<Entry, E> {
        let key = (self.opening, key);
        let Some((shard, slot)) = self.shards.shard(&key) else { return read() };
        if let Some(entry) = shard.entries.get(&key) {
            return Ok(entry.clone());
        }
        let generation = shard.generations.get(slot).copied();
        drop(shard);
        let entry = read()?;
        if let Some((mut shard, slot)) = self.shards.shard(&key)
            && shard.generations.get(slot).copied() == generation
        {
            shard.entries.insert(key, entry.clone());
        }
        Ok(entry)
    }

    /// Forgets a key of which rows were written, and what is being read of it.
    pub fn forget(&self, key: &KeptKey) {
        let own = (self.opening, *key);
        if let Some((mut shard, slot)) = self.shards.shard(&own) {
            shard.entries.remove(&own);
            if let Some(generation) = shard.generations.get_mut(slot) {
                *generation += 1;
            }
        }
        // After the globs themselves are forgotten: what is made of them under the new version is made of new ones.
        if *key == KeptKey::Globs {
            self.globs.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// The last start of a segment at or before a moment, of those that were come upon. None ever goes.
    pub fn last_start(&self, privilege: Privilege, at: Instant) -> Option<Instant> {
        let starts = self.starts.lock().unwrap_or_else(PoisonError::into_inner);
        let last = starts.range((privilege, Instant::BEGINNING)..=(privilege, at)).next_back();
        last.map(|(_, start)| *start)
    }

    /// A segment starts there.
    pub fn add_start(&self, privilege: Privilege, start: Instant) {
        self.starts.lock().unwrap_or_else(PoisonError::into_inner).insert((privilege, start));
    }

    /// A number that grows whenever globs are written.
    pub fn globs_version(&self) -> u64 {
        self.globs.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests;
