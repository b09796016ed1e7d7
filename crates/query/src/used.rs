//! Members of filters about what was seen: Used, drift, dead secrets, new sources.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use asof_model::{Duration, Instant, Interval, NodeKind, Outcome, Privilege, PrivilegeSet};
use asof_temporal::Dense;
use roaring::RoaringBitmap;

use crate::limits::CHECK_EVERY;
use crate::memo::Map;
use crate::plan::{Leaf, all_may, one_by_one};
use crate::seen::SeenTest;
use crate::watch::{Watch, Watched};
use crate::{
    Apart, Candidates, Classes, DeadSecretWhere, Event, Known, NewSourceWhere, Node, QueryError, Role,
    Source, SourceDimension, Text, UncoveredWhere, UsedWhere, sets,
};

fn shown(window: Interval) -> String {
    format!("from {} to {}", window.from, window.to)
}

/// At least so many observations match.
pub(crate) struct Used<'a> {
    filter: &'a UsedWhere,
    test: SeenTest<'a>,
    window: Interval,
}

impl<'a> Used<'a> {
    pub(crate) fn of(filter: &'a UsedWhere, t: Instant) -> Result<Self, QueryError> {
        Ok(Self { filter, test: SeenTest::of(&filter.seen, None), window: filter.during.bounds(t)? })
    }

    pub(crate) fn matches(&self, known: &Known, event: &Event) -> Result<bool, QueryError> {
        self.test.matches(known, event)
    }

    fn described(&self) -> String {
        let least = match self.filter.min_count {
            1 => String::new(),
            least => format!("at least {least} times "),
        };
        format!("{least}{} {}", self.filter.seen.shown(), shown(self.window))
    }
}

impl Watch for Used<'_> {
    type Seen = u64;

    fn name(&self) -> String {
        format!("used {}", self.described())
    }

    fn cost(&self) -> u8 {
        30
    }

    fn during(&self) -> Interval {
        self.window
    }

    fn classes(&self) -> Classes<'_> {
        self.filter.seen.classes()
    }

    fn secrets(&self, known: &Known, scope: &RoaringBitmap) -> Result<Candidates, QueryError> {
        let Some(used) = known.reader().secrets_used(self.classes(), self.window)? else {
            return Ok(all_may(scope));
        };
        Ok(if self.filter.seen.is_coarse() && self.filter.min_count <= 1 {
            Candidates { sure: used, maybe: RoaringBitmap::new() }
        } else {
            Candidates { sure: RoaringBitmap::new(), maybe: used }
        })
    }

    fn feed(&self, known: &Known, event: &Event, seen: &mut u64) -> Result<bool, QueryError> {
        *seen += u64::from(self.test.matches(known, event)?);
        Ok(*seen >= self.filter.min_count)
    }

    fn needs_none(&self) -> bool {
        self.filter.min_count == 0
    }

    fn identities(&self, known: &Known, _: &RoaringBitmap) -> Result<Candidates, QueryError> {
        let seen = &self.filter.seen;
        if let Some(id) = seen.on_one_resource() {
            let Some(resource) = known.reader().lookup(NodeKind::Resource, id)? else {
                return Ok(Candidates::default());
            };
            if let Some(users) = known.reader().users_on(resource, seen.classes(), self.window)? {
                return Ok(if self.filter.min_count <= 1 {
                    Candidates { sure: users, maybe: RoaringBitmap::new() }
                } else {
                    Candidates { sure: RoaringBitmap::new(), maybe: users }
                });
            }
        }
        let users = known.reader().users(seen.privileges_or_all(), seen.outcomes_or_all(), self.window)?;
        Ok(if seen.is_coarse() && self.filter.min_count <= 1 {
            users
        } else {
            Candidates { maybe: users.sure | users.maybe, sure: RoaringBitmap::new() }
        })
    }
}

/// Of the observations that match, at least so many are not covered.
pub(crate) struct Drift<'a> {
    filter: &'a UncoveredWhere,
    used: Used<'a>,
}

impl<'a> Drift<'a> {
    pub(crate) fn of(filter: &'a UncoveredWhere, t: Instant) -> Result<Self, QueryError> {
        Ok(Self { filter, used: Used::of(&filter.used, t)? })
    }

