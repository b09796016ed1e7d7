//! Where event_ids lead. A row is a fingerprint of six bytes and the records that have it: nearly always one, as who
//! comes upon a fingerprint looks at the record itself.

use std::collections::HashMap;

use asof_model::{Fact, Record, RecordBody, Subject};
use foldhash::fast::FixedState;
use sha2::{Digest, Sha256};

use crate::canonical;
use crate::codec::Encoder;
use crate::db::{Family, Pending};
use crate::error::{StorageError, corrupt};
use crate::fingerprints::{Fingerprint, Standing};
use crate::keys;

/// The fingerprint of (source, event_id), and of a fact's subject; `None`: it has no event_id.
pub(crate) fn fingerprint_of(source: &str, body: &RecordBody) -> Option<Fingerprint> {
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
            subject(fact, &mut said);
        }
        _ => return None,
    }
    let digest: [u8; 32] = Sha256::digest(&said.0).into();
    digest.first_chunk().copied()
}

fn subject(fact: &Fact, said: &mut Encoder) {
    match &fact.subject {
        Subject::Node(node) => {
            said.byte(node.kind.number());
            said.text(&node.id);
        }
        Subject::Edge(edge) => {
            said.byte(0x10 + edge.kind.number());
            said.text(&edge.from);
            said.byte(edge.to_kind.number());
            said.text(&edge.to);
        }
        Subject::Coverage(scope) => {
            said.byte(0x20);
            said.text(scope);
        }
    }
}

/// Whether two records of one source have the same event_id (and, of facts, the same subject).
pub(crate) fn is_same(one: &RecordBody, other: &RecordBody) -> bool {
    match (one, other) {
        (RecordBody::Observation(one), RecordBody::Observation(other)) => one.event_id == other.event_id,
        (RecordBody::Fact(one), RecordBody::Fact(other)) => {
            one.event_id == other.event_id && one.subject == other.subject
        }
        _ => false,
    }
}

/// What is known by the fingerprints of a batch.
pub(crate) struct Known(HashMap<Fingerprint, Standing, FixedState>);

impl Known {
    /// Reads all rows of these fingerprints at once.
    pub fn of(
        fingerprints: impl Iterator<Item = Fingerprint>,
        pending: &Pending<'_>,
    ) -> Result<Self, StorageError> {
        let mut keys: Vec<Fingerprint> = fingerprints.collect();
        keys.sort_unstable();
        keys.dedup();
        let found = keys.iter().zip(pending.standing(&keys)?);
        Ok(Self(found.filter_map(|(key, standing)| Some((*key, standing?))).collect()))
    }

    /// The canonical body that stands under the event_id of a record of this source.
    pub fn standing(
        &self,
        fingerprint: &Fingerprint,
        source: &str,
        body: &RecordBody,
        pending: &Pending<'_>,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        for index in self.0.get(fingerprint).map_or(&[][..], Standing::indices) {
            let bytes = pending.get(Family::Ledger, &keys::index(*index))?;
            let bytes = bytes.ok_or_else(|| corrupt("an event_id leads to no record"))?;
            let record = canonical::decode(*index, &bytes)?;
            if record.source == source && is_same(&record.body, body) {
                return Ok(Some(canonical::body_of(&bytes)?.to_vec()));
            }
        }
        Ok(None)
    }
}

/// The records of a batch that are kept, by their fingerprints.
pub(crate) struct NewIds {
    pub known: Known,
    /// The last kept record with a fingerprint, as a place among them.
    last: HashMap<Fingerprint, usize, FixedState>,
    /// Of each kept record: its fingerprint, its index, and the place of the one before with the same fingerprint.
    kept: Vec<(Option<Fingerprint>, u64, Option<usize>)>,
}

impl NewIds {
    pub fn new(known: Known) -> Self {
        Self { known, last: HashMap::default(), kept: Vec::new() }
    }

    /// Of records that are in the ledger already.
    pub fn of(records: &[Record], pending: &Pending<'_>) -> Result<Self, StorageError> {
        let fingerprints: Vec<Option<Fingerprint>> =
            records.iter().map(|record| fingerprint_of(&record.source, &record.body)).collect();
        let mut new = Self::new(Known::of(fingerprints.iter().flatten().copied(), pending)?);
        for (record, fingerprint) in records.iter().zip(fingerprints) {
            new.push(fingerprint, record.index);
        }
        Ok(new)
    }

    /// The places of kept records with the fingerprint, the last one first.
    pub fn with(&self, fingerprint: Fingerprint) -> impl Iterator<Item = usize> {
        std::iter::successors(self.last.get(&fingerprint).copied(), |place| self.kept.get(*place)?.2)
    }

    /// One more is kept.
    pub fn push(&mut self, fingerprint: Option<Fingerprint>, index: u64) {
        let before = fingerprint.and_then(|fingerprint| self.last.insert(fingerprint, self.kept.len()));
        self.kept.push((fingerprint, index, before));
    }
}

/// The first record of an event_id stands, so that only records that were kept come here.
pub(crate) fn apply(new: NewIds, pending: &mut Pending<'_>) {
    let mut found: Vec<(Fingerprint, u64)> =
        new.kept.iter().filter_map(|(fingerprint, index, _)| Some(((*fingerprint)?, *index))).collect();
    found.sort_unstable();
    for same in found.chunk_by(|one, other| one.0 == other.0) {
        let Some((fingerprint, _)) = same.first() else { continue };
        let before = new.known.0.get(fingerprint).map_or(&[][..], Standing::indices);
        let indices = before.iter().copied().chain(same.iter().map(|each| each.1)).collect();
        pending.stands(*fingerprint, Standing::of(indices));
    }
}
