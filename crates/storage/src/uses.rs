//! What identities used, without when.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use asof_model::{Instant, Interval, Outcome, Privilege};
use asof_temporal::{NONE, Use, Uses};
use quick_cache::Weighter;
use roaring::RoaringBitmap;

use crate::days::{Extent, Stretch, Sum};
use crate::error::StorageError;
use crate::events::{Wanted, given};
use crate::store::Store;
use crate::views::of_class;
use crate::work::Of;

/// With what an identity was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedWith {
    /// Class.
    pub privilege: Privilege,
    /// Outcome.
    pub outcome: Outcome,
    /// Ordinal of the resource.
    pub resource: Option<u32>,
    /// Ordinal of the action's text.
    pub action: Option<u32>,
}

/// What was visited last of an identity, by a hash: most of what is used is used every day.
type Recent = [Use; 32];

/// No use: there is no such class.
const NO_USE: Use = Use { class: u8::MAX, resource: NONE, action: NONE };

/// To so many sums a question adds what came since: it has what is beyond the others read instead, and the next one adds to those.
const ADDED_MAX: usize = 16;

/// An identity whose uses are still wanted.
struct Open {
    place: usize,
    identity: u32,
    /// Of the days that are visited, what was recorded up to here has been told.
    told: Option<u64>,
    /// Nothing more is wanted of it.
    closed: bool,
}

/// Identities whose uses are kept together.
const TOGETHER: u32 = 1_024;

/// Of the store that was opened as this: days, and which identities, by [`TOGETHER`].
pub(crate) type UsedKey = (u32, Range<u32>, u32);

/// What some identities used on some days.
pub(crate) type Used = Arc<Sum<Uses>>;

#[derive(Clone)]
pub(crate) struct UsedBytes;

impl Weighter<UsedKey, Used> for UsedBytes {
    fn weight(&self, _: &UsedKey, used: &Used) -> u64 {
        used.of.weight() + 128
    }
}

/// What is asked, and what is still open of it.
struct Walk<'a> {
    /// By identity.
    open: Vec<Open>,
    /// By place.
    recent: Vec<Recent>,
    wanted: &'a Wanted,
    during: Interval,
    size: u64,
    visit: &'a mut dyn FnMut(usize, UsedWith) -> ControlFlow<()>,
    looked_at: usize,
    added: usize,
}

impl Walk<'_> {
    /// Tells a use of the identity at a place.
    fn tell(&mut self, at: usize, by: Use) -> Result<(), StorageError> {
        self.looked_at += 1;
        let Some(open) = self.open.get_mut(at) else { return Ok(()) };
        if !open.closed && self.wanted.has(by.class) && is_new(&mut self.recent[open.place], by) {
            open.closed = (self.visit)(open.place, used_with(by)?).is_break();
        }
        Ok(())
    }
}

/// It is not among the ones that were visited last, and is now.
fn is_new(recent: &mut Recent, each: Use) -> bool {
    let hash =
        (each.resource ^ each.action.rotate_left(16) ^ u32::from(each.class) << 8).wrapping_mul(0x9E37_79B9);
    std::mem::replace(&mut recent[(hash >> 27) as usize], each) != each
}

impl Store {
    /// What identities, each of them once, used in an interval, of these classes, among the first `size` records: each use at least once, in no
    /// order, with its identity's place among them, until the visitor breaks off for that identity. `go_on` is asked now and
    /// then.
    pub fn uses(
        &self,
        identities: &[u32],
        wanted: &Wanted,
        during: Interval,
        size: u64,
        go_on: &mut dyn FnMut() -> bool,
        visit: &mut dyn FnMut(usize, UsedWith) -> ControlFlow<()>,
    ) -> Result<(), StorageError> {
        let open =
            |(place, identity): (usize, &u32)| Open { place, identity: *identity, told: None, closed: false };
        let mut open: Vec<Open> = identities.iter().enumerate().map(open).collect();
        open.sort_unstable_by_key(|each| each.identity);
        let recent = vec![[NO_USE; 32]; identities.len()];
        let mut walk = Walk { open, recent, wanted, during, size, visit, looked_at: 0, added: 0 };
        // The latest first: what is in use is likeliest found there.
        for stretch in self.stretches(during).into_iter().rev() {
            let go_on = match stretch {
                Stretch::Whole(days) => self.visit_sums(&days, &mut walk, go_on)?,
                Stretch::Day(day) => {
                    walk.open.iter_mut().for_each(|each| each.told = None);
                    self.visit_parts(&(day..day.saturating_add(1)), &mut walk)?;
                    go_on()
                }
            };
            walk.open.retain(|each| !each.closed);
            if walk.open.is_empty() || !go_on {
                break;
            }
        }
        self.work.add(Of::Events, walk.looked_at);
        Ok(())
    }

