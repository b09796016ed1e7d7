//! A filter as a plan: set algebra first. Every step knows which ordinals surely match and which may; only those that
//! may, and that the other steps leave, are looked at closely, by the cheapest steps first.

use std::cell::Cell;
use std::fmt::Write as _;

use asof_model::{Instant, NodeKind};
use roaring::RoaringBitmap;

use crate::limits::CHECK_EVERY;
use crate::{Candidates, Known, QueryError};

/// One member of a filter, ready to be asked at its point.
pub(crate) trait Leaf {
    /// How explain prints it.
    fn name(&self) -> String;

    /// What looking at one candidate costs, as a rank.
    fn cost(&self) -> u8;

    /// What sets alone tell about the ordinals in `scope`.
    fn bounds(&self, known: &Known, scope: &RoaringBitmap) -> Result<Candidates, QueryError> {
        let _ = known;
        Ok(all_may(scope))
    }

    /// Whether one matches.
    fn matches(&self, known: &Known, ordinal: u32) -> Result<bool, QueryError>;

    /// Those of `scope` that match.
    fn solve(&self, known: &Known, scope: &RoaringBitmap) -> Result<RoaringBitmap, QueryError> {
        one_by_one(known, scope, |ordinal| self.matches(known, ordinal))
    }

    /// Whether whoever matches surely exists at `t`; with `or_deleted`, or is deleted then.
    fn tells_of(&self, t: Instant, or_deleted: bool) -> bool {
        let _ = (t, or_deleted);
        false
    }
}

/// Nothing is known about these yet.
pub(crate) fn all_may(scope: &RoaringBitmap) -> Candidates {
    Candidates { sure: RoaringBitmap::new(), maybe: scope.clone() }
}

/// Keeps those that match.
pub(crate) fn one_by_one(
    known: &Known,
    scope: &RoaringBitmap,
    matches: impl Fn(u32) -> Result<bool, QueryError>,
) -> Result<RoaringBitmap, QueryError> {
    let mut found = RoaringBitmap::new();
    for ordinal in scope {
        known.reader().check()?;
        if matches(ordinal)? {
            found.insert(ordinal);
        }
    }
    Ok(found)
}

/// Every ordinal of a kind.
pub(crate) fn everything(known: &Known, kind: NodeKind) -> Result<RoaringBitmap, QueryError> {
    let mut all = RoaringBitmap::new();
    all.insert_range(0..known.reader().count(kind)?);
    Ok(all)
}

