//! Where a tenant's events are: the parts of each day, and the blocks of them that are kept in memory.
//!
//! A part never changes. Several become one larger part, which is written first and listed, and they themselves are
//! deleted with a later write: whoever still reads by an older list finds them, or looks at the list again.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError, RwLock};

use asof_temporal::{Block, BlockHead, DecodeError};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use crate::chosen::{Chosen, ChosenBytes, ChosenKey};
use crate::codec::{Decoder, Encoder};
use crate::db::{Db, Family, Pending};
use crate::error::{StorageError, corrupt};
use crate::keys;

/// How often a list that names a part which is gone is looked at again.
const LOOKS_MAX: usize = 16;

/// A part by what it holds: events of one day (since 1970), recorded between two ledger indices. Parts of one day lie
/// within one another or apart; no two are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PartId {
    pub day: u32,
    pub first: u64,
    pub last: u64,
}

/// A part as listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Part {
    pub id: PartId,
    pub events: u32,
    /// The time of its first event.
    pub from: i64,
    /// The time of its last event.
    pub until: i64,
}

impl Part {
    pub fn of(day: u32, block: &Block) -> Option<Self> {
        let (from, until) = block.span()?;
        let id = PartId { day, first: block.first_index(), last: block.last_index() };
        Some(Self { id, events: block.len() as u32, from, until })
    }

    /// Lies within the other, which was made of it and more.
    fn is_in(&self, other: &Self) -> bool {
        self.id != other.id && other.id.first <= self.id.first && self.id.last <= other.id.last
    }
}

/// The parts of each day, in ledger order.
pub(crate) type Directory = BTreeMap<u32, Arc<[Part]>>;

/// A part of the store that was opened as this.
type OwnId = (u32, PartId);

#[derive(Clone)]
struct BlockBytes;

impl Weighter<OwnId, Arc<Block>> for BlockBytes {
    fn weight(&self, _: &OwnId, block: &Arc<Block>) -> u64 {
        block.weight()
    }
}

#[derive(Clone)]
struct HeadBytes;

impl Weighter<OwnId, Arc<BlockHead>> for HeadBytes {
    fn weight(&self, _: &OwnId, head: &Arc<BlockHead>) -> u64 {
        head.weight()
    }
}

/// Parts of all stores of a process, decoded, bounded in bytes.
#[derive(Clone)]
pub(crate) struct Caches {
    blocks: Arc<Cache<OwnId, Arc<Block>, BlockBytes>>,
    heads: Arc<Cache<OwnId, Arc<BlockHead>, HeadBytes>>,
    pub chosen: Arc<Cache<ChosenKey, Chosen, ChosenBytes>>,
}

impl Caches {
    /// At most so many bytes of blocks, of heads, and of choices.
    pub fn new(blocks: u64, heads: u64, chosen: u64) -> Self {
        Self {
            blocks: Arc::new(whole(blocks, BlockBytes)),
            heads: Arc::new(whole(heads, HeadBytes)),
            chosen: Arc::new(whole(chosen, ChosenBytes)),
        }
    }
}

/// A cache in one piece: entries are large, and of bytes that are cut into shares each would hold few.
fn whole<K: Eq + Hash, T: Clone, W: Weighter<K, T> + Clone>(bytes: u64, weighter: W) -> Cache<K, T, W> {
    const ENTRIES_EXPECTED: usize = 1 << 10;
    let options = OptionsBuilder::new()
        .estimated_items_capacity(ENTRIES_EXPECTED)
        .weight_capacity(bytes)
        .shards(1)
        .build();
    match options {
        Ok(options) => {
            Cache::with_options(options, weighter, DefaultHashBuilder::default(), DefaultLifecycle::default())
        }
        // Only where a size is missing.
        Err(_) => Cache::with_weighter(ENTRIES_EXPECTED, bytes, weighter),
    }
}

/// What all readers of a store share about its events.
pub(crate) struct Parts {
    directory: RwLock<Arc<Directory>>,
    caches: Caches,
    opening: u32,
}

/// The directory of a database, and the parts that are only still to be deleted.
pub(crate) fn load(db: &Db) -> Result<(Directory, Vec<PartId>), StorageError> {
    let mut days: BTreeMap<u32, Vec<Part>> = BTreeMap::new();
    let end = keys::after_prefix(&keys::PARTS);
    db.scan(Family::Events, &keys::PARTS, end.as_deref(), false, &mut |key, value| {
        let part = decode(key, value)?;
        days.entry(part.id.day).or_default().push(part);
        Ok(ControlFlow::Continue(()))
    })?;
    let mut gone = Vec::new();
    let mut directory = Directory::new();
    for (day, all) in days {
        let (left, stands): (Vec<Part>, Vec<Part>) =
            all.iter().partition(|part| all.iter().any(|other| part.is_in(other)));
        gone.extend(left.iter().map(|part| part.id));
        directory.insert(day, stands.into());
    }
    Ok((directory, gone))
}

