//! Histories.

use asof_model::{
    Attributes, Batch, CoverageKind, CoverageValue, EdgeKind, EdgeRef, Effect, EntitlementValue, Fact,
    Instant, NodeKind, NodeRef, NodeValue, Observation, Op, Outcome, Privilege, RecordBody, SecretState,
    SecretValue, Subject, Value,
};

use super::*;
use crate::naive::Ledger;

const KINDS: &[NodeKind] = &[
    NodeKind::Identity,
    NodeKind::Identity,
    NodeKind::Entitlement,
    NodeKind::Entitlement,
    NodeKind::Entitlement,
    NodeKind::Secret,
    NodeKind::Workload,
    NodeKind::Resource,
    NodeKind::Owner,
];

pub(super) fn ids(kind: NodeKind) -> &'static [&'static str] {
    match kind {
        NodeKind::Identity => IDENTITIES,
        NodeKind::Entitlement => ENTITLEMENTS,
        NodeKind::Secret => SECRETS,
        NodeKind::Workload => WORKLOADS,
        NodeKind::Resource => RESOURCES,
        NodeKind::Owner => OWNERS,
    }
}

fn id(draw: &mut Draw, kind: NodeKind) -> String {
    if draw.chance(0.05) { "ghost".to_owned() } else { draw.text(ids(kind)) }
}

fn attributes(draw: &mut Draw) -> Attributes {
    if draw.chance(0.5) {
        return Attributes::new();
    }
    draw.some(&["env", "tier"], 2)
        .into_iter()
        .map(|key| (key.to_owned(), draw.text(&["prod", "test", ""])))
        .collect()
}

fn entitlement(draw: &mut Draw) -> EntitlementValue {
    EntitlementValue {
        effect: if draw.chance(0.3) { Effect::Deny } else { Effect::Allow },
        privileges: draw.some(Privilege::HELD, 3).into_iter().collect(),
        scopes: draw.some(SCOPES, 2).into_iter().map(str::to_owned).collect(),
        actions: if draw.chance(0.25) {
            draw.some(&["s3:GetObject", "S3:*", "s3:?etobject", "*"], 2)
                .into_iter()
                .map(str::to_owned)
                .collect()
        } else {
            Vec::new()
        },
        conditional: draw.chance(0.25),
    }
}

fn secret(draw: &mut Draw) -> SecretValue {
    let moment = |draw: &mut Draw| draw.chance(0.5).then(|| draw.moment());
    SecretValue {
        state: *draw.pick(&[
            SecretState::Active,
            SecretState::Active,
            SecretState::Inactive,
            SecretState::Revoked,
        ]),
        issued_at: moment(draw),
        expires_at: moment(draw),
        last_rotated_at: moment(draw),
    }
}

fn node(draw: &mut Draw, kind: NodeKind) -> Value {
    Value::Node(NodeValue {
        name: if draw.chance(0.6) { draw.text(NAMES) } else { String::new() },
        node_type: if draw.chance(0.6) { draw.text(TYPES) } else { String::new() },
        attributes: attributes(draw),
        entitlement: (kind == NodeKind::Entitlement).then(|| entitlement(draw)),
        secret: (kind == NodeKind::Secret && draw.chance(0.8)).then(|| secret(draw)),
    })
}

fn coverage(draw: &mut Draw) -> Value {
    const GLOBS: &[&[&str]] =
        &[&[], &[], &["s3/*"], &["s3/a*", "db/?"], &["*"], &["db/*", "tool/*"], &["**"]];
    const WHOM: &[&[&str]] = &[&[], &[], &["sa/*"], &["role/*", "group/*"], &["sa/?", "role/a"]];
    let globs = |globs: &[&str]| globs.iter().map(|each| (*each).to_owned()).collect();
    Value::Coverage(CoverageValue {
        kind: if draw.chance(0.5) { CoverageKind::Posture } else { CoverageKind::Observations },
        identities: globs(draw.pick::<&[&str]>(WHOM)),
        resources: globs(draw.pick::<&[&str]>(GLOBS)),
        privileges: if draw.chance(0.3) {
            draw.some(Privilege::HELD, 5).into_iter().collect()
        } else {
            [].into_iter().collect()
        },
    })
}

