//! Several runs read as one, and one run made of them.

use std::sync::Arc;

use super::{Mark, Read, Run, RunId, RunWriter};
use crate::db::{Family, Pending};
use crate::error::{StorageError, corrupt};

/// A run that is read in order.
struct Source {
    run: Arc<Run>,
    /// The block after the one that is being read.
    next: u32,
    /// What is left of a block.
    block: Vec<Mark>,
    at: usize,
}

impl Source {
    fn left(&self) -> &[Mark] {
        self.block.get(self.at..).unwrap_or_default()
    }

    fn fill(&mut self, read: Read<'_>) -> Result<(), StorageError> {
        if self.left().is_empty() && (self.next as usize) < self.run.starts.len() {
            self.block = self.run.block(self.next, read(&self.run.block_key(self.next))?)?;
            self.next += 1;
            self.at = 0;
        }
        Ok(())
    }

    /// Takes those up to this one.
    fn take_until(&mut self, last: Mark, into: &mut Vec<Mark>) {
        let left = self.left();
        let count = left.partition_point(|mark| *mark <= last);
        into.extend(left.iter().take(count));
        self.at += count;
    }
}

/// The marks of several runs, in order.
pub(crate) struct Marks(Vec<Source>);

impl Marks {
    pub fn of(runs: &[Arc<Run>]) -> Self {
        let source = |run: &Arc<Run>| Source { run: Arc::clone(run), next: 0, block: Vec::new(), at: 0 };
        Self(runs.iter().map(source).collect())
    }

    /// The next ones, a block at least where there is one; none: there are no more.
    pub fn next(&mut self, read: Read<'_>) -> Result<Vec<Mark>, StorageError> {
        for source in &mut self.0 {
            source.fill(read)?;
        }
        // Up to here nothing is missing that a block which is not read yet may have.
        let last = self.0.iter().filter_map(|source| source.left().last()).min().copied();
        let mut marks = Vec::new();
        if let Some(last) = last {
            for source in &mut self.0 {
                source.take_until(last, &mut marks);
            }
            // It finds what is in order already.
            marks.sort();
        }
        Ok(marks)
    }
}

/// Runs that are becoming one.
pub(crate) struct Merge {
    pub of: Vec<Arc<Run>>,
    marks: Marks,
    left: u64,
    writer: RunWriter,
}

impl Merge {
    /// Of neighbours, the oldest first; `None`: there are none.
    pub fn new(of: &[Arc<Run>], block_marks: usize) -> Option<Self> {
        let id = RunId { first: of.first()?.id.first, last: of.last()?.id.last };
        let level = of.iter().map(|run| run.level).max()?.saturating_add(1);
        let marks = of.iter().map(|run| run.marks).sum();
        let writer = RunWriter::new(id, level, marks, block_marks);
        Some(Self { of: of.to_vec(), marks: Marks::of(of), left: marks, writer })
    }

    /// Takes on so many marks, or a block of each run more.
    pub fn advance(&mut self, marks: u64, pending: &mut Pending<'_>) -> Result<(), StorageError> {
        let mut taken = 0;
        while taken < marks && self.left > 0 {
            let next = self.marks.next(&|key| pending.get(Family::EventIds, key))?;
            let count = next.len() as u64;
            if count == 0 || count > self.left {
                return Err(corrupt("runs of fingerprints have not as many as their lines say"));
            }
            self.writer.write(&next, pending);
            self.left -= count;
            taken += count;
        }
        Ok(())
    }

    pub fn is_done(&self) -> bool {
        self.left == 0
    }

    /// Puts the run in the place of those that it was made of.
    pub fn finish(self, pending: &mut Pending<'_>) -> Arc<Run> {
        for run in &self.of {
            run.delete(pending);
        }
        self.writer.finish(pending)
    }
}
