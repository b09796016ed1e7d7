//! Reads of events as known at a ledger size: in order along an axis, and as sets and counts.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use asof_model::{Instant, Interval, Outcome, Privilege, PrivilegeSet};
use asof_temporal::{Block, Member, NONE, Row};
use roaring::{MultiOps, RoaringBitmap};

use crate::error::StorageError;
use crate::keys::Axis;
use crate::parts::Part;
use crate::store::Store;
use crate::views::{CLASSES, class, day_of, head_class, of_class};
use crate::work::{Counters, Of};

/// Events counted by class and outcome.
pub type Tally = BTreeMap<(Privilege, Outcome), u64>;

/// So many secrets that are asked about from one moment on are found as a set.
const TOGETHER_MIN: usize = 64;

/// An event as kept: ordinals of what the observation names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredEvent {
    /// When.
    pub time: Instant,
    /// Ledger index.
    pub index: u64,
    /// Class.
    pub privilege: Privilege,
    /// Outcome.
    pub outcome: Outcome,
    /// granted_by is not empty.
    pub explained: bool,
    /// Ordinal of the identity.
    pub identity: u32,
    /// Ordinal of the actor.
    pub actor: Option<u32>,
    /// Ordinal of the secret.
    pub secret: Option<u32>,
    /// Ordinal of the workload.
    pub workload: Option<u32>,
    /// Ordinal of the resource.
    pub resource: Option<u32>,
    /// Ordinal of the action's text.
    pub action: Option<u32>,
    /// Ordinal of the region's text.
    pub region: Option<u32>,
    /// Ordinal of the address' text.
    pub source_ip: Option<u32>,
}

/// Which events are wanted, by class.
#[derive(Debug, Clone)]
pub struct Wanted([bool; CLASSES]);

impl Wanted {
    /// Those of one of the privileges with one of the outcomes.
    pub fn of(privileges: PrivilegeSet, outcomes: &[Outcome]) -> Self {
        let mut wanted = [false; CLASSES];
        for privilege in privileges.iter() {
            for outcome in outcomes {
                for explained in [false, true] {
                    wanted[usize::from(class(privilege, *outcome, explained))] = true;
                }
            }
        }
        Self(wanted)
    }

    pub(crate) fn has(&self, class: u8) -> bool {
        self.0.get(usize::from(class)).copied().unwrap_or(false)
    }
}

/// A stretch of events along an axis.
#[derive(Debug, Clone)]
pub struct EventScan {
    /// Which.
    pub axis: Axis,
    /// From this (time, ledger index) on.
    pub from: (Instant, u64),
    /// Before this.
    pub to: Instant,
    /// The latest first.
    pub backwards: bool,
    /// Of these classes.
    pub wanted: Wanted,
}

pub(crate) fn given(ordinal: u32) -> Option<u32> {
    (ordinal != NONE).then_some(ordinal)
}

fn stored(row: &Row) -> Result<StoredEvent, StorageError> {
    let (privilege, outcome, explained) = of_class(row.class)?;
    let member = |member: Member| given(row.members[member as usize]);
    Ok(StoredEvent {
        time: Instant::from_nanos(row.time),
        index: row.index,
        privilege,
        outcome,
        explained,
        identity: row.identity,
        actor: member(Member::Actor),
        secret: member(Member::Secret),
        workload: member(Member::Workload),
        resource: member(Member::Resource),
        action: member(Member::Action),
        region: member(Member::Region),
        source_ip: member(Member::SourceIp),
    })
}

/// The places of a block that are still to be read, `start..end`: among `places` or, where there is no list, themselves.
pub(crate) struct Cursor<'a> {
    block: &'a Block,
    places: Option<&'a [u32]>,
    start: usize,
    end: usize,
    looked_at: usize,
    work: &'a Counters,
}

impl Drop for Cursor<'_> {
    fn drop(&mut self) {
        self.work.add(Of::Events, self.looked_at);
    }
}

impl<'a> Cursor<'a> {
    pub(crate) fn of(block: &'a Block, scan: &EventScan, work: &'a Counters) -> Self {
        let (from, to) = (scan.from.0.nanos(), scan.to.nanos());
        let places = match scan.axis {
            Axis::All => {
                let range = block.between(from, to);
                return Self { block, places: None, start: range.start, end: range.end, looked_at: 0, work };
            }
            Axis::Identity(ordinal) => block.by_identity().of_key(ordinal),
            Axis::Secret(ordinal) => block.by_secret().of_key(ordinal),
        };
        let before = |moment: i64| move |place: &u32| block.time(*place as usize) < moment;
        let (start, end) = (places.partition_point(before(from)), places.partition_point(before(to)));
        Self { block, places: Some(places), start, end: end.max(start), looked_at: 0, work }
    }

