//! A question as one value, and its answer by the naive model: rows of text, so that two answers can be laid side by side.

use asof_model::{Duration, Instant, NodeKind, NodeRef, PrivilegeSet};
use asof_query::{
    IdentityOrder, IdentityWhere, NodeWhere, ObservationWhere, ObservedWhere, SecretWhere, UncoveredWhere,
    UnusedWhere, Window,
};

use crate::naive::{Key, Known, Merged, Seen, State, Wrong, node};

/// What is asked. An identity is given by its id; one that no record names has no answer.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each is the query of its name")]
pub enum Question {
    Identities { filter: Box<IdentityWhere>, include_deleted: bool, order: IdentityOrder },
    Secrets { filter: Box<SecretWhere>, include_deleted: bool },
    Nodes { kind: NodeKind, filter: Box<NodeWhere>, include_deleted: bool },
    Observations { identity: Option<String>, filter: Box<ObservationWhere>, during: Window },
    Uncovered { identity: String, filter: Box<UncoveredWhere> },
    Entitlements { identity: String, privileges: Option<PrivilegeSet>, on: Option<String>, effective: bool },
    Usage { identity: String, during: Window, privileges: Option<PrivilegeSet> },
    Unused { identity: String, filter: UnusedWhere },
    Gaps { identity: String, filter: ObservedWhere },
    Activity { identity: String, during: Window, every: Duration },
    FirstAndLastUsed { identity: String },
    State { kind: NodeKind, id: String },
    Versions { kind: NodeKind, id: String },
}

/// Rows, in the answer's order; or the question is wrong.
pub type Answer = Result<Vec<String>, Wrong>;

impl Question {
    /// By the naive model. `indices`: rows say ledger indices too, where they have them.
    pub fn answer(&self, known: &Known<'_>, t: Instant, indices: bool) -> Answer {
        if let Some(subject) = self.subject()
            && !known.named.contains(&subject)
        {
            return Ok(vec!["never named".to_owned()]);
        }
        let identity = |id: &str| node(NodeKind::Identity, id);
        let rows = match self {
            Self::Identities { filter, include_deleted, order } => {
                ids(known.identities(t, filter, *include_deleted, *order)?)
            }
            Self::Secrets { filter, include_deleted } => ids(known.secrets(t, filter, *include_deleted)?),
            Self::Nodes { kind, filter, include_deleted } => {
                ids(known.nodes(t, *kind, filter, *include_deleted))
            }
            Self::Observations { identity: id, filter, during } => {
                let id = id.as_deref().map(identity);
                events(known.observations(t, id.as_ref(), filter, during)?, indices)
            }
            Self::Uncovered { identity: id, filter } => {
                events(known.uncovered(&identity(id), filter, t)?, indices)
            }
            Self::Entitlements { identity: id, privileges, on, effective } => known
                .entitlements(t, &identity(id), *privileges, on.as_deref(), *effective)
                .into_iter()
                .map(|(e, holder)| grant_row(&e.id, &holder.id))
                .collect(),
            Self::Usage { identity: id, during, privileges } => known
                .usage(t, &identity(id), during, *privileges)?
                .into_iter()
                .map(|usage| {
                    let (c, resource) = (usage.counts, usage.resource.unwrap_or_default());
                    let counts = [c.successes, c.denials, c.errors];
                    usage_row(usage.privilege, &resource, counts, usage.first, usage.last)
                })
                .collect(),
            Self::Unused { identity: id, filter } => known
                .unused(t, &identity(id), filter)?
                .into_iter()
                .map(|each| unused_row(&each.entitlement.id, each.privilege, each.held_since, each.last_used))
                .collect(),
            Self::Gaps { identity: id, filter } => known
                .gaps(&identity(id), filter, t)?
                .into_iter()
                .map(|gap| format!("{} to {}", gap.from, gap.to))
                .collect(),
            Self::Activity { identity: id, during, every } => known
                .activity(t, &identity(id), during, *every)?
                .into_iter()
                .map(|point| {
                    let seen =
                        point.observations.iter().map(|(p, c)| (*p, [c.successes, c.denials, c.errors]));
                    activity_row(point.start, point.held, point.entitlements, seen)
                })
                .collect(),
            Self::FirstAndLastUsed { identity: id } => {
                let (first, last) = known.first_and_last_used(t, &identity(id));
                vec![used_row(first, last)]
            }
            Self::State { kind, id } => {
                let node = node(*kind, id);
                vec![existence_row(known.exists(&node, t)), state_row(&known.state(&Key::Node(node), t))]
            }
            Self::Versions { kind, id } => known
                .versions(&Key::Node(node(*kind, id)))
                .into_iter()
                .map(|(from, to, state)| version_row(from, to, &state))
                .collect(),
        };
        Ok(rows)
    }

