//! What is counted over the identities that match.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use asof_model::{CoverageValue, Duration, EdgeKind, Instant, NodeKind, NodeRef};
use asof_query::{
    CoverageWhere, FacetBy, IdentityOrder, IdentityWhere, NodeWhere, SecretWhere, TextMatch, Window,
};

use super::filter::{Wrong, bounds, text_matches};
use super::glob;
use super::ledger::{Key, node};
use super::state::Known;

impl Known<'_> {
    /// How many match at the start of every step of the window: each step is a T of its own.
    pub fn trend(
        &self,
        t: Instant,
        filter: &IdentityWhere,
        during: &Window,
        every: Duration,
        include_deleted: bool,
    ) -> Result<Vec<(Instant, u64)>, Wrong> {
        let window = bounds(during, t)?;
        if during.from.is_none() && during.last.is_none() || every == Duration::from_nanos(0) {
            return Err(Wrong); // no first step, or no second
        }
        let mut points = Vec::new();
        let mut start = window.from;
        while start < window.to {
            let found = self.identities(start, filter, include_deleted, IdentityOrder::Appearance)?;
            points.push((start, found.len() as u64));
            start = start.plus(every);
        }
        Ok(points)
    }

    /// How many of a kind are deleted at T and would match, were they asked for.
    fn omitted(
        &self,
        t: Instant,
        kind: NodeKind,
        so: impl Fn(&NodeRef) -> Result<bool, Wrong>,
    ) -> Result<u64, Wrong> {
        so(&node(kind, ""))?; // a wrong question is one whoever there is
        let mut count = 0;
        for each in self.named.iter().filter(|each| each.kind == kind && self.deleted(each, t)) {
            count += u64::from(so(each)?);
        }
        Ok(count)
    }

    /// Of identities.
    pub fn omitted_identities(&self, t: Instant, filter: &IdentityWhere) -> Result<u64, Wrong> {
        self.omitted(t, NodeKind::Identity, |each| self.identity_matches(each, t, filter))
    }

    /// Of secrets.
    pub fn omitted_secrets(&self, t: Instant, filter: &SecretWhere) -> Result<u64, Wrong> {
        self.omitted(t, NodeKind::Secret, |each| self.secret_matches(each, t, filter))
    }

    /// Of nodes of a kind.
    pub fn omitted_nodes(&self, t: Instant, kind: NodeKind, filter: &NodeWhere) -> Result<u64, Wrong> {
        self.omitted(t, kind, |each| Ok(self.node_matches(each, t, filter)))
    }

    /// The coverages that are a value at T and match, by first appearance: source, scope, what it says.
    pub fn stated_coverages(
        &self,
        t: Instant,
        filter: &CoverageWhere,
    ) -> Vec<(String, String, CoverageValue)> {
        let text = |wanted: &Option<TextMatch>, text: &str| {
            wanted.as_ref().is_none_or(|wanted| text_matches(wanted, text))
        };
        let mut found = Vec::new();
        for key in &self.keys {
            let Key::Coverage(source, scope) = key else { continue };
            let Some(said) = self.value(key, t).and_then(|merged| merged.coverage) else { continue };
            let speaks_of = |id: &String| {
                said.identities.is_empty() || said.identities.iter().any(|each| glob::matches(each, id))
            };
            if filter.kinds.as_ref().is_none_or(|kinds| kinds.contains(&said.kind))
                && text(&filter.source, source)
                && text(&filter.scope, scope)
                && filter.identity.as_ref().is_none_or(speaks_of)
            {
                found.push((source.clone(), scope.clone(), said));
            }
        }
        found
    }

    /// Those that match by a value; most first, then by value, those without one last.
    pub fn facets(
        &self,
        t: Instant,
        filter: &IdentityWhere,
        by: &FacetBy,
        include_deleted: bool,
    ) -> Result<Vec<(Option<String>, u64)>, Wrong> {
        let mut counts: BTreeMap<Option<String>, u64> = BTreeMap::new();
        for node in self.identities(t, filter, include_deleted, IdentityOrder::Appearance)? {
            let said = self.node_value(&node, t).unwrap_or_default();
            let mut values: Vec<String> = match by {
                FacetBy::Type => vec![said.node_type],
                FacetBy::Attribute(key) => said.attributes.get(key).cloned().into_iter().collect(),
                FacetBy::Owner => {
                    self.back(EdgeKind::Owns, &node, t).into_iter().map(|owner| owner.id).collect()
                }
            };
            values.retain(|value| !value.is_empty());
            if values.is_empty() {
                *counts.entry(None).or_default() += 1;
            }
            for value in values {
                *counts.entry(Some(value)).or_default() += 1;
            }
        }
        let mut found: Vec<_> = counts.into_iter().collect();
        found.sort_by_key(|(value, count)| {
            (Reverse(*count), value.is_none(), value.as_ref().map(|value| value.chars().collect::<Vec<_>>()))
        });
        Ok(found)
    }
}
