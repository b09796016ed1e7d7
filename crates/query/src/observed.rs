//! Observed: where someone was looking over a window, and where not.

use std::collections::BTreeMap;

use asof_model::{CoverageKind, Instant, Interval, PrivilegeSet, glob_matches};
use roaring::RoaringBitmap;

use crate::cover::includes;
use crate::limits::CHECK_EVERY;
use crate::on::On;
use crate::walk::identity;
use crate::{Known, Node, ObservedWhere, QueryError, sets};

/// A stretch of the window over which a coverage looks at some identities for some privileges.
#[derive(Debug)]
struct Look {
    /// Which of the sets of globs says whose identities; `None`: all.
    whose: Option<usize>,
    privileges: PrivilegeSet,
    during: Interval,
}

/// What of all coverages matters for one question, whoever it is about.
#[derive(Debug)]
pub(crate) struct Looks {
    window: Interval,
    privileges: PrivilegeSet,
    stretches: Vec<Look>,
    /// The distinct sets of identity globs.
    globs: Vec<Vec<String>>,
}

impl Looks {
    /// Of the coverages of the kind that match what is asked on, the stretches within the window.
    pub(crate) fn of(known: &Known, filter: &ObservedWhere, window: Interval) -> Result<Self, QueryError> {
        Self::about(known, filter.kind, filter.privileges, &On::text(filter.on.as_deref()), window)
    }

    fn about(
        known: &Known,
        kind: CoverageKind,
        privileges: Option<PrivilegeSet>,
        on: &On,
        window: Interval,
    ) -> Result<Self, QueryError> {
        let asked = privileges.unwrap_or_else(sets::held);
        let mut found = Self { window, privileges: asked, stretches: Vec::new(), globs: Vec::new() };
        for coverage in known.coverages()?.iter() {
            known.reader().check()?;
            let pieces = coverage.timeline.pieces();
            for (place, piece) in pieces.iter().enumerate() {
                let to = pieces.get(place + 1).map_or(Instant::FOREVER, |next| next.from);
                let Some(during) = Interval::new(piece.from.max(window.from), to.min(window.to)) else {
                    continue;
                };
                let said = piece.state.value().and_then(|value| value.coverage());
                let Some(said) = said.filter(|said| said.kind == kind) else { continue };
                if !includes(said, on)? {
                    continue;
                }
                let privileges =
                    if said.privileges.is_empty() { asked } else { sets::both(said.privileges, asked) };
                let whose = (!said.identities.is_empty()).then(|| found.globs_of(&said.identities));
                found.stretches.push(Look { whose, privileges, during });
            }
        }
        found.stretches.sort_by_key(|look| look.during.from);
        Ok(found)
    }

    fn globs_of(&mut self, globs: &[String]) -> usize {
        match self.globs.iter().position(|known| known == globs) {
            Some(place) => place,
            None => {
                self.globs.push(globs.to_vec());
                self.globs.len() - 1
            }
        }
    }

    /// Which of the distinct sets of globs match the identity: what is true of one is true of all that match the same.
    fn signature(&self, known: &Known, ordinal: u32) -> Result<Vec<bool>, QueryError> {
        if self.globs.is_empty() {
            return Ok(Vec::new());
        }
        let id = known.id(identity(ordinal))?;
        Ok(self.globs.iter().map(|globs| globs.iter().any(|glob| glob_matches(glob, &id))).collect())
    }

    /// The maximal stretches of the window at which such an identity is not observed for one privilege at least.
    fn gaps_of(&self, signature: &[bool]) -> Vec<Interval> {
        let mut gaps = Vec::new();
        for privilege in self.privileges.iter() {
            let mut seen_to = self.window.from;
            for look in &self.stretches {
                let about = look.privileges.contains(privilege)
                    && look.whose.is_none_or(|place| signature.get(place).copied().unwrap_or(false));
                if about {
                    gaps.extend(Interval::new(seen_to, look.during.from));
                    seen_to = seen_to.max(look.during.to);
                }
            }
            gaps.extend(Interval::new(seen_to, self.window.to));
        }
        merged(gaps)
    }

    /// The identities of these that are observed at every moment of the window.
    pub(crate) fn complete(&self, known: &Known, scope: &RoaringBitmap) -> Result<RoaringBitmap, QueryError> {
        let mut by_signature: BTreeMap<Vec<bool>, bool> = BTreeMap::new();
        let mut found = RoaringBitmap::new();
        for (count, ordinal) in scope.iter().enumerate() {
            if (count as u32).is_multiple_of(CHECK_EVERY) {
                known.reader().check()?;
            }
            let signature = self.signature(known, ordinal)?;
            let complete = match by_signature.get(&signature) {
                Some(complete) => *complete,
                None => {
                    let complete = self.gaps_of(&signature).is_empty();
                    by_signature.insert(signature, complete);
                    complete
                }
            };
            if complete {
                found.insert(ordinal);
            }
        }
        Ok(found)
    }
}

/// The union, as maximal stretches.
fn merged(mut stretches: Vec<Interval>) -> Vec<Interval> {
    stretches.sort_unstable();
    let mut found: Vec<Interval> = Vec::with_capacity(stretches.len());
    for stretch in stretches {
        match found.last_mut() {
            Some(last) if stretch.from <= last.to => last.to = last.to.max(stretch.to),
            _ => found.push(stretch),
        }
    }
    found
}

impl Known {
    /// Where in the window an identity is not observed for one of the privileges at least; complete: nowhere.
    ///
    /// # Errors
    /// [`QueryError::Invalid`] where the window has no beginning: a gap has one.
    pub fn gaps(
        &self,
        t: Instant,
        identity: Node,
        filter: &ObservedWhere,
    ) -> Result<Vec<Interval>, QueryError> {
        let window = filter.during.bounds(t)?;
        if window.from == Instant::BEGINNING {
            return Err(QueryError::invalid(
                "coverage needs a window with a beginning: give `from` or `last`",
            ));
        }
        let looks = Looks::of(self, filter, window)?;
        Ok(looks.gaps_of(&looks.signature(self, identity.ordinal)?))
    }
}