    fn place(&self, at: usize) -> usize {
        self.places.map_or(at, |places| places[at] as usize)
    }

    /// The place of the next event that is wanted; those before it are passed over.
    pub(crate) fn next(&mut self, scan: &EventScan, size: u64) -> Option<usize> {
        while self.start < self.end {
            self.looked_at += 1;
            let place = self.place(if scan.backwards { self.end - 1 } else { self.start });
            let index = self.block.index(place);
            if scan.wanted.has(self.block.classes()[place])
                && index < size
                && (Instant::from_nanos(self.block.time(place)), index) >= scan.from
            {
                return Some(place);
            }
            self.pass(scan);
        }
        None
    }

    pub(crate) fn pass(&mut self, scan: &EventScan) {
        if scan.backwards {
            self.end -= 1;
        } else {
            self.start += 1;
        }
    }
}

/// Visits the events of some blocks in order.
fn visit_all(
    blocks: &[Arc<Block>],
    scan: &EventScan,
    size: u64,
    work: &Counters,
    visit: &mut dyn FnMut(&StoredEvent) -> ControlFlow<()>,
) -> Result<ControlFlow<()>, StorageError> {
    let mut cursors: Vec<Cursor<'_>> = Vec::with_capacity(blocks.len());
    let mut heads: Vec<(i64, u64, usize)> = Vec::with_capacity(blocks.len());
    let key = |block: &Block, place: usize| (block.time(place), block.index(place), place);
    for block in blocks {
        let mut cursor = Cursor::of(block, scan, work);
        if let Some(place) = cursor.next(scan, size) {
            heads.push(key(block, place));
            cursors.push(cursor);
        }
    }
    // Few blocks make up a day: the next one is found by looking at the head of each.
    while !heads.is_empty() {
        let mut first = 0;
        for (at, head) in heads.iter().enumerate().skip(1) {
            if (*head < heads[first]) != scan.backwards {
                first = at;
            }
        }
        let cursor = &mut cursors[first];
        if visit(&stored(&cursor.block.row(heads[first].2))?).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        cursor.pass(scan);
        if let Some(place) = cursor.next(scan, size) {
            heads[first] = key(cursor.block, place);
        } else {
            heads.swap_remove(first);
            cursors.swap_remove(first);
        }
    }
    Ok(ControlFlow::Continue(()))
}

impl Store {
    /// Days with events between two moments, in order.
    pub(crate) fn days(&self, from: Instant, to: Instant) -> Vec<u32> {
        if to <= from || to.nanos() <= 0 {
            return Vec::new();
        }
        let (first, last) = (day_of(from.nanos().max(0)), day_of(to.nanos() - 1));
        self.parts.directory().range(first..=last).map(|(day, _)| *day).collect()
    }

    /// The blocks of a day that may hold something of the scan.
    pub(crate) fn blocks(
        &self,
        day: u32,
        scan: &EventScan,
        size: u64,
    ) -> Result<Vec<Arc<Block>>, StorageError> {
        let found = self.parts.of_day(day, |part| {
            if !touches(part, scan.from.0, scan.to) || part.id.first >= size {
                return Ok(Some(None));
            }
            if let Some(block) = self.parts.kept(part.id) {
                return Ok(Some(Some(block)));
            }
            if scan.axis != Axis::All {
                let Some(head) = self.parts.head(&self.db, part.id)? else { return Ok(None) };
                let named = match scan.axis {
                    Axis::All => true,
                    Axis::Identity(ordinal) => head.identities.values().any(|set| set.contains(ordinal)),
                    Axis::Secret(ordinal) => head.secrets.values().any(|set| set.contains(ordinal)),
                };
                if !named {
                    return Ok(Some(None));
                }
            }
            Ok(self.parts.block(&self.db, part.id)?.map(Some))
        })?;
        let found: Vec<_> = found.into_iter().flatten().collect();
        self.work.add(Of::Blocks, found.len());
        Ok(found)
    }

