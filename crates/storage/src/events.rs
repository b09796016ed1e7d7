//! Reads of events as known at a ledger size: in order along an axis, and as sets and counts.

use std::collections::binary_heap::PeekMut;
use std::collections::{BTreeMap, BinaryHeap};
use std::ops::ControlFlow;
use std::sync::Arc;

use asof_model::{Instant, Interval, Outcome, Privilege, PrivilegeSet};
use asof_temporal::{Block, Member, NONE, Row};

use crate::error::StorageError;
use crate::keys::Axis;
use crate::parts::Part;
use crate::store::Store;
use crate::views::{CLASSES, class, day_of, of_class};
use crate::work::{Counters, Of};

/// Events counted by class and outcome.
pub type Tally = BTreeMap<(Privilege, Outcome), u64>;

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

    /// All of them, ascending.
    pub(crate) fn classes(&self) -> impl Iterator<Item = u8> {
        (0..).zip(&self.0).filter_map(|(class, wanted)| wanted.then_some(class))
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

pub(crate) fn stored(row: &Row) -> Result<StoredEvent, StorageError> {
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
struct Cursor<'a> {
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
    fn of(block: &'a Block, scan: &EventScan, work: &'a Counters) -> Self {
        let (from, to) = (scan.from.0.nanos(), scan.to.nanos());
        let places = match scan.axis {
            Axis::Member(member, ordinal) if !block.names(member, ordinal) => {
                return Self { block, places: None, start: 0, end: 0, looked_at: 0, work };
            }
            Axis::All | Axis::Member(..) => {
                let range = block.between(from, to);
                return Self { block, places: None, start: range.start, end: range.end, looked_at: 0, work };
            }
            Axis::Identity(ordinal) => block.by_identity().of_key(ordinal),
            Axis::Secret(ordinal) => block.by_secret().of_key(ordinal),
        };
        let is_before = |place: &u32, moment: i64| block.time(*place as usize) < moment;
        // Most blocks lie in a stretch as a whole.
        let before = |moment: i64| match (places.first(), places.last()) {
            (Some(first), _) if !is_before(first, moment) => 0,
            (_, Some(last)) if is_before(last, moment) => places.len(),
            _ => places.partition_point(|place| is_before(place, moment)),
        };
        let (start, end) = (before(from), before(to));
        Self { block, places: Some(places), start, end: end.max(start), looked_at: 0, work }
    }

    fn place(&self, at: usize) -> usize {
        self.places.map_or(at, |places| places[at] as usize)
    }

    /// The place of the next event that is wanted; those before it are passed over.
    fn next(&mut self, scan: &EventScan, size: u64) -> Option<usize> {
        while self.start < self.end {
            self.looked_at += 1;
            let place = self.place(if scan.backwards { self.end - 1 } else { self.start });
            let index = self.block.index(place);
            let is_on = match scan.axis {
                Axis::Member(member, ordinal) => self.block.member(member, place) == ordinal,
                _ => true,
            };
            if is_on
                && scan.wanted.has(self.block.classes()[place])
                && index < size
                && (Instant::from_nanos(self.block.time(place)), index) >= scan.from
            {
                return Some(place);
            }
            self.pass(scan);
        }
        None
    }

    fn pass(&mut self, scan: &EventScan) {
        if scan.backwards {
            self.end -= 1;
        } else {
            self.start += 1;
        }
    }
}

/// Where a cursor stands, by what is visited first: the greatest is next.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Next {
    rank: (i64, u64),
    cursor: usize,
    place: usize,
}

