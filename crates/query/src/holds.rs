//! Holds: as itself, with its bundle; effectively, as one that it can come to act as, too.

use std::sync::Arc;

use asof_model::{EdgeKind, Effect, Instant, Interval, NodeKind, PrivilegeSet, State, glob_matches};
use asof_temporal::{End, Rectangle};
use roaring::RoaringBitmap;

use crate::known::{Held, end};
use crate::on::{On, speaks_of};
use crate::span::{look, whole};
use crate::walk::identity;
use crate::{Direction, Event, HoldsWhere, Key, Known, Node, QueryError, TextMatch, sets};

/// What is asked of an identity as itself.
#[derive(Debug)]
pub(crate) struct Ask<'a> {
    /// Any of these.
    pub privileges: PrivilegeSet,
    /// On this.
    pub on: &'a On,
    /// true: a conditional ALLOW counts and a conditional DENY does not. false: the reverse.
    pub conditional: bool,
    /// The id of the ALLOW entitlement.
    pub entitlement: Option<&'a TextMatch>,
    /// By this action, where one is known.
    pub action: Option<&'a str>,
}

impl<'a> Ask<'a> {
    /// May hold any of these on this.
    pub(crate) fn may(privileges: PrivilegeSet, on: &'a On) -> Self {
        Self { privileges, on, conditional: true, entitlement: None, action: None }
    }

    /// What a filter asks.
    pub(crate) fn of(filter: &'a HoldsWhere, on: &'a On) -> Self {
        Self {
            privileges: filter.privileges,
            on,
            conditional: filter.conditional,
            entitlement: filter.entitlement.as_ref(),
            action: None,
        }
    }
}

impl Known {
    /// The entitlements that an identity itself holds (in force) whose state is a value, of either effect.
    pub(crate) fn held(&self, j: u32, t: Instant, span: &mut Interval) -> Result<Arc<[Held]>, QueryError> {
        Self::kept(&self.held, j, t, span, |span| {
            let mut found = Vec::new();
            for node in self.follow_over(EdgeKind::Holds, identity(j), Direction::Out, t, span)? {
                if let State::Value(value) = self.state_over(Key::Node(node), t, span)? {
                    found.push(Held { node, value });
                }
            }
            found.sort_unstable_by_key(|held| held.node);
            Ok(found.into())
        })
    }

    /// Identities that ever held an entitlement that ever had a scope that matches the resource; `None`: nothing is kept
    /// that would tell.
    pub(crate) fn ever_holding_on(&self, resource: &str) -> Result<Option<RoaringBitmap>, QueryError> {
        let Some(matching) = self.reader().matching(resource)? else { return Ok(None) };
        let mut found = RoaringBitmap::new();
        for (ordinal, first) in matching.iter() {
            self.reader().check()?;
            if *first < self.size() {
                let entitlement = Node { kind: NodeKind::Entitlement, ordinal: *ordinal };
                let edges = self.edges(EdgeKind::Holds, entitlement, Direction::In)?;
                found.extend(edges.rectangles().iter().map(|each| each.end.ordinal));
                found.extend(edges.deep().iter().map(|(other, _)| other.ordinal));
            }
        }
        Ok(Some(found))
    }

    /// Identities that themselves hold, at a moment, an ALLOW that gives what is asked on the resource: groups and denials
    /// left aside. `None`: nothing is kept that would tell.
    pub(crate) fn directly_on(
        &self,
        resource: &Arc<str>,
        ask: &Ask<'_>,
        t: Instant,
    ) -> Result<Option<Arc<RoaringBitmap>>, QueryError> {
        if ask.entitlement.is_some() || ask.action.is_some() {
            return self.find_directly_on(resource, ask, t);
        }
        // A dashboard asks who could, and beside it who of them did.
        let key = (Arc::clone(resource), ask.privileges, t, ask.conditional);
        let weight =
            |found: &Option<Arc<RoaringBitmap>>| found.as_ref().map_or(0, |found| found.len() as usize / 16);
        self.holding_on.get(key, weight, || self.find_directly_on(resource, ask, t))
    }

