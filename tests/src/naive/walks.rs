//! Paths, the way to a holder, and what is reached.

use std::collections::BTreeMap;

use asof_model::{EdgeKind, Effect, Instant, NodeKind, NodeRef, Outcome, Privilege, PrivilegeSet};
use asof_query::{StepKind, Window};

use super::filter::{Wrong, bounds};
use super::glob;
use super::holds::{Asked, On};
use super::ledger::node;
use super::seen::Seen;
use super::state::Known;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// How.
    pub kind: StepKind,
    /// From where.
    pub from: NodeRef,
    /// To where.
    pub to: NodeRef,
}

/// The kinds of steps in their order.
const ORDER: &[StepKind] = &[
    StepKind::Holds,
    StepKind::MemberOf,
    StepKind::CanAssume,
    StepKind::AuthenticatesWith,
    StepKind::RunsAs,
    StepKind::Mounts,
    StepKind::Grants,
    StepKind::ActedAs,
    StepKind::Authenticates,
];

/// The edges over which paths go.
const POSTURE: &[(EdgeKind, StepKind)] = &[
    (EdgeKind::Holds, StepKind::Holds),
    (EdgeKind::MemberOf, StepKind::MemberOf),
    (EdgeKind::CanAssume, StepKind::CanAssume),
    (EdgeKind::AuthenticatesWith, StepKind::AuthenticatesWith),
    (EdgeKind::RunsAs, StepKind::RunsAs),
    (EdgeKind::Mounts, StepKind::Mounts),
];

/// What is reached, each with its distance; by distance, then first appearance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reached {
    /// The identities.
    pub identities: Vec<(NodeRef, u32)>,
    /// The resources on which one of them that acts as itself is allowed something.
    pub resources: Vec<(NodeRef, u32)>,
}

/// Over which steps paths go: posture edges, grants, and who was seen acting as whom.
struct Ways<'w> {
    t: Instant,
    start: &'w NodeRef,
    edges: &'w [(EdgeKind, StepKind)],
    grants: bool,
    acting: Vec<Seen<'w>>,
}

