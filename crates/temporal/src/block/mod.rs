//! A block of events: columns of ordinals, ordered by (time, ledger index), as pure data.
//!
//! A block never changes once it is made; more events make more blocks, and several become one. What is looked up by
//! identity, secret or resource is grouped when it is first asked for.

mod code;
mod groups;
mod head;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::OnceLock;

pub use groups::Groups;
pub use head::BlockHead;

/// The optional members of an event, in the order of their columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Member {
    /// Who stood behind.
    Actor = 0,
    /// With which secret.
    Secret = 1,
    /// From which workload.
    Workload = 2,
    /// On which resource.
    Resource = 3,
    /// By which action.
    Action = 4,
    /// In which region.
    Region = 5,
    /// From which address.
    SourceIp = 6,
}

/// How many optional members there are.
pub const MEMBERS: usize = 7;
/// The ordinal of a member that is not given.
pub const NONE: u32 = u32::MAX;

/// One event in ordinals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// Nanoseconds since 1970.
    pub time: i64,
    /// Ledger index.
    pub index: u64,
    /// Whatever its owner packs into a byte.
    pub class: u8,
    /// Ordinal of the identity.
    pub identity: u32,
    /// Ordinals of the optional members by [`Member`]; [`NONE`] where not given.
    pub members: [u32; MEMBERS],
}

/// Events in columns.
#[derive(Debug, Default)]
pub struct Block {
    times: Vec<i64>,
    indexes: Vec<u64>,
    classes: Vec<u8>,
    identities: Vec<u32>,
    /// Empty where no event gives the member.
    members: [Vec<u32>; MEMBERS],
    last_index: u64,
    by_identity: OnceLock<Groups>,
    by_secret: OnceLock<Groups>,
    by_resource: OnceLock<Groups>,
}

impl Block {
    /// From rows in any order; no two have the same ledger index.
    pub fn of(mut rows: Vec<Row>) -> Self {
        rows.sort_unstable_by_key(|row| (row.time, row.index));
        let mut block = Self::default();
        block.reserve(rows.len());
        for row in &rows {
            block.times.push(row.time);
            block.indexes.push(row.index);
            block.classes.push(row.class);
            block.identities.push(row.identity);
        }
        for (place, column) in block.members.iter_mut().enumerate() {
            if rows.iter().any(|row| row.members[place] != NONE) {
                column.extend(rows.iter().map(|row| row.members[place]));
            }
        }
        block.last_index = rows.iter().map(|row| row.index).max().unwrap_or_default();
        block
    }

    fn reserve(&mut self, rows: usize) {
        self.times.reserve_exact(rows);
        self.indexes.reserve_exact(rows);
        self.classes.reserve_exact(rows);
        self.identities.reserve_exact(rows);
    }

    /// How many events it holds.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Holds none.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// The greatest ledger index in it.
    pub const fn last_index(&self) -> u64 {
        self.last_index
    }

    /// Bytes of memory, with the groups that it may come to have.
    pub fn weight(&self) -> u64 {
        let columns = self.members.iter().filter(|column| !column.is_empty()).count();
        // Three groupings of a u32 an event, and their keys.
        self.len() as u64 * (21 + 4 * columns as u64 + 3 * 6) + 256
    }

    /// Times of all events, ascending.
    pub fn times(&self) -> &[i64] {
        &self.times
    }

    /// Ledger indices, by place.
    pub fn indexes(&self) -> &[u64] {
        &self.indexes
    }

    /// Classes, by place.
    pub fn classes(&self) -> &[u8] {
        &self.classes
    }

    /// Identities, by place.
    pub fn identities(&self) -> &[u32] {
        &self.identities
    }

    /// A member of the event at a place; [`NONE`] where not given.
    pub fn member(&self, member: Member, place: usize) -> u32 {
        self.members[member as usize].get(place).copied().unwrap_or(NONE)
    }

    /// The event at a place below [`Block::len`].
    pub fn row(&self, place: usize) -> Row {
        let mut members = [NONE; MEMBERS];
        for (each, column) in members.iter_mut().zip(&self.members) {
            if let Some(ordinal) = column.get(place) {
                *each = *ordinal;
            }
        }
        Row {
            time: self.times[place],
            index: self.indexes[place],
            class: self.classes[place],
            identity: self.identities[place],
            members,
        }
    }

    /// The places with `from <= time < to`.
    pub fn between(&self, from: i64, to: i64) -> Range<usize> {
        let start = self.times.partition_point(|time| *time < from);
        let end = self.times.partition_point(|time| *time < to);
        start..end.max(start)
    }

    /// Places by identity; those of one identity ascend.
    pub fn by_identity(&self) -> &Groups {
        self.by_identity.get_or_init(|| Groups::of(self.identities.iter().copied(), |_| 0))
    }

    /// Places by secret; those of one secret ascend.
    pub fn by_secret(&self) -> &Groups {
        self.by_secret
            .get_or_init(|| Groups::of(self.members[Member::Secret as usize].iter().copied(), |_| 0))
    }

    /// Places by resource; those of one resource go by class, then ascend.
    pub fn by_resource(&self) -> &Groups {
        let column = self.members[Member::Resource as usize].iter().copied();
        self.by_resource.get_or_init(|| Groups::of(column, |place| self.classes[place]))
    }

    /// All rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        (0..self.len()).map(|place| self.row(place))
    }
}
