//! Who and what is reached from an identity, a secret or a workload.

use std::collections::BTreeSet;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use asof_model::{EdgeKind, Effect, Instant, NodeKind, PrivilegeSet, glob_matches, is_glob};
use asof_temporal::{BLOCK_NODES, NONE, Stated};
use roaring::RoaringBitmap;

use crate::limits::{HOPS_MAX, KEPT_MAX, MATCHED_MAX, within};
use crate::memo::Map;
use crate::plan::check_at;
use crate::span::whole;
use crate::terms::TermsAt;
use crate::walk::identity;
use crate::{Direction, Key, Known, Node, QueryError, sets};

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

/// Up to so many are added to a set one by one: to add a set, both are gone through as a whole.
const FEW: u64 = 256;

/// What an entitlement says at a moment, where it may decide.
#[derive(Clone, Copy)]
struct Said {
    denies: bool,
    /// Those of the ones asked about that it gives, or denies.
    privileges: PrivilegeSet,
    /// The one resource that its scopes name; [`NONE`]: those that the scopes of its value match.
    resource: u32,
}

/// What entitlements say, and which of the existing resources a scope matches.
struct Resources<'k> {
    known: &'k Known,
    t: Instant,
    asked: PrivilegeSet,
    said: Map<u32, Option<Said>>,
    terms: TermsAt<'k>,
    stated: Map<u32, Option<Arc<Stated>>>,
    /// Those that were looked at, and those of them that exist.
    looked: RoaringBitmap,
    existing: RoaringBitmap,
    ids: Vec<(u32, Arc<str>)>,
    by_scope: Map<String, Arc<RoaringBitmap>>,
    /// How many ordinals the scopes' sets hold.
    matched: u64,
}

impl<'k> Resources<'k> {
    fn at(known: &'k Known, t: Instant, asked: PrivilegeSet) -> Self {
        Self {
            known,
            t,
            asked,
            said: Map::default(),
            terms: TermsAt::new(known, t),
            stated: Map::default(),
            looked: RoaringBitmap::new(),
            existing: RoaringBitmap::new(),
            ids: Vec::new(),
            by_scope: Map::default(),
            matched: 0,
        }
    }

    /// Whether a resource exists.
    fn exists(&mut self, ordinal: u32) -> Result<bool, QueryError> {
        if self.looked.insert(ordinal) {
            let (known, node) = (self.known, Node { kind: NodeKind::Resource, ordinal });
            let stated = match self.stated.entry(ordinal / BLOCK_NODES) {
                Entry::Occupied(kept) => kept.into_mut(),
                Entry::Vacant(none) => none.insert(known.stated_block(node.kind, ordinal / BLOCK_NODES)?),
            };
            let place = ordinal % BLOCK_NODES;
            let sure =
                stated.as_ref().and_then(|block| block.is_stated(place, self.t, known.size())) == Some(true);
            if sure || known.exists(node, self.t)? {
                self.existing.insert(ordinal);
            }
        }
        Ok(self.existing.contains(ordinal))
    }

    /// All that exist of these.
    fn of(&mut self, ordinals: impl IntoIterator<Item = u32>) -> Result<RoaringBitmap, QueryError> {
        let mut found = RoaringBitmap::new();
        for (count, ordinal) in ordinals.into_iter().enumerate() {
            check_at(self.known, count)?;
            if self.exists(ordinal)? {
                found.insert(ordinal);
            }
        }
        Ok(found)
    }

    fn matching(&mut self, scope: &str) -> Result<Arc<RoaringBitmap>, QueryError> {
        if let Some(found) = self.by_scope.get(scope) {
            return Ok(Arc::clone(found));
        }
        let reader = self.known.reader();
        let found = if !is_glob(scope) {
            let node = reader.lookup(NodeKind::Resource, scope)?;
            self.of(node.map(|node| node.ordinal))?
        } else if scope.bytes().all(|sign| sign == b'*') {
            self.of(0..reader.count(NodeKind::Resource)?)?
        } else {
            if self.ids.is_empty() {
                for ordinal in 0..reader.count(NodeKind::Resource)? {
                    check_at(self.known, ordinal as usize)?;
                    self.ids.push((ordinal, self.known.id(Node { kind: NodeKind::Resource, ordinal })?));
                }
            }
            let mut matched = Vec::new();
            for (count, (ordinal, id)) in self.ids.iter().enumerate() {
                check_at(self.known, count)?;
                if glob_matches(scope, id) {
                    matched.push(*ordinal);
                }
            }
            self.of(matched)?
        };
        if self.matched + found.len() > MATCHED_MAX {
            self.by_scope.clear();
            self.matched = 0;
        }
        self.matched += found.len();
        let found = Arc::new(found);
        self.by_scope.insert(scope.to_owned(), Arc::clone(&found));
        Ok(found)
    }