impl Parts {
    /// Of the database that was opened as this.
    pub fn new(db: &Db, caches: Caches, opening: u32) -> Result<Self, StorageError> {
        Ok(Self { directory: RwLock::new(Arc::new(load(db)?.0)), caches, opening })
    }

    pub fn caches(&self) -> &Caches {
        &self.caches
    }

    pub fn opening(&self) -> u32 {
        self.opening
    }

    /// The list of now.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.directory.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lists other parts from now on. What the writer made is kept without being read again.
    pub fn publish(&self, directory: Directory, made: Vec<(PartId, Arc<Block>)>) {
        for (id, block) in made {
            self.caches.blocks.insert((self.opening, id), block);
        }
        *self.directory.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(directory);
    }

    /// A block, if it is kept.
    pub fn kept(&self, id: PartId) -> Option<Arc<Block>> {
        self.caches.blocks.get(&(self.opening, id))
    }

    /// A part's block; `None`: the part is gone.
    pub fn block(&self, db: &Db, id: PartId) -> Result<Option<Arc<Block>>, StorageError> {
        if let Some(block) = self.caches.blocks.get(&(self.opening, id)) {
            return Ok(Some(block));
        }
        let Some(bytes) = db.get(Family::Events, &keys::part_block(id))? else { return Ok(None) };
        let block = Arc::new(Block::decode(&bytes).map_err(damaged)?);
        self.caches.blocks.insert((self.opening, id), Arc::clone(&block));
        Ok(Some(block))
    }

    /// A part's head; `None`: the part is gone.
    pub fn head(&self, db: &Db, id: PartId) -> Result<Option<Arc<BlockHead>>, StorageError> {
        if let Some(head) = self.caches.heads.get(&(self.opening, id)) {
            return Ok(Some(head));
        }
        let Some(bytes) = db.get(Family::Events, &keys::part_head(id))? else { return Ok(None) };
        let head = Arc::new(BlockHead::decode(&bytes).map_err(damaged)?);
        self.caches.heads.insert((self.opening, id), Arc::clone(&head));
        Ok(Some(head))
    }

    /// Reads the parts of a day by a list that is looked at again where a part is gone, so that what was read is whole.
    pub fn of_day<T>(
        &self,
        day: u32,
        read: impl Fn(&Part) -> Result<Option<T>, StorageError>,
    ) -> Result<Vec<T>, StorageError> {
        for _ in 0..LOOKS_MAX {
            let Some(parts) = self.directory().get(&day).cloned() else { return Ok(Vec::new()) };
            let mut found = Vec::with_capacity(parts.len());
            for part in parts.iter() {
                match read(part)? {
                    Some(one) => found.push(one),
                    None => break,
                }
            }
            if found.len() == parts.len() {
                return Ok(found);
            }
        }
        Err(corrupt(format!("a part of the events of day {day} is listed and missing")))
    }
}

pub(crate) fn damaged(error: DecodeError) -> StorageError {
    corrupt(error.to_string())
}

/// Writes a part: its line in the list, its head, its block.
pub(crate) fn put(part: &Part, block: &Block, head: &BlockHead, pending: &mut Pending<'_>) {
    let mut line = Encoder::default();
    line.varint(u64::from(part.events));
    line.0.extend(part.from.to_be_bytes());
    line.0.extend(part.until.to_be_bytes());
    pending.put(Family::Events, keys::part(part.id), line.0);
    pending.put(Family::Events, keys::part_head(part.id), head.encode());
    pending.put(Family::Events, keys::part_block(part.id), block.encode());
}

/// Deletes a part.
pub(crate) fn delete(id: PartId, pending: &mut Pending<'_>) {
    for key in [keys::part(id), keys::part_head(id), keys::part_block(id)] {
        pending.delete(Family::Events, key);
    }
}

/// Takes back what is not written yet.
pub(crate) fn forget(id: PartId, pending: &mut Pending<'_>) {
    for key in [keys::part(id), keys::part_head(id), keys::part_block(id)] {
        pending.forget(Family::Events, &key);
    }
}

/// A part's block from the disk.
pub(crate) fn read(id: PartId, pending: &Pending<'_>) -> Result<Arc<Block>, StorageError> {
    let bytes = pending.get(Family::Events, &keys::part_block(id))?;
    let bytes = bytes.ok_or_else(|| corrupt("a part of the events has no block"))?;
    Ok(Arc::new(Block::decode(&bytes).map_err(damaged)?))
}

fn decode(key: &[u8], value: &[u8]) -> Result<Part, StorageError> {
    let id = keys::part_from(key)?;
    let mut from = Decoder::new("part of the events", value);
    let part =
        Part { id, events: from.ordinal()?, from: from.instant()?.nanos(), until: from.instant()?.nanos() };
    from.end()?;
    Ok(part)
}
