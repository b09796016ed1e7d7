//! The root of all questions.

#![expect(clippy::unused_async, reason = "resolvers are async by form; these read and do not wait")]

use std::sync::Arc;

use asof_engine::PointRequest;
use asof_model::{Instant, NodeKind as Kind};
use asof_query::{self as query, Known, QueryError};
use async_graphql::{Context, ID, Object};

use crate::any::Node;
use crate::asked::{Asked, Moment, Snapshot, count, hex, how_many};
use crate::change::ChangeEntry;
use crate::cursor::List;
use crate::enums::{IdentityOrder, NodeKind, Privilege};
use crate::failure::{Failure, Under as _};
use crate::input::{
    At, ChangeWhere, CoverageWhere, IdentityWhere, NodeWhere, ObservationWhere, Read as _, SecretWhere,
    Window, privilege_set, read,
};
use crate::node::{Identity, Secret};
use crate::page::{
    ChangeConnection, CoverageConnection, IdentityConnection, NodeConnection, ObservationConnection,
    SecretConnection, Shown as _,
};
use crate::paging::{Lazy, Paging};
use crate::results::{BlastRadius, Facet, Hop, LedgerInfo, Path, TrendPoint};
use crate::scalars::{Duration, Long};

/// Every question. Those with `at` speak of that point; root fields that name none all see the same one. includeDeleted: the candidates
/// are also the nodes that are deleted at asOf (in trend, at the step).
pub(crate) struct Query;

/// How many deleted nodes would match: counted when it is asked for, where they are not among the candidates.
fn omitted(
    moment: &Moment,
    include_deleted: bool,
    count: impl Fn(&Known, Instant) -> Result<u64, QueryError> + Send + Sync + 'static,
) -> Lazy {
    if include_deleted {
        return Lazy::known(0);
    }
    let (known, at) = (Arc::clone(&moment.known), moment.at());
    Lazy::new(move || count(&known, at))
}

/// A non-negative Int.
fn hops(given: Option<i32>, otherwise: u32) -> Result<u32, Failure> {
    let Some(given) = given else { return Ok(otherwise) };
    u32::try_from(given).map_err(|_| Failure::bad("must be 0 or more")).under("maxHops")
}

/// Every question. Those with `at` speak of that point; root fields that name none all see the same one. includeDeleted: the candidates
/// are also the nodes that are deleted at asOf (in trend, at the step).
#[Object]
impl Query {
    /// The identities that match.
    #[expect(clippy::too_many_arguments, reason = "the contract's")]
    async fn identities(
        &self,
        context: &Context<'_>,
        #[graphql(name = "where")] filter: Option<IdentityWhere>,
        at: Option<At>,
        #[graphql(default_with = "Some(false)")] include_deleted: Option<bool>,
        #[graphql(default_with = "Some(100)")] first: Option<i32>,
        after: Option<String>,
        order_by: Option<IdentityOrder>,
    ) -> Result<IdentityConnection, Failure> {
        let paging = Paging::read(context, List::Identities, "", first, after)?;
        let moment = paging.moment(Asked::of(context)?, at)?;
        let filter = read(filter, "where")?.unwrap_or_default();
        let order = order_by.map(Into::into).unwrap_or_default();
        let deleted = include_deleted.unwrap_or(false);
        let find = |at: &Moment| at.known.identities(at.at(), &filter, deleted, order);
        let asked = filter.clone();
        let omitted = omitted(&moment, deleted, move |known, at| known.omitted_identities(at, &asked));
        Ok(IdentityConnection(paging.whole(moment, find)?, omitted))
    }

    /// One identity, where it exists.
    async fn identity(
        &self,
        context: &Context<'_>,
        id: ID,
        at: Option<At>,
    ) -> Result<Option<Identity>, Failure> {
        let moment = Asked::of(context)?.moment(at)?;
        moment.existing(Kind::Identity, &id)?.map(|node| Identity::show(&node, &moment)).transpose()
    }

