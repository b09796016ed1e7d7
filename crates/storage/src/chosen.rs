//! Events chosen by a test that depends on nothing but the event and the facts on record: which ones of a whole part were
//! chosen is kept until another fact is recorded.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use asof_model::Interval;
use asof_temporal::Block;
use quick_cache::Weighter;

use crate::error::StorageError;
use crate::events::{StoredEvent, Wanted, stored, touches};
use crate::parts::{Part, PartId};
use crate::store::Store;
use crate::work::Of;

/// A part of the store that was opened as this, and the test.
pub(crate) type ChosenKey = (u32, PartId, Arc<str>);

/// The places that were chosen, knowing the facts below a ledger index.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    facts: u64,
    places: Arc<[u32]>,
}

#[derive(Clone)]
pub(crate) struct ChosenBytes;

impl Weighter<ChosenKey, Chosen> for ChosenBytes {
    fn weight(&self, key: &ChosenKey, chosen: &Chosen) -> u64 {
        (key.2.len() + chosen.places.len() * 4 + 128) as u64
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
            let blocks = self.parts.of_day(day, |part| {
                if !touches(part, during.from, during.to) || part.id.first >= size {
                    return Ok(Some(None));
                }
                Ok(self.parts.block(&self.db, part.id)?.map(|block| Some((*part, block))))
            })?;
            for (part, block) in blocks.into_iter().flatten() {
                self.work.add(Of::Blocks, 1);
                let facts = facts.filter(|_| part.id.last < size);
                if !self.chosen_of(&part, &block, (test, facts), wanted, during, size, choose, visit)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    #[expect(clippy::too_many_arguments, reason = "the loop above, in two")]
    fn chosen_of(
        &self,
        part: &Part,
        block: &Block,
        (test, facts): (&Arc<str>, Option<u64>),
        wanted: &Wanted,
        during: Interval,
        size: u64,
        choose: &mut dyn FnMut(&StoredEvent) -> Choice,
        visit: &mut dyn FnMut(&StoredEvent),
    ) -> Result<bool, StorageError> {
        let inside = block.between(during.from.nanos(), during.to.nanos());
        let key = (self.parts.opening(), part.id, Arc::clone(test));
        let kept =
            facts.and_then(|facts| self.parts.caches().chosen.get(&key).filter(|kept| kept.facts == facts));
        if let Some(kept) = kept {
            self.work.add(Of::Events, kept.places.len());
            for place in kept.places.iter().map(|place| *place as usize) {
                if inside.contains(&place) {
                    visit(&stored(&block.row(place))?);
                }
            }
            return Ok(true);
        }
        // All of the part where that is not much more than what is asked about.
        let keeps = facts.filter(|_| inside.len() * 2 >= block.len());
        let looked_at = if keeps.is_some() { 0..block.len() } else { inside.clone() };
        self.work.add(Of::Events, looked_at.len());
        let mut places = Vec::new();
        for place in looked_at {
            if !wanted.has(block.classes()[place]) || block.index(place) >= size {
                continue;
            }
            let event = stored(&block.row(place))?;
            match choose(&event) {
                None => return Ok(false),
                Some(false) => {}
                Some(true) => {
                    places.push(place as u32);
                    if inside.contains(&place) {
                        visit(&event);
                    }
                }
            }
        }
        if let Some(facts) = keeps {
            self.parts.caches().chosen.insert(key, Chosen { facts, places: places.into() });
        }
        Ok(true)
    }
}
