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

/// Of what is new since the list by time was last in order: this many, or an eighth of that list where that is less.
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

    /// The index of the first record that is before a time.
    fn first_before(&self, time: i64) -> Option<u64> {
        match self {
            Self::One(only) => (only.time < time).then_some(only.index),
            Self::More(points) => {
                points.get(points.partition_point(|each| time <= each.time)).map(|each| each.index)
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

/// What is or was one of the earliest events of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct New {
    time: i64,
    node: u32,
    source: u32,
    /// From which size on it is the pair's earliest while the node's own is before it, or one of the two below.
    from: u64,
}

/// It is to be looked up: nobody did yet, or it does not hold for all sizes from some one on.
const LOOK: u64 = 0;
/// The node has no earlier event.
const NEVER: u64 = u64::MAX;

/// The earliest events by node, and by node and source.
struct Table {
    nodes: HashMap<u32, Earliest, FixedState>,
    pairs: HashMap<(u32, u32), Earliest, FixedState>,
    /// In order, and what came since, of which nothing is known.
    by_time: Vec<New>,
    recent: Vec<New>,
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
            self.add(node, source, point);
        }
    }

    fn add(&mut self, node: u32, source: u32, point: Point) {
        if let Added::Before(time) = add(&mut self.nodes, node, point) {
            self.look_again(time, node);
        }
        if source != NONE {
            let added = add(&mut self.pairs, (node, source), point);
            if let Added::Before(time) = added {
                self.look_again(time, node);
            }
            if !matches!(added, Added::Not) {
                self.recent.push(New { time: point.time, node, source, from: LOOK });
            }
        }
    }

    /// What is known of a node's events at a time held while they were its earliest, or a pair's.
    fn look_again(&mut self, time: i64, node: u32) {
        let start = self.by_time.partition_point(|each| (each.time, each.node) < (time, node));
        let theirs = self.by_time.iter_mut().skip(start);
        for each in theirs.take_while(|each| (each.time, each.node) == (time, node)) {
            each.from = LOOK;
        }
    }

    /// Everything below a size is in now. False: it takes more room than there is.
    fn close(&mut self, size: u64) -> bool {
        self.size = size;
        if self.recent.len() > RECENT_MAX.min(self.by_time.len() / 8) {
            self.by_time.append(&mut self.recent);
            // Runs that are in order, which a stable sort makes use of.
            self.by_time.sort();
            self.recent.shrink_to_fit();
        }
        let bytes = self.nodes.capacity() * 40 + self.pairs.capacity() * 48 + self.by_time.capacity() * 24;
        let more = (bytes as u64).saturating_sub(self.taken);
        self.taken += more;
        self.room.taken.fetch_add(more, Relaxed) + more <= self.room.bytes_max
    }

    /// Nodes of which the earliest event from some source lies in the interval, while their own earliest is before it.
    fn newly(&mut self, during: Interval, size: u64) -> RoaringBitmap {
        let (from, to) = (during.from.nanos(), during.to.nanos());
        let start = self.by_time.partition_point(|each| each.time < from);
        let end = self.by_time.partition_point(|each| each.time < to).max(start);
        let (nodes, pairs) = (&self.nodes, &self.pairs);
        let pair = |new: &New| pairs.get(&(new.node, new.source));
        for new in self.by_time[start..end].iter_mut().filter(|new| new.from == LOOK) {
            if let Some(Earliest::One(only)) = pair(new)
                && only.time == new.time
            {
                let before = nodes.get(&new.node).and_then(|own| own.first_before(new.time));
                new.from = before.map_or(NEVER, |before| only.index.max(before) + 1);
            }
        }
        let looked_up = |new: &New| {
            pair(new).and_then(|earliest| earliest.at(size)) == Some(new.time)
                && nodes.get(&new.node).and_then(|own| own.at(size)).is_some_and(|own| own < new.time)
        };
        let recent = self.recent.iter().filter(|new| from <= new.time && new.time < to);
        let all = self.by_time[start..end].iter().chain(recent);
        let mut found: Vec<u32> = all
            .filter(|new| if new.from == LOOK { looked_up(new) } else { new.from <= size })
            .map(|new| new.node)
            .collect();
        found.sort_unstable();
        found.dedup();
        RoaringBitmap::from_sorted_iter(found).unwrap_or_default()
    }
}

enum Added {
    Not,
    New,
    /// Before what was the earliest, at this time.
    Before(i64),
}

fn add<K: std::hash::Hash + Eq>(to: &mut HashMap<K, Earliest, FixedState>, key: K, point: Point) -> Added {
    match to.entry(key) {
        Entry::Occupied(mut found) => {
            let before = found.get().at(u64::MAX);
            match (found.get_mut().add(point), before) {
                (true, Some(before)) => Added::Before(before),
                _ => Added::Not,
            }
        }
        Entry::Vacant(new) => {
            new.insert(Earliest::One(point));
            Added::New
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
    use asof_model::Instant;

    use super::*;

    fn drawing() -> impl FnMut(u64) -> u64 {
        let mut drawn = 1_u64;
        move |below| {
            drawn = drawn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (drawn >> 33) % below
        }
    }

    /// What was known of a table when it was smaller makes no difference, however late events come.
    #[test]
    fn what_is_new_is_that_of_every_size() {
        let mut draw = drawing();
        let mut found_in_all = 0;
        for _ in 0..300 {
            let mut table = Table::new(Arc::new(Room::new(u64::MAX)));
            let mut all: Vec<(u32, u32, Point)> = Vec::new();
            for _ in 0..6 {
                let size = all.len() as u64;
                let mut more: Vec<_> = (size..size + 1 + draw(8))
                    .map(|index| {
                        let source = if draw(9) == 0 { NONE } else { draw(3) as u32 };
                        (draw(4) as u32, source, Point { index, time: draw(20) as i64 })
                    })
                    .collect();
                all.extend(&more);
                while !more.is_empty() {
                    let (node, source, point) = more.swap_remove(draw(more.len() as u64) as usize);
                    table.add(node, source, point);
                }
                table.close(all.len() as u64);
                for _ in 0..4 {
                    let from = draw(20) as i64;
                    let to = from + draw(12) as i64;
                    let during = Interval { from: Instant::from_nanos(from), to: Instant::from_nanos(to) };
                    let size = draw(all.len() as u64 + 1);
                    let first = |node: u32, source: Option<u32>| {
                        let theirs = all.iter().filter(|each| {
                            each.0 == node && each.2.index < size && source.is_none_or(|of| each.1 == of)
                        });
                        theirs.map(|each| each.2.time).min()
                    };
                    let is_new = |node: &u32| {
                        (0..3).any(|source| {
                            first(*node, Some(source)).is_some_and(|time| {
                                from <= time && time < to && first(*node, None) < Some(time)
                            })
                        })
                    };
                    let wanted: RoaringBitmap = (0..4).filter(is_new).collect();
                    assert_eq!(table.newly(during, size), wanted, "{all:?} at {size} from {from} to {to}");
                    found_in_all += wanted.len();
                }
            }
        }
        assert!(found_in_all > 1000, "{found_in_all}");
    }

    /// Whatever order events come in, the earliest at each size is that of all events below it.
    #[test]
    fn the_earliest_is_that_of_every_size() {
        let mut draw = drawing();
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
