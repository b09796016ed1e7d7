//! Making a failing case small: leave out batches and records, take a filter apart, for as long as it still fails.

use asof_model::{Batch, Instant, RecordBody};
use asof_query::{IdentityWhere, SecretWhere};

use super::Question;
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

fn simpler(question: &Question) -> Vec<Question> {
    match question {
        Question::Identities { filter, include_deleted, order } => simpler_identities(filter)
            .into_iter()
            .map(|filter| Question::Identities {
                filter: Box::new(filter),
                include_deleted: *include_deleted,
                order: *order,
            })
            .collect(),
        Question::Secrets { filter, include_deleted } => simpler_secrets(filter)
            .into_iter()
            .map(|filter| Question::Secrets { filter: Box::new(filter), include_deleted: *include_deleted })
            .collect(),
        _ => Vec::new(),
    }
}

/// Pushes a copy without each member that is given.
macro_rules! without {
    ($found:ident, $from:expr, $($($member:ident).+),+) => {
        $(if $from.$($member).+.is_some() {
            let mut less = $from.clone();
            less.$($member).+ = None;
            $found.push(less);
        })+
    };
}

fn simpler_identities(filter: &IdentityWhere) -> Vec<IdentityWhere> {
    let mut found: Vec<_> =
        filter.and.iter().chain(&filter.or).flatten().chain(filter.not.as_deref()).cloned().collect();
    without!(
        found,
        filter,
        and,
        or,
        not,
        node.id,
        node.name,
        node.node_type,
        node.attribute,
        node.inventoried,
        node.owned,
        owned_by,
        created_during,
        holds,
        used,
        used_without_holding,
        holds_unused,
        observed,
        authenticates_with,
        used_dead_secret,
        new_source,
        runs_on,
        gained,
        lost
    );
    if let Some(not) = &filter.not {
        let less = |not| IdentityWhere { not: Some(Box::new(not)), ..filter.clone() };
        found.extend(simpler_identities(not).into_iter().map(less));
    }
    if let Some(secret) = &filter.authenticates_with {
        let less = |secret| IdentityWhere { authenticates_with: Some(secret), ..filter.clone() };
        found.extend(simpler_secrets(secret).into_iter().map(less));
    }
    if let Some(holds) = &filter.holds {
        let mut less = Vec::new();
        without!(less, holds, on, throughout, sometime, entitlement);
        found.extend(less.into_iter().map(|holds| IdentityWhere { holds: Some(holds), ..filter.clone() }));
    }
    if let Some(drift) = &filter.used_without_holding {
        let mut less = Vec::new();
        without!(
            less,
            drift,
            covered_by,
            explained,
            posture_known,
            used.seen.privileges,
            used.seen.on,
            used.seen.action,
            used.seen.region,
            used.seen.source_ip,
            used.seen.workload,
            used.seen.secret,
            used.seen.actor
        );
        found.extend(
            less.into_iter()
                .map(|drift| IdentityWhere { used_without_holding: Some(drift), ..filter.clone() }),
        );
    }
    if let Some(used) = &filter.used {
        let mut less = Vec::new();
        without!(
            less,
            used,
            seen.privileges,
            seen.on,
            seen.action,
            seen.region,
            seen.source_ip,
            seen.workload,
            seen.secret,
            seen.actor
        );
        found.extend(less.into_iter().map(|used| IdentityWhere { used: Some(used), ..filter.clone() }));
    }
    found
}

fn simpler_secrets(filter: &SecretWhere) -> Vec<SecretWhere> {
    let mut found: Vec<_> =
        filter.and.iter().chain(&filter.or).flatten().chain(filter.not.as_deref()).cloned().collect();
    without!(
        found,
        filter,
        and,
        or,
        not,
        node.id,
        node.node_type,
        node.inventoried,
        state,
        expired_by,
        not_rotated_for,
        stored_in,
        stored,
        used,
        used_dead,
        new_source
    );
    found
}
