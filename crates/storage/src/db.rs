//! RocksDB, and a group of changes that is written at once. The only file that opens, reads or writes it.

use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamilyDescriptor, DBCompressionType, Options, ReadOptions, WriteBatch,
    WriteBufferManager, WriteOptions,
};

use crate::error::{StorageError, corrupt};
use crate::keys;

/// The column families. FORMAT.md describes each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Family {
    Meta,
    Ledger,
    Batches,
    Hashes,
    BatchIds,
    Times,
    EventIds,
    Ids,
    Names,
    Discovered,
    Statements,
    BySource,
    Adjacency,
    Scopes,
    Posture,
    Revisions,
    Entangled,
    Events,
}

/// How many there are.
const FAMILIES: usize = Family::LEDGER.len() + Family::VIEWS.len();

impl Family {
    /// The ledger itself: never dropped.
    pub const LEDGER: [Self; 4] = [Self::Meta, Self::Ledger, Self::Batches, Self::Hashes];

    /// What is rebuilt from the ledger.
    pub const VIEWS: [Self; 14] = [
        Self::BatchIds,
        Self::Times,
        Self::EventIds,
        Self::Ids,
        Self::Names,
        Self::Discovered,
        Self::Statements,
        Self::BySource,
        Self::Adjacency,
        Self::Scopes,
        Self::Posture,
        Self::Revisions,
        Self::Entangled,
        Self::Events,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Ledger => "ledger",
            Self::Batches => "batches",
            Self::Hashes => "hashes",
            Self::BatchIds => "batch_ids",
            Self::Times => "times",
            Self::EventIds => "event_ids",
            Self::Ids => "ids",
            Self::Names => "names",
            Self::Discovered => "discovered",
            Self::Statements => "statements",
            Self::BySource => "by_source",
            Self::Adjacency => "adjacency",
            Self::Scopes => "scopes",
            Self::Posture => "posture",
            Self::Revisions => "revisions",
            Self::Entangled => "entangled",
            Self::Events => "events",
        }
    }

    fn all() -> impl Iterator<Item = Self> {
        Self::LEDGER.into_iter().chain(Self::VIEWS)
    }

    fn options(self, cache: &Cache) -> Options {
        let mut options = Options::default();
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(cache);
        blocks.set_format_version(5);
        blocks.set_block_size(match self {
            Self::Ledger => 32 << 10,
            _ => 16 << 10,
        });
        // A filter is as large as a share of the cache: it stays in memory with its table, at a byte or two for a key.
        blocks.set_cache_index_and_filter_blocks(false);
        if matches!(self, Self::Ids | Self::BatchIds | Self::Statements) {
            blocks.set_bloom_filter(10.0, false);
        }
        options.set_block_based_table_factory(&blocks);
        if self == Self::EventIds {
            // Runs go a thousand rows at a time: a table in which half of so many are gone gives their room back at once.
            let (rows, gone) = (128, 64);
            options.add_compact_on_deletion_collector_factory(rows, gone, 0.0);
        }
        // Digests and fingerprints do not compress; everything else does, and old levels are worth more effort.
        match self {
            Self::Hashes | Self::EventIds => options.set_compression_type(DBCompressionType::None),
            // Most of the bytes there are. In blocks as small as these, more effort gives no fewer of them.
            Self::Ledger | Self::Events => {
                options.set_compression_type(DBCompressionType::Zstd);
                let (window_bits, level, strategy, dictionary_bytes) = (-14, 1, 0, 0);
                options.set_compression_options(window_bits, level, strategy, dictionary_bytes);
            }
            // Read a few rows at a time by whoever asks what identities hold: what is read back at once is worth its room.
            Self::Adjacency => options.set_compression_type(DBCompressionType::Lz4),
            _ => {
                options.set_compression_type(DBCompressionType::Lz4);
                options.set_bottommost_compression_type(DBCompressionType::Zstd);
            }
        }
        options.set_write_buffer_size(16 << 20);
        options
    }
}

/// Families of earlier formats.
const RETIRED: [&str; 1] = ["usage"];

