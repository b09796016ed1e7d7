//! Which observations match what a question says of them, and reading them.

use std::cell::RefCell;
use std::ops::ControlFlow;

use asof_model::{NodeKind, Outcome, Privilege, PrivilegeSet, glob_matches};
use roaring::RoaringBitmap;

use crate::limits::CHECK_EVERY;
use crate::{Classes, Event, EventAxis, EventRange, Known, Node, QueryError, SeenWhere, Text, TextMatch};

/// A test of one text, each asked once.
#[derive(Debug)]
struct Test<'a> {
    wanted: Wanted<'a>,
    /// The ordinals asked about so far, and those of them that match.
    asked: RefCell<(RoaringBitmap, RoaringBitmap)>,
}

#[derive(Debug)]
enum Wanted<'a> {
    Match(&'a TextMatch),
    Glob(&'a str),
    Same(&'a str),
}

impl<'a> Test<'a> {
    fn of(wanted: Wanted<'a>) -> Self {
        Self { wanted, asked: RefCell::default() }
    }

    fn accepts(&self, text: &str) -> bool {
        match self.wanted {
            Wanted::Match(wanted) => wanted.matches(text),
            Wanted::Glob(glob) => !text.is_empty() && glob_matches(glob, text),
            Wanted::Same(wanted) => text == wanted,
        }
    }

    fn ordinal(
        &self,
        ordinal: Option<u32>,
        text: impl FnOnce(u32) -> Result<std::sync::Arc<str>, QueryError>,
    ) -> Result<bool, QueryError> {
        let Some(ordinal) = ordinal else { return Ok(self.accepts("")) };
        {
            let (asked, yes) = &*self.asked.borrow();
            if asked.contains(ordinal) {
                return Ok(yes.contains(ordinal));
            }
        }
        let accepted = self.accepts(&text(ordinal)?);
        let (asked, yes) = &mut *self.asked.borrow_mut();
        asked.insert(ordinal);
        if accepted {
            yes.insert(ordinal);
        }
        Ok(accepted)
    }

    fn node(&self, known: &Known, kind: NodeKind, ordinal: Option<u32>) -> Result<bool, QueryError> {
        self.ordinal(ordinal, |ordinal| known.id(Node { kind, ordinal }))
    }

    fn text(&self, known: &Known, text: Option<Text>) -> Result<bool, QueryError> {
        self.ordinal(text.map(|text| text.0), |ordinal| known.text(Text(ordinal)))
    }
}

/// Whether an outcome is among those accepted; all are where none is named.
pub(crate) fn accepts(outcomes: Option<&[Outcome]>, outcome: Outcome) -> bool {
    outcomes.is_none_or(|accepted| accepted.contains(&outcome))
}

/// The members that UsedWhere and ObservationWhere share, ready to be asked of many events.
#[derive(Debug)]
pub(crate) struct SeenTest<'a> {
    filter: &'a SeenWhere,
    on: Option<Test<'a>>,
    action: Option<Test<'a>>,
    region: Option<Test<'a>>,
    source_ip: Option<Test<'a>>,
    workload: Option<Test<'a>>,
    secret: Option<Test<'a>>,
    actor: Option<Test<'a>>,
    identity: Option<Test<'a>>,
}

impl<'a> SeenTest<'a> {
    pub(crate) fn of(filter: &'a SeenWhere, identity: Option<&'a TextMatch>) -> Self {
        let text = |wanted: Option<&'a TextMatch>| wanted.map(|wanted| Test::of(Wanted::Match(wanted)));
        Self {
            filter,
            on: filter.on.as_deref().map(|on| Test::of(Wanted::Glob(on))),
            action: filter.action.as_deref().map(|action| Test::of(Wanted::Same(action))),
            region: text(filter.region.as_ref()),
            source_ip: text(filter.source_ip.as_ref()),
            workload: text(filter.workload.as_ref()),
            secret: text(filter.secret.as_ref()),
            actor: text(filter.actor.as_ref()),
            identity: text(identity),
        }
    }

    /// All given members match.
    pub(crate) fn matches(&self, known: &Known, event: &Event) -> Result<bool, QueryError> {
        if self.filter.privileges.is_some_and(|wanted| !wanted.contains(event.privilege))
            || !accepts(self.filter.outcomes.as_deref(), event.outcome)
        {
            return Ok(false);
        }
        let node = |test: &Option<Test<'_>>, kind, ordinal| match test {
            Some(test) => test.node(known, kind, ordinal),
            None => Ok(true),
        };
        let text = |test: &Option<Test<'_>>, text| match test {
            Some(test) => test.text(known, text),
            None => Ok(true),
        };
        Ok(node(&self.identity, NodeKind::Identity, Some(event.identity))?
            && text(&self.action, event.action)?
            && text(&self.region, event.region)?
            && text(&self.source_ip, event.source_ip)?
            && node(&self.on, NodeKind::Resource, event.resource)?
            && node(&self.workload, NodeKind::Workload, event.workload)?
            && node(&self.secret, NodeKind::Secret, event.secret)?
            && node(&self.actor, NodeKind::Identity, event.actor)?)
    }
}

