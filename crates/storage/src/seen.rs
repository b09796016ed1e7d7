//! Who was seen: sets of identities and secrets by what their events were.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;

use asof_model::{Instant, Interval, Outcome, Privilege};
use asof_temporal::{Block, BlockHead, Dense, Ends, Member, NONE};
use quick_cache::Weighter;
use roaring::{MultiOps, RoaringBitmap};

use crate::days::{Stretch, Sum};
use crate::error::StorageError;
use crate::events::Wanted;
use crate::parts::Part;
use crate::store::Store;
use crate::views::{class, day_of, head_class, interval_of, secret_class};
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

/// A day, a secret, and a moment on that day.
type Since = (u32, u32, Instant);

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
        self.seen_sets(secrets, wanted, during, size, go_on, |sets| sets.union())
    }

    /// The same in several sets.
    fn seen_sets<T>(
        &self,
        secrets: bool,
        wanted: &Wanted,
        during: Interval,
        size: u64,
        go_on: &mut dyn FnMut() -> bool,
        join: impl FnOnce(Vec<&RoaringBitmap>) -> T,
    ) -> Result<T, StorageError> {
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
        Ok(join(sets))
    }

    /// The heads of several days, put together.
    fn joined(&self, days: &Range<u32>, last: Option<u64>) -> Result<Option<Joined>, StorageError> {
        if days.len() == 1 {
            return Ok(None);
        }
        let key = (self.parts.opening(), days.start);
        let before = self.parts.caches().joined.get(&key);
        let is_kept = |sum: &&Joined| sum.last >= last || !self.extent(days).is_outdated(sum);
        if let Some(sum) = before.as_ref().filter(is_kept) {
            return Ok(Some(Arc::clone(sum)));
        }
        let mut sum = self.sum_up(days, |part, head: &mut BlockHead| {
            // What was summed up stays so.
            if before.as_ref().is_some_and(|before| !before.lacks(part)) {
                return Ok(true);
            }
            let own = self.parts.head(&self.db, part.id)?;
            Ok(own.map(|own| head.join(&own)).is_some())
        })?;
        if let Some(before) = before {
            sum.of.join(&before.of);
        }
        let sum = Arc::new(sum);
        self.parts.caches().joined.insert(key, Arc::clone(&sum));
        Ok(Some(sum))
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
        let mut ordinals = Vec::new();
        for day in self.days(during.from, during.to).into_iter().take_while(|_| go_on()) {
            let found =
                self.parts.of_day(day, |part| self.seen_on_in(part, resource, wanted, during, size))?;
            ordinals.extend(found.into_iter().flatten());
        }
        Ok(set(ordinals))
    }

    fn seen_on_in(
        &self,
        part: &Part,
        resource: u32,
        wanted: &Wanted,
        during: Interval,
        size: u64,
    ) -> Result<Option<Vec<u32>>, StorageError> {
        if !part.meets(during, size) {
            return Ok(Some(Vec::new()));
        }
        let Some(users) = self.parts.users(&self.db, part, resource)? else { return Ok(None) };
        let mut identities = users.of_classes(resource, wanted.classes()).collect::<Vec<_>>().concat();
        if !part.lies_in(during, size) {
            identities.sort_unstable();
            identities.dedup();
            let mut used = Vec::new();
            for of_page in identities.chunk_by(|one, other| part.page_of(*one) == part.page_of(*other)) {
                let page = part.page_of(of_page[0]);
                let Some(block) = self.parts.page(&self.db, part.id, page)? else { return Ok(None) };
                self.work.add(Of::Blocks, 1);
                let (from, to) = (during.from.nanos(), during.to.nanos());
                used.extend(of_page.iter().copied().filter(|identity| {
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
            identities = used;
        }
        self.work.add(Of::Events, identities.len());
        Ok(Some(identities))
    }

    /// Secrets of the events of these classes from some moments of an interval on, the latest first, each time to its end, among
    /// the first `size` records. The last tells of all; where there are no events there are none.
    pub fn secrets_seen_since(
        &self,
        wanted: &Wanted,
        during: Interval,
        size: u64,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Vec<(Instant, RoaringBitmap)>, StorageError> {
        let (mut later, mut since) = (RoaringBitmap::new(), Vec::new());
        for stretch in self.stretches(during).into_iter().rev() {
            if !go_on() {
                break;
            }
            let days = match stretch {
                Stretch::Whole(days) => days,
                Stretch::Day(day) => day..day + 1,
            };
            let of_stretch = Interval {
                from: during.from.max(interval_of(days.start).from),
                to: during.to.min(interval_of(days.end - 1).to),
            };
            self.seen_sets(true, wanted, of_stretch, size, go_on, |sets| join(&mut later, &sets))?;
            since.push((of_stretch.from, later.clone()));
        }
        Ok(since)
    }

    /// Of these secrets, each with a moment, those with an event of these classes from that moment on and before `to`, among
    /// the first `size` records. `since` is what [`Store::secrets_seen_since`] said of the same classes, end and size, or nothing.
    pub fn secrets_seen_from(
        &self,
        from: &[(u32, Instant)],
        wanted: &Wanted,
        to: Instant,
        size: u64,
        since: &[(Instant, RoaringBitmap)],
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<RoaringBitmap, StorageError> {
        let day = |from: &Instant| day_of(from.nanos().max(0));
        let mut by_day: Vec<Since> = from.iter().map(|(secret, from)| (day(from), *secret, *from)).collect();
        by_day.sort_unstable();
        let Some(first) = by_day.first() else { return Ok(RoaringBitmap::new()) };
        let first = interval_of(first.0).from;
        // The latest day first: of those from a moment before it on, all that are seen on it are seen.
        let (mut found, mut later, mut left) = (RoaringBitmap::new(), Cow::default(), &*by_day);
        let secrets = |of: &[Since]| set(of.iter().map(|each| each.1).collect());
        for day in self.days(first, to).into_iter().rev() {
            if !go_on() {
                break;
            }
            let (before, here) = left.split_at(left.partition_point(|each| each.0 < day));
            left = before;
            found |= secrets(here) & &*later;
            let of_day = &here[..here.partition_point(|each| each.0 == day)];
            found |= self.secrets_seen_on(day, of_day, &(secrets(of_day) - &*later), wanted, to, size)?;
            if left.is_empty() {
                break;
            }
            let Interval { from: start, to: end } = interval_of(day);
            let whole = Interval { from: start, to: end.min(to) };
            if let Some((_, seen)) = since.iter().find(|each| each.0 == start) {
                later = Cow::Borrowed(seen);
                continue;
            }
            self.seen_sets(true, wanted, whole, size, go_on, |sets| join(later.to_mut(), &sets))?;
        }
        found |= secrets(left) & &*later;
        Ok(found)
    }

    /// The same of secrets with moments on one day, of which only some are asked about.
    fn secrets_seen_on(
        &self,
        day: u32,
        from: &[Since],
        secrets: &RoaringBitmap,
        wanted: &Wanted,
        to: Instant,
        size: u64,
    ) -> Result<RoaringBitmap, StorageError> {
        let from: Vec<(u32, Instant)> = from.iter().map(|each| (each.1, each.2)).collect();
        let mut found = Vec::new();
        self.each_with_secret(day, &from, secrets, wanted, (to, size), |_, secret, places| {
            found.extend(places.next().map(|_| secret));
        })?;
        Ok(set(found))
    }

    /// Identities of events of these classes with these secrets, each from its moment on, before `to` and among the first
    /// `size` records.
    pub fn identities_seen_with(
        &self,
        from: &[(u32, Instant)],
        wanted: &Wanted,
        to: Instant,
        size: u64,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<RoaringBitmap, StorageError> {
        let mut from = from.to_vec();
        from.sort_unstable();
        let Some(first) = from.iter().map(|each| each.1).min() else { return Ok(RoaringBitmap::new()) };
        let secrets = from.iter().map(|each| each.0).collect();
        let mut found = Dense::EMPTY;
        for day in self.days(first, to).into_iter().take_while(|_| go_on()) {
            self.each_with_secret(day, &from, &secrets, wanted, (to, size), |block, _, places| {
                for place in places {
                    found.insert(block.identity(place));
                }
            })?;
        }
        Ok(found.set())
    }

    /// Shows the events of a day with secrets that each have a moment (by secret, ascending), of those of them that are asked about:
    /// where they are in their block, the latest first, of each secret from its moment on.
    fn each_with_secret(
        &self,
        day: u32,
        from: &[(u32, Instant)],
        secrets: &RoaringBitmap,
        wanted: &Wanted,
        (to, size): (Instant, u64),
        mut see: impl FnMut(&Block, u32, &mut dyn Iterator<Item = usize>),
    ) -> Result<(), StorageError> {
        let first = from.iter().map(|each| each.1).min();
        let Some(during) = first.and_then(|first| Interval::new(first, to)).filter(|_| !secrets.is_empty())
        else {
            return Ok(());
        };
        let parts = self.parts.of_day(day, |part| {
            let mut here = RoaringBitmap::new();
            if !part.meets(during, size) {
                return Ok(Some((here, Vec::new())));
            }
            let Some(head) = self.parts.head(&self.db, part.id)? else { return Ok(None) };
            for (_, set) in head.secrets.iter().filter(|(of, _)| wanted.has_outcome(**of)) {
                self.work.add(Of::Bitmaps, 1);
                here |= secrets & set;
            }
            let blocks = if here.is_empty() { Some(Vec::new()) } else { self.parts.pages(&self.db, part)? };
            Ok(blocks.map(|blocks| (here, blocks)))
        })?;
        for (here, blocks) in parts {
            self.work.add(Of::Blocks, blocks.len());
            let mut looked_at = 0;
            for block in blocks {
                let mut rest = from;
                for secret in shared(&here, block.by_secret().keys()) {
                    rest = &rest[rest.partition_point(|each| each.0 < secret)..];
                    let Some((.., from)) = rest.first() else { break };
                    let places = block.by_secret().of_key(secret);
                    // The latest first: it is the likeliest, and the first one before the moment ends them.
                    let mut places = (places.iter().rev().map(|place| *place as usize))
                        .take_while(|place| {
                            looked_at += 1;
                            *from <= Instant::from_nanos(block.time(*place))
                        })
                        .filter(|place| {
                            Instant::from_nanos(block.time(*place)) < to
                                && wanted.has(block.classes()[*place])
                                && block.index(*place) < size
                        });
                    see(&block, secret, &mut places);
                }
            }
            self.work.add(Of::Events, looked_at);
        }
        Ok(())
    }
}

/// Those of a set that are among some keys, which ascend: as much work as the fewer of both between the first key and the last.
fn shared(set: &RoaringBitmap, keys: &[u32]) -> Vec<u32> {
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return Vec::new() };
    if set.range_cardinality(*first..=*last) > keys.len() as u64 {
        keys.iter().copied().filter(|key| set.contains(*key)).collect()
    } else {
        set.range(*first..=*last).collect()
    }
}

fn join(to: &mut RoaringBitmap, sets: &[&RoaringBitmap]) {
    for set in sets {
        *to |= *set;
    }
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