/// What is made of a write-ahead log that does not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// A last entry that is cut short was never acknowledged and is left out; any other damage is `Corruption`.
    TornTail,
    /// Everything from the first damage on is left out: for whoever has seen the `Corruption` and decided.
    UpToDamage,
}

/// What all databases of a process share: tables' blocks in memory, and room for rows that are not in tables yet.
#[derive(Clone)]
pub(crate) struct Buffers {
    cache: Cache,
    writes: WriteBufferManager,
}

impl Buffers {
    /// At most so many bytes of each.
    pub fn new(cache: u64, writes: u64) -> Self {
        Self {
            cache: Cache::new_lru_cache(cache as usize),
            // Full, it has a family written out, and makes no writer wait.
            writes: WriteBufferManager::new_write_buffer_manager(writes as usize, false),
        }
    }
}

/// An open database.
pub(crate) struct Db {
    rocks: rocksdb::DB,
    cache: Cache,
}

/// Told each row; says whether to go on.
pub(crate) type Visit<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<ControlFlow<()>, StorageError>;

/// A key and its value.
pub(crate) type Row = (Box<[u8]>, Box<[u8]>);

impl Db {
    /// `recovery`: what is made of a damaged write-ahead log.
    pub fn open(path: &Path, recovery: Recovery, buffers: &Buffers) -> Result<Self, StorageError> {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_max_background_jobs(2);
        // Putting tables together can wait, questions and acknowledgements cannot.
        let mut env = rocksdb::Env::new()?;
        env.lower_thread_pool_cpu_priority();
        options.set_env(&env);
        options.set_keep_log_file_num(4);
        options.set_max_total_wal_size(256 << 20);
        options.set_wal_recovery_mode(match recovery {
            Recovery::TornTail => rocksdb::DBRecoveryMode::TolerateCorruptedTailRecords,
            Recovery::UpToDamage => rocksdb::DBRecoveryMode::PointInTime,
        });
        options.set_write_buffer_manager(&buffers.writes);
        let cache = buffers.cache.clone();
        // A database opens with all of its families alone; what to make of those of other formats, their version tells. A
        // folder without a database has none.
        let there = rocksdb::DB::list_cf(&options, path).unwrap_or_default();
        let is_known = |name: &String| name == "default" || Family::all().any(|family| family.name() == name);
        let others: Vec<String> = there.into_iter().filter(|name| !is_known(name)).collect();
        let families = Family::all()
            .map(|family| ColumnFamilyDescriptor::new(family.name(), family.options(&cache)))
            .chain(others.iter().map(|name| ColumnFamilyDescriptor::new(name, Options::default())));
        let rocks = rocksdb::DB::open_cf_descriptors(&options, path, families).map_err(|error| {
            // Another process has it, or this one.
            let text = error.to_string();
            let locked = text.contains("While lock file") || text.contains("lock hold by current process");
            if error.kind() == rocksdb::ErrorKind::IOError && locked {
                StorageError::Locked(path.display().to_string())
            } else {
                StorageError::from(error)
            }
        })?;
        Ok(Self { rocks, cache })
    }

    /// Drops the families that only earlier formats have.
    pub fn drop_retired(&self) -> Result<(), StorageError> {
        RETIRED
            .iter()
            .filter(|name| self.rocks.cf_handle(name).is_some())
            .try_for_each(|name| Ok(self.rocks.drop_cf(name)?))
    }

