//! A reader over records in memory: the query crate's evaluation held against the naive model, without storage.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use asof_model::{
    EdgeKind, Effect, Instant, Interval, NodeKind, NodeRef, Observation, Op, Outcome, PrivilegeSet,
    RecordBody, Statement, StatementOp, Timeline, Value,
};
use asof_query::{
    Candidates, CoverageKey, Direction, Edge, Event, EventAxis, EventRange, Key as OrdinalKey, Node,
    QueryError, Reader, Recorded, Text,
};

use roaring::RoaringBitmap;

use crate::naive::{Key, Known, Ledger, glob};

/// A ledger's first K records, by ordinals.
#[derive(Debug)]
pub struct Memory {
    ledger: Arc<Ledger>,
    size: u64,
    nodes: BTreeMap<NodeRef, (Node, u64)>,
    ids: BTreeMap<Node, Arc<str>>,
    texts: Vec<Arc<str>>,
    coverages: Arc<[CoverageKey]>,
    keys: Vec<(Key, OrdinalKey)>,
    statements: BTreeMap<OrdinalKey, Vec<Recorded<Statement>>>,
    events: Vec<Event>,
    /// How many of the candidates it leaves to the query: none, all that match, or everybody.
    loose: u64,
}

impl Memory {
    /// The first K records. `loose`: which of the right sets of candidates it gives.
    pub fn new(ledger: &Arc<Ledger>, size: u64, loose: u64) -> Self {
        let known = Known::new(ledger, size);
        let mut nodes: BTreeMap<NodeRef, (Node, u64)> = BTreeMap::new();
        for (place, named) in known.named.iter().enumerate() {
            let ordinal = nodes.keys().filter(|other| other.kind == named.kind).count() as u32;
            nodes.insert(named.clone(), (Node { kind: named.kind, ordinal }, place as u64));
        }
        let ids = nodes.iter().map(|(named, (node, _))| (*node, Arc::from(named.id.as_str()))).collect();
        let mut coverages: Vec<CoverageKey> = Vec::new();
        let mut keys = Vec::new();
        for key in &known.keys {
            let ordinal = match key {
                Key::Node(named) => OrdinalKey::Node(nodes[named].0),
                Key::Edge(edge) => {
                    let ends = key.nodes();
                    OrdinalKey::Edge(Edge { kind: edge.kind, from: nodes[&ends[0]].0, to: nodes[&ends[1]].0 })
                }
                Key::Coverage(source, scope) => {
                    let ordinal = coverages.len() as u32;
                    coverages.push((ordinal, source.as_str().into(), scope.as_str().into()));
                    OrdinalKey::Coverage(ordinal)
                }
            };
            keys.push((key.clone(), ordinal));
        }
        let mut memory = Self {
            ledger: Arc::clone(ledger),
            size,
            nodes,
            ids,
            texts: Vec::new(),
            coverages: coverages.into(),
            keys,
            statements: BTreeMap::new(),
            events: Vec::new(),
            loose,
        };
        memory.state(&known);
        for seen in &known.seen {
            let event = memory.event(seen.index, seen.what);
            memory.events.push(event);
        }
        memory
    }

    fn state(&mut self, known: &Known<'_>) {
        let mut sources: Vec<&str> = Vec::new();
        for stated in &known.facts {
            let source = sources.iter().position(|each| *each == stated.source).unwrap_or_else(|| {
                sources.push(stated.source);
                sources.len() - 1
            });
            let op = match &stated.fact.op {
                Op::Put(value) => StatementOp::Put(Arc::new(value.clone())),
                Op::Delete => StatementOp::Delete,
                Op::End => StatementOp::End,
            };
            let record = Statement {
                index: stated.index,
                source: source as u32,
                op,
                from: stated.fact.valid_from,
                to: stated.fact.valid_to,
                until_next: stated.fact.until_next,
            };
            let recorded_at = Instant::from_nanos(stated.batch as i64);
            let recorded = Recorded { recorded_at, source: stated.source.into(), record };
            if let Some((_, key)) = self.keys.iter().find(|(key, _)| *key == stated.key) {
                self.statements.entry(*key).or_default().push(recorded);
            }
        }
    }

