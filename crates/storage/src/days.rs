//! What is made of all events of some days, for questions about many days: it is made once, and stays right whatever comes
//! after it.

use std::hash::Hash;
use std::ops::Range;
use std::sync::Arc;

use asof_model::Interval;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::error::{StorageError, corrupt};
use crate::parts::{LOOKS_MAX, Part};
use crate::store::Store;
use crate::views::interval_of;

/// Days that are summed up together: the first of them is a multiple of it.
const TOGETHER: u32 = 8;
/// What is beyond a sum may be so much of it, as a divisor, before it is added.
const BEYOND_MAX: u64 = 32;

/// What is made of all events of some days up to a ledger index. Of any K beyond that, it is a part.
#[derive(Debug)]
pub(crate) struct Sum<T> {
    /// The greatest ledger index of these events; none are there: `None`.
    pub last: Option<u64>,
    pub of: T,
}

/// Days of an interval.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stretch {
    /// All of these lie in it, and events hardly come to them any more.
    Whole(Range<u32>),
    /// It may cut this one, or more comes to it.
    Day(u32),
}

impl<T> Sum<T> {
    /// All of it is among the first `size` records.
    pub fn is_known(&self, size: u64) -> bool {
        self.last.is_none_or(|last| last < size)
    }

    /// The part has events that are not in it.
    pub fn lacks(&self, part: &Part) -> bool {
        self.last.is_none_or(|last| last < part.id.last)
    }
}

/// Days with events, ascending, as stretches of an interval; the newest day of all, and the one before it, are still being added to.
pub(crate) fn stretches(days: &[u32], newest: u32, during: Interval) -> Vec<Stretch> {
    let holds = |days: &Range<u32>| {
        during.from <= interval_of(days.start).from
            && interval_of(days.end.saturating_sub(1)).to <= during.to
            && days.end < newest
    };
    let mut found = Vec::new();
    for day in days {
        if matches!(found.last(), Some(Stretch::Whole(last)) if last.contains(day)) {
            continue;
        }
        let start = day / TOGETHER * TOGETHER;
        let wider = start..start.saturating_add(TOGETHER);
        let alone = *day..day.saturating_add(1);
        found.push(match [wider, alone].into_iter().find(holds) {
            Some(whole) => Stretch::Whole(whole),
            None => Stretch::Day(*day),
        });
    }
    found
}

impl Store {
    /// The stretches of an interval, in order.
    pub(crate) fn stretches(&self, during: Interval) -> Vec<Stretch> {
        let newest = self.parts.directory().last_key_value().map_or(0, |(day, _)| *day);
        stretches(&self.days(during.from, during.to), newest, during)
    }

    /// Those of some days on which there are events.
    pub(crate) fn days_of(&self, days: &Range<u32>) -> Vec<u32> {
        self.parts.directory().range(days.clone()).map(|(day, _)| *day).collect()
    }

    /// Sums up some days: `add` says no where a part is gone.
    pub(crate) fn sum_up<T: Default>(
        &self,
        days: &Range<u32>,
        mut add: impl FnMut(&Part, &mut T) -> Result<bool, StorageError>,
    ) -> Result<Sum<T>, StorageError> {
        'looks: for _ in 0..LOOKS_MAX {
            // One list for all of them: up to its last index, nothing is left out.
            let directory = self.parts.directory();
            let mut sum = Sum { last: None, of: T::default() };
            for part in directory.range(days.clone()).flat_map(|(_, parts)| parts.iter()) {
                if !add(part, &mut sum.of)? {
                    continue 'looks;
                }
                sum.last = sum.last.max(Some(part.id.last));
            }
            return Ok(sum);
        }
        Err(corrupt(format!("a part of the events of days {days:?} is listed and missing")))
    }

    /// The sum of some days, with events up to a last one, that a cache keeps: after more came than it may lack it is summed up anew, of
    /// the parts that it lacks alone. `join` adds what it had.
    pub(crate) fn kept_sum<K: Eq + Hash, T: Default, W: Weighter<K, Arc<Sum<T>>> + Clone>(
        &self,
        cache: &Cache<K, Arc<Sum<T>>, W>,
        key: K,
        (days, last): (&Range<u32>, Option<u64>),
        mut add: impl FnMut(&Part, &mut T) -> Result<bool, StorageError>,
        join: impl FnOnce(&mut T, &T),
    ) -> Result<Arc<Sum<T>>, StorageError> {
        let before = cache.get(&key);
        let is_kept = |sum: &&Arc<Sum<T>>| sum.last >= last || !self.extent(days).is_outdated(sum);
        if let Some(sum) = before.as_ref().filter(is_kept) {
            return Ok(Arc::clone(sum));
        }
        let mut sum = self.sum_up(days, |part, of| {
            // What was summed up stays so.
            let is_in = before.as_ref().is_some_and(|before| !before.lacks(part));
            Ok(is_in || add(part, of)?)
        })?;
        if let Some(before) = before {
            join(&mut sum.of, &before.of);
        }
        let sum = Arc::new(sum);
        cache.insert(key, Arc::clone(&sum));
        Ok(sum)
    }

    /// The greatest ledger index of the events of some days.
    pub(crate) fn last_of(&self, days: &Range<u32>) -> Option<u64> {
        let directory = self.parts.directory();
        directory.range(days.clone()).flat_map(|(_, parts)| parts.iter()).map(|part| part.id.last).max()
    }

    /// How much there is on some days.
    pub(crate) fn extent(&self, days: &Range<u32>) -> Extent {
        let directory = self.parts.directory();
        let parts = directory.range(days.clone()).flat_map(|(_, parts)| parts.iter());
        Extent::of(parts.map(|part| (part.id.last, u64::from(part.events))))
    }
}

