//! Observations in ordinals, in parts by day: each group of batches makes a part of every day that it touches, and parts
//! that stand side by side become one as they grow in number, so that an event is written a few times at most.

use std::collections::BTreeMap;
use std::sync::Arc;

use asof_model::{Instant, Interval, Outcome, Privilege, RecordBody};
use asof_temporal::{Block, Member, NONE, Row};

use super::{Ids, Publish, Resolved, View};
use crate::db::{Db, Family, Pending};
use crate::error::{StorageError, corrupt};
use crate::keys;
use crate::parts::{self, Directory, Part, PartId, Parts};
use crate::pieces::Pieces;

/// Nanoseconds of a day.
const DAY: i64 = 86_400_000_000_000;
/// Groups after which a day that nothing was added to is made one part, or a few, each much smaller than the one before.
const QUIET_GROUPS: u64 = 32;
/// A part that is so many times as large as what came after it is left as it is, with all that was made of it in memory.
const MUCH_LARGER: u32 = 2;

pub(crate) struct Events {
    shared: Arc<Parts>,
    pieces: Pieces,
    gathered: BTreeMap<u32, Vec<Row>>,
    directory: Directory,
    /// Days with more than one part, by the group that last added to them.
    open: BTreeMap<u32, u64>,
    groups: u64,
    /// Parts that no list names any more from the publication of this group on: deleted in the group after it.
    replaced: Vec<Part>,
    gone: Vec<Part>,
    made: Vec<(PartId, Vec<Arc<Block>>)>,
}

/// The day of a moment since 1970; earlier moments do not get through the door.
pub(crate) fn day_of(nanos: i64) -> u32 {
    u32::try_from(nanos.div_euclid(DAY)).unwrap_or(0)
}

/// The moments of a day; the last of all days ends with time.
pub(crate) fn interval_of(day: u32) -> Interval {
    let start = |day: u32| Instant::from_nanos(i64::from(day).saturating_mul(DAY));
    Interval { from: start(day), to: start(day.saturating_add(1)) }
}

/// Privilege, outcome and whether granted_by was given, as a byte below [`CLASSES`].
pub(crate) fn class(privilege: Privilege, outcome: Outcome, explained: bool) -> u8 {
    privilege.number() << 3 | outcome.number() << 1 | u8::from(explained)
}

/// More than any class.
pub(crate) const CLASSES: usize = 128;

/// The class without what no set of a head tells apart.
pub(crate) const fn head_class(class: u8) -> u8 {
    class & !1
}

/// The outcome alone.
pub(crate) const fn secret_class(class: u8) -> u8 {
    class & 0b110
}

/// What a class says.
pub(crate) fn of_class(class: u8) -> Result<(Privilege, Outcome, bool), StorageError> {
    match (Privilege::from_number(class >> 3), Outcome::from_number(class >> 1 & 3)) {
        (Some(privilege), Some(outcome)) => Ok((privilege, outcome, class & 1 == 1)),
        _ => Err(corrupt("an event of an unknown class")),
    }
}

impl Events {
    pub fn open(db: &Db, pieces: Pieces, shared: Arc<Parts>) -> Result<Self, StorageError> {
        let (directory, gone) = parts::load(db)?;
        let open = directory.iter().filter(|(_, parts)| parts.len() > 1).map(|(day, _)| (*day, 0)).collect();
        Ok(Self {
            shared,
            pieces,
            gathered: BTreeMap::new(),
            directory,
            open,
            groups: 0,
            replaced: Vec::new(),
            gone,
            made: Vec::new(),
        })
    }

    /// Puts a part of a day in the place of those it is made of, and the newest where it is made of none.
    fn put(&mut self, day: u32, rows: Vec<Row>, of: usize, pending: &mut Pending<'_>) {
        let Some((part, made)) = Part::of(day, rows, self.pieces.page_events) else { return };
        parts::put(&part, &made, pending);
        self.made.push((part.id, made.blocks));
        let parts = self.directory.get(&day).map_or(&[][..], |parts| parts);
        let at = parts.partition_point(|other| other.id.first < part.id.first);
        let mut listed = parts.to_vec();
        listed.splice(at..at + of, [part]);
        self.directory.insert(day, listed.into());
    }

