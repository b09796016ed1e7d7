//! A question as one value, and its answer by the naive model: rows of text, so that two answers can be laid side by side.

use asof_model::{Duration, EdgeKind, Instant, NodeKind, NodeRef, PrivilegeSet};
use asof_query::{
    ChangeWhere, CoverageWhere, DeadSecretWhere, Direction, FacetBy, IdentityOrder, IdentityWhere,
    NewSourceWhere, NodeWhere, ObservationWhere, ObservedWhere, SecretWhere, UncoveredWhere, UnusedWhere,
    Window,
};

use super::rows::*;
use crate::naive::{Key, Known, Role, Seen, Stated, Wrong, node};

/// What is asked. A node is given by its id; one that no record names has no answer.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each is the query of its name")]
pub enum Question {
    Identities { filter: Box<IdentityWhere>, include_deleted: bool, order: IdentityOrder },
    OmittedIdentities { filter: Box<IdentityWhere> },
    Trend { filter: Box<IdentityWhere>, during: Window, every: Duration, include_deleted: bool },
    Facets { filter: Box<IdentityWhere>, by: FacetBy, include_deleted: bool },
    Secrets { filter: Box<SecretWhere>, include_deleted: bool },
    OmittedSecrets { filter: Box<SecretWhere> },
    Nodes { kind: NodeKind, filter: Box<NodeWhere>, include_deleted: bool },
    OmittedNodes { kind: NodeKind, filter: Box<NodeWhere> },
    Observations { identity: Option<String>, filter: Box<ObservationWhere>, during: Window },
    Covered { identity: Option<String>, during: Window },
    Changes { filter: Box<ChangeWhere>, during: Window },
    Coverages { filter: CoverageWhere },
    BlastRadius { from: NodeRef, privileges: Option<PrivilegeSet>, hops_max: u32 },
    Paths { from: NodeRef, to: NodeRef, hops_max: u32, observed_during: Option<Window>, first: usize },
    Follow { node: NodeRef, kind: EdgeKind, direction: Direction },
    Uncovered { identity: String, filter: Box<UncoveredWhere> },
    Entitlements { identity: String, privileges: Option<PrivilegeSet>, on: Option<String>, effective: bool },
    Usage { identity: String, during: Window, privileges: Option<PrivilegeSet> },
    Unused { identity: String, filter: UnusedWhere },
    Gaps { identity: String, filter: ObservedWhere },
    Activity { identity: String, during: Window, every: Duration },
    FirstAndLastUsed { identity: String },
    DeadUses { node: NodeRef, filter: DeadSecretWhere },
    NewSources { node: NodeRef, filter: NewSourceWhere },
    Dead { secret: String },
    State { key: Key },
    Versions { key: Key },
    Revisions { key: Key },
}

/// Rows, in the answer's order; or the question is wrong.
pub type Answer = Result<Vec<String>, Wrong>;

