//! When ordinals were seen first and last in some blocks.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::columns::Numbers;
use super::{Block, NONE};
use crate::dense::Dense;

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

/// What is found of a class.
#[derive(Default)]
struct OfClass {
    /// Those that were come upon, the latest event of which is still to be found.
    seen: Dense,
    first: Vec<(i64, u32)>,
    last: Vec<(i64, u32)>,
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
            // Ordinals of a page lie close together.
            let first = (0..block.len()).map(|place| ordinal(block, place)).min().unwrap_or(NONE);
            let events = (0..block.len()).filter_map(|place| {
                let ordinal = ordinal(block, place);
                let class = || class(block.classes()[place]);
                (ordinal != NONE).then(|| (place, ordinal - first, usize::from(class())))
            });
            let mut by_class: Vec<OfClass> = Vec::new();
            for (place, ordinal, class) in events.clone() {
                if by_class.len() <= class {
                    by_class.resize_with(class + 1, OfClass::default);
                }
                let of_class = &mut by_class[class];
                if of_class.seen.insert(ordinal) {
                    of_class.first.push((block.time(place), first + ordinal));
                }
            }
            for (place, ordinal, class) in events.rev() {
                let of_class = &mut by_class[class];
                if of_class.seen.contains(ordinal) {
                    of_class.seen.toggle(ordinal);
                    of_class.last.push((block.time(place), first + ordinal));
                }
            }
            for (class, mut of_class) in (0..=u8::MAX).zip(by_class) {
                if !of_class.first.is_empty() {
                    of_class.last.reverse();
                    found.first.entry(class).or_default().push(Run::of(&of_class.first));
                    found.last.entry(class).or_default().push(Run::of(&of_class.last));
                }
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
