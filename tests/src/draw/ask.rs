//! Random questions about a history.

use asof_model::{Batch, CoverageKind, Duration, Instant, NodeKind, NodeRef, Outcome, SecretState};
use asof_query::{
    ChangedHoldsWhere, DeadSecretWhere, HoldsWhere, IdentityOrder, IdentityWhere, NewSourceWhere, NodeWhere,
    ObservedWhere, SecretWhere, SourceDimension, UncoveredWhere, UnusedWhere, UsedWhere, Window,
};

use super::history::ids;
use super::parts::*;
use super::*;
use crate::naive::{Key, node};

/// Draws questions about one history, at its own bounds.
#[derive(Debug)]
pub struct Ask {
    /// Every bound of an interval and every time of an observation.
    pub moments: Vec<Instant>,
    keys: Vec<Key>,
    /// The identities and the secrets of its observations.
    users: Vec<NodeRef>,
    /// Who acted as whom in them.
    acted: Vec<(NodeRef, NodeRef)>,
}

impl Ask {
    /// About this history.
    pub fn about(history: &[Batch]) -> Self {
        let first = node(NodeKind::Identity, IDENTITIES[0]);
        let (mut moments, mut keys) = (Vec::new(), vec![Key::Node(first.clone())]);
        let (mut users, mut acted) = (vec![first], Vec::new());
        for batch in history {
            for fact in &batch.facts {
                let key = Key::of(&batch.source, &fact.subject);
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
            moments.extend(batch.facts.iter().flat_map(|fact| [fact.valid_from, fact.valid_to]));
            for seen in &batch.observations {
                moments.push(seen.time);
                users.push(node(NodeKind::Identity, &seen.identity));
                if !seen.actor.is_empty() {
                    let [actor, other] = [&seen.actor, &seen.identity].map(|id| node(NodeKind::Identity, id));
                    acted.push((actor, other));
                }
                if !seen.secret.is_empty() {
                    users.push(node(NodeKind::Secret, &seen.secret));
                }
            }
        }
        moments.retain(|at| at.is_in_range());
        moments.sort_unstable();
        moments.dedup();
        if moments.is_empty() {
            moments.push(Instant::from_nanos(START));
        }
        Self { moments, keys, users, acted }
    }

    /// A moment to ask at: a bound, or a nanosecond beside it, mostly one of the later ones.
    pub fn moment(&self, draw: &mut Draw) -> Instant {
        let (beside, from) = (*draw.pick(&[0, 0, -1, 1]), draw.below(self.moments.len()));
        let at = Instant::from_nanos(draw.pick(&self.moments[from..]).nanos().saturating_add(beside));
        if at.is_in_range() && draw.chance(0.95) { at } else { draw.moment() }
    }

    /// Any kind of window; for a question at most moments one that is not empty.
    pub fn window(&self, draw: &mut Draw) -> Window {
        const LAST: &[i64] = &[1, MINUTE, HOUR, DAY, DAY + 1, 3 * DAY, 30 * DAY];
        let last = |draw: &mut Draw| Some(Duration::from_nanos(*draw.pick(LAST)));
        match draw.below(20) {
            0..6 => Window { last: last(draw), ..Window::default() },
            6..8 => Window { last: last(draw), to: Some(self.moment(draw)), from: None },
            8..10 => Window::default(),
            10 => Window { to: Some(self.moment(draw)), ..Window::default() },
            11 => Window { from: Some(self.moment(draw)), ..Window::default() }, // empty at what is before it
            _ => {
                let (one, other) = (self.moment(draw), self.moment(draw));
                let (from, to) = if one < other { (one, other) } else { (other, one) };
                let to = if from == to {
                    Instant::from_nanos(to.nanos().saturating_add(DAY).min(i64::MAX - 1))
                } else {
                    to
                };
                Window { from: Some(from), to: Some(to), last: None }
            }
        }
    }

    /// With a beginning.
    fn begun(&self, draw: &mut Draw) -> Window {
        let window = self.window(draw);
        let open = window.from.is_none() && window.last.is_none();
        Window { last: if open { Some(Duration::from_nanos(4 * DAY)) } else { window.last }, ..window }
    }

    /// Any question.
    pub fn question(&self, draw: &mut Draw) -> Question {
        match draw.below(20) {
            0..8 => self.list(draw),
            8..13 => self.of_one(draw),
            _ => self.beyond(draw),
        }
    }

    /// A list of nodes.
    fn list(&self, draw: &mut Draw) -> Question {
        use Question as Q;
        match draw.below(25) {
            0 => {
                let kind = *draw.pick(NodeKind::ALL);
                Q::Nodes { kind, filter: Box::new(nodes(draw, kind)), include_deleted: draw.chance(0.4) }
            }
            1..4 => Q::Secrets { filter: Box::new(self.secrets(draw, 2)), include_deleted: draw.chance(0.4) },
            _ => {
                let order = match draw.below(10) {
                    0 => IdentityOrder::Id,
                    1 => IdentityOrder::LastUsed,
                    _ => IdentityOrder::Appearance,
                };
                let filter = Box::new(self.identities(draw, 2));
                Q::Identities { filter, include_deleted: draw.chance(0.3), order }
            }
        }
    }

    /// What an identity is given, and what it is seen to do.
    fn of_one(&self, draw: &mut Draw) -> Question {
        use Question as Q;
        let identity = self.identity(draw);
        let privileges = if draw.chance(0.4) { Some(privileges(draw, 3)) } else { None };
        match draw.below(17) {
            0..2 => {
                let identity = draw.chance(0.5).then_some(identity);
                Q::Observations { identity, filter: Box::new(observations(draw)), during: self.window(draw) }
            }
            2 => Q::Covered { identity: draw.chance(0.8).then_some(identity), during: self.window(draw) },
            3..5 => Q::Uncovered { identity, filter: Box::new(self.uncovered(draw)) },
            5..7 => Q::Entitlements { identity, privileges, on: on(draw), effective: draw.chance(0.7) },
            7..9 => Q::Usage { identity, during: self.window(draw), privileges },
            9..11 => Q::Unused { identity, filter: self.unused(draw) },
            11 => Q::Gaps {
                identity,
                filter: ObservedWhere { during: self.begun(draw), ..self.observed(draw) },
            },
            12 => Q::Activity { identity, during: few_steps(draw), every: every(draw) },
            13 => Q::FirstAndLastUsed { identity },
            14 => Q::Dead { secret: draw.text(SECRETS) },
            15 => Q::DeadUses { node: self.user(draw), filter: self.dead(draw) },
            _ => Q::NewSources { node: self.user(draw), filter: self.new_source(draw) },
        }
    }

    /// Timelines, walks, and what is counted.
    pub fn beyond(&self, draw: &mut Draw) -> Question {
        use Question as Q;
        match draw.below(20) {
            0..3 => Q::Changes { filter: Box::new(changes(draw)), during: self.window(draw) },
            3 => Q::Trend {
                filter: Box::new(self.identities(draw, 1)),
                during: if draw.chance(0.9) { few_steps(draw) } else { Window::default() },
                every: every(draw),
                include_deleted: draw.chance(0.3),
            },
            4 => Q::Facets {
                filter: Box::new(if draw.chance(0.5) {
                    IdentityWhere::default()
                } else {
                    self.identities(draw, 1)
                }),
                by: facet(draw),
                include_deleted: draw.chance(0.3),
            },
            5..8 => Q::BlastRadius {
                from: self.start(draw),
                privileges: draw.chance(0.5).then(|| privileges(draw, 3)),
                hops_max: draw.below(5) as u32,
            },
            8..12 => self.paths(draw),
            12..14 => {
                let (of, kind, direction) = field(draw);
                Q::Follow { node: node(of, &draw.text(ids(of))), kind, direction }
            }
            14 => Q::State { key: self.key(draw) },
            15 => Q::Versions { key: self.key(draw) },
            16 => Q::Revisions { key: self.key(draw) },
            17 => Q::Coverages { filter: coverages(draw) },
            18 => Q::OmittedIdentities {
                filter: Box::new(if draw.chance(0.6) {
                    IdentityWhere::default()
                } else {
                    self.identities(draw, 1)
                }),
            },
            _ if draw.chance(0.5) => Q::OmittedSecrets {
                filter: Box::new(if draw.chance(0.6) {
                    SecretWhere::default()
                } else {
                    self.secrets(draw, 1)
                }),
            },
            _ => {
                let kind = *draw.pick(NodeKind::ALL);
                let filter = if draw.chance(0.6) { NodeWhere::default() } else { nodes(draw, kind) };
                Q::OmittedNodes { kind, filter: Box::new(filter) }
            }
        }
    }

    fn paths(&self, draw: &mut Draw) -> Question {
        let (mut from, mut to) = (self.start(draw), self.goal(draw));
        let seen = draw.chance(0.4);
        if seen && !self.acted.is_empty() && draw.chance(0.7) {
            let acted = draw.pick(&self.acted).clone();
            from = acted.0;
            if draw.chance(0.5) {
                to = acted.1;
            }
        }
        Question::Paths {
            from,
            to,
            hops_max: if draw.chance(0.1) { draw.below(3) as u32 } else { 2 + draw.below(5) as u32 },
            observed_during: seen.then(|| self.window(draw)),
            first: *draw.pick(&[0, 1, 2, 5, 5, 40]),
        }
    }

    /// Mostly one of which something is stated.
    fn key(&self, draw: &mut Draw) -> Key {
        if draw.chance(0.9) {
            return draw.pick(&self.keys).clone();
        }
        let kind = *draw.pick(NodeKind::ALL);
        Key::Node(node(kind, &draw.text(ids(kind))))
    }

    /// Mostly one that was seen.
    fn identity(&self, draw: &mut Draw) -> String {
        let seen = self.user(draw);
        if seen.kind == NodeKind::Identity { seen.id } else { draw.text(IDENTITIES) }
    }

    /// An identity or a secret.
    fn user(&self, draw: &mut Draw) -> NodeRef {
        if draw.chance(0.8) {
            draw.pick(&self.users).clone()
        } else {
            node(NodeKind::Secret, &draw.text(SECRETS))
        }
    }

    /// From where something is reached: mostly one end of what was stated.
    fn start(&self, draw: &mut Draw) -> NodeRef {
        use NodeKind::{Identity, Secret, Workload};
        let begins = self.keys.iter().filter_map(|key| match key {
            Key::Edge(_) => key.nodes().into_iter().next(),
            Key::Node(_) | Key::Coverage(..) => None,
        });
        let begins: Vec<_> = begins.filter(|begin| [Identity, Workload].contains(&begin.kind)).collect();
        if !begins.is_empty() && draw.chance(0.6) {
            return draw.pick(&begins).clone();
        }
        let kind = *draw.pick(&[Identity, Secret, Secret, Workload, NodeKind::Entitlement]);
        node(kind, &draw.text(ids(kind)))
    }

    /// What is reached.
    fn goal(&self, draw: &mut Draw) -> NodeRef {
        use NodeKind::{Entitlement, Identity, Resource, Secret};
        let ends = self.keys.iter().filter_map(|key| match key {
            Key::Edge(_) => key.nodes().pop(),
            Key::Node(_) | Key::Coverage(..) => None,
        });
        let ends: Vec<_> = ends.filter(|end| [Entitlement, Identity, Secret].contains(&end.kind)).collect();
        if !ends.is_empty() && draw.chance(0.5) {
            return draw.pick(&ends).clone();
        }
        let kind = *draw.pick(&[Resource, Resource, Resource, Entitlement, Identity]);
        node(kind, &draw.text(ids(kind)))
    }

    /// One member, two of them, or and, or, not of such.
    pub fn identities(&self, draw: &mut Draw, depth: u32) -> IdentityWhere {
        let mut filter = IdentityWhere::default();
        match draw.below(if depth == 0 { 12 } else { 20 }) {
            0..10 => self.member(draw, &mut filter),
            10..12 => {
                self.member(draw, &mut filter);
                self.member(draw, &mut filter);
            }
            12..15 => filter.not = Some(Box::new(self.identities(draw, depth - 1))),
            15..17 => {
                filter.and = Some((0..draw.below(3)).map(|_| self.identities(draw, depth - 1)).collect());
            }
            _ => filter.or = Some((0..draw.below(3)).map(|_| self.identities(draw, depth - 1)).collect()),
        }
        filter
    }

    fn member(&self, draw: &mut Draw, filter: &mut IdentityWhere) {
        match draw.below(33) {
            0 => filter.node.id = Some(text(draw, IDENTITIES)),
            1 => filter.node.name = Some(text(draw, NAMES)),
            2 => filter.node.node_type = Some(text(draw, TYPES)),
            3 => filter.node.attribute = Some(attribute(draw)),
            4 => filter.node.inventoried = Some(draw.chance(0.5)),
            5 => filter.node.owned = Some(draw.chance(0.5)),
            6 => filter.owned_by = Some(text(draw, OWNERS)),
            7 => filter.created_during = Some(self.window(draw)),
            8..14 => filter.holds = Some(self.holds(draw, true)),
            14..17 => filter.used = Some(self.used(draw)),
            17..21 => filter.used_without_holding = Some(self.uncovered(draw)),
            21..23 => filter.holds_unused = Some(self.unused(draw)),
            23..25 => filter.observed = Some(self.observed(draw)),
            25 => filter.authenticates_with = Some(self.secrets(draw, 1)),
            26 => filter.used_dead_secret = Some(self.dead(draw)),
            27 => filter.new_source = Some(self.new_source(draw)),
            28 => filter.runs_on = Some(text(draw, WORKLOADS)),
            29 => filter.member_of = Some(reach(draw, GROUPS)),
            30..32 => filter.can_assume = Some(reach(draw, IDENTITIES)),
            _ => {
                let mut holds = self.holds(draw, false);
                holds.privileges = privileges(draw, 5);
                let changed = ChangedHoldsWhere { holds, between: self.begun(draw) };
                *(if draw.chance(0.5) { &mut filter.gained } else { &mut filter.lost }) = Some(changed);
            }
        }
    }

    /// Holds, with all members.
    pub fn holds(&self, draw: &mut Draw, windows: bool) -> HoldsWhere {
        let mut filter = HoldsWhere {
            privileges: privileges(draw, 2),
            on: on(draw),
            effective: draw.chance(0.45),
            throughout: None,
            sometime: None,
            conditional: draw.chance(0.8),
            entitlement: draw.chance(0.15).then(|| text(draw, ENTITLEMENTS)),
        };
        if windows && draw.chance(0.2) {
            filter.throughout = Some(self.window(draw));
        }
        if windows && draw.chance(0.2) {
            filter.sometime = Some(self.window(draw));
        }
        filter
    }

    /// Used, with all members. As the wire has it: outcomes are given, SUCCESS unless said otherwise.
    pub fn used(&self, draw: &mut Draw) -> UsedWhere {
        let mut seen = seen(draw);
        seen.outcomes.get_or_insert_with(|| vec![Outcome::Success]);
        let min_count = if draw.chance(0.3) { draw.below(4) as u64 } else { 1 };
        UsedWhere { during: self.window(draw), seen, min_count }
    }

    /// Drift, with all members.
    pub fn uncovered(&self, draw: &mut Draw) -> UncoveredWhere {
        UncoveredWhere {
            used: self.used(draw),
            covered_by: draw.chance(0.3).then(|| privileges(draw, 3)),
            effective: draw.chance(0.4),
            explained: draw.chance(0.3).then(|| draw.chance(0.5)),
            posture_known: draw.chance(0.4).then(|| draw.chance(0.5)),
        }
    }

    /// Held and not used.
    pub fn unused(&self, draw: &mut Draw) -> UnusedWhere {
        UnusedWhere { privileges: draw.chance(0.4).then(|| privileges(draw, 3)), during: self.window(draw) }
    }

    /// Looked at.
    pub fn observed(&self, draw: &mut Draw) -> ObservedWhere {
        ObservedWhere {
            during: self.window(draw),
            privileges: draw.chance(0.7).then(|| privileges(draw, 2)),
            on: on(draw),
            kind: if draw.chance(0.4) { CoverageKind::Posture } else { CoverageKind::Observations },
        }
    }

    fn secrets(&self, draw: &mut Draw, depth: u32) -> SecretWhere {
        let mut filter = SecretWhere::default();
        match draw.below(if depth == 0 { 11 } else { 15 }) {
            0 => filter.node.id = Some(text(draw, SECRETS)),
            1 => filter.node.node_type = Some(text(draw, TYPES)),
            2 => filter.node.inventoried = Some(draw.chance(0.5)),
            3 => filter.state = Some(*draw.pick(SecretState::ALL)),
            4 => filter.expired_by = Some(self.moment(draw)),
            5 => filter.not_rotated_for = Some(Duration::from_nanos(*draw.pick(&[0, DAY, 3 * DAY]))),
            6 => filter.stored_in = Some(text(draw, RESOURCES)),
            7 => filter.stored = Some(draw.chance(0.5)),
            8 => filter.used = Some(self.used(draw)),
            9 => filter.used_dead = Some(self.dead(draw)),
            10 => filter.new_source = Some(self.new_source(draw)),
            11..13 => filter.not = Some(Box::new(self.secrets(draw, depth - 1))),
            _ => filter.and = Some(vec![self.secrets(draw, depth - 1), self.secrets(draw, depth - 1)]),
        }
        filter
    }

    /// Uses of dead secrets.
    pub fn dead(&self, draw: &mut Draw) -> DeadSecretWhere {
        let grace = draw
            .chance(0.4)
            .then(|| Duration::from_nanos(*draw.pick(&[1, HOUR, DAY, DAY + 1, 3 * DAY + 1, 6 * DAY])));
        DeadSecretWhere { during: self.window(draw), grace_after: grace, survivors: draw.chance(0.5) }
    }

    fn new_source(&self, draw: &mut Draw) -> NewSourceWhere {
        use SourceDimension::{Actor, Region, Resource, Secret, SourceIp, Workload};
        NewSourceWhere {
            of: *draw.pick(&[Workload, Region, SourceIp, Secret, Resource, Actor]),
            during: self.window(draw),
        }
    }
}

fn every(draw: &mut Draw) -> Duration {
    Duration::from_nanos(*draw.pick(&[DAY, 36 * HOUR]))
}
