//! The workload, and ten times as much of everything: what questions, memory, bytes and ingest come to.

use crate::Failure;
use crate::measure::Measured;
use crate::questions::QUESTIONS;
use crate::report::{self, both, ratio};
use crate::{Bench, ask};

const TIMES: u32 = 10;

pub fn run(bench: &Bench) -> Result<(), Failure> {
    let small = bench.workload;
    let times = |number: u32| number.saturating_mul(TIMES);
    let large = asof_server::sample::workload::Workload {
        identities: times(small.identities),
        resources: times(small.resources),
        workloads: times(small.workloads),
        secrets: times(small.secrets),
        owners: times(small.owners),
        observations: small.observations.saturating_mul(TIMES.into()),
        ..small
    };
    let mut measured = Vec::new();
    for (name, workload) in [("once", small), ("ten-times", large)] {
        let (loaded, data) = bench.load(workload, name)?;
        println!("{} identities, {} observations:\n", workload.identities, workload.observations);
        println!("{}", report::ingests(&loaded.ingests));
        measured.push(ask(bench, &data, &loaded.subjects)?.0);
        std::fs::remove_dir_all(&data)?;
    }
    println!("| ms over HTTP, p50 / p99 | once | ten times | ratio of p50 | the answer grows by |");
    println!("|---|---:|---:|---:|---:|");
    let size = |of: &Measured| of.answers.iter().map(|answer| answer.size).sum::<i64>().max(1) as f64;
    for (place, question) in QUESTIONS.iter().enumerate() {
        let (once, ten) = (&measured[0][place], &measured[1][place]);
        println!(
            "| {} {} | {} | {} | {} | {:.1} |",
            question.name,
            question.what,
            both(&once.whole),
            both(&ten.whole),
            ratio(&ten.whole, &once.whole, 50),
            size(ten) / size(once)
        );
    }
    Ok(())
}
