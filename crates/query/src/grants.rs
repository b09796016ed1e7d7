//! Entitlements held, directly or through others, and the way to a holder.

use asof_model::{EdgeKind, Instant, NodeKind, PrivilegeSet};

use crate::limits::keep;
use crate::on::On;
use crate::span::whole;
use crate::walk::identity;
use crate::{Direction, Known, Node, QueryError, Step, StepKind};

/// An entitlement and who holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The ENTITLEMENT.
    pub entitlement: Node,
    /// The IDENTITY that itself holds it.
    pub holder: Node,
}

impl Known {
    /// Entitlements of either effect that an identity itself holds (where `effective`, that it or one that it reaches over
    /// groups and assumable roles holds) with one of the privileges and a scope that meets `on`; by the first appearance of
    /// the entitlement, then of the holder.
    pub fn entitlements(
        &self,
        t: Instant,
        identity: Node,
        privileges: Option<PrivilegeSet>,
        on: Option<&str>,
        effective: bool,
    ) -> Result<Vec<Grant>, QueryError> {
        let on = On::text(on);
        let mut grants = Vec::new();
        for holder in self.reach(&[identity.ordinal], 0, t, if effective { u32::MAX } else { 0 })?.into_keys()
        {
            self.reader().check()?;
            for held in self.held(holder, t, &mut whole())?.iter() {
                let Some(said) = held.value.entitlement() else { continue };
                if privileges.is_none_or(|wanted| wanted.intersects(said.privileges))
                    && said.scopes.iter().any(|scope| on.meets(scope))
                {
                    keep(&mut grants, (held.node, holder), "grants")?;
                }
            }
        }
        grants.sort_unstable();
        let kind = NodeKind::Identity;
        Ok(grants
            .into_iter()
            .map(|(entitlement, ordinal)| Grant { entitlement, holder: Node { kind, ordinal } })
            .collect())
    }

    /// The first of the shortest ways from an identity to a holder over MEMBER_OF and CAN_ASSUME; none where it is the
    /// holder, or does not reach it.
    pub fn via(&self, t: Instant, from: Node, holder: Node) -> Result<Vec<Step>, QueryError> {
        let mut hops = self.hops_to(holder.ordinal, from.ordinal, t)?;
        let Some(mut left) = hops.remove(&from.ordinal) else { return Ok(Vec::new()) };
        let (mut at, mut steps) = (from.ordinal, Vec::new());
        while left > 0 {
            left -= 1;
            // The first by appearance of the end, then by kind, of those from which it is near enough.
            let mut next: Option<(u32, StepKind)> = None;
            for (edge, kind) in
                [(EdgeKind::MemberOf, StepKind::MemberOf), (EdgeKind::CanAssume, StepKind::CanAssume)]
            {
                for to in self.follow_over(edge, identity(at), Direction::Out, t, &mut whole())? {
                    if hops.get(&to.ordinal) == Some(&left)
                        && next.is_none_or(|best| (to.ordinal, kind) < best)
                    {
                        next = Some((to.ordinal, kind));
                    }
                }
            }
            let Some((to, kind)) = next else { return Ok(Vec::new()) };
            steps.push(Step { kind, from: identity(at), to: identity(to) });
            at = to;
        }
        Ok(steps)
    }

    /// Hops to an identity over MEMBER_OF and CAN_ASSUME from those that reach it, as far as `until` is.
    fn hops_to(
        &self,
        goal: u32,
        until: u32,
        t: Instant,
    ) -> Result<std::collections::BTreeMap<u32, u32>, QueryError> {
        let mut hops = std::collections::BTreeMap::from([(goal, 0)]);
        let (mut frontier, mut distance) = (vec![goal], 0);
        while !frontier.is_empty() && !hops.contains_key(&until) {
            distance += 1;
            let mut further = Vec::new();
            for each in frontier {
                self.reader().check()?;
                for kind in [EdgeKind::MemberOf, EdgeKind::CanAssume] {
                    for from in self.follow_over(kind, identity(each), Direction::In, t, &mut whole())? {
                        if let std::collections::btree_map::Entry::Vacant(entry) = hops.entry(from.ordinal) {
                            entry.insert(distance);
                            further.push(from.ordinal);
                        }
                    }
                }
            }
            frontier = further;
        }
        Ok(hops)
    }
}
