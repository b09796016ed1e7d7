//! A batch to a request whose observations are packed.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use asof_model::{Batch, Observation};

use super::write;
use crate::proto::{PackedAttributes, PackedEntries, PackedObservations, WriteRequest};

const SHA256_BYTES: usize = 32;

/// A batch as a request with packed observations; with plain ones where a member of one has no packed form (a digest that
/// has not 32 bytes, which the door refuses, and names as it stands).
pub fn packed(batch: Batch) -> WriteRequest {
    let fits = |seen: &Observation| matches!(seen.raw_sha256.len(), 0 | SHA256_BYTES);
    if batch.observations.is_empty() || !batch.observations.iter().all(fits) {
        return write::request(batch);
    }
    WriteRequest {
        packed: Some(columns(&batch.observations)),
        source: batch.source,
        batch_id: batch.batch_id,
        facts: batch.facts.into_iter().map(write::fact).collect(),
        observations: Vec::new(),
    }
}

/// The table being made: texts by first appearance.
#[derive(Default)]
struct Table<'a> {
    numbers: HashMap<&'a str, u32, BuildHasherDefault<Quick>>,
    texts: Vec<u8>,
    lengths: Vec<u32>,
}

impl<'a> Table<'a> {
    fn number(&mut self, text: &'a str) -> u32 {
        if text.is_empty() {
            return 0;
        }
        *self.numbers.entry(text).or_insert_with(|| {
            self.texts.extend(text.as_bytes());
            self.lengths.push(text.len() as u32);
            self.lengths.len() as u32
        })
    }

    fn entries(
        &mut self,
        seen: &'a [Observation],
        of: fn(&Observation) -> &Vec<String>,
    ) -> Option<PackedEntries> {
        let mut entries = PackedEntries::default();
        for (row, each) in seen.iter().enumerate() {
            for text in of(each) {
                entries.row.push(row as u32);
                entries.text.push(self.number(text));
            }
        }
        (!entries.row.is_empty()).then_some(entries)
    }

    fn attributes(&mut self, seen: &'a [Observation]) -> Option<PackedAttributes> {
        let mut pairs = PackedAttributes::default();
        for (row, each) in seen.iter().enumerate() {
            for (key, value) in &each.attributes {
                pairs.row.push(row as u32);
                pairs.key.push(self.number(key));
                pairs.value.push(self.number(value));
            }
        }
        (!pairs.row.is_empty()).then_some(pairs)
    }
}

/// For the sender's own names, in its own memory: nobody who could choose them to collide has anything from it. Names differ
/// mostly in their last characters, so each word is mixed whole.
#[derive(Default)]
struct Quick(u64);

impl Quick {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0 ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 ^= self.0 >> 32;
    }
}

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        let mut last = [0; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        self.mix(u64::from_le_bytes(last) ^ bytes.len() as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

fn columns(seen: &[Observation]) -> PackedObservations {
    const TEXT_COLUMNS: usize = 10;
    let mut table = Table::default();
    let each = seen.first().map_or(0, |first| first.event_id.len());
    let same = seen.iter().all(|seen| seen.event_id.len() == each);
    let mut packed = PackedObservations::default();
    let mut event_ids = Vec::with_capacity(each * seen.len());
    let mut texts: [Vec<u32>; TEXT_COLUMNS] = std::array::from_fn(|_| Vec::with_capacity(seen.len()));
    // Row by row: a row's texts lie near each other, a column's do not.
    for row in seen {
        event_ids.extend(row.event_id.as_bytes());
        packed.time.push(row.time.nanos());
        packed.privilege.push(i32::from(row.privilege.number()));
        packed.outcome.push(i32::from(row.outcome.number()));
        let of_row = [
            &row.identity,
            &row.actor,
            &row.secret,
            &row.workload,
            &row.resource,
            &row.action,
            &row.source_ip,
            &row.region,
            &row.session,
            &row.raw_ref,
        ];
        for (column, text) in texts.iter_mut().zip(of_row) {
            column.push(table.number(text));
        }
    }
    if same {
        packed.event_id_length = each as u32;
    } else {
        packed.event_id_lengths = seen.iter().map(|seen| seen.event_id.len() as u32).collect();
    }
    packed.event_id = event_ids.into();
    // Left out where no row has it, but for the identity, which is required and refused row by row.
    let (identity, rest) = texts.split_at_mut(1);
    packed.identity = identity.first_mut().map(std::mem::take).unwrap_or_default();
    let columns = [
        &mut packed.actor,
        &mut packed.secret,
        &mut packed.workload,
        &mut packed.resource,
        &mut packed.action,
        &mut packed.source_ip,
        &mut packed.region,
        &mut packed.session,
        &mut packed.raw_ref,
    ];
    for (to, column) in columns.into_iter().zip(rest) {
        if column.iter().any(|number| *number > 0) {
            *to = std::mem::take(column);
        }
    }
    packed.attributes = table.attributes(seen);
    packed.actor_chain = table.entries(seen, |seen| &seen.actor_chain);
    packed.granted_by = table.entries(seen, |seen| &seen.granted_by);
    let digests = seen.iter().enumerate().filter(|(_, seen)| !seen.raw_sha256.is_empty());
    let (rows, digests): (Vec<u32>, Vec<&[u8]>) =
        digests.map(|(row, seen)| (row as u32, seen.raw_sha256.as_slice())).unzip();
    packed.raw_sha256_row = rows;
    packed.raw_sha256 = digests.concat().into();
    packed.texts = table.texts.into();
    packed.text_lengths = table.lengths;
    packed
}
