//! Where a tenant's events are: the parts of each day, and the blocks of them that are kept in memory.
//!
//! A part never changes. Several become one larger part, which is written first and listed, and they themselves are
//! deleted with a later write: whoever still reads by an older list finds them, or looks at the list again.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, PoisonError, RwLock};

use asof_model::Interval;
use asof_temporal::{Block, BlockHead, DecodeError, Ends, Row, Users, cut};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use crate::chosen::{Chosen, ChosenBytes, ChosenKey};
use crate::codec::{Decoder, Encoder};
use crate::db::{Db, Family, Pending};
use crate::dead::{DeadBytes, DeadKey, DeadUses};
use crate::error::{StorageError, corrupt};
use crate::keys;
use crate::seen::{EndsBytes, Joined, JoinedBytes, JoinedKey, UsersOn, UsersOnBytes, UsersOnKey};
use crate::uses::{Used, UsedBytes, UsedKey};
use crate::views::{day_of, head_class, secret_class};

/// How often a list that names a part which is gone is looked at again.
pub(crate) const LOOKS_MAX: usize = 16;

/// A part by what it holds: events of one day (since 1970), recorded between two ledger indices. Parts of one day lie
/// within one another or apart; no two are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PartId {
    pub day: u32,
    pub first: u64,
    pub last: u64,
}

/// A part as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub id: PartId,
    pub events: u32,
    /// The time of its first event.
    pub from: i64,
    /// The time of its last event.
    pub until: i64,
    /// The identity from which on each page of its events holds all of them, up to that of the next one; the first is 0.
    pub pages: Arc<[u32]>,
    /// The resource from which on each page of its users holds all of them; none where no event names a resource.
    pub users: Arc<[u32]>,
}

/// A part's events, and what is made of them.
pub(crate) struct Made {
    pub blocks: Vec<Arc<Block>>,
    pub head: BlockHead,
    pub users: Vec<Users>,
}

impl Part {
    /// Of rows in any order, in pages of so many; `None` where there are none.
    pub fn of(day: u32, rows: Vec<Row>, page_events: usize) -> Option<(Self, Made)> {
        let events = rows.len() as u32;
        let (pages, blocks): (Vec<u32>, Vec<Arc<Block>>) = cut(rows, page_events).into_iter().unzip();
        let spans = || blocks.iter().filter_map(|block| block.span());
        let id = PartId {
            day,
            first: blocks.iter().map(|block| block.first_index()).min()?,
            last: blocks.iter().map(|block| block.last_index()).max()?,
        };
        let (from, until) = (spans().map(|span| span.0).min()?, spans().map(|span| span.1).max()?);
        let head = BlockHead::of(&blocks, head_class, secret_class);
        let (starts, users): (Vec<u32>, Vec<Users>) =
            Users::cut(&blocks, head_class, page_events).into_iter().unzip();
        let part = Self { id, events, from, until, pages: pages.into(), users: starts.into() };
        Some((part, Made { blocks, head, users }))
    }

    /// The number of the page with an identity's events.
    pub fn page_of(&self, identity: u32) -> u32 {
        self.pages.partition_point(|first| *first <= identity).saturating_sub(1) as u32
    }

    /// The identities of a page: from this one on, and below that one.
    pub fn identities(&self, page: u32) -> Range<u32> {
        let at = |place: u32| self.pages.get(place as usize).copied();
        at(page).unwrap_or(0)..at(page + 1).unwrap_or(u32::MAX)
    }

    /// May have something of an interval among the first `size` records.
    pub fn meets(&self, during: Interval, size: u64) -> bool {
        self.from < during.to.nanos() && during.from.nanos() <= self.until && self.id.first < size
    }

    /// No event of it is before an interval, or none is after it.
    pub fn ends_in(&self, during: Interval) -> bool {
        during.from.nanos() <= self.from || self.until < during.to.nanos()
    }

    /// All of it lies in an interval and among the first `size` records.
    pub fn lies_in(&self, during: Interval, size: u64) -> bool {
        during.from.nanos() <= self.from && self.until < during.to.nanos() && self.id.last < size
    }

    /// Lies within the other, which was made of it and more.
    fn is_in(&self, other: &Self) -> bool {
        self.id != other.id && other.id.first <= self.id.first && self.id.last <= other.id.last
    }
}