    fn family(&self, family: Family) -> Result<Arc<rocksdb::BoundColumnFamily<'_>>, StorageError> {
        self.rocks
            .cf_handle(family.name())
            .ok_or_else(|| corrupt(format!("no column family {}", family.name())))
    }

    pub fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.rocks.get_cf(&self.family(family)?, key)?)
    }

    /// The values of many keys, in their order: one pass over the tables rather than one for each.
    pub fn get_many(&self, family: Family, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, StorageError> {
        let found = self.rocks.batched_multi_get_cf(&self.family(family)?, keys, keys.is_sorted());
        found.into_iter().map(|value| Ok(value?.map(|value| value.to_vec()))).collect()
    }

    /// Visits the rows with `from <= key < to` (to the end where `to` is `None`), in order or against it. One call sees one
    /// state of the database.
    pub fn scan(
        &self,
        family: Family,
        from: &[u8],
        to: Option<&[u8]>,
        backwards: bool,
        visit: Visit<'_>,
    ) -> Result<(), StorageError> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(from.to_vec());
        if let Some(to) = to {
            options.set_iterate_upper_bound(to.to_vec());
        }
        // Rows are shown where they are: most reads are of a few, and copies of each would be a part of what they take.
        let mut rows = self.rocks.raw_iterator_cf_opt(&self.family(family)?, options);
        if backwards {
            rows.seek_to_last();
        } else {
            rows.seek(from);
        }
        while let Some((key, value)) = rows.item() {
            if visit(key, value)?.is_break() {
                return Ok(());
            }
            if backwards { rows.prev() } else { rows.next() }
        }
        Ok(rows.status()?)
    }

    /// The rows with the prefix.
    pub fn prefixed(&self, family: Family, prefix: &[u8]) -> Result<Vec<Row>, StorageError> {
        let mut rows = Vec::new();
        let end = keys::after_prefix(prefix);
        self.scan(family, prefix, end.as_deref(), false, &mut |key, value| {
            rows.push((key.into(), value.into()));
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(rows)
    }

    /// The last row with the prefix and a key before `end`.
    pub fn last_before(
        &self,
        family: Family,
        prefix: &[u8],
        end: &[u8],
    ) -> Result<Option<Row>, StorageError> {
        let mut found = None;
        self.scan(family, prefix, Some(end), true, &mut |key, value| {
            found = Some((key.into(), value.into()));
            Ok(ControlFlow::Break(()))
        })?;
        Ok(found)
    }

    /// Writes all of it or nothing, and returns when the write-ahead log is on disk.
    fn write(&self, batch: WriteBatch) -> Result<(), StorageError> {
        let mut options = WriteOptions::default();
        options.set_sync(true);
        Ok(self.rocks.write_opt(batch, &options)?)
    }

    /// Deletes the rows with `from <= key < to`.
    pub fn clear_range(&self, family: Family, from: &[u8], to: &[u8]) -> Result<(), StorageError> {
        let mut batch = WriteBatch::default();
        batch.delete_range_cf(&self.family(family)?, from, to);
        self.write(batch)
    }

    /// Empties a family.
    pub fn clear(&self, family: Family) -> Result<(), StorageError> {
        self.rocks.drop_cf(family.name())?;
        Ok(self.rocks.create_cf(family.name(), &family.options(&self.cache))?)
    }

    /// Writes what is in memory to tables, so that the next open has nothing to replay.
    pub fn flush(&self) -> Result<(), StorageError> {
        for family in Family::all() {
            self.rocks.flush_cf(&self.family(family)?)?;
        }
        Ok(())
    }
}

/// The changes of a family: `None` where a row goes.
type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Changes that are written at once, on their way to the disk: no more of them come.
pub(crate) struct Layer {
    /// By [`Family`] as a number.
    families: [Changes; FAMILIES],
    written: AtomicBool,
}

impl Layer {
    /// On disk: nobody needs to look here any more.
    pub fn is_written(&self) -> bool {
        self.written.load(Ordering::Acquire)
    }

    /// Writes everything, atomically and synced.
    pub fn write(&self, db: &Db) -> Result<(), StorageError> {
        let mut batch = WriteBatch::default();
        for family in Family::all() {
            let changes = &self.families[family as usize];
            if changes.is_empty() {
                continue;
            }
            let family = db.family(family)?;
            for (key, value) in changes {
                match value {
                    Some(value) => batch.put_cf(&family, key, value),
                    None => batch.delete_cf(&family, key),
                }
            }
        }
        db.write(batch)?;
        self.written.store(true, Ordering::Release);
        Ok(())
    }
}

/// Changes that are to be written at once. Reads see them as if they were written already.
pub(crate) struct Pending<'a> {
    db: &'a Db,
    /// What may not be on disk yet of what comes before, the oldest first.
    under: Vec<Arc<Layer>>,
    /// By [`Family`] as a number.
    families: [Changes; FAMILIES],
}

