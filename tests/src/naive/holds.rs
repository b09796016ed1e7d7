//! Holds: bundles, denials, scopes, conditions and actions.

use asof_model::{EdgeKind, Effect, EntitlementValue, Instant, NodeRef, Privilege};
use asof_query::{HoldsWhere, TextMatch};

use super::filter::text_matches;
use super::glob;
use super::state::Known;

/// What a question is asked on.
#[derive(Debug, Clone)]
pub enum On {
    /// One resource, by its id, whatever signs are in it.
    Resource(String),
    /// All that match a glob.
    Glob(String),
}

impl On {
    /// As a question gives it: absent, it is anything.
    pub fn asked(on: Option<&str>) -> Self {
        let on = on.unwrap_or("*");
        if glob::is_glob(on) { Self::Glob(on.to_owned()) } else { Self::Resource(on.to_owned()) }
    }

    /// As an observation names it: none is anything.
    pub fn observed(resource: &str) -> Self {
        if resource.is_empty() { Self::Glob("*".to_owned()) } else { Self::Resource(resource.to_owned()) }
    }

    /// Some string matches both: an ALLOW counts.
    pub fn meets(&self, scope: &str) -> bool {
        match self {
            Self::Resource(id) => glob::matches(scope, id),
            Self::Glob(asked) => glob::meet(scope, asked),
        }
    }

    /// The scope matches all that is asked about: a DENY counts, a coverage matches.
    pub fn is_within(&self, scope: &str) -> bool {
        match self {
            Self::Resource(id) => glob::matches(scope, id),
            Self::Glob(asked) => glob::includes(scope, asked),
        }
    }
}

/// One question of holding.
#[derive(Debug, Clone)]
pub struct Asked<'q> {
    /// Which privilege.
    pub privilege: Privilege,
    /// On what.
    pub on: On,
    /// May hold, or holds whatever the conditions.
    pub may: bool,
    /// By which action, where one is known.
    pub action: Option<&'q str>,
    /// The id of the ALLOW.
    pub entitlement: Option<&'q TextMatch>,
}

/// An entitlement speaks of an action that is known; where none is, an ALLOW does and a DENY does not.
pub fn speaks_of(said: &EntitlementValue, action: Option<&str>) -> bool {
    said.actions.is_empty()
        || match action {
            Some(action) => said
                .actions
                .iter()
                .any(|each| glob::matches(&each.to_ascii_lowercase(), &action.to_ascii_lowercase())),
            None => said.effect == Effect::Allow,
        }
}

impl Known<'_> {
    /// A node and all that it reaches over edges of these kinds, each with the number of hops, nearest first.
    pub fn reach(&self, start: &NodeRef, kinds: &[EdgeKind], t: Instant) -> Vec<(NodeRef, u32)> {
        let mut found = vec![(start.clone(), 0)];
        let mut next = 0;
        while next < found.len() {
            let (node, hops) = found[next].clone();
            for to in kinds.iter().flat_map(|kind| self.to(*kind, &node, t)) {
                if found.iter().all(|(known, _)| *known != to) {
                    found.push((to, hops + 1));
                }
            }
            next += 1;
        }
        found
    }

    /// An identity and the groups that it reaches.
    pub fn bundle(&self, identity: &NodeRef, t: Instant) -> Vec<NodeRef> {
        self.reach(identity, &[EdgeKind::MemberOf], t).into_iter().map(|(node, _)| node).collect()
    }

    /// The groups that an identity is in over one edge or more: itself only where they lead back to it.
    pub fn groups(&self, identity: &NodeRef, t: Instant) -> Vec<NodeRef> {
        let mut found: Vec<NodeRef> = Vec::new();
        for member in self.bundle(identity, t) {
            found.extend(self.to(EdgeKind::MemberOf, &member, t));
        }
        found
    }

    /// Whom an identity can come to act as: itself only where it is so reached.
    pub fn assumes(&self, identity: &NodeRef, t: Instant) -> Vec<NodeRef> {
        let mut found: Vec<NodeRef> = Vec::new();
        let mut from = vec![identity.clone()];
        while let Some(each) = from.pop() {
            for member in self.bundle(&each, t) {
                for to in self.to(EdgeKind::CanAssume, &member, t) {
                    if !found.contains(&to) {
                        found.push(to.clone());
                        from.push(to);
                    }
                }
            }
        }
        found
    }

    /// What an identity itself HOLDS, and what it says at t.
    pub fn held(&self, identity: &NodeRef, t: Instant) -> Vec<(NodeRef, EntitlementValue)> {
        let said = |e: NodeRef| self.node_value(&e, t)?.entitlement.map(|said| (e, said));
        self.to(EdgeKind::Holds, identity, t).into_iter().filter_map(said).collect()
    }

    /// An identity as itself is allowed it.
    fn allowed(&self, identity: &NodeRef, asked: &Asked<'_>, t: Instant) -> bool {
        let held: Vec<_> = self.bundle(identity, t).iter().flat_map(|member| self.held(member, t)).collect();
        let speaks = |said: &EntitlementValue, effect| {
            said.effect == effect
                && said.privileges.contains(asked.privilege)
                && speaks_of(said, asked.action)
        };
        let denied = held.iter().any(|(_, said)| {
            speaks(said, Effect::Deny)
                && (!asked.may || !said.conditional)
                && said.scopes.iter().any(|scope| asked.on.is_within(scope))
        });
        let allowed = held.iter().any(|(e, said)| {
            speaks(said, Effect::Allow)
                && (asked.may || !said.conditional)
                && said.scopes.iter().any(|scope| asked.on.meets(scope))
                && asked.entitlement.is_none_or(|wanted| text_matches(wanted, &e.id))
        });
        allowed && !denied
    }

    /// An identity holds it: as itself, or effectively also as one that it can come to act as.
    pub fn holds(&self, identity: &NodeRef, asked: &Asked<'_>, effective: bool, t: Instant) -> bool {
        self.allowed(identity, asked, t)
            || effective && self.assumes(identity, t).iter().any(|each| self.allowed(each, asked, t))
    }

    /// Any of the privileges of a filter, at one moment.
    pub fn holds_any(&self, identity: &NodeRef, filter: &HoldsWhere, t: Instant) -> bool {
        filter.privileges.iter().any(|privilege| {
            let asked = Asked {
                privilege,
                on: On::asked(filter.on.as_deref()),
                may: filter.conditional,
                action: None,
                entitlement: filter.entitlement.as_ref(),
            };
            self.holds(identity, &asked, filter.effective, t)
        })
    }
}
