//! What the words mean, on small worlds; and that it does not matter how a question is answered.
#![expect(clippy::unwrap_used, reason = "tests")]

mod behind;
mod drift;
mod holding;
mod plans;
mod presence;
mod reach;
mod walks;
mod work;

use std::sync::Arc;

use asof_model::{
    Batch, CoverageKind, CoverageValue, EdgeKind, EdgeRef, Effect, EntitlementValue, Fact, Instant, NodeKind,
    NodeRef, NodeValue, Observation, Op, Privilege, PrivilegeSet, Subject, Value,
};

use crate::memory::Memory;
use crate::{IdentityOrder, IdentityWhere, Known, Node, TextMatch, Window};

/// The start of a day, counted from 1970.
fn day(day: i64) -> Instant {
    Instant::from_nanos(day * 86_400_000_000_000)
}

fn window(from: i64, to: i64) -> Window {
    Window { from: Some(day(from)), to: Some(day(to)), last: None }
}

fn set(privileges: &[Privilege]) -> PrivilegeSet {
    privileges.iter().copied().collect()
}

/// A history, written down fact by fact.
#[derive(Default)]
struct World {
    batch: Batch,
}

impl World {
    fn say(&mut self, subject: Subject, op: Op, from: i64, to: Option<i64>) -> &mut Self {
        self.batch.facts.push(Fact {
            subject,
            op,
            valid_from: day(from),
            valid_to: to.map_or(Instant::FOREVER, day),
            until_next: false,
            event_id: String::new(),
            caused_by: String::new(),
        });
        self
    }

    fn value(&mut self, kind: NodeKind, id: &str, value: NodeValue, from: i64) -> &mut Self {
        self.say(Subject::Node(NodeRef { kind, id: id.to_owned() }), Op::Put(Value::Node(value)), from, None)
    }

    fn node(&mut self, kind: NodeKind, id: &str, from: i64) -> &mut Self {
        self.value(kind, id, NodeValue::default(), from)
    }

    fn delete(&mut self, kind: NodeKind, id: &str, from: i64) -> &mut Self {
        self.say(Subject::Node(NodeRef { kind, id: id.to_owned() }), Op::Delete, from, None)
    }

    fn entitlement(&mut self, id: &str, said: EntitlementValue) -> &mut Self {
        let value = NodeValue { entitlement: Some(said), ..NodeValue::default() };
        self.value(NodeKind::Entitlement, id, value, 0)
    }

    fn edge(
        &mut self,
        kind: EdgeKind,
        from: &str,
        to: &str,
        (since, until): (i64, Option<i64>),
    ) -> &mut Self {
        let to_kind = kind.ends().1.unwrap_or(NodeKind::Identity);
        let edge = EdgeRef { kind, from: from.to_owned(), to_kind, to: to.to_owned() };
        self.say(
            Subject::Edge(edge),
            Op::Put(Value::Edge(std::collections::BTreeMap::default())),
            since,
            until,
        )
    }

    fn coverage(&mut self, kind: CoverageKind, resources: &[&str], from: i64, to: i64) -> &mut Self {
        let resources = resources.iter().map(|glob| (*glob).to_owned()).collect();
        let said = CoverageValue { kind, identities: Vec::new(), resources, privileges: PrivilegeSet::EMPTY };
        let scope = format!("scope {}", self.batch.facts.len());
        self.say(Subject::Coverage(scope), Op::Put(Value::Coverage(said)), from, Some(to))
    }

    fn seen(&mut self, identity: &str, at: i64, privilege: Privilege, resource: &str) -> &mut Self {
        let mut seen = Observation::new(identity, day(at), privilege);
        resource.clone_into(&mut seen.resource);
        self.batch.observations.push(seen);
        self
    }

    fn memory(&self) -> Memory {
        Memory::of(std::slice::from_ref(&self.batch), u64::MAX)
    }

    fn known(&self) -> Known {
        Known::new(Arc::new(self.memory()))
    }

    /// What the first so many records tell: facts come before observations.
    fn known_at(&self, size: u64) -> Known {
        Known::new(Arc::new(Memory::of(std::slice::from_ref(&self.batch), size)))
    }

    /// How many records there are.
    fn size(&self) -> u64 {
        (self.batch.facts.len() + self.batch.observations.len()) as u64
    }

    /// Adds to what was seen last.
    fn with(&mut self, add: impl FnOnce(&mut Observation)) -> &mut Self {
        add(self.batch.observations.last_mut().unwrap());
        self
    }
}

fn allow(privileges: &[Privilege], scope: &str) -> EntitlementValue {
    EntitlementValue {
        effect: Effect::Allow,
        privileges: set(privileges),
        scopes: vec![scope.to_owned()],
        actions: Vec::new(),
        conditional: false,
    }
}

fn deny(privileges: &[Privilege], scope: &str) -> EntitlementValue {
    EntitlementValue { effect: Effect::Deny, ..allow(privileges, scope) }
}

fn named(known: &Known, nodes: &[Node]) -> Vec<String> {
    nodes.iter().map(|node| known.reader().id(*node).unwrap().as_ref().to_owned()).collect()
}

fn text(glob: &str) -> TextMatch {
    TextMatch { glob: Some(glob.to_owned()), ..TextMatch::default() }
}

fn present(present: bool) -> TextMatch {
    TextMatch { present: Some(present), ..TextMatch::default() }
}

/// The ids of the identities that match, of those that exist or are deleted.
fn matching(known: &Known, at: i64, filter: &IdentityWhere) -> Vec<String> {
    named(known, &known.identities(day(at), filter, true, IdentityOrder::Appearance).unwrap().all())
}

fn find(known: &Known, kind: NodeKind, id: &str) -> Node {
    known.reader().lookup(kind, id).unwrap().unwrap()
}
