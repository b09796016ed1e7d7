//! A question's answer by the real evaluation, in the rows of [`crate::draw::Question::answer`].

use std::sync::Arc;

use asof_model::{EdgeRef, Instant, NodeKind, NodeRef, Observation, Op, State as Held, StatementOp, Value};
use asof_query::{
    Change, Event, EventList, Grant, Key as OrdinalKey, Known, Node, ObservationWhere, QueryError, Step,
};

use crate::draw::*;
use crate::naive::{self, Key, Merged, State, Wrong};

/// The answer; a question that is wrong in itself is [`Wrong`], any other failure is a failure of the test.
pub fn answer(question: &Question, known: &Known, t: Instant, whole: bool) -> Answer {
    match rows(question, known, t, whole) {
        Ok(rows) => Ok(rows),
        Err(QueryError::Invalid(_)) => Err(Wrong),
        Err(why) => panic!("{why}: {question:?} at {t}"),
    }
}

type Rows = Result<Vec<String>, QueryError>;

fn rows(question: &Question, known: &Known, t: Instant, whole: bool) -> Rows {
    let mut subjects = Vec::new();
    for named in question.subjects() {
        let Some(found) = known.reader().lookup(named.kind, &named.id)? else {
            return Ok(vec!["never named".to_owned()]);
        };
        subjects.push(found);
    }
    let omitted = |count: u64| Ok(vec![format!("omitted: {count}")]);
    match question {
        Question::Identities { filter, include_deleted, order } => {
            ids(known, known.identities(t, filter, *include_deleted, *order)?.all())
        }
        Question::OmittedIdentities { filter } => omitted(known.omitted_identities(t, filter)?),
        Question::Trend { filter, during, every, include_deleted } => {
            let points = known.trend(t, filter, during, *every, *include_deleted)?;
            Ok(points.into_iter().map(|(start, count)| step_row(start, count)).collect())
        }
        Question::Facets { filter, by, include_deleted } => {
            let values = known.facets(t, filter, by, *include_deleted)?;
            Ok(values.into_iter().map(|(value, count)| facet_row(value.as_deref(), count)).collect())
        }
        Question::Secrets { filter, include_deleted } => {
            ids(known, known.secrets(t, filter, *include_deleted)?.all())
        }
        Question::OmittedSecrets { filter } => omitted(known.omitted_secrets(t, filter)?),
        Question::Nodes { kind, filter, include_deleted } => {
            ids(known, known.nodes(t, *kind, filter, *include_deleted)?.all())
        }
        Question::OmittedNodes { kind, filter } => omitted(known.omitted_nodes(t, *kind, filter)?),
        Question::Changes { filter, during } => {
            known.changes(t, filter, during)?.into_iter().map(|each| change(known, each, whole)).collect()
        }
        Question::Coverages { filter } => {
            let stated = known.stated_coverages(t, filter)?;
            Ok(stated.iter().map(|each| coverage_row(&each.source, &each.scope, &each.value)).collect())
        }
        Question::BlastRadius { privileges, hops_max, .. } => {
            let reached = known.blast_radius(t, Some(subjects[0]), *privileges, *hops_max)?;
            let hops = reached.identities.into_iter().chain(reached.resources);
            hops.map(|(node, distance)| Ok(hop_row(&named(known, node)?, distance))).collect()
        }
        Question::Paths { hops_max, observed_during, first, .. } => {
            let (from, to) = (Some(subjects[0]), Some(subjects[1]));
            let paths = known.paths(t, from, to, *hops_max, observed_during.as_ref(), *first)?;
            paths.into_iter().map(|path| Ok(path_row(&steps(known, path)?, whole))).collect()
        }
        Question::Follow { kind, direction, .. } => {
            ids(known, known.follow(*kind, subjects[0], *direction, t)?)
        }
        Question::Dead { .. } => Ok(vec![format!("dead: {}", known.dead(subjects[0], t)?)]),
        Question::State { key } | Question::Versions { key } | Question::Revisions { key } => {
            match ordinals(known, key, &subjects)? {
                Some(ordinal) => of_key(question, known, (key, ordinal), t, whole),
                None if matches!(question, Question::State { .. }) => Ok(vec![state_row(&State::Never)]),
                None => Ok(Vec::new()),
            }
        }
        _ => of_one(question, known, t, whole, &subjects),
    }
}

