//! From filters to plans. Windows and bounds are checked here, before anything is read.

use asof_model::{EdgeKind, Instant, NodeKind, SecretState};

use crate::held::{HoldsAt, HoldsOver, HoldsUnused, What};
use crate::leaves::{Ask, Created, Exists, Id, Linked, Stated};
use crate::limits::{FILTER_MEMBERS_MAX, within};
use crate::observed::Looks;
use crate::plan::{Leaf, Plan, one_by_one};
use crate::reaches::Reaches;
use crate::used::{Drift, NewSources, Used, UsedDead};
use crate::watch::Watched;
use crate::{
    Direction, HoldsWhere, IdentityWhere, Known, NodeWhere, ObservedWhere, QueryError, ReachWhere, Role,
    SecretWhere, TextMatch,
};

/// Makes plans for one moment.
pub(crate) struct Planner {
    t: Instant,
    members: u64,
}

impl Planner {
    pub(crate) const fn at(t: Instant) -> Self {
        Self { t, members: 0 }
    }

    fn count(&mut self, plans: usize) -> Result<(), QueryError> {
        self.members += 1 + plans as u64;
        within("filter members", self.members, FILTER_MEMBERS_MAX, "FILTER_MEMBERS_MAX")
    }

    /// `and`, `or` and `not` of any filter.
    fn nested<'a, W>(
        &mut self,
        plans: &mut Vec<Plan<'a>>,
        (and, or, not): (Option<&'a [W]>, Option<&'a [W]>, Option<&'a W>),
        make: fn(&mut Self, &'a W) -> Result<Plan<'a>, QueryError>,
    ) -> Result<(), QueryError> {
        self.count(plans.len())?;
        for each in and.unwrap_or_default() {
            plans.push(make(self, each)?);
        }
        if let Some(or) = or {
            plans.push(Plan::any_of(or.iter().map(|each| make(self, each)).collect::<Result<_, _>>()?));
        }
        if let Some(not) = not {
            plans.push(Plan::none_of(make(self, not)?));
        }
        Ok(())
    }

    fn linked<'a>(
        &self,
        (kind, other_kind): (NodeKind, NodeKind),
        edge: EdgeKind,
        other: Plan<'a>,
    ) -> Plan<'a> {
        let direction = if edge.ends().0 == other_kind && edge.ends().1 != Some(other_kind) {
            Direction::In
        } else {
            Direction::Out
        };
        Plan::leaf(Linked { kind, edge, direction, t: self.t, other_kind, other })
    }

    fn linked_id<'a>(&self, kinds: (NodeKind, NodeKind), edge: EdgeKind, wanted: &'a TextMatch) -> Plan<'a> {
        some_end(kinds.1, wanted, |other| self.linked(kinds, edge, other))
    }

    fn is_linked<'a>(&self, kinds: (NodeKind, NodeKind), edge: EdgeKind, wanted: bool) -> Plan<'a> {
        is_so(wanted, self.linked(kinds, edge, Plan::And(Vec::new())))
    }

    /// Reaches such an identity.
    fn reaches<'a>(&self, edge: EdgeKind, wanted: &'a ReachWhere) -> Plan<'a> {
        const ANY: &TextMatch = &TextMatch::ANY;
        let (effective, t) = (wanted.effective, self.t);
        let reaches = |other| Plan::leaf(Reaches { edge, effective, t, other });
        some_end(NodeKind::Identity, wanted.id.as_ref().unwrap_or(ANY), reaches)
    }

    /// The members that all kinds share.
    fn own<'a>(&self, kind: NodeKind, filter: &'a NodeWhere, plans: &mut Vec<Plan<'a>>) {
        let t = self.t;
        let mut stated = |ask| plans.push(Plan::leaf(Stated { kind, t, ask }));
        if let Some(wanted) = &filter.name {
            stated(Ask::Name(wanted));
        }
        if let Some(wanted) = &filter.node_type {
            stated(Ask::Type(wanted));
        }
        if let Some(wanted) = &filter.attribute {
            stated(Ask::Attribute(wanted));
        }
        if let Some(wanted) = filter.inventoried {
            plans.push(is_so(wanted, Plan::leaf(Stated { kind, t, ask: Ask::Inventoried })));
        }
        if let Some(wanted) = &filter.id {
            plans.push(Plan::leaf(Id { kind, wanted }));
        }
        if let Some(wanted) = filter.owned {
            plans.push(self.is_linked((kind, NodeKind::Owner), EdgeKind::Owns, wanted));
        }
    }

    /// Which nodes of a kind, of those listed.
    pub(crate) fn listed<'a>(&self, kind: NodeKind, include_deleted: bool, filter: Plan<'a>) -> Plan<'a> {
        if filter.tells_of(self.t, include_deleted) {
            return filter;
        }
        Plan::all_of(vec![Plan::leaf(Exists { kind, t: self.t, include_deleted }), filter])
    }

    pub(crate) fn nodes<'a>(
        &mut self,
        kind: NodeKind,
        filter: &'a NodeWhere,
    ) -> Result<Plan<'a>, QueryError> {
        let mut plans = Vec::new();
        self.own(kind, filter, &mut plans);
        self.count(plans.len())?;
        for each in filter.and.as_deref().unwrap_or_default() {
            plans.push(self.nodes(kind, each)?);
        }
        if let Some(or) = &filter.or {
            let either = or.iter().map(|each| self.nodes(kind, each)).collect::<Result<_, _>>()?;
            plans.push(Plan::any_of(either));
        }
        if let Some(not) = &filter.not {
            plans.push(Plan::none_of(self.nodes(kind, not)?));
        }
        Ok(Plan::all_of(plans))
    }

    pub(crate) fn identities<'a>(&mut self, filter: &'a IdentityWhere) -> Result<Plan<'a>, QueryError> {
        const KIND: NodeKind = NodeKind::Identity;
        let t = self.t;
        let mut plans = Vec::new();
        self.own(KIND, &filter.node, &mut plans);
        if let Some(wanted) = &filter.owned_by {
            plans.push(self.linked_id((KIND, NodeKind::Owner), EdgeKind::Owns, wanted));
        }
        if let Some(wanted) = &filter.runs_on {
            plans.push(self.linked_id((KIND, NodeKind::Workload), EdgeKind::RunsAs, wanted));
        }
        for (edge, wanted) in
            [(EdgeKind::MemberOf, &filter.member_of), (EdgeKind::CanAssume, &filter.can_assume)]
        {
            plans.extend(wanted.as_ref().map(|wanted| self.reaches(edge, wanted)));
        }
        if let Some(wanted) = &filter.created_during {
            plans.push(Plan::leaf(Created { kind: KIND, window: wanted.bounds(t)? }));
        }
        if let Some(wanted) = &filter.holds {
            plans.push(self.holds(wanted)?);
        }
        if let Some(wanted) = &filter.holds_unused {
            let window = wanted.during.bounds(t)?;
            plans.push(Plan::leaf(HoldsUnused { privileges: wanted.privileges, window, t }));
        }
        if let Some(wanted) = &filter.observed {
            plans.push(Plan::leaf(Observed { filter: wanted, window: wanted.during.bounds(t)? }));
        }
        if let Some(wanted) = &filter.authenticates_with {
            let secrets = self.secrets(wanted)?;
            plans.push(self.linked((KIND, NodeKind::Secret), EdgeKind::AuthenticatesWith, secrets));
        }
        if let Some(wanted) = &filter.used_without_holding {
            plans.push(Plan::leaf(Watched { watch: Drift::of(wanted, t)?, role: Role::Identity }));
        }
        self.seen(Role::Identity, (&filter.used, &filter.used_dead_secret, &filter.new_source), &mut plans)?;
        for (changed, holds_after) in [(&filter.gained, true), (&filter.lost, false)] {
            if let Some(changed) = changed {
                let between = changed.between.bounds(t)?;
                let at = |t| Plan::leaf(HoldsAt { what: What::of(&changed.holds), t });
                let (before, after) = (at(between.from), at(between.to));
                let both = if holds_after {
                    vec![after, Plan::none_of(before)]
                } else {
                    vec![before, Plan::none_of(after)]
                };
                plans.push(Plan::all_of(both));
            }
        }
        let nested = (filter.and.as_deref(), filter.or.as_deref(), filter.not.as_deref());
        self.nested(&mut plans, nested, Self::identities)?;
        Ok(Plan::all_of(plans))
    }

    pub(crate) fn secrets<'a>(&mut self, filter: &'a SecretWhere) -> Result<Plan<'a>, QueryError> {
        const KIND: NodeKind = NodeKind::Secret;
        let t = self.t;
        let mut plans = Vec::new();
        self.own(KIND, &filter.node, &mut plans);
        let mut stated = |name, of_mortals, says| {
            plans.push(Plan::leaf(Stated { kind: KIND, t, ask: Ask::Secret(name, of_mortals, says) }));
        };
        if let Some(wanted) = filter.state {
            let of_mortals = wanted != SecretState::Active;
            stated("state", of_mortals, Box::new(move |said| said.state == wanted));
        }
        if let Some(by) = filter.expired_by {
            stated("expired", true, Box::new(move |said| said.expires_at.is_some_and(|expiry| expiry <= by)));
        }
        if let Some(ago) = filter.not_rotated_for {
            let before = i128::from(t.nanos()) - i128::from(ago.nanos());
            stated(
                "not rotated",
                false,
                Box::new(move |said| {
                    said.last_rotated_at
                        .or(said.issued_at)
                        .is_some_and(|last| i128::from(last.nanos()) < before)
                }),
            );
        }
        if let Some(wanted) = &filter.stored_in {
            plans.push(self.linked_id((KIND, NodeKind::Resource), EdgeKind::StoredIn, wanted));
        }
        if let Some(wanted) = filter.stored {
            plans.push(self.is_linked((KIND, NodeKind::Resource), EdgeKind::StoredIn, wanted));
        }
        self.seen(Role::Secret, (&filter.used, &filter.used_dead, &filter.new_source), &mut plans)?;
        let nested = (filter.and.as_deref(), filter.or.as_deref(), filter.not.as_deref());
        self.nested(&mut plans, nested, Self::secrets)?;
        Ok(Plan::all_of(plans))
    }

    /// What is seen of identities and of secrets alike.
    fn seen<'a>(
        &self,
        role: Role,
        (used, used_dead, new_source): (
            &'a Option<crate::UsedWhere>,
            &'a Option<crate::DeadSecretWhere>,
            &'a Option<crate::NewSourceWhere>,
        ),
        plans: &mut Vec<Plan<'a>>,
    ) -> Result<(), QueryError> {
        if let Some(wanted) = used {
            plans.push(Plan::leaf(Watched { watch: Used::of(wanted, self.t)?, role }));
        }
        if let Some(wanted) = used_dead {
            plans.push(Plan::leaf(Watched { watch: UsedDead::of(wanted, self.t)?, role }));
        }
        if let Some(wanted) = new_source {
            plans.push(Plan::leaf(Watched { watch: NewSources::of(wanted, self.t)?, role }));
        }
        Ok(())
    }

    /// At T; with `throughout` and `sometime` over their windows, with both, both.
    fn holds<'a>(&self, filter: &'a HoldsWhere) -> Result<Plan<'a>, QueryError> {
        let mut plans = Vec::new();
        for (window, throughout) in [(&filter.throughout, true), (&filter.sometime, false)] {
            if let Some(window) = window {
                let window = window.bounds(self.t)?;
                plans.push(Plan::leaf(HoldsOver { what: What::of(filter), window, throughout }));
            }
        }
        if plans.is_empty() {
            plans.push(Plan::leaf(HoldsAt { what: What::of(filter), t: self.t }));
        }
        Ok(Plan::all_of(plans))
    }
}

