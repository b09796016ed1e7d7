//! A batch as the writer takes it: what needs nothing but the batch itself, and names that were looked up before, is done
//! before, by whoever brings it.

use asof_evidence::Hash;
use asof_model::{Batch, RecordBody};
use sha2::{Digest, Sha256};

use crate::canonical;
use crate::names::OwnNames;
use crate::runs::Fingerprint;
use crate::store::Store;
use crate::views::Ordinals;
use crate::views::event_ids::fingerprint_of;

/// A batch with the canonical bytes of its records, and what they hash to.
#[derive(Debug)]
pub struct Prepared {
    pub(crate) source: String,
    pub(crate) batch_id: String,
    pub(crate) entries: Vec<Entry>,
    /// Of the request's content.
    pub(crate) digest: Hash,
}

/// A record that has no place in the ledger yet.
#[derive(Debug)]
pub(crate) struct Entry {
    pub body: RecordBody,
    /// Canonical bytes of the body.
    pub bytes: Vec<u8>,
    /// `None`: it has no event_id.
    pub fingerprint: Option<Fingerprint>,
    /// Of what it names.
    pub ordinals: Ordinals,
}

/// Prepares batches for a store's writer.
pub struct Preparer(OwnNames);

impl Store {
    /// Who prepares for its writer.
    pub fn preparer(&self) -> Preparer {
        Preparer(self.memory.names().of(self.parts.opening()))
    }
}

impl Preparer {
    /// Of a batch that has no faults, with the ordinals of what the writer came upon lately.
    pub fn prepare(&self, batch: Batch) -> Prepared {
        Prepared::with(batch, |body| Ordinals::known(body, &self.0))
    }
}

impl Prepared {
    /// Of a batch that has no faults.
    pub fn of(batch: Batch) -> Self {
        Self::with(batch, |_| Ordinals::default())
    }

    fn with(batch: Batch, ordinals: impl Fn(&RecordBody) -> Ordinals) -> Self {
        let Batch { source, batch_id, facts, observations } = batch;
        let facts = facts.into_iter().map(RecordBody::Fact);
        let observations = observations.into_iter().map(|seen| RecordBody::Observation(Box::new(seen)));
        let entries: Vec<Entry> = facts
            .chain(observations)
            .map(|body| Entry {
                bytes: canonical::encode_body(&body),
                fingerprint: fingerprint_of(&source, &body),
                ordinals: ordinals(&body),
                body,
            })
            .collect();
        let digest = digest(&source, &batch_id, entries.iter().map(|entry| entry.bytes.as_slice()));
        Self { source, batch_id, entries, digest }
    }

    /// How many records it has.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Has none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// SHA-256 of what was asked to be written.
pub(crate) fn digest<'a>(source: &'a str, batch_id: &'a str, bodies: impl Iterator<Item = &'a [u8]>) -> Hash {
    let mut hasher = Sha256::new();
    for part in [source.as_bytes(), batch_id.as_bytes()].into_iter().chain(bodies) {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}
