//! A fifth of the observations come late.

use std::collections::BTreeMap;

use asof_model::Observation;
use asof_server::sample::workload::{SPAN, Workload};

use super::said::{self, hour};
use super::{Cases, Line, MOMENTS, P50, RATE, agree, body};
use crate::Failure;

const SHARE: u64 = 5;
const LATE_SECS_MAX: u64 = 6 * 3_600;
const USED: &str = "query($at: At) { list: identities(where: { used: { privileges: [WRITE], \
                    during: { last: \"P1D\" } } } at: $at) { totalCount nodes { id } } }";

/// The workload's, in order of time, and the same with one in five up to six hours late: held back by as many as come meanwhile.
pub(super) fn late(cases: &Cases<'_>) -> Result<Vec<Line>, Failure> {
    let workload = cases.bench.workload;
    let workload = workload.with_observations((workload.observations / 5).max(1_000));
    let ordered = cases.ingest("in-order", said::seen("s", in_order(workload)))?;
    let late = cases.ingest("late", said::seen("s", delayed(workload)))?;
    let moments: Vec<_> = (1..=MOMENTS).map(|each| hour(each * 90 * 24 / MOMENTS)).collect();
    for at in &moments {
        let body = body(USED, *at, &serde_json::Value::Null);
        agree("late observations", cases.count("late", &body)?, cases.count("in-order", &body)?)?;
    }
    let what = format!("one in {SHARE} of {} observations up to six hours late", workload.observations);
    Ok(vec![
        Line { what: what.clone(), measure: RATE, case: late, plain: ordered },
        Line {
            what,
            measure: P50,
            case: cases.ask("late", USED, &moments)?,
            plain: cases.ask("in-order", USED, &moments)?,
        },
    ])
}

/// In order of time: what the workload has late is put back, as far as six hours go.
fn in_order(workload: Workload) -> impl Iterator<Item = Observation> {
    let hold = move |_: u64| LATE_SECS_MAX;
    reordered(workload, hold)
}

fn delayed(workload: Workload) -> impl Iterator<Item = Observation> {
    let late = |number: u64| {
        let mixed = said::mixed(number);
        if mixed.is_multiple_of(SHARE) {
            LATE_SECS_MAX + 60 + mixed / SHARE % LATE_SECS_MAX
        } else {
            LATE_SECS_MAX
        }
    };
    reordered(workload, late)
}

/// Each observation arrives so many seconds after it happened.
fn reordered(workload: Workload, after: impl Fn(u64) -> u64) -> impl Iterator<Item = Observation> {
    let mut all = workload.runtime().flat_map(|batch| batch.observations);
    let mut held: BTreeMap<(i64, u64), Observation> = BTreeMap::new();
    let (mut number, mut reached) = (0, SPAN.from.nanos());
    std::iter::from_fn(move || {
        loop {
            let due = held.first_key_value().is_some_and(|(key, _)| key.0 <= reached);
            if due {
                return held.pop_first().map(|(_, seen)| seen);
            }
            let Some(next) = all.next() else { return held.pop_first().map(|(_, seen)| seen) };
            // The stream itself is never more than six hours behind its newest.
            reached = reached.max(next.time.nanos());
            let arrival = next.time.nanos() + after(number) as i64 * 1_000_000_000;
            held.insert((arrival, number), next);
            number += 1;
        }
    })
}
