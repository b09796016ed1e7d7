//! Where event_ids lead: to the records that may have them, as the fingerprints of two may be the same. Who comes upon
//! one looks at the record itself.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use asof_model::{Fact, RecordBody, Subject};
use foldhash::fast::FixedState;
use sha2::{Digest, Sha256};

use crate::canonical;
use crate::codec::Encoder;
use crate::db::{Db, Family, Pending};
use crate::error::{StorageError, corrupt};
use crate::keys;
use crate::pieces::Pieces;
use crate::runs::{self, Fingerprint, Mark, Merge, Run, RunId, RunWriter};

/// Blocks that are in memory at a time while a batch that came before is looked for.
const BLOCKS_AT_ONCE: usize = 256;
/// Of the marks that a group brings, so many times as many go on in each merge: it is done long before the next one is due.
const PACE: u64 = 4;

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
    Some(Fingerprint::of(Sha256::digest(&said.0).into()))
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
pub(crate) struct Known {
    /// Of records that came before, in order.
    marks: Vec<Mark>,
    /// Fingerprints that the batch has more than once, in order.
    repeated: Vec<Fingerprint>,
}

impl Known {
    /// The canonical body that stands under the event_id of a record of this source.
    pub fn standing(
        &self,
        fingerprint: Fingerprint,
        source: &str,
        body: &RecordBody,
        pending: &Pending<'_>,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        let from = self.marks.partition_point(|mark| mark.0 < fingerprint);
        for (_, index) in self.marks.iter().skip(from).take_while(|mark| mark.0 == fingerprint) {
            let bytes = pending.get(Family::Ledger, &keys::index(*index))?;
            let bytes = bytes.ok_or_else(|| corrupt("an event_id leads to no record"))?;
            let record = canonical::decode(*index, &bytes)?;
            if record.source == source && is_same(&record.body, body) {
                return Ok(Some(canonical::body_of(&bytes)?.to_vec()));
            }
        }
        Ok(None)
    }

    /// The batch has it more than once.
    pub fn is_repeated(&self, fingerprint: Fingerprint) -> bool {
        self.repeated.binary_search(&fingerprint).is_ok()
    }
}

/// The view: only records that were kept come here, as the first of an event_id stands.
pub(crate) struct KnownIds {
    pieces: Pieces,
    /// The oldest first; their levels go down.
    runs: Vec<Arc<Run>>,
    /// By level, which has one at a time.
    merges: Vec<Option<Merge>>,
    /// Of the group: the first record with a fingerprint.
    first: HashMap<Fingerprint, u64, FixedState>,
    /// Those after it, of which there are hardly any.
    more: Vec<Mark>,
}

impl KnownIds {
    pub fn open(db: &Db, pieces: Pieces) -> Result<Self, StorageError> {
        let (runs, merges) = (runs::load(db)?, Vec::new());
        Ok(Self { pieces, runs, merges, first: HashMap::default(), more: Vec::new() })
    }

    /// Looks for all fingerprints of a batch at once.
    pub fn known(
        &self,
        fingerprints: impl Iterator<Item = Fingerprint>,
        pending: &Pending<'_>,
    ) -> Result<Known, StorageError> {
        let mut wanted: Vec<Fingerprint> = fingerprints.collect();
        wanted.sort_unstable();
        let mut repeated: Vec<Fingerprint> = wanted
            .iter()
            .zip(wanted.iter().skip(1))
            .filter(|(one, next)| one == next)
            .map(|(one, _)| *one)
            .collect();
        repeated.dedup();
        wanted.dedup();
        let mut marks: Vec<Mark> =
            wanted.iter().filter_map(|each| Some((*each, *self.first.get(each)?))).collect();
        marks.extend(self.more.iter().filter(|mark| wanted.binary_search(&mark.0).is_ok()));
        for run in &self.runs {
            let likely: Vec<Fingerprint> =
                wanted.iter().copied().filter(|fingerprint| run.may_have(*fingerprint)).collect();
            find(run, &likely, pending, &mut marks)?;
        }
        marks.sort_unstable();
        Ok(Known { marks, repeated })
    }

