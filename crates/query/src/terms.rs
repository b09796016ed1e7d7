//! What entitlements say at a moment, where all statements on them say the same.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use asof_model::Instant;
use asof_temporal::{BLOCK_NODES, Terms};

use crate::memo::Map;
use crate::{Known, QueryError};

/// Blocks that are held on to; they are kept by the reader, too, as far as its memory goes.
const BLOCKS_MAX: usize = 512;

/// The terms of entitlements, by block, as long as one question is answered.
pub(crate) struct TermsAt<'k> {
    known: &'k Known,
    t: Instant,
    blocks: Map<u32, Option<Arc<[Terms]>>>,
}

impl<'k> TermsAt<'k> {
    pub(crate) fn new(known: &'k Known, t: Instant) -> Self {
        Self { known, t, blocks: Map::default() }
    }

    /// Those of an entitlement; its state is a value then. `None`: only its state tells.
    pub(crate) fn of(&mut self, entitlement: u32) -> Result<Option<Terms>, QueryError> {
        if self.blocks.len() >= BLOCKS_MAX {
            self.blocks.clear();
        }
        let block = match self.blocks.entry(entitlement / BLOCK_NODES) {
            Entry::Occupied(kept) => kept.into_mut(),
            Entry::Vacant(none) => {
                self.known.reader().check()?;
                none.insert(self.known.reader().terms(entitlement / BLOCK_NODES)?)
            }
        };
        let terms = block.as_ref().and_then(|terms| terms.get((entitlement % BLOCK_NODES) as usize)).copied();
        Ok(terms.filter(|terms| terms.hold(self.t, self.known.size())))
    }
}
