//! Walks over edges in force: bundles, whom one can come to act as, distances.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use asof_model::{EdgeKind, Instant, Interval, NodeKind};
use roaring::RoaringBitmap;

use crate::span::whole;
use crate::{Direction, Known, Node, QueryError};

/// An identity by ordinal.
pub(crate) const fn identity(ordinal: u32) -> Node {
    Node { kind: NodeKind::Identity, ordinal }
}

impl Known {
    /// An identity and the groups that it reaches over MEMBER_OF; cycles are legal.
    pub(crate) fn bundle(&self, j: u32, t: Instant, span: &mut Interval) -> Result<Arc<[u32]>, QueryError> {
        if !self.ever_member(j)? {
            return Ok(Arc::new([j]));
        }
        Self::kept(&self.bundles, j, t, span, |span| {
            let mut found = vec![j];
            let mut seen = BTreeSet::from([j]);
            let mut next = 0;
            while let Some(member) = found.get(next).copied() {
                next += 1;
                self.reader().check()?;
                for group in
                    self.follow_over(EdgeKind::MemberOf, identity(member), Direction::Out, t, span)?
                {
                    if seen.insert(group.ordinal) {
                        found.push(group.ordinal);
                    }
                }
            }
            Ok(found.into())
        })
    }

    /// An identity and every one that it can come to act as: a member of its bundle, or of that of one already reached,
    /// can assume it.
    pub(crate) fn acts_as(&self, i: u32, t: Instant, span: &mut Interval) -> Result<Arc<[u32]>, QueryError> {
        Self::kept(&self.acting, i, t, span, |span| {
            let mut found = vec![i];
            let mut seen = BTreeSet::from([i]);
            let mut walked = BTreeSet::new(); // members of some bundle, whose own bundles lie within that one
            let mut next = 0;
            while let Some(reached) = found.get(next).copied() {
                next += 1;
                self.reader().check()?;
                for member in self.bundle(reached, t, span)?.iter().copied() {
                    if !walked.insert(member) {
                        continue;
                    }
                    for k in
                        self.follow_over(EdgeKind::CanAssume, identity(member), Direction::Out, t, span)?
                    {
                        if seen.insert(k.ordinal) {
                            found.push(k.ordinal);
                        }
                    }
                }
            }
            Ok(found.into())
        })
    }

    /// These identities, so many hops away, and all that they reach over MEMBER_OF and CAN_ASSUME, at most `hops_max` away:
    /// ordinal -> hops.
    pub(crate) fn reach(
        &self,
        starts: &[u32],
        hops: u32,
        t: Instant,
        hops_max: u32,
    ) -> Result<BTreeMap<u32, u32>, QueryError> {
        self.reach_over(starts, hops, t, hops_max, |_, _| {})
    }

    /// The same; told each edge that is gone over, by its kind and its far end.
    pub(crate) fn reach_over(
        &self,
        starts: &[u32],
        hops: u32,
        t: Instant,
        hops_max: u32,
        mut over: impl FnMut(EdgeKind, u32),
    ) -> Result<BTreeMap<u32, u32>, QueryError> {
        let mut distance = hops;
        let mut frontier = starts.to_vec();
        let mut hops: BTreeMap<u32, u32> = starts.iter().map(|start| (*start, distance)).collect();
        while !frontier.is_empty() && distance < hops_max {
            distance += 1;
            let mut further = Vec::new();
            for each in frontier {
                self.reader().check()?;
                for kind in [EdgeKind::MemberOf, EdgeKind::CanAssume] {
                    for to in self.follow_over(kind, identity(each), Direction::Out, t, &mut whole())? {
                        over(kind, to.ordinal);
                        if let std::collections::btree_map::Entry::Vacant(entry) = hops.entry(to.ordinal) {
                            entry.insert(distance);
                            further.push(to.ordinal);
                        }
                    }
                }
            }
            frontier = further;
        }
        Ok(hops)
    }

    /// The identities that can come to act as one of these, with these themselves.
    pub(crate) fn actors_of(&self, holders: &RoaringBitmap, t: Instant) -> Result<RoaringBitmap, QueryError> {
        let before = &[EdgeKind::MemberOf, EdgeKind::CanAssume];
        Ok(self.reaching(holders, EdgeKind::CanAssume, before, t)? | holders)
    }

    /// The ends of the edges of kind `last` to which an identity comes over any number of edges of kinds `before`, `last`
    /// among these: it is itself among them only where it comes back to itself so.
    pub(crate) fn reached(
        &self,
        i: u32,
        last: EdgeKind,
        before: &[EdgeKind],
        t: Instant,
    ) -> Result<BTreeSet<u32>, QueryError> {
        let (mut found, mut walked) = (BTreeSet::new(), BTreeSet::from([i]));
        let mut ahead = vec![i];
        while let Some(each) = ahead.pop() {
            self.reader().check()?;
            for kind in before {
                for to in self.follow_over(*kind, identity(each), Direction::Out, t, &mut whole())? {
                    if *kind == last {
                        found.insert(to.ordinal);
                    }
                    if walked.insert(to.ordinal) {
                        ahead.push(to.ordinal);
                    }
                }
            }
        }
        Ok(found)
    }

    /// The identities from which an edge of kind `last` leads to one of these, and those that come to one of them over
    /// edges of kinds `before`: walked backwards.
    pub(crate) fn reaching(
        &self,
        ends: &RoaringBitmap,
        last: EdgeKind,
        before: &[EdgeKind],
        t: Instant,
    ) -> Result<RoaringBitmap, QueryError> {
        let mut reached = RoaringBitmap::new();
        let mut ahead: Vec<u32> = Vec::new();
        for end in ends {
            self.reader().check()?;
            for from in self.back(last, end, t)? {
                if reached.insert(from) {
                    ahead.push(from);
                }
            }
        }
        while let Some(each) = ahead.pop() {
            self.reader().check()?;
            for kind in before {
                for from in self.back(*kind, each, t)? {
                    if reached.insert(from) {
                        ahead.push(from);
                    }
                }
            }
        }
        Ok(reached)
    }

    fn back(&self, kind: EdgeKind, to: u32, t: Instant) -> Result<impl Iterator<Item = u32>, QueryError> {
        let found = self.follow_over(kind, identity(to), Direction::In, t, &mut whole())?;
        Ok(found.into_iter().map(|node| node.ordinal))
    }
}
