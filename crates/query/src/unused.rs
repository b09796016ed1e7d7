//! Unused: what an identity itself HOLDS and has not used.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::sync::Arc;

use asof_model::{
    EdgeKind, Effect, EntitlementValue, Instant, Interval, NodeKind, Outcome, Privilege, PrivilegeSet, State,
    Value, glob_matches,
};
use asof_temporal::NONE;
use foldhash::fast::FixedState;
use roaring::RoaringBitmap;

use crate::limits::keep;
use crate::on::speaks_of;
use crate::span::whole;
use crate::terms::TermsAt;
use crate::used::may_use;
use crate::walk::identity;
use crate::{Classes, Direction, Event, EventAxis, Key, Known, Node, QueryError, UnusedWhere, Use, sets};

/// A privilege that could be taken away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unused {
    /// The ALLOW that gives it.
    pub entitlement: Node,
    /// The privilege.
    pub privilege: Privilege,
    /// Since when it is held so without a break.
    pub held_since: Instant,
    /// The latest such use up to and at T, whatever the window.
    pub last_used: Option<Instant>,
}

/// What of an [`Unused`] is wanted beside who and what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// [`Unused::held_since`].
    pub held_since: bool,
    /// [`Unused::last_used`].
    pub last_used: bool,
}

impl Told {
    /// All of it.
    pub const ALL: Self = Self { held_since: true, last_used: true };
}

/// A held entitlement and a privilege of it.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    entitlement: Node,
    privilege: Privilege,
    on: On,
}

/// What a pair is on.
#[derive(Debug, Clone)]
enum On {
    /// One resource, by whatever action.
    One(u32),
    /// What the entitlement's value says.
    Value(Arc<Value>),
}

/// Whose unused pairs, at which T, of which privileges, in which window.
pub(crate) type UnusedKey = (u32, Instant, PrivilegeSet, Interval);

/// Uses that were looked at; their order is never seen.
type Tried = HashSet<Use, FixedState>;

/// What of an event decides which pairs it uses.
fn use_of(event: &Event) -> Use {
    Use { privilege: event.privilege, resource: event.resource, action: event.action }
}

impl Known {
    /// Takes from `open` the pairs that a use is one of: its privilege or OTHER, a resource that a scope matches or none, an
    /// action of which the entitlement speaks or none.
    fn take_used(
        &self,
        open: &mut Vec<Pair>,
        by: Use,
        used: &mut impl FnMut(Pair),
    ) -> Result<(), QueryError> {
        // Ordinals alone decide about most.
        for pair in open.extract_if(.., |pair| match pair.on {
            On::One(own) => {
                may_use(by.privilege, pair.privilege) && by.resource.is_none_or(|resource| resource == own)
            }
            On::Value(_) => false,
        }) {
            used(pair);
        }
        if open.iter().all(|pair| matches!(pair.on, On::One(_))) {
            return Ok(());
        }
        // Most others are of entitlements that never had a scope that matches: no text of theirs is looked at.
        let matching = match by.resource {
            Some(resource) => self.scoped_on(resource)?,
            None => None,
        };
        let never = |pair: &Pair| {
            matches!(pair.on, On::One(_))
                || matching.as_ref().is_some_and(|matching| {
                    matching.binary_search_by_key(&pair.entitlement.ordinal, |each| each.0).is_err()
                })
        };
        if open.iter().all(never) {
            return Ok(());
        }
        let resource = self.id_of(NodeKind::Resource, by.resource)?;
        let action = by.action.map(|text| self.text(text)).transpose()?;
        let uses = |pair: &Pair| match &pair.on {
            On::Value(value) if may_use(by.privilege, pair.privilege) && !never(pair) => {
                value.entitlement().is_some_and(|said| {
                    on_its_resource(said, resource.as_deref()) && speaks_of(said, action.as_deref())
                })
            }
            _ => false,
        };
        for pair in open.extract_if(.., |pair| uses(pair)) {
            used(pair);
        }
        Ok(())
    }

    /// The pairs of an ALLOW that an identity itself HOLDS at T and a privilege of it without a use in the window.
    pub(crate) fn unused_pairs(
        &self,
        i: u32,
        t: Instant,
        privileges: Option<PrivilegeSet>,
        window: Interval,
    ) -> Result<Arc<[Pair]>, QueryError> {
        let asked = privileges.unwrap_or_else(sets::held);
        // A filter and a field of what it leaves ask the same.
        let key = (i, t, asked, window);
        self.unused.get(
            key,
            |pairs| pairs.len(),
            || {
                let mut found = self.read_unused(&[i], t, asked, window)?;
                Ok::<_, QueryError>(found.pop().unwrap_or_default().into())
            },
        )
    }

    /// Finds those of many identities at once, which are then known: each block of events is read once.
    pub(crate) fn find_unused(
        &self,
        identities: &RoaringBitmap,
        t: Instant,
        privileges: Option<PrivilegeSet>,
        window: Interval,
    ) -> Result<(), QueryError> {
        /// More at a time remember too much.
        const AT_ONCE: usize = 1_024;
        let asked = privileges.unwrap_or_else(sets::held);
        let identities: Vec<u32> = identities.iter().collect();
        for some in identities.chunks(AT_ONCE) {
            for (i, pairs) in some.iter().zip(self.read_unused(some, t, asked, window)?) {
                let key = (*i, t, asked, window);
                self.unused.get(key, |pairs| pairs.len(), || Ok::<_, QueryError>(pairs.into()))?;
            }
        }
        Ok(())
    }

