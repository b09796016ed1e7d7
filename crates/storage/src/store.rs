//! One tenant's store: opening, appending in groups, and what maintenance needs.

use std::collections::HashMap;
use std::ops::{ControlFlow, RangeInclusive};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use asof_evidence::{Frontier, Hash};
use asof_model::{Instant, Record, RecordBody};

use crate::codec::Decoder;
use crate::db::{Db, Family, Layer, Pending, Recovery};
use crate::error::{StorageError, corrupt};
use crate::firsts::Firsts;
use crate::kept::Kept;
use crate::keys;
use crate::ledger::{self, Header, LedgerReader};
use crate::memory::Memory;
use crate::parts::{self, Parts};
use crate::pieces::Pieces;
use crate::prepared::{Entry, Prepared};
use crate::runs::{Fingerprint, Mark};
use crate::sealed::Spent;
use crate::views::event_ids::{fingerprint_of, is_same};
use crate::views::{Found, Ordinals, Views};
use crate::work::{Counters, Work};

/// The version of everything on disk. FORMAT.md has its history.
pub const FORMAT_VERSION: u32 = 4;
/// Those before, which are brought up to it when they are opened.
const FORMATS_BEFORE: RangeInclusive<u32> = 1..=3;

const META_FORMAT: &[u8] = b"format";
const META_VIEWS: &[u8] = b"views";

/// A tenant's database, open for reading by any number of threads.
#[derive(Clone)]
pub struct Store {
    pub(crate) db: Arc<Db>,
    path: PathBuf,
    pub(crate) pieces: Pieces,
    pub(crate) published: Arc<AtomicU64>,
    pub(crate) parts: Arc<Parts>,
    pub(crate) kept: Arc<Kept>,
    /// No fact on record, or about to be, has this index or a greater one.
    pub(crate) facts_end: Arc<AtomicU64>,
    /// All facts on secrets below this index are on disk, and nothing is kept that lacks one. None that is published has this
    /// index or a greater one.
    pub(crate) secret_facts_end: Arc<AtomicU64>,
    pub(crate) firsts: Arc<Firsts>,
    pub(crate) memory: Memory,
    pub(crate) work: Arc<Counters>,
}

/// What a batch came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// As given.
    pub batch_id: String,
    /// The ledger index of its first record.
    pub first_index: u64,
    /// The ledger size after it.
    pub ledger_size: u64,
    /// When it was recorded.
    pub recorded_at: Instant,
    /// It had been written before.
    pub duplicate_batch: bool,
    /// Observations that were known by (source, event_id).
    pub duplicate_events: u64,
    /// Facts that were known by (source, subject, event_id).
    pub duplicate_facts: u64,
    /// Of these two, the ones that came with another content.
    pub conflicting: u64,
}

/// The one who appends. There is one for a store at a time.
pub struct Writer {
    store: Store,
    views: Views,
    frontier: Frontier,
    batches: u64,
    last_recorded_at: Instant,
    /// What may not be on disk yet, the oldest first.
    sealed: Vec<Arc<Layer>>,
}

/// Batches that are written, and become visible, together.
pub struct Group<'a> {
    pub(crate) store: &'a Store,
    pub(crate) views: &'a mut Views,
    pub(crate) frontier: &'a mut Frontier,
    pub(crate) batches: &'a mut u64,
    last_recorded_at: &'a mut Instant,
    pub(crate) sealed: &'a mut Vec<Arc<Layer>>,
    pub(crate) with_facts: bool,
    /// What is in `pending` by now.
    pub(crate) spent: Vec<Spent>,
    pub(crate) pending: Pending<'a>,
}

/// What of a batch is not known yet.
struct New {
    records: Vec<Record>,
    /// What is known of them.
    ordinals: Vec<Ordinals>,
    /// Canonical bytes of their bodies.
    bodies: Vec<Vec<u8>>,
    /// Of those that have an event_id.
    marks: Vec<Mark>,
}

/// Makes a folder and syncs those that name it: a synced log is lost with a folder whose own name a power cut takes away.
fn make_folder(path: &Path) -> std::io::Result<()> {
    /// Of a data folder: `tenants` and the folder itself. Synced even where they are there: who made them may have been
    /// stopped before it got to this.
    const PARENTS_SYNCED: usize = 2;
    let made = path.ancestors().take_while(|folder| !folder.exists()).count();
    std::fs::create_dir_all(path)?;
    for folder in path.ancestors().skip(1).take(made.max(PARENTS_SYNCED)) {
        let named = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        std::fs::File::open(named)?.sync_all()?;
    }
    Ok(())
}

