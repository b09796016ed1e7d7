//! A reader over batches held in memory, for tests: the plainest one that is right.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use asof_model::{
    Batch, EdgeKind, Effect, Instant, Interval, NodeKind, Observation, Op, Outcome, PrivilegeSet, Statement,
    StatementOp, Subject, Timeline, Value,
};
use roaring::RoaringBitmap;

use crate::{
    Candidates, CoverageKey, Direction, Edge, Entitlements, Event, EventAxis, EventRange, Key, Node,
    QueryError, Reader, Recorded, Text,
};

/// The first K records of some batches.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    size: u64,
    ids: BTreeMap<NodeKind, Vec<Arc<str>>>,
    nodes: BTreeMap<(NodeKind, String), Node>,
    appearance: BTreeMap<Node, u64>,
    discovered: BTreeMap<Node, Instant>,
    texts: Vec<Arc<str>>,
    statements: BTreeMap<Key, Vec<Recorded<Statement>>>,
    keys: Vec<Key>,
    neighbours: BTreeMap<(EdgeKind, Node, Direction), BTreeSet<Node>>,
    coverages: Vec<CoverageKey>,
    events: Vec<Event>,
    observations: BTreeMap<u64, Recorded<Observation>>,
    /// Nothing is sure: all that may be is left to a closer look.
    pub vague: bool,
    /// After so many checks the caller has gone.
    pub checks_max: Option<u64>,
    checks: AtomicU64,
    /// How many timelines were read.
    pub timelines: AtomicU64,
    /// How many events were visited.
    pub visited: AtomicU64,
}

impl Memory {
    pub(crate) fn of(batches: &[Batch], size: u64) -> Self {
        let mut memory = Self::default();
        let (mut sent, mut told) = (BTreeSet::new(), BTreeSet::new());
        let mut sources: Vec<&str> = Vec::new();
        for batch in batches {
            if !batch.batch_id.is_empty() && !sent.insert((&batch.source, &batch.batch_id)) {
                continue;
            }
            let number = sources.iter().position(|source| *source == batch.source).unwrap_or(sources.len());
            if number == sources.len() {
                sources.push(&batch.source);
            }
            for fact in &batch.facts {
                let key = (&batch.source, &fact.event_id, Some(&fact.subject));
                if memory.size < size && (fact.event_id.is_empty() || told.insert(key)) {
                    memory.fact(&batch.source, number as u32, fact);
                }
            }
            for seen in &batch.observations {
                let key = (&batch.source, &seen.event_id, None);
                if memory.size < size && (seen.event_id.is_empty() || told.insert(key)) {
                    memory.saw(&batch.source, seen);
                }
            }
        }
        memory.events.sort_by_key(|event| (event.time, event.index));
        memory
    }

    fn node(&mut self, kind: NodeKind, id: &str) -> Node {
        if let Some(node) = self.nodes.get(&(kind, id.to_owned())) {
            return *node;
        }
        let ids = self.ids.entry(kind).or_default();
        let node = Node { kind, ordinal: ids.len() as u32 };
        ids.push(Arc::from(id));
        self.appearance.insert(node, self.nodes.len() as u64);
        self.nodes.insert((kind, id.to_owned()), node);
        node
    }

    fn named(&mut self, kind: NodeKind, id: &str) -> Option<u32> {
        (!id.is_empty()).then(|| self.node(kind, id).ordinal)
    }

    fn interned(&mut self, text: &str) -> Option<Text> {
        if text.is_empty() {
            return None;
        }
        let place = self.texts.iter().position(|known| **known == *text).unwrap_or(self.texts.len());
        if place == self.texts.len() {
            self.texts.push(Arc::from(text));
        }
        Some(Text(place as u32))
    }

    fn discover(&mut self, node: Node, at: Instant) {
        let since = self.discovered.entry(node).or_insert(at);
        *since = at.min(*since);
    }

    fn fact(&mut self, source: &str, number: u32, fact: &asof_model::Fact) {
        let key = match &fact.subject {
            Subject::Node(node) => Key::Node(self.node(node.kind, &node.id)),
            Subject::Edge(edge) => {
                let (from, to) = (self.node(edge.from_kind(), &edge.from), self.node(edge.to_kind, &edge.to));
                self.neighbours.entry((edge.kind, from, Direction::Out)).or_default().insert(to);
                self.neighbours.entry((edge.kind, to, Direction::In)).or_default().insert(from);
                if matches!(fact.op, Op::Put(_)) {
                    self.discover(from, fact.valid_from);
                    self.discover(to, fact.valid_from);
                }
                Key::Edge(Edge { kind: edge.kind, from, to })
            }
            Subject::Coverage(scope) => {
                let known = self.coverages.iter().find(|(_, by, of)| **by == *source && **of == **scope);
                let ordinal = known.map_or(self.coverages.len() as u32, |(ordinal, _, _)| *ordinal);
                if ordinal as usize == self.coverages.len() {
                    self.coverages.push((ordinal, Arc::from(source), Arc::from(scope.as_str())));
                }
                Key::Coverage(ordinal)
            }
        };
        if !self.statements.contains_key(&key) && !matches!(key, Key::Coverage(_)) {
            self.keys.push(key);
        }
        let op = match &fact.op {
            Op::Put(value) => StatementOp::Put(Arc::new(value.clone())),
            Op::Delete => StatementOp::Delete,
            Op::End => StatementOp::End,
        };
        let record = Statement {
            index: self.size,
            source: number,
            op,
            from: fact.valid_from,
            to: fact.valid_to,
            until_next: fact.until_next,
        };
        self.record(source, record, key);
    }

