//! From when on secrets are dead, for a block of them at a time.

use asof_model::Instant;

/// From when on, and the place of the secret in its block.
type Death = (Instant, u32);

/// For each secret of a block: from when on it is dead for good, while before it never is, and the last record on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deaths {
    each: Box<[(Instant, u64)]>,
    /// Those that ever are, the latest first.
    latest: Box<[Death]>,
    /// Places of those of which it is not so simple.
    complex: Box<[u32]>,
    /// The last record on any of the others.
    last: u64,
}

impl Deaths {
    /// The index of the record where it is not so simple.
    pub const COMPLEX: u64 = u64::MAX;

    /// FOREVER for a secret that never is dead; [`Deaths::COMPLEX`] where only its timeline tells.
    pub fn of(each: Vec<(Instant, u64)>) -> Self {
        let (mut latest, mut complex, mut last) = (Vec::new(), Vec::new(), 0);
        for ((dies, index), place) in each.iter().zip(0..) {
            if *index == Self::COMPLEX {
                complex.push(place);
                continue;
            }
            last = last.max(*index);
            if *dies < Instant::FOREVER {
                latest.push((*dies, place));
            }
        }
        latest.sort_unstable_by(|one: &Death, other| other.cmp(one));
        Self { each: each.into(), latest: latest.into(), complex: complex.into(), last }
    }

    /// From when on the secret at a place is dead, FOREVER where it never is, as the first `size` records know it; `None`: only
    /// its timeline tells.
    pub fn of_place(&self, place: u32, size: u64) -> Option<Instant> {
        self.each.get(place as usize).filter(|(_, index)| *index < size).map(|(dies, _)| *dies)
    }

    /// All that ever are dead, the latest first, each with its place; and the places of those of which only timelines tell.
    /// `None` where the first `size` records do not tell as much.
    pub fn all(&self, size: u64) -> Option<(&[Death], &[u32])> {
        (self.last < size).then_some((&*self.latest, &*self.complex))
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + size_of_val(&*self.each)
            + size_of_val(&*self.latest)
            + size_of_val(&*self.complex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_them_say_what_each_says() {
        let at = Instant::from_nanos;
        let rows =
            [(at(5), 9), (Instant::FOREVER, Deaths::COMPLEX), (at(7), 3), (Instant::FOREVER, 4), (at(6), 0)];
        for rows in [&rows[..0], &rows[..1], &rows[1..2], &rows[..3], &rows[2..], &rows[..]] {
            let deaths = Deaths::of(rows.to_vec());
            for size in [0, 1, 4, 5, 9, 10] {
                let of = |place: u32| deaths.of_place(place, size);
                for (place, (dies, index)) in (0..).zip(rows) {
                    assert_eq!(of(place), (*index < size).then_some(*dies));
                }
                assert_eq!(of(rows.len() as u32), None);
                let told = rows.iter().filter(|row| row.1 != Deaths::COMPLEX).all(|row| row.1 < size);
                let Some((latest, complex)) = deaths.all(size) else {
                    assert!(!told || size == 0, "{rows:?} {size}");
                    continue;
                };
                assert!(told && latest.is_sorted_by(|one, other| one.0 >= other.0), "{rows:?} {size}");
                for (place, row) in (0..).zip(rows) {
                    let dies =
                        latest.iter().find(|each| each.1 == place).map_or(Instant::FOREVER, |each| each.0);
                    let expected = if complex.contains(&place) { None } else { Some(dies) };
                    assert_eq!(of(place), expected, "{row:?} {size}");
                }
            }
        }
    }
}