    pub(crate) const fn window(&self) -> Interval {
        self.used.window
    }

    /// Whether one observation is drift as asked for.
    pub(crate) fn is_drift(&self, known: &Known, event: &Event) -> Result<bool, QueryError> {
        let filter = self.filter;
        Ok(filter.explained.is_none_or(|wanted| wanted == event.explained)
            && event.privilege.can_be_held()
            && self.used.matches(known, event)?
            && !known.covered(event, filter.covered_by, filter.effective)?
            && match filter.posture_known {
                Some(wanted) => known.posture_known(event)? == wanted,
                None => true,
            })
    }

    /// What is asked of one observation, in words that no other question has.
    fn test(&self) -> Arc<str> {
        let UncoveredWhere { used, covered_by, effective, explained, posture_known } = self.filter;
        let seen = &used.seen;
        format!("drift {:?}", (seen, covered_by, effective, explained, posture_known)).into()
    }

    /// No more is asked than that one use is not covered by the identity as itself.
    fn is_plain(&self) -> bool {
        let filter = self.filter;
        filter.used.min_count <= 1
            && filter.used.seen.is_coarse()
            && !filter.effective
            && filter.explained.is_none()
            && filter.posture_known.is_none()
    }
}

impl Watch for Drift<'_> {
    type Seen = u64;

    fn name(&self) -> String {
        let mut name = format!("used without holding {}", self.used.described());
        if let Some(covered_by) = self.filter.covered_by {
            name.push_str(&format!(" any of {}", sets::shown(covered_by)));
        }
        name
    }

    fn cost(&self) -> u8 {
        70
    }

    fn during(&self) -> Interval {
        self.used.window
    }

    fn classes(&self) -> Classes<'_> {
        self.filter.used.seen.classes()
    }

    fn feed(&self, known: &Known, event: &Event, seen: &mut u64) -> Result<bool, QueryError> {
        *seen += u64::from(self.is_drift(known, event)?);
        Ok(*seen >= self.filter.used.min_count)
    }

    fn needs_none(&self) -> bool {
        self.filter.used.min_count == 0
    }

    fn at_once(
        &self,
        known: &Known,
        role: Role,
        scope: &RoaringBitmap,
    ) -> Result<Option<RoaringBitmap>, QueryError> {
        /// Events passed over in the time that it takes to look at one identity's.
        const EVENTS_FOR_ONE: u64 = 256;
        let events = known.reader().events_about(self.during())?;
        let few = events.is_some_and(|events| scope.len().saturating_mul(EVENTS_FOR_ONE) < events);
        if role != Role::Identity || few {
            return Ok(None);
        }
        let (mut counts, mut asked): (Map<u32, u64>, u32) = (Map::default(), 0);
        let mut choose = |event: &Event| {
            asked = asked.wrapping_add(1);
            if asked.is_multiple_of(CHECK_EVERY) {
                known.reader().check()?;
            }
            self.is_drift(known, event)
        };
        known.reader().chosen(&self.test(), self.classes(), self.during(), &mut choose, &mut |event| {
            if scope.contains(event.identity) {
                *counts.entry(event.identity).or_default() += 1;
            }
        })?;
        let least = self.filter.used.min_count;
        Ok(Some(
            counts.into_iter().filter(|(_, count)| *count >= least).map(|(ordinal, _)| ordinal).collect(),
        ))
    }

    /// Who used what needs holding; surely drift where it is neither entangled nor ever held itself, in the window, what
    /// would cover it.
    fn identities(&self, known: &Known, _: &RoaringBitmap) -> Result<Candidates, QueryError> {
        let seen = &self.filter.used.seen;
        let used = sets::both(seen.privileges_or_all(), sets::held());
        if used.is_empty() {
            return Ok(Candidates::default());
        }
        let (reader, outcomes, window) = (known.reader(), seen.outcomes_or_all(), self.used.window);
        let users = reader.users(used, outcomes, window)?;
        let mut sure = RoaringBitmap::new();
        if self.is_plain() {
            for privilege in used.iter() {
                let covering = self.filter.covered_by.unwrap_or_else(|| sets::only(privilege));
                let covering = sets::both(covering, sets::held());
                let mut drifted = reader.users(sets::only(privilege), outcomes, window)?.sure;
                if !covering.is_empty() {
                    let held = reader.direct_holders(covering, window)?;
                    drifted -= held.sure | held.maybe | reader.entangled(covering)?;
                }
                sure |= drifted;
            }
        }
        Ok(Candidates { maybe: (users.sure | users.maybe) - &sure, sure })
    }
}