impl Known<'_> {
    /// The steps from a node, by first appearance of their end, then kind.
    fn steps(&self, from: &NodeRef, ways: &Ways<'_>) -> Vec<Step> {
        let t = ways.t;
        let mut ends: Vec<(StepKind, NodeRef)> = Vec::new();
        for (edge, kind) in ways.edges {
            ends.extend(self.to(*edge, from, t).into_iter().map(|to| (*kind, to)));
        }
        let said = self.node_value(from, t).and_then(|value| value.entitlement);
        if let Some(said) = said.filter(|said| ways.grants && said.effect == Effect::Allow) {
            for resource in self.existing(NodeKind::Resource, t, false) {
                if said.scopes.iter().any(|scope| glob::matches(scope, &resource.id)) {
                    ends.push((StepKind::Grants, resource));
                }
            }
        }
        for seen in &ways.acting {
            let end = (StepKind::ActedAs, node(NodeKind::Identity, &seen.what.identity));
            let by_it = from.kind == NodeKind::Identity && seen.what.actor == from.id;
            if by_it && self.exists(&end.1, t) && !ends.contains(&end) {
                ends.push(end);
            }
        }
        if from == ways.start && from.kind == NodeKind::Secret {
            let by_it = self.back(EdgeKind::AuthenticatesWith, from, t);
            ends.extend(by_it.into_iter().map(|to| (StepKind::Authenticates, to)));
        }
        ends.sort_by_key(|(kind, to)| (self.place(to), ORDER.iter().position(|each| each == kind)));
        ends.into_iter().map(|(kind, to)| Step { kind, from: from.clone(), to }).collect()
    }

    /// All ways from a node to another in so many steps at most that visit no node twice, shortest first, then step by step
    /// by the first appearance of the step's end, then by its kind. The first ones alone, but all of the last one's length.
    fn ways(&self, to: &NodeRef, longest: u32, first: usize, ways: &Ways<'_>) -> Vec<Vec<Step>> {
        let mut steps_from: BTreeMap<NodeRef, Vec<Step>> = BTreeMap::new();
        let mut found = Vec::new();
        let mut walked: Vec<Vec<Step>> = vec![Vec::new()]; // in the order asked for, as each is continued in that order
        for _ in 0..longest {
            let mut next = Vec::new();
            for path in walked {
                let end = path.last().map_or(ways.start, |step| &step.to);
                let steps = steps_from.entry(end.clone()).or_insert_with(|| self.steps(end, ways));
                for step in steps.iter() {
                    if step.to != *ways.start && path.iter().all(|before| before.to != step.to) {
                        next.push(path.iter().chain([step]).cloned().collect());
                    }
                }
            }
            let reaches = |path: &Vec<Step>| path.last().is_some_and(|step| step.to == *to);
            let (there, on_the_way) = next.into_iter().partition(reaches);
            found.extend::<Vec<_>>(there);
            walked = on_the_way;
            if found.len() >= first {
                break;
            }
        }
        found
    }

    /// The first paths from a node to another.
    pub fn paths(
        &self,
        t: Instant,
        from: &NodeRef,
        to: &NodeRef,
        longest: u32,
        observed_during: Option<&Window>,
        first: usize,
    ) -> Result<Vec<Vec<Step>>, Wrong> {
        let acting = match observed_during {
            None => Vec::new(),
            Some(window) => self
                .during(bounds(window, t)?)
                .into_iter()
                .filter(|seen| seen.what.outcome == Outcome::Success && !seen.what.actor.is_empty())
                .collect(),
        };
        let ways = Ways { t, start: from, edges: POSTURE, grants: true, acting };
        let mut found = self.ways(to, longest, first, &ways);
        found.truncate(first);
        Ok(found)
    }

    /// The first shortest way from an identity to one that it reaches over groups and assumable roles.
    pub fn via(&self, t: Instant, from: &NodeRef, holder: &NodeRef) -> Vec<Step> {
        let edges = &[(EdgeKind::MemberOf, StepKind::MemberOf), (EdgeKind::CanAssume, StepKind::CanAssume)];
        let ways = Ways { t, start: from, edges, grants: false, acting: Vec::new() };
        let hops = self.reach(from, &[EdgeKind::MemberOf, EdgeKind::CanAssume], t);
        let hops = hops.iter().find(|(reached, _)| reached == holder).map_or(0, |(_, hops)| *hops);
        self.ways(holder, hops, 1, &ways).into_iter().next().unwrap_or_default()
    }

    /// Who and what is reached from an identity, a secret or a workload that exists.
    pub fn blast_radius(
        &self,
        t: Instant,
        from: &NodeRef,
        privileges: Option<PrivilegeSet>,
        longest: u32,
    ) -> Result<Reached, Wrong> {
        let starts: Vec<(NodeRef, u32)> = match from.kind {
            NodeKind::Identity => vec![(from.clone(), 0)],
            NodeKind::Secret => {
                self.back(EdgeKind::AuthenticatesWith, from, t).into_iter().map(|each| (each, 1)).collect()
            }
            NodeKind::Workload => {
                self.to(EdgeKind::RunsAs, from, t).into_iter().map(|each| (each, 1)).collect()
            }
            _ => return Err(Wrong),
        };
        if !self.exists(from, t) || starts.iter().any(|(_, hops)| *hops > longest) {
            return Ok(Reached::default());
        }
        let mut identities: Vec<(NodeRef, u32)> = starts.clone();
        for distance in 0..longest {
            let edge = identities.iter().filter(|(_, hops)| *hops == distance);
            let edge: Vec<_> = edge.map(|(each, _)| each.clone()).collect();
            for each in edge {
                for kind in [EdgeKind::MemberOf, EdgeKind::CanAssume] {
                    for to in self.to(kind, &each, t) {
                        if identities.iter().all(|(known, _)| *known != to) {
                            identities.push((to, distance + 1));
                        }
                    }
                }
            }
        }
        let assumed: Vec<NodeRef> = identities
            .iter()
            .filter(|(_, hops)| *hops < longest)
            .flat_map(|(each, _)| self.to(EdgeKind::CanAssume, each, t))
            .collect();
        let acts = |each: &NodeRef| starts.iter().any(|(start, _)| start == each) || assumed.contains(each);
        let privileges = privileges.unwrap_or_else(|| Privilege::HELD.iter().copied().collect());
        let mut resources = Vec::new();
        for resource in self.existing(NodeKind::Resource, t, false) {
            let allowed = |each: &NodeRef| {
                privileges.iter().any(|privilege| {
                    let on = On::Resource(resource.id.clone());
                    let asked = Asked { privilege, on, may: true, action: None, entitlement: None };
                    self.holds(each, &asked, false, t)
                })
            };
            let near =
                identities.iter().filter(|(each, _)| acts(each) && allowed(each)).map(|(_, hops)| *hops);
            if let Some(distance) = near.min() {
                resources.push((resource, distance));
            }
        }
        identities.sort_by_key(|(each, hops)| (*hops, self.place(each)));
        resources.sort_by_key(|(each, hops)| (*hops, self.place(each)));
        Ok(Reached { identities, resources })
    }
}
