//! What an identity used, without when.

use std::ops::ControlFlow;

use asof_model::{Instant, Interval, Outcome, Privilege};
use asof_temporal::Use;

use crate::error::StorageError;
use crate::events::{Cursor, EventScan, Wanted, given};
use crate::keys::Axis;
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

impl Store {
    /// What an identity used in an interval, of these classes, among the first `size` records: each at least once, in no
    /// order.
    pub fn uses(
        &self,
        identity: u32,
        wanted: &Wanted,
        during: Interval,
        size: u64,
        visit: &mut dyn FnMut(UsedWith) -> ControlFlow<()>,
    ) -> Result<(), StorageError> {
        let scan = EventScan {
            axis: Axis::Identity(identity),
            from: (during.from, 0),
            to: during.to,
            backwards: true,
            wanted: wanted.clone(),
        };
        // The latest first: what is in use is likeliest found there.
        for day in self.days(during.from, during.to).into_iter().rev() {
            for block in self.blocks(day, &scan, size)? {
                let is_in = |nanos: i64| during.contains(Instant::from_nanos(nanos));
                let whole = block.span().is_some_and(|(first, last)| is_in(first) && is_in(last))
                    && block.last_index() < size;
                if whole {
                    let uses = block.uses().of_identity(identity);
                    self.work.add(Of::Events, uses.len());
                    for each in uses {
                        if wanted.has(each.class) && visit(used_with(*each)?).is_break() {
                            return Ok(());
                        }
                    }
                    continue;
                }
                let mut cursor = Cursor::of(&block, &scan, &self.work);
                while let Some(place) = cursor.next(&scan, size) {
                    if visit(used_with(block.used_at(place))?).is_break() {
                        return Ok(());
                    }
                    cursor.pass(&scan);
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
