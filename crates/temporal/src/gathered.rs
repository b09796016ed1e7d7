//! Places of a block of nodes, in the order of moments, and who had come by any of them.

use asof_model::Instant;

/// How many nodes are told about at once.
pub const BLOCK_NODES: u32 = 1 << 10;

/// A bit for each node of a block.
pub(crate) type Bits = [u64; BLOCK_NODES as usize / 64];

/// Places in the order of their moments, and sets of the first so many of them. A moment is looked for among the first of each
/// step, and then within one: a block's whole list is many times as long as what is read of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gathered {
    /// The first moment of each step.
    firsts: Box<[Instant]>,
    /// The places of the steps before each.
    before: Box<[Bits]>,
    moments: Box<[Instant]>,
    places: Box<[u16]>,
}

impl Gathered {
    const STEP: usize = 64;

    pub(crate) fn of(mut all: Vec<(Instant, u32)>) -> Self {
        all.sort_unstable();
        let (mut before, mut so_far) = (Vec::new(), Bits::default());
        for step in all.chunks(Self::STEP) {
            before.push(so_far);
            for (_, place) in step {
                insert(&mut so_far, *place);
            }
        }
        Self {
            firsts: all.iter().step_by(Self::STEP).map(|each| each.0).collect(),
            before: before.into(),
            moments: all.iter().map(|each| each.0).collect(),
            places: all.iter().map(|each| each.1 as u16).collect(),
        }
    }

    /// How many have a moment of which this is so; it is so of all before one of which it is so.
    pub(crate) fn count(&self, is_so: impl Fn(Instant) -> bool) -> usize {
        let Some(last) = self.firsts.partition_point(|first| is_so(*first)).checked_sub(1) else {
            return 0;
        };
        let start = last * Self::STEP;
        let step = &self.moments[start..self.moments.len().min(start + Self::STEP)];
        start + step.partition_point(|moment| is_so(*moment))
    }

    /// The first so many, of as many as there are.
    pub(crate) fn first(&self, count: usize) -> Bits {
        let Some(last) = count.checked_sub(1).map(|last| last / Self::STEP) else { return Bits::default() };
        let mut bits = self.before[last];
        for place in &self.places[last * Self::STEP..count] {
            insert(&mut bits, u32::from(*place));
        }
        bits
    }

    pub(crate) fn bytes(&self) -> usize {
        let steps = size_of_val(&*self.firsts) + size_of_val(&*self.before);
        steps + size_of_val(&*self.moments) + size_of_val(&*self.places)
    }
}

pub(crate) fn insert(bits: &mut Bits, place: u32) {
    bits[place as usize / 64] |= 1 << (place % 64);
}

pub(crate) fn remove(bits: &mut Bits, place: u32) {
    bits[place as usize / 64] &= !(1 << (place % 64));
}

pub(crate) fn contains(bits: &Bits, place: u32) -> bool {
    bits[place as usize / 64] >> (place % 64) & 1 == 1
}