fn edge(draw: &mut Draw, kind: EdgeKind) -> EdgeRef {
    let (from_kind, to_kind) = kind.ends();
    let owned = if draw.chance(0.5) { NodeKind::Identity } else { *draw.pick(&NodeKind::ALL[..5]) };
    let to_kind = to_kind.unwrap_or(owned);
    let to =
        if kind == EdgeKind::MemberOf && draw.chance(0.8) { draw.text(GROUPS) } else { id(draw, to_kind) };
    EdgeRef { kind, from: id(draw, from_kind), to_kind, to }
}

fn edge_kind(draw: &mut Draw) -> EdgeKind {
    let common = [
        EdgeKind::Holds,
        EdgeKind::Holds,
        EdgeKind::Holds,
        EdgeKind::MemberOf,
        EdgeKind::CanAssume,
        EdgeKind::Issued,
    ];
    if draw.chance(0.75) { *draw.pick(&common) } else { *draw.pick(EdgeKind::ALL) }
}

/// One of a few keys of which much is said, by every source.
fn favourite(draw: &mut Draw) -> (Subject, Value) {
    let edge = |kind, from: &str, to_kind, to: &str| {
        let edge = EdgeRef { kind, from: from.to_owned(), to_kind, to: to.to_owned() };
        (Subject::Edge(edge), Value::Edge(Attributes::new()))
    };
    match draw.below(9) {
        0 => edge(EdgeKind::Holds, "sa/0", NodeKind::Entitlement, "ent/0"),
        1 => edge(EdgeKind::Holds, "group/a", NodeKind::Entitlement, "ent/1"),
        2 => edge(EdgeKind::MemberOf, "sa/0", NodeKind::Identity, "group/a"),
        3 => edge(EdgeKind::MemberOf, "group/a", NodeKind::Identity, "group/b"),
        4 => edge(EdgeKind::MemberOf, "group/b", NodeKind::Identity, "group/a"),
        place => {
            let kind =
                [NodeKind::Identity, NodeKind::Entitlement, NodeKind::Secret, NodeKind::Identity][place - 5];
            (Subject::Node(NodeRef { kind, id: ids(kind)[0].to_owned() }), node(draw, kind))
        }
    }
}

/// `dense`: how often it is one of the favourites.
fn subject(draw: &mut Draw, dense: f64) -> (Subject, Value) {
    if draw.chance(dense) {
        return favourite(draw);
    }
    match draw.below(100) {
        0..10 => (Subject::Coverage(draw.text(&["data", "management"])), coverage(draw)),
        10..50 => {
            let kind = *draw.pick(KINDS);
            (Subject::Node(NodeRef { kind, id: draw.text(ids(kind)) }), node(draw, kind))
        }
        _ => {
            let kind = edge_kind(draw);
            let attributes = if draw.chance(0.1) { attributes(draw) } else { Attributes::new() };
            (Subject::Edge(edge(draw, kind)), Value::Edge(attributes))
        }
    }
}

fn fact(draw: &mut Draw, dense: f64) -> Fact {
    let (subject, value) = subject(draw, dense);
    let deletions = if matches!(subject, Subject::Node(_)) { 20 } else { 12 };
    let op = match draw.below(100) {
        each if each < deletions => Op::Delete,
        each if each < deletions + 10 => Op::End,
        _ => Op::Put(value),
    };
    let mut fact = plain(subject, op, draw.moment());
    match draw.below(10) {
        0..4 => {
            let end = draw.moment();
            fact.valid_to = if end > fact.valid_from {
                end
            } else {
                Instant::from_nanos(fact.valid_from.nanos() + *draw.pick(&[1, DAY]))
            };
        }
        4..6 => fact.until_next = true,
        _ => {}
    }
    if draw.chance(0.15) {
        fact.event_id = format!("f{}", draw.below(8));
    }
    match draw.below(60) {
        0 => fact.valid_from = Instant::from_nanos(0),
        1 if fact.valid_to == Instant::FOREVER => fact.valid_from = Instant::from_nanos(i64::MAX - 1),
        2 if !fact.until_next => fact.valid_to = Instant::from_nanos(i64::MAX - 1),
        _ => {}
    }
    fact
}

fn plain(subject: Subject, op: Op, valid_from: Instant) -> Fact {
    Fact {
        subject,
        op,
        valid_from,
        valid_to: Instant::FOREVER,
        until_next: false,
        event_id: String::new(),
        caused_by: String::new(),
    }
}

