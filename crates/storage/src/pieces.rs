//! How large the pieces are in which views keep what they keep, on disk and in memory.

use asof_temporal::SEGMENT_CHANGES_MAX;

/// Changes the layout on disk, and no answer and no digest: a store written with one is read, and written on, with any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pieces {
    /// Changes of one segment of a temporal bitmap; with more, and more bytes of them than of its base, it is split.
    pub segment_changes: usize,
    /// So many parts of a day that are about as large as each other become one.
    pub day_parts: usize,
    /// A part with more events is made of no others.
    pub part_events: u32,
    /// A part with twice as many events or more is cut by identity into pages of so many, and of so many users.
    pub page_events: usize,
    /// So many runs of fingerprints of one level become one of the next.
    pub level_runs: usize,
    /// Fingerprints of a block of a run.
    pub run_block: usize,
    /// Fingerprints that each merge of runs takes on with a group, at least.
    pub merge_share: u64,
    /// Records that are replayed into the views in one write.
    pub replay_records: usize,
    /// Uses of one dead secret that are kept, in memory, of a day: of one with more, its events tell.
    pub kept_uses: usize,
}

impl Pieces {
    /// What is used unless said otherwise.
    pub const DEFAULT: Self = Self {
        segment_changes: SEGMENT_CHANGES_MAX,
        day_parts: 8,
        part_events: 1 << 18,
        page_events: 1 << 12,
        level_runs: 8,
        run_block: 512,
        merge_share: 4096,
        replay_records: 20_000,
        kept_uses: 256,
    };
}
