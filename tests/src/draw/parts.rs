//! The parts of random questions that need no history.

use asof_model::{CoverageKind, EdgeKind, Instant, NodeKind, Outcome, Privilege, PrivilegeSet};
use asof_query::{
    AttributeMatch, ChangeKind, ChangeWhere, CoverageWhere, Direction, FacetBy, NodeWhere, ObservationWhere,
    ReachWhere, SeenWhere, TextMatch, Window,
};

use super::history::ids;
use super::*;

pub(super) fn privileges(draw: &mut Draw, most: usize) -> PrivilegeSet {
    const COMMON: &[Privilege] = &[Privilege::Read, Privilege::Write, Privilege::Admin];
    let from = if draw.chance(0.3) { COMMON } else { Privilege::HELD };
    draw.some(from, most).into_iter().collect()
}

pub(super) fn on(draw: &mut Draw) -> Option<String> {
    draw.chance(0.6).then(|| draw.text(PATTERNS))
}

pub(super) fn attribute(draw: &mut Draw) -> AttributeMatch {
    AttributeMatch {
        key: draw.text(&["env", "tier"]),
        value: draw.chance(0.6).then(|| text(draw, &["prod", "test"])),
    }
}

pub(super) fn text(draw: &mut Draw, values: &[&str]) -> TextMatch {
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
    match draw.below(16) {
        0 => TextMatch { present: Some(false), ..TextMatch::default() },
        1 => TextMatch { present: Some(true), ..TextMatch::default() },
        2 => TextMatch { present: Some(draw.chance(0.7)), ..wanted },
        _ => wanted,
    }
}

/// A group, or one that can be assumed.
pub(super) fn reach(draw: &mut Draw, ids: &[&str]) -> ReachWhere {
    ReachWhere { id: draw.chance(0.6).then(|| text(draw, ids)), effective: draw.chance(0.5) }
}

/// Which changes.
pub(super) fn changes(draw: &mut Draw) -> ChangeWhere {
    use ChangeKind::{Began, Changed, Ended};
    ChangeWhere {
        kinds: draw.chance(0.3).then(|| draw.some(&[Began, Changed, Ended], 2)),
        node_kinds: draw.chance(0.25).then(|| draw.some(NodeKind::ALL, 3)),
        edge_kinds: draw.chance(0.25).then(|| draw.some(EdgeKind::ALL, 3)),
        id: draw.chance(0.4).then(|| {
            let kind = *draw.pick(NodeKind::ALL);
            text(draw, ids(kind))
        }),
    }
}

/// Which coverages.
pub(super) fn coverages(draw: &mut Draw) -> CoverageWhere {
    CoverageWhere {
        kinds: draw.chance(0.3).then(|| draw.some(&[CoverageKind::Observations, CoverageKind::Posture], 2)),
        source: draw.chance(0.2).then(|| text(draw, SOURCES)),
        scope: draw.chance(0.3).then(|| text(draw, &["data", "management"])),
        identity: draw.chance(0.4).then(|| draw.text(IDENTITIES)),
    }
}

/// By what to count.
pub(super) fn facet(draw: &mut Draw) -> FacetBy {
    match draw.below(6) {
        0 => FacetBy::Type,
        1..4 => FacetBy::Owner,
        _ => FacetBy::Attribute(draw.text(&["env", "tier", "none"])),
    }
}

/// A field that follows an edge: of which kind of node, which edge, which way.
pub(super) fn field(draw: &mut Draw) -> (NodeKind, EdgeKind, Direction) {
    use Direction::{In, Out};
    use EdgeKind as E;
    use NodeKind::{Entitlement, Identity, Resource, Secret, Workload};
    const FIELDS: &[(NodeKind, EdgeKind, Direction)] = &[
        (Identity, E::AuthenticatesWith, Out),
        (Identity, E::RunsAs, In),
        (Identity, E::MemberOf, Out),
        (Identity, E::MemberOf, In),
        (Identity, E::CanAssume, Out),
        (Identity, E::CanAssume, In),
        (Identity, E::Holds, Out),
        (Entitlement, E::Holds, In),
        (Secret, E::Issued, Out),
        (Secret, E::Issued, In),
        (Secret, E::StoredIn, Out),
        (Secret, E::AuthenticatesWith, In),
        (Secret, E::Mounts, In),
        (Workload, E::RunsAs, Out),
        (Workload, E::Mounts, Out),
        (Resource, E::Contains, Out),
        (Resource, E::Contains, In),
    ];
    if draw.chance(0.15) { (*draw.pick(&NodeKind::ALL[..5]), E::Owns, In) } else { *draw.pick(FIELDS) }
}

pub(super) fn few_steps(draw: &mut Draw) -> Window {
    let from = draw.moment();
    Window { from: Some(from), to: Some(Instant::from_nanos(from.nanos() + 4 * DAY)), last: None }
}

pub(super) fn seen(draw: &mut Draw) -> SeenWhere {
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

pub(super) fn nodes(draw: &mut Draw, kind: NodeKind) -> NodeWhere {
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

pub(super) fn observations(draw: &mut Draw) -> ObservationWhere {
    ObservationWhere {
        seen: seen(draw),
        identity: draw.chance(0.2).then(|| text(draw, IDENTITIES)),
        covered: draw.chance(0.4).then(|| draw.chance(0.5)),
        explained: draw.chance(0.3).then(|| draw.chance(0.5)),
        posture_known: draw.chance(0.3).then(|| draw.chance(0.5)),
    }
}