impl Question {
    /// By the naive model. `whole`: rows say what depends on the order of arrival, too, such as ledger indices.
    pub fn answer(&self, known: &Known<'_>, t: Instant, whole: bool) -> Answer {
        if self.subjects().iter().any(|subject| !known.named.contains(subject)) {
            return Ok(vec!["never named".to_owned()]);
        }
        let count = |what: &str, count: u64| vec![format!("{what}: {count}")];
        let rows = match self {
            Self::Identities { filter, include_deleted, order } => {
                ids(known.identities(t, filter, *include_deleted, *order)?)
            }
            Self::OmittedIdentities { filter } => count("omitted", known.omitted_identities(t, filter)?),
            Self::Trend { filter, during, every, include_deleted } => {
                let points = known.trend(t, filter, during, *every, *include_deleted)?;
                points.into_iter().map(|(start, count)| step_row(start, count)).collect()
            }
            Self::Facets { filter, by, include_deleted } => {
                let values = known.facets(t, filter, by, *include_deleted)?;
                values.into_iter().map(|(value, count)| facet_row(value.as_deref(), count)).collect()
            }
            Self::Secrets { filter, include_deleted } => ids(known.secrets(t, filter, *include_deleted)?),
            Self::OmittedSecrets { filter } => count("omitted", known.omitted_secrets(t, filter)?),
            Self::Nodes { kind, filter, include_deleted } => {
                ids(known.nodes(t, *kind, filter, *include_deleted))
            }
            Self::OmittedNodes { kind, filter } => count("omitted", known.omitted_nodes(t, *kind, filter)?),
            Self::Changes { filter, during } => {
                known.changes(t, filter, during)?.iter().map(|change| change_row(change, whole)).collect()
            }
            Self::Coverages { filter } => known
                .stated_coverages(t, filter)
                .into_iter()
                .map(|(source, scope, said)| coverage_row(&source, &scope, &said))
                .collect(),
            Self::BlastRadius { from, privileges, hops_max } => {
                let reached = known.blast_radius(t, from, *privileges, *hops_max)?;
                let hops = reached.identities.iter().chain(&reached.resources);
                hops.map(|(node, distance)| hop_row(node, *distance)).collect()
            }
            Self::Paths { from, to, hops_max, observed_during, first } => known
                .paths(t, from, to, *hops_max, observed_during.as_ref(), *first)?
                .iter()
                .map(|path| path_row(path, whole))
                .collect(),
            Self::Follow { node, kind, direction: Direction::Out } => ids(known.to(*kind, node, t)),
            Self::Follow { node, kind, direction: Direction::In } => ids(known.back(*kind, node, t)),
            Self::Dead { secret } => {
                vec![format!("dead: {}", known.dead(&node(NodeKind::Secret, secret), t))]
            }
            Self::State { key } => {
                let exists = if let Key::Node(node) = key {
                    vec![existence_row(known.exists(node, t))]
                } else {
                    Vec::new()
                };
                exists.into_iter().chain([state_row(&known.state(key, t))]).collect()
            }
            Self::Versions { key } => {
                let versions = known.versions(key);
                versions.into_iter().map(|(from, to, state)| version_row(from, to, &state)).collect()
            }
            Self::Revisions { key } => revisions(&known.revisions(key), whole),
            _ => return self.of_one(known, t, whole),
        };
        Ok(rows)
    }