impl SeenWhere {
    /// The privileges that can match.
    pub(crate) fn privileges_or_all(&self) -> PrivilegeSet {
        self.privileges.unwrap_or_else(crate::sets::all)
    }

    /// The outcomes that can match.
    pub(crate) fn outcomes_or_all(&self) -> &[Outcome] {
        self.outcomes.as_deref().unwrap_or(Outcome::ALL)
    }

    /// Nothing but privileges and outcomes is asked.
    pub(crate) fn is_coarse(&self) -> bool {
        let Self { privileges: _, outcomes: _, on, action, region, source_ip, workload, secret, actor } =
            self;
        on.is_none()
            && action.is_none()
            && [region, source_ip, workload, secret, actor].iter().all(|each| each.is_none())
    }

    /// The classes that can match.
    pub(crate) fn classes(&self) -> Classes<'_> {
        Classes { privileges: self.privileges_or_all(), outcomes: self.outcomes_or_all() }
    }

    /// The one resource that it is asked on, where nothing else is asked but privileges and outcomes.
    pub(crate) fn on_one_resource(&self) -> Option<&str> {
        let coarse = Self { on: None, ..self.clone() }.is_coarse();
        self.on.as_deref().filter(|on| coarse && !on.is_empty() && !asof_model::is_glob(on))
    }

    /// How explain prints it.
    pub(crate) fn shown(&self) -> String {
        let mut parts = vec![match self.privileges {
            Some(privileges) => crate::sets::shown(privileges),
            None => "anything".to_owned(),
        }];
        if let Some(on) = &self.on {
            parts.push(format!("on {on:?}"));
        }
        if let Some(action) = &self.action {
            parts.push(format!("by {action:?}"));
        }
        for (name, wanted) in [
            ("region", &self.region),
            ("sourceIp", &self.source_ip),
            ("workload", &self.workload),
            ("secret", &self.secret),
            ("actor", &self.actor),
        ] {
            if let Some(wanted) = wanted {
                parts.push(format!("{name} {}", wanted.shown()));
            }
        }
        let outcomes: Vec<&str> = self.outcomes_or_all().iter().map(|outcome| outcome.name()).collect();
        parts.push(outcomes.join("|"));
        parts.join(" ")
    }
}

/// AUTHENTICATE and OTHER are activity that no one needs to hold.
pub(crate) fn is_activity(privilege: Privilege) -> bool {
    !privilege.can_be_held()
}

impl Known {
    /// Reads events of an axis, by (time, ledger index) or backwards; checks for cancellation on the way.
    pub(crate) fn scan(
        &self,
        axis: EventAxis,
        range: impl Into<EventRange>,
        backwards: bool,
        visit: impl FnMut(&Event) -> Result<ControlFlow<()>, QueryError>,
    ) -> Result<(), QueryError> {
        self.scan_of(axis, range, backwards, Classes::all(), visit)
    }

    /// The same, where only these classes matter: others may be left out.
    pub(crate) fn scan_of(
        &self,
        axis: EventAxis,
        range: impl Into<EventRange>,
        backwards: bool,
        classes: Classes<'_>,
        mut visit: impl FnMut(&Event) -> Result<ControlFlow<()>, QueryError>,
    ) -> Result<(), QueryError> {
        let mut failed = None;
        let mut count = 0_u32;
        self.reader().check()?;
        self.reader().events_of(axis, range.into(), backwards, classes, &mut |event| {
            count = count.wrapping_add(1);
            let visited = if count.is_multiple_of(CHECK_EVERY) {
                self.reader().check().and_then(|()| visit(event))
            } else {
                visit(event)
            };
            visited.unwrap_or_else(|error| {
                failed = Some(error);
                ControlFlow::Break(())
            })
        })?;
        failed.map_or(Ok(()), Err)
    }
}