fn observation(draw: &mut Draw, number: usize) -> Observation {
    const PRIVILEGES: &[Privilege] = &[Privilege::Read, Privilege::Write, Privilege::Write, Privilege::Admin];
    let privilege = if draw.chance(0.5) { *draw.pick(PRIVILEGES) } else { *draw.pick(Privilege::ALL) };
    let time = draw.moment();
    let mut seen = Observation::new(id(draw, NodeKind::Identity), time, privilege);
    let may = |draw: &mut Draw, p: f64, values: &[&str]| {
        if draw.chance(p) { draw.text(values) } else { String::new() }
    };
    seen.event_id = match draw.below(20) {
        0..3 => String::new(),
        3 => format!("e{}", draw.below(number + 1)), // known, mostly with other content
        _ => format!("e{number}"),
    };
    seen.actor = may(draw, 0.3, IDENTITIES);
    seen.secret = may(draw, 0.4, SECRETS);
    seen.workload = may(draw, 0.3, WORKLOADS);
    seen.resource = may(draw, 0.8, RESOURCES);
    seen.action = may(draw, 0.5, ACTIONS);
    seen.source_ip = may(draw, 0.4, ADDRESSES);
    seen.region = may(draw, 0.4, REGIONS);
    if draw.chance(0.3) {
        seen.outcome = *draw.pick(Outcome::ALL);
    }
    if draw.chance(0.3) {
        seen.granted_by = vec![draw.text(&["roles/writer", "bindings/1"])];
    }
    seen
}

/// What a first inventory says, mostly for good: without it little would be held.
fn beginning(draw: &mut Draw) -> Batch {
    let begin = Instant::from_nanos(START);
    let mut facts = Vec::new();
    for &kind in NodeKind::ALL {
        for each in ids(kind) {
            if draw.chance(0.7) {
                let value = node(draw, kind);
                let subject = Subject::Node(NodeRef { kind, id: (*each).to_owned() });
                facts.push(plain(subject, Op::Put(value), begin));
            }
        }
    }
    for (kind, count) in [
        (EdgeKind::Holds, 16),
        (EdgeKind::MemberOf, 3),
        (EdgeKind::CanAssume, 3),
        (EdgeKind::AuthenticatesWith, 2),
        (EdgeKind::RunsAs, 2),
        (EdgeKind::Mounts, 1),
        (EdgeKind::StoredIn, 1),
        (EdgeKind::Contains, 1),
        (EdgeKind::Owns, 6),
        (EdgeKind::Issued, 2),
    ] {
        for _ in 0..count / 2 + draw.below(count / 2 + 2) {
            let edge = edge(draw, kind);
            facts.push(plain(Subject::Edge(edge), Op::Put(Value::Edge(Attributes::new())), begin));
        }
    }
    for scope in ["management", "data"] {
        if draw.chance(0.5) {
            let value = coverage(draw);
            facts.push(plain(Subject::Coverage(scope.to_owned()), Op::Put(value), begin));
        }
    }
    for fact in &mut facts {
        if draw.chance(0.15) {
            let end = draw.moment();
            if end > fact.valid_from {
                fact.valid_to = end;
            }
        }
    }
    Batch { source: draw.text(SOURCES), batch_id: "b0".to_owned(), facts, observations: Vec::new() }
}

/// What every source says of one key, one after the other, and that none of them states it any longer.
fn forgotten(draw: &mut Draw) -> Vec<Batch> {
    let (subject, value) = favourite(draw);
    let (one, other) = (draw.moment(), draw.moment());
    let said = [(Op::Put(value), one.min(other)), (Op::End, one.max(other))];
    let mut batches = Vec::new();
    for source in SOURCES {
        let facts = said.iter().map(|(op, from)| plain(subject.clone(), op.clone(), *from));
        batches.push(Batch { source: (*source).to_owned(), facts: facts.collect(), ..Batch::default() });
    }
    batches
}

/// A history of about so many batches.
pub fn history(draw: &mut Draw, batches: usize) -> Vec<Batch> {
    let mut history = Vec::new();
    if draw.chance(0.9) {
        history.push(beginning(draw));
    }
    let dense = *draw.pick(&[0.1, 0.3, 0.9]);
    let mut number = 0;
    for count in 1..=batches {
        let facts = (0..draw.below(6)).map(|_| fact(draw, dense)).collect();
        let observations = (0..draw.below(12))
            .map(|_| {
                number += 1;
                observation(draw, number)
            })
            .collect();
        let batch_id = if draw.chance(0.1) { String::new() } else { format!("b{count}") };
        history.push(Batch { source: draw.text(SOURCES), batch_id, facts, observations });
        if draw.chance(0.03) {
            history.extend(forgotten(draw));
        }
        if draw.chance(0.05) {
            let again = draw.pick(&history).clone();
            if !again.batch_id.is_empty() {
                history.push(again);
            }
        }
    }
    history
}

