//! What is kept of many nodes at once: since when they exist, and from when on secrets are dead.

use std::sync::Arc;

use asof_model::{Instant, Interval, NodeKind};
use roaring::RoaringBitmap;

use crate::{BLOCK, Known, QueryError, StatedSince};

impl Known {
    /// Those of a scope of which what is kept of their blocks says that they are stated at T and never deleted; of the others only
    /// a closer look tells.
    pub(crate) fn surely_stated_of(
        &self,
        kind: NodeKind,
        scope: &RoaringBitmap,
        t: Instant,
    ) -> Result<RoaringBitmap, QueryError> {
        let (mut found, mut block) = (Vec::new(), None);
        for ordinal in scope {
            let number = ordinal / BLOCK;
            if block.as_ref().is_none_or(|(last, _)| *last != number) {
                self.reader().check()?;
                block = Some((number, self.stated_block(kind, number)?));
            }
            if self.stated_in(block.as_ref().and_then(|block| block.1.as_ref()), ordinal, t) {
                found.push(ordinal);
            }
        }
        if found.is_empty() {
            return Ok(RoaringBitmap::new());
        }
        let Some(ended) = self.ended(kind)? else { return Ok(RoaringBitmap::new()) };
        // Ascending like the scope: appending does not fail.
        Ok(RoaringBitmap::from_sorted_iter(found).unwrap_or_default() - &**ended)
    }

    /// Since when the nodes of a block are stated, where that is kept.
    pub(crate) fn stated_block(&self, kind: NodeKind, block: u32) -> Result<Option<StatedSince>, QueryError> {
        self.stated.get((kind, block), |_| 0, || self.reader().stated_since(kind, block))
    }

    /// Whether a block says that a node of it is stated at T, unless it was ever deleted.
    pub(crate) fn stated_in(&self, block: Option<&StatedSince>, ordinal: u32, t: Instant) -> bool {
        let stated = block.and_then(|block| block.get((ordinal % BLOCK) as usize));
        stated.is_some_and(|(since, index)| *since <= t && *index < self.size())
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