    fn record(&mut self, source: &str, record: Statement, key: Key) {
        let recorded =
            Recorded { recorded_at: Instant::from_nanos(self.size as i64), source: source.into(), record };
        self.statements.entry(key).or_default().push(recorded);
        self.size += 1;
    }

    fn saw(&mut self, source: &str, seen: &Observation) {
        for (kind, id) in seen.nodes() {
            let node = self.node(kind, id);
            self.discover(node, seen.time);
        }
        let event = Event {
            time: seen.time,
            index: self.size,
            identity: self.node(NodeKind::Identity, &seen.identity).ordinal,
            actor: self.named(NodeKind::Identity, &seen.actor),
            secret: self.named(NodeKind::Secret, &seen.secret),
            workload: self.named(NodeKind::Workload, &seen.workload),
            resource: self.named(NodeKind::Resource, &seen.resource),
            action: self.interned(&seen.action),
            region: self.interned(&seen.region),
            source_ip: self.interned(&seen.source_ip),
            privilege: seen.privilege,
            outcome: seen.outcome,
            explained: !seen.granted_by.is_empty(),
        };
        self.events.push(event);
        let recorded_at = Instant::from_nanos(self.size as i64);
        let recorded = Recorded { recorded_at, source: source.into(), record: seen.clone() };
        self.observations.insert(self.size, recorded);
        self.size += 1;
    }

    /// Whether a state in the interval satisfies `is`.
    fn sometime(&self, key: Key, during: Interval, is: impl Fn(Option<&Value>) -> bool) -> Vec<Interval> {
        let timeline = self.resolved(key);
        let pieces = timeline.pieces();
        let mut found = Vec::new();
        for (place, piece) in pieces.iter().enumerate() {
            let to = pieces.get(place + 1).map_or(Instant::FOREVER, |next| next.from);
            let within = Interval::new(piece.from.max(during.from), to.min(during.to));
            if is(piece.state.value().map(|value| &**value)) {
                found.extend(within);
            }
        }
        found
    }

    fn resolved(&self, key: Key) -> Timeline {
        let statements: Vec<Statement> =
            self.statements.get(&key).into_iter().flatten().map(|each| each.record.clone()).collect();
        Timeline::resolve(&statements)
    }

    fn candidates(&self, found: RoaringBitmap) -> Candidates {
        if self.vague {
            Candidates { sure: RoaringBitmap::new(), maybe: found }
        } else {
            Candidates { sure: found, maybe: RoaringBitmap::new() }
        }
    }

    /// Every (identity, entitlement) of a HOLDS edge ever.
    fn holdings(&self) -> impl Iterator<Item = (Node, Node)> {
        self.keys.iter().filter_map(|key| match key {
            Key::Edge(edge) if edge.kind == EdgeKind::Holds => Some((edge.from, edge.to)),
            _ => None,
        })
    }
}

impl Reader for Memory {
    fn size(&self) -> u64 {
        self.size
    }

    fn count(&self, kind: NodeKind) -> Result<u32, QueryError> {
        Ok(self.ids.get(&kind).map_or(0, Vec::len) as u32)
    }

    fn lookup(&self, kind: NodeKind, id: &str) -> Result<Option<Node>, QueryError> {
        Ok(self.nodes.get(&(kind, id.to_owned())).copied())
    }

    fn id(&self, node: Node) -> Result<Arc<str>, QueryError> {
        let id = self.ids.get(&node.kind).and_then(|ids| ids.get(node.ordinal as usize));
        id.cloned().ok_or_else(|| QueryError::Storage(format!("no such node: {node:?}")))
    }

    fn appearance(&self, node: Node) -> Result<u64, QueryError> {
        Ok(self.appearance.get(&node).copied().unwrap_or(u64::MAX))
    }

    fn discovered(&self, node: Node) -> Result<Option<Instant>, QueryError> {
        Ok(self.discovered.get(&node).copied())
    }

    fn named(&self, text: &str) -> Result<Option<Text>, QueryError> {
        Ok(self.texts.iter().position(|each| **each == *text).map(|place| Text(place as u32)))
    }

    fn text(&self, text: Text) -> Result<Arc<str>, QueryError> {
        let found = self.texts.get(text.0 as usize).cloned();
        found.ok_or_else(|| QueryError::Storage(format!("no such text: {text:?}")))
    }

    fn timeline(&self, key: Key) -> Result<Arc<Timeline>, QueryError> {
        self.timelines.fetch_add(1, Relaxed);
        Ok(Arc::new(self.resolved(key)))
    }

