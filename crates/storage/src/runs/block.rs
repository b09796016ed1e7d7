//! A block of a run: marks in order, as their differences.
//!
//! Varint count, the first fingerprint, the width of gaps and that of places in bytes (u8 each), then the gap of each
//! fingerprint but the first to the one before, then the place of each: what its ledger index is beyond the run's first.

use super::fingerprint::{Fingerprint, Mark};
use crate::codec::{Decoder, Encoder};
use crate::error::StorageError;

const WIDTH_MAX: usize = size_of::<u64>();

/// The bytes that hold numbers as large as this one.
fn width_of(greatest: u64) -> usize {
    WIDTH_MAX - greatest.leading_zeros() as usize / 8
}

fn put(number: u64, width: usize, to: &mut Vec<u8>) {
    to.extend_from_slice(&number.to_be_bytes()[WIDTH_MAX - width..]);
}

/// So many numbers of so many bytes each: the width is known where they are read, which takes a third of the time.
fn column(width: usize, count: usize, from: &mut Decoder<'_>) -> Result<Vec<u64>, StorageError> {
    fn wide<const WIDTH: usize>(bytes: &[u8]) -> Vec<u64> {
        let (numbers, _) = bytes.as_chunks::<WIDTH>();
        numbers
            .iter()
            .map(|bytes| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
            .collect()
    }
    let bytes = count.checked_mul(width).ok_or_else(|| from.wrong("a count is too large"))?;
    let bytes = from.take(bytes)?;
    Ok(match width {
        0 => vec![0; count],
        1 => wide::<1>(bytes),
        2 => wide::<2>(bytes),
        3 => wide::<3>(bytes),
        4 => wide::<4>(bytes),
        5 => wide::<5>(bytes),
        6 => wide::<6>(bytes),
        7 => wide::<7>(bytes),
        WIDTH_MAX => wide::<WIDTH_MAX>(bytes),
        _ => return Err(from.wrong("numbers are too wide")),
    })
}

/// Of marks in order, one at least, of a run with this first index.
pub(super) fn encode(marks: &[Mark], first_index: u64) -> Vec<u8> {
    let gaps = || marks.windows(2).map(|pair| pair[1].0.number() - pair[0].0.number());
    let places = || marks.iter().map(|mark| mark.1 - first_index);
    let (gap, place) = (width_of(gaps().max().unwrap_or(0)), width_of(places().max().unwrap_or(0)));
    let mut value = Encoder(Vec::with_capacity(16 + marks.len() * (gap + place)));
    value.varint(marks.len() as u64);
    value.0.extend(marks.first().map(|mark| mark.0.to_bytes()).unwrap_or_default());
    value.byte(gap as u8);
    value.byte(place as u8);
    gaps().for_each(|number| put(number, gap, &mut value.0));
    places().for_each(|number| put(number, place, &mut value.0));
    value.0
}

pub(super) fn decode(bytes: &[u8], first_index: u64) -> Result<Vec<Mark>, StorageError> {
    let mut from = Decoder::new("block of fingerprints", bytes);
    // Of marks that are all one, nothing is left but their number: it is not believed beyond what a block may have.
    let count = usize::try_from(from.varint()?).ok().filter(|count| (1..=COUNT_MAX).contains(count));
    let count = count.ok_or_else(|| from.wrong("a count is out of range"))?;
    let mut fingerprint = Fingerprint::read(&mut from)?;
    let [gap, place] = [from.byte()?, from.byte()?].map(usize::from);
    let gaps = column(gap, count - 1, &mut from)?;
    let places = column(place, count, &mut from)?;
    from.end()?;
    let mut marks: Vec<Mark> = Vec::with_capacity(count);
    for (gap, place) in std::iter::once(0).chain(gaps).zip(places) {
        fingerprint = fingerprint.checked_add(gap).ok_or_else(|| from.wrong("a fingerprint is too large"))?;
        let index = first_index.checked_add(place).ok_or_else(|| from.wrong("an index is too large"))?;
        let mark = (fingerprint, index);
        if marks.last().is_some_and(|last| *last >= mark) {
            return Err(from.wrong("marks are out of order"));
        }
        marks.push(mark);
    }
    Ok(marks)
}

/// More than any block has.
const COUNT_MAX: usize = 1 << 20;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn mark(fingerprint: u64, index: u64) -> Mark {
        (Fingerprint::from_bytes(fingerprint.to_be_bytes()[2..].try_into().unwrap()), index)
    }

    #[test]
    fn marks_are_read_back() {
        let greatest = (1 << 48) - 1;
        let cases: [&[Mark]; 5] = [
            &[mark(7, 40)],
            &[mark(0, 40), mark(greatest, 40)],
            &[mark(9, 41), mark(9, 300), mark(9, 1 << 40)],
            &[mark(1, 40), mark(2, u64::MAX), mark(256, 50), mark(65_537, 40)],
            &[mark(greatest, 40), mark(greatest, 41)],
        ];
        for marks in cases {
            assert_eq!(decode(&encode(marks, 40), 40).unwrap(), marks);
        }
        let many: Vec<Mark> = (0..512).map(|n| mark(n * n * 1000, 40 + n * 7919 % 512)).collect();
        let bytes = encode(&many, 40);
        assert_eq!(decode(&bytes, 40).unwrap(), many);
        assert_eq!(bytes.len(), 2 + 6 + 2 + 511 * 3 + 512 * 2, "gaps of three bytes, places of two");
    }

    #[test]
    fn what_is_no_block_is_refused() {
        let good = encode(&[mark(5, 1), mark(6, 0), mark(6, 3)], 0);
        assert!(decode(&good, 0).is_ok());
        for cut in 0..good.len() {
            assert!(decode(&good[..cut], 0).is_err());
        }
        assert!(decode(&[good.as_slice(), &[0]].concat(), 0).is_err(), "more than it says");
        assert!(decode(&good, u64::MAX - 2).is_err(), "beyond the last index");
        assert!(decode(&[0, 0, 0, 0, 0, 0, 5, 0, 0], 0).is_err(), "no marks");
        assert!(decode(&[2, 0, 0, 0, 0, 0, 5, 0, 0], 0).is_err(), "one mark twice");
        let mut endless = Encoder::default();
        endless.varint(u64::MAX);
        endless.0.extend([0; 8]);
        assert!(decode(&endless.0, 0).is_err(), "no end of marks");
        assert!(decode(&[2, 255, 255, 255, 255, 255, 255, 1, 1, 1, 1, 1], 0).is_err(), "beyond 48 bits");
        assert!(
            decode(&[2, 0, 0, 0, 0, 0, 5, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1], 0).is_err(),
            "too wide"
        );
    }
}