    /// Adds the existing resources that an entitlement's scopes match.
    fn add(&mut self, entitlement: Node, said: Said, into: &mut RoaringBitmap) -> Result<(), QueryError> {
        if said.resource != NONE {
            if self.exists(said.resource)? {
                into.insert(said.resource);
            }
            return Ok(());
        }
        let state = self.known.state(Key::Node(entitlement), self.t)?;
        let of = state.value().and_then(|value| value.entitlement());
        for scope in of.map(|said| said.scopes.as_slice()).unwrap_or_default() {
            *into |= &*self.matching(scope)?;
        }
        Ok(())
    }

    /// What an entitlement says about the privileges; `None`: nothing that counts.
    fn said(&mut self, node: Node) -> Result<Option<Said>, QueryError> {
        // No action is asked about, and it may hold: such denials do not count then.
        let asked = self.asked;
        let said = |denies: bool, for_some: bool, privileges: PrivilegeSet, resource: u32| {
            let privileges = sets::both(asked, privileges);
            let counts = !(denies && for_some) && privileges != PrivilegeSet::EMPTY;
            counts.then_some(Said { denies, privileges, resource })
        };
        if let Some(terms) = self.terms.of(node.ordinal)? {
            let for_some = terms.conditional || terms.by_actions;
            return Ok(said(terms.denies, for_some, terms.privileges, terms.resource));
        }
        if let Some(said) = self.said.get(&node.ordinal) {
            return Ok(*said);
        }
        let state = self.known.state(Key::Node(node), self.t)?;
        let said = state.value().and_then(|value| value.entitlement()).and_then(|of| {
            let for_some = of.conditional || !of.actions.is_empty();
            said(of.effect == Effect::Deny, for_some, of.privileges, NONE)
        });
        if self.said.len() >= KEPT_MAX {
            self.said.clear();
        }
        self.said.insert(node.ordinal, said);
        Ok(said)
    }

    /// Those on which an identity as itself may hold one of the privileges.
    fn allowed(&mut self, identity: Node) -> Result<RoaringBitmap, QueryError> {
        let mut bundle: Vec<(Node, Said)> = Vec::new();
        for j in self.known.bundle(identity.ordinal, self.t, &mut whole())?.iter() {
            let member = Node { ordinal: *j, ..identity };
            let held =
                self.known.follow_over(EdgeKind::Holds, member, Direction::Out, self.t, &mut whole())?;
            for node in held {
                bundle.extend(self.said(node)?.map(|said| (node, said)));
            }
        }
        let mut all = RoaringBitmap::new();
        let denied = bundle.iter().any(|(_, said)| said.denies);
        for privilege in self.asked.iter() {
            let (mut allowed, mut denied_here) = (RoaringBitmap::new(), RoaringBitmap::new());
            for (entitlement, said) in bundle.iter().filter(|(_, said)| said.privileges.contains(privilege)) {
                // Without denials it is one union.
                let into = match (denied, said.denies) {
                    (false, _) => &mut all,
                    (true, false) => &mut allowed,
                    (true, true) => &mut denied_here,
                };
                self.add(*entitlement, *said, into)?;
            }
            all |= allowed - denied_here;
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
        let mut assumable = RoaringBitmap::new();
        let near = self.reach_over(&starters, distance, t, max_hops, |kind, k| {
            if kind == EdgeKind::CanAssume {
                assumable.insert(k);
            }
        })?;
        let mut acting: BTreeSet<_> = starters.into_iter().map(|starter| (distance, starter)).collect();
        acting.extend(assumable.iter().filter_map(|k| near.get(&k).map(|hops| (*hops, k))));
        let asked = sets::both(privileges.unwrap_or_else(sets::held), sets::held());
        let mut found = Resources::at(self, t, asked);
        let mut touched = RoaringBitmap::new();
        let mut resources = Vec::new();
        for (hops, j) in acting {
            self.reader().check()?;
            let allowed = found.allowed(identity(j))?;
            if allowed.len() <= FEW {
                resources.extend(allowed.iter().filter(|one| touched.insert(*one)).map(|one| (hops, one)));
            } else {
                resources.extend((&allowed - &touched).iter().map(|ordinal| (hops, ordinal)));
                touched |= allowed;
            }
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
