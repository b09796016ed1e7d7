//! Which immutable id a name had when. A request names roles and users by name; the ids stand in other
//! events, perhaps of other files, so that all are read before any is resolved: the order of files makes no
//! difference.

use std::collections::BTreeMap;

use asof_model::Instant;

use super::who::Who;
use crate::arn::{Arn, Named};

/// What is known of one id under a name.
#[derive(Debug, Clone, Copy)]
struct Sighting {
    /// When it was first seen.
    first: Instant,
    /// When it was made, where that was seen.
    created: Option<Instant>,
}

/// Names, and the ids that bore them.
#[derive(Debug, Default)]
pub(crate) struct Names {
    ids: BTreeMap<Named, BTreeMap<String, Sighting>>,
    arns: BTreeMap<String, String>,
}

impl Names {
    /// The id bore the name at that moment.
    pub(crate) fn seen(&mut self, named: &Named, id: &str, at: Instant, created: bool) {
        let of_name = self.ids.entry(named.clone()).or_default();
        let sighting = of_name.entry(id.to_owned()).or_insert(Sighting { first: at, created: None });
        sighting.first = sighting.first.min(at);
        if created {
            sighting.created = Some(sighting.created.map_or(at, |before| before.min(at)));
        }
    }

    /// The id's ARN. An ARN of IAM, which has the path, is kept before one that was built from a name.
    pub(crate) fn arn(&mut self, id: &str, arn: &str) {
        let rank = |arn: &str| (arn.len(), arn.to_owned());
        match self.arns.get(id) {
            Some(known) if rank(known) >= rank(arn) => {}
            _ => drop(self.arns.insert(id.to_owned(), arn.to_owned())),
        }
    }

    /// The id's ARN, where one was seen.
    pub(crate) fn arn_of(&self, id: &str) -> Option<&str> {
        self.arns.get(id).map(String::as_str)
    }

    /// The identity's id. A name means the one made last under it by then; else the one seen last by then;
    /// else the one seen first afterwards and not made afterwards; else nothing but the name is known, and
    /// the ARN without its path is the id.
    pub(crate) fn resolve(&self, who: &Who, at: Instant) -> String {
        match who {
            Who::Id(id) => id.clone(),
            Who::Named(named) => self.of_name(named, at, false),
        }
    }

    /// As [`Names::resolve`], for what a deletion names: what was made in the very second does not count,
    /// unless there is no other.
    pub(crate) fn resolve_before(&self, who: &Who, at: Instant) -> String {
        match who {
            Who::Id(id) => id.clone(),
            Who::Named(named) => self.of_name(named, at, true),
        }
    }

    fn of_name(&self, named: &Named, at: Instant, before: bool) -> String {
        let fallback = || format!("aws:{}", named.arn());
        let Some(ids) = self.ids.get(named) else { return fallback() };
        let made = |strict: bool| {
            let by_then = ids.iter().filter_map(|(id, sighting)| Some((sighting.created?, id)));
            by_then.filter(|(created, _)| if strict { *created < at } else { *created <= at }).max()
        };
        let made = if before { made(true).or_else(|| made(false)) } else { made(false) };
        let unmade = || ids.iter().filter(|(_, s)| s.created.is_none()).map(|(id, s)| (s.first, id));
        made.or_else(|| unmade().filter(|(first, _)| *first <= at).max())
            .or_else(|| unmade().min())
            .map_or_else(fallback, |(_, id)| id.clone())
    }

    /// The ARN of a user, role or group that a request names, with the path where it is known.
    pub(crate) fn arn_of_name(&self, named: &Named, at: Instant) -> String {
        let id = self.of_name(named, at, false);
        let known = self.arn_of(&id).filter(|arn| Arn::parse(arn).is_some_and(|arn| arn.service == "iam"));
        known.map_or_else(|| named.arn(), str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::arn::PrincipalKind;

    #[test]
    fn a_name_means_another_id_after_it_was_made_again() {
        let named = Named::new("aws", "123456789012", PrincipalKind::Role, "ci").unwrap();
        let at = |second: i64| Instant::from_nanos(second * 1_000_000_000);
        let mut names = Names::default();
        let of = |names: &Names, second| names.resolve(&Who::Named(named.clone()), at(second));
        assert_eq!(of(&names, 5), "aws:arn:aws:iam::123456789012:role/ci");
        names.seen(&named, "aws:AROANEW", at(10), true);
        assert_eq!(of(&names, 9), "aws:arn:aws:iam::123456789012:role/ci", "made later, so not this one");
        names.seen(&named, "aws:AROAOLD", at(7), false);
        for (second, expected) in
            [(3, "aws:AROAOLD"), (9, "aws:AROAOLD"), (10, "aws:AROANEW"), (99, "aws:AROANEW")]
        {
            assert_eq!(of(&names, second), expected, "{second}");
        }
        assert_eq!(names.resolve_before(&Who::Named(named.clone()), at(10)), "aws:AROANEW");
    }
}