/// A SUCCESS observation with a secret that was then dead.
pub(crate) struct UsedDead {
    window: Interval,
    grace: Duration,
    survivors: bool,
}

impl UsedDead {
    pub(crate) fn of(filter: &DeadSecretWhere, t: Instant) -> Result<Self, QueryError> {
        Ok(Self {
            window: filter.during.bounds(t)?,
            grace: filter.grace_after.unwrap_or_default(),
            survivors: filter.survivors,
        })
    }

    /// Adds a secret that is dead for good from a moment on, or the identities that used it then.
    fn uses_of(
        &self,
        known: &Known,
        role: Role,
        (secret, dies): (u32, Instant),
        scope: &RoaringBitmap,
        found: &mut RoaringBitmap,
    ) -> Result<(), QueryError> {
        let of_identities = role == Role::Identity;
        let from = counts_from(dies, self.grace).max(self.window.from);
        let Some(during) = Interval::new(from, self.window.to) else { return Ok(()) };
        if !of_identities && (found.contains(secret) || !scope.contains(secret)) {
            return Ok(());
        }
        known.scan_of(Role::Secret.axis(secret), during, false, self.classes(), |event| {
            if event.outcome != Outcome::Success {
                return Ok(ControlFlow::Continue(()));
            }
            found.insert(if of_identities { event.identity } else { secret });
            Ok(if of_identities { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })
    }
}

impl Watch for UsedDead {
    type Seen = ();

    fn name(&self) -> String {
        let which = if self.survivors { "dead secret or survivor" } else { "dead secret" };
        format!("used a {which} {}", shown(self.window))
    }

    fn cost(&self) -> u8 {
        55
    }

    fn during(&self) -> Interval {
        self.window
    }

    fn classes(&self) -> Classes<'_> {
        successes()
    }

    fn exactly(
        &self,
        known: &Known,
        role: Role,
        scope: &RoaringBitmap,
    ) -> Result<Option<RoaringBitmap>, QueryError> {
        // Of nearly all secrets it is asked who descends from whom: one pass over events is less.
        let of_identities = role == Role::Identity;
        if of_identities && self.survivors {
            return Ok(None);
        }
        let mut found = Dense::EMPTY;
        let apart = known.reader().dead_uses(self.window, &mut |used| {
            if counts_from(used.dies, self.grace) <= used.time {
                found.insert(if of_identities { used.identity } else { used.secret });
            }
        })?;
        let Some(Apart { mut open, many }) = apart else { return Ok(None) };
        let mut found = found.set();
        if self.survivors || !open.is_empty() {
            let Some(used) = known.reader().secrets_used(self.classes(), self.window)? else {
                return Ok(None);
            };
            open = if self.survivors { used } else { open & used };
        }
        if !self.survivors {
            if !open.is_empty()
                && let Some(mortal) = known.reader().mortal()?
            {
                open &= &*mortal;
            }
            for (secret, dies) in many {
                self.uses_of(known, role, (secret, dies), scope, &mut found)?;
            }
        }
        if !of_identities {
            open = (open & scope) - &found;
        }
        let mut dead = RoaringBitmap::new();
        for secret in open {
            known.reader().check()?;
            let is_dead =
                |at: Instant, span: &mut Interval| known.dead_or_survivor(secret, self.survivors, at, span);
            if known.at_some_moment(self.window, true, is_dead)? {
                dead.insert(secret);
            }
        }
        if !of_identities {
            found |= one_by_one(known, &dead, |ordinal| {
                Watched { watch: Self { ..*self }, role }.matches(known, ordinal)
            })?;
            return Ok(Some(found));
        }
        for secret in dead {
            let axis = Role::Secret.axis(secret);
            known.scan_of(axis, self.window, false, self.classes(), |event| {
                if self.feed(known, event, &mut ())? {
                    found.insert(event.identity);
                }
                Ok(ControlFlow::Continue(()))
            })?;
        }
        Ok(Some(found))
    }

    fn feed(&self, known: &Known, event: &Event, (): &mut ()) -> Result<bool, QueryError> {
        match event.secret.filter(|_| event.outcome == Outcome::Success) {
            Some(secret) => known.dead_since(secret, self.survivors, self.grace, event.time),
            None => Ok(false),
        }
    }

    fn identities(&self, known: &Known, _: &RoaringBitmap) -> Result<Candidates, QueryError> {
        succeeded(known, sets::all(), self.window)
    }
}

/// First seen from some source in the window, and not for the first time at all.
pub(crate) struct NewSources {
    of: SourceDimension,
    window: Interval,
}

impl NewSources {
    pub(crate) fn of(filter: &NewSourceWhere, t: Instant) -> Result<Self, QueryError> {
        Ok(Self { of: filter.of, window: filter.during.bounds(t)? })
    }

