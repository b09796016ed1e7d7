//! Used, Covered, Unused, Observed, New source, Dead secret.

use asof_model::{
    CoverageKind, Duration, EdgeKind, Effect, EntitlementValue, Instant, Interval, NodeKind, NodeRef,
    Observation, Outcome, Privilege, PrivilegeSet, SecretState,
};
use asof_query::{
    DeadSecretWhere, NewSourceWhere, ObservedWhere, SeenWhere, SourceDimension, UncoveredWhere, UnusedWhere,
};

use super::filter::{Wrong, bounds, text_matches};
use super::glob;
use super::holds::{Asked, On, speaks_of};
use super::ledger::{Key, first_end, node, second_end};
use super::state::{Known, State};

/// An observation as recorded.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Ledger index.
    pub index: u64,
    /// Which collector.
    pub source: &'a str,
    /// What was seen.
    pub what: &'a Observation,
}

/// In which role a node may be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Its permissions were used.
    Identity,
    /// It was used.
    Secret,
}

impl Role {
    /// In which a node of its kind is asked about.
    pub fn of(node: &NodeRef) -> Result<Self, Wrong> {
        match node.kind {
            NodeKind::Identity => Ok(Self::Identity),
            NodeKind::Secret => Ok(Self::Secret),
            _ => Err(Wrong),
        }
    }
}

impl Seen<'_> {
    /// The nodes that it names, in the order of first appearance.
    pub fn nodes(&self) -> Vec<NodeRef> {
        let what = self.what;
        [
            (NodeKind::Identity, &what.identity),
            (NodeKind::Identity, &what.actor),
            (NodeKind::Secret, &what.secret),
            (NodeKind::Workload, &what.workload),
            (NodeKind::Resource, &what.resource),
        ]
        .into_iter()
        .filter(|(_, id)| !id.is_empty())
        .map(|(kind, id)| node(kind, id))
        .collect()
    }

    /// The node has the role in it.
    pub fn has(&self, role: Role, node: &NodeRef) -> bool {
        match role {
            Role::Identity => self.what.identity == node.id,
            Role::Secret => self.what.secret == node.id,
        }
    }

    fn source_value(&self, of: SourceDimension) -> &str {
        match of {
            SourceDimension::Workload => &self.what.workload,
            SourceDimension::Region => &self.what.region,
            SourceDimension::SourceIp => &self.what.source_ip,
            SourceDimension::Secret => &self.what.secret,
            SourceDimension::Resource => &self.what.resource,
            SourceDimension::Actor => &self.what.actor,
        }
    }

    /// All given members match. Outcomes absent: as the caller's question has it.
    pub fn matches(&self, filter: &SeenWhere, outcomes: &[Outcome]) -> bool {
        let what = self.what;
        let text = |wanted: &Option<asof_query::TextMatch>, text: &str| {
            wanted.as_ref().is_none_or(|wanted| text_matches(wanted, text))
        };
        filter.privileges.is_none_or(|wanted| wanted.contains(what.privilege))
            && filter
                .on
                .as_ref()
                .is_none_or(|on| !what.resource.is_empty() && glob::matches(on, &what.resource))
            && filter.action.as_ref().is_none_or(|action| *action == what.action)
            && filter.outcomes.as_deref().unwrap_or(outcomes).contains(&what.outcome)
            && text(&filter.region, &what.region)
            && text(&filter.source_ip, &what.source_ip)
            && text(&filter.workload, &what.workload)
            && text(&filter.secret, &what.secret)
            && text(&filter.actor, &what.actor)
    }
}

