//! What each filter says of one node: all given members must match.

use asof_model::{EdgeKind, Instant, Interval, NodeKind, NodeRef, Outcome};
use asof_query::{
    ChangedHoldsWhere, HoldsWhere, IdentityOrder, IdentityWhere, NodeWhere, ObservationWhere, SecretWhere,
    TextMatch, UsedWhere, Window,
};

use super::glob;
use super::ledger::{Key, node};
use super::seen::{Role, Seen};
use super::state::{Known, State};

/// The question has no answer: a window is empty, or has both `from` and `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrong;

/// A window's bounds at t.
pub fn bounds(window: &Window, t: Instant) -> Result<Interval, Wrong> {
    let to = window.to.unwrap_or(t);
    let from = match (window.from, window.last) {
        (Some(_), Some(_)) => return Err(Wrong),
        (Some(from), None) => from,
        (None, Some(last)) => Instant::from_nanos(to.nanos().saturating_sub(last.nanos())),
        (None, None) => Instant::from_nanos(i64::MIN),
    };
    if from < to { Ok(Interval { from, to }) } else { Err(Wrong) }
}

/// All given members match; nothing but `present: false`, alone, matches what is absent or empty.
pub fn text_matches(wanted: &TextMatch, text: &str) -> bool {
    if wanted.present == Some(false) {
        return text.is_empty() && *wanted == TextMatch { present: Some(false), ..TextMatch::default() };
    }
    !text.is_empty()
        && wanted.eq.as_ref().is_none_or(|eq| eq == text)
        && wanted.any_of.as_ref().is_none_or(|all| all.iter().any(|each| each == text))
        && wanted.prefix.as_ref().is_none_or(|prefix| text.starts_with(prefix.as_str()))
        && wanted.contains.as_ref().is_none_or(|part| text.contains(part.as_str()))
        && wanted.glob.as_ref().is_none_or(|pattern| glob::matches(pattern, text))
}

/// The id of one of the ends of a relation matches; where there is no end there is no text.
fn ends_match(wanted: &TextMatch, ends: &[NodeRef]) -> bool {
    ends.iter().any(|end| text_matches(wanted, &end.id)) || ends.is_empty() && text_matches(wanted, "")
}

fn given<W>(member: Option<&W>, test: impl FnOnce(&W) -> Result<bool, Wrong>) -> Result<bool, Wrong> {
    member.map_or(Ok(true), test)
}

impl<'a> Known<'a> {
    /// The identities that exist, and where asked for those deleted, and match.
    pub fn identities(
        &self,
        t: Instant,
        filter: &IdentityWhere,
        include_deleted: bool,
        order: IdentityOrder,
    ) -> Result<Vec<NodeRef>, Wrong> {
        let mut found = Vec::new();
        self.identity_matches(&node(NodeKind::Identity, ""), t, filter)?; // a wrong question is one whoever there is
        for node in self.existing(NodeKind::Identity, t, include_deleted) {
            if self.identity_matches(&node, t, filter)? {
                found.push(node);
            }
        }
        match order {
            IdentityOrder::Appearance => {}
            IdentityOrder::Id => found.sort_by(|one, other| one.id.chars().cmp(other.id.chars())),
            IdentityOrder::LastUsed => {
                found.sort_by_key(|node| {
                    let used = self.successes(Role::Identity, node).into_iter().map(|seen| seen.what.time);
                    std::cmp::Reverse(used.filter(|time| *time <= t).max())
                });
            }
        }
        Ok(found)
    }

    /// The secrets that exist, and where asked for those deleted, and match.
    pub fn secrets(
        &self,
        t: Instant,
        filter: &SecretWhere,
        include_deleted: bool,
    ) -> Result<Vec<NodeRef>, Wrong> {
        let mut found = Vec::new();
        self.secret_matches(&node(NodeKind::Secret, ""), t, filter)?;
        for node in self.existing(NodeKind::Secret, t, include_deleted) {
            if self.secret_matches(&node, t, filter)? {
                found.push(node);
            }
        }
        Ok(found)
    }

    /// The nodes of a kind that exist, and where asked for those deleted, and match.
    pub fn nodes(
        &self,
        t: Instant,
        kind: NodeKind,
        filter: &NodeWhere,
        include_deleted: bool,
    ) -> Vec<NodeRef> {
        let so = |node: &NodeRef| self.node_matches(node, t, filter);
        self.existing(kind, t, include_deleted).into_iter().filter(so).collect()
    }