    /// The secrets that match.
    async fn secrets(
        &self,
        context: &Context<'_>,
        #[graphql(name = "where")] filter: Option<SecretWhere>,
        at: Option<At>,
        #[graphql(default_with = "Some(false)")] include_deleted: Option<bool>,
        #[graphql(default_with = "Some(100)")] first: Option<i32>,
        after: Option<String>,
    ) -> Result<SecretConnection, Failure> {
        let paging = Paging::read(context, List::Secrets, "", first, after)?;
        let moment = paging.moment(Asked::of(context)?, at)?;
        let filter = read(filter, "where")?.unwrap_or_default();
        let deleted = include_deleted.unwrap_or(false);
        let find = |at: &Moment| at.known.secrets(at.at(), &filter, deleted);
        let asked = filter.clone();
        let omitted = omitted(&moment, deleted, move |known, at| known.omitted_secrets(at, &asked));
        Ok(SecretConnection(paging.whole(moment, find)?, omitted))
    }

    /// One secret, where it exists.
    async fn secret(&self, context: &Context<'_>, id: ID, at: Option<At>) -> Result<Option<Secret>, Failure> {
        let moment = Asked::of(context)?.moment(at)?;
        moment.existing(Kind::Secret, &id)?.map(|node| Secret::show(&node, &moment)).transpose()
    }

    /// The nodes of one kind that match.
    #[expect(clippy::too_many_arguments, reason = "the contract's")]
    async fn nodes(
        &self,
        context: &Context<'_>,
        kind: NodeKind,
        #[graphql(name = "where")] filter: Option<NodeWhere>,
        at: Option<At>,
        #[graphql(default_with = "Some(false)")] include_deleted: Option<bool>,
        #[graphql(default_with = "Some(100)")] first: Option<i32>,
        after: Option<String>,
    ) -> Result<NodeConnection, Failure> {
        let paging = Paging::read(context, List::Nodes, "", first, after)?;
        let moment = paging.moment(Asked::of(context)?, at)?;
        let filter = read(filter, "where")?.unwrap_or_default();
        let deleted = include_deleted.unwrap_or(false);
        let (kind, asked) = (kind.into(), filter.clone());
        let find = |at: &Moment| at.known.nodes(at.at(), kind, &filter, deleted);
        let omitted = omitted(&moment, deleted, move |known, at| known.omitted_nodes(at, kind, &asked));
        Ok(NodeConnection(paging.whole(moment, find)?, omitted))
    }

    /// One node, where it exists.
    async fn node(
        &self,
        context: &Context<'_>,
        kind: NodeKind,
        id: ID,
        at: Option<At>,
    ) -> Result<Option<Node>, Failure> {
        let moment = Asked::of(context)?.moment(at)?;
        moment.existing(kind.into(), &id)?.map(|node| Node::show(&node, &moment)).transpose()
    }

    /// The observations that match, by (time, ledger index).
    async fn observations(
        &self,
        context: &Context<'_>,
        #[graphql(name = "where")] filter: Option<ObservationWhere>,
        during: Window,
        at: Option<At>,
        #[graphql(default_with = "Some(100)")] first: Option<i32>,
        after: Option<String>,
    ) -> Result<ObservationConnection, Failure> {
        let paging = Paging::read(context, List::Observations, "", first, after)?;
        let moment = paging.moment(Asked::of(context)?, at)?;
        let (filter, during) = (read(filter, "where")?.unwrap_or_default(), during.read().under("during")?);
        let list = query::EventList::Observations { identity: None, filter, during };
        Ok(ObservationConnection(paging.events(moment, list)?))
    }