    /// What an event was seen from, where it says so.
    pub(crate) fn source(&self, event: &Event) -> Option<Source> {
        let ordinal = self.of.ordinal(event)?;
        let node = |kind| Source::Node(Node { kind, ordinal });
        Some(match self.of {
            SourceDimension::Workload => node(NodeKind::Workload),
            SourceDimension::Region | SourceDimension::SourceIp => Source::Text(Text(ordinal)),
            SourceDimension::Secret => node(NodeKind::Secret),
            SourceDimension::Resource => node(NodeKind::Resource),
            SourceDimension::Actor => node(NodeKind::Identity),
        })
    }
}

impl Watch for NewSources {
    /// When the node itself was first seen, and the sources so far.
    type Seen = (Option<Instant>, BTreeSet<u32>);

    fn remembered((_, sources): &Self::Seen) -> usize {
        sources.len()
    }

    fn name(&self) -> String {
        format!("seen from a new {:?} {}", self.of, shown(self.window))
    }

    fn cost(&self) -> u8 {
        75
    }

    /// Whether a source is new depends on all that came before.
    fn during(&self) -> Interval {
        Interval { from: Instant::BEGINNING, to: self.window.to }
    }

    fn within(&self) -> Interval {
        self.window
    }

    fn classes(&self) -> Classes<'_> {
        successes()
    }

    fn exactly(
        &self,
        known: &Known,
        role: Role,
        _: &RoaringBitmap,
    ) -> Result<Option<RoaringBitmap>, QueryError> {
        known.reader().newly_seen(role, self.of, self.window)
    }

    fn feed(&self, _: &Known, event: &Event, (own, sources): &mut Self::Seen) -> Result<bool, QueryError> {
        if event.outcome != Outcome::Success {
            return Ok(false);
        }
        let first = *own.get_or_insert(event.time);
        Ok(match self.of.ordinal(event) {
            Some(source) => sources.insert(source) && self.window.contains(event.time) && first < event.time,
            None => false,
        })
    }

    fn identities(&self, known: &Known, _: &RoaringBitmap) -> Result<Candidates, QueryError> {
        succeeded(known, sets::all(), self.window)
    }
}

/// Those with a SUCCESS observation in the window may match, no others.
fn succeeded(known: &Known, privileges: PrivilegeSet, window: Interval) -> Result<Candidates, QueryError> {
    let users = known.reader().users(privileges, &[Outcome::Success], window)?;
    Ok(Candidates { sure: RoaringBitmap::new(), maybe: users.sure | users.maybe })
}

/// From when on a use of a secret that died at some moment counts: what never was alive has no grace.
fn counts_from(dies: Instant, grace: Duration) -> Instant {
    if dies == Instant::BEGINNING { dies } else { dies.plus(grace) }
}

pub(crate) fn successes() -> Classes<'static> {
    Classes { privileges: sets::all(), outcomes: &[Outcome::Success] }
}

/// OTHER may use any privilege.
pub(crate) fn may_use(used: Privilege, privilege: Privilege) -> bool {
    used == privilege || used == Privilege::Other
}
