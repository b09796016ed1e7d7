//! Who was seen: sets of identities and secrets by what their events were.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::sync::Arc;

use asof_model::{Interval, Outcome, Privilege};
use asof_temporal::{Block, BlockHead, Dense, Ends, Member, NONE};
use quick_cache::Weighter;
use roaring::{MultiOps, RoaringBitmap};

use crate::days::{Stretch, Sum};
use crate::error::StorageError;
use crate::events::Wanted;
use crate::parts::{OwnId, Part};
use crate::store::Store;
use crate::views::{class, head_class, secret_class};
use crate::work::Of;

/// Of the store that was opened as this: several days, by the first of them.
pub(crate) type JoinedKey = (u32, u32);

/// The heads of several days, put together.
pub(crate) type Joined = Arc<Sum<BlockHead>>;

#[derive(Clone)]
pub(crate) struct JoinedBytes;

impl Weighter<JoinedKey, Joined> for JoinedBytes {
    fn weight(&self, _: &JoinedKey, joined: &Joined) -> u64 {
        joined.of.weight()
    }
}

/// Of the store that was opened as this: several days, by the first of them, and a resource.
pub(crate) type UsersOnKey = (u32, u32, u32);

/// By class, who used a resource on several days.
pub(crate) type UsersOn = Arc<Sum<Vec<(u8, u32)>>>;

#[derive(Clone)]
pub(crate) struct UsersOnBytes;

impl Weighter<UsersOnKey, UsersOn> for UsersOnBytes {
    fn weight(&self, _: &UsersOnKey, users: &UsersOn) -> u64 {
        users.of.capacity() as u64 * 8 + 128
    }
}

#[derive(Clone)]
pub(crate) struct EndsBytes;

impl Weighter<(OwnId, bool), Arc<Ends>> for EndsBytes {
    fn weight(&self, _: &(OwnId, bool), ends: &Arc<Ends>) -> u64 {
        ends.weight()
    }
}

/// Who was seen in a part.
enum Seen {
    /// Those of all of it.
    Head(Arc<BlockHead>),
    /// Those of all of some days.
    Joined(Joined),
    /// These were gathered with others.
    Gathered,
}