    /// Nodes and edges that came into force, changed or ended within the window, in order of valid time.
    async fn changes(
        &self,
        context: &Context<'_>,
        #[graphql(name = "where")] filter: Option<ChangeWhere>,
        during: Window,
        at: Option<At>,
        #[graphql(default_with = "Some(100)")] first: Option<i32>,
        after: Option<String>,
    ) -> Result<ChangeConnection, Failure> {
        let paging = Paging::read(context, List::Changes, "", first, after)?;
        let moment = paging.moment(Asked::of(context)?, at)?;
        let (filter, during) = (read(filter, "where")?.unwrap_or_default(), during.read().under("during")?);
        let find = |at: &Moment| {
            let found = at.known.changes(at.at(), &filter, &during)?;
            Ok::<Vec<_>, Failure>(found.into_iter().map(ChangeEntry::from).collect())
        };
        Ok(ChangeConnection(paging.whole(moment, find)?))
    }

    /// How many identities match at the start of every step of the window: a chart's data.
    async fn trend(
        &self,
        context: &Context<'_>,
        #[graphql(name = "where")] filter: IdentityWhere,
        during: Window,
        every: Duration,
        at: Option<At>,
        #[graphql(default_with = "Some(false)")] include_deleted: Option<bool>,
    ) -> Result<Vec<TrendPoint>, Failure> {
        let moment = Asked::of(context)?.moment(at)?;
        let filter = filter.read().under("where")?;
        let (during, every) = (during.read().under("during")?, every.read().under("every")?);
        let points =
            moment.known.trend(moment.at(), &filter, &during, every, include_deleted.unwrap_or(false))?;
        let shown = |(start, matching): (_, u64)| {
            Ok(TrendPoint { start: Instant::into(start), count: count(matching)? })
        };
        points.into_iter().map(shown).collect()
    }

    /// Matching identities counted by a field's value. by: type, owner or attribute:KEY, such as attribute:env; anything else is an error.
    async fn facets(
        &self,
        context: &Context<'_>,
        #[graphql(name = "where")] filter: Option<IdentityWhere>,
        by: String,
        at: Option<At>,
        #[graphql(default_with = "Some(false)")] include_deleted: Option<bool>,
        #[graphql(default_with = "Some(20)")] first: Option<i32>,
    ) -> Result<Vec<Facet>, Failure> {
        let (moment, first) = (Asked::of(context)?.moment(at)?, how_many(first, 20)?);
        let by = match by.split_once(':') {
            None if by == "type" => query::FacetBy::Type,
            None if by == "owner" => query::FacetBy::Owner,
            Some(("attribute", key)) => query::FacetBy::Attribute(key.to_owned()),
            _ => {
                let why = format!("is type, owner or attribute:KEY, such as attribute:env; not {by:?}");
                return Err(Failure::bad(why)).under("by");
            }
        };
        let filter = read(filter, "where")?.unwrap_or_default();
        let mut found = moment.known.facets(moment.at(), &filter, &by, include_deleted.unwrap_or(false))?;
        found.truncate(first);
        found.into_iter().map(|(value, n)| Ok(Facet { value, count: count(n)? })).collect()
    }

    /// Who and what is reached by the edges in force at asOf from an IDENTITY, a SECRET or a WORKLOAD; another fromKind is an error.
    #[expect(clippy::too_many_arguments, reason = "the contract's")]
    async fn blast_radius(
        &self,
        context: &Context<'_>,
        from: ID,
        #[graphql(default_with = "Some(NodeKind::Identity)")] from_kind: Option<NodeKind>,
        privileges: Option<Vec<Privilege>>,
        #[graphql(default_with = "Some(4)")] max_hops: Option<i32>,
        at: Option<At>,
        #[graphql(default_with = "Some(100)")] first: Option<i32>,
    ) -> Result<BlastRadius, Failure> {
        let asked = Asked::of(context)?;
        let (moment, first) = (asked.moment(at)?, how_many(first, 100)?);
        let kind = from_kind.map_or(Kind::Identity, Into::into);
        query::BlastRadius::starts_at(kind).map_err(Failure::from).under("fromKind")?;
        let start = moment.known.reader().lookup(kind, &from)?;
        let found =
            moment.known.blast_radius(moment.at(), start, privilege_set(privileges), hops(max_hops, 4)?)?;
        let reached = found.identities.iter().chain(&found.resources).take(first);
        let hops = reached.map(|(node, distance)| {
            Ok::<_, Failure>(Hop {
                kind: node.kind.into(),
                id: moment.id(*node)?.into(),
                distance: *distance as i32,
            })
        });
        Ok(BlastRadius {
            hops: hops.collect::<Result<_, _>>()?,
            identities: Long(found.identities.len() as u64),
            resources: Long(found.resources.len() as u64),
            snapshot: Snapshot::of(&asked.session, moment.point)?,
        })
    }

