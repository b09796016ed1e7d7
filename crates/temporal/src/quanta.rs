//! Time quanta: a window as few whole days and hours, and ragged ends that are shorter than an hour each.

use asof_model::{Instant, Interval};

const HOUR: i64 = 3_600_000_000_000;
const DAY: i64 = 24 * HOUR;

/// How coarse a quantum is. The number is what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Quantum {
    /// 3,600 s from a full hour UTC.
    Hour = 1,
    /// 86,400 s from midnight UTC.
    Day = 2,
}

impl Quantum {
    /// Finest first.
    pub const ALL: [Self; 2] = [Self::Hour, Self::Day];

    /// Nanoseconds.
    pub const fn length(self) -> i64 {
        match self {
            Self::Hour => HOUR,
            Self::Day => DAY,
        }
    }

    /// The start of the quantum that holds the moment.
    pub fn start_of(self, at: Instant) -> Instant {
        Instant::from_nanos(at.nanos() - at.nanos().rem_euclid(self.length()))
    }
}

/// A window cut up: runs of whole quanta as [first start, end of the last), and what is left over.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Slices {
    /// Each run is of one kind of quantum.
    pub runs: Vec<(Quantum, Interval)>,
    /// Each shorter than an hour.
    pub ragged: Vec<Interval>,
}

/// Cuts a window up. What lies outside 1970 to 2262 holds no event and is left out.
pub fn slice(window: Interval) -> Slices {
    let from = window.from.nanos().max(0);
    let to = window.to.nanos();
    let mut slices = Slices::default();
    if to <= from {
        return slices;
    }
    let interval = |a: i64, b: i64| Interval::new(Instant::from_nanos(a), Instant::from_nanos(b));
    let up = |at: i64, unit: i64| at.checked_add(unit - 1).map_or(i64::MAX, |sum| sum - sum % unit);
    let (hours_from, hours_to) = (up(from, HOUR), to - to.rem_euclid(HOUR));
    if hours_from >= hours_to {
        slices.ragged.extend(interval(from, to));
        return slices;
    }
    let (days_from, days_to) = (up(from, DAY), to - to.rem_euclid(DAY));
    if days_from < days_to {
        slices.runs.extend(interval(hours_from, days_from).map(|run| (Quantum::Hour, run)));
        slices.runs.extend(interval(days_from, days_to).map(|run| (Quantum::Day, run)));
        slices.runs.extend(interval(days_to, hours_to).map(|run| (Quantum::Hour, run)));
    } else {
        slices.runs.extend(interval(hours_from, hours_to).map(|run| (Quantum::Hour, run)));
    }
    slices.ragged.extend(interval(from, hours_from));
    slices.ragged.extend(interval(hours_to, to));
    slices
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_cover_the_window_once() {
        let at = Instant::from_nanos;
        for (from, to) in [
            (0, 1),
            (5, HOUR),
            (0, HOUR),
            (HOUR - 1, HOUR + 1),
            (HOUR + 1, 3 * HOUR),
            (DAY - HOUR, 2 * DAY + HOUR),
            (17, 5 * DAY + 13),
            (i64::MIN, 3 * DAY),
            (4 * DAY, i64::MAX),
            (i64::MAX - 5, i64::MAX),
            (i64::MAX - DAY, i64::MAX),
        ] {
            let window = Interval::new(at(from), at(to)).unwrap_or(Interval::ALWAYS);
            let slices = slice(window);
            let mut parts: Vec<Interval> = slices.runs.iter().map(|run| run.1).collect();
            parts.extend(&slices.ragged);
            parts.sort_unstable();
            assert_eq!(parts.first().map(|part| part.from), Some(at(from.max(0))), "{from} {to}");
            assert_eq!(parts.last().map(|part| part.to), Some(at(to)));
            assert!(parts.windows(2).all(|pair| pair[0].to == pair[1].from), "{parts:?}");
            for (quantum, run) in slices.runs {
                assert_eq!(quantum.start_of(run.from), run.from);
                assert_eq!(quantum.start_of(run.to), run.to);
            }
            assert!(slices.ragged.iter().all(|part| part.to.nanos() - part.from.nanos() < 2 * HOUR));
        }
    }
}
