//! Since when nodes are stated, for a block of them at a time.

use asof_model::Instant;

/// From when on, and the index of the record from which on it is known.
type Since = (Instant, u64);

/// For each node of a block: from when on its state is a value, unless some statement on it is no PUT, and the last of the
/// records that say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    each: Box<[Since]>,
    /// From when on, and from which record on, it is so of all of them but those of which it never is.
    all: Since,
    never: Box<[u32]>,
}

impl Stated {
    /// FOREVER for a node that never is.
    pub fn of(each: Vec<Since>) -> Self {
        let ever = each.iter().filter(|one| one.0 < Instant::FOREVER);
        let all = ever.fold((Instant::BEGINNING, 0), |all, one| (all.0.max(one.0), all.1.max(one.1)));
        let never = (0..).zip(&each).filter(|(_, one)| one.0 == Instant::FOREVER).map(|(place, _)| place);
        Self { never: never.collect(), all, each: each.into() }
    }

    /// Whether the node at a place of the block is stated at a moment, as the first `size` records know it.
    pub fn holds(&self, place: u32, at: Instant, size: u64) -> bool {
        self.each.get(place as usize).is_some_and(|each| holds(each, at, size))
    }

    /// The places, ascending, of those that are not, where all others are; `None`: of some others it is not known.
    pub fn all_but(&self, at: Instant, size: u64) -> Option<&[u32]> {
        holds(&self.all, at, size).then_some(&self.never)
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.each) + size_of_val(&*self.never)
    }
}

fn holds((since, index): &Since, at: Instant, size: u64) -> bool {
    *since <= at && *index < size
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_some_hold_where_each_other_does() {
        let at = Instant::from_nanos;
        let rows = [(at(5), 9), (Instant::FOREVER, u64::MAX), (at(7), 3), (at(7), 4), (Instant::FOREVER, 2)];
        for rows in [&rows[..0], &rows[..1], &rows[..2], &rows[..4], &rows[2..4], &rows[1..2], &rows[..]] {
            let stated = Stated::of(rows.to_vec());
            for t in [Instant::BEGINNING, at(4), at(5), at(6), at(7), at(8)] {
                for size in [0, 3, 4, 5, 9, 10, u64::MAX] {
                    let each = |place: &u32| rows[*place as usize].0 <= t && rows[*place as usize].1 < size;
                    let places = 0..rows.len() as u32;
                    for place in places.clone() {
                        assert_eq!(stated.holds(place, t, size), each(&place));
                    }
                    assert!(!stated.holds(rows.len() as u32, t, size));
                    let (never, ever): (Vec<u32>, Vec<u32>) =
                        places.partition(|place| rows[*place as usize].0 == Instant::FOREVER);
                    let wanted = (size > 0 && ever.iter().all(each)).then_some(&*never);
                    assert_eq!(stated.all_but(t, size), wanted, "{rows:?} {t} {size}");
                }
            }
        }
    }
}
