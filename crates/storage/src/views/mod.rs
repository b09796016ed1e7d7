//! Views: deterministic functions of the ledger's first N records. Nothing else writes their families.

mod dictionary;
mod digest;
mod entangled;
pub(crate) mod event_ids;
mod events;
mod posture;
mod scopes;
mod timelines;

use std::sync::Arc;

use asof_model::Record;

pub(crate) use dictionary::{Dictionary, Found, Ordinals, parse_name};
pub(crate) use digest::digest;
pub(crate) use entangled::{ENDED, MEMBERS, MORTAL};
pub(crate) use event_ids::KnownIds;
pub(crate) use events::{CLASSES, class, day_of, head_class, interval_of, of_class, secret_class};
pub(crate) use posture::decode_revision;
pub(crate) use scopes::{decode_scope, fingerprint};
pub(crate) use timelines::{decode_edge, decode_statement};

use crate::codec::Encoder;
use crate::db::{Db, Family, Pending};
use crate::error::StorageError;
use crate::keys::{self, NodeKey, TimelineKey};
use crate::ledger::Header;
use crate::memory::Memory;
use crate::parts::Parts;
use crate::pieces::Pieces;
use crate::runs::Mark;

/// One view. It sees batches in ledger order, and reads its own and earlier views' rows through `pending`.
pub(crate) trait View {
    /// Takes in a batch.
    fn apply(&mut self, batch: &Resolved<'_>, pending: &mut Pending<'_>) -> Result<(), StorageError>;

    /// Writes what it gathered since the last call: once for a group of batches.
    fn finish(&mut self, _pending: &mut Pending<'_>) -> Result<(), StorageError> {
        Ok(())
    }

    /// What was finished since the last call is on its way to the disk. Gives what is to be done when it is there.
    fn sealed(&mut self) -> Option<Publish> {
        None
    }
}

/// Has readers see what is on disk.
pub(crate) type Publish = Box<dyn FnOnce() + Send>;

/// A batch with its names resolved to ordinals.
pub(crate) struct Resolved<'a> {
    pub header: &'a Header,
    pub source: u32,
    pub records: Vec<ResolvedRecord<'a>>,
}

pub(crate) struct ResolvedRecord<'a> {
    pub record: &'a Record,
    pub ids: Ids,
}

/// The ordinals of what a record names.
pub(crate) enum Ids {
    Fact(TimelineKey),
    Observation(EventIds),
}

/// The ordinals of what an observation names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EventIds {
    pub identity: u32,
    pub actor: Option<u32>,
    pub secret: Option<u32>,
    pub workload: Option<u32>,
    pub resource: Option<u32>,
    pub action: Option<u32>,
    pub region: Option<u32>,
    pub source_ip: Option<u32>,
}

impl TimelineKey {
    /// The nodes that it names: itself, or both ends.
    pub(crate) fn nodes(self) -> impl Iterator<Item = NodeKey> {
        let (first, second) = match self {
            Self::Node(node) => (Some(node), None),
            Self::Edge { from, to, .. } => (Some(from), Some(to)),
            Self::Coverage(_) => (None, None),
        };
        first.into_iter().chain(second)
    }
}

/// All views, in the order in which they may read each other.
pub(crate) struct Views {
    dictionary: Dictionary,
    event_ids: KnownIds,
    others: Vec<Box<dyn View + Send>>,
}

impl Views {
    pub fn open(db: &Db, pieces: Pieces, parts: Arc<Parts>, memory: &Memory) -> Result<Self, StorageError> {
        Ok(Self {
            dictionary: Dictionary::open(db, memory.names().of(parts.opening()))?,
            event_ids: KnownIds::open(db, pieces)?,
            others: vec![
                Box::new(timelines::Timelines::default()),
                Box::new(scopes::Scopes),
                Box::new(entangled::Entangled::open(db)?),
                Box::new(posture::Posture::new(pieces.segment_changes)),
                Box::new(events::Events::open(db, pieces, parts)?),
            ],
        })
    }

    pub fn event_ids(&self) -> &KnownIds {
        &self.event_ids
    }

    pub fn dictionary(&mut self) -> &mut Dictionary {
        &mut self.dictionary
    }

    /// Takes in a batch. `marks`: of the records that have an event_id. `ordinals`: as [`Found`] has them, as far as they are known.
    pub fn apply(
        &mut self,
        header: &Header,
        records: &[Record],
        marks: impl Iterator<Item = Mark>,
        ordinals: &[Ordinals],
        pending: &mut Pending<'_>,
    ) -> Result<(), StorageError> {
        headers(header, pending);
        marks.for_each(|mark| self.event_ids.keep(mark));
        let batch = self.dictionary.apply(header, records, ordinals, pending)?;
        for view in &mut self.others {
            view.apply(&batch, pending)?;
        }
        Ok(())
    }

    pub fn finish(&mut self, pending: &mut Pending<'_>) -> Result<(), StorageError> {
        self.dictionary.finish();
        self.event_ids.finish(pending)?;
        for view in &mut self.others {
            view.finish(pending)?;
        }
        Ok(())
    }
}

impl Views {
    /// What was finished since the last call is on its way to the disk. Gives what is to be done when it is there.
    pub fn sealed(&mut self) -> Vec<Publish> {
        self.others.iter_mut().filter_map(|view| view.sealed()).collect()
    }
}

/// Where a batch_id and a recorded_at lead.
fn headers(header: &Header, pending: &mut Pending<'_>) {
    let key = keys::batch(header.end, header.number);
    if !header.batch_id.is_empty() {
        pending.put(Family::BatchIds, keys::batch_id(&header.source, &header.batch_id), key);
    }
    let mut end = Encoder::default();
    end.varint(header.end);
    pending.put(Family::Times, keys::time(header.recorded_at), end.0);
}
