//! Events chosen by a test that depends on nothing but the event and the facts on record: which ones of a whole part were
//! chosen is kept until another fact is recorded.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use asof_model::Interval;
use asof_temporal::{Block, Row};
use quick_cache::Weighter;

use crate::error::StorageError;
use crate::events::{StoredEvent, Wanted, stored};
use crate::parts::{Part, PartId};
use crate::store::Store;
use crate::work::Of;

/// A part of the store that was opened as this, and the test.
pub(crate) type ChosenKey = (u32, PartId, Arc<str>);

/// The events that were chosen, as page and place in it, knowing the facts below a ledger index.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    facts: u64,
    places: Arc<[(u32, u32)]>,
}

#[derive(Clone)]
pub(crate) struct ChosenBytes;

impl Weighter<ChosenKey, Chosen> for ChosenBytes {
    fn weight(&self, key: &ChosenKey, chosen: &Chosen) -> u64 {
        (key.2.len() + chosen.places.len() * 8 + 128) as u64
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
        let Some(kept) = kept else {
            let Some(blocks) = self.parts.pages(&self.db, part)? else { return Ok(None) };
            self.work.add(Of::Blocks, blocks.len());
            let inside: usize = blocks.iter().map(|block| inside(block, during).len()).sum();
            // All of the part where that is not much more than what is asked about.
            let keep = facts.filter(|_| inside * 2 >= part.events as usize);
            return Ok(Some(Choosable::New { id: part.id, keep, blocks }));
        };
        let mut found = Vec::new();
        for of_page in kept.places.chunk_by(|one, other| one.0 == other.0) {
            let Some(block) = self.parts.page(&self.db, part.id, of_page[0].0)? else { return Ok(None) };
            self.work.add(Of::Blocks, 1);
            self.work.add(Of::Events, of_page.len());
            let inside = inside(&block, during);
            let places = of_page.iter().map(|(_, place)| *place as usize);
            found.extend(places.filter(|place| inside.contains(place)).map(|place| block.row(place)));
        }
        Ok(Some(Choosable::Kept(found)))
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
        let (id, keep, blocks) = match of_part {
            Choosable::Kept(rows) => {
                for row in rows {
                    visit(&stored(row)?);
                }
                return Ok(true);
            }
            Choosable::New { id, keep, blocks } => (id, keep, blocks),
        };
        let mut chosen = Vec::new();
        for (page, block) in (0..).zip(blocks) {
            let inside = inside(block, during);
            let looked_at = if keep.is_some() { 0..block.len() } else { inside.clone() };
            self.work.add(Of::Events, looked_at.len());
            for place in looked_at {
                if !wanted.has(block.classes()[place]) || block.index(place) >= size {
                    continue;
                }
                let event = stored(&block.row(place))?;
                match choose(&event) {
                    None => return Ok(false),
                    Some(false) => {}
                    Some(true) => {
                        chosen.push((page, place as u32));
                        if inside.contains(&place) {
                            visit(&event);
                        }
                    }
                }
            }
        }
        if let Some(facts) = *keep {
            let key = (self.parts.opening(), *id, Arc::clone(test));
            self.parts.caches().chosen.insert(key, Chosen { facts, places: chosen.into() });
        }
        Ok(true)
    }
}

/// What there is of a part when events of it are to be chosen.
enum Choosable {
    /// Those of the interval that were chosen before.
    Kept(Vec<Row>),
    /// All, and the facts for which what is chosen is kept, if it is.
    New { id: PartId, keep: Option<u64>, blocks: Vec<Arc<Block>> },
}

fn inside(block: &Block, during: Interval) -> Range<usize> {
    block.between(during.from.nanos(), during.to.nanos())
}
