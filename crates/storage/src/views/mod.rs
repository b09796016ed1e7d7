//! Views: deterministic functions of the ledger's first N records. Nothing else writes their families.

mod dictionary;
mod digest;
mod entangled;
mod events;
mod posture;
mod scopes;
mod timelines;

use std::sync::Arc;

use asof_model::{Record, RecordBody};

pub(crate) use dictionary::{Dictionary, parse_name};
pub(crate) use digest::digest;
pub(crate) use entangled::{ENDED, MEMBERS};
pub(crate) use events::{CLASSES, class, day_of, head_class, of_class};
pub(crate) use posture::decode_revision;
pub(crate) use scopes::{decode_scope, fingerprint};
pub(crate) use timelines::{decode_edge, decode_statement};

use crate::codec::Encoder;
use crate::db::{Db, Family, Pending};
use crate::error::StorageError;
use crate::keys::{self, NodeKey, TimelineKey};
use crate::ledger::Header;
use crate::parts::Parts;
use crate::pieces::Pieces;

/// One view. It sees batches in ledger order, and reads its own and earlier views' rows through `pending`.
pub(crate) trait View {
    /// Takes in a batch.
    fn apply(&mut self, batch: &Resolved<'_>, pending: &mut Pending<'_>) -> Result<(), StorageError>;

    /// Writes what it gathered since the last call: once for a group of batches.
    fn finish(&mut self, _pending: &mut Pending<'_>) -> Result<(), StorageError> {
        Ok(())
    }

    /// What was written since the last call is on disk.
    fn committed(&mut self) {}
}

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
    others: Vec<Box<dyn View + Send>>,
}

impl Views {
    pub fn open(db: &Db, pieces: Pieces, parts: Arc<Parts>) -> Result<Self, StorageError> {
        Ok(Self {
            dictionary: Dictionary::open(db)?,
            others: vec![
                Box::new(timelines::Timelines::default()),
                Box::new(scopes::Scopes),
                Box::new(entangled::Entangled::open(db)?),
                Box::new(posture::Posture::new(pieces.segment_changes)),
                Box::new(events::Events::open(db, pieces, parts)?),
            ],
        })
    }

    pub fn dictionary(&mut self) -> &mut Dictionary {
        &mut self.dictionary
    }

    pub fn apply(
        &mut self,
        header: &Header,
        records: &[Record],
        pending: &mut Pending<'_>,
    ) -> Result<(), StorageError> {
        headers(header, pending);
        event_ids(records, pending);
        let batch = self.dictionary.apply(header, records, pending)?;
        for view in &mut self.others {
            view.apply(&batch, pending)?;
        }
        Ok(())
    }

    pub fn finish(&mut self, pending: &mut Pending<'_>) -> Result<(), StorageError> {
        self.dictionary.finish(pending);
        for view in &mut self.others {
            view.finish(pending)?;
        }
        Ok(())
    }
}

impl Views {
    /// What was written since the last call is on disk.
    pub fn committed(&mut self) {
        for view in &mut self.others {
            view.committed();
        }
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

/// Where an event_id leads. The first one stands, so that only records that were kept come here.
fn event_ids(records: &[Record], pending: &mut Pending<'_>) {
    for record in records {
        if let Some(key) = event_id_key(&record.source, &record.body) {
            pending.put(Family::EventIds, key.to_vec(), keys::index(record.index));
        }
    }
}

/// The fingerprint of (source, event_id), and of a fact's subject: the first 16 bytes of a SHA-256.
pub(crate) fn event_id_key(source: &str, body: &RecordBody) -> Option<[u8; 16]> {
    use sha2::{Digest, Sha256};
    let mut said = Encoder::default();
    said.text(source);
    match body {
        RecordBody::Observation(seen) if !seen.event_id.is_empty() => {
            said.byte(0);
            said.text(&seen.event_id);
        }
        RecordBody::Fact(fact) if !fact.event_id.is_empty() => {
            said.byte(1);
            said.text(&fact.event_id);
            match &fact.subject {
                asof_model::Subject::Node(node) => {
                    said.byte(node.kind.number());
                    said.text(&node.id);
                }
                asof_model::Subject::Edge(edge) => {
                    said.byte(0x10 + edge.kind.number());
                    said.text(&edge.from);
                    said.byte(edge.to_kind.number());
                    said.text(&edge.to);
                }
                asof_model::Subject::Coverage(scope) => {
                    said.byte(0x20);
                    said.text(scope);
                }
            }
        }
        _ => return None,
    }
    let digest: [u8; 32] = Sha256::digest(&said.0).into();
    digest.first_chunk::<16>().copied()
}
