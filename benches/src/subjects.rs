//! What is asked about: moments of the span, and things by the way they are used or linked.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use asof_model::{Batch, Duration, EdgeKind, Fact, Instant, NodeKind, Op, Subject};
use asof_server::sample::workload::{SPAN, Workload};

use crate::Failure;
use crate::rows::number;

/// The first month has not enough past to ask about 30 days.
const FIRST_DAY: i64 = 31;

/// What beside a moment a question names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    Nothing,
    /// As often as it is observed.
    Identity,
    /// As often as it is observed.
    Resource,
    Team,
    /// As often as it can assume another.
    Hub,
}

/// One question's subject: a moment, and the number of what else it names.
#[derive(Debug, Clone, Copy)]
pub struct About {
    pub at: Instant,
    pub number: u32,
}

/// Chosen while the workload passes by; the same for the same workload.
#[derive(Debug)]
pub struct Subjects {
    count: usize,
    workload: Workload,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    deleted: BTreeSet<u32>,
    hubs: Every,
    /// Identities and resources of observations.
    used: Every<(u32, u32)>,
}

/// Every nth of a stream, or the next one that will do.
#[derive(Debug, Default)]
struct Every<T = u32> {
    passed: u64,
    due: u64,
    taken: Vec<T>,
}

impl<T> Every<T> {
    fn pass(&mut self, step: u64, member: T, will_do: bool) {
        if will_do && self.passed >= self.due {
            self.taken.push(member);
            self.due += step.max(1);
        }
        self.passed += 1;
    }
}

impl Subjects {
    /// So many of each kind.
    pub fn new(workload: Workload, count: usize) -> Arc<Self> {
        Arc::new(Self { count, workload, seen: Mutex::default() })
    }

    /// How many of each kind.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Posture first, then runtime.
    pub fn see(&self, batch: &Batch) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        batch.facts.iter().for_each(|fact| self.see_fact(&mut seen, fact));
        let step = self.workload.observations / self.count as u64;
        for each in &batch.observations {
            let (identity, resource) = (number(&each.identity), number(&each.resource));
            let there = !seen.deleted.contains(&identity);
            seen.used.pass(step, (identity, resource), there);
        }
    }

    fn see_fact(&self, seen: &mut Seen, fact: &Fact) {
        match &fact.subject {
            Subject::Node(node) if node.kind == NodeKind::Identity && fact.op == Op::Delete => {
                seen.deleted.insert(number(&node.id));
            }
            Subject::Edge(edge) if edge.kind == EdgeKind::CanAssume => {
                let step = 2 * u64::from(self.workload.identities) / self.count as u64;
                let lasting = fact.valid_from < SPAN.from && fact.valid_to == Instant::FOREVER;
                seen.hubs.pass(step, number(&edge.from), lasting);
            }
            _ => {}
        }
    }

    /// The nth one for a question that names such a thing.
    pub fn nth(&self, of: Of, number: usize) -> Result<About, Failure> {
        let first = SPAN.from.plus(Duration::from_secs(FIRST_DAY * 86_400));
        let step = (SPAN.to.nanos() - first.nanos()) / self.count as i64;
        let at = first.plus(Duration::from_nanos((number as i64 + 1) * step));
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let used = |which: fn(&(u32, u32)) -> u32| turn(&seen.used.taken, number).map(which);
        let number = match of {
            Of::Nothing => Some(0),
            Of::Identity => used(|(identity, _)| *identity),
            Of::Resource => used(|(_, resource)| *resource),
            Of::Team => Some((number as u32 * 7) % self.workload.owners),
            Of::Hub => turn(&seen.hubs.taken, number).copied(),
        };
        Ok(About { at, number: number.ok_or("the workload is too small to ask about")? })
    }
}

/// The nth, and round again.
fn turn<T>(all: &[T], number: usize) -> Option<&T> {
    all.get(number % all.len().max(1))
}
