//! Facts and observations to batches of one source each, of bounded size.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

use asof_model::{Batch, Fact, Instant, Limits, Observation};
use sha2::{Digest, Sha256};

use crate::Summary;

/// Collects records by source and gives out what is full.
pub(crate) struct Batches {
    records: usize,
    open: BTreeMap<String, Batch>,
    ready: VecDeque<Batch>,
}

impl Batches {
    pub(crate) fn new(records: usize) -> Self {
        let records = records.clamp(1, Limits::DEFAULT.records_per_batch);
        Self { records, open: BTreeMap::new(), ready: VecDeque::new() }
    }

    /// An event's facts and observations go together where the batch has room for them.
    pub(crate) fn push(&mut self, source: &str, facts: Vec<Fact>, observations: Vec<Observation>) {
        let coming = facts.len() + observations.len();
        let open = self.open.entry(source.to_owned()).or_default();
        let held = open.facts.len() + open.observations.len();
        if held > 0 && held + coming > self.records {
            let full = std::mem::take(open);
            self.ready.push_back(full);
        }
        let open = self.open.entry(source.to_owned()).or_default();
        source.clone_into(&mut open.source);
        // A single document can have more statements than a batch takes.
        let mut facts = facts;
        while facts.len() > self.records {
            let rest = facts.split_off(self.records);
            let batch = Batch { source: source.to_owned(), facts, ..Batch::default() };
            self.ready.push_back(batch);
            facts = rest;
        }
        open.facts.extend(facts);
        open.observations.extend(observations);
    }

    /// Gives up what is not full yet.
    pub(crate) fn finish(&mut self) {
        let open = std::mem::take(&mut self.open);
        self.ready.extend(open.into_values().filter(|batch| !batch.facts.is_empty() || !batch.observations.is_empty()));
    }

    /// The next full batch, without the records that the door would refuse, and with the id that its content gives it.
    pub(crate) fn next(&mut self, summary: &mut Summary) -> Option<Batch> {
        loop {
            let mut batch = self.ready.pop_front()?;
            drop_faulty(&mut batch, summary);
            if batch.facts.is_empty() && batch.observations.is_empty() {
                continue;
            }
            batch.batch_id = digest(&batch);
            summary.batches += 1;
            summary.facts += batch.facts.len() as u64;
            summary.observations += batch.observations.len() as u64;
            return Some(batch);
        }
    }
}

/// One record at fault would refuse the whole batch; it is left out and told instead.
fn drop_faulty(batch: &mut Batch, summary: &mut Summary) {
    let faults = batch.faults(&Limits::DEFAULT, Instant::FOREVER);
    let (mut facts, mut observations) = (BTreeMap::new(), BTreeMap::new());
    for fault in faults {
        let Some((list, rest)) = fault.field.split_once('[') else { continue };
        let Some((place, field)) = rest.split_once(']') else { continue };
        let Ok(place) = place.parse::<usize>() else { continue };
        let told = (field.trim_start_matches('.').to_owned(), fault.why);
        if list == "facts" { facts.entry(place).or_insert(told) } else { observations.entry(place).or_insert(told) };
    }
    let source = std::path::Path::new(&batch.source).to_owned();
    let mut place = 0;
    batch.facts.retain(|fact| {
        let fault = facts.get(&place);
        place += 1;
        if let Some((field, why)) = fault {
            summary.skip(&source, 0, format!("fact of event {}, {field}", fact.event_id), why);
        }
        fault.is_none()
    });
    place = 0;
    batch.observations.retain(|seen| {
        let fault = observations.get(&place);
        place += 1;
        if let Some((field, why)) = fault {
            summary.skip(&source, 0, format!("observation {}, {field}", seen.event_id), why);
        }
        fault.is_none()
    });
}

/// The same records give the same id and other records another: a batch sent again is known as a whole.
fn digest(batch: &Batch) -> String {
    struct Sink(Sha256);
    impl std::fmt::Write for Sink {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0.update(text.as_bytes());
            Ok(())
        }
    }
    let mut sink = Sink(Sha256::new());
    // Writing into a digest cannot fail.
    let _ = write!(sink, "{batch:?}");
    sink.0.finalize().iter().fold(String::from("sha256:"), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