/// What an identity, or a secret, is seen to do.
fn of_one(question: &Question, known: &Known, t: Instant, whole: bool, subjects: &[Node]) -> Rows {
    let subject = subjects.first().copied();
    let node = || subject.ok_or_else(|| QueryError::invalid("it is about no node"));
    let events = |list: EventList| -> Rows {
        paged(known, t, &list)?.iter().map(|event| event_text(known, event, whole)).collect()
    };
    match question {
        Question::Observations { filter, during, .. } => {
            let (filter, during) = ((**filter).clone(), *during);
            events(EventList::Observations { identity: subject, filter, during })
        }
        Question::Covered { during, .. } => {
            let (filter, during) = (ObservationWhere::default(), *during);
            let row = |event: &Event| {
                let covered = known.covered(event, None, false)?;
                Ok(format!("{} covered {covered}", event_text(known, event, whole)?))
            };
            let list = EventList::Observations { identity: subject, filter, during };
            paged(known, t, &list)?.iter().map(row).collect()
        }
        Question::Uncovered { filter, .. } => {
            events(EventList::Uncovered { identity: node()?, filter: (**filter).clone() })
        }
        Question::DeadUses { filter, .. } => {
            let list = EventList::DeadUses { node: node()?, filter: filter.clone() };
            assert_eq!(
                known.dead_uses(t, node()?, filter)?,
                paged(known, t, &list)?,
                "at once, and in pages"
            );
            events(list)
        }
        Question::NewSources { filter, .. } => {
            let row = |each: asof_query::NewSource| {
                let first = known.reader().observation(each.first.index)?.record;
                let index = whole.then_some(each.first.index);
                Ok(source_row(&known.source_text(each.source)?, &first, index))
            };
            known.new_sources(t, node()?, filter)?.into_iter().map(row).collect()
        }
        Question::Entitlements { privileges, on, effective, .. } => {
            let from = node()?;
            let row = |Grant { entitlement, holder, .. }: Grant| {
                let via = steps(known, known.via(t, from, holder)?)?;
                Ok(grant_row(&id(known, entitlement)?, &id(known, holder)?, &via, whole))
            };
            let grants = known.entitlements(t, from, *privileges, on.as_deref(), *effective)?;
            grants.into_iter().map(row).collect()
        }
        Question::Usage { during, privileges, .. } => known
            .usage(t, node()?, during, *privileges)?
            .into_iter()
            .map(|usage| {
                let resource =
                    usage.resource.map(|resource| id(known, resource)).transpose()?.unwrap_or_default();
                let counts = [usage.counts.successes, usage.counts.denials, usage.counts.errors];
                Ok(usage_row(usage.privilege, &resource, counts, usage.first, usage.last))
            })
            .collect(),
        Question::Unused { filter, .. } => known
            .unused(t, node()?, filter, asof_query::Told::ALL)?
            .into_iter()
            .map(|each| {
                Ok(unused_row(&id(known, each.entitlement)?, each.privilege, each.held_since, each.last_used))
            })
            .collect(),
        Question::Gaps { filter, .. } => {
            let gaps = known.gaps(t, node()?, filter)?;
            Ok(gaps.into_iter().map(|gap| format!("{} to {}", gap.from, gap.to)).collect())
        }
        Question::Activity { during, every, .. } => {
            let points = known.activity(t, node()?, during, *every)?;
            let row = |point: asof_query::TimelinePoint| {
                let seen = point.observations.iter().map(|(p, c)| (*p, [c.successes, c.denials, c.errors]));
                activity_row(point.start, point.held, point.entitlements, seen)
            };
            Ok(points.into_iter().map(row).collect())
        }
        Question::FirstAndLastUsed { .. } => {
            Ok(vec![used_row(known.first_used(t, node()?)?, known.last_used(t, node()?)?)])
        }
        _ => Err(QueryError::invalid("it is about no one node")),
    }
}

/// What is stated of one key.
fn of_key(
    question: &Question,
    known: &Known,
    (key, ordinal): (&Key, OrdinalKey),
    t: Instant,
    whole: bool,
) -> Rows {
    match question {
        Question::State { .. } => {
            let exists = match ordinal {
                OrdinalKey::Node(node) => Some(existence_row(known.exists(node, t)?)),
                OrdinalKey::Edge(_) | OrdinalKey::Coverage(_) => None,
            };
            Ok(exists.into_iter().chain([state_row(&merged(key, &known.state(ordinal, t)?))]).collect())
        }
        Question::Versions { .. } => {
            let row = |(from, to, state): (_, _, Held)| version_row(from, to, &merged(key, &state));
            Ok(known.versions(ordinal)?.into_iter().map(row).collect())
        }
        _ => {
            let said = known.reader().statements(ordinal)?;
            let mut times: Vec<_> = said.iter().map(|each| each.recorded_at).collect();
            times.dedup();
            let row = |each: &asof_query::Recorded<asof_model::Statement>| {
                let record = &each.record;
                let revision = Revision {
                    index: record.index,
                    batch: times.iter().filter(|time| **time < each.recorded_at).count(),
                    source: &each.source,
                    op: &match &record.op {
                        StatementOp::Put(value) => Op::Put((**value).clone()),
                        StatementOp::Delete => Op::Delete,
                        StatementOp::End => Op::End,
                    },
                    from: record.from,
                    to: record.to,
                };
                revision_row(&revision, whole)
            };
            Ok(said.iter().map(row).collect())
        }
    }
}

