//! Members of filters about what is held: Holds at a moment and over a window, Unused.

use asof_model::{Instant, Interval, Outcome, Privilege, PrivilegeSet};
use roaring::RoaringBitmap;

use crate::holds::Ask;
use crate::on::On;
use crate::plan::{Leaf, all_may, everything, one_by_one};
use crate::span::{moment, whole};
use crate::{Candidates, HoldsWhere, Known, QueryError, sets};

/// What a HoldsWhere describes, whenever that is.
pub(crate) struct What<'a> {
    filter: &'a HoldsWhere,
    on: On,
}

impl<'a> What<'a> {
    pub(crate) fn of(filter: &'a HoldsWhere) -> Self {
        Self { filter, on: On::text(filter.on.as_deref()) }
    }

    fn name(&self) -> String {
        let privileges = sets::shown(self.filter.privileges);
        let mut name = format!("holds {privileges} on {:?}", self.on.shown());
        if self.filter.effective {
            name.push_str(" effectively");
        }
        if !self.filter.conditional {
            name.push_str(" whatever the conditions");
        }
        if let Some(entitlement) = &self.filter.entitlement {
            name.push_str(&format!(" by entitlement {}", entitlement.shown()));
        }
        name
    }

    fn holds(
        &self,
        known: &Known,
        i: u32,
        effective: bool,
        t: Instant,
        span: &mut Interval,
    ) -> Result<bool, QueryError> {
        known.holds(i, &Ask::of(self.filter, &self.on), effective, t, span)
    }

    /// Holding directly is holding: nothing but privileges is asked.
    fn is_plain(&self) -> bool {
        matches!(self.on, On::Any) && self.filter.conditional && self.filter.entitlement.is_none()
    }

    /// Those that may hold at some moment of the stretch; where it is one moment, also those that surely do.
    fn bounds(
        &self,
        known: &Known,
        scope: &RoaringBitmap,
        during: Interval,
        effective: bool,
    ) -> Result<Candidates, QueryError> {
        let asked = sets::both(self.filter.privileges, sets::held());
        if asked.is_empty() || during.to <= Instant::from_nanos(0) {
            return Ok(Candidates::default()); // what is never held; and before 1970 nothing is
        }
        let entangled = known.reader().entangled(asked)?;
        if let (On::One(resource), false) = (&self.on, effective)
            && during == moment(during.from)
        {
            let ask = Ask { privileges: asked, ..Ask::of(self.filter, &self.on) };
            if let Some(on) = known.directly_on(resource, &ask, during.from)? {
                // Who is in no group may hold only what it is given itself; who was ever denied it may not even hold that.
                let groups = known.reader().entangled(PrivilegeSet::EMPTY)?;
                let (sure, denied) = (&*on - &entangled, &*on & entangled);
                return Ok(Candidates { maybe: (denied | groups) - &sure, sure });
            }
        }
        let direct = known.direct_holders(asked, during)?;
        let sure = if self.is_plain() && during == moment(during.from) {
            &direct.sure - &entangled
        } else {
            RoaringBitmap::new()
        };
        let mut maybe = if effective { scope.clone() } else { &direct.sure | &direct.maybe | entangled };
        if let (On::One(resource), false) = (&self.on, effective)
            && let Some(holders) = known.ever_holding_on(resource)?
        {
            maybe &= holders | known.reader().entangled(PrivilegeSet::EMPTY)?;
        }
        Ok(Candidates { maybe: maybe - &sure, sure })
    }

    /// All that hold, as themselves, at a moment.
    fn holders(&self, known: &Known, t: Instant) -> Result<RoaringBitmap, QueryError> {
        let all = everything(known, asof_model::NodeKind::Identity)?;
        let bounds = self.bounds(known, &all, moment(t), false)?;
        let maybe = (bounds.maybe - &bounds.sure) & &all;
        let looked = one_by_one(known, &maybe, |i| self.holds(known, i, false, t, &mut whole()))?;
        Ok((bounds.sure & all) | looked)
    }
}

/// Holds at a moment.
pub(crate) struct HoldsAt<'a> {
    pub what: What<'a>,
    pub t: Instant,
}