    /// What an entitlement allows at a moment, and on what; `None` where it is no ALLOW.
    fn allow(
        &self,
        entitlement: Node,
        terms: &mut TermsAt<'_>,
        t: Instant,
    ) -> Result<Option<(PrivilegeSet, On)>, QueryError> {
        if let Some(terms) = terms.of(entitlement.ordinal)?
            && terms.resource != NONE
            && !terms.by_actions
        {
            return Ok((!terms.denies).then_some((terms.privileges, On::One(terms.resource))));
        }
        let State::Value(value) = self.state(Key::Node(entitlement), t)? else { return Ok(None) };
        let said = value.entitlement().filter(|said| said.effect == Effect::Allow);
        let privileges = said.map(|said| said.privileges);
        Ok(privileges.map(|privileges| (privileges, On::Value(value))))
    }

    fn read_unused(
        &self,
        identities: &[u32],
        t: Instant,
        asked: PrivilegeSet,
        window: Interval,
    ) -> Result<Vec<Vec<Pair>>, QueryError> {
        let mut open: Vec<Vec<Pair>> = Vec::with_capacity(identities.len());
        let mut terms = TermsAt::new(self, t);
        for i in identities {
            self.reader().check()?;
            let mut own = Vec::new();
            let mut held =
                self.follow_over(EdgeKind::Holds, identity(*i), Direction::Out, t, &mut whole())?;
            held.sort_unstable();
            for entitlement in held {
                let Some((privileges, on)) = self.allow(entitlement, &mut terms, t)? else { continue };
                for privilege in sets::both(privileges, asked).iter() {
                    keep(&mut own, Pair { entitlement, privilege, on: on.clone() }, "pairs held")?;
                }
            }
            open.push(own);
        }
        let holders: Vec<usize> = (0..open.len()).filter(|place| !open[*place].is_empty()).collect();
        let ordinals: Vec<u32> = holders.iter().map(|place| identities[*place]).collect();
        let mut tried = vec![Tried::default(); ordinals.len()];
        let mut failed = None;
        self.reader().uses(&ordinals, uses_of(asked), window, &mut |number, by| {
            let (Some(tried), Some(own)) =
                (tried.get_mut(number), holders.get(number).and_then(|place| open.get_mut(*place)))
            else {
                return ControlFlow::Break(());
            };
            if tried.insert(by)
                && let Err(error) = self.take_used(own, by, &mut drop)
            {
                failed = Some(error);
            }
            if own.is_empty() || failed.is_some() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })?;
        failed.map_or(Ok(open), Err)
    }

    /// What is held at T and not used in the window, by entitlement, then privilege. Of what `told` leaves out, `held_since`
    /// is T and `last_used` is `None`: both take reading what came before the window.
    pub fn unused(
        &self,
        t: Instant,
        identity: Node,
        filter: &UnusedWhere,
        told: Told,
    ) -> Result<Vec<Unused>, QueryError> {
        let window = filter.during.bounds(t)?;
        let i = identity.ordinal;
        let pairs = self.unused_pairs(i, t, filter.privileges, window)?;
        let mut found = Vec::with_capacity(pairs.len());
        for pair in pairs.iter() {
            let (entitlement, privilege) = (pair.entitlement, pair.privilege);
            let holds = |at: Instant, span: &mut Interval| {
                self.holds_through(i, entitlement, sets::only(privilege), at, span)
            };
            let held_since = if told.held_since { self.since(t, holds)? } else { t };
            found.push(Unused { entitlement, privilege, held_since, last_used: None });
        }
        if pairs.is_empty() || !told.last_used {
            return Ok(found);
        }
        let mut open = pairs.to_vec();
        let up_to_now =
            Interval { from: Instant::BEGINNING, to: Instant::from_nanos(t.nanos().saturating_add(1)) };
        let mut tried = Tried::default();
        let asked = filter.privileges.unwrap_or_else(sets::held);
        self.scan_of(EventAxis::Identity(i), up_to_now, true, uses_of(asked), |event| {
            if event.outcome == Outcome::Success && tried.insert(use_of(event)) {
                self.take_used(&mut open, use_of(event), &mut |pair| {
                    for each in &mut found {
                        if each.entitlement == pair.entitlement && each.privilege == pair.privilege {
                            each.last_used = Some(event.time);
                        }
                    }
                })?;
            }
            Ok(if open.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found)
    }
}

/// The classes of events that may use such privileges.
fn uses_of(asked: PrivilegeSet) -> Classes<'static> {
    let privileges = sets::union(asked, sets::only(Privilege::Other));
    Classes { privileges, outcomes: &[Outcome::Success] }
}

/// A scope matches the resource; where none is named, any may have been used.
fn on_its_resource(said: &EntitlementValue, resource: Option<&str>) -> bool {
    resource.is_none_or(|id| said.scopes.iter().any(|scope| glob_matches(scope, id)))
}