/// The whole list, read in pages of growing length.
fn paged(known: &Known, t: Instant, list: &EventList) -> Result<Vec<Event>, QueryError> {
    let (mut found, mut length): (Vec<Event>, _) = (Vec::new(), 1);
    loop {
        let page = known.events(t, list, found.last().map(Event::place), length)?;
        let last = page.len() < length;
        found.extend(page);
        if last {
            break;
        }
        length *= 2;
    }
    assert_eq!(known.count_events(t, list)?, found.len() as u64, "counted, and listed: {list:?} at {t}");
    Ok(found)
}

fn change(known: &Known, change: Change, whole: bool) -> Result<String, QueryError> {
    let key = match change.key {
        OrdinalKey::Node(node) => Key::Node(named(known, node)?),
        OrdinalKey::Edge(edge) => Key::Edge(EdgeRef {
            kind: edge.kind,
            from: id(known, edge.from)?,
            to_kind: edge.to.kind,
            to: id(known, edge.to)?,
        }),
        OrdinalKey::Coverage(ordinal) => {
            Key::Coverage(ordinal.to_string(), "is no node and no edge".to_owned())
        }
    };
    let [before, after] = [&change.before, &change.after].map(|state| merged(&key, state));
    let (time, index, kind) = (change.time, change.ledger_index, change.kind);
    Ok(change_row(&naive::Change { time, index, kind, key, before, after }, whole))
}

fn steps(known: &Known, path: Vec<Step>) -> Result<Vec<naive::Step>, QueryError> {
    let step =
        |Step { kind, from, to }| Ok(naive::Step { kind, from: named(known, from)?, to: named(known, to)? });
    path.into_iter().map(step).collect()
}

/// The key by ordinals; none where a coverage was never stated.
fn ordinals(known: &Known, key: &Key, ends: &[Node]) -> Result<Option<OrdinalKey>, QueryError> {
    Ok(match key {
        Key::Node(_) => Some(OrdinalKey::Node(ends[0])),
        Key::Edge(edge) => {
            Some(OrdinalKey::Edge(asof_query::Edge { kind: edge.kind, from: ends[0], to: ends[1] }))
        }
        Key::Coverage(source, scope) => {
            let all = known.reader().coverages()?;
            let found = all.iter().find(|each| *each.1 == **source && *each.2 == **scope);
            found.map(|(ordinal, _, _)| OrdinalKey::Coverage(*ordinal))
        }
    })
}

fn named(known: &Known, node: Node) -> Result<NodeRef, QueryError> {
    Ok(NodeRef { kind: node.kind, id: id(known, node)? })
}

fn ids(known: &Known, nodes: Vec<Node>) -> Rows {
    nodes.into_iter().map(|node| id(known, node)).collect()
}

fn id(known: &Known, node: Node) -> Result<String, QueryError> {
    Ok(known.reader().id(node)?.to_string())
}

/// From the compact event where it has the member, so that it is held to the record as well.
fn event_text(known: &Known, event: &Event, indices: bool) -> Result<String, QueryError> {
    let name = |kind, ordinal: Option<u32>| {
        ordinal.map_or(Ok(String::new()), |ordinal| id(known, Node { kind, ordinal }))
    };
    let text = |text: Option<asof_query::Text>| {
        text.map_or(Ok(String::new()), |text| known.reader().text(text).map(|text| text.to_string()))
    };
    let mut seen =
        Observation::new(name(NodeKind::Identity, Some(event.identity))?, event.time, event.privilege);
    seen.actor = name(NodeKind::Identity, event.actor)?;
    seen.secret = name(NodeKind::Secret, event.secret)?;
    seen.workload = name(NodeKind::Workload, event.workload)?;
    seen.resource = name(NodeKind::Resource, event.resource)?;
    seen.action = text(event.action)?;
    seen.region = text(event.region)?;
    seen.source_ip = text(event.source_ip)?;
    seen.outcome = event.outcome;
    seen.granted_by = if event.explained { vec!["some".to_owned()] } else { Vec::new() };
    let row = event_row(&seen, indices.then_some(event.index));
    let whole = known.reader().observation(event.index)?.record;
    assert_eq!(row, event_row(&whole, indices.then_some(event.index)), "the event and its record differ");
    Ok(row)
}

/// A state of the engine's as the naive model has it.
pub fn merged(key: &Key, state: &Held) -> State {
    match state {
        Held::Never => State::Never,
        Held::Deleted => State::Deleted,
        Held::Value(value) => {
            let mut merged = Merged::default();
            match Arc::unwrap_or_clone(Arc::clone(value)) {
                Value::Node(said) => {
                    merged.name = said.name;
                    merged.node_type = said.node_type;
                    merged.attributes = said.attributes;
                    merged.entitlement = said.entitlement;
                    merged.secret = said.secret;
                }
                Value::Edge(attributes) => merged.attributes = attributes,
                Value::Coverage(said) => merged.coverage = Some(said),
            }
            if matches!(key, Key::Node(node) if node.kind == NodeKind::Secret) {
                merged.secret.get_or_insert_default(); // of which nobody gives it: ACTIVE
            }
            State::Value(Box::new(merged))
        }
    }
}