    /// One more record is kept.
    pub fn keep(&mut self, (fingerprint, index): Mark) {
        match self.first.entry(fingerprint) {
            std::collections::hash_map::Entry::Vacant(none) => drop(none.insert(index)),
            std::collections::hash_map::Entry::Occupied(_) => self.more.push((fingerprint, index)),
        }
    }

    /// Writes what the group brought, and a share of what the merges have to do.
    pub fn finish(&mut self, pending: &mut Pending<'_>) -> Result<(), StorageError> {
        let mut marks: Vec<Mark> = self.first.drain().chain(self.more.drain(..)).collect();
        marks.sort_unstable();
        let indices = || marks.iter().map(|mark| mark.1);
        if let (Some(first), Some(last)) = (indices().min(), indices().max()) {
            let mut writer =
                RunWriter::new(RunId { first, last }, 0, marks.len() as u64, self.pieces.run_block);
            writer.write(&marks, pending);
            self.runs.push(writer.finish(pending));
        }
        let share = self.pieces.merge_share.max(PACE * marks.len() as u64);
        let mut level = 0;
        while level <= self.runs.iter().map(|run| run.level).max().unwrap_or(0) {
            self.merge(level, share, pending)?;
            level += 1;
        }
        Ok(())
    }

    /// The runs of a level are neighbours.
    fn at(&self, level: u8) -> Range<usize> {
        let end = self.runs.partition_point(|run| run.level >= level);
        self.runs.partition_point(|run| run.level > level)..end
    }

    /// The merge of a level goes on; where it has enough runs and no merge, one begins.
    fn merge(&mut self, level: u8, share: u64, pending: &mut Pending<'_>) -> Result<(), StorageError> {
        let (place, many) = (usize::from(level), self.pieces.level_runs.max(2));
        if self.merges.len() <= place {
            self.merges.resize_with(place + 1, || None);
        }
        let at = self.at(level);
        let Some(under_way) = self.merges.get_mut(place) else { return Ok(()) };
        if under_way.is_none() && at.len() >= many {
            let oldest = self.runs.get(at.start..at.start + many).unwrap_or_default();
            *under_way = Merge::new(oldest, self.pieces.run_block);
        }
        if let Some(merge) = under_way {
            merge.advance(share, pending)?;
        }
        if let Some(done) = under_way.take_if(|merge| merge.is_done()) {
            let end = at.start + done.of.len();
            self.runs.splice(at.start..end, [done.finish(pending)]);
        }
        Ok(())
    }
}

/// The marks of a run that have these fingerprints, which ascend.
fn find(
    run: &Run,
    fingerprints: &[Fingerprint],
    pending: &Pending<'_>,
    found: &mut Vec<Mark>,
) -> Result<(), StorageError> {
    let mut blocks: Vec<u32> =
        fingerprints.iter().flat_map(|fingerprint| run.blocks_of(*fingerprint)).collect();
    blocks.dedup();
    for blocks in blocks.chunks(BLOCKS_AT_ONCE) {
        let keys: Vec<Vec<u8>> = blocks.iter().map(|block| run.block_key(*block)).collect();
        for (block, bytes) in blocks.iter().zip(pending.get_many(Family::EventIds, &keys)?) {
            let marks = run.block(*block, bytes)?;
            let (Some(first), Some(last)) = (marks.first(), marks.last()) else { continue };
            let from = fingerprints.partition_point(|fingerprint| *fingerprint < first.0);
            for fingerprint in fingerprints.iter().skip(from).take_while(|each| **each <= last.0) {
                let from = marks.partition_point(|mark| mark.0 < *fingerprint);
                found.extend(marks.iter().skip(from).take_while(|mark| mark.0 == *fingerprint));
            }
        }
    }
    Ok(())
}
