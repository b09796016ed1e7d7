//! Lists of nodes, and what is counted over them.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use asof_model::{Duration, EdgeKind, Instant, Interval, NodeKind};
use roaring::RoaringBitmap;

use crate::filter::Planner;
use crate::leaves::Deleted;
use crate::limits::{STEPS_MAX, within};
use crate::plan::{Plan, everything};
use crate::span::whole;
use crate::walk::identity;
use crate::{
    Direction, IdentityOrder, IdentityWhere, Key, Known, Node, NodeWhere, Nodes, QueryError, SecretWhere,
    Window,
};

/// What identities are counted by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FacetBy {
    /// Their type at T.
    Type,
    /// Who OWNS them at T; one with several owners counts for each.
    Owner,
    /// The value of an attribute at T.
    Attribute(String),
}

/// The moments at which the steps of a window begin.
pub(crate) fn steps(window: Interval, every: Duration) -> Result<Vec<Instant>, QueryError> {
    if window.from == Instant::BEGINNING {
        return Err(QueryError::invalid("a window in steps needs a beginning: give `from` or `last`"));
    }
    if every == Duration::default() {
        return Err(QueryError::invalid("`every` must be longer than nothing, such as PT1H"));
    }
    let length = i128::from(window.to.nanos()) - i128::from(window.from.nanos());
    let every_nanos = i128::from(every.nanos());
    let count = u64::try_from((length + every_nanos - 1) / every_nanos).unwrap_or(u64::MAX);
    within("steps", count, STEPS_MAX, "STEPS_MAX")?;
    let start = i128::from(window.from.nanos());
    Ok((0..i128::from(count)).map(|step| Instant::from_nanos((start + step * every_nanos) as i64)).collect())
}

impl Known {
    fn solved(&self, kind: NodeKind, plan: &Plan<'_>) -> Result<RoaringBitmap, QueryError> {
        plan.solve(self, &everything(self, kind)?)
    }

    fn matching(
        &self,
        t: Instant,
        filter: &IdentityWhere,
        include_deleted: bool,
    ) -> Result<RoaringBitmap, QueryError> {
        let mut planner = Planner::at(t);
        let filter = planner.identities(filter)?;
        self.solved(NodeKind::Identity, &planner.listed(NodeKind::Identity, include_deleted, filter))
    }

    /// The identities that exist at `t` (or, where asked for, are deleted then) and match, all of them, in order.
    pub fn identities(
        &self,
        t: Instant,
        filter: &IdentityWhere,
        include_deleted: bool,
        order: IdentityOrder,
    ) -> Result<Nodes, QueryError> {
        let found = self.matching(t, filter, include_deleted)?;
        match order {
            IdentityOrder::Appearance => Ok(Nodes::by_appearance(NodeKind::Identity, found)),
            IdentityOrder::Id => {
                let mut named = Vec::with_capacity(found.len() as usize);
                for ordinal in found {
                    self.reader().check()?;
                    named.push((self.id(identity(ordinal))?, ordinal));
                }
                named.sort_unstable();
                Ok(Nodes::ranked(named.into_iter().map(|(_, ordinal)| identity(ordinal)).collect()))
            }
            IdentityOrder::LastUsed => {
                let mut ranked = Vec::with_capacity(found.len() as usize);
                for ordinal in found {
                    let last = self.last_used(t, identity(ordinal))?;
                    ranked.push((Reverse(last.unwrap_or(Instant::BEGINNING)), ordinal));
                }
                ranked.sort_unstable();
                Ok(Nodes::ranked(ranked.into_iter().map(|(_, ordinal)| identity(ordinal)).collect()))
            }
        }
    }

    /// The secrets that exist at `t` (or are deleted then) and match, by first appearance.
    pub fn secrets(
        &self,
        t: Instant,
        filter: &SecretWhere,
        include_deleted: bool,
    ) -> Result<Nodes, QueryError> {
        let kind = NodeKind::Secret;
        let mut planner = Planner::at(t);
        let filter = planner.secrets(filter)?;
        let found = self.solved(kind, &planner.listed(kind, include_deleted, filter))?;
        Ok(Nodes::by_appearance(kind, found))
    }

    /// The nodes of a kind that exist at `t` (or are deleted then) and match, by first appearance.
    pub fn nodes(
        &self,
        t: Instant,
        kind: NodeKind,
        filter: &NodeWhere,
        include_deleted: bool,
    ) -> Result<Nodes, QueryError> {
        let mut planner = Planner::at(t);
        let filter = planner.nodes(kind, filter)?;
        let found = self.solved(kind, &planner.listed(kind, include_deleted, filter))?;
        Ok(Nodes::by_appearance(kind, found))
    }

