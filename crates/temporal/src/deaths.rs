//! From when on secrets are dead, for a block of them at a time.

use asof_model::Instant;

/// For each secret of a block: from when on it is dead for good, while before it never is, and the ledger size
/// from which on this is known: 0 where there is no record on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deaths {
    each: Box<[(Instant, u64)]>,
    /// The greatest of these sizes.
    last: u64,
}

impl Deaths {
    /// The size where it is not so simple.
    pub const COMPLEX: u64 = u64::MAX;

    /// FOREVER for a secret that never is dead; [`Deaths::COMPLEX`] where only its timeline tells.
    pub fn of(each: Vec<(Instant, u64)>) -> Self {
        let last = each.iter().map(|(_, size)| *size).max().unwrap_or(0);
        Self { each: each.into(), last }
    }

    /// From when on the secret at a place is dead, FOREVER where it never is, as the first `size` records know it; `None`: only
    /// its timeline tells.
    #[inline]
    pub fn of_place(&self, place: u32, size: u64) -> Option<Instant> {
        self.each.get(place as usize).filter(|(_, from)| *from <= size).map(|(dies, _)| *dies)
    }

    /// Places of secrets of which some record has this index or a greater one, or of which only timelines tell.
    pub fn since(&self, index: u64) -> impl Iterator<Item = u32> {
        let each = if self.last <= index { &[] } else { &*self.each };
        (0..).zip(each).filter(move |(_, (_, from))| index < *from).map(|(place, _)| place)
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.each)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_of_from_its_size_on_and_changed_before_it() {
        let at = Instant::from_nanos;
        let rows = [(at(5), 9), (Instant::FOREVER, Deaths::COMPLEX), (at(7), 3), (Instant::FOREVER, 0)];
        for rows in [&rows[..0], &rows[..1], &rows[1..2], &rows[2..], &rows[..]] {
            let deaths = Deaths::of(rows.to_vec());
            for size in [0, 1, 3, 4, 9, 10, u64::MAX - 1] {
                for (place, (dies, from)) in (0..).zip(rows) {
                    assert_eq!(deaths.of_place(place, size), (*from <= size).then_some(*dies));
                }
                assert_eq!(deaths.of_place(rows.len() as u32, size), None);
                let told = (0..rows.len() as u32).filter(|place| deaths.of_place(*place, size).is_none());
                assert!(deaths.since(size).eq(told), "{rows:?} {size}");
            }
        }
    }
}