impl<'a> Known<'a> {
    /// The observations with a time in the window, by (time, ledger index).
    pub fn during(&self, window: Interval) -> Vec<Seen<'a>> {
        self.seen
            .iter()
            .copied()
            .filter(|seen| window.from <= seen.what.time && seen.what.time < window.to)
            .collect()
    }

    /// The SUCCESS observations in which the node has the role.
    pub fn successes(&self, role: Role, node: &NodeRef) -> Vec<Seen<'a>> {
        let so = |seen: &Seen<'a>| seen.has(role, node) && seen.what.outcome == Outcome::Success;
        self.seen.iter().copied().filter(so).collect()
    }

    /// Its identity may hold it, as itself, by what it used, on what it used, at its own time.
    pub fn covered(&self, seen: &Seen<'_>, covered_by: Option<PrivilegeSet>, effective: bool) -> bool {
        let what = seen.what;
        if matches!(what.privilege, Privilege::Authenticate | Privilege::Other) {
            return true;
        }
        let identity = node(NodeKind::Identity, &what.identity);
        covered_by.unwrap_or_else(|| PrivilegeSet::from_iter([what.privilege])).iter().any(|privilege| {
            let asked = Asked {
                privilege,
                on: On::observed(&what.resource),
                may: true,
                action: (!what.action.is_empty()).then_some(what.action.as_str()),
                entitlement: None,
            };
            self.holds(&identity, &asked, effective, what.time)
        })
    }

    /// Some POSTURE coverage matches it at its own time.
    pub fn posture_known(&self, seen: &Seen<'_>) -> bool {
        let what = seen.what;
        let on = On::observed(&what.resource);
        self.vouched(&what.identity, what.privilege, &on, what.time, CoverageKind::Posture)
    }

    /// The observations that `used` matches and that are drift.
    pub fn uncovered(
        &self,
        identity: &NodeRef,
        filter: &UncoveredWhere,
        t: Instant,
    ) -> Result<Vec<Seen<'a>>, Wrong> {
        let window = bounds(&filter.used.during, t)?;
        let so = |seen: &Seen<'a>| {
            seen.has(Role::Identity, identity)
                && seen.matches(&filter.used.seen, &[Outcome::Success])
                && filter.explained.is_none_or(|wanted| wanted != seen.what.granted_by.is_empty())
                && filter.posture_known.is_none_or(|wanted| wanted == self.posture_known(seen))
                && !self.covered(seen, filter.covered_by, filter.effective)
        };
        Ok(self.during(window).into_iter().filter(so).collect())
    }

    /// The SUCCESS observations of an identity that use, or may use, a privilege by an entitlement.
    pub fn uses(&self, identity: &NodeRef, privilege: Privilege, said: &EntitlementValue) -> Vec<Seen<'a>> {
        let so = |seen: &Seen<'a>| {
            let what = seen.what;
            (what.privilege == privilege || what.privilege == Privilege::Other)
                && (what.resource.is_empty()
                    || said.scopes.iter().any(|scope| glob::matches(scope, &what.resource)))
                && (what.action.is_empty() || speaks_of(said, Some(&what.action)))
        };
        self.successes(Role::Identity, identity).into_iter().filter(so).collect()
    }

    /// What an identity itself HOLDS at t and has not used in the window.
    pub fn idle(
        &self,
        identity: &NodeRef,
        filter: &UnusedWhere,
        t: Instant,
    ) -> Result<Vec<(NodeRef, Privilege, EntitlementValue)>, Wrong> {
        let window = bounds(&filter.during, t)?;
        let mut found = Vec::new();
        for (e, said) in self.held(identity, t) {
            for privilege in said.privileges.iter().filter(|_| said.effect == Effect::Allow) {
                let wanted = filter.privileges.is_none_or(|wanted| wanted.contains(privilege));
                let used =
                    self.uses(identity, privilege, &said).iter().any(|seen| window.contains(seen.what.time));
                if wanted && !used {
                    found.push((e.clone(), privilege, said.clone()));
                }
            }
        }
        Ok(found)
    }

    /// Some coverage of the kind that is a value at t matches.
    fn vouched(&self, identity: &str, privilege: Privilege, on: &On, t: Instant, kind: CoverageKind) -> bool {
        self.keys.iter().filter(|key| matches!(key, Key::Coverage(..))).any(|key| {
            self.value(key, t).and_then(|merged| merged.coverage).is_some_and(|said| {
                said.kind == kind
                    && (said.identities.is_empty()
                        || said.identities.iter().any(|glob| glob::matches(glob, identity)))
                    && (said.privileges.is_empty() || said.privileges.contains(privilege))
                    && (said.resources.is_empty() || said.resources.iter().any(|glob| on.is_within(glob)))
            })
        })
    }

    /// The maximal stretches of the window at which the identity is not observed for one of the privileges at least.
    pub fn gaps(
        &self,
        identity: &NodeRef,
        filter: &ObservedWhere,
        t: Instant,
    ) -> Result<Vec<Interval>, Wrong> {
        let window = bounds(&filter.during, t)?;
        let privileges =
            filter.privileges.unwrap_or_else(|| Privilege::HELD.iter().copied().collect::<PrivilegeSet>());
        let on = On::asked(filter.on.as_deref());
        let moments = self.moments(window.from, window.to);
        let mut found: Vec<Interval> = Vec::new();
        for (place, &from) in moments.iter().enumerate() {
            let to = moments.get(place + 1).copied().unwrap_or(window.to);
            if privileges.iter().all(|each| self.vouched(&identity.id, each, &on, from, filter.kind)) {
                continue;
            }
            match found.last_mut() {
                Some(last) if last.to == from => last.to = to,
                _ => found.push(Interval { from, to }),
            }
        }
        Ok(found)
    }

    /// The sources that a node is first seen from in the window, having been seen before: each with the earliest observation
    /// of the pair, by these.
    pub fn new_sources(
        &self,
        role: Role,
        node: &NodeRef,
        filter: &NewSourceWhere,
        t: Instant,
    ) -> Result<Vec<(String, Seen<'a>)>, Wrong> {
        let window = bounds(&filter.during, t)?;
        let seen = self.successes(role, node); // by (time, ledger index)
        let own = seen.first().map(|first| first.what.time);
        let mut sources: Vec<&str> = Vec::new();
        let mut found = Vec::new();
        for each in &seen {
            let source = each.source_value(filter.of);
            if source.is_empty() || sources.contains(&source) {
                continue;
            }
            sources.push(source);
            if window.contains(each.what.time) && own.is_some_and(|own| own < each.what.time) {
                found.push((source.to_owned(), *each));
            }
        }
        Ok(found)
    }

    /// The secret is dead at t.
    pub fn dead(&self, secret: &NodeRef, t: Instant) -> bool {
        match self.state(&Key::Node(secret.clone()), t) {
            State::Never => false,
            State::Deleted => true,
            State::Value(merged) => {
                let said = merged.secret.unwrap_or_default();
                said.state != SecretState::Active || said.expires_at.is_some_and(|end| end <= t)
            }
        }
    }

    /// The secret is not dead at t, and one that it descends from is.
    pub fn survives(&self, secret: &NodeRef, t: Instant) -> bool {
        let mut line = vec![secret.clone()];
        let mut next = 0;
        while next < line.len() {
            for key in &self.keys {
                if let Key::Edge(edge) = key
                    && edge.kind == EdgeKind::Issued
                    && second_end(edge) == line[next]
                    && self.value(key, t).is_some()
                    && !line.contains(&first_end(edge))
                {
                    line.push(first_end(edge));
                }
            }
            next += 1;
        }
        !self.dead(secret, t) && line[1..].iter().any(|each| self.dead(each, t))
    }

    /// The SUCCESS observations in the window with a secret that was then dead, and had been for the grace.
    pub fn dead_uses(
        &self,
        role: Role,
        node_: &NodeRef,
        filter: &DeadSecretWhere,
        t: Instant,
    ) -> Result<Vec<Seen<'a>>, Wrong> {
        let window = bounds(&filter.during, t)?;
        let grace = filter.grace_after.unwrap_or(Duration::from_nanos(0));
        let ends = self.facts.iter().filter_map(|stated| match &stated.fact.op {
            asof_model::Op::Put(asof_model::Value::Node(said)) => {
                said.secret.and_then(|secret| secret.expires_at)
            }
            _ => None,
        });
        let mut changes: Vec<Instant> = self.bounds.iter().copied().chain(ends).collect();
        changes.sort_unstable();
        let so = |seen: &Seen<'a>| {
            if seen.what.secret.is_empty() || !window.contains(seen.what.time) {
                return false;
            }
            let secret = node(NodeKind::Secret, &seen.what.secret);
            let so = |at: Instant| self.dead(&secret, at) || filter.survivors && self.survives(&secret, at);
            let begin = seen.what.time.minus(grace);
            so(begin)
                && changes.iter().all(|at| *at <= begin || *at > seen.what.time || so(*at))
                && so(seen.what.time)
        };
        Ok(self.successes(role, node_).into_iter().filter(so).collect())
    }
}
