//! Fingerprints of event_ids in runs: each sorted, cut into blocks, with a filter in memory. Each group of batches makes
//! one, and several become one of the next level, a share of the work with each group, so that none waits for a large one.

mod block;
mod filter;
mod fingerprint;
mod merge;

use std::ops::Range;
use std::sync::Arc;

pub(crate) use fingerprint::{Fingerprint, Mark};
pub(crate) use merge::{Marks, Merge};

use crate::codec::{Decoder, Encoder};
use crate::db::{Db, Family, Pending};
use crate::error::{StorageError, corrupt};
use crate::keys;
use filter::Filter;

/// Reads a row of the family: of a database, or of what is to be written to it.
pub(crate) type Read<'a> = &'a dyn Fn(&[u8]) -> Result<Option<Vec<u8>>, StorageError>;

/// A run by the ledger indices of its records; no two are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RunId {
    pub first: u64,
    pub last: u64,
}

pub(crate) struct Run {
    pub id: RunId,
    /// How often its marks were merged.
    pub level: u8,
    pub marks: u64,
    /// The first fingerprint of each block.
    starts: Vec<Fingerprint>,
    filter: Filter,
}

/// All runs of a database, the oldest first.
pub(crate) fn load(db: &Db) -> Result<Vec<Arc<Run>>, StorageError> {
    let mut runs = Vec::new();
    for (key, value) in db.prefixed(Family::EventIds, &keys::RUNS)? {
        let id = keys::run_from(&key)?;
        let mut from = Decoder::new("line of a run", &value);
        let (level, marks, blocks) = (from.byte()?, from.varint()?, from.varint()?);
        // Each takes its bytes here.
        let starts = from
            .rest()
            .chunks_exact(Fingerprint::BYTES)
            .map(|bytes| Fingerprint::read(&mut Decoder::new("start", bytes)));
        let starts = starts.collect::<Result<Vec<_>, _>>()?;
        if starts.len() as u64 != blocks || from.rest().len() != starts.len() * Fingerprint::BYTES {
            return Err(from.wrong("it has not as many blocks as it says"));
        }
        let rows = db.prefixed(Family::EventIds, &keys::run_filter_prefix(id))?;
        let filter = Filter::read(marks, rows.into_iter().map(|(_, value)| value.into()))?;
        runs.push(Arc::new(Run { id, level, marks, starts, filter }));
    }
    Ok(runs)
}

impl Run {
    pub fn may_have(&self, fingerprint: Fingerprint) -> bool {
        self.filter.may_have(fingerprint)
    }

    /// The blocks that have all of a fingerprint's marks: nearly always one.
    pub fn blocks_of(&self, fingerprint: Fingerprint) -> Range<u32> {
        let before = self.starts.partition_point(|start| *start < fingerprint);
        let until =
            before + self.starts.iter().skip(before).take_while(|start| **start == fingerprint).count();
        before.saturating_sub(1) as u32..until as u32
    }

    pub fn block_key(&self, block: u32) -> Vec<u8> {
        keys::run_block(self.id, block)
    }

    /// A block of it as it was on disk.
    pub fn block(&self, block: u32, bytes: Option<Vec<u8>>) -> Result<Vec<Mark>, StorageError> {
        let bytes = bytes.ok_or_else(|| corrupt("a block of a run of fingerprints is missing"))?;
        let marks = block::decode(&bytes, self.id.first)?;
        if marks.first().map(|mark| mark.0) != self.starts.get(block as usize).copied() {
            return Err(corrupt("a block of fingerprints does not begin as its run's line says"));
        }
        Ok(marks)
    }

    /// Deletes its rows.
    pub fn delete(&self, pending: &mut Pending<'_>) {
        let blocks = (0..self.starts.len() as u32).map(|block| self.block_key(block));
        let filters = (0..self.filter.rows()).map(|row| keys::run_filter(self.id, row));
        for key in blocks.chain(filters).chain([keys::run(self.id)]) {
            pending.delete(Family::EventIds, key);
        }
    }

