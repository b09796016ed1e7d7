//! What is kept of many nodes at once: since when they exist, and from when on secrets are dead.

use std::sync::Arc;

use asof_model::{Duration, Instant, Interval, NodeKind};
use asof_temporal::{BLOCK_NODES, Dense, Standing, Stated};
use roaring::RoaringBitmap;

use crate::{Candidates, Known, QueryError};

/// Secrets by when they die.
#[derive(Debug, Default)]
pub(crate) struct Dying {
    /// Dead before a window begins, and all through it.
    pub before: RoaringBitmap,
    /// Each with the moment in the window from which on it is dead.
    pub within: Vec<(u32, Instant)>,
    /// Those of which only a closer look tells.
    pub open: RoaringBitmap,
}

/// From when on a use of a secret that died at some moment counts: what never was alive has no grace.
pub(crate) fn counts_from(dies: Instant, grace: Duration) -> Instant {
    if dies == Instant::BEGINNING { dies } else { dies.plus(grace) }
}

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

    /// Which secrets of a scope die, as what is kept of their blocks tells.
    pub(crate) fn dying(
        &self,
        scope: &RoaringBitmap,
        window: Interval,
        grace: Duration,
    ) -> Result<Dying, QueryError> {
        let counts = |dies: Instant| counts_from(dies, grace);
        let (mut before, mut within, mut open) = (Dense::default(), Vec::new(), RoaringBitmap::new());
        for number in blocks_of(scope) {
            let start = number * BLOCK_NODES;
            let ordinals = start..=start + (BLOCK_NODES - 1);
            self.reader().check()?;
            let deaths = self.deaths.get(number, |_| 0, || self.reader().deaths(number))?;
            let Some(deaths) = deaths else {
                open.extend(scope.range(ordinals));
                continue;
            };
            let is_long = |dies: Instant| counts(dies) <= window.from;
            let Some(dead) = deaths.before(window.to, self.size(), is_long) else {
                for secret in scope.range(ordinals) {
                    match deaths.of_place(secret % BLOCK_NODES, self.size()) {
                        None => drop(open.insert(secret)),
                        Some(dies) if counts(dies) <= window.from => drop(before.insert(secret)),
                        Some(dies) if dies < window.to => within.push((secret, counts(dies))),
                        Some(_) => {}
                    }
                }
                continue;
            };
            before.add(start, &dead.long);
            within.extend(dead.later.map(|(dies, place)| (start + place, counts(dies))));
            open.extend(dead.complex.iter().map(|place| start + place));
        }
        let wanted = Dense::of(scope);
        within.retain(|each| wanted.contains(each.0));
        Ok(Dying { before: before.among(scope), within, open: open & scope })
    }

    /// Secrets with a SUCCESS observation from some moments of the interval on, as [`crate::Reader::secrets_used_since`] says it,
    /// where what is kept tells.
    pub(crate) fn secrets_in_use(&self, during: Interval) -> Result<Option<UsedSince>, QueryError> {
        let of_each = |(_, used): &(Instant, RoaringBitmap)| used.len() as usize / 64;
        let weight = |used: &Option<UsedSince>| used.iter().flat_map(|used| &**used).map(of_each).sum();
        self.succeeded.get(during, weight, || {
            Ok(self.reader().secrets_used_since(crate::used::successes(), during)?.map(Arc::new))
        })
    }
}

/// Who was used from some moments on, the latest first.
pub(crate) type UsedSince = Arc<Vec<(Instant, RoaringBitmap)>>;
