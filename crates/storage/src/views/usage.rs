//! Who used a privilege with which outcome, by hour and day: bitmaps of identities. A quantum has one or more parts, each
//! with the least and greatest ledger index of what went into it, so that knowledge K cuts one part at most closely.

use std::collections::{BTreeMap, HashMap};

use asof_model::{Instant, Outcome, Privilege, RecordBody};
use asof_temporal::Quantum;
use roaring::RoaringBitmap;

use super::{Ids, Resolved, View};
use crate::codec::Decoder;
use crate::db::{Family, Pending};
use crate::error::StorageError;
use crate::keys;

type Term = (Privilege, Outcome, Quantum, Instant);

pub(crate) struct Usage {
    parts_max: u32,
    gathered: BTreeMap<Term, (u64, u64, RoaringBitmap)>,
    parts: HashMap<Term, u32>,
}

impl Usage {
    pub fn new(parts_max: u32) -> Self {
        Self { parts_max, gathered: BTreeMap::new(), parts: HashMap::new() }
    }
}

impl View for Usage {
    fn apply(&mut self, batch: &Resolved<'_>, _pending: &mut Pending<'_>) -> Result<(), StorageError> {
        for each in &batch.records {
            let (Ids::Observation(ids), RecordBody::Observation(seen)) = (&each.ids, &each.record.body)
            else {
                continue;
            };
            let index = each.record.index;
            for quantum in Quantum::ALL {
                let term = (seen.privilege, seen.outcome, quantum, quantum.start_of(seen.time));
                let part = self.gathered.entry(term).or_insert_with(|| (index, index, RoaringBitmap::new()));
                part.1 = index;
                part.2.insert(ids.identity);
            }
        }
        Ok(())
    }

    fn finish(&mut self, pending: &mut Pending<'_>) -> Result<(), StorageError> {
        for (term, (mut first, mut last, mut members)) in std::mem::take(&mut self.gathered) {
            let (privilege, outcome, quantum, start) = term;
            let parts = self.parts.entry(term).or_default();
            *parts += 1;
            if *parts >= self.parts_max {
                *parts = 1;
                let prefix = keys::usage_from_start(privilege, outcome, quantum, start);
                for (key, value) in pending.prefixed(Family::Usage, &prefix)? {
                    let (of_first, of_last, of_members) = decode_part(&key, &value)?;
                    (first, last) = (first.min(of_first), last.max(of_last));
                    members |= of_members;
                    pending.delete(Family::Usage, key.into_vec());
                }
            }
            let mut value = last.to_be_bytes().to_vec();
            // Writing to memory does not fail.
            let _ = members.serialize_into(&mut value);
            pending.put(Family::Usage, keys::usage(privilege, outcome, quantum, start, first), value);
        }
        if self.parts.len() > 1 << 16 {
            self.parts.clear();
        }
        Ok(())
    }
}

/// A part: (first index, last index, identities).
pub(crate) fn decode_part(key: &[u8], value: &[u8]) -> Result<(u64, u64, RoaringBitmap), StorageError> {
    let mut from = Decoder::new("usage part", value);
    let last = from.u64()?;
    let members =
        RoaringBitmap::deserialize_from(from.rest()).map_err(|_| from.wrong("holds no roaring bitmap"))?;
    Ok((keys::usage_first(key)?, last, members))
}