/// How much there is on some days: for many sums of them.
pub(crate) struct Extent {
    /// Of each part, in order, the greatest ledger index, and the events of it and of all after it.
    from: Vec<(u64, u64)>,
    all: u64,
}

impl Extent {
    /// Of the greatest ledger index and the events of each part, in any order.
    fn of(parts: impl Iterator<Item = (u64, u64)>) -> Self {
        let mut from: Vec<(u64, u64)> = parts.collect();
        from.sort_unstable();
        let mut all = 0;
        for (_, events) in from.iter_mut().rev() {
            all += *events;
            *events = all;
        }
        Self { from, all }
    }

    /// The greatest ledger index of the events.
    pub(crate) fn last(&self) -> Option<u64> {
        self.from.last().map(|part| part.0)
    }

    /// So much is not in a sum that it had better be added.
    pub(crate) fn is_outdated<T>(&self, sum: &Sum<T>) -> bool {
        let in_it = self.from.partition_point(|part| sum.last.is_some_and(|last| part.0 <= last));
        self.from.get(in_it).is_some_and(|part| part.1 > self.all / BEYOND_MAX)
    }
}

#[cfg(test)]
mod tests {
    use asof_model::Instant;

    use super::*;

    #[test]
    fn days_are_taken_together_where_all_of_them_lie_inside() {
        let days: Vec<u32> = (0..40).filter(|day| *day != 9).collect();
        let instant = |day: u32, more: i64| Instant::from_nanos(interval_of(day).from.nanos() + more);
        let of = |from: Instant, to: Instant, newest: u32| {
            let inside: Vec<u32> = (days.iter().copied())
                .filter(|day| interval_of(*day).overlaps(Interval { from, to }) && *day <= newest)
                .collect();
            stretches(&inside, newest, Interval { from, to })
        };
        let (whole, day) = (|days: Range<u32>| Stretch::Whole(days), Stretch::Day);
        assert_eq!(of(instant(8, 0), instant(16, 0), 39), [whole(8..16)]);
        assert_eq!(
            of(instant(7, 0), instant(24, 0), 39),
            [whole(7..8), whole(8..16), whole(16..24)],
            "one day before them"
        );
        assert_eq!(
            of(instant(13, 1), instant(16, 1), 39),
            [day(13), whole(14..15), whole(15..16), day(16)],
            "both ends are cut"
        );
        assert_eq!(
            of(instant(8, 1), instant(12, 0), 39),
            [day(8), whole(10..11), whole(11..12)],
            "a day without events"
        );
        assert_eq!(
            of(instant(36, 0), instant(60, 0), 39),
            [whole(36..37), whole(37..38), day(38), day(39)],
            "the newest ones"
        );
        assert_eq!(of(instant(32, 0), instant(60, 0), 39).len(), 8);
        assert_eq!(
            of(instant(8, 0), instant(16, 0), 16),
            (8..15).filter(|d| *d != 9).map(|d| whole(d..d + 1)).chain([day(15)]).collect::<Vec<_>>()
        );
        assert!(of(instant(9, 0), instant(10, 0), 39).is_empty());
    }

    #[test]
    fn a_sum_is_outdated_by_what_all_parts_have_beyond_it() {
        let (mut outdated, mut kept) = (0, 0);
        for parts in [
            vec![],
            vec![(8_999, 500)],
            vec![(300, 1_000), (70, 400), (250, 50), (300, 300)],
            vec![(8_100, 9_000), (40, 100_000)],
            vec![(8_100, 1_000), (40, 31_000)],
            vec![(8_100, 1_001), (40, 31_000)],
            (0..40).map(|part| (part * 37 % 40 * 100, part)).collect(),
            (0..40).map(|part| (part, 9_000 >> (part / 4))).collect(),
        ] {
            let extent = Extent::of(parts.iter().copied());
            let newest = parts.iter().map(|part| part.0).max();
            assert_eq!(extent.last(), newest);
            for last in (0..4_000).step_by(23).map(Some).chain([None, Some(70), Some(300), newest]) {
                let events = |is_so: &dyn Fn(u64) -> bool| {
                    parts.iter().filter(|part| is_so(part.0)).map(|part| part.1).sum::<u64>()
                };
                let beyond = events(&|part| last.is_none_or(|last| last < part));
                let wanted = beyond > events(&|_| true) / 32;
                assert_eq!(extent.is_outdated(&Sum { last, of: () }), wanted, "{parts:?} {last:?}");
                *if wanted { &mut outdated } else { &mut kept } += 1;
            }
        }
        assert!(outdated > 100 && kept > 100, "{outdated} {kept}");
    }
}
