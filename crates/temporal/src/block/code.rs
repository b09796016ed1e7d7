//! A block as bytes: version, varint count, then the columns one after another. Times as differences in the coarsest unit
//! that all of them are multiples of; indices as signed differences; classes as bytes; the least identity, and each as
//! what it is beyond that; each optional member as 0 where it is what it was at the identity's event before, else 1 more than the ordinal, 1 more for
//! "not given" as 1. The general compression of whoever stores the bytes does the rest.

use super::{Block, MEMBERS, NONE};
use crate::DecodeError;

const VERSION: u8 = 2;
/// Units of time in nanoseconds, coarsest first: seconds, milliseconds, microseconds.
const UNITS: [i64; 4] = [1_000_000_000, 1_000_000, 1_000, 1];

/// The value last seen of each identity, or of one that shares its place: a guess that writer and reader make alike.
struct Guess {
    last: Vec<u32>,
    shift: u32,
}

impl Guess {
    fn new(count: usize) -> Self {
        let bits = (count.max(1).ilog2() + 1).clamp(4, 16);
        Self { last: vec![NONE; 1 << bits], shift: 32 - bits }
    }

    fn of(&mut self, identity: u32) -> &mut u32 {
        // Fibonacci hashing: the upper bits of a product with 2^32 divided by the golden ratio.
        let place = identity.wrapping_mul(0x9E37_79B9) >> self.shift;
        &mut self.last[place as usize]
    }
}

impl Block {
    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Vec::with_capacity(self.len() * 16 + 64);
        to.push(VERSION);
        varint(&mut to, self.len() as u64);
        let place = UNITS.iter().position(|unit| self.times.iter().all(|time| time % unit == 0)).unwrap_or(3);
        to.push(place as u8);
        let mut before = 0;
        for time in self.times.iter() {
            let time = time / UNITS[place];
            varint(&mut to, time.wrapping_sub(before) as u64);
            before = time;
        }
        let mut before = 0_i64;
        for index in self.indexes.iter() {
            varint(&mut to, zigzag(index.wrapping_sub(before)));
            before = index;
        }
        to.extend(&self.classes);
        let least = self.identities.iter().min().unwrap_or(0);
        varint(&mut to, u64::from(least));
        for identity in self.identities.iter() {
            varint(&mut to, u64::from(identity - least));
        }
        for column in &self.members {
            to.push(u8::from(!column.is_empty()));
            let mut guess = Guess::new(self.len());
            for (identity, ordinal) in self.identities.iter().zip(column.iter()) {
                let last = guess.of(identity);
                if *last == ordinal {
                    to.push(0);
                } else {
                    *last = ordinal;
                    varint(&mut to, if ordinal == NONE { 1 } else { u64::from(ordinal) + 2 });
                }
            }
        }
        to
    }

    /// From bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut from = From(bytes);
        if from.byte()? != VERSION {
            return Err(DecodeError("unknown version of a block"));
        }
        let count = from.varint()?;
        // Each event takes four bytes at least: a count beyond that is a lie, and is not allocated for.
        if count.saturating_mul(4) > bytes.len() as u64 {
            return Err(DecodeError("a block has more events than bytes"));
        }
        let count = count as usize;
        let unit = *UNITS.get(usize::from(from.byte()?)).ok_or(DecodeError("unknown unit of time"))?;
        let mut times = Vec::with_capacity(count);
        let mut time = 0_i64;
        for _ in 0..count {
            time = time.wrapping_add(from.varint()? as i64);
            times.push(time.checked_mul(unit).ok_or(DecodeError("a time is out of range"))?);
        }
        if !times.is_sorted() {
            return Err(DecodeError("the times of a block do not ascend"));
        }
        let (mut index, mut indexes) = (0_i64, Vec::with_capacity(count));
        for _ in 0..count {
            index = index.wrapping_add(unzigzag(from.varint()?));
            indexes.push(index);
        }
        let classes = from.take(count)?.to_vec();
        let least = from.ordinal()?;
        let identity = |beyond: u32| least.checked_add(beyond).ok_or(DecodeError("an ordinal is too large"));
        let identities =
            (0..count).map(|_| from.ordinal().and_then(identity)).collect::<Result<Vec<_>, _>>()?;
        let mut columns: [Vec<u32>; MEMBERS] = Default::default();
        for column in &mut columns {
            if from.byte()? == 0 {
                continue;
            }
            column.reserve_exact(count);
            let mut guess = Guess::new(count);
            for identity in &identities {
                let last = guess.of(*identity);
                match from.varint()? {
                    0 => {}
                    1 => *last = NONE,
                    more => {
                        let ordinal = u32::try_from(more - 2).ok().filter(|ordinal| *ordinal != NONE);
                        *last = ordinal.ok_or(DecodeError("an ordinal is too large"))?;
                    }
                }
                column.push(*last);
            }
        }
        let block = Self::of_columns(times, indexes, classes, identities, columns);
        if from.0.is_empty() { Ok(block) } else { Err(DecodeError("a block has bytes after its end")) }
    }
}

const fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)) as u64
}

const fn unzigzag(number: u64) -> i64 {
    (number >> 1) as i64 ^ -((number & 1) as i64)
}

pub(super) fn varint(to: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        to.push(number as u8 | 0x80);
        number >>= 7;
    }
    to.push(number as u8);
}

/// The bytes that are still to be read.
pub(super) struct From<'a>(pub &'a [u8]);

impl<'a> From<'a> {
    pub fn byte(&mut self) -> Result<u8, DecodeError> {
        let (first, rest) = self.0.split_first().ok_or(DecodeError("a block ends too early"))?;
        self.0 = rest;
        Ok(*first)
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(DecodeError("a block ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        let mut number = u64::from(first & 0x7f);
        for shift in (7..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(DecodeError("a number of a block is too long"))
    }

    pub fn ordinal(&mut self) -> Result<u32, DecodeError> {
        u32::try_from(self.varint()?).map_err(|_| DecodeError("an ordinal is too large"))
    }
}