/// A history of one entitlement or another given to many: so many identities, about so many records. What is kept of
/// posture grows past one piece here.
pub fn wide(draw: &mut Draw, identities: usize, records: usize) -> Vec<Batch> {
    let mut history = vec![beginning(draw)];
    let (mut written, mut number) = (0, 0);
    while written < records {
        let mut batch = Batch { source: draw.text(SOURCES), ..Batch::default() };
        for _ in 0..50 + draw.below(200) {
            let one = format!("n/{}", draw.below(identities));
            match draw.below(100) {
                0..2 => {
                    batch.facts.push(fact(draw, 0.3)); // of an entitlement, say, that half of them hold
                }
                2..60 => {
                    let given = fact(draw, 0.0);
                    let edge = EdgeRef { from: one, ..edge(draw, EdgeKind::Holds) };
                    let op = if matches!(given.op, Op::Put(_)) {
                        Op::Put(Value::Edge(Attributes::new()))
                    } else {
                        given.op
                    };
                    batch.facts.push(Fact { subject: Subject::Edge(edge), op, ..given });
                }
                60..62 => {
                    let edge = EdgeRef { from: one, ..edge(draw, EdgeKind::MemberOf) };
                    batch.facts.push(plain(
                        Subject::Edge(edge),
                        Op::Put(Value::Edge(Attributes::new())),
                        draw.moment(),
                    ));
                }
                62..64 => {
                    let subject = Subject::Node(NodeRef { kind: NodeKind::Identity, id: one });
                    batch.facts.push(plain(subject, Op::Delete, draw.moment()));
                }
                _ => {
                    number += 1;
                    batch.observations.push(Observation { identity: one, ..observation(draw, number) });
                }
            }
        }
        written += batch.facts.len() + batch.observations.len();
        history.push(batch);
    }
    history
}

/// A history of so many secrets: each is spoken of once or twice, before it is used and after.
pub fn keyed(draw: &mut Draw, secrets: usize, records: usize) -> Vec<Batch> {
    let mut history = vec![beginning(draw)];
    let (mut written, mut number) = (0, 0);
    while written < records {
        let mut batch = Batch { source: draw.text(SOURCES), ..Batch::default() };
        for _ in 0..5 + draw.below(20) {
            let id = format!("k/{}", draw.below(secrets));
            if draw.chance(0.3) {
                let subject = Subject::Node(NodeRef { kind: NodeKind::Secret, id });
                let given = fact(draw, 0.0);
                let op = if matches!(given.op, Op::Put(_)) {
                    let secret = Some(secret(draw));
                    Op::Put(Value::Node(NodeValue { secret, ..NodeValue::default() }))
                } else {
                    given.op
                };
                batch.facts.push(plain(subject, op, given.valid_from));
            } else {
                number += 1;
                batch.observations.push(Observation { secret: id, ..observation(draw, number) });
            }
        }
        written += batch.facts.len() + batch.observations.len();
        history.push(batch);
    }
    history
}

/// The same records in other batches: facts in their order, observations anywhere.
pub fn regrouped(draw: &mut Draw, history: &[Batch]) -> Vec<Batch> {
    let ledger = Ledger::of(history);
    let (facts, mut seen): (Vec<_>, Vec<_>) =
        ledger.entries.into_iter().partition(|entry| matches!(entry.body, RecordBody::Fact(_)));
    draw.shuffle(&mut seen);
    let (mut facts, mut seen) = (facts.into_iter().peekable(), seen.into_iter().peekable());
    let mut batches: Vec<Batch> = Vec::new();
    while facts.peek().is_some() || seen.peek().is_some() {
        let fact = seen.peek().is_none() || facts.peek().is_some() && draw.chance(0.5);
        let Some(entry) = (if fact { facts.next() } else { seen.next() }) else { break };
        let goes_on = batches
            .last()
            .is_some_and(|last| last.source == entry.source && (!fact || last.observations.is_empty()));
        if !goes_on || draw.chance(0.2) {
            batches.push(Batch { source: entry.source.clone(), ..Batch::default() });
        }
        let Some(last) = batches.last_mut() else { break };
        match entry.body {
            RecordBody::Fact(fact) => last.facts.push(fact),
            RecordBody::Observation(seen) => last.observations.push(*seen),
        }
    }
    batches
}
