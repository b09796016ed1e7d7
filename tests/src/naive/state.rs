//! Timeline, Sources together, Exists, In force.

use std::collections::BTreeMap;

use asof_model::{
    Attributes, CoverageValue, EdgeKind, EntitlementValue, Fact, Instant, NodeKind, NodeRef, Op, RecordBody,
    SecretValue, Value,
};

use super::ledger::{Entry, Key, Ledger, first_end, second_end};
use super::seen::Seen;

/// A fact as recorded.
#[derive(Debug, Clone)]
pub struct Stated<'a> {
    /// Ledger index.
    pub index: u64,
    /// Which collector.
    pub source: &'a str,
    /// How many batches came before its own.
    pub batch: u64,
    /// What it speaks of.
    pub key: Key,
    /// What it says.
    pub fact: &'a Fact,
}

/// What all sources together state of a key; only what is of its kind is ever set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Merged {
    /// Name.
    pub name: String,
    /// Type.
    pub node_type: String,
    /// Attributes.
    pub attributes: Attributes,
    /// Of an entitlement.
    pub entitlement: Option<EntitlementValue>,
    /// Of a secret.
    pub secret: Option<SecretValue>,
    /// Of a coverage.
    pub coverage: Option<CoverageValue>,
}

/// A key's state at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Never stated.
    Never,
    /// Deleted.
    Deleted,
    /// A value.
    Value(Box<Merged>),
}

/// The first K records.
#[derive(Debug)]
pub struct Known<'a> {
    /// Facts in ledger order.
    pub facts: Vec<Stated<'a>>,
    /// Observations by (time, ledger index).
    pub seen: Vec<Seen<'a>>,
    /// Every node that is named, by first appearance.
    pub named: Vec<NodeRef>,
    /// Every key on which there is a fact, by first fact.
    pub keys: Vec<Key>,
    /// Every moment at which a fact's interval begins or ends, earliest first.
    pub bounds: Vec<Instant>,
    appeared: BTreeMap<NodeRef, usize>,
}

impl<'a> Known<'a> {
    /// Of a ledger's first `size` records.
    pub fn new(ledger: &'a Ledger, size: u64) -> Self {
        let mut known = Self {
            facts: Vec::new(),
            seen: Vec::new(),
            named: Vec::new(),
            keys: Vec::new(),
            bounds: Vec::new(),
            appeared: BTreeMap::new(),
        };
        for (index, entry) in ledger.entries.iter().enumerate().take(size as usize) {
            known.take(index as u64, entry);
        }
        known.seen.sort_by_key(|seen| (seen.what.time, seen.index));
        known.bounds.sort_unstable();
        known.bounds.dedup();
        known
    }

    fn take(&mut self, index: u64, entry: &'a Entry) {
        let nodes = match &entry.body {
            RecordBody::Fact(fact) => {
                let key = Key::of(&entry.source, &fact.subject);
                let nodes = key.nodes();
                if !self.keys.contains(&key) {
                    self.keys.push(key.clone());
                }
                self.bounds.push(fact.valid_from);
                if fact.valid_to != Instant::FOREVER {
                    self.bounds.push(fact.valid_to);
                }
                self.facts.push(Stated { index, source: &entry.source, batch: entry.batch, key, fact });
                nodes
            }
            RecordBody::Observation(what) => {
                let seen = Seen { index, source: &entry.source, what };
                let nodes = seen.nodes();
                self.seen.push(seen);
                nodes
            }
        };
        for node in nodes {
            if !self.appeared.contains_key(&node) {
                self.appeared.insert(node.clone(), self.named.len());
                self.named.push(node);
            }
        }
    }

    /// A node's place in the order of first appearance.
    pub fn place(&self, node: &NodeRef) -> usize {
        self.appeared.get(node).copied().unwrap_or(usize::MAX)
    }

    /// By first appearance.
    pub fn ordered(&self, mut nodes: Vec<NodeRef>) -> Vec<NodeRef> {
        nodes.sort_by_key(|node| self.place(node));
        nodes
    }

    /// A fact told by an event log yields where its source's next statement on the key, by valid time, begins.
    fn until(&self, stated: &Stated<'_>) -> Instant {
        if !stated.fact.until_next {
            return stated.fact.valid_to;
        }
        self.facts
            .iter()
            .filter(|other| other.key == stated.key && other.source == stated.source)
            .map(|other| other.fact.valid_from)
            .filter(|begin| *begin > stated.fact.valid_from)
            .min()
            .unwrap_or(Instant::FOREVER)
    }

