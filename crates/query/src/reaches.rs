//! Members of filters about groups, and about whom one can act as.

use asof_model::{EdgeKind, Instant, NodeKind, PrivilegeSet};
use roaring::RoaringBitmap;

use crate::plan::{Leaf, Plan, everything, one_by_one};
use crate::span::whole;
use crate::walk::identity;
use crate::{Candidates, Direction, Known, QueryError};

/// An identity that it reaches at T matches.
pub(crate) struct Reaches<'a> {
    /// MEMBER_OF or CAN_ASSUME: the edge that leads to such a one.
    pub edge: EdgeKind,
    /// After any number of others: of MEMBER_OF, and where it can assume others, of CAN_ASSUME.
    pub effective: bool,
    pub t: Instant,
    /// What such a one must match; empty: any will do.
    pub other: Plan<'a>,
}

impl Reaches<'_> {
    /// The edges that may come before the last one.
    const fn before(&self) -> &'static [EdgeKind] {
        match (self.effective, self.edge) {
            (false, _) => &[],
            (true, EdgeKind::MemberOf) => &[EdgeKind::MemberOf],
            (true, _) => &[EdgeKind::MemberOf, EdgeKind::CanAssume],
        }
    }

    /// From the matching ones back to those that reach them.
    fn back(&self, known: &Known, others: &RoaringBitmap) -> Result<RoaringBitmap, QueryError> {
        known.reaching(others, self.edge, self.before(), self.t)
    }

    fn any_of(
        &self,
        known: &Known,
        i: u32,
        accepts: impl Fn(u32) -> Result<bool, QueryError>,
    ) -> Result<bool, QueryError> {
        let reached: Vec<u32> = if self.effective {
            known.reached(i, self.edge, self.before(), self.t)?.into_iter().collect()
        } else {
            let ends = known.follow_over(self.edge, identity(i), Direction::Out, self.t, &mut whole())?;
            ends.into_iter().map(|end| end.ordinal).collect()
        };
        for other in reached {
            if accepts(other)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Leaf for Reaches<'_> {
    fn name(&self) -> String {
        let how = if self.effective { " effectively" } else { "" };
        let which = if self.other.is_empty() { "any" } else { "one that matches" };
        format!("{}{how} to {which}", self.edge)
    }

    fn cost(&self) -> u8 {
        match (self.effective, self.edge) {
            (false, _) => 20,
            (true, EdgeKind::MemberOf) => 22,
            (true, _) => 45,
        }
    }

    fn bounds(&self, known: &Known, scope: &RoaringBitmap) -> Result<Candidates, QueryError> {
        let maybe = match self.edge {
            EdgeKind::MemberOf => known.reader().entangled(PrivilegeSet::EMPTY)? & scope,
            _ => scope.clone(),
        };
        if !self.other.is_empty() {
            let others = everything(known, NodeKind::Identity)?;
            let step = self.other.bound(known, &others)?;
            let few = step.upper();
            if few.len() <= known.tuning.many && few.len() < maybe.len() && few.len() < others.len() {
                let sure = self.back(known, &step.solve(known, &few)?)?;
                return Ok(Candidates { sure, maybe: RoaringBitmap::new() });
            }
        }
        Ok(Candidates { sure: RoaringBitmap::new(), maybe })
    }

    fn matches(&self, known: &Known, ordinal: u32) -> Result<bool, QueryError> {
        self.any_of(known, ordinal, |other| self.other.matches(known, other))
    }

    fn solve(&self, known: &Known, scope: &RoaringBitmap) -> Result<RoaringBitmap, QueryError> {
        if scope.len() < known.tuning.many {
            return one_by_one(known, scope, |ordinal| self.matches(known, ordinal));
        }
        let others = everything(known, NodeKind::Identity)?;
        let others = if self.other.is_empty() { others } else { self.other.solve(known, &others)? };
        if others.len() <= scope.len() {
            return Ok(self.back(known, &others)? & scope);
        }
        one_by_one(known, scope, |ordinal| self.any_of(known, ordinal, |other| Ok(others.contains(other))))
    }
}
