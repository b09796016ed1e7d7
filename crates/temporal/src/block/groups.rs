//! The places of a block's events by an ordinal.

use super::NONE;

/// Places by ordinal.
#[derive(Debug, Default)]
pub struct Groups {
    /// Ascending.
    keys: Vec<u32>,
    /// Where the places of each key begin; one more at the end.
    starts: Vec<u32>,
    places: Vec<u32>,
    /// A bit for each ordinal that is a key, where the keys are dense enough for it, and before each word how many keys
    /// come before it.
    words: Vec<(u64, u32)>,
}

/// Ordinals for each key up to which a bit for each ordinal is kept.
const SPARSE: usize = 64;

impl Groups {
    /// Of the ordinals of places 0, 1, ...; within one ordinal by rank, then place.
    pub(super) fn of(ordinals: impl Iterator<Item = u32>, rank: impl Fn(usize) -> u8) -> Self {
        let mut sorted: Vec<(u32, u8, u32)> = ordinals
            .enumerate()
            .filter(|(_, ordinal)| *ordinal != NONE)
            .map(|(place, ordinal)| (ordinal, rank(place), place as u32))
            .collect();
        sorted.sort_unstable();
        let mut found = Self::default();
        found.places.reserve_exact(sorted.len());
        for (ordinal, _, place) in sorted {
            if found.keys.last() != Some(&ordinal) {
                found.keys.push(ordinal);
                found.starts.push(found.places.len() as u32);
            }
            found.places.push(place);
        }
        found.starts.push(found.places.len() as u32);
        let end = found.keys.last().map_or(0, |last| *last as usize + 1);
        if end <= found.keys.len() * SPARSE {
            found.words = vec![(0, 0); end.div_ceil(64)];
            for key in &found.keys {
                found.words[*key as usize / 64].0 |= 1 << (key % 64);
            }
            let mut before = 0;
            for word in &mut found.words {
                word.1 = before;
                before += word.0.count_ones();
            }
        }
        found
    }

    /// The ordinals that have places, ascending.
    pub fn keys(&self) -> &[u32] {
        &self.keys
    }

    /// The places of an ordinal.
    pub fn of_key(&self, ordinal: u32) -> &[u32] {
        let key = if self.words.is_empty() {
            self.keys.binary_search(&ordinal).ok()
        } else {
            self.words.get(ordinal as usize / 64).and_then(|(word, before)| {
                let bit = 1_u64 << (ordinal % 64);
                (word & bit != 0).then(|| (before + (word & (bit - 1)).count_ones()) as usize)
            })
        };
        key.map_or(&[], |key| self.at(key))
    }

    /// The places of the key at this place among [`Groups::keys`].
    fn at(&self, key: usize) -> &[u32] {
        match (self.starts.get(key), self.starts.get(key + 1)) {
            (Some(start), Some(end)) => &self.places[*start as usize..*end as usize],
            _ => &[],
        }
    }
}
