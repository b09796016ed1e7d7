//! How things are drawn: skewed, as what people set up and use is.

use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

/// The same numbers for a seed on every machine and with every version.
pub type Random = Xoshiro256PlusPlus;

/// A stream of its own for each use, so that more of one thing does not change another.
pub fn random(seed: u64, stream: u64) -> Random {
    Random::seed_from_u64(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ stream)
}

/// Zipf's law over some numbers in an order that has nothing to do with them: the one of rank k has weight k^-exponent.
pub struct Zipf {
    by_rank: Vec<u32>,
    weights: Option<WeightedIndex<f64>>,
}

impl Zipf {
    /// Over the numbers below `all`, of which the share `least` that comes last is never drawn.
    pub fn new(all: u32, least: f64, exponent: f64, random: &mut Random) -> Self {
        let mut by_rank: Vec<u32> = (0..all).collect();
        by_rank.shuffle(random);
        let keep = ((f64::from(all) * (1.0 - least)).round() as usize).max(1);
        by_rank.truncate(keep);
        let weights = WeightedIndex::new((1..=by_rank.len()).map(|rank| (rank as f64).powf(-exponent))).ok();
        Self { by_rank, weights }
    }

    /// One of them.
    pub fn draw(&self, random: &mut Random) -> u32 {
        let rank = self.weights.as_ref().map_or(0, |weights| weights.sample(random));
        self.by_rank.get(rank).copied().unwrap_or(0)
    }
}

/// How many, with this mean, many with few and few with many: log-normal, at least 1.
pub fn skewed_count(mean: f64, most: u32, random: &mut Random) -> u32 {
    // Box and Muller's way to a normal number; a log-normal one with sigma 1 has the mean exp(mu + 1/2).
    let (first, second): (f64, f64) = (random.random(), random.random());
    let normal = (-2.0 * (1.0 - first).ln()).sqrt() * (std::f64::consts::TAU * second).cos();
    let drawn = (mean.ln() - 0.5 + normal).exp().round() as u32;
    drawn.clamp(1, most.max(1))
}

/// One of the table's members, by the weights beside them.
pub fn pick<T: Copy>(table: &[(T, u32)], random: &mut Random) -> Option<T> {
    let total: u32 = table.iter().map(|(_, weight)| weight).sum();
    let mut left = random.random_range(0..total.max(1));
    for (member, weight) in table {
        match left.checked_sub(*weight) {
            Some(rest) => left = rest,
            None => return Some(*member),
        }
    }
    None
}
