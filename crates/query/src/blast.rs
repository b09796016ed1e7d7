//! Who and what is reached from an identity, a secret or a workload.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use asof_model::{EdgeKind, Effect, Instant, NodeKind, PrivilegeSet, glob_matches, is_glob};
use roaring::RoaringBitmap;

use crate::known::Held;
use crate::leaves::Exists;
use crate::limits::{HOPS_MAX, MATCHED_MAX, within};
use crate::plan::{Plan, check_at, everything};
use crate::span::whole;
use crate::walk::identity;
use crate::{Direction, Known, Node, QueryError, sets};

/// The identities and existing resources reached, each with its distance; by distance, then first appearance.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct BlastRadius {
    /// Where the start is an identity, it comes first, at 0.
    pub identities: Vec<(Node, u32)>,
    /// As far as the nearest identity that is allowed one of the privileges on it.
    pub resources: Vec<(Node, u32)>,
}

impl BlastRadius {
    /// Whether it can start at a node of the kind.
    ///
    /// # Errors
    /// [`QueryError::Invalid`] where it cannot.
    pub fn starts_at(kind: NodeKind) -> Result<(), QueryError> {
        match kind {
            NodeKind::Identity | NodeKind::Secret | NodeKind::Workload => Ok(()),
            kind => Err(QueryError::invalid(format!(
                "a blast radius starts at an IDENTITY, a SECRET or a WORKLOAD, not at one of kind {kind}"
            ))),
        }
    }
}

/// Which of the existing resources a scope matches.
struct Resources<'k> {
    known: &'k Known,
    existing: RoaringBitmap,
    ids: Vec<(u32, Arc<str>)>,
    by_scope: BTreeMap<String, Arc<RoaringBitmap>>,
    /// How many ordinals these hold.
    matched: u64,
}

impl<'k> Resources<'k> {
    fn at(known: &'k Known, t: Instant) -> Result<Self, QueryError> {
        let kind = NodeKind::Resource;
        let exists = Plan::leaf(Exists { kind, t, include_deleted: false });
        let existing = exists.solve(known, &everything(known, kind)?)?;
        Ok(Self { known, existing, ids: Vec::new(), by_scope: BTreeMap::new(), matched: 0 })
    }

    fn matching(&mut self, scope: &str) -> Result<Arc<RoaringBitmap>, QueryError> {
        if let Some(found) = self.by_scope.get(scope) {
            return Ok(Arc::clone(found));
        }
        let reader = self.known.reader();
        let mut found = RoaringBitmap::new();
        if !is_glob(scope) {
            let node = reader.lookup(NodeKind::Resource, scope)?;
            found.extend(node.map(|node| node.ordinal).filter(|ordinal| self.existing.contains(*ordinal)));
        } else if scope.bytes().all(|sign| sign == b'*') {
            found.clone_from(&self.existing);
        } else {
            if self.ids.is_empty() {
                for (count, ordinal) in self.existing.iter().enumerate() {
                    check_at(self.known, count)?;
                    self.ids.push((ordinal, self.known.id(Node { kind: NodeKind::Resource, ordinal })?));
                }
            }
            for (count, (ordinal, id)) in self.ids.iter().enumerate() {
                check_at(self.known, count)?;
                if glob_matches(scope, id) {
                    found.insert(*ordinal);
                }
            }
        }
        if self.matched + found.len() > MATCHED_MAX {
            self.by_scope.clear();
            self.matched = 0;
        }
        self.matched += found.len();
        let found = Arc::new(found);
        self.by_scope.insert(scope.to_owned(), Arc::clone(&found));
        Ok(found)
    }

