//! The sample organisation of `asof demo`: Fernwood, a shop with some forty machine identities, from January to March
//! 2026. Its posture comes from one inventory for each provider and its runtime from one log for each, with the
//! coverage that they state; the stories are in [`stories`], the ordinary life around them in [`life`].
//!
//! Drawn from a fixed seed: the same batches every time, so that loading it again changes nothing.

mod life;
mod stories;
mod tell;

use asof_model::{Batch, Duration, Instant};

pub use stories::ROTATED_KEY;

/// Records of one batch.
const BATCH_RECORDS: usize = 500;
/// 2026-01-01T00:00:00Z, when the story begins.
const JANUARY: Instant = Instant::from_nanos(1_767_225_600_000_000_000);
/// 2025-06-01T00:00:00Z: since when most of it stands.
const LONG_AGO: Instant = Instant::from_nanos(1_748_736_000_000_000_000);

/// Midnight UTC of a day of January 2026.
const fn january(day: i64) -> Instant {
    JANUARY.plus(Duration::from_secs((day - 1) * 86_400))
}

/// Midnight UTC of a day of February 2026.
const fn february(day: i64) -> Instant {
    january(31 + day)
}

/// Midnight UTC of a day of March 2026.
const fn march(day: i64) -> Instant {
    february(28 + day)
}

/// When the story ends.
const END: Instant = march(32);

/// The moment at which `asof demo` asks: 2026-03-20T12:00:00Z.
pub const ASKED_AT: Instant = march(20).plus(Duration::from_secs(12 * 3600));

/// All of it, in order: what the inventories state, what the logs saw, what both cover.
pub fn batches() -> Vec<Batch> {
    let mut org = tell::Org::new();
    life::tell(&mut org);
    stories::tell(&mut org);
    org.into_batches()
}

#[cfg(test)]
mod tests;