    /// The one node that it is about.
    pub fn subject(&self) -> Option<NodeRef> {
        match self {
            Self::Identities { .. } | Self::Secrets { .. } | Self::Nodes { .. } => None,
            Self::Observations { identity, .. } => identity.as_deref().map(|id| node(NodeKind::Identity, id)),
            Self::Uncovered { identity, .. }
            | Self::Entitlements { identity, .. }
            | Self::Usage { identity, .. }
            | Self::Unused { identity, .. }
            | Self::Gaps { identity, .. }
            | Self::Activity { identity, .. }
            | Self::FirstAndLastUsed { identity } => Some(node(NodeKind::Identity, identity)),
            Self::State { kind, id } | Self::Versions { kind, id } => Some(node(*kind, id)),
        }
    }
}

fn ids(nodes: Vec<NodeRef>) -> Vec<String> {
    nodes.into_iter().map(|node| node.id).collect()
}

fn events(seen: Vec<Seen<'_>>, indices: bool) -> Vec<String> {
    let row = |seen: Seen<'_>| event_row(seen.what, indices.then_some(seen.index));
    seen.into_iter().map(row).collect()
}

/// A row of observations.
pub fn event_row(seen: &asof_model::Observation, index: Option<u64>) -> String {
    let index = index.map(|index| format!("#{index} ")).unwrap_or_default();
    format!(
        "{index}{} {} {} {} on {:?} by {:?} with {:?} as {:?} from {:?} {:?} {:?} granted {}",
        seen.time,
        seen.identity,
        seen.privilege,
        seen.outcome,
        seen.resource,
        seen.action,
        seen.secret,
        seen.actor,
        seen.workload,
        seen.region,
        seen.source_ip,
        !seen.granted_by.is_empty()
    )
}

/// A row of entitlements.
pub fn grant_row(entitlement: &str, holder: &str) -> String {
    format!("{entitlement} by {holder}")
}

/// A row of usage.
pub fn usage_row(
    privilege: asof_model::Privilege,
    resource: &str,
    counts: [u64; 3],
    first: Instant,
    last: Instant,
) -> String {
    format!("{privilege} on {resource:?} {counts:?} {first} to {last}")
}

/// A row of unused.
pub fn unused_row(
    entitlement: &str,
    privilege: asof_model::Privilege,
    since: Instant,
    last: Option<Instant>,
) -> String {
    format!("{entitlement} {privilege} since {since} last {}", moment(last))
}

/// A row of activity.
pub fn activity_row(
    start: Instant,
    held: PrivilegeSet,
    entitlements: u32,
    seen: impl Iterator<Item = (asof_model::Privilege, [u64; 3])>,
) -> String {
    let held: Vec<_> = held.iter().map(|each| each.name()).collect();
    let seen: Vec<_> = seen.map(|(privilege, counts)| format!("{privilege} {counts:?}")).collect();
    format!("{start} held {held:?} by {entitlements}, seen {seen:?}")
}

/// First and last use.
pub fn used_row(first: Option<Instant>, last: Option<Instant>) -> String {
    format!("first {} last {}", moment(first), moment(last))
}

/// Whether it exists.
pub fn existence_row(exists: bool) -> String {
    format!("exists: {exists}")
}

/// A state.
pub fn state_row(state: &State) -> String {
    match state {
        State::Never => "never stated".to_owned(),
        State::Deleted => "deleted".to_owned(),
        State::Value(merged) => value_row(merged),
    }
}

/// A value.
pub fn value_row(merged: &Merged) -> String {
    format!("{merged:?}")
}

/// A stretch of one state.
pub fn version_row(from: Instant, to: Instant, state: &State) -> String {
    format!("{from} to {to}: {}", state_row(state))
}

fn moment(at: Option<Instant>) -> String {
    at.map_or("never".to_owned(), |at| at.to_string())
}