impl Store {
    /// Opens the database in this folder, or makes one; views that are behind the ledger are caught up.
    pub fn open(path: &Path) -> Result<(Self, Writer), StorageError> {
        Self::open_in(path, Pieces::DEFAULT, &Memory::new(Memory::BYTES_DEFAULT))
    }

    /// The same within a memory, with views that are written from now on in pieces of another size.
    pub fn open_in(path: &Path, pieces: Pieces, memory: &Memory) -> Result<(Self, Writer), StorageError> {
        let store = Self { pieces, ..Self::open_as_is(path, Recovery::TornTail, memory)? };
        store.replay(&mut |_, _| Ok(()))?;
        store.parts.publish(parts::load(&store.db)?.0, Vec::new());
        let writer = Writer::new(store.clone())?;
        store.facts_end.store(writer.frontier.size(), Ordering::Release);
        store.secret_facts_end.store(writer.frontier.size(), Ordering::Release);
        store.published.store(writer.frontier.size(), Ordering::Release);
        Ok((store, writer))
    }

    /// Opens it with its views as they are, and reads none of them: what is damaged there does not keep it from being rebuilt.
    pub(crate) fn open_as_is(path: &Path, recovery: Recovery, memory: &Memory) -> Result<Self, StorageError> {
        make_folder(path)
            .map_err(|error| StorageError::Io(format!("cannot make {}: {error}", path.display())))?;
        let db = Db::open(path, recovery, memory.buffers())?;
        match db.get(Family::Meta, META_FORMAT)? {
            Some(bytes) => {
                let found = Decoder::new("format version", &bytes).u32()?;
                if FORMATS_BEFORE.contains(&found) {
                    upgrade(&db)?;
                } else if found != FORMAT_VERSION {
                    return Err(StorageError::FormatVersion { found, supported: FORMAT_VERSION });
                }
                db.drop_retired()?;
            }
            None if LedgerReader(&db).last_header()?.is_some() => {
                return Err(corrupt("there are records but no format version"));
            }
            None => {
                let mut pending = Pending::new(&db);
                pending.put(Family::Meta, META_FORMAT.to_vec(), FORMAT_VERSION.to_be_bytes().to_vec());
                pending.commit()?;
            }
        }
        let (path, pieces) = (path.to_owned(), Pieces::DEFAULT);
        let opening = memory.opening();
        let parts = Arc::new(Parts::new(memory.events().clone(), opening));
        let kept = Arc::new(Kept::new(memory.posture(), opening));
        let firsts = Arc::new(Firsts::new(memory.firsts()));
        Ok(Self {
            db: Arc::new(db),
            path,
            pieces,
            published: Arc::default(),
            parts,
            kept,
            facts_end: Arc::default(),
            secret_facts_end: Arc::default(),
            firsts,
            memory: memory.clone(),
            work: Arc::default(),
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The ledger size that queries may ask for: all of it is on disk.
    pub fn published(&self) -> u64 {
        self.published.load(Ordering::Acquire)
    }

    /// The same, with counts of its own of what is read through it.
    #[must_use]
    pub fn counted(&self) -> Self {
        Self { work: Arc::default(), ..self.clone() }
    }

    /// What was read through it.
    pub fn work(&self) -> Work {
        self.work.so_far()
    }

    /// Writes what is only in the write-ahead log to tables.
    pub fn flush(&self) -> Result<(), StorageError> {
        self.db.flush()
    }

    fn views_size(&self) -> Result<(u64, u64), StorageError> {
        let Some(bytes) = self.db.get(Family::Meta, META_VIEWS)? else { return Ok((0, 0)) };
        let mut from = Decoder::new("views' position", &bytes);
        Ok((from.u64()?, from.u64()?))
    }

    /// Empties every view; the next [`Store::replay`] builds them anew. Dropped half-way, it goes on at the next open.
    pub(crate) fn drop_views(&self) -> Result<(), StorageError> {
        let mut pending = Pending::new(&self.db);
        pending.delete(Family::Meta, META_VIEWS.to_vec());
        pending.commit()?;
        Family::VIEWS.into_iter().try_for_each(|family| self.db.clear(family))
    }

    /// Brings the views up to the ledger.
    pub(crate) fn replay(
        &self,
        progress: &mut dyn FnMut(u64, u64) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let Some(last) = LedgerReader(&self.db).last_header()? else { return Ok(()) };
        let (size, batches) = self.views_size()?;
        if (size, batches) == (last.end, last.number + 1) {
            return Ok(());
        }
        if batches == 0 {
            // A reindex that was cut short may have left rows of a view that was not emptied yet.
            Family::VIEWS.into_iter().try_for_each(|family| self.db.clear(family))?;
        }
        replay_into(&self.db, &self.db, self.pieces, &self.memory, (size, batches), last.end, progress)
    }
}

/// From a format before: the ledger is as it was, but for the leaves of its tree, which format 1 kept; views are built anew. Cut short, it begins again at the next open.
fn upgrade(db: &Db) -> Result<(), StorageError> {
    let mut pending = Pending::new(db);
    pending.delete(Family::Meta, META_VIEWS.to_vec());
    pending.commit()?;
    db.clear_range(Family::Hashes, &keys::hash(0, 0), &keys::hash(1, 0))?;
    Family::VIEWS.into_iter().try_for_each(|family| db.clear(family))?;
    let mut pending = Pending::new(db);
    pending.put(Family::Meta, META_FORMAT.to_vec(), FORMAT_VERSION.to_be_bytes().to_vec());
    pending.commit()
}

/// Replays the batches of `ledger` from a position on into the views of `target`.
pub(crate) fn replay_into(
    ledger: &Db,
    target: &Db,
    pieces: Pieces,
    memory: &Memory,
    from: (u64, u64),
    total: u64,
    progress: &mut dyn FnMut(u64, u64) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let parts = Arc::new(Parts::new(memory.events().clone(), memory.opening()));
    let mut views = Views::open(target, pieces, parts, memory)?;
    let mut pending = Pending::new(target);
    let mut in_group = 0;
    let mut position = from;
    let reader = LedgerReader(ledger);
    reader.headers(from.0, &mut |header| {
        if header.number < from.1 {
            return Ok(ControlFlow::Continue(()));
        }
        let records =
            (header.first..header.end).map(|index| reader.record(index)).collect::<Result<Vec<_>, _>>()?;
        let marks = records
            .iter()
            .filter_map(|record| Some((fingerprint_of(&record.source, &record.body)?, record.index)));
        views.apply(&header, &records, marks, &[], &mut pending)?;
        in_group += records.len() + 1;
        position = (header.end, header.number + 1);
        if in_group >= pieces.replay_records {
            in_group = 0;
            views.finish(&mut pending)?;
            put_position(&mut pending, position);
            std::mem::replace(&mut pending, Pending::new(target)).commit()?;
            for publish in views.sealed() {
                publish();
            }
            progress(position.0, total)?;
        }
        Ok(ControlFlow::Continue(()))
    })?;
    views.finish(&mut pending)?;
    put_position(&mut pending, position);
    pending.commit()?;
    progress(position.0, total)
}

pub(crate) fn put_position(pending: &mut Pending<'_>, (size, batches): (u64, u64)) {
    let value = [size.to_be_bytes(), batches.to_be_bytes()].concat();
    pending.put(Family::Meta, META_VIEWS.to_vec(), value);
}

impl Writer {
    fn new(store: Store) -> Result<Self, StorageError> {
        let views = Views::open(&store.db, store.pieces, Arc::clone(&store.parts), &store.memory)?;
        let reader = LedgerReader(&store.db);
        let last = reader.last_header()?;
        let frontier = reader.frontier(last.as_ref().map_or(0, |header| header.end))?;
        if let Some(last) = &last
            && frontier.root() != last.root
        {
            return Err(corrupt("the tree's root is not the one of the last batch"));
        }
        Ok(Self {
            frontier,
            batches: last.as_ref().map_or(0, |header| header.number + 1),
            last_recorded_at: last.map_or(Instant::BEGINNING, |header| header.recorded_at),
            views,
            store,
            sealed: Vec::new(),
        })
    }

    /// Begins a group, on top of those that were sealed before. After an error of any of its functions, or of [`Sealed::write`],
    /// other than `BatchIdReused`, this writer must not be used again: what it holds in memory is ahead of the disk.
    pub fn group(&mut self) -> Group<'_> {
        self.sealed.retain(|layer| !layer.is_written());
        Group {
            pending: Pending::over(&self.store.db, self.sealed.clone()),
            store: &self.store,
            views: &mut self.views,
            frontier: &mut self.frontier,
            batches: &mut self.batches,
            last_recorded_at: &mut self.last_recorded_at,
            sealed: &mut self.sealed,
            with_facts: false,
            spent: Vec::new(),
        }
    }

    /// The store that it writes to.
    pub fn store(&self) -> &Store {
        &self.store
    }
}

impl Group<'_> {
    /// Takes in a batch. `now`: this clock; what is recorded is later than every batch before, whatever the clock says.
    pub fn append(&mut self, batch: Prepared, now: Instant) -> Result<Receipt, StorageError> {
        let Prepared { source, batch_id, entries, digest } = batch;
        if let Some(receipt) = self.known(&source, &batch_id, &digest)? {
            return Ok(receipt);
        }
        let next = Instant::from_nanos(self.last_recorded_at.nanos().saturating_add(1));
        let recorded_at = now.max(next);
        let first = self.frontier.size();
        let mut receipt = Receipt {
            batch_id: batch_id.clone(),
            first_index: first,
            ledger_size: first,
            recorded_at,
            duplicate_batch: false,
            duplicate_events: 0,
            duplicate_facts: 0,
            conflicting: 0,
        };
        self.with_facts |= entries.iter().any(|entry| matches!(entry.body, RecordBody::Fact(_)));
        let New { records, ordinals, bodies, marks } = self.keep_new(&source, entries, &mut receipt)?;
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|error| StorageError::Io(format!("no randomness: {error}")))?;
        let Found { new: named, ordinals } =
            self.views.dictionary().find(&records, ordinals, &self.pending)?;
        let mut header = Header {
            number: *self.batches,
            first,
            end: first,
            recorded_at,
            source,
            batch_id,
            digest,
            secret,
            root: [0; 32],
            named,
        };
        ledger::append(&mut header, &bodies, self.frontier, &mut self.pending);
        self.views.apply(&header, &records, marks.into_iter(), &ordinals, &mut self.pending)?;
        *self.batches += 1;
        *self.last_recorded_at = recorded_at;
        receipt.ledger_size = header.end;
        self.spent.push((records, bodies));
        Ok(receipt)
    }