impl Store {
    /// Identities (or secrets) of the events of these classes in an interval, among the first `size` records. `go_on` is asked
    /// now and then, here and below; after it said no, what comes back means nothing.
    pub fn seen(
        &self,
        secrets: bool,
        wanted: &Wanted,
        during: Interval,
        size: u64,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<RoaringBitmap, StorageError> {
        let gathered = RefCell::default();
        let mut heads = Vec::new();
        let mut seen = |day, but: Option<&Sum<BlockHead>>| {
            let seen = |part: &Part| {
                if but.is_some_and(|but| !but.lacks(part)) {
                    return Ok(Some(Seen::Gathered));
                }
                self.seen_in(part, secrets, wanted, during, size, &mut gathered.borrow_mut())
            };
            heads.extend(self.parts.of_day(day, seen)?);
            Ok::<_, StorageError>(())
        };
        let mut joined = Vec::new();
        for stretch in self.stretches(during).into_iter().take_while(|_| go_on()) {
            match stretch {
                Stretch::Whole(days) if !secrets || wanted.knows_outcomes_alone() => {
                    let last = self.last_of(&days);
                    let sum = self.joined(&days, last)?;
                    let sum = sum.filter(|sum| sum.is_known(size));
                    if sum.as_ref().is_none_or(|sum| sum.last < last) {
                        self.days_of(&days).into_iter().try_for_each(|day| seen(day, sum.as_deref()))?;
                    }
                    joined.extend(sum.map(Seen::Joined));
                }
                Stretch::Whole(days) => {
                    self.days_of(&days).into_iter().try_for_each(|day| seen(day, None))?;
                }
                Stretch::Day(day) => seen(day, None)?,
            }
        }
        let of_class =
            |class: u8| if secrets { wanted.has_outcome(class) } else { wanted.has(head_class(class)) };
        let heads = heads.iter().chain(&joined).filter_map(|seen| {
            let head = match seen {
                Seen::Head(head) => head,
                Seen::Joined(sum) => &sum.of,
                Seen::Gathered => return None,
            };
            Some(if secrets { &head.secrets } else { &head.identities })
        });
        let mut sets: Vec<&RoaringBitmap> =
            heads.flatten().filter(|(class, _)| of_class(**class)).map(|(_, set)| set).collect();
        self.work.add(Of::Bitmaps, sets.len());
        let gathered = gathered.into_inner().set();
        sets.push(&gathered);
        Ok(sets.union())
    }

    /// The heads of several days, put together.
    fn joined(&self, days: &Range<u32>, last: Option<u64>) -> Result<Option<Joined>, StorageError> {
        if days.len() == 1 {
            return Ok(None);
        }
        let add = |part: &Part, head: &mut BlockHead| {
            let own = self.parts.head(&self.db, part.id)?;
            Ok(own.map(|own| head.join(&own)).is_some())
        };
        let (cache, key) = (&self.parts.caches().joined, (self.parts.opening(), days.start));
        self.kept_sum(cache, key, (days, last), add, BlockHead::join).map(Some)
    }

    /// Those of a part: gathered, or all of it are. `None`: the part is gone.
    fn seen_in(
        &self,
        part: &Part,
        secrets: bool,
        wanted: &Wanted,
        during: Interval,
        size: u64,
        gathered: &mut Dense,
    ) -> Result<Option<Seen>, StorageError> {
        if !part.meets(during, size) {
            return Ok(Some(Seen::Gathered));
        }
        let all_known = part.id.last < size;
        // What is kept of secrets knows outcomes alone.
        let is_kept = all_known && (!secrets || wanted.knows_outcomes_alone());
        if is_kept && part.lies_in(during, size) {
            return Ok(self.parts.head(&self.db, part.id)?.map(Seen::Head));
        }
        if is_kept && part.ends_in(during) {
            let Some(ends) = self.ends(part, secrets)? else { return Ok(None) };
            let mut looked_at = 0;
            let gather = |ordinals: &[u32]| {
                looked_at += ordinals.len();
                for ordinal in ordinals {
                    gathered.insert(*ordinal);
                }
            };
            let of_class =
                |class: u8| if secrets { wanted.has_outcome(class) } else { wanted.has(head_class(class)) };
            if during.from.nanos() <= part.from {
                ends.seen_before(during.to.nanos(), of_class, gather);
            } else {
                ends.seen_from(during.from.nanos(), of_class, gather);
            }
            self.work.add(Of::Events, looked_at);
            return Ok(Some(Seen::Gathered));
        }
        let Some(blocks) = self.parts.pages(&self.db, part)? else { return Ok(None) };
        self.work.add(Of::Blocks, blocks.len());
        for block in blocks {
            let places = block.between(during.from.nanos(), during.to.nanos());
            self.work.add(Of::Events, places.len());
            for place in places {
                if wanted.has(block.classes()[place]) && (all_known || block.index(place) < size) {
                    let ordinal =
                        if secrets { block.member(Member::Secret, place) } else { block.identity(place) };
                    if ordinal != NONE {
                        gathered.insert(ordinal);
                    }
                }
            }
        }
        Ok(Some(Seen::Gathered))
    }

    /// When identities (or secrets) were seen first and last in a part, by the classes of its head; `None`: it is gone.
    fn ends(&self, part: &Part, secrets: bool) -> Result<Option<Arc<Ends>>, StorageError> {
        let key = ((self.parts.opening(), part.id), secrets);
        if let Some(ends) = self.parts.caches().ends.get(&key) {
            return Ok(Some(ends));
        }
        let Some(blocks) = self.parts.pages(&self.db, part)? else { return Ok(None) };
        self.work.add(Of::Blocks, blocks.len());
        let ends = Arc::new(if secrets {
            Ends::of(&blocks, |block, place| block.member(Member::Secret, place), secret_class)
        } else {
            Ends::of(&blocks, Block::identity, head_class)
        });
        self.parts.caches().ends.insert(key, Arc::clone(&ends));
        Ok(Some(ends))
    }

    /// Identities of the events of these classes on a resource in an interval, among the first `size` records.
    pub fn seen_on(
        &self,
        resource: u32,
        wanted: &Wanted,
        during: Interval,
        size: u64,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<RoaringBitmap, StorageError> {
        let (mut ordinals, mut cut) = (Vec::new(), Vec::new());
        let mut read = |day, but: Option<&UsersOn>| {
            let is_cut = Cell::new(false);
            let found = self.parts.of_day(day, |part| {
                if but.is_some_and(|but| !but.lacks(part)) {
                    return Ok(Some(Vec::new()));
                }
                if part.lies_in(during, size) {
                    return self.users_of(part, resource, wanted);
                }
                is_cut.set(is_cut.get() || part.meets(during, size));
                Ok(Some(Vec::new()))
            })?;
            cut.extend(is_cut.get().then_some(day));
            Ok::<_, StorageError>(found.into_iter().flatten())
        };
        for stretch in self.stretches(during).into_iter().take_while(|_| go_on()) {
            match stretch {
                Stretch::Whole(days) if days.len() > 1 => {
                    let last = self.last_of(&days);
                    let sum = Some(self.users_on(resource, &days, last)?).filter(|sum| sum.is_known(size));
                    if sum.as_ref().is_none_or(|sum| sum.last < last) {
                        for day in self.days_of(&days) {
                            ordinals.extend(read(day, sum.as_ref())?);
                        }
                    }
                    for class in wanted.classes() {
                        let all = sum.as_ref().map_or(&[][..], |sum| &sum.of);
                        let start = all.partition_point(|user| user.0 < class);
                        let of_one = all[start..].iter().take_while(|user| user.0 == class);
                        ordinals.extend(of_one.map(|user| user.1));
                    }
                }
                Stretch::Whole(days) => ordinals.extend(read(days.start, None)?),
                Stretch::Day(day) => ordinals.extend(read(day, None)?),
            }
        }
        let mut seen = set(ordinals);
        // Few are left to be looked for event by event.
        for day in cut.into_iter().take_while(|_| go_on()) {
            let found = self.parts.of_day(day, |part| {
                if part.lies_in(during, size) || !part.meets(during, size) {
                    return Ok(Some(Vec::new()));
                }
                let Some(mut open) = self.users_of(part, resource, wanted)? else { return Ok(None) };
                open.retain(|identity| !seen.contains(*identity));
                open.sort_unstable();
                open.dedup();
                self.seen_on_in(part, &open, resource, wanted, during, size)
            })?;
            seen.extend(found.into_iter().flatten());
        }
        Ok(seen)
    }

    /// By class, the users of a resource on several days.
    fn users_on(&self, resource: u32, days: &Range<u32>, last: Option<u64>) -> Result<UsersOn, StorageError> {
        let add = |part: &Part, all: &mut Vec<(u8, u32)>| {
            let Some(users) = self.parts.users(&self.db, part, resource)? else { return Ok(false) };
            let (classes, identities) = users.of(resource);
            self.work.add(Of::Events, classes.len());
            add_users(all, classes.iter().copied().zip(identities.iter().copied()));
            Ok(true)
        };
        let join = |all: &mut Vec<(u8, u32)>, before: &Vec<_>| add_users(all, before.iter().copied());
        let (cache, key) = (&self.parts.caches().users_on, (self.parts.opening(), days.start, resource));
        self.kept_sum(cache, key, (days, last), add, join)
    }

    /// Identities of the events of these classes on a resource in a part; `None`: it is gone.
    fn users_of(
        &self,
        part: &Part,
        resource: u32,
        wanted: &Wanted,
    ) -> Result<Option<Vec<u32>>, StorageError> {
        let Some(users) = self.parts.users(&self.db, part, resource)? else { return Ok(None) };
        let mut found = Vec::new();
        users.of_classes(resource, wanted.classes()).for_each(|of_one| found.extend_from_slice(of_one));
        self.work.add(Of::Events, found.len());
        Ok(Some(found))
    }

    /// Those of some identities, which ascend, that have such an event in the interval, by the events of a part; `None`: it is gone.
    fn seen_on_in(
        &self,
        part: &Part,
        identities: &[u32],
        resource: u32,
        wanted: &Wanted,
        during: Interval,
        size: u64,
    ) -> Result<Option<Vec<u32>>, StorageError> {
        let (from, to) = (during.from.nanos(), during.to.nanos());
        let mut seen = Vec::new();
        for of_page in identities.chunk_by(|one, other| part.page_of(*one) == part.page_of(*other)) {
            let page = part.page_of(of_page[0]);
            let Some(block) = self.parts.page(&self.db, part.id, page)? else { return Ok(None) };
            self.work.add(Of::Blocks, 1);
            seen.extend(of_page.iter().copied().filter(|identity| {
                let places = block.by_identity().of_key(*identity);
                let start = places.partition_point(|place| block.time(*place as usize) < from);
                let places = places[start..].iter().map(|place| *place as usize);
                let mut inside = places.take_while(|place| block.time(*place) < to);
                let mut looked_at = 0;
                let found = inside.any(|place| {
                    looked_at += 1;
                    block.member(Member::Resource, place) == resource
                        && wanted.has(block.classes()[place])
                        && block.index(place) < size
                });
                self.work.add(Of::Events, looked_at);
                found
            }));
        }
        Ok(Some(seen))
    }
}

/// Keeps them in order, each once.
fn add_users(all: &mut Vec<(u8, u32)>, more: impl Iterator<Item = (u8, u32)>) {
    all.extend(more);
    all.sort_unstable();
    all.dedup();
}

fn set(mut ordinals: Vec<u32>) -> RoaringBitmap {
    /// More than these are sorted sooner as bits.
    const MANY: usize = 1 << 11;
    if ordinals.len() > MANY {
        let mut all = Dense::EMPTY;
        for ordinal in ordinals {
            all.insert(ordinal);
        }
        return all.set();
    }
    ordinals.sort_unstable();
    ordinals.dedup();
    // Sorted and without repeats: appending does not fail.
    RoaringBitmap::from_sorted_iter(ordinals).unwrap_or_default()
}

impl Wanted {
    fn has_outcome(&self, secret_class: u8) -> bool {
        Privilege::ALL.iter().any(|privilege| self.has(privilege.number() << 3 | secret_class))
    }

    /// Each outcome is wanted with every privilege or with none.
    fn knows_outcomes_alone(&self) -> bool {
        Outcome::ALL.iter().all(|outcome| {
            let has = |privilege: &Privilege| self.has(class(*privilege, *outcome, false));
            Privilege::ALL.iter().all(has) || !Privilege::ALL.iter().any(has)
        })
    }
}
