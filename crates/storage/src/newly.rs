//! Who was first seen from somewhere in an interval: by the tables of first appearances or, where there is no room for
//! them, from the interval's own events backwards, day by day, until each source turns up again or there is no earlier day.

use std::sync::Arc;

use asof_model::{Instant, Interval, Outcome, PrivilegeSet};
use asof_temporal::{Block, Member, NONE};
use roaring::RoaringBitmap;

use crate::error::StorageError;
use crate::events::Wanted;
use crate::firsts::Of;
use crate::parts::Part;
use crate::store::Store;
use crate::work;

/// A node, something that it was seen from, and when first in the interval.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Pair {
    node: u32,
    source: u32,
    first: i64,
}

/// What is looked for: SUCCESS observations of identities or secrets among the first `size` records.
struct Look {
    secrets: bool,
    member: Member,
    wanted: Wanted,
    size: u64,
}

impl Look {
    fn counts(&self, block: &Block, place: usize) -> bool {
        self.wanted.has(block.classes()[place]) && block.index(place) < self.size
    }

    /// The pairs of a block within an interval, in order, each once, with its first time.
    fn pairs(&self, block: &Block, during: Interval, into: &mut Vec<Pair>) {
        let groups = if self.secrets { block.by_secret() } else { block.by_identity() };
        let (from, to) = (during.from.nanos(), during.to.nanos());
        let mut own: Vec<Pair> = Vec::new();
        for node in groups.keys() {
            own.clear();
            for place in groups.of_key(*node) {
                let place = *place as usize;
                let time = block.time(place);
                // Without a source it is no pair, but it tells when the node itself was seen: NONE comes last.
                if from <= time && time < to && self.counts(block, place) {
                    let source = block.member(self.member, place);
                    own.push(Pair { node: *node, source, first: time });
                }
            }
            own.sort_unstable();
            own.dedup_by_key(|pair| pair.source);
            into.append(&mut own);
        }
    }

    /// Takes away the pairs, which are in order, that a block has before a moment; `seen`: nodes that it has then at all. Gives how many events were looked at.
    fn take_seen(&self, block: &Block, before: i64, open: &mut Vec<Pair>, seen: &mut RoaringBitmap) -> usize {
        let groups = if self.secrets { block.by_secret() } else { block.by_identity() };
        let (Some(first), Some(last)) = (groups.keys().first(), groups.keys().last()) else { return 0 };
        let start = open.partition_point(|pair| pair.node < *first);
        let end = open.partition_point(|pair| pair.node <= *last);
        let mut looked_at = 0;
        let mut of_node: (Option<u32>, Vec<u32>) = (None, Vec::new());
        let closed = open.extract_if(start..end, |pair| {
            let places = groups.of_key(pair.node);
            if places.is_empty() {
                return false;
            }
            if of_node.0 != Some(pair.node) {
                looked_at += places.len();
                let counted = places
                    .iter()
                    .map(|place| *place as usize)
                    .filter(|place| block.time(*place) < before && self.counts(block, *place));
                of_node = (Some(pair.node), counted.map(|place| block.member(self.member, place)).collect());
                if !of_node.1.is_empty() {
                    seen.insert(pair.node);
                }
            }
            of_node.1.contains(&pair.source)
        });
        closed.for_each(drop);
        looked_at
    }
}

impl Store {
    /// Identities (or secrets) of which the earliest SUCCESS observation from some source lies in the interval, while
    /// their own earliest one is before it. `go_on` is asked now and then; after it said no, what comes back means nothing.
    pub fn newly_seen(
        &self,
        secrets: bool,
        member: Member,
        during: Interval,
        size: u64,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<RoaringBitmap, StorageError> {
        let all: PrivilegeSet = asof_model::Privilege::ALL.iter().copied().collect();
        let wanted = Wanted::of(all, &[Outcome::Success]);
        let kept = self.firsts.newly(Of { secrets, member }, &wanted, during, size, |from, visit| {
            self.blocks_from(from, size, go_on, visit)
        });
        if let Some(found) = kept? {
            return Ok(found);
        }
        let look = Look { secrets, member, wanted, size };
        let mut pairs = Vec::new();
        for day in self.days(during.from, during.to) {
            for block in self.blocks_before(day, during.to, size, None, &look)? {
                self.work.add(work::Of::Events, block.len());
                look.pairs(&block, during, &mut pairs);
            }
        }
        // Each block's are in order already.
        pairs.sort();
        pairs.dedup_by_key(|pair| (pair.node, pair.source));
        let mut firsts = pairs.clone();
        firsts.sort_unstable_by_key(|pair| (pair.node, pair.first));
        firsts.dedup_by_key(|pair| pair.node);
        let mut open = pairs;
        open.retain(|pair| pair.source != NONE);
        let mut seen = RoaringBitmap::new();
        let before = during.from.nanos();
        for day in self.days(Instant::BEGINNING, during.from).into_iter().rev() {
            if open.is_empty() {
                break;
            }
            for block in self.blocks_before(day, during.from, size, Some(&open), &look)? {
                if !go_on() {
                    return Ok(RoaringBitmap::new());
                }
                self.work.add(work::Of::Events, look.take_seen(&block, before, &mut open, &mut seen));
            }
        }
        let is_later = |pair: &Pair| {
            let own = firsts.binary_search_by_key(&pair.node, |first| first.node).ok();
            seen.contains(pair.node) || own.is_some_and(|own| firsts[own].first < pair.first)
        };
        Ok(open.iter().filter(|pair| is_later(pair)).map(|pair| pair.node).collect())
    }

    /// Visits the blocks with an event from an index on and below a size; false: `go_on` said no before the end.
    fn blocks_from(
        &self,
        from: u64,
        size: u64,
        go_on: &mut dyn FnMut() -> bool,
        visit: &mut dyn FnMut(&Block),
    ) -> Result<bool, StorageError> {
        for day in self.days(Instant::BEGINNING, Instant::FOREVER) {
            let blocks = self.parts.of_day(day, |part| {
                if part.id.last < from || part.id.first >= size {
                    return Ok(Some(Vec::new()));
                }
                self.parts.pages(&self.db, part)
            })?;
            for block in blocks.into_iter().flatten() {
                self.work.add(work::Of::Blocks, 1);
                self.work.add(work::Of::Events, block.len());
                visit(&block);
                if !go_on() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// The blocks of a day with something before a moment, of parts that name a node.
    fn blocks_before(
        &self,
        day: u32,
        to: Instant,
        size: u64,
        of: Option<&[Pair]>,
        look: &Look,
    ) -> Result<Vec<Arc<Block>>, StorageError> {
        let read = |part: &Part| {
            if !part.meets(Interval { from: Instant::BEGINNING, to }, size) {
                return Ok(Some(Vec::new()));
            }
            if let Some(pairs) = of {
                let Some(head) = self.parts.head(&self.db, part.id)? else { return Ok(None) };
                let sets = if look.secrets { &head.secrets } else { &head.identities };
                if !pairs.iter().any(|pair| sets.values().any(|set| set.contains(pair.node))) {
                    return Ok(Some(Vec::new()));
                }
            }
            self.parts.pages(&self.db, part)
        };
        let found: Vec<_> = self.parts.of_day(day, read)?.into_iter().flatten().collect();
        self.work.add(work::Of::Blocks, found.len());
        Ok(found)
    }
}
