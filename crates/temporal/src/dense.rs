//! Sets that are gathered without order.

use roaring::RoaringBitmap;

/// A bit for each ordinal up to the greatest: for sets that hold a good part of them.
#[derive(Debug, Default)]
pub struct Dense(Vec<u64>);

impl Dense {
    /// None.
    pub const EMPTY: Self = Self(Vec::new());
    /// Of all ordinals.
    const WORDS_MAX: usize = 1 << 26;
    /// As many as share their upper half, which a bitmap keeps together.
    const WORDS_TOGETHER: usize = 1 << 10;

    /// Adds one. False: it is one of them.
    #[inline]
    pub fn insert(&mut self, ordinal: u32) -> bool {
        let place = ordinal as usize / 64;
        if place >= self.0.len() {
            self.0.resize((place + 1 + place / 2).min(Self::WORDS_MAX), 0);
        }
        let (word, bit) = (&mut self.0[place], 1 << (ordinal % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// The same as a set.
    pub fn of(set: &RoaringBitmap) -> Self {
        /// One by one takes many times as long.
        const AT_ONCE: usize = 256;
        let (mut dense, mut left, mut some) = (Self::default(), set.iter(), [0; AT_ONCE]);
        loop {
            let some = left.next_many(&mut some);
            if some.is_empty() {
                return dense;
            }
            for one in some {
                dense.insert(*one);
            }
        }
    }

    /// Whether it is one of them.
    #[inline]
    pub fn contains(&self, ordinal: u32) -> bool {
        self.0.get(ordinal as usize / 64).is_some_and(|word| word >> (ordinal % 64) & 1 == 1)
    }

    /// Adds those whose bits are set, of ordinals from the first of a word on.
    pub fn add(&mut self, first: u32, words: &[u64]) {
        let start = first as usize / 64;
        let end = start + words.len();
        if end > self.0.len() {
            self.0.resize((end + end / 2).min(Self::WORDS_MAX), 0);
        }
        for (own, more) in self.0[start..end].iter_mut().zip(words) {
            *own |= more;
        }
    }

    /// Adds one, or takes it away where it is one of them.
    #[inline]
    pub fn toggle(&mut self, ordinal: u32) {
        let place = ordinal as usize / 64;
        if place >= self.0.len() {
            self.0.resize((place + 1 + place / 2).min(Self::WORDS_MAX), 0);
        }
        self.0[place] ^= 1 << (ordinal % 64);
    }

    /// Those of a set that are among them.
    pub fn among(&self, set: &RoaringBitmap) -> RoaringBitmap {
        /// So many are looked up in the time that it takes to make a set of all.
        const FEW: u64 = 1 << 11;
        if set.len() > FEW {
            return self.set() & set;
        }
        set.iter().filter(|ordinal| self.contains(*ordinal)).collect()
    }

    /// All of them.
    pub fn set(&self) -> RoaringBitmap {
        let mut found = RoaringBitmap::new();
        for (upper, words) in (0_u32..).zip(self.0.chunks(Self::WORDS_TOGETHER)) {
            let mut bytes = Vec::with_capacity(words.len() * 8);
            for word in words {
                bytes.extend_from_slice(&word.to_le_bytes());
            }
            found |= RoaringBitmap::from_lsb0_bytes(upper << 16, &bytes);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_added_is_in_the_set() {
        assert!(Dense::default().set().is_empty());
        let ordinals = [7, 70_000, 0, 65_536, 63, 64, 7, 1 << 20, 65_535];
        let mut dense = Dense::default();
        for (place, one) in ordinals.into_iter().enumerate() {
            assert_eq!(dense.insert(one), place != 6, "{one}");
        }
        let set: RoaringBitmap = ordinals.into_iter().collect();
        assert_eq!(dense.set(), set);
        assert_eq!(Dense::of(&set).set(), set);
        for one in (0..70_100).chain([1 << 20, u32::MAX]) {
            assert_eq!(dense.contains(one), set.contains(one), "{one}");
        }
        for size in [100, 70_000] {
            let some: RoaringBitmap = (0..size).collect();
            assert_eq!(dense.among(&some), &set & &some);
        }
        dense.add(128, &[u64::MAX; 65_536 / 64 - 1]);
        for one in [200, 3 << 20, 5 << 20, 3 << 20] {
            dense.toggle(one);
        }
        let filled = (128..=65_535 + 64).filter(|one| *one != 200);
        assert_eq!(dense.set(), ordinals.into_iter().chain(filled).chain([5 << 20]).collect());
    }
}