    /// Each source's ruling on the key at t, oldest first: by valid_from, then ledger index.
    pub fn rulings(&self, key: &Key, t: Instant) -> Vec<&Stated<'a>> {
        let mut of_source: BTreeMap<&str, &Stated<'a>> = BTreeMap::new();
        for stated in &self.facts {
            if stated.key == *key && stated.fact.valid_from <= t && t < self.until(stated) {
                of_source.insert(stated.source, stated); // the later in the ledger wins
            }
        }
        let mut rulings: Vec<_> = of_source.into_values().collect();
        rulings.sort_by_key(|stated| (stated.fact.valid_from, stated.index));
        rulings
    }

    /// The newest ruling that is no END, or where all are ENDs the newest of them.
    pub fn ruling(&self, key: &Key, t: Instant) -> Option<&Stated<'a>> {
        let rulings = self.rulings(key, t);
        rulings.iter().rev().find(|stated| stated.fact.op != Op::End).or(rulings.last()).copied()
    }

    /// state(key, T, K).
    pub fn state(&self, key: &Key, t: Instant) -> State {
        let rulings = self.rulings(key, t);
        if rulings.is_empty() {
            return State::Never;
        }
        let speaking: Vec<_> = rulings.into_iter().filter(|stated| stated.fact.op != Op::End).collect();
        if speaking.last().is_none_or(|stated| stated.fact.op == Op::Delete) {
            return State::Deleted;
        }
        let mut merged = Merged::default();
        for stated in speaking.into_iter().rev() {
            match &stated.fact.op {
                Op::Put(value) => fill(&mut merged, value), // from the newest on: only what is not yet given
                Op::Delete | Op::End => break,
            }
        }
        if matches!(key, Key::Node(node) if node.kind == NodeKind::Secret) {
            merged.secret.get_or_insert_default();
        }
        State::Value(Box::new(merged))
    }

    /// The value, where it has one.
    pub fn value(&self, key: &Key, t: Instant) -> Option<Merged> {
        match self.state(key, t) {
            State::Value(merged) => Some(*merged),
            _ => None,
        }
    }

    /// The value of a node, where it has one.
    pub fn node_value(&self, node: &NodeRef, t: Instant) -> Option<Merged> {
        self.value(&Key::Node(node.clone()), t)
    }

    /// The node is deleted at t.
    pub fn deleted(&self, node: &NodeRef, t: Instant) -> bool {
        self.state(&Key::Node(node.clone()), t) == State::Deleted
    }

    /// Named by a PUT of an edge that begins by t, or by an observation of t or earlier.
    fn discovered(&self, node: &NodeRef, t: Instant) -> bool {
        self.facts.iter().any(|stated| {
            matches!(stated.key, Key::Edge(_))
                && matches!(stated.fact.op, Op::Put(_))
                && stated.fact.valid_from <= t
                && stated.key.nodes().contains(node)
        }) || self.seen.iter().any(|seen| seen.what.time <= t && seen.nodes().contains(node))
    }

    /// The node exists at t.
    pub fn exists(&self, node: &NodeRef, t: Instant) -> bool {
        match self.state(&Key::Node(node.clone()), t) {
            State::Value(_) => true,
            State::Never => self.discovered(node, t),
            State::Deleted => false,
        }
    }

    /// What exists of a kind, and where asked for what is deleted, by first appearance.
    pub fn existing(&self, kind: NodeKind, t: Instant, include_deleted: bool) -> Vec<NodeRef> {
        let listed = |node: &&NodeRef| self.exists(node, t) || include_deleted && self.deleted(node, t);
        self.named.iter().filter(|node| node.kind == kind).filter(listed).cloned().collect()
    }

    /// The edge is in force at t.
    pub fn in_force(&self, key: &Key, t: Instant) -> bool {
        self.value(key, t).is_some() && key.nodes().iter().all(|end| !self.deleted(end, t))
    }

    /// Where edges of a kind in force lead from a node.
    pub fn to(&self, kind: EdgeKind, from: &NodeRef, t: Instant) -> Vec<NodeRef> {
        let ends = self.keys.iter().filter_map(|key| match key {
            Key::Edge(edge) if edge.kind == kind && first_end(edge) == *from && self.in_force(key, t) => {
                Some(second_end(edge))
            }
            _ => None,
        });
        self.ordered(ends.collect())
    }

    /// Where edges of a kind in force that lead to a node come from.
    pub fn back(&self, kind: EdgeKind, to: &NodeRef, t: Instant) -> Vec<NodeRef> {
        let ends = self.keys.iter().filter_map(|key| match key {
            Key::Edge(edge) if edge.kind == kind && second_end(edge) == *to && self.in_force(key, t) => {
                Some(first_end(edge))
            }
            _ => None,
        });
        self.ordered(ends.collect())
    }

    /// The start and the bounds within the window: every moment of it has the state of one of these.
    pub fn moments(&self, from: Instant, to: Instant) -> Vec<Instant> {
        let within = self.bounds.iter().copied().filter(|bound| from < *bound && *bound < to);
        std::iter::once(from).chain(within).collect()
    }

    /// The stretches of one state of a key, earliest first, without those never stated.
    pub fn versions(&self, key: &Key) -> Vec<(Instant, Instant, State)> {
        let mut found: Vec<(Instant, Instant, State)> = Vec::new();
        for (place, &from) in self.bounds.iter().enumerate() {
            let to = self.bounds.get(place + 1).copied().unwrap_or(Instant::FOREVER);
            let state = self.state(key, from);
            match found.last_mut() {
                Some(last) if last.1 == from && last.2 == state => last.1 = to,
                _ if state == State::Never => {}
                _ => found.push((from, to, state)),
            }
        }
        found
    }
}

/// Takes from an older statement each member that no newer one gives.
fn fill(merged: &mut Merged, older: &Value) {
    match older {
        Value::Node(said) => {
            if merged.name.is_empty() {
                merged.name.clone_from(&said.name);
            }
            if merged.node_type.is_empty() {
                merged.node_type.clone_from(&said.node_type);
            }
            for (key, value) in &said.attributes {
                merged.attributes.entry(key.clone()).or_insert_with(|| value.clone());
            }
            if merged.entitlement.is_none() {
                merged.entitlement.clone_from(&said.entitlement);
            }
            if merged.secret.is_none() {
                merged.secret = said.secret;
            }
        }
        Value::Edge(attributes) => {
            for (key, value) in attributes {
                merged.attributes.entry(key.clone()).or_insert_with(|| value.clone());
            }
        }
        Value::Coverage(said) => {
            if merged.coverage.is_none() {
                merged.coverage = Some(said.clone());
            }
        }
    }
}
