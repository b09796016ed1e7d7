//! Paths from a node to another, shortest first.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use asof_model::{EdgeKind, Effect, Instant, NodeKind, Outcome, glob_matches};
use petgraph::Direction::Incoming;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef as _;

use crate::limits::{HOPS_MAX, within};
use crate::span::whole;
use crate::walk::identity;
use crate::{Direction, EventAxis, Key, Known, Node, QueryError, Window};

/// How a step is taken, in the order in which steps to the same end are walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepKind {
    /// The edge.
    Holds,
    /// The edge.
    MemberOf,
    /// The edge.
    CanAssume,
    /// The edge.
    AuthenticatesWith,
    /// The edge.
    RunsAs,
    /// The edge.
    Mounts,
    /// From an ALLOW entitlement to an existing resource that a scope of it matches.
    Grants,
    /// From an actor to the identity of a SUCCESS observation.
    ActedAs,
    /// From a secret to an identity that authenticates with it, as a path's first step.
    Authenticates,
}

impl StepKind {
    /// The name in the contract.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Holds => "HOLDS",
            Self::MemberOf => "MEMBER_OF",
            Self::CanAssume => "CAN_ASSUME",
            Self::AuthenticatesWith => "AUTHENTICATES_WITH",
            Self::RunsAs => "RUNS_AS",
            Self::Mounts => "MOUNTS",
            Self::Grants => "GRANTS",
            Self::ActedAs => "ACTED_AS",
            Self::Authenticates => "AUTHENTICATES",
        }
    }
}

/// One step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// How.
    pub kind: StepKind,
    /// From where.
    pub from: Node,
    /// To where.
    pub to: Node,
}

/// The edges that paths walk, with their steps.
const WALKED: [(EdgeKind, StepKind); 6] = [
    (EdgeKind::Holds, StepKind::Holds),
    (EdgeKind::MemberOf, StepKind::MemberOf),
    (EdgeKind::CanAssume, StepKind::CanAssume),
    (EdgeKind::AuthenticatesWith, StepKind::AuthenticatesWith),
    (EdgeKind::RunsAs, StepKind::RunsAs),
    (EdgeKind::Mounts, StepKind::Mounts),
];

/// A step's place among those from the same node: its end's first appearance, then its kind.
type Rank = (u64, StepKind);

/// The part of the graph at a moment on which paths to one goal can lie.
struct Ways<'k> {
    known: &'k Known,
    t: Instant,
    goal: Node,
    /// The goal's id, where it is an existing resource, which entitlements can grant.
    granted: Option<std::sync::Arc<str>>,
    /// Whom an actor was seen acting as.
    acted: BTreeMap<u32, BTreeSet<u32>>,
    graph: DiGraph<Node, Rank>,
    places: BTreeMap<Node, NodeIndex>,
}