/// The parts of each day, in ledger order.
pub(crate) type Directory = BTreeMap<u32, Arc<[Part]>>;

/// A part of the store that was opened as this.
pub(crate) type OwnId = (u32, PartId);

/// A page of such a part.
type OwnPage = (u32, PartId, u32);

#[derive(Clone)]
struct BlockBytes;

impl Weighter<OwnPage, Arc<Block>> for BlockBytes {
    fn weight(&self, _: &OwnPage, block: &Arc<Block>) -> u64 {
        block.weight()
    }
}

#[derive(Clone)]
struct UsersBytes;

impl Weighter<OwnPage, Arc<Users>> for UsersBytes {
    fn weight(&self, _: &OwnPage, users: &Arc<Users>) -> u64 {
        users.weight()
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
    blocks: Arc<Cache<OwnPage, Arc<Block>, BlockBytes>>,
    /// Of identities, or of secrets.
    pub ends: Arc<Cache<(OwnId, bool), Arc<Ends>, EndsBytes>>,
    users: Arc<Cache<OwnPage, Arc<Users>, UsersBytes>>,
    pub users_on: Arc<Cache<UsersOnKey, UsersOn, UsersOnBytes>>,
    heads: Arc<Cache<OwnId, Arc<BlockHead>, HeadBytes>>,
    pub joined: Arc<Cache<JoinedKey, Joined, JoinedBytes>>,
    pub chosen: Arc<Cache<ChosenKey, Chosen, ChosenBytes>>,
    pub dead: Arc<Cache<DeadKey, Arc<DeadUses>, DeadBytes>>,
    pub used: Arc<Cache<UsedKey, Used, UsedBytes>>,
}

impl Caches {
    /// At most so many bytes of each, a fourth of the users by resource; heads twice, as those of parts and those of days.
    pub fn new(blocks: u64, ends: u64, users: u64, heads: u64, chosen: u64, dead: u64, used: u64) -> Self {
        Self {
            blocks: Arc::new(sharded(blocks, SHARDS, BlockBytes)),
            ends: Arc::new(sharded(ends, 1, EndsBytes)),
            users: Arc::new(sharded(users - users / USERS_ON, 1, UsersBytes)),
            users_on: Arc::new(sharded(users / USERS_ON, 1, UsersOnBytes)),
            heads: Arc::new(sharded(heads, 1, HeadBytes)),
            joined: Arc::new(sharded(heads, 1, JoinedBytes)),
            chosen: Arc::new(sharded(chosen, 1, ChosenBytes)),
            dead: Arc::new(sharded(dead, 1, DeadBytes)),
            used: Arc::new(sharded(used, 1, UsedBytes)),
        }
    }
}

/// Who used a resource on several days may take so much of what users take, as a divisor.
const USERS_ON: u64 = 4;
/// Pages of events are asked for by many questions at once, and are small beside a share of the bytes.
const SHARDS: usize = 8;

/// A cache in so many pieces: what is larger than a piece is not kept.
pub(crate) fn sharded<K: Eq + Hash, T: Clone, W: Weighter<K, T> + Clone>(
    bytes: u64,
    shards: usize,
    weighter: W,
) -> Cache<K, T, W> {
    const ENTRIES_EXPECTED: usize = 1 << 10;
    let options = OptionsBuilder::new()
        .estimated_items_capacity(ENTRIES_EXPECTED)
        .weight_capacity(bytes)
        .shards(shards)
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
pub(crate) fn load(db: &Db) -> Result<(Directory, Vec<Part>), StorageError> {
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
            all.iter().cloned().partition(|part| all.iter().any(|other| part.is_in(other)));
        gone.extend(left);
        directory.insert(day, stands.into());
    }
    Ok((directory, gone))
}

impl Parts {
    /// Of the database that was opened as this; they list nothing until they are published.
    pub fn new(caches: Caches, opening: u32) -> Self {
        Self { directory: RwLock::default(), caches, opening }
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
    pub fn publish(&self, directory: Directory, made: Vec<(PartId, Vec<Arc<Block>>)>) {
        for (id, blocks) in made {
            for (page, block) in (0..).zip(blocks) {
                self.caches.blocks.insert((self.opening, id, page), block);
            }
        }
        *self.directory.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(directory);
    }

    /// A page of a part's events, if it is kept.
    pub fn kept(&self, id: PartId, page: u32) -> Option<Arc<Block>> {
        self.caches.blocks.get(&(self.opening, id, page))
    }

    /// A page of a part's events; `None`: the part is gone.
    pub fn page(&self, db: &Db, id: PartId, page: u32) -> Result<Option<Arc<Block>>, StorageError> {
        if let Some(block) = self.kept(id, page) {
            return Ok(Some(block));
        }
        let Some(bytes) = db.get(Family::Events, &keys::part_page(id, page))? else { return Ok(None) };
        let block = Arc::new(Block::decode(&bytes).map_err(damaged)?);
        self.caches.blocks.insert((self.opening, id, page), Arc::clone(&block));
        Ok(Some(block))
    }

    /// All of a part's events; `None`: the part is gone.
    pub fn pages(&self, db: &Db, part: &Part) -> Result<Option<Vec<Arc<Block>>>, StorageError> {
        (0..part.pages.len()).map(|page| self.page(db, part.id, page as u32)).collect()
    }

    /// Who used a resource: by class and identity. `None`: the part is gone.
    pub fn users(&self, db: &Db, part: &Part, resource: u32) -> Result<Option<Arc<Users>>, StorageError> {
        let Some(page) = part.users.partition_point(|first| *first <= resource).checked_sub(1) else {
            return Ok(Some(Arc::default()));
        };
        let key = (self.opening, part.id, page as u32);
        if let Some(users) = self.caches.users.get(&key) {
            return Ok(Some(users));
        }
        let Some(bytes) = db.get(Family::Events, &keys::part_users(part.id, page as u32))? else {
            return Ok(None);
        };
        let users = Arc::new(Users::decode(&bytes).map_err(damaged)?);
        self.caches.users.insert(key, Arc::clone(&users));
        Ok(Some(users))
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

/// Writes a part: its line in the list, its head, the pages of its events and of its users.
pub(crate) fn put(part: &Part, made: &Made, pending: &mut Pending<'_>) {
    let mut line = Encoder::default();
    line.varint(u64::from(part.events));
    line.0.extend(part.from.to_be_bytes());
    line.0.extend(part.until.to_be_bytes());
    for firsts in [&part.pages, &part.users] {
        line.varint(firsts.len() as u64);
        let mut before = 0;
        for first in firsts.iter() {
            line.varint(u64::from(first - before));
            before = *first;
        }
    }
    pending.put(Family::Events, keys::part(part.id), line.0);
    pending.put(Family::Events, keys::part_head(part.id), made.head.encode());
    for (page, block) in (0..).zip(&made.blocks) {
        pending.put(Family::Events, keys::part_page(part.id, page), block.encode());
    }
    for (page, users) in (0..).zip(&made.users) {
        pending.put(Family::Events, keys::part_users(part.id, page), users.encode());
    }
}

/// The keys of a part's rows.
fn rows(part: &Part) -> impl Iterator<Item = Vec<u8>> {
    let id = part.id;
    let pages = (0..part.pages.len() as u32).map(move |page| keys::part_page(id, page));
    let users = (0..part.users.len() as u32).map(move |page| keys::part_users(id, page));
    [keys::part(id), keys::part_head(id)].into_iter().chain(pages).chain(users)
}

/// Deletes a part.
pub(crate) fn delete(part: &Part, pending: &mut Pending<'_>) {
    for key in rows(part) {
        pending.delete(Family::Events, key);
    }
}

/// Takes back what is not written yet.
pub(crate) fn forget(part: &Part, pending: &mut Pending<'_>) {
    for key in rows(part) {
        pending.forget(Family::Events, &key);
    }
}

/// A page of a part's events as read from the disk.
pub(crate) fn block_of(bytes: Option<Vec<u8>>) -> Result<Block, StorageError> {
    let bytes = bytes.ok_or_else(|| corrupt("a part of the events lacks a page"))?;
    Block::decode(&bytes).map_err(damaged)
}

/// A part's events by its pages, in any order, where its line, its head and its users are what they make.
pub(crate) fn sound_rows(db: &Db, part: &Part) -> Result<Vec<Row>, StorageError> {
    let wrong = |what: &str| {
        let PartId { day, first, last } = part.id;
        corrupt(format!("the part of day {day} with records {first} to {last} of the events: {what}"))
    };
    let row = |key: Vec<u8>, what: &str| db.get(Family::Events, &key)?.ok_or_else(|| wrong(what));
    let mut rows = Vec::new();
    for page in 0..part.pages.len() as u32 {
        let block = block_of(db.get(Family::Events, &keys::part_page(part.id, page))?)?;
        let own = part.identities(page);
        if block.rows().any(|row| !own.contains(&row.identity)) {
            return Err(wrong("a page has an identity of another page"));
        }
        rows.extend(block.rows());
    }
    let Some((made, mut of)) = Part::of(part.id.day, rows.clone(), u32::MAX as usize) else {
        return Err(wrong("it has no events"));
    };
    if (made.id, made.events, made.from, made.until) != (part.id, part.events, part.from, part.until) {
        return Err(wrong("its line in the list does not say what its pages hold"));
    }
    if [part.from, part.until].iter().any(|moment| day_of(*moment) != part.id.day) {
        return Err(wrong("its events are of another day"));
    }
    let head = BlockHead::decode(&row(keys::part_head(part.id), "it lacks its head")?).map_err(damaged)?;
    if head != of.head {
        return Err(wrong("its head is not that of its events"));
    }
    // However they are cut: each resource's are on the page that its ordinal leads to, and there are no others.
    let users = of.users.pop().unwrap_or_default();
    let mut others = users.len();
    for page in 0..part.users.len() {
        let bytes = row(keys::part_users(part.id, page as u32), "it lacks a page of users")?;
        let found = Users::decode(&bytes).map_err(damaged)?;
        let end = part.users.get(page + 1).copied().unwrap_or(u32::MAX);
        let own = part.users[page]..end;
        let same = |resource: &u32| own.contains(resource) && found.of(*resource) == users.of(*resource);
        if !found.resources().iter().all(same) {
            return Err(wrong("its users are not those of its events"));
        }
        others = others.wrapping_sub(found.len());
    }
    if others != 0 {
        return Err(wrong("its users are not those of its events"));
    }
    Ok(rows)
}

fn decode(key: &[u8], value: &[u8]) -> Result<Part, StorageError> {
    let id = keys::part_from(key)?;
    let mut from = Decoder::new("part of the events", value);
    let (events, first, last) = (from.ordinal()?, from.instant()?.nanos(), from.instant()?.nanos());
    let pages = firsts(&mut from)?;
    if pages.is_empty() {
        return Err(from.wrong("it has no page"));
    }
    let users = firsts(&mut from)?;
    from.end()?;
    Ok(Part { id, events, from: first, until: last, pages, users })
}

/// What each page begins with: the first with 0, each later one with more than the one before.
fn firsts(from: &mut Decoder<'_>) -> Result<Arc<[u32]>, StorageError> {
    let count = from.ordinal()?;
    let mut first = 0_u32;
    let next = |place| {
        let more = from.ordinal()?;
        if (place == 0) != (more == 0) {
            return Err(from.wrong("its pages are not in order"));
        }
        first = first.checked_add(more).ok_or_else(|| from.wrong("an ordinal is too large"))?;
        Ok(first)
    };
    (0..count).map(next).collect()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use asof_model::Instant;
    use asof_temporal::{MEMBERS, NONE};

    use super::*;

    #[test]
    fn a_part_is_in_an_interval_up_to_the_instant() {
        let row = |time, index| Row { time, index, class: 0, identity: 1, members: [NONE; MEMBERS] };
        let part = Part::of(0, vec![row(10, 5), row(20, 6)], 100).unwrap().0;
        let during = |from, to| Interval { from: Instant::from_nanos(from), to: Instant::from_nanos(to) };
        for (from, to, size, meets, lies_in) in [
            (10, 21, 7, true, true),
            (10, 20, 7, true, false),
            (11, 21, 7, true, false),
            (10, 21, 6, true, false),
            (10, 21, 5, false, false),
            (10, 21, 0, false, false),
            (0, 10, 7, false, false),
            (0, 11, 7, true, false),
            (20, 21, 7, true, false),
            (21, 30, 7, false, false),
        ] {
            let found = (part.meets(during(from, to), size), part.lies_in(during(from, to), size));
            assert_eq!(found, (meets, lies_in), "{from} to {to}, knowing {size}");
        }
        assert!(Part::of(0, Vec::new(), 100).is_none());
    }
}
