//! What reading took, in numbers that no clock and no other load moves.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// Bitmaps: of a part's head, a segment's, an entangled set's.
    Bitmaps,
    /// Blocks of events.
    Blocks,
    /// Events of them that were looked at.
    Events,
    /// Nodes of which the edges of one kind were read.
    Edges,
    /// Keys of which the statements were read.
    Timelines,
}

/// Counts of one reader of a store.
#[derive(Debug, Default)]
pub(crate) struct Counters([AtomicU64; 5]);

impl Counters {
    pub fn add(&self, of: Of, more: usize) {
        self.0[of as usize].fetch_add(more as u64, Relaxed);
    }

    pub fn so_far(&self) -> Work {
        let count = |of: Of| self.0[of as usize].load(Relaxed);
        Work {
            bitmaps: count(Of::Bitmaps),
            blocks: count(Of::Blocks),
            events: count(Of::Events),
            edges: count(Of::Edges),
            timelines: count(Of::Timelines),
        }
    }
}

/// What reading took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    /// Bitmaps read.
    pub bitmaps: u64,
    /// Blocks of events read.
    pub blocks: u64,
    /// Events of them looked at.
    pub events: u64,
    /// Nodes of which the edges of one kind were read.
    pub edges: u64,
    /// Keys of which the statements were read.
    pub timelines: u64,
}

impl Work {
    /// What came after what there was before.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            bitmaps: self.bitmaps - before.bitmaps,
            blocks: self.blocks - before.blocks,
            events: self.events - before.events,
            edges: self.edges - before.edges,
            timelines: self.timelines - before.timelines,
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bitmaps, blocks, events, edges, timelines } = self;
        write!(
            to,
            "{bitmaps} bitmaps, {blocks} blocks, {events} events, edges of {edges} nodes, {timelines} timelines"
        )
    }
}
