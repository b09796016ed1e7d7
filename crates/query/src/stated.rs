//! What is kept of many nodes at once: since when they exist.

use std::sync::Arc;

use asof_model::{Instant, NodeKind};
use asof_temporal::{BLOCK_NODES, Dense, Standing, Stated};
use roaring::RoaringBitmap;

use crate::{Candidates, Known, QueryError};

/// The blocks that a set has some of, in order.
fn blocks_of(set: &RoaringBitmap) -> impl Iterator<Item = u32> {
    let mut rest = set.iter();
    std::iter::from_fn(move || {
        let number = rest.next()? / BLOCK_NODES;
        rest.advance_to((number * BLOCK_NODES).saturating_add(BLOCK_NODES));
        Some(number)
    })
}

impl Known {
    /// Those of a scope that exist at T (or are deleted then, where that is asked for), as what is kept of their blocks tells; of
    /// the others only a closer look does.
    pub(crate) fn existing_of(
        &self,
        kind: NodeKind,
        scope: &RoaringBitmap,
        t: Instant,
        include_deleted: bool,
    ) -> Result<Candidates, QueryError> {
        /// So many of a block are looked up in the time in which who is stated of all of it is found.
        const FEW: u64 = 32;
        let blocks = u64::from(scope.max().map_or(0, |last| last / BLOCK_NODES + 1));
        if scope.len() <= blocks * FEW {
            return self.existing_of_few(kind, scope, t, include_deleted);
        }
        // Those that exist, and those that do or surely do not.
        let [mut there, mut told] = [const { Dense::EMPTY }; 2];
        for number in blocks_of(scope) {
            let start = number * BLOCK_NODES;
            self.reader().check()?;
            if let Some(block) = self.reader().stated_since(kind, number)? {
                let Standing { stated, deleted } = block.at(t, self.size());
                there.add(start, &stated);
                told.add(start, &stated);
                if include_deleted { &mut there } else { &mut told }.add(start, &deleted);
            }
        }
        let sure = there.among(scope);
        Ok(Candidates { maybe: scope - told.among(scope) - &sure, sure })
    }

    fn existing_of_few(
        &self,
        kind: NodeKind,
        scope: &RoaringBitmap,
        t: Instant,
        include_deleted: bool,
    ) -> Result<Candidates, QueryError> {
        let (mut sure, mut maybe) = (Vec::new(), Vec::new());
        let mut block = (u32::MAX, None);
        for ordinal in scope {
            let number = ordinal / BLOCK_NODES;
            if block.0 != number {
                self.reader().check()?;
                block = (number, self.reader().stated_since(kind, number)?);
            }
            let is_stated =
                block.1.as_ref().and_then(|block| block.is_stated(ordinal % BLOCK_NODES, t, self.size()));
            match is_stated {
                Some(is_stated) if is_stated || include_deleted => sure.push(ordinal),
                Some(_) => {}
                None => maybe.push(ordinal),
            }
        }
        // Ascending and without repeats: appending does not fail.
        let set = |ordinals| RoaringBitmap::from_sorted_iter(ordinals).unwrap_or_default();
        Ok(Candidates { sure: set(sure), maybe: set(maybe) })
    }

    /// Since when the nodes of a block are stated, where that is kept.
    pub(crate) fn stated_block(&self, kind: NodeKind, block: u32) -> Result<Option<Arc<Stated>>, QueryError> {
        self.stated.get((kind, block), |_| 0, || self.reader().stated_since(kind, block))
    }
}