    /// Those on which an identity as itself may hold one of the privileges, given what its bundle holds.
    fn allowed(
        &mut self,
        bundle: &[Arc<[Held]>],
        privileges: PrivilegeSet,
    ) -> Result<RoaringBitmap, QueryError> {
        let mut all = RoaringBitmap::new();
        for privilege in privileges.iter() {
            let (mut allowed, mut denied) = (RoaringBitmap::new(), RoaringBitmap::new());
            for held in bundle.iter().flat_map(|held| held.iter()) {
                let Some(said) = held.value.entitlement().filter(|said| said.privileges.contains(privilege))
                else {
                    continue;
                };
                let into = match said.effect {
                    Effect::Allow => &mut allowed,
                    // No action is asked about, and it may hold: neither counts then.
                    Effect::Deny if said.conditional || !said.actions.is_empty() => continue,
                    Effect::Deny => &mut denied,
                };
                for scope in &said.scopes {
                    *into |= &*self.matching(scope)?;
                }
            }
            all |= allowed - denied;
        }
        Ok(all)
    }
}

impl Known {
    /// Who acts as themselves from the start on, and how far away they are: an identity itself; those that authenticate
    /// with a secret, or that a workload runs as, one hop away.
    fn starters(&self, start: Node, t: Instant, max_hops: u32) -> Result<(Vec<u32>, u32), QueryError> {
        let (edge, direction) = match start.kind {
            NodeKind::Secret => (EdgeKind::AuthenticatesWith, Direction::In),
            NodeKind::Workload => (EdgeKind::RunsAs, Direction::Out),
            _ => return Ok((vec![start.ordinal], 0)),
        };
        if max_hops == 0 {
            return Ok((Vec::new(), 1));
        }
        let found = self.follow_over(edge, start, direction, t, &mut whole())?;
        Ok((found.into_iter().map(|node| node.ordinal).collect(), 1))
    }

    /// From an identity: those within so many hops over MEMBER_OF and CAN_ASSUME, the start itself at 0, and the existing
    /// resources on which the start, or one of them that another of them nearer than the last hop can assume, is as itself
    /// allowed one of the privileges (absent: any). From a secret, those that authenticate with it, and from a workload,
    /// those that it runs as, act as themselves one hop away.
    ///
    /// # Errors
    /// [`QueryError::Invalid`] for a start of another kind.
    pub fn blast_radius(
        &self,
        t: Instant,
        from: Option<Node>,
        privileges: Option<PrivilegeSet>,
        max_hops: u32,
    ) -> Result<BlastRadius, QueryError> {
        within("hops", u64::from(max_hops), HOPS_MAX, "HOPS_MAX")?;
        let Some(start) = from else { return Ok(BlastRadius::default()) };
        BlastRadius::starts_at(start.kind)?;
        if !self.exists(start, t)? {
            return Ok(BlastRadius::default());
        }
        let (starters, distance) = self.starters(start, t, max_hops)?;
        let near = self.reach(&starters, distance, t, max_hops)?;
        let mut acting: BTreeSet<_> = starters.into_iter().map(|starter| (distance, starter)).collect();
        for (node, hops) in &near {
            if *hops < max_hops {
                self.reader().check()?;
                for k in
                    self.follow_over(EdgeKind::CanAssume, identity(*node), Direction::Out, t, &mut whole())?
                {
                    acting.extend(near.get(&k.ordinal).map(|hops| (*hops, k.ordinal)));
                }
            }
        }
        let asked = sets::both(privileges.unwrap_or_else(sets::held), sets::held());
        let mut found = Resources::at(self, t)?;
        let mut touched = RoaringBitmap::new();
        let mut resources = Vec::new();
        for (hops, j) in acting {
            self.reader().check()?;
            let members = self.bundle(j, t, &mut whole())?;
            let held: Vec<_> =
                members.iter().map(|j| self.held(*j, t, &mut whole())).collect::<Result<_, _>>()?;
            let allowed = found.allowed(&held, asked)? - &touched;
            resources.extend(allowed.iter().map(|ordinal| (hops, ordinal)));
            touched |= allowed;
        }
        let mut identities: Vec<(u32, u32)> =
            near.into_iter().map(|(ordinal, hops)| (hops, ordinal)).collect();
        identities.sort_unstable();
        resources.sort_unstable();
        let listed = |kind, found: Vec<(u32, u32)>| {
            found.into_iter().map(|(hops, ordinal)| (Node { kind, ordinal }, hops)).collect()
        };
        Ok(BlastRadius {
            identities: listed(NodeKind::Identity, identities),
            resources: listed(NodeKind::Resource, resources),
        })
    }
}
