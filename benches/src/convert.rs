//! From a request's bytes to a checked batch: what the door takes of each observation, on one core, without a server.

use std::time::Instant;

use asof_grpc::convert;
use asof_grpc::proto::WriteRequest;
use asof_model::{Batch, Limits};
use asof_server::sample::workload::SPAN;
use prost::Message as _;
use prost::bytes::Bytes;

use crate::{Bench, Failure};

const BATCHES: usize = 200;
const ROUNDS: u32 = 5;

pub fn run(bench: &Bench) -> Result<(), Failure> {
    let batches: Vec<Batch> =
        bench.workload.runtime().filter(|batch| batch.facts.is_empty()).take(BATCHES).collect();
    let rows: usize = batches.iter().map(|batch| batch.observations.len()).sum();
    println!(
        "| {rows} observations, ns each, the best of {ROUNDS} | bytes | made and encoded | decoded | to a batch | checked |"
    );
    println!("|---|---:|---:|---:|---:|---:|");
    for (name, make) in
        [("plain", convert::request as fn(Batch) -> WriteRequest), ("packed", convert::packed)]
    {
        let mut best = [f64::MAX; 4];
        let mut bytes = 0;
        for _ in 0..ROUNDS {
            let mut took = [0.0; 4];
            bytes = 0;
            for batch in &batches {
                let (mut copy, mut clock) = (Some(batch.clone()), Clock::new());
                let encoded = Bytes::from(make(copy.take().unwrap_or_default()).encode_to_vec());
                took[0] += clock.lap();
                bytes += encoded.len();
                let request = WriteRequest::decode(encoded)?;
                took[1] += clock.lap();
                let read = convert::batch(request, &Limits::DEFAULT).check(&Limits::DEFAULT, SPAN.to);
                took[2] += clock.lap();
                let read = read.map_err(|(_, faults)| format!("{faults:?}"))?;
                let faults = read.faults(&Limits::DEFAULT, SPAN.to);
                took[3] += clock.lap();
                if !faults.is_empty() || read != *batch {
                    return Err(format!("{name}: what was read is not what was sent: {faults:?}").into());
                }
            }
            best.iter_mut().zip(took).for_each(|(best, took)| *best = best.min(took));
        }
        let each = |seconds: f64| seconds * 1e9 / rows.max(1) as f64;
        println!(
            "| {name} | {:.1} | {:.0} | {:.0} | {:.0} | {:.0} |",
            bytes as f64 / rows.max(1) as f64,
            each(best[0]),
            each(best[1]),
            each(best[2]),
            each(best[3])
        );
    }
    Ok(())
}

/// Laps, in seconds.
struct Clock(Instant);

impl Clock {
    fn new() -> Self {
        Self(Instant::now())
    }

    fn lap(&mut self) -> f64 {
        let now = Instant::now();
        let lap = now - std::mem::replace(&mut self.0, now);
        lap.as_secs_f64()
    }
}
