//! The places of a block's events by an ordinal, and what identities used.

use std::ops::Range;

use super::NONE;

/// Which ordinals have something, and where in a list it is.
#[derive(Debug, Default)]
struct Keys {
    /// Ascending.
    ordinals: Vec<u32>,
    /// Where what each ordinal has begins; one more at the end.
    starts: Vec<u32>,
    /// A bit for each ordinal from the first key's word on that is a key, where the keys are dense enough for it, and before
    /// each word how many keys come before it.
    words: Vec<(u64, u32)>,
}

/// Places by ordinal.
#[derive(Debug, Default)]
pub struct Groups {
    keys: Keys,
    places: Vec<u32>,
}

/// With what an identity was seen: the class of an event, its resource and its action ([`NONE`]: not given).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// As in [`super::Row`].
    pub class: u8,
    /// Ordinal.
    pub resource: u32,
    /// Ordinal.
    pub action: u32,
}

/// The different uses of each of some identities.
#[derive(Debug, Default)]
pub struct Uses {
    /// The first of them.
    first: u32,
    /// Where those of each begin; one more at the end.
    starts: Box<[u32]>,
    all: Box<[Use]>,
}

/// Ordinals for each key up to which a bit for each ordinal is kept.
const SPARSE: usize = 64;
/// Ordinals for each place up to which they are counted rather than sorted.
const CLOSE: usize = 8;
/// What a key takes at most: itself, where what it has begins, and its words.
pub(super) const KEY_BYTES_MAX: usize = 4 + 4 + size_of::<(u64, u32)>() * SPARSE / 64;

impl Keys {
    /// The next one in ascending order, unless it is the last one again; what it has begins at `start`.
    fn push(&mut self, key: u32, start: usize) {
        if self.ordinals.last() != Some(&key) {
            self.ordinals.push(key);
            self.starts.push(start as u32);
        }
    }

    /// No more come; the list ends at `end`.
    fn close(&mut self, end: usize) {
        self.starts.push(end as u32);
        self.ordinals.shrink_to_fit();
        self.starts.shrink_to_fit();
        let (base, end) = (self.base(), self.ordinals.last().map_or(0, |last| *last as usize / 64 + 1));
        if (end - base) * 64 <= self.ordinals.len() * SPARSE {
            self.words = vec![(0, 0); end - base];
            for key in &self.ordinals {
                self.words[*key as usize / 64 - base].0 |= 1 << (key % 64);
            }
            let mut before = 0;
            for word in &mut self.words {
                word.1 = before;
                before += word.0.count_ones();
            }
        }
    }

    /// The first key's word.
    fn base(&self) -> usize {
        self.ordinals.first().map_or(0, |first| *first as usize / 64)
    }

    /// Where what an ordinal has is.
    fn of(&self, ordinal: u32) -> Range<usize> {
        let key = if self.words.is_empty() {
            self.ordinals.binary_search(&ordinal).ok()
        } else {
            let word = (ordinal as usize / 64).wrapping_sub(self.base());
            self.words.get(word).and_then(|(word, before)| {
                let bit = 1_u64 << (ordinal % 64);
                (word & bit != 0).then(|| (before + (word & (bit - 1)).count_ones()) as usize)
            })
        };
        match key.and_then(|key| Some((self.starts.get(key)?, self.starts.get(key + 1)?))) {
            Some((start, end)) => *start as usize..*end as usize,
            None => 0..0,
        }
    }
}

impl Groups {
    /// Of the ordinals of places 0, 1, ...; the places of one ordinal ascend.
    pub(super) fn of(ordinals: impl Iterator<Item = u32>) -> Self {
        let ordinals: Vec<u32> = ordinals.collect();
        let (mut least, mut most, mut count) = (NONE, 0, 0);
        for ordinal in ordinals.iter().filter(|ordinal| **ordinal != NONE) {
            (least, most, count) = (least.min(*ordinal), most.max(*ordinal), count + 1);
        }
        let mut found = Self { places: vec![0; count], ..Self::default() };
        if count == 0 {
            return found;
        }
        let width = (most - least) as usize + 1;
        if width <= count * CLOSE {
            found.counted(&ordinals, least, width);
        } else {
            found.sorted(&ordinals);
        }
        found.keys.close(count);
        found
    }