impl Next {
    fn of(cursor: usize, block: &Block, place: usize, backwards: bool) -> Self {
        let (time, index) = (block.time(place), block.index(place));
        // The complement turns the order around, and neither overflows.
        Self { rank: if backwards { (time, index) } else { (!time, !index) }, cursor, place }
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
    let mut cursors: Vec<Cursor<'_>> = blocks.iter().map(|block| Cursor::of(block, scan, work)).collect();
    let mut heads = BinaryHeap::with_capacity(cursors.len());
    for (at, cursor) in cursors.iter_mut().enumerate() {
        heads.extend(cursor.next(scan, size).map(|place| Next::of(at, cursor.block, place, scan.backwards)));
    }
    while let Some(mut head) = heads.peek_mut() {
        let at = head.cursor;
        let Some(cursor) = cursors.get_mut(at) else { break };
        if visit(&stored(&cursor.block.row(head.place))?).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        cursor.pass(scan);
        match cursor.next(scan, size) {
            Some(place) => *head = Next::of(at, cursor.block, place, scan.backwards),
            None => drop(PeekMut::pop(head)),
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
    fn blocks(&self, day: u32, scan: &EventScan, size: u64) -> Result<Vec<Arc<Block>>, StorageError> {
        let found = self.parts.of_day(day, |part| {
            if !part.meets(Interval { from: scan.from.0, to: scan.to }, size) {
                return Ok(Some(Vec::new()));
            }
            match scan.axis {
                Axis::All | Axis::Member(..) => self.parts.pages(&self.db, part),
                Axis::Identity(ordinal) => self.page_naming(part, ordinal),
                Axis::Secret(ordinal) => {
                    let Some(head) = self.parts.head(&self.db, part.id)? else { return Ok(None) };
                    if head.secrets.values().any(|set| set.contains(ordinal)) {
                        self.parts.pages(&self.db, part)
                    } else {
                        Ok(Some(Vec::new()))
                    }
                }
            }
        })?;
        let found: Vec<_> = found.into_iter().flatten().collect();
        self.work.add(Of::Blocks, found.len());
        Ok(found)
    }

    /// The page of a part's events with those of an identity: one that is kept in any case, another one if the part names it;
    /// `None`: the part is gone.
    fn page_naming(&self, part: &Part, identity: u32) -> Result<Option<Vec<Arc<Block>>>, StorageError> {
        let page = part.page_of(identity);
        if let Some(block) = self.parts.kept(part.id, page) {
            return Ok(Some(vec![block]));
        }
        let Some(head) = self.parts.head(&self.db, part.id)? else { return Ok(None) };
        if !head.everyone().contains(identity) {
            return Ok(Some(Vec::new()));
        }
        Ok(self.parts.page(&self.db, part.id, page)?.map(|block| vec![block]))
    }

    /// The events of a scan among the first `size` records, by (time, index) or against it. `go_on` is asked for each day.
    pub fn events(
        &self,
        scan: &EventScan,
        size: u64,
        go_on: &mut dyn FnMut() -> bool,
        visit: &mut dyn FnMut(&StoredEvent) -> ControlFlow<()>,
    ) -> Result<(), StorageError> {
        let mut days = self.days(scan.from.0, scan.to);
        if scan.backwards {
            days.reverse();
        }
        for day in days {
            if !go_on()
                || visit_all(&self.blocks(day, scan, size)?, scan, size, &self.work, visit)?.is_break()
            {
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
        parts.filter(|part| part.meets(during, u64::MAX)).map(|part| u64::from(part.events)).sum()
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
        /// Fewer are counted anew each time.
        const MANY: usize = 64;
        let mut counts = vec![[0_u64; CLASSES]; steps.len()];
        let Some(first) = steps.first() else { return Ok(Vec::new()) };
        let wanted = Wanted([true; CLASSES]);
        let scan =
            EventScan { axis: Axis::Identity(identity), from: (*first, 0), to, backwards: false, wanted };
        for day in self.days(*first, to) {
            for block in self.blocks(day, &scan, size)? {
                let mut cursor = Cursor::of(&block, &scan, &self.work);
                let all_known = block.last_index() < size;
                let mut rest = &cursor.places.unwrap_or_default()[cursor.start..cursor.end];
                let is_whole = all_known && Some(rest.len()) == cursor.places.map(<[u32]>::len);
                while let (Some(first), Some(last)) = (rest.first(), rest.last()) {
                    let time = |place: &u32| block.time(*place as usize);
                    let step = steps.partition_point(|start| start.nanos() <= time(first)).saturating_sub(1);
                    let end = steps.get(step + 1).map_or(i64::MAX, |next| next.nanos());
                    let counts = &mut counts[step];
                    // Most steps are as long as what a block holds of a day, or longer.
                    let is_one = time(last) < end;
                    if is_one && is_whole && rest.len() >= MANY {
                        let of_class = block.by_class(identity);
                        cursor.looked_at += of_class.len();
                        for each in of_class {
                            counts[usize::from(each.class) % CLASSES] += u64::from(each.events);
                        }
                        if !of_class.is_empty() {
                            break;
                        }
                    }
                    let here = if is_one { rest.len() } else { rest.partition_point(|at| time(at) < end) };
                    let (here, later) = rest.split_at(here);
                    cursor.looked_at += here.len();
                    for place in here.iter().map(|place| *place as usize) {
                        if all_known || block.index(place) < size {
                            counts[usize::from(block.classes()[place]) % CLASSES] += 1;
                        }
                    }
                    rest = later;
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
