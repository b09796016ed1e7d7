//! The root of all questions.

#![expect(clippy::unused_async, reason = "resolvers are async by form; these read and do not wait")]

use asof_engine::PointRequest;
use asof_model::NodeKind as Kind;
use asof_query as query;
use async_graphql::{Context, ID, Object};

use crate::any::Node;
use crate::asked::{Asked, Paging, Snapshot, count, hex, how_many};
use crate::cursor::List;
use crate::enums::{IdentityOrder, NodeKind, Privilege};
use crate::failure::{Failure, Under as _};
use crate::input::{
    At, ChangeWhere, IdentityWhere, NodeWhere, ObservationWhere, Read as _, SecretWhere, Window,
    privilege_set, read,
};
use crate::node::{Identity, Secret};
use crate::page::{
    ChangeConnection, IdentityConnection, NodeConnection, ObservationConnection, SecretConnection, Shown as _,
};
use crate::results::{BlastRadius, Facet, Hop, LedgerInfo, Path, TrendPoint};
use crate::scalars::{Duration, Long};

/// Every question. Those with `at` speak of that point; root fields that name none all see the same one. includeDeleted: the candidates
/// are also the nodes that are deleted at asOf (in trend, at the step).
pub(crate) struct Query;

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
        let found = moment.known.identities(moment.at(), &filter, include_deleted.unwrap_or(false), order)?;
        Ok(IdentityConnection(paging.page(moment, found)?))
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
        let found = moment.known.secrets(moment.at(), &filter, include_deleted.unwrap_or(false))?;
        Ok(SecretConnection(paging.page(moment, found)?))
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
        let found =
            moment.known.nodes(moment.at(), kind.into(), &filter, include_deleted.unwrap_or(false))?;
        Ok(NodeConnection(paging.page(moment, found)?))
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
        let found = moment.known.observations(moment.at(), None, &filter, &during)?;
        Ok(ObservationConnection(paging.page(moment, found)?))
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
        let found = moment.known.changes(moment.at(), &filter, &during)?;
        Ok(ChangeConnection(paging.page(moment, found)?))
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
            Ok(TrendPoint { start: asof_model::Instant::into(start), count: count(matching as usize)? })
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
        found.into_iter().map(|(value, n)| Ok(Facet { value, count: count(n as usize)? })).collect()
    }

    /// Who and what is reached from an identity by the edges in force at asOf.
    async fn blast_radius(
        &self,
        context: &Context<'_>,
        from: ID,
        privileges: Option<Vec<Privilege>>,
        #[graphql(default_with = "Some(4)")] max_hops: Option<i32>,
        at: Option<At>,
        #[graphql(default_with = "Some(100)")] first: Option<i32>,
    ) -> Result<BlastRadius, Failure> {
        let asked = Asked::of(context)?;
        let (moment, first) = (asked.moment(at)?, how_many(first, 100)?);
        let start = moment.known.reader().lookup(Kind::Identity, &from)?;
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

    /// Shortest first. Over posture edges in force at asOf; with observedDuring also over identities seen acting as others then.
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
        let moment = Asked::of(context)?.moment(at)?;
        Ok(moment.known.explain(moment.at(), &filter.read().under("where")?)?)
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
