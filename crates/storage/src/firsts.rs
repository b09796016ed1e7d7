//! When nodes were first seen, and when first from each source: made of the blocks when it is first asked for, kept in
//! memory, and moved on as the ledger grows.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use asof_model::Interval;
use asof_temporal::{Block, MEMBERS, Member, NONE};
use foldhash::fast::FixedState;
use roaring::RoaringBitmap;

use crate::events::Wanted;

/// Of what is new since the list by time was last in order.
const RECENT_MAX: usize = 4096;

/// Bytes that the tables of a process take, and may take.
pub(crate) struct Room {
    bytes_max: u64,
    taken: AtomicU64,
}

impl Room {
    pub fn new(bytes_max: u64) -> Self {
        Self { bytes_max, taken: AtomicU64::new(0) }
    }
}

/// An event by its place in the ledger and in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Point {
    index: u64,
    time: i64,
}

impl Point {
    /// Wherever the other is known, this is, and not later: the other never is the earliest.
    fn covers(self, other: Self) -> bool {
        self.index <= other.index && self.time <= other.time
    }
}

/// Events of which none covers another, by index: the last one below K is the earliest among the first K records. They are
/// the same whatever order they come in.
#[derive(Debug)]
enum Earliest {
    One(Point),
    More(Vec<Point>),
}

impl Earliest {
    /// Says whether it is one of them now.
    fn add(&mut self, point: Point) -> bool {
        match self {
            Self::One(only) if only.covers(point) => false,
            Self::One(only) if point.covers(*only) => {
                *only = point;
                true
            }
            Self::One(only) => {
                let mut both = vec![*only, point];
                both.sort_by_key(|each| each.index);
                *self = Self::More(both);
                true
            }
            Self::More(points) => {
                if points.iter().any(|each| each.covers(point)) {
                    return false;
                }
                points.retain(|each| !point.covers(*each));
                let at = points.partition_point(|each| each.index < point.index);
                points.insert(at, point);
                true
            }
        }
    }

    /// The earliest time among the first `size` records.
    fn at(&self, size: u64) -> Option<i64> {
        match self {
            Self::One(only) => (only.index < size).then_some(only.time),
            Self::More(points) => {
                let known = points.partition_point(|each| each.index < size);
                known.checked_sub(1).and_then(|last| points.get(last)).map(|point| point.time)
            }
        }
    }
}

/// The earliest events by node, and by node and source.
struct Table {
    nodes: HashMap<u32, Earliest, FixedState>,
    pairs: HashMap<(u32, u32), Earliest, FixedState>,
    /// Time, node and source of what is or was one of the earliest of a pair: in order, and what came since.
    by_time: Vec<(i64, u32, u32)>,
    recent: Vec<(i64, u32, u32)>,
    /// All observations below this ledger index are in.
    size: u64,
    room: Arc<Room>,
    taken: u64,
}

impl Drop for Table {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(self.taken, Relaxed);
    }
}

impl Table {
    fn new(room: Arc<Room>) -> Self {
        Self {
            nodes: HashMap::default(),
            pairs: HashMap::default(),
            by_time: Vec::new(),
            recent: Vec::new(),
            size: 0,
            room,
            taken: 0,
        }
    }

    /// Takes in the events of a block from the table's size on and below another.
    fn take(&mut self, block: &Block, of: Of, wanted: &Wanted, below: u64) {
        let size = self.size;
        // Of a block that was put together of older ones, few are new.
        let is_new = |place: &usize| {
            (size..below).contains(&block.index(*place)) && wanted.has(block.classes()[*place])
        };
        let node =
            |place| if of.secrets { block.member(Member::Secret, place) } else { block.identity(place) };
        // Each as one number, node above place: so they are sorted fast.
        let by_node = |place| (u64::from(node(place)) << 32) | place as u64;
        let mut new: Vec<u64> = (0..block.len()).filter(is_new).map(by_node).collect();
        new.sort_unstable();
        let mut last: Option<(u32, u32, Point)> = None;
        for each in new {
            let (node, place) = ((each >> 32) as u32, each as u32 as usize);
            if node == NONE {
                break;
            }
            let point = Point { index: block.index(place), time: block.time(place) };
            let source = block.member(of.member, place);
            // Nearly always from where it was seen just before.
            if last.is_some_and(|(of, from, before)| (of, from) == (node, source) && before.covers(point)) {
                continue;
            }
            last = Some((node, source, point));
            add(&mut self.nodes, node, point);
            if source != NONE && add(&mut self.pairs, (node, source), point) {
                self.recent.push((point.time, node, source));
            }
        }
    }

