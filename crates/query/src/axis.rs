//! Which events are read: along an axis, from a place on.

use asof_model::{Instant, Interval};

use crate::{Event, SourceDimension};

/// What part of the events is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventAxis {
    /// All of them.
    All,
    /// Of one identity (by ordinal), as the one whose permissions were used.
    Identity(u32),
    /// With one secret (by ordinal).
    Secret(u32),
    /// From one source (by the ordinal of its node or text): nothing is kept by it, and it is told apart as the events are read.
    Source(SourceDimension, u32),
}

impl EventAxis {
    /// Whether an event is on it.
    pub fn has(self, event: &Event) -> bool {
        match self {
            Self::All => true,
            Self::Identity(ordinal) => event.identity == ordinal,
            Self::Secret(ordinal) => event.secret == Some(ordinal),
            Self::Source(source, ordinal) => source.ordinal(event) == Some(ordinal),
        }
    }
}

impl SourceDimension {
    /// The ordinal of what an event was seen from.
    pub(crate) fn ordinal(self, event: &Event) -> Option<u32> {
        match self {
            Self::Workload => event.workload,
            Self::Region => event.region.map(|text| text.0),
            Self::SourceIp => event.source_ip.map(|text| text.0),
            Self::Secret => event.secret,
            Self::Resource => event.resource,
            Self::Actor => event.actor,
        }
    }
}

/// Where an event stands among all: its time, then its ledger index.
pub type EventPlace = (Instant, u64);

/// Events from a place on, and before a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventRange {
    /// The first place.
    pub from: EventPlace,
    /// The first moment after it.
    pub to: Instant,
}

impl EventRange {
    /// Whether an event stands in it.
    pub fn contains(&self, event: &Event) -> bool {
        self.from <= event.place() && event.time < self.to
    }
}

impl From<Interval> for EventRange {
    fn from(during: Interval) -> Self {
        Self { from: (during.from, 0), to: during.to }
    }
}
