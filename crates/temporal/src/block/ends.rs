//! When ordinals were seen first and last in some blocks.

use std::collections::BTreeMap;
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::columns::Numbers;
use super::{Block, NONE};

/// Of some blocks, for each class of events: the ordinals by when they were first seen, and by when last. So a stretch that
/// begins before all of the events or ends after them takes no look at those in between: who was seen from a moment on is
/// who was last seen then or later.
#[derive(Debug, Default)]
pub struct Ends {
    first: BTreeMap<u8, Vec<Run>>,
    last: BTreeMap<u8, Vec<Run>>,
}

/// Ordinals, each once, by time.
#[derive(Debug, Default)]
struct Run {
    times: Numbers,
    ordinals: Vec<u32>,
}

impl Ends {
    /// Of the ordinals that events have at their places ([`NONE`]: none), by a class that is made of each event's.
    pub fn of(
        blocks: &[Arc<Block>],
        ordinal: impl Fn(&Block, usize) -> u32,
        class: impl Fn(u8) -> u8,
    ) -> Self {
        let mut found = Self::default();
        for block in blocks {
            let of_places = |places: &mut dyn Iterator<Item = usize>| {
                let mut by_class: BTreeMap<u8, (RoaringBitmap, Vec<(i64, u32)>)> = BTreeMap::new();
                for place in places {
                    let ordinal = ordinal(block, place);
                    if ordinal != NONE {
                        let (came, list) = by_class.entry(class(block.classes()[place])).or_default();
                        if came.insert(ordinal) {
                            list.push((block.time(place), ordinal));
                        }
                    }
                }
                by_class.into_iter().map(|(class, (_, list))| (class, list))
            };
            for (class, list) in of_places(&mut (0..block.len())) {
                found.first.entry(class).or_default().push(Run::of(&list));
            }
            for (class, mut list) in of_places(&mut (0..block.len()).rev()) {
                list.reverse();
                found.last.entry(class).or_default().push(Run::of(&list));
            }
        }
        found
    }

    /// Visits the ordinals with an event of one of the classes at a moment or later, each once for each class and block.
    pub fn seen_from(&self, from: i64, classes: impl Fn(u8) -> bool, mut visit: impl FnMut(&[u32])) {
        for run in runs(&self.last, classes) {
            visit(&run.ordinals[run.times.partition(from)..]);
        }
    }

    /// Visits the ordinals with an event of one of the classes before a moment, each once for each class and block.
    pub fn seen_before(&self, to: i64, classes: impl Fn(u8) -> bool, mut visit: impl FnMut(&[u32])) {
        for run in runs(&self.first, classes) {
            visit(&run.ordinals[..run.times.partition(to)]);
        }
    }

    /// Bytes of memory.
    pub fn weight(&self) -> u64 {
        let runs = self.first.values().chain(self.last.values()).flatten();
        let bytes = runs.map(|run| run.times.bytes() + run.ordinals.len() * 4 + size_of::<Run>());
        bytes.sum::<usize>() as u64 + 256
    }
}

impl Run {
    fn of(list: &[(i64, u32)]) -> Self {
        Self {
            times: Numbers::of(list.iter().map(|each| each.0).collect()),
            ordinals: list.iter().map(|each| each.1).collect(),
        }
    }
}

fn runs(of: &BTreeMap<u8, Vec<Run>>, classes: impl Fn(u8) -> bool) -> impl Iterator<Item = &Run> {
    of.iter().filter(move |(class, _)| classes(**class)).flat_map(|(_, runs)| runs)
}
