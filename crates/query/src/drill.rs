//! Lists of observations, read a page at a time: a page reads from its cursor's place on, and no further than it is long.

use std::ops::ControlFlow;

use asof_model::{Instant, Interval};

use crate::seen::SeenTest;
use crate::used::{Drift, UsedDead};
use crate::watch::Watch as _;
use crate::{
    DeadSecretWhere, Event, EventAxis, EventPlace, EventRange, Known, Node, ObservationWhere, QueryError,
    Role, SourceDimension, UncoveredWhere, Window,
};

/// Which observations a list holds. Their order is always that of (time, ledger index).
#[derive(Debug, Clone, PartialEq)]
pub enum EventList {
    /// Those in the window that match.
    Observations {
        /// Of this identity; absent: of all.
        identity: Option<Node>,
        /// What they must match.
        filter: ObservationWhere,
        /// When.
        during: Window,
    },
    /// The drift of one identity.
    Uncovered {
        /// Whose.
        identity: Node,
        /// Which.
        filter: UncoveredWhere,
    },
    /// The uses of dead secrets by one identity, or of one secret.
    DeadUses {
        /// The IDENTITY or SECRET.
        node: Node,
        /// Which.
        filter: DeadSecretWhere,
    },
}

/// Whether an observation is in a list.
type Belongs<'a> = Box<dyn Fn(&Event) -> Result<bool, QueryError> + 'a>;

/// A list made ready to be read: where it is, and what is in it.
struct Source<'a> {
    axis: EventAxis,
    window: Interval,
    belongs: Belongs<'a>,
}

impl EventList {
    /// `None`: it is empty, whatever was recorded.
    fn source<'a>(&'a self, known: &'a Known, t: Instant) -> Result<Option<Source<'a>>, QueryError> {
        match self {
            Self::Observations { identity, filter, during } => {
                let window = during.bounds(t)?;
                let axis = match identity {
                    Some(node) => EventAxis::Identity(node.ordinal),
                    None => match known.narrowest(filter)? {
                        Some(axis) => axis,
                        None => return Ok(None),
                    },
                };
                let test = SeenTest::of(&filter.seen, filter.identity.as_ref());
                let belongs = move |event: &Event| matches(known, filter, &test, event);
                Ok(Some(Source { axis, window, belongs: Box::new(belongs) }))
            }
            Self::Uncovered { identity, filter } => {
                let (axis, drift) = (EventAxis::Identity(identity.ordinal), Drift::of(filter, t)?);
                let window = drift.window();
                let belongs = move |event: &Event| drift.is_drift(known, event);
                Ok(Some(Source { axis, window, belongs: Box::new(belongs) }))
            }
            Self::DeadUses { node, filter } => {
                let (role, dead) = (Role::of_node(*node)?, UsedDead::of(filter, t)?);
                let (axis, window) = (role.axis(node.ordinal), dead.during());
                let belongs = move |event: &Event| dead.feed(known, event, &mut ());
                Ok(Some(Source { axis, window, belongs: Box::new(belongs) }))
            }
        }
    }
}

fn matches(
    known: &Known,
    filter: &ObservationWhere,
    test: &SeenTest<'_>,
    event: &Event,
) -> Result<bool, QueryError> {
    Ok(filter.explained.is_none_or(|wanted| wanted == event.explained)
        && test.matches(known, event)?
        && match filter.posture_known {
            Some(wanted) => known.posture_known(event)? == wanted,
            None => true,
        }
        && match filter.covered {
            Some(wanted) => known.covered(event, None, false)? == wanted,
            None => true,
        })
}

impl Known {
    /// The first observations of a list that stand after a place. Those before it are not read.
    pub fn events(
        &self,
        t: Instant,
        list: &EventList,
        after: Option<EventPlace>,
        first: usize,
    ) -> Result<Vec<Event>, QueryError> {
        let mut found = Vec::new();
        let Some(source) = list.source(self, t)? else { return Ok(found) };
        if first == 0 {
            return Ok(found);
        }
        let mut range = EventRange::from(source.window);
        if let Some((time, index)) = after {
            range.from = range.from.max((time, index.saturating_add(1)));
        }
        self.scan(source.axis, range, false, |event| {
            if (source.belongs)(event)? {
                found.push(*event);
            }
            Ok(if found.len() < first { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        Ok(found)
    }

    /// How many observations a list holds: this reads all of them.
    pub fn count_events(&self, t: Instant, list: &EventList) -> Result<u64, QueryError> {
        let Some(source) = list.source(self, t)? else { return Ok(0) };
        let mut count = 0;
        self.scan(source.axis, source.window, false, |event| {
            count += u64::from((source.belongs)(event)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(count)
    }

    /// The axis that reads least; `None` where the filter names one id alone that nothing has.
    fn narrowest(&self, filter: &ObservationWhere) -> Result<Option<EventAxis>, QueryError> {
        use asof_model::NodeKind::{Identity, Secret, Workload};
        if let Some(id) = filter.identity.as_ref().and_then(|wanted| wanted.eq.as_ref()) {
            return Ok(self.reader().lookup(Identity, id)?.map(|node| EventAxis::Identity(node.ordinal)));
        }
        if let Some(id) = filter.seen.secret.as_ref().and_then(|wanted| wanted.eq.as_ref()) {
            return Ok(self.reader().lookup(Secret, id)?.map(|node| EventAxis::Secret(node.ordinal)));
        }
        let seen = &filter.seen;
        let named = [
            (SourceDimension::Workload, Some(Workload), &seen.workload),
            (SourceDimension::Actor, Some(Identity), &seen.actor),
            (SourceDimension::Region, None, &seen.region),
            (SourceDimension::SourceIp, None, &seen.source_ip),
        ];
        for (source, kind, wanted) in named {
            if let Some(text) = wanted.as_ref().and_then(|wanted| wanted.eq.as_ref()) {
                let ordinal = match kind {
                    Some(kind) => self.reader().lookup(kind, text)?.map(|node| node.ordinal),
                    None => self.reader().named(text)?.map(|text| text.0),
                };
                return Ok(ordinal.map(|ordinal| EventAxis::Source(source, ordinal)));
            }
        }
        Ok(Some(EventAxis::All))
    }
}
