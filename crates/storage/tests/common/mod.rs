//! What the tests of the store have in common.

use asof_model::{Fact, Instant, Op, Subject};

const HOUR: i64 = 3_600_000_000_000;

pub fn at(hours: i64) -> Instant {
    Instant::from_nanos(hours * HOUR)
}

/// Said from an hour on and for ever.
pub fn fact(subject: Subject, op: Op, from: i64) -> Fact {
    Fact {
        subject,
        op,
        valid_from: at(from),
        valid_to: Instant::FOREVER,
        until_next: false,
        event_id: String::new(),
        caused_by: String::new(),
    }
}
