//! A batch to a request whose observations are packed.

use std::collections::HashMap;

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
    numbers: HashMap<&'a str, u32>,
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

    /// Left out where no row has it. Runs of one text, as of a region, are looked up once.
    fn column(&mut self, seen: &'a [Observation], of: fn(&Observation) -> &str) -> Vec<u32> {
        let mut last = ("", 0);
        let numbers = seen.iter().map(|each| {
            let text = of(each);
            if text != last.0 {
                last = (text, self.number(text));
            }
            last.1
        });
        let numbers: Vec<u32> = numbers.collect();
        if numbers.iter().any(|number| *number > 0) { numbers } else { Vec::new() }
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

fn columns(seen: &[Observation]) -> PackedObservations {
    let mut table = Table::default();
    let each = seen.first().map_or(0, |first| first.event_id.len());
    let same = seen.iter().all(|seen| seen.event_id.len() == each);
    let event_id: Vec<u8> = seen.iter().flat_map(|seen| seen.event_id.bytes()).collect();
    let mut packed = PackedObservations {
        time: seen.iter().map(|seen| seen.time.nanos()).collect(),
        event_id: event_id.into(),
        event_id_length: if same { each as u32 } else { 0 },
        event_id_lengths: if same {
            Vec::new()
        } else {
            seen.iter().map(|seen| seen.event_id.len() as u32).collect()
        },
        identity: table.column(seen, |seen| &seen.identity),
        actor: table.column(seen, |seen| &seen.actor),
        secret: table.column(seen, |seen| &seen.secret),
        workload: table.column(seen, |seen| &seen.workload),
        resource: table.column(seen, |seen| &seen.resource),
        action: table.column(seen, |seen| &seen.action),
        privilege: seen.iter().map(|seen| i32::from(seen.privilege.number())).collect(),
        outcome: seen.iter().map(|seen| i32::from(seen.outcome.number())).collect(),
        source_ip: table.column(seen, |seen| &seen.source_ip),
        region: table.column(seen, |seen| &seen.region),
        session: table.column(seen, |seen| &seen.session),
        raw_ref: table.column(seen, |seen| &seen.raw_ref),
        attributes: table.attributes(seen),
        actor_chain: table.entries(seen, |seen| &seen.actor_chain),
        granted_by: table.entries(seen, |seen| &seen.granted_by),
        ..PackedObservations::default()
    };
    if packed.identity.is_empty() {
        // Required, and refused row by row.
        packed.identity = vec![0; seen.len()];
    }
    let digests = seen.iter().enumerate().filter(|(_, seen)| !seen.raw_sha256.is_empty());
    let (rows, digests): (Vec<u32>, Vec<&[u8]>) =
        digests.map(|(row, seen)| (row as u32, seen.raw_sha256.as_slice())).unzip();
    packed.raw_sha256_row = rows;
    packed.raw_sha256 = digests.concat().into();
    packed.texts = table.texts.into();
    packed.text_lengths = table.lengths;
    packed
}
