//! A segment of a temporal bitmap: which ordinals are members over a stretch of valid time. The bitmap at the segment's
//! start, and after it the moments at which single ordinals come or go, in order.
//!
//! A change is a flip: what was a member is none from then on, and the other way round. So a correction over a stretch
//! is two flips and the bases of the segments that start within it, whatever else happens to the ordinal.

use asof_model::{Instant, Interval};
use roaring::RoaringBitmap;

use crate::dense::Dense;

/// Changes of one segment, unless its keeper chooses another number; see [`Segment::split`].
pub const SEGMENT_CHANGES_MAX: usize = 1_024;

/// The bytes are no segment, block or head of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not what was stored: {0}")]
pub struct DecodeError(pub &'static str);

/// Bytes of a flip, as encoded.
const FLIP_BYTES: usize = 12;

/// Membership over [start, start of the next segment).
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    /// Its first moment.
    pub start: Instant,
    /// The members at its first moment.
    base: RoaringBitmap,
    /// Flips after its first moment, by (time, ordinal), each at most once.
    flips: Vec<(Instant, u32)>,
}

impl Segment {
    /// Without members.
    pub fn empty(start: Instant) -> Self {
        Self { start, base: RoaringBitmap::new(), flips: Vec::new() }
    }

    /// The members at a moment of the segment. Cost: a copy of the base, and the flips up to that moment.
    pub fn at(&self, at: Instant) -> RoaringBitmap {
        /// Fewer are sorted in less time than bits of all ordinals take.
        const FEW: usize = 32;
        let flips = &self.flips[..self.flips.partition_point(|(time, _)| *time <= at)];
        // What is turned over twice is as it was.
        if flips.len() > FEW {
            let mut odd = Dense::default();
            for flip in flips {
                odd.toggle(flip.1);
            }
            return &self.base ^ odd.set();
        }
        let mut turned: Vec<u32> = flips.iter().map(|flip| flip.1).collect();
        turned.sort_unstable();
        let odd = turned.chunk_by(u32::eq).filter(|same| same.len() % 2 == 1).map(|same| same[0]);
        // Ascending and without repeats: appending does not fail.
        &self.base ^ RoaringBitmap::from_sorted_iter(odd).unwrap_or_default()
    }

    /// The ordinals that are members at some moment that the segment and the interval share.
    pub fn sometime(&self, during: Interval) -> RoaringBitmap {
        let mut members = self.at(during.from.max(self.start));
        let after = self.flips.partition_point(|(time, _)| *time <= during.from);
        members
            .extend(self.flips[after..].iter().take_while(|(time, _)| *time < during.to).map(|flip| flip.1));
        members
    }

    /// About the bytes that it takes in memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + self.base.serialized_size() + self.flips.capacity() * size_of::<(Instant, u32)>()
    }

    /// Flips the ordinal over the part of the stretch that lies in the segment, which ends before `end`.
    pub fn flip(&mut self, ordinal: u32, stretch: Interval, end: Instant) {
        if stretch.from <= self.start {
            if self.start < stretch.to {
                flip(&mut self.base, ordinal);
            }
        } else if stretch.from < end {
            self.flip_at(stretch.from, ordinal);
        }
        if self.start < stretch.to && stretch.to < end {
            self.flip_at(stretch.to, ordinal);
        }
    }

    fn flip_at(&mut self, at: Instant, ordinal: u32) {
        match self.flips.binary_search(&(at, ordinal)) {
            Ok(place) => drop(self.flips.remove(place)),
            Err(place) => self.flips.insert(place, (at, ordinal)),
        }
    }

    /// Splits off the later half where there are more flips than this, and more bytes of them than of the base: what is read and
    /// written with one change is at most about twice the base. A split is between two moments, never within one.
    pub fn split(&mut self, changes_max: usize) -> Option<Self> {
        if self.flips.len() <= changes_max.max(self.base.serialized_size() / FLIP_BYTES) {
            return None;
        }
        let middle = self.flips[self.flips.len() / 2].0;
        let place = self.flips.partition_point(|(time, _)| *time <= middle);
        let base = self.at(middle);
        let rest = self.flips.split_off(place);
        self.flips.truncate(self.flips.partition_point(|(time, _)| *time < middle));
        Some(Self { start: middle, base, flips: rest })
    }

    /// The members that come or go at the segment's start or later in it, as (time, ordinal), given the members just before it.
    pub fn changes_from(&self, before: &RoaringBitmap) -> Vec<(Instant, u32)> {
        let at_start = before ^ &self.base;
        at_start.iter().map(|ordinal| (self.start, ordinal)).chain(self.flips.iter().copied()).collect()
    }

    /// The members at the segment's end.
    pub fn last(&self) -> RoaringBitmap {
        self.at(Instant::FOREVER)
    }

    /// Layout: number of flips (u32), each as time (i64) and ordinal (u32), then the base in roaring's portable format; all
    /// big-endian but the latter, whose own specification says little-endian.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(4 + FLIP_BYTES * self.flips.len() + self.base.serialized_size());
        bytes.extend((self.flips.len() as u32).to_be_bytes());
        for (time, ordinal) in &self.flips {
            bytes.extend(time.nanos().to_be_bytes());
            bytes.extend(ordinal.to_be_bytes());
        }
        // Writing to memory does not fail.
        let _ = self.base.serialize_into(&mut bytes);
        bytes
    }

    /// The segment of these bytes.
    pub fn decode(start: Instant, bytes: &[u8]) -> Result<Self, DecodeError> {
        let (count, rest) = bytes.split_first_chunk::<4>().ok_or(DecodeError("no number of changes"))?;
        let length = FLIP_BYTES as u64 * u64::from(u32::from_be_bytes(*count));
        let (changes, base) = usize::try_from(length)
            .ok()
            .and_then(|length| rest.split_at_checked(length))
            .ok_or(DecodeError("fewer changes than said"))?;
        let mut flips = Vec::with_capacity(changes.len() / FLIP_BYTES);
        for change in changes.chunks_exact(FLIP_BYTES) {
            let (time, ordinal) = change.split_first_chunk::<8>().ok_or(DecodeError("half a change"))?;
            let ordinal = ordinal.try_into().map_err(|_| DecodeError("half a change"))?;
            flips.push((Instant::from_nanos(i64::from_be_bytes(*time)), u32::from_be_bytes(ordinal)));
        }
        if !flips.is_sorted() {
            return Err(DecodeError("changes are out of order"));
        }
        let base = RoaringBitmap::deserialize_from(base)
            .map_err(|_| DecodeError("the base is no roaring bitmap"))?;
        Ok(Self { start, base, flips })
    }
}