    /// Makes one part of neighbours among a day's parts.
    fn merge(
        &mut self,
        day: u32,
        range: std::ops::Range<usize>,
        pending: &mut Pending<'_>,
    ) -> Result<(), StorageError> {
        let parts: Vec<Part> =
            self.directory.get(&day).and_then(|parts| parts.get(range)).unwrap_or_default().to_vec();
        let events = parts.iter().fold(0_u32, |sum, part| sum.saturating_add(part.events));
        let mut rows = Vec::with_capacity(events.min(self.pieces.part_events) as usize);
        for part in &parts {
            if let Some(place) = self.made.iter().position(|(id, _)| *id == part.id) {
                // Made and replaced in one group: it never gets to the disk.
                parts::forget(part, pending);
                rows.extend(self.made.swap_remove(place).1.iter().flat_map(|block| block.rows()));
                continue;
            }
            for page in 0..part.pages.len() as u32 {
                match self.shared.kept(part.id, page) {
                    Some(block) => rows.extend(block.rows()),
                    None => {
                        let bytes = pending.get(Family::Events, &keys::part_page(part.id, page))?;
                        rows.extend(parts::block_of(bytes)?.rows());
                    }
                }
            }
            self.replaced.push(part.clone());
        }
        if rows.len() != events as usize {
            return Err(corrupt("parts of the events do not have as many as their lines say"));
        }
        self.put(day, rows, parts.len(), pending);
        Ok(())
    }

    /// Neighbours at the end of a day's parts of which so many are as small as each other that one is to be made of them.
    fn due(&self, day: u32) -> Option<std::ops::Range<usize>> {
        let parts = self.directory.get(&day)?;
        let many = self.pieces.day_parts.max(2);
        let level = |part: &Part| part.events.max(1).ilog(many as u32);
        let mut found = None;
        let (mut highest, mut events) = (0, 0);
        for (count, part) in parts.iter().rev().enumerate() {
            events = part.events.saturating_add(events);
            if events > self.pieces.part_events {
                break;
            }
            highest = highest.max(level(part));
            let run = count + 1;
            let next_is_larger = parts
                .len()
                .checked_sub(run + 1)
                .and_then(|next| parts.get(next))
                .is_none_or(|next| level(next) > highest);
            if run >= many && next_is_larger {
                found = Some(parts.len() - run..parts.len());
            }
        }
        found
    }

    /// Neighbours of a quiet day that fit in one part, the last ones first.
    fn fitting(&self, day: u32) -> Option<std::ops::Range<usize>> {
        let parts = self.directory.get(&day)?;
        let events = |place: usize| parts.get(place).map_or(0, |part| part.events);
        let mut end = parts.len();
        while end > 0 {
            let (mut start, mut sum) = (end - 1, events(end - 1));
            while start > 0 {
                let before = events(start - 1);
                let all = before.saturating_add(sum);
                if all > self.pieces.part_events || before / MUCH_LARGER >= sum {
                    break;
                }
                (start, sum) = (start - 1, all);
            }
            if end - start > 1 {
                return Some(start..end);
            }
            end = start;
        }
        None
    }
}

impl View for Events {
    fn apply(&mut self, batch: &Resolved<'_>, _pending: &mut Pending<'_>) -> Result<(), StorageError> {
        for each in &batch.records {
            let (Ids::Observation(ids), RecordBody::Observation(seen)) = (&each.ids, &each.record.body)
            else {
                continue;
            };
            let mut members = [NONE; asof_temporal::MEMBERS];
            for (member, ordinal) in [
                (Member::Actor, ids.actor),
                (Member::Secret, ids.secret),
                (Member::Workload, ids.workload),
                (Member::Resource, ids.resource),
                (Member::Action, ids.action),
                (Member::Region, ids.region),
                (Member::SourceIp, ids.source_ip),
            ] {
                members[member as usize] = ordinal.unwrap_or(NONE);
            }
            self.gathered.entry(day_of(seen.time.nanos())).or_default().push(Row {
                time: seen.time.nanos(),
                index: each.record.index,
                class: class(seen.privilege, seen.outcome, !seen.granted_by.is_empty()),
                identity: ids.identity,
                members,
            });
        }
        Ok(())
    }

    fn finish(&mut self, pending: &mut Pending<'_>) -> Result<(), StorageError> {
        for part in std::mem::take(&mut self.gone) {
            parts::delete(&part, pending);
        }
        if self.gathered.is_empty() {
            return Ok(());
        }
        self.groups += 1;
        for (day, rows) in std::mem::take(&mut self.gathered) {
            self.put(day, rows, 0, pending);
            while let Some(range) = self.due(day) {
                self.merge(day, range, pending)?;
            }
            self.open.insert(day, self.groups);
        }
        // One quiet day a group: no group waits for long.
        let quiet = self.open.iter().find(|(_, last)| **last + QUIET_GROUPS <= self.groups);
        if let Some(day) = quiet.map(|(day, _)| *day) {
            match self.fitting(day) {
                Some(range) => self.merge(day, range, pending)?,
                None => drop(self.open.remove(&day)),
            }
        }
        Ok(())
    }

    fn sealed(&mut self) -> Option<Publish> {
        self.gone.append(&mut self.replaced);
        let (shared, directory) = (Arc::clone(&self.shared), self.directory.clone());
        let made = std::mem::take(&mut self.made);
        Some(Box::new(move || shared.publish(directory, made)))
    }
}
