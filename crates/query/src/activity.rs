//! What one identity did: usage, drill-down, activity over time.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use asof_model::{Duration, Instant, Interval, Outcome, Privilege, PrivilegeSet};

use crate::holds::Ask;
use crate::limits::{OBSERVATIONS_MAX, within};
use crate::lists::steps;
use crate::on::On;
use crate::seen::SeenTest;
use crate::span::whole;
use crate::used::Drift;
use crate::{Event, EventAxis, Known, Node, ObservationWhere, QueryError, UncoveredWhere, Window, sets};

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
    fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Success => self.successes += 1,
            Outcome::Denied => self.denials += 1,
            Outcome::Error => self.errors += 1,
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
    /// The observations in the window that match, by (time, ledger index), of one identity or of all.
    ///
    /// # Errors
    /// [`QueryError::Limit`] for more than [`OBSERVATIONS_MAX`]: [`Known::observations_page`] counts any number.
    pub fn observations(
        &self,
        t: Instant,
        identity: Option<Node>,
        filter: &ObservationWhere,
        during: &Window,
    ) -> Result<Vec<Event>, QueryError> {
        let (count, found) =
            self.observations_page(t, identity, filter, during, None, OBSERVATIONS_MAX as usize)?;
        within("observations", count, OBSERVATIONS_MAX, "OBSERVATIONS_MAX")?;
        Ok(found)
    }

    /// How many observations in the window match, and the first ones of them after a (time, ledger index).
    pub fn observations_page(
        &self,
        t: Instant,
        identity: Option<Node>,
        filter: &ObservationWhere,
        during: &Window,
        after: Option<(Instant, u64)>,
        first: usize,
    ) -> Result<(u64, Vec<Event>), QueryError> {
        let window = during.bounds(t)?;
        let test = SeenTest::of(&filter.seen, filter.identity.as_ref());
        let (mut count, mut found) = (0, Vec::new());
        let axis = match identity {
            Some(node) => EventAxis::Identity(node.ordinal),
            None => match self.narrowest(filter)? {
                Some(axis) => axis,
                None => return Ok((count, found)),
            },
        };
        self.scan(axis, window, false, |event| {
            if filter.explained.is_none_or(|wanted| wanted == event.explained)
                && test.matches(self, event)?
                && match filter.posture_known {
                    Some(wanted) => self.posture_known(event)? == wanted,
                    None => true,
                }
                && match filter.covered {
                    Some(wanted) => self.covered(event, None, false)? == wanted,
                    None => true,
                }
            {
                count += 1;
                if found.len() < first && after.is_none_or(|after| after < (event.time, event.index)) {
                    found.push(*event);
                }
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok((count, found))
    }

    /// The axis that reads least; `None` where the filter names one id alone that nothing has.
    fn narrowest(&self, filter: &ObservationWhere) -> Result<Option<EventAxis>, QueryError> {
        use asof_model::NodeKind::{Identity, Secret};
        if let Some(id) = filter.identity.as_ref().and_then(|wanted| wanted.eq.as_ref()) {
            return Ok(self.reader().lookup(Identity, id)?.map(|node| EventAxis::Identity(node.ordinal)));
        }
        if let Some(id) = filter.seen.secret.as_ref().and_then(|wanted| wanted.eq.as_ref()) {
            return Ok(self.reader().lookup(Secret, id)?.map(|node| EventAxis::Secret(node.ordinal)));
        }
        Ok(Some(EventAxis::All))
    }

    /// Drift of one identity: the observations themselves, by (time, ledger index).
    pub fn uncovered(
        &self,
        t: Instant,
        identity: Node,
        filter: &UncoveredWhere,
    ) -> Result<Vec<Event>, QueryError> {
        let drift = Drift::of(filter, t)?;
        let mut found = Vec::new();
        self.scan(EventAxis::Identity(identity.ordinal), drift.window(), false, |event| {
            if drift.is_drift(self, event)? {
                found.push(*event);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

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
                let group = groups.entry((event.privilege, event.resource)).or_insert((
                    Counts::default(),
                    event.time,
                    event.time,
                ));
                group.0.add(event.outcome);
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
        let mut seen: Vec<BTreeMap<Privilege, Counts>> = vec![BTreeMap::new(); starts.len()];
        self.scan(EventAxis::Identity(identity.ordinal), window, false, |event| {
            let step = starts.partition_point(|start| *start <= event.time).saturating_sub(1);
            if let Some(step) = seen.get_mut(step) {
                step.entry(event.privilege).or_default().add(event.outcome);
            }
            Ok(ControlFlow::Continue(()))
        })?;
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
        self.scan(EventAxis::Identity(identity.ordinal), up_to, backwards, |event| {
            if event.outcome == Outcome::Success {
                found = Some(event.time);
                return Ok(ControlFlow::Break(()));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }
}