impl Ways<'_> {
    /// The steps from a node that may lead to the goal.
    fn steps(&self, node: Node) -> Result<Vec<(StepKind, Node)>, QueryError> {
        let mut found = Vec::new();
        for (edge, kind) in WALKED {
            if edge.ends().0 != node.kind {
                continue;
            }
            for to in self.known.follow_over(edge, node, Direction::Out, self.t, &mut whole())? {
                // Secrets and resources end a path, entitlements lead to the resources that they grant.
                let leads = to == self.goal
                    || match to.kind {
                        NodeKind::Identity => true,
                        NodeKind::Entitlement => self.grants(to)?,
                        _ => false,
                    };
                if leads {
                    found.push((kind, to));
                }
            }
        }
        // Secrets end a path: one to take steps from is the start.
        if node.kind == NodeKind::Secret {
            let edge = EdgeKind::AuthenticatesWith;
            for to in self.known.follow_over(edge, node, Direction::In, self.t, &mut whole())? {
                found.push((StepKind::Authenticates, to));
            }
        }
        if node.kind == NodeKind::Entitlement && self.grants(node)? {
            found.push((StepKind::Grants, self.goal));
        }
        if node.kind == NodeKind::Identity {
            for acted_as in self.acted.get(&node.ordinal).into_iter().flatten() {
                if self.known.exists(identity(*acted_as), self.t)? {
                    found.push((StepKind::ActedAs, identity(*acted_as)));
                }
            }
        }
        Ok(found)
    }

    fn grants(&self, entitlement: Node) -> Result<bool, QueryError> {
        let Some(id) = &self.granted else { return Ok(false) };
        let state = self.known.state(Key::Node(entitlement), self.t)?;
        Ok(state.value().and_then(|value| value.entitlement()).is_some_and(|said| {
            said.effect == Effect::Allow && said.scopes.iter().any(|scope| glob_matches(scope, id))
        }))
    }

    fn place(&mut self, node: Node) -> (NodeIndex, bool) {
        match self.places.get(&node) {
            Some(place) => (*place, false),
            None => {
                let place = self.graph.add_node(node);
                self.places.insert(node, place);
                (place, true)
            }
        }
    }

    /// Collects what is reached from the start within so many steps.
    fn explore(&mut self, start: Node, hops_max: u32) -> Result<NodeIndex, QueryError> {
        let (first, _) = self.place(start);
        let mut frontier = vec![(first, start)];
        for _ in 0..hops_max {
            let mut further = Vec::new();
            for (place, node) in frontier {
                self.known.reader().check()?;
                for (kind, to) in self.steps(node)? {
                    let rank = self.known.reader().appearance(to)?;
                    let (end, new) = self.place(to);
                    self.graph.add_edge(place, end, (rank, kind));
                    if new && to != self.goal {
                        further.push((end, to));
                    }
                }
            }
            frontier = further;
        }
        Ok(first)
    }

    /// For each length up to the longest: from where a walk of just that length comes to the goal, and not before.
    fn layers(&self, goal: NodeIndex, longest: u32) -> Result<Vec<BTreeSet<NodeIndex>>, QueryError> {
        let mut layers = vec![BTreeSet::from([goal])];
        for _ in 0..longest {
            self.known.reader().check()?;
            let last = layers.last().into_iter().flatten();
            let mut next: BTreeSet<NodeIndex> =
                last.flat_map(|place| self.graph.neighbors_directed(*place, Incoming)).collect();
            next.remove(&goal);
            layers.push(next);
        }
        Ok(layers)
    }

    /// Walks on from a path's end in the steps' order, only to where the goal is still just so many steps away.
    fn walk(
        &self,
        layers: &[BTreeSet<NodeIndex>],
        at: NodeIndex,
        walked: &mut Vec<(NodeIndex, Step)>,
        found: &mut Vec<Vec<Step>>,
        first: usize,
    ) -> Result<(), QueryError> {
        let Some((here, ahead)) = layers.split_last() else { return Ok(()) };
        debug_assert!(here.contains(&at), "only places from which the goal is reached are walked");
        let Some(next_layer) = ahead.last() else {
            found.push(walked.iter().map(|(_, step)| *step).collect());
            return Ok(());
        };
        self.known.reader().check()?;
        let mut steps: Vec<(Rank, NodeIndex)> = self
            .graph
            .edges(at)
            .filter(|edge| next_layer.contains(&edge.target()))
            .map(|edge| (*edge.weight(), edge.target()))
            .collect();
        steps.sort_unstable();
        for ((_, kind), to) in steps {
            if found.len() >= first {
                return Ok(());
            }
            if to == at || walked.iter().any(|(visited, _)| *visited == to) {
                continue;
            }
            let (Some(from), Some(end)) = (self.graph.node_weight(at), self.graph.node_weight(to)) else {
                continue;
            };
            walked.push((at, Step { kind, from: *from, to: *end }));
            self.walk(ahead, to, walked, found, first)?;
            walked.pop();
        }
        Ok(())
    }
}

impl Known {
    /// The first paths from a node to another over posture edges in force at `t` and, with `observed_during`, over
    /// identities that were seen acting as others in that window. None visits a node twice. By length, then step by step
    /// by the first appearance of the step's end, then by its kind.
    pub fn paths(
        &self,
        t: Instant,
        from: Option<Node>,
        to: Option<Node>,
        hops_max: u32,
        observed_during: Option<&Window>,
        first: usize,
    ) -> Result<Vec<Vec<Step>>, QueryError> {
        within("hops", u64::from(hops_max), HOPS_MAX, "HOPS_MAX")?;
        let acted = match observed_during {
            Some(during) => self.acted(during.bounds(t)?)?,
            None => BTreeMap::new(),
        };
        let mut found = Vec::new();
        let (Some(start), Some(goal)) = (from, to) else { return Ok(found) };
        let granted = if goal.kind == NodeKind::Resource && self.exists(goal, t)? {
            Some(self.id(goal)?)
        } else {
            None
        };
        let (graph, places) = (DiGraph::new(), BTreeMap::new());
        let mut ways = Ways { known: self, t, goal, granted, acted, graph, places };
        let start = ways.explore(start, hops_max)?;
        let Some(goal) = ways.places.get(&goal).copied() else { return Ok(found) };
        let layers = ways.layers(goal, hops_max)?;
        for length in 1..layers.len() {
            let Some(layers) = layers.get(..=length) else { break };
            if found.len() < first && layers.last().is_some_and(|layer| layer.contains(&start)) {
                ways.walk(layers, start, &mut Vec::new(), &mut found, first)?;
            }
        }
        Ok(found)
    }

    /// Whom each actor was seen acting as, successfully, in a window.
    fn acted(&self, window: asof_model::Interval) -> Result<BTreeMap<u32, BTreeSet<u32>>, QueryError> {
        let mut acted: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
        self.scan(EventAxis::All, window, false, |event| {
            if let Some(actor) = event.actor.filter(|_| event.outcome == Outcome::Success) {
                acted.entry(actor).or_default().insert(event.identity);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(acted)
    }
}
