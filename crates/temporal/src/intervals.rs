//! Sets of moments as sorted, disjoint intervals.

use asof_model::{Instant, Interval};

/// Sorted, disjoint, and not even touching: the same moments.
pub fn normalise(mut intervals: Vec<Interval>) -> Vec<Interval> {
    intervals.sort_unstable();
    let mut merged: Vec<Interval> = Vec::with_capacity(intervals.len());
    for each in intervals {
        match merged.last_mut() {
            Some(last) if each.from <= last.to => last.to = last.to.max(each.to),
            _ => merged.push(each),
        }
    }
    merged
}

/// The moments that are in one of two normalised sets and not in the other.
pub fn difference(a: &[Interval], b: &[Interval]) -> Vec<Interval> {
    let mut bounds: Vec<Instant> = a.iter().chain(b).flat_map(|each| [each.from, each.to]).collect();
    bounds.sort_unstable();
    // A bound of both sets changes membership in both: the difference stays as it was.
    let mut odd: Vec<Instant> = Vec::with_capacity(bounds.len());
    for bound in bounds {
        if odd.last() == Some(&bound) {
            odd.pop();
        } else {
            odd.push(bound);
        }
    }
    odd.chunks_exact(2).filter_map(|pair| Interval::new(pair[0], pair[1])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(i64, i64)]) -> Vec<Interval> {
        pairs
            .iter()
            .filter_map(|(a, b)| Interval::new(Instant::from_nanos(*a), Instant::from_nanos(*b)))
            .collect()
    }

    #[test]
    fn touching_intervals_are_one() {
        assert_eq!(normalise(set(&[(5, 7), (1, 3), (3, 4), (6, 9)])), set(&[(1, 4), (5, 9)]));
    }

    #[test]
    fn the_difference_is_symmetric_and_exact() {
        let (a, b) = (set(&[(0, 10), (20, 30)]), set(&[(0, 5), (25, 40)]));
        assert_eq!(difference(&a, &b), set(&[(5, 10), (20, 25), (30, 40)]));
        assert_eq!(difference(&b, &a), difference(&a, &b));
        assert_eq!(difference(&a, &a), vec![]);
        assert_eq!(difference(&[], &a), a);
    }
}