    /// Shortest first. Over posture edges in force at asOf; with observedDuring also over identities seen acting as others then. From a
    /// SECRET, the first step is to an identity that authenticates with it; a secret met on the way ends a path.
    #[expect(clippy::too_many_arguments, reason = "the contract's")]
    async fn paths(
        &self,
        context: &Context<'_>,
        from: ID,
        #[graphql(default_with = "Some(NodeKind::Identity)")] from_kind: Option<NodeKind>,
        to: ID,
        #[graphql(default_with = "Some(NodeKind::Resource)")] to_kind: Option<NodeKind>,
        #[graphql(default_with = "Some(6)")] max_hops: Option<i32>,
        observed_during: Option<Window>,
        at: Option<At>,
        #[graphql(default_with = "Some(5)")] first: Option<i32>,
    ) -> Result<Vec<Path>, Failure> {
        let (moment, first) = (Asked::of(context)?.moment(at)?, how_many(first, 5)?);
        let reader = moment.known.reader();
        let start = reader.lookup(from_kind.unwrap_or(NodeKind::Identity).into(), &from)?;
        let goal = reader.lookup(to_kind.unwrap_or(NodeKind::Resource).into(), &to)?;
        let during = read(observed_during, "observedDuring")?;
        let found =
            moment.known.paths(moment.at(), start, goal, hops(max_hops, 6)?, during.as_ref(), first)?;
        found.iter().map(|steps| Path::show(steps, &moment)).collect()
    }

    /// How a query would be answered: the plan, what it reads, and the cardinalities.
    async fn explain(
        &self,
        context: &Context<'_>,
        #[graphql(name = "where")] filter: IdentityWhere,
        at: Option<At>,
    ) -> Result<String, Failure> {
        let asked = Asked::of(context)?;
        let moment = asked.moment(at)?;
        let before = asked.session.work();
        let plan = moment.known.explain(moment.at(), &filter.read().under("where")?)?;
        Ok(format!("{plan}read: {}\n", asked.session.work().since(before)))
    }

    /// The coverages whose state is a value at asOf, with who stated them, by first appearance.
    async fn coverages(
        &self,
        context: &Context<'_>,
        #[graphql(name = "where")] filter: Option<CoverageWhere>,
        at: Option<At>,
        #[graphql(default_with = "Some(100)")] first: Option<i32>,
        after: Option<String>,
    ) -> Result<CoverageConnection, Failure> {
        let paging = Paging::read(context, List::Coverages, "", first, after)?;
        let moment = paging.moment(Asked::of(context)?, at)?;
        let filter = read(filter, "where")?.unwrap_or_default();
        let find = |at: &Moment| {
            let found = at.known.stated_coverages(at.at(), &filter)?;
            Ok::<Vec<_>, Failure>(found.into_iter().map(|stated| stated.ordinal).collect())
        };
        Ok(CoverageConnection(paging.whole(moment, find)?))
    }

    /// The ledger, as all root fields that name no point see it.
    async fn ledger(&self, context: &Context<'_>) -> Result<LedgerInfo, Failure> {
        let session = &Asked::of(context)?.session;
        let info = session.snapshot(session.point(&PointRequest::default())?)?;
        Ok(LedgerInfo {
            size: Long(info.ledger_size),
            root: hex(&info.root),
            recorded_at: info.recorded_at.map(Into::into),
            checkpoint: String::new(),
        })
    }
}
