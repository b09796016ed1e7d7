//! Which fingerprints a run surely has not: a Bloom filter in lines of a processor's cache, so that asking costs one of
//! them (Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient Bloom Filters, 2007). Lines are in the order of
//! fingerprints: who makes a filter goes through it once.

use super::fingerprint::Fingerprint;
use crate::error::{StorageError, corrupt};

/// 512 bits.
type Line = [u64; 8];

/// Twelve bits for each fingerprint: one in two hundred that are not there is taken for one that may be.
const MARKS_OF_LINE: u64 = 42;
const PROBES: u32 = 6;
const PROBE_BITS: u32 = 9;
const LINE_BYTES: usize = size_of::<Line>();
/// Lines of a row on disk.
const LINES_OF_ROW: usize = 1024;

pub(super) struct Filter(Vec<Line>);

impl Filter {
    /// With room for so many.
    pub fn with_room(marks: u64) -> Self {
        Self(vec![Line::default(); marks.div_ceil(MARKS_OF_LINE).max(1) as usize])
    }

    fn line_of(&self, fingerprint: Fingerprint) -> usize {
        ((u64::from(fingerprint.upper()) * self.0.len() as u64) >> u32::BITS) as usize
    }

    /// The word of a line and the bit of each probe.
    fn probes(fingerprint: Fingerprint) -> impl Iterator<Item = (usize, u64)> {
        // The golden ratio: what tells the fingerprints of a line apart are their lower bits, and it carries them up.
        let mixed = fingerprint.number().wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (1..=PROBES).map(move |probe| {
            let bit = mixed >> (u64::BITS - PROBE_BITS * probe) & ((1 << PROBE_BITS) - 1);
            ((bit >> 6) as usize, 1 << (bit & 63))
        })
    }

    pub fn add(&mut self, fingerprint: Fingerprint) {
        let line = self.line_of(fingerprint);
        for (word, bit) in Self::probes(fingerprint) {
            self.0[line][word] |= bit;
        }
    }

    /// False only where it was not added.
    pub fn may_have(&self, fingerprint: Fingerprint) -> bool {
        let line = &self.0[self.line_of(fingerprint)];
        // All probes, whatever the first ones say: a processor that need not guess has several lines on their way at a time.
        Self::probes(fingerprint).fold(0, |missing, (word, bit)| missing | bit & !line[word]) == 0
    }

    /// How many rows it takes.
    pub fn rows(&self) -> u32 {
        self.0.len().div_ceil(LINES_OF_ROW) as u32
    }

    /// The row with a fingerprint: those before it do not change any more once all less than it were added.
    pub fn row_of(&self, fingerprint: Fingerprint) -> u32 {
        (self.line_of(fingerprint) / LINES_OF_ROW) as u32
    }

    pub fn row(&self, row: u32) -> Vec<u8> {
        let lines = self.0.iter().skip(row as usize * LINES_OF_ROW).take(LINES_OF_ROW);
        lines.flatten().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// Of its rows, in order.
    pub fn read(marks: u64, rows: impl Iterator<Item = Vec<u8>>) -> Result<Self, StorageError> {
        let lines = marks.div_ceil(MARKS_OF_LINE).max(1);
        let mut read = Vec::new();
        for row in rows {
            let (lines, rest) = row.as_chunks::<LINE_BYTES>();
            if !rest.is_empty() {
                return Err(corrupt("filter of fingerprints: a line is cut short"));
            }
            read.extend(lines.iter().map(|line| {
                let (words, _) = line.as_chunks::<8>();
                let mut numbers = Line::default();
                for (number, word) in numbers.iter_mut().zip(words) {
                    *number = u64::from_be_bytes(*word);
                }
                numbers
            }));
        }
        if read.len() as u64 != lines {
            return Err(corrupt("filter of fingerprints: it is not as long as its run needs"));
        }
        Ok(Self(read))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;

    fn fingerprint(number: u32) -> Fingerprint {
        Fingerprint::of(Sha256::digest(number.to_be_bytes()).into())
    }

    #[test]
    fn what_was_added_may_be_there_and_hardly_anything_else() {
        const ADDED: u32 = 100_000;
        let mut filter = Filter::with_room(u64::from(ADDED));
        (0..ADDED).for_each(|number| filter.add(fingerprint(number)));
        assert!((0..ADDED).all(|number| filter.may_have(fingerprint(number))));
        let mistaken = (ADDED..2 * ADDED).filter(|number| filter.may_have(fingerprint(*number))).count();
        assert!((100..800).contains(&mistaken), "{mistaken} of {ADDED}: about one in two hundred");

        let rows = || (0..filter.rows()).map(|row| filter.row(row));
        assert_eq!(rows().count(), 3);
        let read = Filter::read(u64::from(ADDED), rows()).unwrap();
        assert_eq!(read.0, filter.0);
        assert!(Filter::read(u64::from(ADDED), rows().skip(1)).is_err(), "a row is missing");
        assert!(Filter::read(u64::from(ADDED), rows().map(|row| row[1..].to_vec())).is_err(), "bytes are");
        let empty = Filter::with_room(0);
        assert!(!empty.may_have(fingerprint(0)) && empty.rows() == 1);
    }
}
