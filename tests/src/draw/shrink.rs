//! Making a failing case small: leave out batches and records, take a filter apart, for as long as it still fails.

use asof_model::{Batch, Instant, RecordBody};

use super::Question;
use super::simpler::simpler;
use crate::naive::Ledger;

/// A history up to K, what came later, and a question at (T, K).
#[derive(Debug, Clone)]
pub struct Case {
    /// The first K records.
    pub before: Vec<Batch>,
    /// What is not to be known.
    pub after: Vec<Batch>,
    /// What is asked.
    pub question: Question,
    /// T.
    pub at: Instant,
}

impl Case {
    /// A history, cut at K.
    pub fn new(history: &[Batch], k: u64, question: Question, at: Instant) -> Self {
        let mut ledger = Ledger::default();
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for batch in history {
            let size = ledger.size();
            ledger.write(batch);
            if size >= k {
                after.push(batch.clone());
            } else if ledger.size() <= k {
                before.push(batch.clone());
            } else {
                let empty = || Batch { source: batch.source.clone(), ..Batch::default() };
                let (mut first, mut second) = (empty(), empty());
                for (place, entry) in ledger.entries[size as usize..].iter().enumerate() {
                    let half = if size + (place as u64) < k { &mut first } else { &mut second };
                    match &entry.body {
                        RecordBody::Fact(fact) => half.facts.push(fact.clone()),
                        RecordBody::Observation(seen) => half.observations.push((**seen).clone()),
                    }
                }
                before.push(first);
                after.push(second);
            }
        }
        Self { before, after, question, at }
    }

    fn smaller(&self) -> Vec<Self> {
        let mut found = Vec::new();
        if !self.after.is_empty() {
            found.push(Self { after: Vec::new(), ..self.clone() });
        }
        for before in fewer(&self.before) {
            found.push(Self { before, ..self.clone() });
        }
        for after in fewer(&self.after) {
            found.push(Self { after, ..self.clone() });
        }
        for question in simpler(&self.question) {
            found.push(Self { question, ..self.clone() });
        }
        found
    }
}

/// The smallest case found that still fails.
pub fn shrink(case: Case, mut fails: impl FnMut(&Case) -> bool) -> Case {
    let mut least = case;
    let mut attempts = 0;
    'again: loop {
        for smaller in least.smaller() {
            attempts += 1;
            if attempts > 2_000 {
                return least;
            }
            if fails(&smaller) {
                least = smaller;
                continue 'again;
            }
        }
        return least;
    }
}

/// Without one half, without one batch, without one record.
fn fewer(history: &[Batch]) -> Vec<Vec<Batch>> {
    let mut found = Vec::new();
    if history.len() > 3 {
        found.push(history[history.len() / 2..].to_vec());
        found.push(history[..history.len() / 2].to_vec());
    }
    for place in 0..history.len() {
        let mut less = history.to_vec();
        less.remove(place);
        found.push(less);
    }
    for (place, batch) in history.iter().enumerate() {
        let mut with = |batch: Batch| {
            let mut less = history.to_vec();
            less[place] = batch;
            found.push(less);
        };
        if batch.facts.len() > 7 {
            let half = batch.facts.len() / 2;
            with(Batch { facts: batch.facts[half..].to_vec(), ..batch.clone() });
            with(Batch { facts: batch.facts[..half].to_vec(), ..batch.clone() });
            for eighth in 0..8 {
                let mut facts = batch.facts.clone();
                facts.drain(eighth * facts.len() / 8..(eighth + 1) * facts.len() / 8);
                with(Batch { facts, ..batch.clone() });
            }
        } else {
            for fact in 0..batch.facts.len() {
                let mut facts = batch.facts.clone();
                facts.remove(fact);
                with(Batch { facts, ..batch.clone() });
            }
        }
        for seen in 0..batch.observations.len() {
            let mut observations = batch.observations.clone();
            observations.remove(seen);
            with(Batch { observations, ..batch.clone() });
        }
    }
    found
}