    /// The observations in the window that match, by (time, ledger index).
    pub fn observations(
        &self,
        t: Instant,
        identity: Option<&NodeRef>,
        filter: &ObservationWhere,
        during: &Window,
    ) -> Result<Vec<Seen<'a>>, Wrong> {
        let so = |seen: &Seen<'a>| {
            identity.is_none_or(|node| seen.has(Role::Identity, node))
                && seen.matches(&filter.seen, Outcome::ALL)
                && filter.identity.as_ref().is_none_or(|wanted| text_matches(wanted, &seen.what.identity))
                && filter.explained.is_none_or(|wanted| wanted != seen.what.granted_by.is_empty())
                && filter.posture_known.is_none_or(|wanted| wanted == self.posture_known(seen))
                && filter.covered.is_none_or(|wanted| wanted == self.covered(seen, None, false))
        };
        Ok(self.during(bounds(during, t)?).into_iter().filter(so).collect())
    }

    pub(super) fn node_matches(&self, node: &NodeRef, t: Instant, filter: &NodeWhere) -> bool {
        let value = self.node_value(node, t);
        let text = |wanted: &Option<TextMatch>, text: Option<&str>| {
            wanted.as_ref().is_none_or(|wanted| text_matches(wanted, text.unwrap_or_default()))
        };
        filter.and.as_ref().is_none_or(|all| all.iter().all(|each| self.node_matches(node, t, each)))
            && filter.or.as_ref().is_none_or(|any| any.iter().any(|each| self.node_matches(node, t, each)))
            && filter.not.as_ref().is_none_or(|not| !self.node_matches(node, t, not))
            && text(&filter.id, Some(&node.id))
            && text(&filter.name, value.as_ref().map(|value| value.name.as_str()))
            && text(&filter.node_type, value.as_ref().map(|value| value.node_type.as_str()))
            && filter.attribute.as_ref().is_none_or(|wanted| {
                let said = value.as_ref().and_then(|value| value.attributes.get(&wanted.key));
                match &wanted.value {
                    None => said.is_some(),
                    Some(value) => text_matches(value, said.map_or("", |said| said)),
                }
            })
            && filter.inventoried.is_none_or(|wanted| wanted == value.is_some())
            && filter.owned.is_none_or(|wanted| wanted != self.back(EdgeKind::Owns, node, t).is_empty())
    }

    pub(super) fn identity_matches(
        &self,
        node: &NodeRef,
        t: Instant,
        filter: &IdentityWhere,
    ) -> Result<bool, Wrong> {
        // Every member is looked at, so that a wrong window is found wherever it stands.
        let mut so = self.node_matches(node, t, &filter.node);
        for each in filter.and.iter().flatten() {
            so &= self.identity_matches(node, t, each)?;
        }
        if let Some(any) = &filter.or {
            let mut one = false;
            for each in any {
                one |= self.identity_matches(node, t, each)?;
            }
            so &= one;
        }
        so &= given(filter.not.as_deref(), |not| Ok(!self.identity_matches(node, t, not)?))?;
        so &= given(filter.owned_by.as_ref(), |wanted| {
            Ok(ends_match(wanted, &self.back(EdgeKind::Owns, node, t)))
        })?;
        so &= given(filter.created_during.as_ref(), |window| self.created_during(node, window, t))?;
        so &= given(filter.holds.as_ref(), |holds| self.holds_when(node, holds, t))?;
        so &= given(filter.used.as_ref(), |used| self.used(Role::Identity, node, used, t))?;
        so &= given(filter.used_without_holding.as_ref(), |drift| {
            Ok(self.uncovered(node, drift, t)?.len() as u64 >= drift.used.min_count)
        })?;
        so &= given(filter.holds_unused.as_ref(), |unused| Ok(!self.idle(node, unused, t)?.is_empty()))?;
        so &= given(filter.observed.as_ref(), |observed| Ok(self.gaps(node, observed, t)?.is_empty()))?;
        so &= given(filter.authenticates_with.as_ref(), |wanted| {
            let mut one = false;
            self.secret_matches(&super::ledger::node(NodeKind::Secret, ""), t, wanted)?;
            for secret in self.to(EdgeKind::AuthenticatesWith, node, t) {
                one |= self.secret_matches(&secret, t, wanted)?;
            }
            Ok(one)
        })?;
        so &= given(filter.used_dead_secret.as_ref(), |dead| {
            Ok(!self.dead_uses(Role::Identity, node, dead, t)?.is_empty())
        })?;
        so &= given(filter.new_source.as_ref(), |new| {
            Ok(!self.new_sources(Role::Identity, node, new, t)?.is_empty())
        })?;
        so &= given(filter.runs_on.as_ref(), |wanted| {
            Ok(ends_match(wanted, &self.back(EdgeKind::RunsAs, node, t)))
        })?;
        so &= given(filter.member_of.as_ref(), |wanted| {
            let groups =
                if wanted.effective { self.groups(node, t) } else { self.to(EdgeKind::MemberOf, node, t) };
            Ok(wanted.id.as_ref().map_or(!groups.is_empty(), |id| ends_match(id, &groups)))
        })?;
        so &= given(filter.can_assume.as_ref(), |wanted| {
            let others =
                if wanted.effective { self.assumes(node, t) } else { self.to(EdgeKind::CanAssume, node, t) };
            Ok(wanted.id.as_ref().map_or(!others.is_empty(), |id| ends_match(id, &others)))
        })?;
        so &= given(filter.gained.as_ref(), |gained| Ok(self.at_ends(node, gained, t)? == (false, true)))?;
        so &= given(filter.lost.as_ref(), |lost| Ok(self.at_ends(node, lost, t)? == (true, false)))?;
        Ok(so)
    }

    pub(super) fn secret_matches(
        &self,
        node: &NodeRef,
        t: Instant,
        filter: &SecretWhere,
    ) -> Result<bool, Wrong> {
        let mut so = self.node_matches(node, t, &filter.node);
        for each in filter.and.iter().flatten() {
            so &= self.secret_matches(node, t, each)?;
        }
        if let Some(any) = &filter.or {
            let mut one = false;
            for each in any {
                one |= self.secret_matches(node, t, each)?;
            }
            so &= one;
        }
        so &= given(filter.not.as_deref(), |not| Ok(!self.secret_matches(node, t, not)?))?;
        let said = self.node_value(node, t).and_then(|value| value.secret);
        so &= filter.state.is_none_or(|wanted| said.is_some_and(|said| said.state == wanted));
        so &= filter
            .expired_by
            .is_none_or(|by| said.is_some_and(|said| said.expires_at.is_some_and(|end| end <= by)));
        so &= filter.not_rotated_for.is_none_or(|longest| {
            let last = said.and_then(|said| said.last_rotated_at.or(said.issued_at));
            last.is_some_and(|last| t.nanos() - last.nanos() > longest.nanos())
        });
        let places = self.to(EdgeKind::StoredIn, node, t);
        so &= filter.stored_in.as_ref().is_none_or(|wanted| ends_match(wanted, &places));
        so &= filter.stored.is_none_or(|wanted| wanted != places.is_empty());
        so &= given(filter.used.as_ref(), |used| self.used(Role::Secret, node, used, t))?;
        so &= given(filter.used_dead.as_ref(), |dead| {
            Ok(!self.dead_uses(Role::Secret, node, dead, t)?.is_empty())
        })?;
        so &= given(filter.new_source.as_ref(), |new| {
            Ok(!self.new_sources(Role::Secret, node, new, t)?.is_empty())
        })?;
        Ok(so)
    }

    fn created_during(&self, node: &NodeRef, window: &Window, t: Instant) -> Result<bool, Wrong> {
        let window = bounds(window, t)?;
        let versions = self.versions(&Key::Node(node.clone()));
        let first = versions.iter().find(|(_, _, state)| matches!(state, State::Value(_)));
        Ok(first.is_some_and(|(from, _, _)| window.contains(*from)))
    }

    fn holds_when(&self, node: &NodeRef, filter: &HoldsWhere, t: Instant) -> Result<bool, Wrong> {
        let mut so =
            filter.throughout.is_some() || filter.sometime.is_some() || self.holds_any(node, filter, t);
        if let Some(window) = &filter.throughout {
            let window = bounds(window, t)?;
            so &= self.moments(window.from, window.to).into_iter().all(|at| self.holds_any(node, filter, at));
        }
        if let Some(window) = &filter.sometime {
            let window = bounds(window, t)?;
            so &= self.moments(window.from, window.to).into_iter().any(|at| self.holds_any(node, filter, at));
        }
        Ok(so)
    }

    fn used(&self, role: Role, node: &NodeRef, filter: &UsedWhere, t: Instant) -> Result<bool, Wrong> {
        let seen = self.during(bounds(&filter.during, t)?);
        let so = |seen: &&Seen<'_>| seen.has(role, node) && seen.matches(&filter.seen, &[Outcome::Success]);
        Ok(seen.iter().filter(so).count() as u64 >= filter.min_count)
    }

    fn at_ends(&self, node: &NodeRef, filter: &ChangedHoldsWhere, t: Instant) -> Result<(bool, bool), Wrong> {
        let window = bounds(&filter.between, t)?;
        Ok((self.holds_any(node, &filter.holds, window.from), self.holds_any(node, &filter.holds, window.to)))
    }
}