fn flip(members: &mut RoaringBitmap, ordinal: u32) {
    if !members.remove(ordinal) {
        members.insert(ordinal);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn at(nanos: i64) -> Instant {
        Instant::from_nanos(nanos)
    }

    #[test]
    fn segments_agree_with_plain_intervals() {
        // A small deterministic generator: the crate takes no randomness.
        let mut seed = 7_u64;
        let mut draw = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % below
        };
        let mut segments = vec![Segment::empty(Instant::BEGINNING)];
        let mut plain: Vec<Vec<bool>> = vec![vec![false; 64]; 40];
        for round in 0..6_000 {
            let (a, b) = (draw(64) as i64, draw(64) as i64);
            let ordinal = draw(40) as u32;
            let Some(stretch) = Interval::new(at(a.min(b)), at(a.max(b))) else { continue };
            for place in 0..segments.len() {
                let end = segments.get(place + 1).map_or(Instant::FOREVER, |next| next.start);
                segments[place].flip(ordinal, stretch, end);
            }
            for t in a.min(b)..a.max(b) {
                plain[ordinal as usize][t as usize] ^= true;
            }
            if round == 50 || round == 3_000 {
                // Forced splits: the limit itself is not reached by so few ordinals.
                let last = segments.len() - 1;
                let middle = at(if round == 50 { 20 } else { 40 });
                let base = segments[last].at(middle);
                let (mut keep, mut rest) = (vec![], vec![]);
                for flip in segments[last].flips.drain(..) {
                    if flip.0 < middle {
                        keep.push(flip);
                    } else if flip.0 > middle {
                        rest.push(flip);
                    }
                }
                segments[last].flips = keep;
                segments.push(Segment { start: middle, base, flips: rest });
            }
        }
        for t in 0..64 {
            let segment = segments.iter().rev().find(|segment| segment.start <= at(t)).unwrap();
            let segment = Segment::decode(segment.start, &segment.encode()).unwrap();
            let expected: RoaringBitmap = (0..40).filter(|n| plain[*n as usize][t as usize]).collect();
            assert_eq!(segment.at(at(t)), expected, "{t}");
        }
    }

    #[test]
    fn a_split_keeps_every_moment() {
        let mut segment = Segment::empty(Instant::BEGINNING);
        for n in 0..3_000_u32 {
            let from = i64::from(n % 700);
            segment.flip(n, Interval::new(at(from), at(from + 50)).unwrap(), Instant::FOREVER);
        }
        let whole = segment.clone();
        let later = segment.split(SEGMENT_CHANGES_MAX).unwrap();
        for t in 0..800 {
            let part = if at(t) < later.start { &segment } else { &later };
            assert_eq!(part.at(at(t)), whole.at(at(t)), "{t}");
        }
        assert_eq!(later.base, whole.at(later.start));
    }

    #[test]
    fn broken_bytes_are_an_error() {
        for bytes in [&[][..], &[0, 0, 0, 9], &[0, 0, 0, 0, 1, 2]] {
            assert!(Segment::decode(at(0), bytes).is_err());
        }
    }
}
