//! Random questions about a history.

use asof_model::{
    Batch, CoverageKind, Duration, Instant, NodeKind, Outcome, Privilege, PrivilegeSet, SecretState,
};
use asof_query::{
    AttributeMatch, ChangedHoldsWhere, DeadSecretWhere, HoldsWhere, IdentityOrder, IdentityWhere,
    NewSourceWhere, NodeWhere, ObservationWhere, ObservedWhere, SecretWhere, SeenWhere, SourceDimension,
    TextMatch, UncoveredWhere, UnusedWhere, UsedWhere, Window,
};

use super::history::ids;
use super::*;

/// Draws questions about one history, at its own bounds.
#[derive(Debug)]
pub struct Ask {
    /// Every bound of an interval and every time of an observation.
    pub moments: Vec<Instant>,
}

impl Ask {
    /// About this history.
    pub fn about(history: &[Batch]) -> Self {
        let mut moments = Vec::new();
        for batch in history {
            moments.extend(batch.facts.iter().flat_map(|fact| [fact.valid_from, fact.valid_to]));
            moments.extend(batch.observations.iter().map(|seen| seen.time));
        }
        moments.retain(|at| at.is_in_range());
        moments.sort_unstable();
        moments.dedup();
        if moments.is_empty() {
            moments.push(Instant::from_nanos(START));
        }
        Self { moments }
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
        use Question as Q;
        let identity = draw.text(IDENTITIES);
        let privileges = if draw.chance(0.4) { Some(privileges(draw, 3)) } else { None };
        match draw.below(40) {
            0 => Q::Observations {
                identity: None,
                filter: Box::new(observations(draw)),
                during: self.window(draw),
            },
            1 => Q::Observations {
                identity: Some(identity),
                filter: Box::new(observations(draw)),
                during: self.window(draw),
            },
            2..4 => Q::Uncovered { identity, filter: Box::new(self.uncovered(draw)) },
            4..6 => Q::Entitlements { identity, privileges, on: on(draw), effective: draw.chance(0.7) },
            6..8 => Q::Usage { identity, during: self.window(draw), privileges },
            8..10 => Q::Unused { identity, filter: self.unused(draw) },
            10 => Q::Gaps {
                identity,
                filter: ObservedWhere { during: self.begun(draw), ..self.observed(draw) },
            },
            11 => Q::Activity {
                identity,
                during: few_steps(draw),
                every: Duration::from_nanos(*draw.pick(&[DAY, 36 * HOUR])),
            },
            12 => Q::FirstAndLastUsed { identity },
            13 => one_node(draw, |kind, id| Q::State { kind, id }),
            14 => one_node(draw, |kind, id| Q::Versions { kind, id }),
            15 => {
                let kind = *draw.pick(NodeKind::ALL);
                Q::Nodes { kind, filter: Box::new(nodes(draw, kind)), include_deleted: draw.chance(0.4) }
            }
            16..18 => {
                Q::Secrets { filter: Box::new(self.secrets(draw, 2)), include_deleted: draw.chance(0.4) }
            }
            _ => {
                let order = match draw.below(10) {
                    0 => IdentityOrder::Id,
                    1 => IdentityOrder::LastUsed,
                    _ => IdentityOrder::Appearance,
                };
                Q::Identities {
                    filter: Box::new(self.identities(draw, 2)),
                    include_deleted: draw.chance(0.3),
                    order,
                }
            }
        }
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
        match draw.below(30) {
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
            _ => {
                let changed =
                    ChangedHoldsWhere { holds: self.holds(draw, false), between: self.window(draw) };
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

    fn dead(&self, draw: &mut Draw) -> DeadSecretWhere {
        let grace = draw.chance(0.4).then(|| Duration::from_nanos(*draw.pick(&[1, HOUR, DAY, 2 * DAY])));
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

fn privileges(draw: &mut Draw, most: usize) -> PrivilegeSet {
    const COMMON: &[Privilege] = &[Privilege::Read, Privilege::Write, Privilege::Admin];
    let from = if draw.chance(0.3) { COMMON } else { Privilege::HELD };
    draw.some(from, most).into_iter().collect()
}

fn on(draw: &mut Draw) -> Option<String> {
    draw.chance(0.6).then(|| draw.text(PATTERNS))
}

fn attribute(draw: &mut Draw) -> AttributeMatch {
    AttributeMatch {
        key: draw.text(&["env", "tier"]),
        value: draw.chance(0.6).then(|| text(draw, &["prod", "test"])),
    }
}

fn text(draw: &mut Draw, values: &[&str]) -> TextMatch {
    let value: Vec<char> = draw.pick(values).chars().collect();
    let part = |chars: &[char]| -> String { chars.iter().collect() };
    let mut wanted = TextMatch::default();
    match draw.below(5) {
        0 => wanted.eq = Some(part(&value)),
        1 => wanted.any_of = Some(draw.some(values, 3).into_iter().map(str::to_owned).collect()),
        2 => wanted.prefix = Some(part(&value[..draw.below(value.len())])),
        3 => wanted.contains = Some(part(&value[draw.below(value.len())..])),
        _ => {
            let head = part(&value[..value.len() - 1]);
            wanted.glob = Some(
                draw.pick(&[format!("{head}?"), format!("{head}*"), format!("*{}", part(&value[1..]))])
                    .clone(),
            );
        }
    }
    if draw.chance(0.1) {
        wanted.prefix = Some(String::new());
    }
    wanted
}

fn one_node(draw: &mut Draw, make: impl Fn(NodeKind, String) -> Question) -> Question {
    let kind = *draw.pick(NodeKind::ALL);
    let id = if draw.chance(0.5) { ids(kind)[0].to_owned() } else { draw.text(ids(kind)) };
    make(kind, id)
}

fn few_steps(draw: &mut Draw) -> Window {
    let from = draw.moment();
    Window { from: Some(from), to: Some(Instant::from_nanos(from.nanos() + 4 * DAY)), last: None }
}

fn seen(draw: &mut Draw) -> SeenWhere {
    SeenWhere {
        privileges: draw.chance(0.5).then(|| {
            if draw.chance(0.8) {
                privileges(draw, 3)
            } else {
                draw.some(Privilege::ALL, 3).into_iter().collect()
            }
        }),
        on: if draw.chance(0.6) { None } else { on(draw) },
        action: draw.chance(0.1).then(|| draw.text(ACTIONS)),
        outcomes: draw.chance(0.3).then(|| draw.some(Outcome::ALL, 2)),
        region: draw.chance(0.1).then(|| text(draw, REGIONS)),
        source_ip: draw.chance(0.1).then(|| text(draw, ADDRESSES)),
        workload: draw.chance(0.1).then(|| text(draw, WORKLOADS)),
        secret: draw.chance(0.1).then(|| text(draw, SECRETS)),
        actor: draw.chance(0.1).then(|| text(draw, IDENTITIES)),
    }
}

fn nodes(draw: &mut Draw, kind: NodeKind) -> NodeWhere {
    let mut filter = NodeWhere::default();
    match draw.below(8) {
        0 => filter.id = Some(text(draw, ids(kind))),
        1 => filter.name = Some(text(draw, NAMES)),
        2 => filter.node_type = Some(text(draw, TYPES)),
        3 => filter.attribute = Some(attribute(draw)),
        4 => filter.inventoried = Some(draw.chance(0.5)),
        5 => filter.owned = Some(draw.chance(0.5)),
        6 => filter.not = Some(Box::new(nodes(draw, kind))),
        _ => filter.or = Some(vec![nodes(draw, kind), nodes(draw, kind)]),
    }
    filter
}

fn observations(draw: &mut Draw) -> ObservationWhere {
    ObservationWhere {
        seen: seen(draw),
        identity: draw.chance(0.2).then(|| text(draw, IDENTITIES)),
        covered: draw.chance(0.4).then(|| draw.chance(0.5)),
        explained: draw.chance(0.3).then(|| draw.chance(0.5)),
        posture_known: draw.chance(0.3).then(|| draw.chance(0.5)),
    }
}
