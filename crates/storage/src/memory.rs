//! What a process keeps in memory, by name and size. All stores that it opens share it, so that a tenant that is busy has
//! what those that are not leave free.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::db::Buffers;
use crate::firsts::Room;
use crate::kept::Shards;
use crate::names::Names;
use crate::parts::Caches;

/// Hundredths of the memory that each cache may take. What is left is for batches on their way, for questions at work and
/// for what the allocator leaves unused; blocks of events count as if everything that is made of them when it is asked for
/// were there.
mod hundredths {
    /// Pages of events, decoded.
    pub(super) const EVENTS: u64 = 37;
    /// Who was seen first and last in a part, and when.
    pub(super) const ENDS: u64 = 4;
    /// Pages of who used resources, and who used one on several days.
    pub(super) const USERS: u64 = 4;
    /// Heads of parts, and as much for those of several days.
    pub(super) const HEADS: u64 = 2;
    /// What identities used on whole days.
    pub(super) const USED: u64 = 6;
    /// Which events of a part a test chose.
    pub(super) const CHOSEN: u64 = 2;
    /// Uses of dead secrets.
    pub(super) const DEAD: u64 = 1;
    /// Ordinals by id, for writers.
    pub(super) const NAMES: u64 = 3;
    /// First appearances.
    pub(super) const FIRSTS: u64 = 5;
    /// Posture, decoded.
    pub(super) const POSTURE: u64 = 12;
    /// Blocks of tables as they are on disk. Indexes and filters are beside it: a byte or two for each record.
    pub(super) const TABLES: u64 = 8;
    /// Rows that are not in tables yet.
    pub(super) const WRITES: u64 = 6;
    /// Whole answers, between pages.
    pub(super) const ANSWERS: u64 = 4;
}

/// The caches of a process.
#[derive(Clone)]
pub struct Memory(Arc<All>);

struct All {
    bytes: u64,
    buffers: Buffers,
    events: Caches,
    names: Names,
    firsts: Arc<Room>,
    posture: Arc<Shards>,
    openings: AtomicU32,
}

impl Memory {
    /// What is held unless it is said otherwise: 2 GiB.
    pub const BYTES_DEFAULT: u64 = 2 << 30;
    /// Less than this is spent on what cannot be bounded.
    pub const BYTES_MIN: u64 = 256 << 20;

    /// Room for so many bytes in all, the process's own included.
    pub fn new(bytes: u64) -> Self {
        let share = |of: u64| bytes / 100 * of;
        Self(Arc::new(All {
            bytes,
            buffers: Buffers::new(share(hundredths::TABLES), share(hundredths::WRITES)),
            events: Caches::new(
                share(hundredths::EVENTS),
                share(hundredths::ENDS),
                share(hundredths::USERS),
                share(hundredths::HEADS),
                share(hundredths::CHOSEN),
                share(hundredths::DEAD),
                share(hundredths::USED),
            ),
            names: Names::new(share(hundredths::NAMES)),
            firsts: Arc::new(Room::new(share(hundredths::FIRSTS))),
            posture: Arc::new(Shards::new(share(hundredths::POSTURE))),
            openings: AtomicU32::new(0),
        }))
    }

    /// Bytes for whole answers, which are not kept here.
    pub fn answer_bytes(&self) -> u64 {
        self.0.bytes / 100 * hundredths::ANSWERS
    }

    pub(crate) fn buffers(&self) -> &Buffers {
        &self.0.buffers
    }

    pub(crate) fn events(&self) -> &Caches {
        &self.0.events
    }

    pub(crate) fn names(&self) -> &Names {
        &self.0.names
    }

    pub(crate) fn firsts(&self) -> Arc<Room> {
        Arc::clone(&self.0.firsts)
    }

    pub(crate) fn posture(&self) -> Arc<Shards> {
        Arc::clone(&self.0.posture)
    }

    /// A number for a store that is opened: what is kept of another one, or of an earlier opening, is never taken for its.
    pub(crate) fn opening(&self) -> u32 {
        self.0.openings.fetch_add(1, Ordering::Relaxed)
    }
}