impl<'a> Pending<'a> {
    pub fn new(db: &'a Db) -> Self {
        Self::over(db, Vec::new())
    }

    /// On top of what is on its way to the disk, the oldest first.
    pub fn over(db: &'a Db, under: Vec<Arc<Layer>>) -> Self {
        Self { db, under, families: Default::default() }
    }

    pub fn is_empty(&self) -> bool {
        self.families.iter().all(BTreeMap::is_empty)
    }

    pub fn put(&mut self, family: Family, key: Vec<u8>, value: Vec<u8>) {
        self.families[family as usize].insert(key, Some(value));
    }

    pub fn delete(&mut self, family: Family, key: Vec<u8>) {
        self.families[family as usize].insert(key, None);
    }

    /// Takes back a change.
    pub fn forget(&mut self, family: Family, key: &[u8]) {
        self.families[family as usize].remove(key);
    }

    /// The changes of a family, the oldest first.
    fn layers(&self, family: Family) -> impl DoubleEndedIterator<Item = &Changes> {
        let under = self.under.iter().map(move |layer| &layer.families[family as usize]);
        under.chain([&self.families[family as usize]]).filter(|changes| !changes.is_empty())
    }

    /// The newest change of a row, if it changes.
    fn change(&self, family: Family, key: &[u8]) -> Option<&Option<Vec<u8>>> {
        self.layers(family).rev().find_map(|changes| changes.get(key))
    }

    pub fn get(&self, family: Family, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
        match self.change(family, key) {
            Some(row) => Ok(row.clone()),
            None => self.db.get(family, key),
        }
    }

    /// The values of many keys, in their order.
    pub fn get_many(&self, family: Family, keys: &[Vec<u8>]) -> Result<Vec<Option<Vec<u8>>>, StorageError> {
        let changes: Vec<_> = keys.iter().map(|key| self.change(family, key)).collect();
        let unchanged = || keys.iter().zip(&changes).filter(|(_, change)| change.is_none());
        let on_disk: Vec<&[u8]> = unchanged().map(|(key, _)| key.as_slice()).collect();
        let mut on_disk = self.db.get_many(family, &on_disk)?.into_iter();
        let rows =
            changes.into_iter().map(|change| change.cloned().unwrap_or_else(|| on_disk.next().flatten()));
        Ok(rows.collect())
    }

    /// The rows with the prefix, in order.
    pub fn prefixed(&self, family: Family, prefix: &[u8]) -> Result<Vec<Row>, StorageError> {
        let on_disk = self.db.prefixed(family, prefix)?;
        let from = (Bound::Included(prefix), Bound::Unbounded);
        let changes = self.layers(family).flat_map(|changes| {
            changes.range::<[u8], _>(from).take_while(|(key, _)| key.starts_with(prefix))
        });
        let mut changes = changes.peekable();
        if changes.peek().is_none() {
            return Ok(on_disk);
        }
        let mut merged: BTreeMap<Box<[u8]>, Box<[u8]>> = on_disk.into_iter().collect();
        for (key, value) in changes {
            match value {
                Some(value) => merged.insert(key.as_slice().into(), value.as_slice().into()),
                None => merged.remove(key.as_slice()),
            };
        }
        Ok(merged.into_iter().collect())
    }

    /// The keys of a family that change.
    pub fn touched(&self, family: Family) -> impl Iterator<Item = &[u8]> {
        self.families[family as usize].keys().map(Vec::as_slice)
    }

    /// No more comes: what is to be written, and is read by whoever comes after it; and what it was on top of.
    pub fn seal(self) -> (Arc<Layer>, Vec<Arc<Layer>>) {
        let Self { under, families, .. } = self;
        (Arc::new(Layer { families, written: AtomicBool::new(false) }), under)
    }

    /// Writes everything, atomically and synced.
    pub fn commit(self) -> Result<(), StorageError> {
        let db = self.db;
        self.seal().0.write(db)
    }
}
