//! What one identity did: usage, drill-down, activity over time.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use asof_model::{Duration, Instant, Interval, Outcome, Privilege, PrivilegeSet};

use crate::holds::Ask;
use crate::limits::{ENTRIES_MAX, within};
use crate::lists::steps;
use crate::on::On;
use crate::span::whole;
use crate::{Classes, EventAxis, Known, Node, QueryError, Window, sets};

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
    fn add(&mut self, outcome: Outcome, count: u64) {
        match outcome {
            Outcome::Success => self.successes += count,
            Outcome::Denied => self.denials += count,
            Outcome::Error => self.errors += count,
        }
    }
}

/// What was seen of one privilege on one resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The class.
    pub privilege: Privilege,
    /// The RESOURCE; `None`: the observations named none.
    pub resource: Option<Node>,
    /// How often.
    pub counts: Counts,
    /// First time.
    pub first: Instant,
    /// Last time.
    pub last: Instant,
}

/// One step of an identity's time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelinePoint {
    /// Its first moment.
    pub start: Instant,
    /// What may be held then, as itself, on `*`.
    pub held: PrivilegeSet,
    /// How many entitlements, of either effect, it itself holds then.
    pub entitlements: u32,
    /// What was seen in the step, by privilege.
    pub observations: Vec<(Privilege, Counts)>,
}

impl Known {
    /// Use grouped by privilege and resource, in this order: the resource by first appearance, none first.
    pub fn usage(
        &self,
        t: Instant,
        identity: Node,
        during: &Window,
        privileges: Option<PrivilegeSet>,
    ) -> Result<Vec<Usage>, QueryError> {
        let mut groups: BTreeMap<(Privilege, Option<u32>), (Counts, Instant, Instant)> = BTreeMap::new();
        self.scan(EventAxis::Identity(identity.ordinal), during.bounds(t)?, false, |event| {
            if privileges.is_none_or(|wanted| wanted.contains(event.privilege)) {
                within("groups of use", groups.len() as u64, ENTRIES_MAX, "ENTRIES_MAX")?;
                let group = groups.entry((event.privilege, event.resource)).or_insert((
                    Counts::default(),
                    event.time,
                    event.time,
                ));
                group.0.add(event.outcome, 1);
                group.2 = event.time;
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let kind = asof_model::NodeKind::Resource;
        Ok(groups
            .into_iter()
            .map(|((privilege, resource), (counts, first, last))| Usage {
                privilege,
                resource: resource.map(|ordinal| Node { kind, ordinal }),
                counts,
                first,
                last,
            })
            .collect())
    }

    /// Per step of the window: what is held at its start, and the observations within it.
    pub fn activity(
        &self,
        t: Instant,
        identity: Node,
        during: &Window,
        every: Duration,
    ) -> Result<Vec<TimelinePoint>, QueryError> {
        let window = during.bounds(t)?;
        let starts = steps(window, every)?;
        let tallies = self.reader().tally(identity.ordinal, &starts, window.to)?;
        let seen = tallies.into_iter().map(|tally| {
            let mut by_privilege: BTreeMap<Privilege, Counts> = BTreeMap::new();
            for ((privilege, outcome), count) in tally {
                by_privilege.entry(privilege).or_default().add(outcome, count);
            }
            by_privilege
        });
        let (i, anything) = (identity.ordinal, On::Any);
        let ask = Ask::may(sets::held(), &anything);
        let mut points = Vec::with_capacity(starts.len());
        for (start, observations) in starts.into_iter().zip(seen) {
            self.reader().check()?;
            points.push(TimelinePoint {
                start,
                held: self.allowed(i, &ask, start, &mut whole())?,
                entitlements: self.held(i, start, &mut whole())?.len() as u32,
                observations: observations.into_iter().collect(),
            });
        }
        Ok(points)
    }

    /// The earliest SUCCESS observation up to and at `t`.
    pub fn first_used(&self, t: Instant, identity: Node) -> Result<Option<Instant>, QueryError> {
        self.success(t, identity, false)
    }

    /// The latest SUCCESS observation up to and at `t`.
    pub fn last_used(&self, t: Instant, identity: Node) -> Result<Option<Instant>, QueryError> {
        self.success(t, identity, true)
    }

    fn success(&self, t: Instant, identity: Node, backwards: bool) -> Result<Option<Instant>, QueryError> {
        let up_to =
            Interval { from: Instant::BEGINNING, to: Instant::from_nanos(t.nanos().saturating_add(1)) };
        let mut found = None;
        let classes = Classes { privileges: sets::all(), outcomes: &[Outcome::Success] };
        self.scan_of(EventAxis::Identity(identity.ordinal), up_to, backwards, classes, |event| {
            if event.outcome == Outcome::Success {
                found = Some(event.time);
                return Ok(ControlFlow::Break(()));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }
}