    fn event(&mut self, index: u64, what: &Observation) -> Event {
        let node = |kind, id: &str| {
            let named = NodeRef { kind, id: id.to_owned() };
            self.nodes.get(&named).map(|(node, _)| node.ordinal)
        };
        let (identity, actor) =
            (node(NodeKind::Identity, &what.identity), node(NodeKind::Identity, &what.actor));
        let (secret, workload) =
            (node(NodeKind::Secret, &what.secret), node(NodeKind::Workload, &what.workload));
        let resource = node(NodeKind::Resource, &what.resource);
        let mut text = |text: &str| {
            (!text.is_empty()).then(|| {
                let place = self.texts.iter().position(|each| **each == *text).unwrap_or_else(|| {
                    self.texts.push(text.into());
                    self.texts.len() - 1
                });
                Text(place as u32)
            })
        };
        Event {
            time: what.time,
            index,
            identity: identity.unwrap_or(u32::MAX),
            actor,
            secret,
            workload,
            resource,
            action: text(&what.action),
            region: text(&what.region),
            source_ip: text(&what.source_ip),
            privilege: what.privilege,
            outcome: what.outcome,
            explained: !what.granted_by.is_empty(),
        }
    }

    fn candidates(&self, matching: RoaringBitmap) -> Candidates {
        let everybody: RoaringBitmap = (0..self.nodes.len() as u32).collect();
        match self.loose % 3 {
            0 => Candidates { sure: matching, maybe: RoaringBitmap::new() },
            1 => Candidates { sure: RoaringBitmap::new(), maybe: matching },
            _ => Candidates { maybe: everybody - &matching, sure: matching },
        }
    }
}

impl Reader for Memory {
    fn size(&self) -> u64 {
        self.size
    }

    fn count(&self, kind: NodeKind) -> Result<u32, QueryError> {
        Ok(self.nodes.keys().filter(|each| each.kind == kind).count() as u32)
    }

    fn lookup(&self, kind: NodeKind, id: &str) -> Result<Option<Node>, QueryError> {
        Ok(self.nodes.get(&NodeRef { kind, id: id.to_owned() }).map(|(node, _)| *node))
    }

    fn id(&self, node: Node) -> Result<Arc<str>, QueryError> {
        Ok(Arc::clone(&self.ids[&node]))
    }

    fn appearance(&self, node: Node) -> Result<u64, QueryError> {
        let found = self.nodes.values().find(|(each, _)| *each == node);
        found.map(|(_, place)| *place).ok_or_else(|| QueryError::Storage("no such node".to_owned()))
    }

    fn discovered(&self, node: Node) -> Result<Option<Instant>, QueryError> {
        let id = &*self.ids[&node];
        let is = |(kind, named): (NodeKind, &str)| kind == node.kind && named == id;
        let entries = self.ledger.entries.iter().take(self.size as usize);
        let times = entries.filter_map(|entry| match &entry.body {
            RecordBody::Fact(fact) => {
                let edge =
                    matches!(fact.subject, asof_model::Subject::Edge(_)) && matches!(fact.op, Op::Put(_));
                (edge && fact.nodes().any(is)).then_some(fact.valid_from)
            }
            RecordBody::Observation(seen) => seen.nodes().any(is).then_some(seen.time),
        });
        Ok(times.min())
    }

    fn named(&self, text: &str) -> Result<Option<Text>, QueryError> {
        Ok(self.texts.iter().position(|each| **each == *text).map(|place| Text(place as u32)))
    }

    fn text(&self, text: Text) -> Result<Arc<str>, QueryError> {
        Ok(Arc::clone(&self.texts[text.0 as usize]))
    }

    fn timeline(&self, key: OrdinalKey) -> Result<Arc<Timeline>, QueryError> {
        let statements: Vec<_> = self.statements(key)?.into_iter().map(|each| each.record).collect();
        Ok(Arc::new(Timeline::resolve(&statements)))
    }

    fn statements(&self, key: OrdinalKey) -> Result<Vec<Recorded<Statement>>, QueryError> {
        Ok(self.statements.get(&key).cloned().unwrap_or_default())
    }

    fn neighbours(
        &self,
        kind: EdgeKind,
        node: Node,
        direction: Direction,
    ) -> Result<Arc<[Node]>, QueryError> {
        let ends = self.keys.iter().filter_map(|(_, key)| match (key, direction) {
            (OrdinalKey::Edge(edge), Direction::Out) if edge.kind == kind && edge.from == node => {
                Some(edge.to)
            }
            (OrdinalKey::Edge(edge), Direction::In) if edge.kind == kind && edge.to == node => {
                Some(edge.from)
            }
            _ => None,
        });
        Ok(ends.collect())
    }

    fn coverages(&self) -> Result<Arc<[CoverageKey]>, QueryError> {
        Ok(Arc::clone(&self.coverages))
    }

