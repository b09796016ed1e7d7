//! What identities used, without when.

use std::ops::ControlFlow;
use std::sync::Arc;

use asof_model::{Instant, Interval, Outcome, Privilege};
use asof_temporal::{Block, Use};
use roaring::RoaringBitmap;

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
const RECENT: usize = 32;

/// An identity whose uses are still wanted.
struct Open {
    place: usize,
    identity: u32,
    recent: [Option<Use>; RECENT],
    /// Nothing more is wanted of it.
    closed: bool,
}

/// A page of a part's events, with the identities that are looked for on it.
struct OfPage {
    identities: Vec<u32>,
    /// All of the part lies within what is asked about.
    whole: bool,
    block: Arc<Block>,
}

impl Open {
    /// It is not among the ones that were visited last, and is now.
    fn is_new(&mut self, each: Use) -> bool {
        let hash = (each.resource ^ each.action.rotate_left(16) ^ u32::from(each.class) << 8)
            .wrapping_mul(0x9E37_79B9);
        let recent = &mut self.recent[(hash >> 27) as usize % RECENT];
        recent.replace(each) != Some(each)
    }
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
        let open = |(place, identity): (usize, &u32)| Open {
            place,
            identity: *identity,
            recent: [None; RECENT],
            closed: false,
        };
        let mut open: Vec<Open> = identities.iter().enumerate().map(open).collect();
        open.sort_unstable_by_key(|each| each.identity);
        // The latest first: what is in use is likeliest found there.
        for day in self.days(during.from, during.to).into_iter().rev() {
            if open.is_empty() || !go_on() {
                break;
            }
            for of_page in self.seen_by_page(day, during, &open, size)? {
                let OfPage { identities, whole, block } = of_page;
                let (mut failed, mut looked_at) = (None, 0);
                for identity in identities {
                    let place = open.binary_search_by_key(&identity, |each| each.identity);
                    let Some(each) = place.ok().and_then(|place| open.get_mut(place)) else { continue };
                    if each.closed {
                        continue;
                    }
                    let mut tell = |by: Use| {
                        looked_at += 1;
                        if !wanted.has(by.class) || !each.is_new(by) {
                            return true;
                        }
                        match used_with(by) {
                            Ok(with) => visit(each.place, with).is_continue(),
                            Err(error) => {
                                failed = Some(error);
                                false
                            }
                        }
                    };
                    let go_on = if whole {
                        block.uses().of_identity(identity).iter().all(|by| tell(*by))
                    } else {
                        block.by_identity().of_key(identity).iter().all(|place| {
                            let place = *place as usize;
                            !during.contains(Instant::from_nanos(block.time(place)))
                                || block.index(place) >= size
                                || tell(block.used_at(place))
                        })
                    };
                    each.closed = !go_on;
                }
                self.work.add(Of::Events, looked_at);
                if let Some(error) = failed {
                    return Err(error);
                }
            }
            open.retain(|each| !each.closed);
        }
        Ok(())
    }

    /// The pages of a day with something of an interval and of the open identities, and which of them are on each.
    fn seen_by_page(
        &self,
        day: u32,
        during: Interval,
        open: &[Open],
        size: u64,
    ) -> Result<Vec<OfPage>, StorageError> {
        let open: RoaringBitmap = open.iter().map(|each| each.identity).collect();
        let found = self.parts.of_day(day, |part| {
            let mut pages: Vec<OfPage> = Vec::new();
            if !part.meets(during, size) {
                return Ok(Some(pages));
            }
            let Some(head) = self.parts.head(&self.db, part.id)? else { return Ok(None) };
            self.work.add(Of::Bitmaps, 1);
            let seen = &open & head.everyone();
            let (whole, mut below) = (part.lies_in(during, size), 0);
            for identity in seen {
                match pages.last_mut() {
                    Some(last) if identity < below => last.identities.push(identity),
                    _ => {
                        let page = part.page_of(identity);
                        below = part.identities(page).end;
                        let Some(block) = self.parts.page(&self.db, part.id, page)? else { return Ok(None) };
                        pages.push(OfPage { identities: vec![identity], whole, block });
                    }
                }
            }
            Ok(Some(pages))
        })?;
        let found: Vec<_> = found.into_iter().flatten().collect();
        self.work.add(Of::Blocks, found.len());
        Ok(found)
    }
}

fn used_with(each: Use) -> Result<UsedWith, StorageError> {
    let (privilege, outcome, _) = of_class(each.class)?;
    Ok(UsedWith { privilege, outcome, resource: given(each.resource), action: given(each.action) })
}
