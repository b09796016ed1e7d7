//! What is asked about one identity.

use std::collections::BTreeMap;

use asof_model::{Duration, EdgeKind, Effect, Instant, NodeRef, Outcome, Privilege, PrivilegeSet};
use asof_query::{UnusedWhere, Window};

use super::filter::{Wrong, bounds};
use super::holds::{Asked, On};
use super::ledger::node;
use super::seen::{Role, Seen};
use super::state::Known;

/// Observations by outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// SUCCESS.
    pub successes: u64,
    /// DENIED.
    pub denials: u64,
    /// ERROR.
    pub errors: u64,
}

impl Counts {
    fn add(&mut self, seen: &Seen<'_>) {
        *match seen.what.outcome {
            Outcome::Success => &mut self.successes,
            Outcome::Denied => &mut self.denials,
            Outcome::Error => &mut self.errors,
        } += 1;
    }
}

/// Observed use of one privilege on one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Which.
    pub privilege: Privilege,
    /// On which, if any.
    pub resource: Option<String>,
    /// How often.
    pub counts: Counts,
    /// Earliest.
    pub first: Instant,
    /// Latest.
    pub last: Instant,
}

/// Held and not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unused {
    /// By which.
    pub entitlement: NodeRef,
    /// Which.
    pub privilege: Privilege,
    /// Since when without a break.
    pub held_since: Instant,
    /// Latest use up to and at T.
    pub last_used: Option<Instant>,
}

/// One step of an identity's chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelinePoint {
    /// Its first moment.
    pub start: Instant,
    /// What may be held then, as itself, on anything.
    pub held: PrivilegeSet,
    /// How many entitlements are held directly then.
    pub entitlements: u32,
    /// What was seen within it.
    pub observations: Vec<(Privilege, Counts)>,
}

impl Known<'_> {
    /// The entitlements held, of either effect, by (entitlement, holder) of first appearance.
    pub fn entitlements(
        &self,
        t: Instant,
        identity: &NodeRef,
        privileges: Option<PrivilegeSet>,
        on: Option<&str>,
        effective: bool,
    ) -> Vec<(NodeRef, NodeRef)> {
        let on = On::asked(on);
        let kinds: &[EdgeKind] = if effective { &[EdgeKind::MemberOf, EdgeKind::CanAssume] } else { &[] };
        let mut found = Vec::new();
        for (holder, _) in self.reach(identity, kinds, t) {
            for (e, said) in self.held(&holder, t) {
                let wanted =
                    privileges.is_none_or(|wanted| wanted.iter().any(|each| said.privileges.contains(each)));
                if wanted && said.scopes.iter().any(|scope| on.meets(scope)) {
                    found.push((e, holder.clone()));
                }
            }
        }
        found.sort_by_key(|(e, holder)| (self.place(e), self.place(holder)));
        found
    }

    /// Observed use, by privilege, then the resource's first appearance, none first.
    pub fn usage(
        &self,
        t: Instant,
        identity: &NodeRef,
        during: &Window,
        privileges: Option<PrivilegeSet>,
    ) -> Result<Vec<Usage>, Wrong> {
        let mut groups: BTreeMap<(Privilege, Option<usize>), Usage> = BTreeMap::new();
        for seen in self.during(bounds(during, t)?) {
            let what = seen.what;
            if seen.has(Role::Identity, identity)
                && privileges.is_none_or(|wanted| wanted.contains(what.privilege))
            {
                let resource = (!what.resource.is_empty()).then(|| what.resource.clone());
                let place = resource.as_ref().map(|id| self.place(&node(asof_model::NodeKind::Resource, id)));
                let usage = groups.entry((what.privilege, place)).or_insert_with(|| Usage {
                    privilege: what.privilege,
                    resource,
                    counts: Counts::default(),
                    first: what.time,
                    last: what.time,
                });
                usage.counts.add(&seen);
                usage.last = what.time;
            }
        }
        Ok(groups.into_values().collect())
    }

    /// Held at T and not used in the window, by entitlement, then privilege.
    pub fn unused(&self, t: Instant, identity: &NodeRef, filter: &UnusedWhere) -> Result<Vec<Unused>, Wrong> {
        let idle = self.idle(identity, filter, t)?;
        let answer = idle.into_iter().map(|(entitlement, privilege, said)| {
            let holds = |at: Instant| {
                self.held(identity, at).iter().any(|(e, said)| {
                    *e == entitlement && said.effect == Effect::Allow && said.privileges.contains(privilege)
                })
            };
            let stretch = self
                .bounds
                .iter()
                .rev()
                .copied()
                .filter(|bound| *bound <= t)
                .take_while(|bound| holds(*bound));
            let held_since = stretch.last().unwrap_or(Instant::BEGINNING);
            let uses = self.uses(identity, privilege, &said);
            let last_used = uses.iter().map(|seen| seen.what.time).filter(|time| *time <= t).max();
            Unused { entitlement, privilege, held_since, last_used }
        });
        Ok(answer.collect())
    }

    /// Per step of the window: what is held at its start, what is seen within it.
    pub fn activity(
        &self,
        t: Instant,
        identity: &NodeRef,
        during: &Window,
        every: Duration,
    ) -> Result<Vec<TimelinePoint>, Wrong> {
        let window = bounds(during, t)?;
        let mut points = Vec::new();
        let mut start = window.from;
        while start < window.to {
            let next = start.plus(every);
            let step = asof_model::Interval { from: start, to: next.min(window.to) };
            let held = Privilege::HELD.iter().copied().filter(|privilege| {
                let asked = Asked {
                    privilege: *privilege,
                    on: On::asked(None),
                    may: true,
                    action: None,
                    entitlement: None,
                };
                self.holds(identity, &asked, false, start)
            });
            let mut observations: BTreeMap<Privilege, Counts> = BTreeMap::new();
            for seen in self.during(step).iter().filter(|seen| seen.has(Role::Identity, identity)) {
                observations.entry(seen.what.privilege).or_default().add(seen);
            }
            points.push(TimelinePoint {
                start,
                held: held.collect(),
                entitlements: self.held(identity, start).len() as u32,
                observations: observations.into_iter().collect(),
            });
            start = next;
        }
        Ok(points)
    }

    /// The earliest and the latest SUCCESS observation up to and at T.
    pub fn first_and_last_used(&self, t: Instant, identity: &NodeRef) -> (Option<Instant>, Option<Instant>) {
        let times = || {
            self.successes(Role::Identity, identity)
                .into_iter()
                .map(|seen| seen.what.time)
                .filter(|at| *at <= t)
        };
        (times().min(), times().max())
    }
}
