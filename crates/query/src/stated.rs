//! What is kept of many nodes at once: since when they exist, and from when on secrets are dead.

use std::sync::Arc;

use asof_model::{Instant, Interval, NodeKind};
use asof_temporal::Stated;
use roaring::RoaringBitmap;

use crate::{BLOCK, Known, QueryError};

impl Known {
    /// Those of a scope of which what is kept of their blocks says that they are stated at T and never deleted; of the others only
    /// a closer look tells.
    pub(crate) fn surely_stated_of(
        &self,
        kind: NodeKind,
        scope: &RoaringBitmap,
        t: Instant,
    ) -> Result<RoaringBitmap, QueryError> {
        let (mut blocks, mut never, mut single) = (RoaringBitmap::new(), Vec::new(), Vec::new());
        let (Some(first), Some(last)) = (scope.min(), scope.max()) else { return Ok(blocks) };
        for number in first / BLOCK..=last / BLOCK {
            let start = number * BLOCK;
            let ordinals = start..=start + (BLOCK - 1);
            if scope.range_cardinality(ordinals.clone()) == 0 {
                continue;
            }
            self.reader().check()?;
            let Some(block) = self.stated_block(kind, number)? else { continue };
            if let Some(places) = block.all_but(t, self.size()) {
                blocks.insert_range(ordinals);
                let from = never.len();
                never.extend(places.map(|place| start + place));
                never[from..].sort_unstable();
            } else {
                single.extend(scope.range(ordinals).filter(|one| self.stated_in(Some(&block), *one, t)));
            }
        }
        let Some(ended) = self.ended(kind)? else { return Ok(RoaringBitmap::new()) };
        // Both ascend: appending does not fail.
        let of = |ordinals: Vec<u32>| RoaringBitmap::from_sorted_iter(ordinals).unwrap_or_default();
        Ok((((blocks - of(never)) & scope) | of(single)) - &**ended)
    }

    /// Since when the nodes of a block are stated, where that is kept.
    pub(crate) fn stated_block(&self, kind: NodeKind, block: u32) -> Result<Option<Arc<Stated>>, QueryError> {
        self.stated.get((kind, block), |_| 0, || self.reader().stated_since(kind, block))
    }

    /// Whether a block says that a node of it is stated at T, unless it was ever deleted.
    pub(crate) fn stated_in(&self, block: Option<&Stated>, ordinal: u32, t: Instant) -> bool {
        block.is_some_and(|block| block.holds(ordinal % BLOCK, t, self.size()))
    }

    /// Secrets, in order, each with from when on it is dead for good, while before it never is (FOREVER: it never is at all),
    /// where that is kept and holds for the first K records.
    pub(crate) fn dying(&self, scope: &RoaringBitmap) -> Result<Vec<(u32, Option<Instant>)>, QueryError> {
        let (mut found, mut block) = (Vec::with_capacity(scope.len() as usize), None);
        for secret in scope {
            let number = secret / BLOCK;
            if block.as_ref().is_none_or(|(last, _)| *last != number) {
                self.reader().check()?;
                let deaths = self.deaths.get(number, |_| 0, || self.reader().deaths(number))?;
                block = Some((number, deaths));
            }
            let deaths = block.as_ref().and_then(|block| block.1.as_ref());
            let of_secret = deaths.and_then(|deaths| deaths.get((secret % BLOCK) as usize));
            found.push((secret, of_secret.filter(|(_, index)| *index < self.size()).map(|(dies, _)| *dies)));
        }
        Ok(found)
    }

    /// Secrets with a SUCCESS observation in the interval, where what is kept tells.
    pub(crate) fn secrets_in_use(&self, during: Interval) -> Result<Option<Arc<RoaringBitmap>>, QueryError> {
        let weight =
            |used: &Option<Arc<RoaringBitmap>>| used.as_ref().map_or(0, |used| used.len() as usize / 64);
        self.succeeded.get(during, weight, || {
            Ok(self.reader().secrets_used(crate::used::successes(), during)?.map(Arc::new))
        })
    }
}