    /// The ledger size with all that the group has taken in.
    pub(crate) fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The receipt of the batch with this id, if it was written before.
    pub(crate) fn known(
        &self,
        source: &str,
        batch_id: &str,
        digest: &Hash,
    ) -> Result<Option<Receipt>, StorageError> {
        if batch_id.is_empty() {
            return Ok(None);
        }
        let Some(key) = self.pending.get(Family::BatchIds, &keys::batch_id(source, batch_id))? else {
            return Ok(None);
        };
        let value = self.pending.get(Family::Batches, &key)?;
        let header = Header::decode(&key, &value.ok_or_else(|| corrupt("a batch_id leads to no batch"))?)?;
        if header.digest != *digest {
            return Err(StorageError::BatchIdReused {
                batch_source: source.to_owned(),
                batch_id: batch_id.to_owned(),
            });
        }
        Ok(Some(Receipt {
            batch_id: batch_id.to_owned(),
            first_index: header.first,
            ledger_size: header.end,
            recorded_at: header.recorded_at,
            duplicate_batch: true,
            duplicate_events: 0,
            duplicate_facts: 0,
            conflicting: 0,
        }))
    }

    /// Leaves out what is known by its event_id, and counts it.
    fn keep_new(
        &self,
        source: &str,
        entries: Vec<Entry>,
        receipt: &mut Receipt,
    ) -> Result<New, StorageError> {
        let (mut records, mut kept) = (Vec::with_capacity(entries.len()), Vec::with_capacity(entries.len()));
        let mut known_ordinals = Vec::with_capacity(entries.len());
        let fingerprints = entries.iter().filter_map(|entry| entry.fingerprint);
        let known = self.views.event_ids().known(fingerprints, &self.pending)?;
        let mut marks = Vec::with_capacity(entries.len());
        // Of what the batch itself has more than once: the places of those that are kept.
        let mut places: HashMap<Fingerprint, Vec<usize>> = HashMap::new();
        for Entry { body, bytes, fingerprint, ordinals } in entries {
            let index = receipt.first_index + kept.len() as u64;
            if let Some(fingerprint) = fingerprint {
                let repeated = known.is_repeated(fingerprint);
                let same = |place: &&usize| {
                    records.get(**place).is_some_and(|record: &Record| is_same(&record.body, &body))
                };
                // Within the batch the fingerprint alone does not tell, either.
                let before = places.get(&fingerprint).and_then(|places| places.iter().find(same));
                let standing = match before {
                    Some(place) => kept.get::<usize>(*place).cloned(),
                    None => known.standing(fingerprint, source, &body, &self.pending)?,
                };
                if let Some(standing) = standing {
                    receipt.conflicting += u64::from(standing != bytes);
                    match body {
                        RecordBody::Fact(_) => receipt.duplicate_facts += 1,
                        RecordBody::Observation(_) => receipt.duplicate_events += 1,
                    }
                    continue;
                }
                if repeated {
                    places.entry(fingerprint).or_default().push(kept.len());
                }
                marks.push((fingerprint, index));
            }
            records.push(Record { index, recorded_at: receipt.recorded_at, source: source.to_owned(), body });
            kept.push(bytes);
            known_ordinals.push(ordinals);
        }
        Ok(New { records, ordinals: known_ordinals, bodies: kept, marks })
    }
}
