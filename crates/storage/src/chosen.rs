//! Events chosen by a test that depends on nothing but the event and the facts on record: those of a part are kept until
//! another fact is recorded.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use asof_model::Interval;
use asof_temporal::Block;
use quick_cache::Weighter;

use crate::error::StorageError;
use crate::events::{StoredEvent, Wanted, stored};
use crate::parts::{Part, PartId};
use crate::store::Store;
use crate::work::Of;

/// A part of the store that was opened as this, and the test.
pub(crate) type ChosenKey = (u32, PartId, Arc<str>);

/// The events that were chosen of those in an interval, knowing the facts below a ledger index.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    facts: u64,
    among: Interval,
    events: Arc<[StoredEvent]>,
}

impl Chosen {
    /// Whether all that an interval shares with the part was looked at.
    fn tells(&self, part: &Part, during: Interval) -> bool {
        let Interval { from, to } = self.among;
        (from <= during.from || from.nanos() <= part.from) && (during.to <= to || part.until < to.nanos())
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
            let parts = self.parts.of_day(day, |part| {
                if !part.meets(during, size) {
                    return Ok(Some(None));
                }
                let facts = facts.filter(|_| part.id.last < size);
                Ok(self.choosable(part, test, facts, during)?.map(Some))
            })?;
            for of_part in parts.into_iter().flatten() {
                if !self.chosen_of(&of_part, test, wanted, during, size, choose, visit)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// What there is of a part; `None`: the part is gone.
    fn choosable(
        &self,
        part: &Part,
        test: &Arc<str>,
        facts: Option<u64>,
        during: Interval,
    ) -> Result<Option<Choosable>, StorageError> {
        let key = (self.parts.opening(), part.id, Arc::clone(test));
        let kept =
            facts.and_then(|facts| self.parts.caches().chosen.get(&key).filter(|kept| kept.facts == facts));
        if let Some(kept) = &kept
            && kept.tells(part, during)
        {
            self.work.add(Of::Events, kept.events.len());
            return Ok(Some(Choosable::Kept(Arc::clone(&kept.events))));
        }
        let Some(blocks) = self.parts.pages(&self.db, part)? else { return Ok(None) };
        self.work.add(Of::Blocks, blocks.len());
        let inside: usize = blocks.iter().map(|block| inside(block, during).len()).sum();
        // All of the part where that is not much more than what is asked about, and where other times were asked about before.
        let all = facts.is_some() && (kept.is_some() || inside * 2 >= part.events as usize);
        let among = if all { Interval::ALWAYS } else { during };
        Ok(Some(Choosable::New { id: part.id, facts, among, blocks }))
    }

    #[expect(clippy::too_many_arguments, reason = "the loop above, in two")]
    fn chosen_of(
        &self,
        of_part: &Choosable,
        test: &Arc<str>,
        wanted: &Wanted,
        during: Interval,
        size: u64,
        choose: &mut dyn FnMut(&StoredEvent) -> Choice,
        visit: &mut dyn FnMut(&StoredEvent),
    ) -> Result<bool, StorageError> {
        let mut found = Vec::new();
        let (events, kept) = match of_part {
            Choosable::Kept(events) => (&**events, None),
            Choosable::New { id, facts, among, blocks } => {
                for block in blocks {
                    let looked_at = inside(block, *among);
                    self.work.add(Of::Events, looked_at.len());
                    for place in looked_at {
                        if !wanted.has(block.classes()[place]) || block.index(place) >= size {
                            continue;
                        }
                        let event = stored(&block.row(place))?;
                        match choose(&event) {
                            None => return Ok(false),
                            Some(false) => {}
                            Some(true) => found.push(event),
                        }
                    }
                }
                (&*found, facts.map(|facts| (*id, facts, *among)))
            }
        };
        events.iter().filter(|event| during.contains(event.time)).for_each(visit);
        if let Some((id, facts, among)) = kept {
            let key = (self.parts.opening(), id, Arc::clone(test));
            self.parts.caches().chosen.insert(key, Chosen { facts, among, events: found.into() });
        }
        Ok(true)
    }
}

/// What there is of a part when events of it are to be chosen.
enum Choosable {
    /// Those that were chosen before.
    Kept(Arc<[StoredEvent]>),
    /// All, those that are to be looked at, and the facts for which what is chosen is kept, if it is.
    New { id: PartId, facts: Option<u64>, among: Interval, blocks: Vec<Arc<Block>> },
}

fn inside(block: &Block, during: Interval) -> Range<usize> {
    block.between(during.from.nanos(), during.to.nanos())
}
