//! What identities used, without when.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use asof_model::{Instant, Interval, Outcome, Privilege};
use asof_temporal::{Block, Use};

use crate::error::StorageError;
use crate::events::{Wanted, given, touches};
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

/// A block, and which of the open identities are its.
type OfOpen = (Range<usize>, Arc<Block>);

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
    /// What identities used in an interval, of these classes, among the first `size` records: each use at least once, in no
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
            for (range, block) in self.blocks_of(day, during, &open, size)? {
                let is_in = |nanos: i64| during.contains(Instant::from_nanos(nanos));
                let whole = block.span().is_some_and(|(first, last)| is_in(first) && is_in(last))
                    && block.last_index() < size;
                let (mut failed, mut looked_at) = (None, 0);
                for each in open.get_mut(range).unwrap_or_default().iter_mut().filter(|each| !each.closed) {
                    let identity = each.identity;
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
                            !is_in(block.time(place))
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

    /// The blocks of a day with something of an interval and of the open identities, which ascend, each with which of them
    /// are its.
    fn blocks_of(
        &self,
        day: u32,
        during: Interval,
        open: &[Open],
        size: u64,
    ) -> Result<Vec<OfOpen>, StorageError> {
        let identities: Vec<u32> = open.iter().map(|each| each.identity).collect();
        let found = self.parts.of_day(day, |part| {
            let mut blocks = Vec::new();
            if !touches(part, during.from, during.to) || part.id.first >= size {
                return Ok(Some(blocks));
            }
            let mut start = 0;
            while let Some(first) = identities.get(start) {
                let page = part.page_of(*first);
                let below = part.identities(page).end;
                let end = start + identities[start..].partition_point(|identity| *identity < below).max(1);
                let Some(found) = self.page_naming(part, page, &identities[start..end])? else {
                    return Ok(None);
                };
                blocks.extend(found.into_iter().map(|block| (start..end, block)));
                start = end;
            }
            Ok(Some(blocks))
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