    /// That what is beside its marks is what they make.
    pub fn check(&self, read: Read<'_>) -> Result<(), StorageError> {
        let mut marks = 0;
        for block in 0..self.starts.len() as u32 {
            let block = self.block(block, read(&self.block_key(block))?)?;
            marks += block.len() as u64;
            if !block.iter().all(|mark| self.filter.may_have(mark.0)) {
                return Err(corrupt("a filter denies a fingerprint of its run"));
            }
        }
        if marks == self.marks {
            Ok(())
        } else {
            Err(corrupt("a run has not as many marks as its line says"))
        }
    }
}

/// Writes a run, block by block.
pub(crate) struct RunWriter {
    run: Run,
    block_marks: usize,
    /// Those of the block that is not full.
    rest: Vec<Mark>,
    /// Rows of the filter that are written.
    filter_rows: u32,
}

impl RunWriter {
    /// Of so many marks.
    pub fn new(id: RunId, level: u8, marks: u64, block_marks: usize) -> Self {
        let run = Run { id, level, marks, starts: Vec::new(), filter: Filter::with_room(marks) };
        Self { run, block_marks: block_marks.max(1), rest: Vec::new(), filter_rows: 0 }
    }

    /// Marks that come after all that were written before, in order.
    pub fn write(&mut self, marks: &[Mark], pending: &mut Pending<'_>) {
        for (fingerprint, _) in marks {
            self.run.filter.add(*fingerprint);
        }
        self.rest.extend(marks);
        let full = self.rest.len() - self.rest.len() % self.block_marks;
        let rest = self.rest.split_off(full);
        let blocks = std::mem::replace(&mut self.rest, rest);
        blocks.chunks(self.block_marks).for_each(|block| self.write_block(block, pending));
        if let Some((last, _)) = marks.last() {
            self.write_filter(self.run.filter.row_of(*last), pending);
        }
    }

    fn write_block(&mut self, marks: &[Mark], pending: &mut Pending<'_>) {
        let Some((start, _)) = marks.first() else { return };
        let key = self.run.block_key(self.run.starts.len() as u32);
        pending.put(Family::EventIds, key, block::encode(marks, self.run.id.first));
        self.run.starts.push(*start);
    }

    fn write_filter(&mut self, until: u32, pending: &mut Pending<'_>) {
        for row in self.filter_rows..until {
            pending.put(Family::EventIds, keys::run_filter(self.run.id, row), self.run.filter.row(row));
        }
        self.filter_rows = until;
    }

    /// There are no more: the run is there from now on.
    pub fn finish(mut self, pending: &mut Pending<'_>) -> Arc<Run> {
        let rest = std::mem::take(&mut self.rest);
        self.write_block(&rest, pending);
        self.write_filter(self.run.filter.rows(), pending);
        let mut line = Encoder::default();
        line.byte(self.run.level);
        line.varint(self.run.marks);
        line.varint(self.run.starts.len() as u64);
        line.0.extend(self.run.starts.iter().flat_map(|start| start.to_bytes()));
        pending.put(Family::EventIds, keys::run(self.run.id), line.0);
        Arc::new(self.run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_looked_for_wherever_it_may_be() {
        let fingerprint = |number: u8| Fingerprint::from_bytes([0, 0, 0, 0, 0, number]);
        // One that several records have may begin at the end of a block and fill others.
        let starts = [5, 9, 9, 12].map(fingerprint).to_vec();
        let (id, filter) = (RunId { first: 0, last: 9 }, Filter::with_room(10));
        let run = Run { id, level: 0, marks: 10, starts, filter };
        let expected = [(4, 0..0), (5, 0..1), (8, 0..1), (9, 0..3), (10, 2..3), (12, 2..4), (99, 3..4)];
        for (number, blocks) in expected {
            assert_eq!(run.blocks_of(fingerprint(number)), blocks, "{number}");
        }
    }
}
