//! Events chosen by a test that depends on nothing but the event and the facts on record: those of a day are kept until
//! another fact is recorded, and only what comes to it is looked at after that.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use asof_model::Interval;
use asof_temporal::Block;
use quick_cache::Weighter;

use crate::error::StorageError;
use crate::events::{StoredEvent, Wanted, stored};
use crate::store::Store;
use crate::views::interval_of;
use crate::work::Of;

/// A day of the store that was opened as this, and the test.
pub(crate) type ChosenKey = (u32, u32, Arc<str>);

/// The events that were chosen of those of a day in an interval and below a ledger index, knowing the facts below another.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    facts: u64,
    among: Interval,
    below: u64,
    events: Arc<[StoredEvent]>,
}

impl Chosen {
    /// Whether all that an interval shares with the day was looked at, as far as the ledger had come.
    fn tells(&self, day: Interval, during: Interval) -> bool {
        let Interval { from, to } = self.among;
        (from <= during.from || from <= day.from) && (during.to <= to || day.to <= to)
    }
}

#[derive(Clone)]
pub(crate) struct ChosenBytes;

impl Weighter<ChosenKey, Chosen> for ChosenBytes {
    fn weight(&self, key: &ChosenKey, chosen: &Chosen) -> u64 {
        (key.2.len() + chosen.events.len() * size_of::<StoredEvent>() + 128) as u64
    }
}

/// What an event comes to: chosen or not; `None`: nothing more is wanted.
pub type Choice = Option<bool>;

impl Store {
    /// Visits the events of an interval, of these classes, among the first `size` records, that `choose` chooses, in no
    /// order. `test` names what `choose` asks, and must be another for another question. It may be asked of events outside
    /// the interval, and of none that it was asked of before. False: it wanted no more.
    pub fn chosen(
        &self,
        test: &Arc<str>,
        wanted: &Wanted,
        during: Interval,
        size: u64,
        choose: &mut dyn FnMut(&StoredEvent) -> Choice,
        visit: &mut dyn FnMut(&StoredEvent),
    ) -> Result<bool, StorageError> {
        // A fact beyond the first `size` records is none that the test may know of.
        let facts = Some(self.facts_end.load(Ordering::Acquire)).filter(|facts| *facts <= size);
        for day in self.days(during.from, during.to) {
            let key = (self.parts.opening(), day, Arc::clone(test));
            let kept = facts
                .and_then(|facts| self.parts.caches().chosen.get(&key).filter(|kept| kept.facts == facts));
            let all = interval_of(day);
            let (before, among) = match kept {
                Some(kept) if kept.tells(all, during) => {
                    let among = kept.among;
                    (Some(kept), among)
                }
                // All of the day where that is not much more than what is asked about, and where other times of it were asked
                // about before.
                Some(_) => (None, Interval::ALWAYS),
                None if facts.is_some() && is_most(all, during) => (None, Interval::ALWAYS),
                None => (None, during),
            };
            let start = before.as_ref().map_or(0, |before| before.below);
            let Some((below, new)) = self.choose_new(day, start, wanted, among, size, choose)? else {
                return Ok(false);
            };
            let old = before.as_ref().map_or(&[][..], |before| &before.events);
            self.work.add(Of::Events, old.len());
            let is_asked = |event: &&StoredEvent| event.index < size && during.contains(event.time);
            old.iter().chain(&new).filter(is_asked).for_each(&mut *visit);
            if let Some(facts) = facts
                && below > start
            {
                let events = if new.is_empty()
                    && let Some(before) = &before
                {
                    Arc::clone(&before.events)
                } else {
                    old.iter().chain(&new).copied().collect()
                };
                self.parts.caches().chosen.insert(key, Chosen { facts, among, below, events });
            }
        }
        Ok(true)
    }

    /// Of a day's events in an interval, from a ledger index on and among the first `size` records, those that are chosen; and
    /// the ledger index below which there are no others. `None`: no more is wanted.
    fn choose_new(
        &self,
        day: u32,
        start: u64,
        wanted: &Wanted,
        among: Interval,
        size: u64,
        choose: &mut dyn FnMut(&StoredEvent) -> Choice,
    ) -> Result<Option<(u64, Vec<StoredEvent>)>, StorageError> {
        let parts = self.parts.of_day(day, |part| {
            let below = (part.id.last + 1).min(size);
            if below <= start || !part.meets(among, size) {
                return Ok(Some((below, Vec::new())));
            }
            Ok(self.parts.pages(&self.db, part)?.map(|blocks| (below, blocks)))
        })?;
        let below = parts.iter().map(|part| part.0).fold(start, u64::max);
        let mut found = Vec::new();
        for block in parts.iter().flat_map(|part| &part.1) {
            self.work.add(Of::Blocks, 1);
            if block.last_index() < start {
                continue;
            }
            let looked_at = inside(block, among);
            self.work.add(Of::Events, looked_at.len());
            for place in looked_at {
                let index = block.index(place);
                if !wanted.has(block.classes()[place]) || index < start || size <= index {
                    continue;
                }
                let event = stored(&block.row(place))?;
                match choose(&event) {
                    None => return Ok(None),
                    Some(false) => {}
                    Some(true) => found.push(event),
                }
            }
        }
        Ok(Some((below, found)))
    }
}

/// At least half of a day's time.
fn is_most(day: Interval, during: Interval) -> bool {
    let length = |from: asof_model::Instant, to: asof_model::Instant| to.nanos().saturating_sub(from.nanos());
    length(during.from.max(day.from), during.to.min(day.to)) >= length(day.from, day.to) / 2
}

fn inside(block: &Block, during: Interval) -> Range<usize> {
    block.between(during.from.nanos(), during.to.nanos())
}