    #[expect(
        clippy::stable_sort_primitive,
        reason = "runs that are in order, which a stable sort makes use of"
    )]
    fn in_order(&mut self) {
        self.by_time.sort();
    }

    /// Everything below a size is in now. False: it takes more room than there is.
    fn close(&mut self, size: u64) -> bool {
        self.size = size;
        if self.recent.len() > RECENT_MAX {
            self.by_time.append(&mut self.recent);
            self.in_order();
            self.recent.shrink_to_fit();
        }
        let bytes = self.nodes.capacity() * 40 + self.pairs.capacity() * 48 + self.by_time.capacity() * 16;
        let more = (bytes as u64).saturating_sub(self.taken);
        self.taken += more;
        self.room.taken.fetch_add(more, Relaxed) + more <= self.room.bytes_max
    }

    /// Nodes of which the earliest event from some source lies in the interval, while their own earliest is before it.
    fn newly(&self, during: Interval, size: u64) -> RoaringBitmap {
        let (from, to) = (during.from.nanos(), during.to.nanos());
        let start = self.by_time.partition_point(|each| each.0 < from);
        let in_order = self.by_time.get(start..).unwrap_or_default().iter().take_while(|each| each.0 < to);
        let recent = self.recent.iter().filter(|each| from <= each.0 && each.0 < to);
        in_order
            .chain(recent)
            .filter(|(time, node, source)| {
                let first = |earliest: Option<&Earliest>| earliest.and_then(|earliest| earliest.at(size));
                first(self.pairs.get(&(*node, *source))) == Some(*time)
                    && first(self.nodes.get(node)).is_some_and(|own| own < *time)
            })
            .map(|each| each.1)
            .collect()
    }
}

fn add<K: std::hash::Hash + Eq>(to: &mut HashMap<K, Earliest, FixedState>, key: K, point: Point) -> bool {
    match to.entry(key) {
        Entry::Occupied(mut found) => found.get_mut().add(point),
        Entry::Vacant(new) => {
            new.insert(Earliest::One(point));
            true
        }
    }
}

/// Of which nodes, and from which sources.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Of {
    pub secrets: bool,
    pub member: Member,
}

/// The tables of a store.
pub(crate) struct Firsts {
    tables: [Mutex<Option<Table>>; 2 * MEMBERS],
    room: Arc<Room>,
}

impl Firsts {
    pub fn new(room: Arc<Room>) -> Self {
        Self { tables: [const { Mutex::new(None) }; 2 * MEMBERS], room }
    }

    /// Nodes of which the earliest wanted event from some source, among the first `size` records, lies in the interval, while
    /// their own earliest is before it. `read` visits all blocks with an event from an index on and below `size`, and says
    /// whether it did. `None`: there is no room, or it did not.
    pub fn newly<E>(
        &self,
        of: Of,
        wanted: &Wanted,
        during: Interval,
        size: u64,
        read: impl FnOnce(u64, &mut dyn FnMut(&Block)) -> Result<bool, E>,
    ) -> Result<Option<RoaringBitmap>, E> {
        let Some(table) = self.tables.get(of.member as usize * 2 + usize::from(of.secrets)) else {
            return Ok(None);
        };
        // Who comes while it is made waits for it: that takes no longer than making it again.
        let mut kept = table.lock().unwrap_or_else(PoisonError::into_inner);
        let mut table = kept.take().unwrap_or_else(|| Table::new(Arc::clone(&self.room)));
        if table.size < size {
            let whole = read(table.size, &mut |block| table.take(block, of, wanted, size))?;
            if !whole || !table.close(size) {
                return Ok(None);
            }
        }
        let found = table.newly(during, size);
        *kept = Some(table);
        Ok(Some(found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever order events come in, the earliest at each size is that of all events below it.
    #[test]
    fn the_earliest_is_that_of_every_size() {
        let mut drawn = 1_u64;
        let mut draw = move |below: u64| {
            drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (drawn >> 33) % below
        };
        for _ in 0..500 {
            let count = 1 + draw(8);
            let mut points: Vec<Point> =
                (0..count).map(|index| Point { index, time: draw(6) as i64 }).collect();
            let all = points.clone();
            for place in 0..points.len() {
                let other = draw(count) as usize;
                points.swap(place, other);
            }
            let mut found: HashMap<u8, Earliest, FixedState> = HashMap::default();
            for point in points {
                add(&mut found, 0, point);
            }
            for size in 0..=count {
                let wanted = all.iter().filter(|point| point.index < size).map(|point| point.time).min();
                assert_eq!(found.get(&0).and_then(|earliest| earliest.at(size)), wanted, "{all:?} at {size}");
            }
        }
    }
}