    /// What an identity, or a secret, is seen to do.
    fn of_one(&self, known: &Known<'_>, t: Instant, whole: bool) -> Answer {
        let identity = |id: &str| node(NodeKind::Identity, id);
        let rows = match self {
            Self::Observations { identity: id, filter, during } => {
                let id = id.as_deref().map(identity);
                events(known.observations(t, id.as_ref(), filter, during)?, whole)
            }
            Self::Covered { identity: id, during } => {
                let id = id.as_deref().map(identity);
                let row = |seen: Seen<'_>| {
                    let row = event_row(seen.what, whole.then_some(seen.index));
                    format!("{row} covered {}", known.covered(&seen, None, false))
                };
                let filter = ObservationWhere::default();
                known.observations(t, id.as_ref(), &filter, during)?.into_iter().map(row).collect()
            }
            Self::Uncovered { identity: id, filter } => {
                events(known.uncovered(&identity(id), filter, t)?, whole)
            }
            Self::DeadUses { node, filter } => {
                events(known.dead_uses(Role::of(node)?, node, filter, t)?, whole)
            }
            Self::NewSources { node, filter } => known
                .new_sources(Role::of(node)?, node, filter, t)?
                .into_iter()
                .map(|(source, first)| source_row(&source, first.what, whole.then_some(first.index)))
                .collect(),
            Self::Entitlements { identity: id, privileges, on, effective } => known
                .entitlements(t, &identity(id), *privileges, on.as_deref(), *effective)
                .into_iter()
                .map(|(e, holder)| {
                    let via = known.via(t, &identity(id), &holder);
                    grant_row(&e.id, &holder.id, &via, whole)
                })
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
            _ => return Err(Wrong),
        };
        Ok(rows)
    }

    /// The nodes that it is about: those that must be named for it to have an answer.
    pub fn subjects(&self) -> Vec<NodeRef> {
        match self {
            Self::Identities { .. }
            | Self::OmittedIdentities { .. }
            | Self::Trend { .. }
            | Self::Facets { .. }
            | Self::Secrets { .. }
            | Self::OmittedSecrets { .. }
            | Self::Nodes { .. }
            | Self::OmittedNodes { .. }
            | Self::Changes { .. }
            | Self::Coverages { .. } => Vec::new(),
            Self::Observations { identity, .. } | Self::Covered { identity, .. } => {
                identity.iter().map(|id| node(NodeKind::Identity, id)).collect()
            }
            Self::Uncovered { identity, .. }
            | Self::Entitlements { identity, .. }
            | Self::Usage { identity, .. }
            | Self::Unused { identity, .. }
            | Self::Gaps { identity, .. }
            | Self::Activity { identity, .. }
            | Self::FirstAndLastUsed { identity } => vec![node(NodeKind::Identity, identity)],
            Self::BlastRadius { from, .. } => vec![from.clone()],
            Self::Paths { from, to, .. } => vec![from.clone(), to.clone()],
            Self::Follow { node, .. } | Self::DeadUses { node, .. } | Self::NewSources { node, .. } => {
                vec![node.clone()]
            }
            Self::Dead { secret } => vec![node(NodeKind::Secret, secret)],
            Self::State { key } | Self::Versions { key } | Self::Revisions { key } => key.nodes(),
        }
    }

    /// What kind of question it is; a list of identities by what it asks of them.
    pub fn kind(&self) -> String {
        let text = format!("{self:?}");
        let name = text.split([' ', '{']).next().unwrap_or_default().to_owned();
        let filter = match self {
            Self::Identities { filter, .. } => format!("{filter:?}"),
            Self::Secrets { filter, .. } => format!("{filter:?}"),
            Self::Nodes { filter, .. } => format!("{filter:?}"),
            _ => return name,
        };
        // The first member that is given, in the order in which they are declared.
        let given = filter.split(": Some(").next().filter(|before| before.len() < filter.len());
        let member = given.and_then(|before| before.rsplit([' ', '{']).next()).unwrap_or("any").to_owned();
        format!("{name} by {member}")
    }

    /// The answer says something: it would differ if nothing were recorded.
    pub fn tells(&self, answer: &Answer) -> bool {
        const NOTHING: &[&str] = &["never named", "never stated", "exists: false", "dead: false"];
        let nothing = |row: &String| {
            NOTHING.contains(&row.as_str())
                || row.ends_with(": 0")
                || row == "first never last never"
                || row.ends_with("held [] by 0, seen []")
        };
        let least = usize::from(matches!(self, Self::BlastRadius { .. })); // the start is always in it
        answer.as_ref().is_ok_and(|rows| rows.iter().filter(|row| !nothing(row)).count() > least)
    }
}

fn ids(nodes: Vec<NodeRef>) -> Vec<String> {
    nodes.into_iter().map(|node| node.id).collect()
}

fn events(seen: Vec<Seen<'_>>, whole: bool) -> Vec<String> {
    let row = |seen: Seen<'_>| event_row(seen.what, whole.then_some(seen.index));
    seen.into_iter().map(row).collect()
}

fn revisions(stated: &[&Stated<'_>], whole: bool) -> Vec<String> {
    let mut batches: Vec<u64> = stated.iter().map(|each| each.batch).collect();
    batches.dedup();
    let row = |each: &&Stated<'_>| {
        let revision = Revision {
            index: each.index,
            batch: batches.iter().filter(|batch| **batch < each.batch).count(),
            source: each.source,
            op: &each.fact.op,
            from: each.fact.valid_from,
            to: each.fact.valid_to,
        };
        revision_row(&revision, whole)
    };
    stated.iter().map(row).collect()
}
