//! A block of events: columns of ordinals, ordered by (time, ledger index), as pure data.
//!
//! A block never changes once it is made; more events make more blocks, and several become one. What is looked up by
//! identity or secret is grouped when it is first asked for. Many events of a day are cut by identity into pages, each a block,
//! so that one identity is found without the others; who used a resource, in pages of their own, by resource.

mod code;
mod columns;
mod ends;
mod groups;
mod head;
mod pages;
#[cfg(test)]
mod tests;
mod users;

use std::ops::Range;
use std::sync::OnceLock;

use columns::{Numbers, Ordinals};
pub use ends::Ends;
use groups::KEY_BYTES_MAX;
pub use groups::{Groups, Use, Uses};
pub use head::BlockHead;
pub use pages::cut;
pub use users::Users;

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

/// How many events of an identity are of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfClass {
    /// Ordinal.
    pub identity: u32,
    /// How many.
    pub events: u32,
    /// As in [`Row`].
    pub class: u8,
}

/// Events in columns.
#[derive(Debug, Default)]
pub struct Block {
    times: Numbers,
    indexes: Numbers,
    classes: Vec<u8>,
    identities: Ordinals,
    /// Empty where no event gives the member.
    members: [Ordinals; MEMBERS],
    first_index: u64,
    last_index: u64,
    by_identity: OnceLock<Groups>,
    by_secret: OnceLock<Groups>,
    by_class: OnceLock<Vec<OfClass>>,
}

impl Block {
    /// From rows in any order; no two have the same ledger index.
    pub fn of(mut rows: Vec<Row>) -> Self {
        // They come as runs that are in order nearly always, which a stable sort makes use of.
        rows.sort_by_key(|row| (row.time, row.index));
        let members = std::array::from_fn(|place| {
            if rows.iter().any(|row| row.members[place] != NONE) {
                rows.iter().map(|row| row.members[place]).collect()
            } else {
                Vec::new()
            }
        });
        Self::of_columns(
            rows.iter().map(|row| row.time).collect(),
            rows.iter().map(|row| row.index as i64).collect(),
            rows.iter().map(|row| row.class).collect(),
            rows.iter().map(|row| row.identity).collect(),
            members,
        )
    }

    /// From columns in order.
    fn of_columns(
        times: Vec<i64>,
        indexes: Vec<i64>,
        classes: Vec<u8>,
        identities: Vec<u32>,
        members: [Vec<u32>; MEMBERS],
    ) -> Self {
        Self {
            first_index: indexes.iter().map(|index| *index as u64).min().unwrap_or_default(),
            last_index: indexes.iter().map(|index| *index as u64).max().unwrap_or_default(),
            times: Numbers::of(times),
            indexes: Numbers::of(indexes),
            classes,
            identities: Ordinals::of(identities),
            members: members.map(Ordinals::of),
            ..Self::default()
        }
    }

    /// How many events it holds.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// Holds none.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// The least ledger index in it.
    pub const fn first_index(&self) -> u64 {
        self.first_index
    }

    /// The greatest ledger index in it.
    pub const fn last_index(&self) -> u64 {
        self.last_index
    }

    /// Bytes of memory, with the groups that it may come to have.
    pub fn weight(&self) -> u64 {
        let columns = [&self.identities].into_iter().chain(&self.members).map(Ordinals::bytes).sum::<usize>();
        // A class, two groupings of a u32, and what is counted by class; and the keys of both groupings.
        let of_event = 1 + 2 * size_of::<u32>() + 1;
        let secrets = &self.members[Member::Secret as usize];
        let keys = self.identities.distinct_max() + secrets.distinct_max();
        let lists = self.len() * of_event + keys * KEY_BYTES_MAX;
        (self.times.bytes() + self.indexes.bytes() + columns + lists + size_of::<Self>() + 128) as u64
    }

