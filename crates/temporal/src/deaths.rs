//! From when on secrets are dead, for a block of them at a time.

use asof_model::Instant;

use crate::gathered::{Bits, Gathered};

/// For each secret of a block: from when on it is dead for good, while before it never is, and the last record on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deaths {
    each: Box<[(Instant, u64)]>,
    /// Those that ever are.
    when: Gathered,
    /// Places of those of which it is not so simple.
    complex: Box<[u32]>,
    /// The last record on any of the others.
    last: u64,
}

/// Who of a block dies before a moment.
pub struct Dead<'a, W> {
    /// A bit for each place: dead for so long already as was asked for.
    pub long: Bits,
    /// The others, each with when and its place.
    pub later: W,
    /// Places of those of which only timelines tell.
    pub complex: &'a [u32],
}

impl Deaths {
    /// The index of the record where it is not so simple.
    pub const COMPLEX: u64 = u64::MAX;

    /// FOREVER for a secret that never is dead; [`Deaths::COMPLEX`] where only its timeline tells.
    pub fn of(each: Vec<(Instant, u64)>) -> Self {
        let (mut deaths, mut complex, mut last) = (Vec::new(), Vec::new(), 0);
        for ((dies, index), place) in each.iter().zip(0..) {
            if *index == Self::COMPLEX {
                complex.push(place);
                continue;
            }
            last = last.max(*index);
            if *dies < Instant::FOREVER {
                deaths.push((*dies, place));
            }
        }
        Self { each: each.into(), when: Gathered::of(deaths), complex: complex.into(), last }
    }

    /// From when on the secret at a place is dead, FOREVER where it never is, as the first `size` records know it; `None`: only
    /// its timeline tells.
    pub fn of_place(&self, place: u32, size: u64) -> Option<Instant> {
        self.each.get(place as usize).filter(|(_, index)| *index < size).map(|(dies, _)| *dies)
    }

    /// All that are dead before `to`: for long, where this is so of when they die, and so of all who die before them, and the
    /// others. `None` where the first `size` records do not tell as much.
    pub fn before(
        &self,
        to: Instant,
        size: u64,
        is_long: impl Fn(Instant) -> bool,
    ) -> Option<Dead<'_, impl Iterator<Item = (Instant, u32)>>> {
        if self.last >= size {
            return None;
        }
        let all = self.when.count(|dies| dies < to);
        let long = self.when.count(|dies| dies < to && is_long(dies));
        Some(Dead {
            long: self.when.first(long),
            later: self.when.between(long..all),
            complex: &self.complex,
        })
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.each) + size_of_val(&*self.complex) + self.when.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gathered::contains;

    #[test]
    fn all_of_them_say_what_each_says() {
        let at = Instant::from_nanos;
        let rows =
            [(at(5), 9), (Instant::FOREVER, Deaths::COMPLEX), (at(7), 3), (Instant::FOREVER, 4), (at(6), 0)];
        let many: Vec<_> = (0..500).map(|place| (at(place * 7 % 9), place as u64 % 3)).collect();
        let some = [&rows[..0], &rows[..1], &rows[1..2], &rows[..3], &rows[2..], &rows[..]];
        let (mut long, mut later) = (0, 0);
        for rows in some.into_iter().chain([&many[..]]) {
            let deaths = Deaths::of(rows.to_vec());
            for size in [0, 1, 4, 5, 9, 10] {
                for (place, (dies, index)) in (0..).zip(rows) {
                    assert_eq!(deaths.of_place(place, size), (*index < size).then_some(*dies));
                }
                assert_eq!(deaths.of_place(rows.len() as u32, size), None);
                let told = rows.iter().filter(|row| row.1 != Deaths::COMPLEX).all(|row| row.1 < size);
                for (to, since) in (0..10).flat_map(|to| (0..10).map(move |since| (at(to), at(since)))) {
                    let Some(dead) = deaths.before(to, size, |dies| dies <= since) else {
                        assert!(!told || size == 0, "{rows:?} {size}");
                        continue;
                    };
                    assert!(told, "{rows:?} {size}");
                    let within: Vec<(Instant, u32)> = dead.later.collect();
                    for (place, row) in (0..).zip(rows) {
                        let is_long = contains(&dead.long, place);
                        let is_complex = row.1 == Deaths::COMPLEX;
                        assert_eq!(dead.complex.contains(&place), is_complex);
                        assert_eq!(is_long, !is_complex && row.0 < to && row.0 <= since);
                        let is_later = !is_complex && row.0 < to && row.0 > since;
                        assert_eq!(within.contains(&(row.0, place)), is_later, "{row:?} {size}");
                        (long, later) = (long + u32::from(is_long), later + u32::from(is_later));
                    }
                    assert!(within.len() <= rows.len());
                }
            }
        }
        assert!(long > 1_000 && later > 1_000);
    }
}