    fn omitted<'a>(
        &self,
        t: Instant,
        kind: NodeKind,
        plan: impl FnOnce(&mut Planner) -> Result<Plan<'a>, QueryError>,
    ) -> Result<u64, QueryError> {
        let filter = plan(&mut Planner::at(t))?;
        let plan = Plan::all_of(vec![Plan::leaf(Deleted { kind, t }), filter]);
        Ok(self.solved(kind, &plan)?.len())
    }

    /// How many identities are deleted at `t` that would match, were they among the candidates.
    pub fn omitted_identities(&self, t: Instant, filter: &IdentityWhere) -> Result<u64, QueryError> {
        self.omitted(t, NodeKind::Identity, |planner| planner.identities(filter))
    }

    /// How many secrets are deleted at `t` that would match, were they among the candidates.
    pub fn omitted_secrets(&self, t: Instant, filter: &SecretWhere) -> Result<u64, QueryError> {
        self.omitted(t, NodeKind::Secret, |planner| planner.secrets(filter))
    }

    /// How many nodes of a kind are deleted at `t` that would match, were they among the candidates.
    pub fn omitted_nodes(&self, t: Instant, kind: NodeKind, filter: &NodeWhere) -> Result<u64, QueryError> {
        self.omitted(t, kind, |planner| planner.nodes(kind, filter))
    }

    /// How many identities match at the start of every step of the window: `last` windows in the filter move with each
    /// step's T, absolute ones stay.
    pub fn trend(
        &self,
        t: Instant,
        filter: &IdentityWhere,
        during: &Window,
        every: Duration,
        include_deleted: bool,
    ) -> Result<Vec<(Instant, u64)>, QueryError> {
        steps(during.bounds(t)?, every)?
            .into_iter()
            .map(|step| Ok((step, self.matching(step, filter, include_deleted)?.len())))
            .collect()
    }

    /// Matching identities counted by a value; those without one under `None`. Most first, then by value, `None` last.
    pub fn facets(
        &self,
        t: Instant,
        filter: &IdentityWhere,
        by: &FacetBy,
        include_deleted: bool,
    ) -> Result<Vec<(Option<String>, u64)>, QueryError> {
        let found = self.matching(t, filter, include_deleted)?;
        let mut owners: BTreeMap<u32, u64> = BTreeMap::new();
        let mut tally: BTreeMap<Option<String>, u64> = BTreeMap::new();
        for ordinal in found {
            self.reader().check()?;
            let node = identity(ordinal);
            if *by == FacetBy::Owner {
                let owned_by = self.follow_over(EdgeKind::Owns, node, Direction::In, t, &mut whole())?;
                for owner in &owned_by {
                    *owners.entry(owner.ordinal).or_default() += 1;
                }
                if owned_by.is_empty() {
                    *tally.entry(None).or_default() += 1;
                }
                continue;
            }
            let state = self.state(Key::Node(node), t)?;
            let said = state.value().and_then(|value| value.node());
            let value = said.and_then(|said| match by {
                FacetBy::Attribute(key) => said.attributes.get(key).map(String::as_str),
                _ => Some(said.node_type.as_str()),
            });
            let value = value.filter(|value| !value.is_empty());
            *tally.entry(value.map(str::to_owned)).or_default() += 1;
        }
        for (ordinal, count) in owners {
            let id = self.id(Node { kind: NodeKind::Owner, ordinal })?;
            *tally.entry(Some(id.as_ref().to_owned())).or_default() += count;
        }
        let mut ordered: Vec<_> = tally.into_iter().collect();
        ordered.sort_by(|(value, count), (other, others)| {
            others.cmp(count).then(value.is_none().cmp(&other.is_none())).then_with(|| value.cmp(other))
        });
        Ok(ordered)
    }

    /// How a filter is answered: it is, and then its plan is printed, with what sets alone told, how many were looked at
    /// one by one, and how many matched.
    pub fn explain(&self, t: Instant, filter: &IdentityWhere) -> Result<String, QueryError> {
        let mut planner = Planner::at(t);
        let plan = planner.identities(filter)?;
        let plan = planner.listed(NodeKind::Identity, false, plan);
        let all = everything(self, NodeKind::Identity)?;
        let step = plan.bound(self, &all)?;
        let found = step.solve(self, &all)?;
        let mut text = format!(
            "{} of {} identities match at {t}, knowing {} records\n",
            found.len(),
            all.len(),
            self.size()
        );
        step.print(0, &mut text);
        Ok(text)
    }
}
