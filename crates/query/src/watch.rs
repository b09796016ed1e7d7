//! Tests of what was seen, fed events in order of time: of one node at a time, or of all at once where many nodes are asked
//! about.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use asof_model::{Instant, Interval, NodeKind};
use roaring::RoaringBitmap;

use crate::plan::{Leaf, all_may, one_by_one};
use crate::{Candidates, Classes, Event, EventAxis, Known, QueryError, Role};

impl Role {
    pub(crate) const fn kind(self) -> NodeKind {
        match self {
            Self::Identity => NodeKind::Identity,
            Self::Secret => NodeKind::Secret,
        }
    }

    pub(crate) const fn axis(self, ordinal: u32) -> EventAxis {
        match self {
            Self::Identity => EventAxis::Identity(ordinal),
            Self::Secret => EventAxis::Secret(ordinal),
        }
    }

    const fn of(self, event: &Event) -> Option<u32> {
        match self {
            Self::Identity => Some(event.identity),
            Self::Secret => event.secret,
        }
    }
}

/// Events passed over in the time that it takes to begin with one node.
const EVENTS_FOR_ONE: u64 = 32;

/// A test of what was seen of a node.
pub(crate) trait Watch {
    /// What is remembered of the events so far.
    type Seen: Default;

    fn name(&self) -> String;

    fn cost(&self) -> u8;

    /// The events that can matter.
    fn during(&self) -> Interval;

    /// The classes of events that can matter.
    fn classes(&self) -> Classes<'_>;

    /// One event more; true once the node matches whatever comes.
    fn feed(&self, known: &Known, event: &Event, seen: &mut Self::Seen) -> Result<bool, QueryError>;

    /// How much is remembered.
    fn remembered(_: &Self::Seen) -> usize {
        0
    }

    /// It matches without any event.
    fn needs_none(&self) -> bool {
        false
    }

    /// What sets tell about identities.
    fn identities(&self, known: &Known, scope: &RoaringBitmap) -> Result<Candidates, QueryError>;

    /// What sets tell about secrets: those seen at all in `within` may match.
    fn secrets(&self, known: &Known, scope: &RoaringBitmap) -> Result<Candidates, QueryError> {
        let used = known.reader().secrets_used(self.classes(), self.within())?;
        Ok(used.map_or_else(|| all_may(scope), |maybe| Candidates { sure: RoaringBitmap::new(), maybe }))
    }

    /// Who matches has an event in here.
    fn within(&self) -> Interval {
        self.during()
    }

    /// All nodes of `scope` that match, and perhaps others that do, where what is kept tells it without a look at events.
    fn exactly(
        &self,
        known: &Known,
        role: Role,
        scope: &RoaringBitmap,
    ) -> Result<Option<RoaringBitmap>, QueryError> {
        let _ = (known, role, scope);
        Ok(None)
    }

    /// Those of the nodes in `scope` that match, where one pass over events tells it of all.
    fn at_once(
        &self,
        known: &Known,
        role: Role,
        scope: &RoaringBitmap,
    ) -> Result<Option<RoaringBitmap>, QueryError> {
        let _ = (known, role, scope);
        Ok(None)
    }
}

/// A member of a filter that watches.
pub(crate) struct Watched<W> {
    pub watch: W,
    pub role: Role,
}

impl<W: Watch> Leaf for Watched<W> {
    fn name(&self) -> String {
        self.watch.name()
    }

    fn cost(&self) -> u8 {
        self.watch.cost()
    }

    fn bounds(&self, known: &Known, scope: &RoaringBitmap) -> Result<Candidates, QueryError> {
        if self.watch.needs_none() {
            return Ok(Candidates { sure: scope.clone(), maybe: RoaringBitmap::new() });
        }
        if let Some(sure) = self.watch.exactly(known, self.role, scope)? {
            return Ok(Candidates { sure, maybe: RoaringBitmap::new() });
        }
        match self.role {
            Role::Identity => self.watch.identities(known, scope),
            Role::Secret => self.watch.secrets(known, scope),
        }
    }

    fn matches(&self, known: &Known, ordinal: u32) -> Result<bool, QueryError> {
        if self.watch.needs_none() {
            return Ok(true);
        }
        let (mut seen, mut matches) = (W::Seen::default(), false);
        let (axis, classes) = (self.role.axis(ordinal), self.watch.classes());
        known.scan_of(axis, self.watch.during(), false, classes, |event| {
            matches = self.watch.feed(known, event, &mut seen)?;
            Ok(if matches { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(matches)
    }

    fn solve(&self, known: &Known, scope: &RoaringBitmap) -> Result<RoaringBitmap, QueryError> {
        if scope.len() > known.tuning.few
            && let Some(found) = self.watch.at_once(known, self.role, scope)?
        {
            return Ok(found);
        }
        let all = known.reader().count(self.role.kind())?;
        let few = match known.reader().events_about(self.watch.during())? {
            Some(events) => scope.len().saturating_mul(EVENTS_FOR_ONE) < events,
            None => scope.len().saturating_mul(8) < u64::from(all),
        };
        if scope.len() < known.tuning.many || few {
            return one_by_one(known, scope, |ordinal| self.matches(known, ordinal));
        }
        // One pass over all events costs less than a look at each of so many nodes.
        let mut seen: BTreeMap<u32, W::Seen> = BTreeMap::new();
        let (mut found, mut remembered) = (RoaringBitmap::new(), 0);
        known.scan_of(EventAxis::All, self.watch.during(), false, self.watch.classes(), |event| {
            if let Some(ordinal) = self.role.of(event)
                && scope.contains(ordinal)
                && !found.contains(ordinal)
            {
                let own = seen.entry(ordinal).or_default();
                let before = W::remembered(own);
                let matches = self.watch.feed(known, event, own)?;
                remembered += W::remembered(own) - before;
                if matches {
                    remembered -= W::remembered(own);
                    seen.remove(&ordinal);
                    found.insert(ordinal);
                }
            }
            let go_on = remembered < known.tuning.remembered;
            Ok(if go_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
        })?;
        if remembered >= known.tuning.remembered {
            // One at a time remembers little, and what was found stays so.
            drop(seen);
            found |= one_by_one(known, &(scope - &found), |ordinal| self.matches(known, ordinal))?;
        }
        Ok(found)
    }

    /// An observation before `t` names it.
    fn tells_of(&self, t: Instant, or_deleted: bool) -> bool {
        or_deleted && !self.watch.needs_none() && self.watch.within().to <= t
    }
}
