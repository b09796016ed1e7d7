//! What collectors say that they have delivered.

use std::sync::Arc;

use asof_model::{CoverageValue, Instant};

use crate::cover::speaks_of_identity;
use crate::known::Coverage;
use crate::limits::keep;
use crate::{CoverageKey, CoverageWhere, Known, QueryError};

/// A coverage whose state is a value, and who stated it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatedCoverage {
    /// Its ordinal: with it, [`crate::Key::Coverage`] is its key.
    pub ordinal: u32,
    /// Who states it.
    pub source: Arc<str>,
    /// Its scope, the source's own name for it.
    pub scope: Arc<str>,
    /// What it says at T.
    pub value: CoverageValue,
}

impl CoverageWhere {
    fn accepts(&self, stated: &StatedCoverage) -> bool {
        let StatedCoverage { ordinal: _, source, scope, value } = stated;
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&value.kind))
            && self.source.as_ref().is_none_or(|wanted| wanted.matches(source))
            && self.scope.as_ref().is_none_or(|wanted| wanted.matches(scope))
            && self.identity.as_ref().is_none_or(|id| speaks_of_identity(value, id))
    }
}

impl Coverage {
    /// What it says at a moment, where its state is a value.
    fn stated(&self, t: Instant) -> Option<StatedCoverage> {
        Some(StatedCoverage {
            ordinal: self.ordinal,
            source: Arc::clone(&self.source),
            scope: Arc::clone(&self.scope),
            value: self.timeline.at(t).value()?.coverage()?.clone(),
        })
    }
}

impl Known {
    /// The coverages whose state is a value at `t` and that match, by first appearance.
    ///
    /// # Errors
    /// [`QueryError::Limit`] for more than [`crate::ENTRIES_MAX`].
    pub fn stated_coverages(
        &self,
        t: Instant,
        filter: &CoverageWhere,
    ) -> Result<Vec<StatedCoverage>, QueryError> {
        let mut found = Vec::new();
        for coverage in self.coverages()?.iter() {
            self.reader().check()?;
            if let Some(stated) = coverage.stated(t).filter(|stated| filter.accepts(stated)) {
                keep(&mut found, stated, "coverages")?;
            }
        }
        Ok(found)
    }

    /// One of them.
    pub fn stated_coverage(&self, t: Instant, ordinal: u32) -> Result<Option<StatedCoverage>, QueryError> {
        Ok(self.coverage(ordinal)?.and_then(|coverage| coverage.stated(t)))
    }

    /// Who states a coverage, and its scope.
    pub fn coverage_key(&self, ordinal: u32) -> Result<Option<CoverageKey>, QueryError> {
        Ok(self.coverage(ordinal)?.map(|coverage| (ordinal, coverage.source, coverage.scope)))
    }

    fn coverage(&self, ordinal: u32) -> Result<Option<Coverage>, QueryError> {
        // Ordinals are given in order of first appearance.
        let all = self.coverages()?;
        let place = all.binary_search_by_key(&ordinal, |coverage| coverage.ordinal);
        Ok(place.ok().and_then(|place| all.get(place)).cloned())
    }
}
