//! A question's answer by the real evaluation, in the rows of [`crate::draw::Question::answer`].

use std::sync::Arc;

use asof_model::{NodeKind, Observation, State as Held, Value};
use asof_query::{Event, Key, Known, Node, QueryError};

use crate::draw::{
    Answer, Question, activity_row, event_row, existence_row, grant_row, state_row, unused_row, usage_row,
    used_row, version_row,
};
use crate::naive::{Merged, State, Wrong};

/// The answer; a question that is wrong in itself is [`Wrong`], any other failure is a failure of the test.
pub fn answer(question: &Question, known: &Known, t: asof_model::Instant, indices: bool) -> Answer {
    match rows(question, known, t, indices) {
        Ok(rows) => Ok(rows),
        Err(QueryError::Invalid(_)) => Err(Wrong),
        Err(why) => panic!("{why}: {question:?} at {t}"),
    }
}

fn rows(
    question: &Question,
    known: &Known,
    t: asof_model::Instant,
    indices: bool,
) -> Result<Vec<String>, QueryError> {
    let mut subject = None;
    if let Some(named) = question.subject() {
        subject = known.reader().lookup(named.kind, &named.id)?;
        if subject.is_none() {
            return Ok(vec!["never named".to_owned()]);
        }
    }
    let node = || subject.ok_or_else(|| QueryError::invalid("it is about no node"));
    let ids = |nodes: Vec<Node>| nodes.into_iter().map(|node| id(known, node)).collect::<Result<Vec<_>, _>>();
    let events = |events: Vec<Event>| {
        events.into_iter().map(|event| event_text(known, &event, indices)).collect::<Result<Vec<_>, _>>()
    };
    match question {
        Question::Identities { filter, include_deleted, order } => {
            ids(known.identities(t, filter, *include_deleted, *order)?)
        }
        Question::Secrets { filter, include_deleted } => ids(known.secrets(t, filter, *include_deleted)?),
        Question::Nodes { kind, filter, include_deleted } => {
            ids(known.nodes(t, *kind, filter, *include_deleted)?)
        }
        Question::Observations { filter, during, .. } => {
            events(known.observations(t, subject, filter, during)?)
        }
        Question::Uncovered { filter, .. } => events(known.uncovered(t, node()?, filter)?),
        Question::Entitlements { privileges, on, effective, .. } => known
            .entitlements(t, node()?, *privileges, on.as_deref(), *effective)?
            .into_iter()
            .map(|grant| Ok(grant_row(&id(known, grant.entitlement)?, &id(known, grant.holder)?)))
            .collect(),
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
            .unused(t, node()?, filter)?
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
        Question::State { .. } => {
            let state = known.state(Key::Node(node()?), t)?;
            Ok(vec![existence_row(known.exists(node()?, t)?), state_row(&merged(node()?.kind, &state))])
        }
        Question::Versions { .. } => {
            let versions = known.versions(Key::Node(node()?))?;
            let row =
                |(from, to, state): (_, _, Held)| Ok(version_row(from, to, &merged(node()?.kind, &state)));
            versions.into_iter().map(row).collect()
        }
    }
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

fn merged(kind: NodeKind, state: &Held) -> State {
    match state {
        Held::Never => State::Never,
        Held::Deleted => State::Deleted,
        Held::Value(value) => {
            let mut merged = Merged::default();
            if let Value::Node(said) = Arc::unwrap_or_clone(Arc::clone(value)) {
                merged.name = said.name;
                merged.node_type = said.node_type;
                merged.attributes = said.attributes;
                merged.entitlement = said.entitlement;
                merged.secret = said.secret;
            }
            if kind == NodeKind::Secret {
                merged.secret.get_or_insert_default(); // of which nobody gives it: ACTIVE
            }
            State::Value(Box::new(merged))
        }
    }
}