    fn statements(&self, key: Key) -> Result<Vec<Recorded<Statement>>, QueryError> {
        Ok(self.statements.get(&key).cloned().unwrap_or_default())
    }

    fn neighbours(
        &self,
        kind: EdgeKind,
        node: Node,
        direction: Direction,
    ) -> Result<Arc<[Node]>, QueryError> {
        Ok(self.neighbours.get(&(kind, node, direction)).into_iter().flatten().copied().collect())
    }

    fn coverages(&self) -> Result<Arc<[CoverageKey]>, QueryError> {
        Ok(self.coverages.clone().into())
    }

    fn keys(&self) -> Result<Vec<Key>, QueryError> {
        Ok(self.keys.clone())
    }

    fn events(
        &self,
        axis: EventAxis,
        range: EventRange,
        backwards: bool,
        visit: &mut dyn FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<(), QueryError> {
        let within = self.events.iter().filter(|event| range.contains(event) && axis.has(event));
        let mut found: Vec<&Event> = within.collect();
        if backwards {
            found.reverse();
        }
        for event in found {
            self.visited.fetch_add(1, Relaxed);
            if visit(event).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn observation(&self, index: u64) -> Result<Recorded<Observation>, QueryError> {
        let found = self.observations.get(&index).cloned();
        found.ok_or_else(|| QueryError::Storage(format!("no observation at {index}")))
    }

    fn direct_holders(&self, privileges: PrivilegeSet, during: Interval) -> Result<Candidates, QueryError> {
        let mut found = RoaringBitmap::new();
        for (from, to) in self.holdings() {
            let edge = Key::Edge(Edge { kind: EdgeKind::Holds, from, to });
            for stretch in self.sometime(edge, during, |value| value.is_some()) {
                for stretch in self.sometime(Key::Node(to), stretch, |value| {
                    let said = value.and_then(Value::entitlement);
                    said.is_some_and(|said| {
                        said.effect == Effect::Allow && said.privileges.intersects(privileges)
                    })
                }) {
                    let holder = self.resolved(Key::Node(from));
                    let moments = std::iter::once(stretch.from).chain(holder.bounds());
                    if moments
                        .filter(|at| stretch.contains(*at))
                        .any(|at| *holder.at(at) != asof_model::State::Deleted)
                    {
                        found.insert(from.ordinal);
                    }
                }
            }
        }
        Ok(self.candidates(found))
    }

    fn matching(&self, resource: &str) -> Result<Option<Entitlements>, QueryError> {
        let mut found: Vec<(u32, u64)> = Vec::new();
        for (key, said) in &self.statements {
            let Key::Node(node) = key else { continue };
            let first = said.iter().find(|each| match &each.record.op {
                StatementOp::Put(value) => value.entitlement().is_some_and(|said| {
                    said.scopes.iter().any(|scope| asof_model::glob_matches(scope, resource))
                }),
                _ => false,
            });
            found.extend(first.map(|first| (node.ordinal, first.record.index)));
        }
        found.sort_unstable();
        Ok(Some(found.into()))
    }

    fn ever_ended(&self, kind: NodeKind) -> Result<Option<Arc<RoaringBitmap>>, QueryError> {
        let ended = self.statements.iter().filter_map(|(key, said)| match key {
            Key::Node(node) if node.kind == kind => {
                let ends = said.iter().any(|each| !matches!(each.record.op, StatementOp::Put(_)));
                ends.then_some(node.ordinal)
            }
            _ => None,
        });
        Ok(Some(Arc::new(ended.collect())))
    }

    fn entangled(&self, privileges: PrivilegeSet) -> Result<RoaringBitmap, QueryError> {
        let mut found = RoaringBitmap::new();
        for (from, to) in self.holdings() {
            let denies =
                self.statements.get(&Key::Node(to)).into_iter().flatten().any(|each| match &each.record.op {
                    StatementOp::Put(value) => value.entitlement().is_some_and(|said| {
                        said.effect == Effect::Deny && said.privileges.intersects(privileges)
                    }),
                    _ => false,
                });
            if denies {
                found.insert(from.ordinal);
            }
        }
        for key in &self.keys {
            if let Key::Edge(edge) = key
                && edge.kind == EdgeKind::MemberOf
            {
                found.insert(edge.from.ordinal);
            }
        }
        Ok(found)
    }

    fn users(
        &self,
        privileges: PrivilegeSet,
        outcomes: &[Outcome],
        during: Interval,
    ) -> Result<Candidates, QueryError> {
        let used = self.events.iter().filter(|event| {
            during.contains(event.time)
                && privileges.contains(event.privilege)
                && outcomes.contains(&event.outcome)
        });
        Ok(self.candidates(used.map(|event| event.identity).collect()))
    }

    fn check(&self) -> Result<(), QueryError> {
        let checks = self.checks.fetch_add(1, Relaxed);
        if self.checks_max.is_some_and(|most| checks >= most) { Err(QueryError::Cancelled) } else { Ok(()) }
    }
}