    fn keys(&self) -> Result<Vec<OrdinalKey>, QueryError> {
        Ok(self
            .keys
            .iter()
            .map(|(_, key)| *key)
            .filter(|key| !matches!(key, OrdinalKey::Coverage(_)))
            .collect())
    }

    fn events(
        &self,
        axis: EventAxis,
        range: EventRange,
        backwards: bool,
        visit: &mut dyn FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<(), QueryError> {
        let wanted = |event: &&Event| range.contains(event) && axis.has(event);
        let mut found: Vec<_> = self.events.iter().filter(wanted).collect();
        if backwards {
            found.reverse();
        }
        for event in found {
            if visit(event).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn observation(&self, index: u64) -> Result<Recorded<Observation>, QueryError> {
        match self.ledger.entries.get(index as usize).map(|entry| (&entry.source, &entry.body)) {
            Some((source, RecordBody::Observation(seen))) => Ok(Recorded {
                recorded_at: Instant::from_nanos(0),
                source: source.as_str().into(),
                record: (**seen).clone(),
            }),
            _ => Err(QueryError::Storage(format!("no observation at {index}"))),
        }
    }

    fn direct_holders(&self, privileges: PrivilegeSet, during: Interval) -> Result<Candidates, QueryError> {
        let mut found = RoaringBitmap::new();
        for (_, key) in &self.keys {
            let OrdinalKey::Edge(edge) = key else { continue };
            if edge.kind != EdgeKind::Holds {
                continue;
            }
            let three = [*key, OrdinalKey::Node(edge.from), OrdinalKey::Node(edge.to)];
            let [held, holder, said] = three.map(|key| self.timeline(key));
            let (held, holder, said) = (held?, holder?, said?);
            let bounds =
                held.bounds().chain(holder.bounds()).chain(said.bounds()).filter(|at| during.contains(*at));
            let so = |at: Instant| {
                let gives = |value: &Arc<Value>| {
                    value.entitlement().is_some_and(|said| {
                        said.effect == Effect::Allow
                            && said.privileges.iter().any(|each| privileges.contains(each))
                    })
                };
                held.value_at(at).is_some()
                    && *holder.at(at) != asof_model::State::Deleted
                    && said.value_at(at).is_some_and(gives)
            };
            if std::iter::once(during.from).chain(bounds).any(so) {
                found.insert(edge.from.ordinal);
            }
        }
        Ok(self.candidates(found))
    }

    fn matching(&self, resource: &str) -> Result<Option<asof_query::Entitlements>, QueryError> {
        let matches = |each: &&Recorded<Statement>| match &each.record.op {
            StatementOp::Put(value) => value
                .entitlement()
                .is_some_and(|said| said.scopes.iter().any(|scope| glob::matches(scope, resource))),
            _ => false,
        };
        let mut found: Vec<(u32, u64)> = Vec::new();
        for (key, said) in &self.statements {
            if let OrdinalKey::Node(node) = key
                && let Some(first) = said.iter().find(matches)
            {
                found.push((node.ordinal, first.record.index));
            }
        }
        found.sort_unstable();
        Ok(self.loose.is_multiple_of(2).then(|| found.into()))
    }

    fn entangled(&self, privileges: PrivilegeSet) -> Result<RoaringBitmap, QueryError> {
        let denies = |node: Node| {
            let said = self.statements.get(&OrdinalKey::Node(node));
            said.into_iter().flatten().any(|each| match &each.record.op {
                StatementOp::Put(value) => value.entitlement().is_some_and(|said| {
                    said.effect == Effect::Deny
                        && said.privileges.iter().any(|each| privileges.contains(each))
                }),
                _ => false,
            })
        };
        let entangled = self.keys.iter().filter_map(|(_, key)| match key {
            OrdinalKey::Edge(edge) if edge.kind == EdgeKind::MemberOf => Some(edge.from.ordinal),
            OrdinalKey::Edge(edge) if edge.kind == EdgeKind::Holds && denies(edge.to) => {
                Some(edge.from.ordinal)
            }
            _ => None,
        });
        Ok(entangled.collect())
    }

    fn users(
        &self,
        privileges: PrivilegeSet,
        outcomes: &[Outcome],
        during: Interval,
    ) -> Result<Candidates, QueryError> {
        let wanted = |event: &&Event| {
            privileges.contains(event.privilege)
                && outcomes.contains(&event.outcome)
                && during.contains(event.time)
        };
        Ok(self.candidates(self.events.iter().filter(wanted).map(|event| event.identity).collect()))
    }

    fn check(&self) -> Result<(), QueryError> {
        Ok(())
    }
}