    /// Ordinals lie close together in a page: to count them takes a quarter of the time of sorting.
    fn counted(&mut self, ordinals: &[u32], least: u32, width: usize) {
        let mut next = vec![0_u32; width];
        for ordinal in ordinals.iter().filter(|ordinal| **ordinal != NONE) {
            next[(ordinal - least) as usize] += 1;
        }
        let mut start = 0;
        for (next, ordinal) in next.iter_mut().zip(least..).filter(|(next, _)| **next > 0) {
            self.keys.push(ordinal, start as usize);
            start += std::mem::replace(next, start);
        }
        for (place, ordinal) in (0..).zip(ordinals).filter(|(_, ordinal)| **ordinal != NONE) {
            let next = &mut next[(ordinal - least) as usize];
            self.places[*next as usize] = place;
            *next += 1;
        }
    }

    fn sorted(&mut self, ordinals: &[u32]) {
        // Each as one number, ordinal above place: that is sorted in half the time of a pair.
        let each = (0_u64..).zip(ordinals).filter(|(_, ordinal)| **ordinal != NONE);
        let mut sorted: Vec<u64> = each.map(|(place, ordinal)| u64::from(*ordinal) << 32 | place).collect();
        sorted.sort_unstable();
        for (start, both) in sorted.into_iter().enumerate() {
            self.keys.push((both >> 32) as u32, start);
            self.places[start] = both as u32;
        }
    }

    /// The ordinals that have places, ascending.
    pub fn keys(&self) -> &[u32] {
        &self.keys.ordinals
    }

    /// The places of an ordinal.
    pub fn of_key(&self, ordinal: u32) -> &[u32] {
        &self.places[self.keys.of(ordinal)]
    }
}

impl Uses {
    /// Of identities and their uses, in any order; those of others are left out.
    pub fn of(identities: Range<u32>, mut uses: Vec<(u32, Use)>) -> Self {
        uses.retain(|each| identities.contains(&each.0));
        uses.sort_unstable();
        uses.dedup();
        let mut start = 0;
        let starts = identities.clone().chain([identities.end]).map(|identity| {
            start += uses[start..].iter().take_while(|each| each.0 < identity).count();
            start as u32
        });
        let starts = starts.collect();
        Self { first: identities.start, starts, all: uses.iter().map(|each| each.1).collect() }
    }

    /// The same and more, of the same identities.
    #[must_use]
    pub fn and(&self, more: Vec<(u32, Use)>) -> Self {
        let identities = self.first..self.first + (self.starts.len() as u32).saturating_sub(1);
        let more = Self::of(identities.clone(), more);
        let mut starts = Vec::with_capacity(self.starts.len());
        let mut all = Vec::with_capacity(self.all.len() + more.all.len());
        for identity in identities {
            starts.push(all.len() as u32);
            let (old, new) = (self.of_identity(identity), more.of_identity(identity));
            if new.is_empty() {
                all.extend_from_slice(old);
            } else {
                let mut both = [old, new].concat();
                both.sort_unstable();
                both.dedup();
                all.extend(both);
            }
        }
        starts.push(all.len() as u32);
        Self { first: self.first, starts: starts.into(), all: all.into() }
    }

    /// Those of an identity, ascending.
    pub fn of_identity(&self, ordinal: u32) -> &[Use] {
        let place = ordinal.wrapping_sub(self.first) as usize;
        match (self.starts.get(place), self.starts.get(place.wrapping_add(1))) {
            (Some(start), Some(end)) => &self.all[*start as usize..*end as usize],
            _ => &[],
        }
    }

    /// Bytes of memory.
    pub fn weight(&self) -> u64 {
        (size_of::<Self>() + size_of_val(&*self.starts) + size_of_val(&*self.all)) as u64
    }
}

#[cfg(test)]
impl Keys {
    fn bytes(&self) -> usize {
        (self.ordinals.capacity() + self.starts.capacity()) * 4
            + self.words.capacity() * size_of::<(u64, u32)>()
    }
}

#[cfg(test)]
impl Groups {
    pub(super) fn bytes(&self) -> usize {
        self.keys.bytes() + self.places.capacity() * 4
    }
}
