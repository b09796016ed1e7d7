//! What the tests of this crate share: an import read whole, and the states that its facts make.
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use asof_import::Summary;
use asof_import::cloudtrail::{CloudTrail, Options};
use asof_model::{
    Batch, EdgeKind, EdgeRef, Fact, Instant, NodeKind, NodeRef, Observation, Op, State, Statement,
    StatementOp, Subject, Timeline,
};

pub struct Read {
    pub batches: Vec<Batch>,
    pub summary: Summary,
    timelines: BTreeMap<Subject, Timeline>,
}

pub fn read(paths: &[PathBuf]) -> Read {
    let mut import = CloudTrail::open(paths, Options::default()).unwrap();
    let mut batches = Vec::new();
    while let Some(batch) = import.next_batch() {
        batches.push(batch);
    }
    let progress = import.progress();
    assert_eq!(progress.bytes(), progress.bytes_total(), "both passes read every byte");
    Read::of(batches, import.summary().clone())
}

impl Read {
    /// The states that the facts make, each source's records taken once.
    pub fn of(batches: Vec<Batch>, summary: Summary) -> Self {
        let mut sources: BTreeMap<String, u32> = BTreeMap::new();
        let mut known = BTreeSet::new();
        let mut statements: BTreeMap<Subject, Vec<Statement>> = BTreeMap::new();
        for batch in &batches {
            let next = sources.len() as u32;
            let source = *sources.entry(batch.source.clone()).or_insert(next);
            for fact in &batch.facts {
                if !known.insert((source, fact.event_id.clone(), fact.subject.clone())) {
                    continue;
                }
                let op = match &fact.op {
                    Op::Put(value) => StatementOp::Put(value.clone().into()),
                    Op::Delete => StatementOp::Delete,
                    Op::End => StatementOp::End,
                };
                let (from, to, until_next, index) =
                    (fact.valid_from, fact.valid_to, fact.until_next, known.len() as u64);
                let of_subject = statements.entry(fact.subject.clone()).or_default();
                of_subject.push(Statement { index, source, op, from, to, until_next });
            }
        }
        let timelines =
            statements.into_iter().map(|(subject, all)| (subject, Timeline::resolve(&all))).collect();
        Self { batches, summary, timelines }
    }

    pub fn facts(&self) -> impl Iterator<Item = (&str, &Fact)> {
        self.batches.iter().flat_map(|batch| batch.facts.iter().map(|fact| (batch.source.as_str(), fact)))
    }

    pub fn observations(&self) -> impl Iterator<Item = &Observation> {
        self.batches.iter().flat_map(|batch| &batch.observations)
    }

    /// Every record with its source, in an order that does not depend on how they came.
    pub fn content(&self) -> BTreeSet<String> {
        let facts = self.facts().map(|(source, fact)| format!("{source} {fact:?}"));
        let seen = self
            .batches
            .iter()
            .flat_map(|batch| batch.observations.iter().map(|o| format!("{} {o:?}", batch.source)));
        facts.chain(seen).collect()
    }

    pub fn nodes(&self, kind: NodeKind) -> BTreeSet<&str> {
        let subjects = self.timelines.keys().filter_map(|subject| match subject {
            Subject::Node(node) if node.kind == kind => Some(node.id.as_str()),
            _ => None,
        });
        subjects.collect()
    }

    pub fn node(&self, kind: NodeKind, id: &str, at: &str) -> State {
        self.state(&Subject::Node(NodeRef { kind, id: id.to_owned() }), at)
    }

    pub fn edge(&self, kind: EdgeKind, from: &str, to: &str, at: &str) -> bool {
        let to_kind = kind.ends().1.unwrap();
        self.state(&Subject::Edge(EdgeRef { kind, from: from.to_owned(), to_kind, to: to.to_owned() }), at)
            .is_value()
    }

    /// The other ends of what leaves this node then.
    pub fn follow(&self, kind: EdgeKind, from: &str, at: &str) -> Vec<&str> {
        let ends = self.timelines.iter().filter_map(|(subject, timeline)| match subject {
            Subject::Edge(edge) if edge.kind == kind && edge.from == from => {
                timeline.at(instant(at)).is_value().then_some(edge.to.as_str())
            }
            _ => None,
        });
        ends.collect()
    }

    fn state(&self, subject: &Subject, at: &str) -> State {
        self.timelines.get(subject).map_or(State::Never, |timeline| timeline.at(instant(at)).clone())
    }
}

pub fn instant(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

/// A folder of the published logs beside the checkout; `None`, told, where there is none. With CI=true that
/// is a failure.
pub fn shared(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(name);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{} is absent", path.display());
    eprintln!("skipped: {} is absent", path.display());
    None
}