/// A filter.
pub(crate) enum Plan<'a> {
    And(Vec<Plan<'a>>),
    Or(Vec<Plan<'a>>),
    Not(Box<Plan<'a>>),
    Leaf(Box<dyn Leaf + 'a>),
}

impl<'a> Plan<'a> {
    pub(crate) fn leaf(leaf: impl Leaf + 'a) -> Self {
        Self::Leaf(Box::new(leaf))
    }

    /// All of these, the cheapest first.
    pub(crate) fn all_of(mut plans: Vec<Self>) -> Self {
        plans.sort_by_key(Self::cost);
        if plans.len() == 1 { plans.remove(0) } else { Self::And(plans) }
    }

    /// One of these, the cheapest first.
    pub(crate) fn any_of(mut plans: Vec<Self>) -> Self {
        plans.sort_by_key(Self::cost);
        Self::Or(plans)
    }

    pub(crate) fn none_of(plan: Self) -> Self {
        Self::Not(Box::new(plan))
    }

    fn cost(&self) -> u8 {
        match self {
            Self::And(plans) | Self::Or(plans) => plans.iter().map(Self::cost).max().unwrap_or(0),
            Self::Not(plan) => plan.cost(),
            Self::Leaf(leaf) => leaf.cost(),
        }
    }

    /// Whether it asks nothing.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::And(plans) if plans.is_empty())
    }

    /// Whether whoever matches surely exists at `t`; with `or_deleted`, or is deleted then.
    pub(crate) fn tells_of(&self, t: Instant, or_deleted: bool) -> bool {
        match self {
            Self::And(plans) => plans.iter().any(|plan| plan.tells_of(t, or_deleted)),
            Self::Or(plans) => plans.iter().all(|plan| plan.tells_of(t, or_deleted)),
            Self::Not(_) => false,
            Self::Leaf(leaf) => leaf.tells_of(t, or_deleted),
        }
    }

    /// Whether one matches.
    pub(crate) fn matches(&self, known: &Known, ordinal: u32) -> Result<bool, QueryError> {
        match self {
            Self::And(plans) => {
                for plan in plans {
                    if !plan.matches(known, ordinal)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Self::Or(plans) => {
                for plan in plans {
                    if plan.matches(known, ordinal)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Self::Not(plan) => Ok(!plan.matches(known, ordinal)?),
            Self::Leaf(leaf) => leaf.matches(known, ordinal),
        }
    }

    /// Those of `scope` that match.
    pub(crate) fn solve(&self, known: &Known, scope: &RoaringBitmap) -> Result<RoaringBitmap, QueryError> {
        let step = self.bound(known, scope)?;
        step.solve(known, scope)
    }

    /// What sets alone tell about `scope`, for it and for all within.
    pub(crate) fn bound(&self, known: &Known, scope: &RoaringBitmap) -> Result<Step<'_, 'a>, QueryError> {
        known.reader().check()?;
        let mut steps = Vec::new();
        let bounds = match self {
            Self::And(plans) => {
                let (mut sure, mut upper) = (scope.clone(), scope.clone());
                for plan in plans {
                    let step = plan.bound(known, &upper)?;
                    sure &= &step.bounds.sure;
                    upper = &step.bounds.sure | &step.bounds.maybe;
                    steps.push(step);
                }
                sure &= &upper;
                Candidates { maybe: upper - &sure, sure }
            }
            Self::Or(plans) => {
                let (mut sure, mut upper) = (RoaringBitmap::new(), RoaringBitmap::new());
                for plan in plans {
                    let step = plan.bound(known, scope)?;
                    sure |= &step.bounds.sure;
                    upper |= &step.bounds.maybe;
                    steps.push(step);
                }
                Candidates { maybe: upper - &sure, sure }
            }
            Self::Not(plan) => {
                let step = plan.bound(known, scope)?;
                let sure = scope - &step.bounds.sure - &step.bounds.maybe;
                let maybe = step.bounds.maybe.clone();
                steps.push(step);
                Candidates { sure, maybe }
            }
            // Sets cost more than looking at a handful.
            Self::Leaf(leaf) if leaf.cost() > 0 && scope.len() <= known.tuning.few => all_may(scope),
            Self::Leaf(leaf) => {
                let Candidates { mut sure, mut maybe } = leaf.bounds(known, scope)?;
                sure &= scope;
                maybe &= scope;
                maybe -= &sure;
                Candidates { sure, maybe }
            }
        };
        Ok(Step { plan: self, bounds, steps, looked: Cell::new(0), matched: Cell::new(0) })
    }
}

/// A plan with what sets alone tell, and what was done.
pub(crate) struct Step<'p, 'a> {
    plan: &'p Plan<'a>,
    bounds: Candidates,
    steps: Vec<Step<'p, 'a>>,
    /// Looked at closely, and what of it matched.
    looked: Cell<u64>,
    matched: Cell<u64>,
}

impl Step<'_, '_> {
    /// Those of `scope` that match. `scope` lies within that of the bounds.
    pub(crate) fn solve(&self, known: &Known, scope: &RoaringBitmap) -> Result<RoaringBitmap, QueryError> {
        let mut found = &self.bounds.sure & scope;
        let open = &self.bounds.maybe & scope;
        if !open.is_empty() {
            match self.plan {
                Plan::Leaf(leaf) => {
                    let matched = leaf.solve(known, &open)?;
                    self.looked.set(self.looked.get() + open.len());
                    self.matched.set(self.matched.get() + matched.len());
                    found |= matched;
                }
                Plan::And(_) => {
                    let mut left = open;
                    for step in &self.steps {
                        left = step.solve(known, &left)?;
                    }
                    found |= left;
                }
                Plan::Or(_) => {
                    let mut left = open;
                    for step in &self.steps {
                        let matched = step.solve(known, &left)?;
                        left -= &matched;
                        found |= matched;
                    }
                }
                Plan::Not(_) => {
                    let mut left = open;
                    for step in &self.steps {
                        left -= step.solve(known, &left)?;
                    }
                    found |= left;
                }
            }
        }
        Ok(found)
    }

    /// All that may match.
    pub(crate) fn upper(&self) -> RoaringBitmap {
        &self.bounds.sure | &self.bounds.maybe
    }

    /// The plan and its cardinalities as an indented tree.
    pub(crate) fn print(&self, depth: usize, text: &mut String) {
        let name = match self.plan {
            Plan::And(_) => "all of".to_owned(),
            Plan::Or(_) => "any of".to_owned(),
            Plan::Not(_) => "not".to_owned(),
            Plan::Leaf(leaf) => leaf.name(),
        };
        let (sure, maybe) = (self.bounds.sure.len(), self.bounds.maybe.len());
        let _ = write!(text, "{:indent$}{name}: surely {sure}, maybe {maybe}", "", indent = depth * 2);
        let _ = match self.looked.get() {
            0 => writeln!(text),
            looked => writeln!(text, "; of {looked} looked at, {} match", self.matched.get()),
        };
        for step in &self.steps {
            step.print(depth + 1, text);
        }
    }
}

/// Checks for cancellation now and then in a long loop.
pub(crate) fn check_at(known: &Known, count: usize) -> Result<(), QueryError> {
    if (count as u32).is_multiple_of(CHECK_EVERY) { known.reader().check() } else { Ok(()) }
}
