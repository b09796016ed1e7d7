//! Timestamps.

use asof_model::Instant;
use prost_types::Timestamp;

const NANOS: i64 = 1_000_000_000;

/// The instant of a timestamp, or what is wrong with it.
pub fn instant(timestamp: &Timestamp) -> Result<Instant, String> {
    if !(0..NANOS).contains(&i64::from(timestamp.nanos)) {
        return Err(format!("has {} nanos; they lie between 0 and 999,999,999", timestamp.nanos));
    }
    timestamp
        .seconds
        .checked_mul(NANOS)
        .and_then(|nanos| nanos.checked_add(i64::from(timestamp.nanos)))
        .map(Instant::from_nanos)
        .filter(|instant| instant.is_in_range())
        .ok_or_else(|| {
            "is not between 1970 and 2262 (leave out a valid_to that stands for no end)".to_owned()
        })
}

/// The timestamp of an instant.
pub fn timestamp(instant: Instant) -> Timestamp {
    let nanos = instant.nanos();
    Timestamp { seconds: nanos.div_euclid(NANOS), nanos: nanos.rem_euclid(NANOS) as i32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_at_the_bounds() {
        for nanos in [0, 1, 999_999_999, 1_000_000_000, i64::MAX - 1] {
            assert_eq!(instant(&timestamp(Instant::from_nanos(nanos))), Ok(Instant::from_nanos(nanos)));
        }
    }

    #[test]
    fn what_has_no_instant_is_refused() {
        for (seconds, nanos) in
            [(-1, 999_999_999), (0, -1), (0, 1_000_000_000), (i64::MAX, 0), (9_223_372_036, 854_775_807)]
        {
            assert!(instant(&Timestamp { seconds, nanos }).is_err(), "{seconds} {nanos}");
        }
    }
}