    /// When its first event and its last one were, nanoseconds since 1970.
    pub fn span(&self) -> Option<(i64, i64)> {
        let last = self.len().checked_sub(1)?;
        Some((self.time(0), self.time(last)))
    }

    /// When the event at a place below [`Block::len`] was; they ascend.
    #[inline]
    pub fn time(&self, place: usize) -> i64 {
        self.times.at(place)
    }

    /// The ledger index of the event at a place below [`Block::len`].
    #[inline]
    pub fn index(&self, place: usize) -> u64 {
        self.indexes.at(place) as u64
    }

    /// Classes, by place.
    pub fn classes(&self) -> &[u8] {
        &self.classes
    }

    /// The identity of the event at a place below [`Block::len`].
    #[inline]
    pub fn identity(&self, place: usize) -> u32 {
        self.identities.at(place)
    }

    /// A member of the event at a place below [`Block::len`]; [`NONE`] where not given.
    #[inline]
    pub fn member(&self, member: Member, place: usize) -> u32 {
        let column = &self.members[member as usize];
        if column.is_empty() { NONE } else { column.at(place) }
    }

    /// Whether some event has this as a member; [`NONE`]: whether some event does not give it.
    pub fn names(&self, member: Member, ordinal: u32) -> bool {
        let column = &self.members[member as usize];
        if column.is_empty() { ordinal == NONE } else { column.contains(ordinal) }
    }

    /// The event at a place below [`Block::len`].
    pub fn row(&self, place: usize) -> Row {
        let mut members = [NONE; MEMBERS];
        for (each, column) in members.iter_mut().zip(&self.members) {
            if !column.is_empty() {
                *each = column.at(place);
            }
        }
        Row {
            time: self.time(place),
            index: self.index(place),
            class: self.classes[place],
            identity: self.identity(place),
            members,
        }
    }

    /// The places with `from <= time < to`.
    pub fn between(&self, from: i64, to: i64) -> Range<usize> {
        let (start, end) = (self.times.partition(from), self.times.partition(to));
        start..end.max(start)
    }

    /// Places by identity; those of one identity ascend.
    pub fn by_identity(&self) -> &Groups {
        self.by_identity.get_or_init(|| Groups::of(self.identities.iter()))
    }

    /// Places by secret; those of one secret ascend.
    pub fn by_secret(&self) -> &Groups {
        self.by_secret.get_or_init(|| Groups::of(self.members[Member::Secret as usize].iter()))
    }

    /// The events of an identity counted by class; nothing where that would take more bytes than it has events here.
    pub fn by_class(&self, identity: u32) -> &[OfClass] {
        let all = self.by_class.get_or_init(|| self.count_classes());
        let start = all.partition_point(|each| each.identity < identity);
        let count = all[start..].iter().take_while(|each| each.identity == identity).count();
        &all[start..start + count]
    }

    fn count_classes(&self) -> Vec<OfClass> {
        let mut all = Vec::new();
        let is_worth = |classes: usize, places: &[u32]| classes * size_of::<OfClass>() <= places.len();
        for identity in self.by_identity().keys() {
            let places = self.by_identity().of_key(*identity);
            if !is_worth(1, places) {
                continue;
            }
            let mut counts = [0_u32; u8::MAX as usize + 1];
            for place in places {
                counts[usize::from(self.classes[*place as usize])] += 1;
            }
            let counts = || (0..=u8::MAX).zip(counts).filter(|(_, events)| *events > 0);
            if is_worth(counts().count(), places) {
                let of_class = |(class, events)| OfClass { identity: *identity, events, class };
                all.extend(counts().map(of_class));
            }
        }
        all.shrink_to_fit();
        all
    }

    /// What was used by the event at a place below [`Block::len`].
    pub fn used_at(&self, place: usize) -> Use {
        Use {
            class: self.classes[place],
            resource: self.member(Member::Resource, place),
            action: self.member(Member::Action, place),
        }
    }

    /// All rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        (0..self.len()).map(|place| self.row(place))
    }
}
