//! Facts and observations to batches of one source each, of bounded size.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;

use asof_model::{Batch, Fact, Instant, Limits, Observation, Op, Value};
use sha2::{Digest, Sha256};

use crate::Summary;
use crate::digest::hex;

/// A batch is given out at this weight at the latest, whatever its records: well below what a request may
/// have.
const BATCH_BYTES: usize = 2 << 20;

/// A batch being filled, and about how many bytes it has.
#[derive(Default)]
struct Open {
    batch: Batch,
    bytes: usize,
}

/// Collects records by source and gives out what is full.
pub(crate) struct Batches {
    records: usize,
    open: BTreeMap<String, Open>,
    ready: VecDeque<Batch>,
}

impl Batches {
    pub(crate) fn new(records: usize) -> Self {
        let records = records.clamp(1, Limits::DEFAULT.records_per_batch);
        Self { records, open: BTreeMap::new(), ready: VecDeque::new() }
    }

    /// Takes a fact.
    pub(crate) fn fact(&mut self, source: &str, fact: Fact) {
        let bytes = weight(&fact);
        self.room(source, bytes).facts.push(fact);
    }

    /// Takes an observation.
    pub(crate) fn observation(&mut self, source: &str, seen: Observation) {
        /// About what an observation's texts have together.
        const BYTES: usize = 1 << 10;
        self.room(source, BYTES).observations.push(seen);
    }

    /// The source's batch, with room for one record more.
    fn room(&mut self, source: &str, bytes: usize) -> &mut Batch {
        let open = self.open.entry(source.to_owned()).or_default();
        let held = open.batch.facts.len() + open.batch.observations.len();
        if held >= self.records || (held > 0 && open.bytes + bytes > BATCH_BYTES) {
            self.ready.push_back(std::mem::take(open).batch);
        }
        if open.batch.source.is_empty() {
            source.clone_into(&mut open.batch.source);
        }
        open.bytes += bytes;
        &mut open.batch
    }

    /// Gives up what is not full yet.
    pub(crate) fn finish(&mut self) {
        let open = std::mem::take(&mut self.open);
        self.ready.extend(open.into_values().map(|open| open.batch));
    }

    /// The next full batch, without the records that the door would refuse, and with the id that its content
    /// gives it.
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

/// About how many bytes a fact has.
fn weight(fact: &Fact) -> usize {
    const BASE: usize = 512;
    let lists = match &fact.op {
        Op::Put(Value::Node(node)) => {
            node.entitlement.iter().flat_map(|said| said.scopes.iter().chain(&said.actions)).collect()
        }
        Op::Put(Value::Coverage(said)) => said.identities.iter().chain(&said.resources).collect(),
        _ => Vec::new(),
    };
    BASE + lists.iter().map(|text| text.len() + 4).sum::<usize>()
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
        if list == "facts" {
            facts.entry(place).or_insert(told)
        } else {
            observations.entry(place).or_insert(told)
        };
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
    format!("sha256:{}", hex(&sink.0.finalize()))
}