    fn find_directly_on(
        &self,
        resource: &str,
        ask: &Ask<'_>,
        t: Instant,
    ) -> Result<Option<Arc<RoaringBitmap>>, QueryError> {
        let Some(matching) = self.reader().matching(resource)? else { return Ok(None) };
        let mut found: Vec<u32> = Vec::new();
        for (ordinal, _) in matching.iter().filter(|(_, first)| *first < self.size()) {
            self.reader().check()?;
            let node = Node { kind: NodeKind::Entitlement, ordinal: *ordinal };
            let timeline = self.timeline(Key::Node(node))?;
            let State::Value(value) = timeline.at(t) else { continue };
            if !self.gives(&Held { node, value: Arc::clone(value) }, ask)?.is_empty() {
                // Who is deleted is found of all of them at once.
                let all = |_, _: &mut Interval| Ok(true);
                let holders = self.stated_over(EdgeKind::Holds, node, Direction::In, t, &mut whole(), all)?;
                found.extend(holders.into_iter().map(|holder| holder.ordinal));
            }
        }
        found.sort_unstable();
        found.dedup();
        // Ascending and without repeats: appending does not fail.
        let mut found = RoaringBitmap::from_sorted_iter(found).unwrap_or_default();
        let ended = self.ended(NodeKind::Identity)?;
        for ordinal in ended.map_or_else(|| found.clone(), |ended| &**ended & &found) {
            if self.is_deleted(identity(ordinal), t, &mut whole())? {
                found.remove(ordinal);
            }
        }
        Ok(Some(Arc::new(found)))
    }

    /// Whether an identity itself holds, at a moment, an ALLOW that gives what is asked on a resource by an action: groups
    /// and denials left aside. `None`: only a closer look tells.
    pub(crate) fn directly_gives(
        &self,
        event: &Event,
        privileges: PrivilegeSet,
        t: Instant,
        span: &mut Interval,
    ) -> Result<Option<bool>, QueryError> {
        let Some(resource) = event.resource else { return Ok(None) };
        let Some(matching) = self.scoped_on(resource)? else { return Ok(None) };
        if matching.is_empty() {
            return Ok(Some(false));
        }
        let holder = identity(event.identity);
        let edges = self.edges(EdgeKind::Holds, holder, Direction::Out)?;
        if !edges.deep().is_empty() {
            return Ok(None);
        }
        if self.is_deleted(holder, t, span)? {
            return Ok(Some(false));
        }
        let gives = |rectangle: &Rectangle, span: &mut Interval| {
            Ok::<_, QueryError>(
                self.says(rectangle, t, span)
                    && self.gives_by(end(rectangle.end), event, privileges, t, span)?,
            )
        };
        if matching.len() <= edges.rectangles().len() {
            for (ordinal, _) in matching.iter().filter(|(_, first)| *first < self.size()) {
                for rectangle in edges.to(End { kind: NodeKind::Entitlement, ordinal: *ordinal }) {
                    if gives(rectangle, span)? {
                        return Ok(Some(true));
                    }
                }
            }
        } else {
            for rectangle in edges.rectangles() {
                let ordinal = rectangle.end.ordinal;
                if matching.binary_search_by_key(&ordinal, |each| each.0).is_ok() && gives(rectangle, span)? {
                    return Ok(Some(true));
                }
            }
        }
        Ok(Some(false))
    }