    /// The events of a scan among the first `size` records, by (time, index) or against it.
    pub fn events(
        &self,
        scan: &EventScan,
        size: u64,
        visit: &mut dyn FnMut(&StoredEvent) -> ControlFlow<()>,
    ) -> Result<(), StorageError> {
        let mut days = self.days(scan.from.0, scan.to);
        if scan.backwards {
            days.reverse();
        }
        for day in days {
            if visit_all(&self.blocks(day, scan, size)?, scan, size, &self.work, visit)?.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// How many events there are between two moments, about: those of parts that the stretch cuts count whole.
    pub fn events_about(&self, during: Interval) -> u64 {
        let days = self.days(during.from, during.to);
        let directory = self.parts.directory();
        let parts = days.iter().filter_map(|day| directory.get(day)).flat_map(|parts| parts.iter());
        parts.filter(|part| touches(part, during.from, during.to)).map(|part| u64::from(part.events)).sum()
    }

    /// Identities (or secrets) of the events of these classes in an interval, among the first `size` records.
    pub fn seen(
        &self,
        secrets: bool,
        wanted: &Wanted,
        during: Interval,
        size: u64,
    ) -> Result<RoaringBitmap, StorageError> {
        let mut sets: Vec<RoaringBitmap> = Vec::new();
        for day in self.days(during.from, during.to) {
            let found = self.parts.of_day(day, |part| self.seen_in(part, secrets, wanted, during, size))?;
            sets.extend(found.into_iter().flatten());
        }
        Ok(sets.union())
    }

    fn seen_in(
        &self,
        part: &Part,
        secrets: bool,
        wanted: &Wanted,
        during: Interval,
        size: u64,
    ) -> Result<Option<Vec<RoaringBitmap>>, StorageError> {
        if !touches(part, during.from, during.to) || part.id.first >= size {
            return Ok(Some(Vec::new()));
        }
        let whole = during.from.nanos() <= part.from && part.until < during.to.nanos() && part.id.last < size;
        // A head's sets of secrets know outcomes alone.
        if whole && (!secrets || wanted.knows_outcomes_alone()) {
            let Some(head) = self.parts.head(&self.db, part.id)? else { return Ok(None) };
            let sets = if secrets { &head.secrets } else { &head.identities };
            let of_class =
                |class: u8| if secrets { wanted.has_outcome(class) } else { wanted.has(head_class(class)) };
            let found: Vec<_> =
                sets.iter().filter(|(of, _)| of_class(**of)).map(|(_, set)| set.clone()).collect();
            self.work.add(Of::Bitmaps, found.len());
            return Ok(Some(found));
        }
        let Some(block) = self.parts.block(&self.db, part.id)? else { return Ok(None) };
        let places = block.between(during.from.nanos(), during.to.nanos());
        self.work.add(Of::Blocks, 1);
        self.work.add(Of::Events, places.len());
        let all_known = block.last_index() < size;
        let mut found = Dense::default();
        for place in places {
            if wanted.has(block.classes()[place]) && (all_known || block.index(place) < size) {
                let ordinal =
                    if secrets { block.member(Member::Secret, place) } else { block.identity(place) };
                if ordinal != NONE {
                    found.insert(ordinal);
                }
            }
        }
        Ok(Some(vec![found.set()]))
    }

    /// Identities of the events of these classes on a resource in an interval, among the first `size` records.
    pub fn seen_on(
        &self,
        resource: u32,
        wanted: &Wanted,
        during: Interval,
        size: u64,
    ) -> Result<RoaringBitmap, StorageError> {
        let mut ordinals = Vec::new();
        for day in self.days(during.from, during.to) {
            let found = self.parts.of_day(day, |part| {
                if !touches(part, during.from, during.to) || part.id.first >= size {
                    return Ok(Some(Vec::new()));
                }
                let Some(block) = self.parts.block(&self.db, part.id)? else { return Ok(None) };
                self.work.add(Of::Blocks, 1);
                self.work.add(Of::Events, block.by_resource().of_key(resource).len());
                Ok(Some(on_resource(&block, resource, wanted, during, size)))
            })?;
            ordinals.extend(found.into_iter().flatten());
        }
        Ok(set(ordinals))
    }

    /// Of these secrets, each with a moment, those with an event of these classes from that moment on and before `to`, among
    /// the first `size` records.
    pub fn secrets_seen_from(
        &self,
        from: &[(u32, Instant)],
        wanted: &Wanted,
        to: Instant,
        size: u64,
    ) -> Result<RoaringBitmap, StorageError> {
        let mut found = RoaringBitmap::new();
        let Some(first) = from.iter().map(|each| each.1).min() else { return Ok(found) };
        let mut open = from.to_vec();
        if let Some(during) = Interval::new(first, to)
            && open.iter().filter(|each| each.1 == first).count() > TOGETHER_MIN
        {
            let used = self.seen(true, wanted, during, size)?;
            found.extend(open.iter().filter(|each| each.1 == first).map(|each| each.0));
            found &= used;
            open.retain(|each| each.1 != first);
        }
        let Some(first) = open.iter().map(|each| each.1).min() else { return Ok(found) };
        for day in self.days(first, to).into_iter().rev() {
            let blocks = self.parts.of_day(day, |part| {
                if !touches(part, first, to) || part.id.first >= size {
                    return Ok(Some(None));
                }
                Ok(self.parts.block(&self.db, part.id)?.map(Some))
            })?;
            for block in blocks.into_iter().flatten() {
                let groups = block.by_secret();
                self.work.add(Of::Blocks, 1);
                self.work.add(Of::Events, open.iter().map(|each| groups.of_key(each.0).len()).sum());
                open.retain(|(secret, from)| {
                    let counts = |place: &u32| {
                        let place = *place as usize;
                        let time = Instant::from_nanos(block.time(place));
                        *from <= time
                            && time < to
                            && wanted.has(block.classes()[place])
                            && block.index(place) < size
                    };
                    // The latest first: it is the likeliest.
                    let used = groups.of_key(*secret).iter().rev().any(counts);
                    if used {
                        found.insert(*secret);
                    }
                    !used
                });
            }
        }
        Ok(found)
    }

    /// The events of an identity counted by step and class: the steps begin at these moments, in order; the last one ends
    /// at `to`.
    pub fn tally(
        &self,
        identity: u32,
        steps: &[Instant],
        to: Instant,
        size: u64,
    ) -> Result<Vec<Tally>, StorageError> {
        let mut counts = vec![[0_u64; CLASSES]; steps.len()];
        let Some(first) = steps.first() else { return Ok(Vec::new()) };
        let wanted = Wanted([true; CLASSES]);
        let scan =
            EventScan { axis: Axis::Identity(identity), from: (*first, 0), to, backwards: false, wanted };
        for day in self.days(*first, to) {
            for block in self.blocks(day, &scan, size)? {
                let mut cursor = Cursor::of(&block, &scan, &self.work);
                cursor.looked_at = cursor.end - cursor.start;
                let all_known = block.last_index() < size;
                let (mut step, mut end) = (0, i64::MIN);
                for at in cursor.start..cursor.end {
                    let place = cursor.place(at);
                    let time = block.time(place);
                    if time >= end {
                        step = steps.partition_point(|start| start.nanos() <= time).saturating_sub(1);
                        end = steps.get(step + 1).map_or(i64::MAX, |next| next.nanos());
                    }
                    if all_known || block.index(place) < size {
                        counts[step][usize::from(block.classes()[place]) % CLASSES] += 1;
                    }
                }
            }
        }
        counts.iter().map(by_class).collect()
    }
}

fn by_class(counts: &[u64; CLASSES]) -> Result<Tally, StorageError> {
    let mut found = BTreeMap::new();
    for (class, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let (privilege, outcome, _) = of_class(class as u8)?;
        *found.entry((privilege, outcome)).or_default() += count;
    }
    Ok(found)
}

fn on_resource(block: &Block, resource: u32, wanted: &Wanted, during: Interval, size: u64) -> Vec<u32> {
    let places = block.by_resource().of_key(resource);
    let mut found = Vec::new();
    let mut at = 0;
    // They go by class: what is not wanted is passed over at once.
    while let Some(place) = places.get(at) {
        let class = block.classes()[*place as usize];
        let run = places[at..].partition_point(|place| block.classes()[*place as usize] == class);
        if wanted.has(class) {
            let of_run = places[at..at + run].iter().map(|place| *place as usize).filter(|place| {
                during.contains(Instant::from_nanos(block.time(*place))) && block.index(*place) < size
            });
            found.extend(of_run.map(|place| block.identity(place)));
        }
        at += run;
    }
    found
}

pub(crate) fn touches(part: &Part, from: Instant, to: Instant) -> bool {
    part.from < to.nanos() && from.nanos() <= part.until
}

fn set(mut ordinals: Vec<u32>) -> RoaringBitmap {
    ordinals.sort_unstable();
    ordinals.dedup();
    // Sorted and without repeats: appending does not fail.
    RoaringBitmap::from_sorted_iter(ordinals).unwrap_or_default()
}

/// A set that is gathered without order: a bit for each ordinal up to the greatest.
#[derive(Default)]
struct Dense(Vec<u64>);

impl Dense {
    fn insert(&mut self, ordinal: u32) {
        let place = ordinal as usize / 64;
        if place >= self.0.len() {
            self.0.resize(place + 1 + place / 2, 0);
        }
        self.0[place] |= 1 << (ordinal % 64);
    }

    fn set(&self) -> RoaringBitmap {
        let words = self.0.iter().enumerate().filter(|(_, word)| **word != 0);
        let ordinals = words.flat_map(|(place, word)| {
            let bits = std::iter::successors(Some(*word), |left| Some(left & (left - 1)));
            bits.take_while(|left| *left != 0).map(move |left| place as u32 * 64 + left.trailing_zeros())
        });
        // Ascending: appending does not fail.
        RoaringBitmap::from_sorted_iter(ordinals).unwrap_or_default()
    }
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
