//! The seeded workload of `asof generate` and of the benchmarks: a tenant's machine identities over 90 days.
//!
//! Grants are shared entitlements: one ENTITLEMENT for each (privilege, resource) that anyone is granted, its scope that
//! resource, and one HOLDS edge from each identity that is granted it. The same parameters give the same batches, record
//! by record, so that sending them again changes nothing.

mod draw;
mod facts;
mod posture;
mod runtime;

use std::sync::Arc;

use asof_model::{
    Batch, CoverageKind, CoverageValue, Duration, Fact, Instant, Interval, Observation, Op, PrivilegeSet,
    Subject, Value,
};

pub use facts::{entitlement_id, identity_id, owner_id};

/// Records of one batch.
pub const BATCH_RECORDS: usize = 1_000;

/// 2026-01-01T00:00:00Z.
const START: Instant = Instant::from_nanos(1_767_225_600_000_000_000);
/// 2026-04-01T00:00:00Z.
const END: Instant = Instant::from_nanos(1_775_001_600_000_000_000);
/// The 90 days over which all happens, unless a workload says that it has more.
pub const SPAN: Interval = Interval { from: START, to: END };
/// How many days that is.
pub const SPAN_DAYS: u32 = 90;
const DAY_SECS: i64 = 86_400;

/// How much of everything, and the seed from which all of it follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workload {
    /// The seed.
    pub seed: u64,
    /// Machine identities, of six types.
    pub identities: u32,
    /// What they are granted privileges on.
    pub resources: u32,
    /// What runs as them.
    pub workloads: u32,
    /// What they sign in with.
    pub secrets: u32,
    /// Teams.
    pub owners: u32,
    /// Runtime events.
    pub observations: u64,
    /// Days up to the end of [`SPAN`]: a multiple of [`SPAN_DAYS`].
    pub days: u32,
}

impl Workload {
    /// Scale 1 is 100,000 identities and 10,000,000 observations; everything grows with it, and nothing is none.
    pub fn at_scale(scale: f64, seed: u64) -> Self {
        let of = |full: f64| (full * scale).round().max(1.0);
        Self {
            seed,
            identities: of(100_000.0) as u32,
            resources: of(50_000.0) as u32,
            workloads: of(20_000.0) as u32,
            secrets: of(150_000.0) as u32,
            owners: of(500.0) as u32,
            observations: of(10_000_000.0) as u64,
            days: SPAN_DAYS,
        }
    }

    /// The same tenant over so many times the span, at the same rates: as many grants that come and go and as many
    /// observations in each part of it.
    #[must_use]
    pub fn over_spans(self, times: u32) -> Self {
        let times = times.max(1);
        Self { days: SPAN_DAYS * times, observations: self.observations * u64::from(times), ..self }
    }

    /// The days over which all of it happens.
    pub fn span(&self) -> Interval {
        Interval { from: END.minus(Duration::from_secs(i64::from(self.days) * DAY_SECS)), to: END }
    }

    /// The same tenant with another number of observations.
    #[must_use]
    pub fn with_observations(self, observations: u64) -> Self {
        Self { observations, ..self }
    }

    /// The name of its source. It holds the parameters: other parameters are other records.
    pub fn source(&self) -> String {
        let days = if self.days == SPAN_DAYS { String::new() } else { format!("/{}-days", self.days) };
        format!("generate/seed-{}/{}x{}{days}", self.seed, self.identities, self.observations)
    }

    /// All of it: [`Workload::posture`], then [`Workload::runtime`].
    pub fn batches(&self) -> impl Iterator<Item = Batch> + Send + use<> {
        let runtime = *self;
        self.posture().chain(std::iter::once_with(move || runtime.runtime()).flatten())
    }

    /// What is allowed, in batches of [`BATCH_RECORDS`]: nodes, then edges.
    pub fn posture(&self) -> impl Iterator<Item = Batch> + Send + use<> {
        let world = Arc::new(posture::World::new(self));
        Batches { source: self.source(), half: "posture", number: 0, records: facts::facts(world) }
    }

    /// What is done, in batches of [`BATCH_RECORDS`] in order of arrival, which is the order of time but for 2 % that come
    /// up to six hours late; at the end the coverage of both halves.
    pub fn runtime(&self) -> impl Iterator<Item = Batch> + Send + use<> {
        let source = self.source();
        let world = Arc::new(posture::World::new(self));
        let records = runtime::Runtime::new(world);
        let seen = Batches { source: source.clone(), half: "runtime", number: 0, records };
        let span = self.span();
        seen.chain(std::iter::once_with(move || coverage(source, span)))
    }
}

/// What is granted by an entitlement of the workload has this id: `WRITE@resource/000042`.
pub fn resource_id(number: u32) -> String {
    format!("resource/{number:06}")
}

/// A record of either half goes into a batch.
trait Half {
    fn put(self, batch: &mut Batch);
}

impl Half for Fact {
    fn put(self, batch: &mut Batch) {
        batch.facts.push(self);
    }
}

impl Half for Observation {
    fn put(self, batch: &mut Batch) {
        batch.observations.push(self);
    }
}

/// Cuts a stream of records into numbered batches.
struct Batches<I> {
    source: String,
    half: &'static str,
    number: u64,
    records: I,
}

impl<I: Iterator<Item: Half>> Iterator for Batches<I> {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let mut records = self.records.by_ref().take(BATCH_RECORDS).peekable();
        records.peek()?;
        let mut batch = Batch {
            source: self.source.clone(),
            batch_id: format!("{}-{:06}", self.half, self.number),
            ..Batch::default()
        };
        records.for_each(|record| record.put(&mut batch));
        self.number += 1;
        Some(batch)
    }
}

/// The source has stated and delivered everything of the span.
fn coverage(source: String, span: Interval) -> Batch {
    let fact = |kind: CoverageKind| Fact {
        subject: Subject::Coverage(kind.name().to_ascii_lowercase()),
        op: Op::Put(Value::Coverage(CoverageValue {
            kind,
            identities: Vec::new(),
            resources: Vec::new(),
            privileges: PrivilegeSet::EMPTY,
        })),
        valid_from: span.from,
        valid_to: span.to,
        until_next: false,
        event_id: String::new(),
        caused_by: String::new(),
    };
    Batch {
        source,
        batch_id: "coverage".to_owned(),
        facts: CoverageKind::ALL.iter().copied().map(fact).collect(),
        observations: Vec::new(),
    }
}

/// A moment of a span, as a share of it.
fn moment(span: Interval, share: f64) -> Instant {
    let nanos = (span.to.nanos() - span.from.nanos()) as f64 * share;
    span.from.plus(Duration::from_nanos(nanos as i64))
}

#[cfg(test)]
mod tests;