    /// Visits what the open identities used on whole days: what is kept of it, and the parts that came after that.
    fn visit_sums(
        &self,
        days: &Range<u32>,
        walk: &mut Walk<'_>,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<bool, StorageError> {
        // Whatever comes to them from now on is not known at this size.
        let extent = self.extent(days);
        let last = extent.last();
        let mut start = 0;
        while let Some(first) = walk.open.get(start) {
            if !go_on() {
                return Ok(false);
            }
            let group = first.identity / TOGETHER;
            let end = walk.open.partition_point(|each| each.identity / TOGETHER <= group);
            let used = self.used(days, group, &extent, &mut walk.added)?;
            let is_known = used.is_known(walk.size);
            for at in start..end {
                walk.open[at].told = if is_known { used.last } else { None };
                let identity = walk.open[at].identity;
                for by in used.of.of_identity(identity).iter().filter(|_| is_known) {
                    if walk.open[at].closed {
                        break;
                    }
                    walk.tell(at, *by)?;
                }
            }
            start = end;
        }
        if walk.open.iter().any(|each| !each.closed && each.told < last) {
            self.visit_parts(days, walk)?;
        }
        Ok(true)
    }

    /// What a group of identities used on whole days, on which there is so much, as kept after so many were added to.
    fn used(
        &self,
        days: &Range<u32>,
        group: u32,
        extent: &Extent,
        added: &mut usize,
    ) -> Result<Used, StorageError> {
        let key = (self.parts.opening(), days.clone(), group);
        let before = self.parts.caches().used.get(&key);
        let is_kept =
            |used: &&Used| used.last >= extent.last() || *added >= ADDED_MAX || !extent.is_outdated(used);
        if let Some(used) = before.as_ref().filter(is_kept) {
            return Ok(Arc::clone(used));
        }
        *added += usize::from(before.is_some());
        let first = group * TOGETHER;
        let identities = first..first.saturating_add(TOGETHER);
        let Sum { last, of } = self.sum_up(days, |part, uses: &mut Vec<(u32, Use)>| {
            // What was summed up stays so: only what has come since is read.
            if before.as_ref().is_some_and(|before| !before.lacks(part)) {
                return Ok(true);
            }
            for page in part.page_of(identities.start)..=part.page_of(identities.end - 1) {
                let Some(block) = self.parts.page(&self.db, part.id, page)? else { return Ok(false) };
                self.work.add(Of::Blocks, 1);
                // Several groups come to each page, and to a small part all of them do.
                let groups = block.by_identity();
                let start = groups.keys().partition_point(|key| *key < identities.start);
                for identity in groups.keys()[start..].iter().take_while(|key| **key < identities.end) {
                    // Most of what is used was used before.
                    let old = before.as_ref().map_or(&[][..], |before| before.of.of_identity(*identity));
                    let mut last = None;
                    for place in groups.of_key(*identity) {
                        let by = block.used_at(*place as usize);
                        if last.replace(by) != Some(by) && old.binary_search(&by).is_err() {
                            uses.push((*identity, by));
                        }
                    }
                }
            }
            Ok(true)
        })?;
        let of = match before {
            Some(before) => before.of.and(of),
            None => Uses::of(identities, of),
        };
        let used = Arc::new(Sum { last, of });
        self.parts.caches().used.insert(key, Arc::clone(&used));
        Ok(used)
    }

    /// Visits what the open identities used, event by event, in those parts of some days that they were not told of.
    fn visit_parts(&self, days: &Range<u32>, walk: &mut Walk<'_>) -> Result<(), StorageError> {
        let told = walk.open.iter().filter(|each| !each.closed).map(|each| each.told).min().flatten();
        let open: RoaringBitmap =
            walk.open.iter().filter(|each| !each.closed).map(|each| each.identity).collect();
        for day in self.days_of(days) {
            let pages = self.parts.of_day(day, |part| {
                let mut pages = Vec::new();
                if !part.meets(walk.during, walk.size) || told.is_some_and(|told| part.id.last <= told) {
                    return Ok(Some(pages));
                }
                let Some(head) = self.parts.head(&self.db, part.id)? else { return Ok(None) };
                self.work.add(Of::Bitmaps, 1);
                let (mut below, mut at) = (None, 0);
                for identity in head.everyone() & &open {
                    at += walk.open[at..].iter().take_while(|each| each.identity < identity).count();
                    let each = &walk.open[at];
                    if each.closed || each.told.is_some_and(|told| part.id.last <= told) {
                        continue;
                    }
                    if below.is_none_or(|below| below <= identity) {
                        let page = part.page_of(identity);
                        let Some(block) = self.parts.page(&self.db, part.id, page)? else { return Ok(None) };
                        below = Some(part.identities(page).end);
                        pages.push((block, Vec::new()));
                    }
                    if let Some(last) = pages.last_mut() {
                        last.1.push(at);
                    }
                }
                Ok(Some(pages))
            })?;
            for (block, places) in pages.into_iter().flatten() {
                self.work.add(Of::Blocks, 1);
                for at in places {
                    for place in block.by_identity().of_key(walk.open[at].identity) {
                        let place = *place as usize;
                        if walk.open[at].closed {
                            break;
                        }
                        if walk.during.contains(Instant::from_nanos(block.time(place)))
                            && block.index(place) < walk.size
                        {
                            walk.tell(at, block.used_at(place))?;
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

fn used_with(each: Use) -> Result<UsedWith, StorageError> {
    let (privilege, outcome, _) = of_class(each.class)?;
    Ok(UsedWith { privilege, outcome, resource: given(each.resource), action: given(each.action) })
}