/// The id of some end matches or, where there is to be none, there is no end.
fn some_end<'a>(
    kind: NodeKind,
    wanted: &'a TextMatch,
    linked: impl FnOnce(Plan<'a>) -> Plan<'a>,
) -> Plan<'a> {
    // Every end has an id.
    let any = || Plan::And(Vec::new());
    match (wanted.present, wanted.asks_no_more()) {
        (Some(false), true) => Plan::none_of(linked(any())),
        (Some(false), false) => Plan::any_of(Vec::new()),
        (_, true) => linked(any()),
        (_, false) => linked(Plan::leaf(Id { kind, wanted })),
    }
}

fn is_so(wanted: bool, plan: Plan<'_>) -> Plan<'_> {
    if wanted { plan } else { Plan::none_of(plan) }
}

/// Someone was looking at every moment of the window.
struct Observed<'a> {
    filter: &'a ObservedWhere,
    window: asof_model::Interval,
}

impl Leaf for Observed<'_> {
    fn name(&self) -> String {
        format!("observed from {} to {}", self.window.from, self.window.to)
    }

    fn cost(&self) -> u8 {
        25
    }

    fn matches(&self, known: &Known, ordinal: u32) -> Result<bool, QueryError> {
        Ok(self.solve(known, &std::iter::once(ordinal).collect())?.contains(ordinal))
    }

    fn solve(
        &self,
        known: &Known,
        scope: &roaring::RoaringBitmap,
    ) -> Result<roaring::RoaringBitmap, QueryError> {
        if scope.is_empty() {
            return one_by_one(known, scope, |_| Ok(false));
        }
        Looks::of(known, self.filter, self.window)?.complete(known, scope)
    }
}