    /// Whether an entitlement is an ALLOW that gives one of the privileges on the event's resource by its action.
    fn gives_by(
        &self,
        entitlement: Node,
        event: &Event,
        privileges: PrivilegeSet,
        t: Instant,
        span: &mut Interval,
    ) -> Result<bool, QueryError> {
        let timeline = self.timeline(Key::Node(entitlement))?;
        let said = look(&timeline, t, span).value().and_then(|value| value.entitlement());
        let Some(said) =
            said.filter(|said| said.effect == Effect::Allow && said.privileges.intersects(privileges))
        else {
            return Ok(false);
        };
        let action = match event.action.filter(|_| !said.actions.is_empty()) {
            Some(action) => Some(self.text(action)?),
            None => None,
        };
        Ok(speaks_of(said, action.as_deref())
            && match self.id_of(NodeKind::Resource, event.resource)? {
                Some(id) => said.scopes.iter().any(|scope| **scope == *id || glob_matches(scope, &id)),
                None => true,
            })
    }

    /// Those of the privileges that an identity as itself is allowed.
    pub(crate) fn allowed(
        &self,
        j: u32,
        ask: &Ask<'_>,
        t: Instant,
        span: &mut Interval,
    ) -> Result<PrivilegeSet, QueryError> {
        let bundle = self.bundle(j, t, span)?;
        let mut holdings = Vec::with_capacity(bundle.len());
        let mut allowed = PrivilegeSet::EMPTY;
        for member in bundle.iter().copied() {
            self.reader().check()?;
            let held = self.held(member, t, span)?;
            for each in held.iter() {
                allowed = sets::union(allowed, self.gives(each, ask)?);
            }
            holdings.push(held);
        }
        for each in holdings.iter().flat_map(|held| held.iter()) {
            if allowed.is_empty() {
                break;
            }
            allowed = sets::less(allowed, takes(each, ask)?);
        }
        Ok(allowed)
    }

    /// What an ALLOW gives of what is asked.
    fn gives(&self, held: &Held, ask: &Ask<'_>) -> Result<PrivilegeSet, QueryError> {
        let Some(said) = held.value.entitlement() else { return Ok(PrivilegeSet::EMPTY) };
        let given = sets::both(said.privileges, ask.privileges);
        let counts = said.effect == Effect::Allow
            && !given.is_empty()
            && (ask.conditional || !said.conditional)
            && speaks_of(said, ask.action)
            && ask.on.counts(said)?
            && match ask.entitlement {
                Some(wanted) => wanted.matches(&self.id(held.node)?),
                None => true,
            };
        Ok(if counts { given } else { PrivilegeSet::EMPTY })
    }

    /// Holds any of the privileges at a moment: as itself or, where `effective`, as one that it can come to act as.
    pub(crate) fn holds(
        &self,
        i: u32,
        ask: &Ask<'_>,
        effective: bool,
        t: Instant,
        span: &mut Interval,
    ) -> Result<bool, QueryError> {
        if !self.allowed(i, ask, t, span)?.is_empty() {
            return Ok(true);
        }
        if effective {
            for k in self.acts_as(i, t, span)?.iter().skip(1) {
                if !self.allowed(*k, ask, t, span)?.is_empty() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Whether an identity itself holds this entitlement, and by it the privilege.
    pub(crate) fn holds_through(
        &self,
        i: u32,
        entitlement: Node,
        privilege: PrivilegeSet,
        t: Instant,
        span: &mut Interval,
    ) -> Result<bool, QueryError> {
        let held = self.held(i, t, span)?;
        Ok(held.iter().any(|each| {
            each.node == entitlement
                && each
                    .value
                    .entitlement()
                    .is_some_and(|said| said.effect == Effect::Allow && said.privileges.intersects(privilege))
        }))
    }
}

/// What a DENY takes away of what is asked.
fn takes(held: &Held, ask: &Ask<'_>) -> Result<PrivilegeSet, QueryError> {
    let Some(said) = held.value.entitlement() else { return Ok(PrivilegeSet::EMPTY) };
    let counts = said.effect == Effect::Deny
        && said.privileges.intersects(ask.privileges)
        && (!ask.conditional || !said.conditional)
        && speaks_of(said, ask.action)
        && ask.on.counts(said)?;
    Ok(if counts { said.privileges } else { PrivilegeSet::EMPTY })
}
