//! Where event_ids lead. A row is a fingerprint of eight bytes and the records that have it: nearly always one, as who
//! comes upon a fingerprint looks at the record itself.

use std::collections::HashMap;

use asof_model::{Fact, Record, RecordBody, Subject};
use sha2::{Digest, Sha256};

use crate::canonical;
use crate::codec::{Decoder, Encoder};
use crate::db::{Family, Pending};
use crate::error::{StorageError, corrupt};
use crate::keys;

/// The first bytes of the SHA-256 of what must be the same.
pub(crate) type Fingerprint = [u8; 8];

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
pub(crate) struct Known<'a, 'b> {
    pending: &'a Pending<'b>,
    rows: HashMap<Fingerprint, Vec<u64>>,
}

impl<'a, 'b> Known<'a, 'b> {
    /// Reads all rows of these fingerprints at once.
    pub fn of(
        fingerprints: impl Iterator<Item = Fingerprint>,
        pending: &'a Pending<'b>,
    ) -> Result<Self, StorageError> {
        let keys: Vec<Fingerprint> = fingerprints.collect();
        let asked: Vec<&[u8]> = keys.iter().map(|key| key.as_slice()).collect();
        let mut rows = HashMap::new();
        for (key, value) in keys.iter().zip(pending.get_many(Family::EventIds, &asked)?) {
            if let Some(value) = value {
                rows.insert(*key, decode(&value)?);
            }
        }
        Ok(Self { pending, rows })
    }

    /// The canonical body that stands under the event_id of a record of this source.
    pub fn standing(
        &self,
        fingerprint: &Fingerprint,
        source: &str,
        body: &RecordBody,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        for index in self.rows.get(fingerprint).into_iter().flatten() {
            let bytes = self.pending.get(Family::Ledger, &keys::index(*index))?;
            let bytes = bytes.ok_or_else(|| corrupt("an event_id leads to no record"))?;
            let record = canonical::decode(*index, &bytes)?;
            if record.source == source && is_same(&record.body, body) {
                return Ok(Some(canonical::body_of(&bytes)?.to_vec()));
            }
        }
        Ok(None)
    }
}

/// The first record of an event_id stands, so that only records that were kept come here.
pub(crate) fn apply(records: &[Record], pending: &mut Pending<'_>) -> Result<(), StorageError> {
    let found: Vec<(Fingerprint, u64)> = records
        .iter()
        .filter_map(|record| Some((fingerprint_of(&record.source, &record.body)?, record.index)))
        .collect();
    let mut rows = Known::of(found.iter().map(|each| each.0), pending)?.rows;
    for (fingerprint, index) in found {
        let row = rows.entry(fingerprint).or_default();
        row.push(index);
        let mut value = Encoder::default();
        for index in row.iter() {
            value.varint(*index);
        }
        pending.put(Family::EventIds, fingerprint.to_vec(), value.0);
    }
    Ok(())
}

fn decode(value: &[u8]) -> Result<Vec<u64>, StorageError> {
    let mut from = Decoder::new("records of a fingerprint", value);
    let mut found = Vec::new();
    while !from.rest().is_empty() {
        found.push(from.varint()?);
    }
    Ok(found)
}
