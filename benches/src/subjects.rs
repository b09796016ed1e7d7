//! What is asked about: moments of the span, and things by the way they are used or linked.

use std::collections::BTreeSet;

use asof_model::{Batch, Duration, EdgeKind, Fact, Instant, Interval, NodeKind, Op, Subject};
use asof_server::sample::workload::{SPAN_DAYS, Workload};

use crate::Failure;
use crate::rows::number;

/// The first month has not enough past to ask about 30 days.
const FIRST_DAY: i64 = 31;
const DAY_SECS: i64 = 86_400;

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
    /// The days of a timeline.
    pub days: Interval,
}

/// Chosen while the workload passes by; the same for the same workload.
#[derive(Debug)]
pub struct Subjects {
    count: usize,
    workload: Workload,
    seen: Seen,
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
    pub fn new(workload: Workload, count: usize) -> Self {
        Self { count, workload, seen: Seen::default() }
    }

    /// How many of each kind.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Posture first, then runtime.
    pub fn see(&mut self, batch: &Batch) {
        batch.facts.iter().for_each(|fact| self.see_fact(fact));
        let step = self.workload.observations / self.count as u64;
        for each in &batch.observations {
            let (identity, resource) = (number(&each.identity), number(&each.resource));
            let there = !self.seen.deleted.contains(&identity);
            self.seen.used.pass(step, (identity, resource), there);
        }
    }

    fn see_fact(&mut self, fact: &Fact) {
        match &fact.subject {
            Subject::Node(node) if node.kind == NodeKind::Identity && fact.op == Op::Delete => {
                self.seen.deleted.insert(number(&node.id));
            }
            Subject::Edge(edge) if edge.kind == EdgeKind::CanAssume => {
                let step = 2 * u64::from(self.workload.identities) / self.count as u64;
                let start = self.workload.span().from;
                let lasting = fact.valid_from < start && fact.valid_to == Instant::FOREVER;
                self.seen.hubs.pass(step, number(&edge.from), lasting);
            }
            _ => {}
        }
    }

    /// The nth one for a question that names such a thing: the moments go from the oldest to the newest.
    pub fn nth(&self, of: Of, number: usize) -> Result<About, Failure> {
        let span = self.workload.span();
        let more = i64::from(self.workload.days - SPAN_DAYS).signum();
        // Where there is more than one span of history, each moment has a whole one behind it.
        let first_day = FIRST_DAY + more * (i64::from(SPAN_DAYS) - FIRST_DAY);
        let first = span.from.plus(Duration::from_secs(first_day * DAY_SECS));
        let step = (span.to.nanos() - first.nanos()) / self.count as i64;
        let at = first.plus(Duration::from_nanos((number as i64 + 1) * step));
        let days = self.days(at);
        let used = |which: fn(&(u32, u32)) -> u32| turn(&self.seen.used.taken, number).map(which);
        let number = match of {
            Of::Nothing => Some(0),
            Of::Identity => used(|(identity, _)| *identity),
            Of::Resource => used(|(_, resource)| *resource),
            Of::Team => Some((number as u32 * 7) % self.workload.owners),
            Of::Hub => turn(&self.seen.hubs.taken, number).copied(),
        };
        Ok(About { at, number: number.ok_or("the workload is too small to ask about")?, days })
    }

    /// The span; or, where there is more than one, as many days as it has, up to the moment's.
    fn days(&self, at: Instant) -> Interval {
        let span = self.workload.span();
        let day = Duration::from_secs(DAY_SECS).nanos();
        let whole = (at.nanos() - span.from.nanos()) / day;
        let last = if self.workload.days == SPAN_DAYS { i64::from(SPAN_DAYS) } else { whole };
        let to = span.from.plus(Duration::from_nanos(last * day));
        Interval { from: to.minus(Duration::from_nanos(i64::from(SPAN_DAYS) * day)), to }
    }
}

/// The nth, and round again.
fn turn<T>(all: &[T], number: usize) -> Option<&T> {
    all.get(number % all.len().max(1))
}