impl Leaf for HoldsAt<'_> {
    fn name(&self) -> String {
        format!("{} at {}", self.what.name(), self.t)
    }

    fn cost(&self) -> u8 {
        if self.what.filter.effective { 50 } else { 35 }
    }

    fn bounds(&self, known: &Known, scope: &RoaringBitmap) -> Result<Candidates, QueryError> {
        self.what.bounds(known, scope, moment(self.t), self.what.filter.effective)
    }

    fn matches(&self, known: &Known, ordinal: u32) -> Result<bool, QueryError> {
        self.what.holds(known, ordinal, self.what.filter.effective, self.t, &mut whole())
    }

    fn solve(&self, known: &Known, scope: &RoaringBitmap) -> Result<RoaringBitmap, QueryError> {
        if self.what.filter.effective && scope.len() >= known.tuning.many {
            let holders = self.what.holders(known, self.t)?;
            return Ok(known.actors_of(&holders, self.t)? & scope);
        }
        one_by_one(known, scope, |ordinal| self.matches(known, ordinal))
    }

    /// What it holds by is an edge in force: one that was stated of it, and it is not deleted then.
    fn tells_of(&self, t: Instant, or_deleted: bool) -> bool {
        self.t == t || (or_deleted && self.t < t)
    }
}

/// Holds at every moment of a window, or at one of them at least.
pub(crate) struct HoldsOver<'a> {
    pub what: What<'a>,
    pub window: Interval,
    pub throughout: bool,
}

impl Leaf for HoldsOver<'_> {
    fn name(&self) -> String {
        let when = if self.throughout { "throughout" } else { "sometime" };
        format!("{} {when} from {} to {}", self.what.name(), self.window.from, self.window.to)
    }

    fn cost(&self) -> u8 {
        60
    }

    fn bounds(&self, known: &Known, scope: &RoaringBitmap) -> Result<Candidates, QueryError> {
        let effective = self.what.filter.effective;
        let mut found = self.what.bounds(known, scope, moment(self.window.from), effective)?;
        if self.throughout {
            let upper = found.sure | found.maybe;
            return Ok(Candidates { sure: RoaringBitmap::new(), maybe: upper });
        }
        let whenever = self.what.bounds(known, scope, self.window, effective)?;
        found.maybe |= whenever.sure | whenever.maybe;
        found.maybe -= &found.sure;
        Ok(found)
    }

    fn matches(&self, known: &Known, ordinal: u32) -> Result<bool, QueryError> {
        let effective = self.what.filter.effective;
        let holds = |t: Instant, span: &mut Interval| self.what.holds(known, ordinal, effective, t, span);
        // Throughout: at no moment it does not.
        Ok(known.at_some_moment(self.window, !self.throughout, holds)? != self.throughout)
    }
}

/// Holds at T an ALLOW of which it has not used some privilege in the window.
pub(crate) struct HoldsUnused {
    pub privileges: Option<PrivilegeSet>,
    pub window: Interval,
    pub t: Instant,
}

impl Leaf for HoldsUnused {
    fn name(&self) -> String {
        let privileges = self.privileges.map_or_else(|| "anything".to_owned(), sets::shown);
        format!("holds {privileges} unused from {} to {}", self.window.from, self.window.to)
    }

    fn cost(&self) -> u8 {
        65
    }

    fn bounds(&self, known: &Known, scope: &RoaringBitmap) -> Result<Candidates, QueryError> {
        let asked = sets::both(self.privileges.unwrap_or_else(sets::held), sets::held());
        if asked.is_empty() {
            return Ok(Candidates::default());
        }
        // All who used anything in a long window are many sets, and of a team nearly all did.
        if scope.len() <= known.tuning.many {
            return Ok(all_may(scope));
        }
        let direct = known.reader().direct_holders(asked, moment(self.t))?;
        let used = sets::union(asked, sets::only(Privilege::Other));
        let users = known.reader().users(used, &[Outcome::Success], self.window)?;
        let sure = &direct.sure - &users.sure - &users.maybe;
        Ok(Candidates { maybe: (direct.sure | direct.maybe) - &sure, sure })
    }

    fn matches(&self, known: &Known, ordinal: u32) -> Result<bool, QueryError> {
        Ok(!known.unused_pairs(ordinal, self.t, self.privileges, self.window)?.is_empty())
    }

    fn solve(&self, known: &Known, scope: &RoaringBitmap) -> Result<RoaringBitmap, QueryError> {
        known.find_unused(scope, self.t, self.privileges, self.window)?;
        one_by_one(known, scope, |ordinal| self.matches(known, ordinal))
    }
}
