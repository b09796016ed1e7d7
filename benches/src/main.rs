//! The first benchmark: what one `asof serve` takes in, what that costs on disk and in memory, and how soon it answers
//! the headline questions. `cargo xtask bench` runs it; README.md says what the figures mean.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

mod questions;
mod server;

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use asof_model::Batch;
use asof_server::sample::workload::Workload;
use clap::Parser;
use tokio_stream::StreamExt as _;

use questions::Subjects;
use server::{Server, bytes_below};

type Failure = Box<dyn Error + Send + Sync>;

/// Measure ingest, size and latency of one AsOf server with the built-in workload
#[derive(Debug, Parser)]
struct Args {
    /// Identities; resources, secrets and the rest grow with them
    #[arg(long, default_value_t = 100_000)]
    identities: u32,
    /// Observations over 90 days
    #[arg(long, default_value_t = 1_000_000)]
    observations: u64,
    /// Where the workload is drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Moments, identities and resources asked about
    #[arg(long, default_value_t = 20)]
    subjects: usize,
    /// How often each is asked, after a round that is not counted
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// The server's binary; by default `asof` beside this one
    #[arg(long)]
    asof: Option<PathBuf>,
    /// A new folder for the data, which stays; by default a temporary one
    #[arg(long)]
    data: Option<PathBuf>,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let asof = match &args.asof {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("asof"),
    };
    let temporary = tempfile::tempdir()?;
    let data = args.data.clone().unwrap_or_else(|| temporary.path().join("data"));
    if data.exists() {
        return Err(format!("{} exists; name a new folder", data.display()).into());
    }
    let workload = Workload::at_scale(f64::from(args.identities) / 100_000.0, args.seed)
        .with_observations(args.observations);
    println!(
        "workload: {} identities, {} observations, seed {}\n",
        args.identities, args.observations, args.seed
    );

    // Posture and runtime each into a server of its own, so that what each leaves on disk is known.
    let mut subjects = Subjects::new(args.observations, args.subjects);
    let posture = ingest(&asof, &data, workload.posture())?;
    let after_posture = bytes_below(&data)?;
    let chosen = subjects.chooser();
    let runtime = ingest(&asof, &data, workload.runtime().inspect(move |batch| chosen.see(batch)))?;
    let after_runtime = bytes_below(&data)?;
    subjects.choose();

    println!(
        "| ingest over gRPC, durable, batches of 1,000 | records | seconds | records/s | memory at its end |"
    );
    println!("|---|---:|---:|---:|---:|");
    for (what, run) in [("posture (facts)", &posture), ("runtime (observations)", &runtime)] {
        let rate = run.records as f64 / run.seconds;
        println!("| {what} | {} | {:.1} | {rate:.0} | {} MB |", run.records, run.seconds, run.resident_mb);
    }
    let of_runtime = after_runtime.saturating_sub(after_posture);
    println!(
        "\ndisk: {} MB after posture, {} MB after all;",
        after_posture / 1_000_000,
        after_runtime / 1_000_000
    );
    println!(
        "      {:.1} bytes per fact, {:.1} bytes per observation (ledger and views)",
        after_posture as f64 / posture.records.max(1) as f64,
        of_runtime as f64 / runtime.records.max(1) as f64
    );

    let started = Instant::now();
    let server = Server::start(&asof, &data)?;
    println!("start on this folder: {:.0} ms\n", started.elapsed().as_secs_f64() * 1e3);
    questions::ask_all(&server, &subjects, args.rounds)?;
    println!("\nmemory of the server after the questions: {} MB", server.resident_mb());
    server.stop()
}

/// How an ingest went.
struct Ingest {
    records: u64,
    seconds: f64,
    resident_mb: u64,
}

/// Starts a server, sends all batches over one stream, waits for the last acknowledgement, stops it.
fn ingest(
    asof: &std::path::Path,
    data: &std::path::Path,
    batches: impl Iterator<Item = Batch> + Send + 'static,
) -> Result<Ingest, Failure> {
    let server = Server::start(asof, data)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (records, took) = runtime.block_on(send(server.address(), batches))?;
    // Its connection is closed with it; the server would wait for that.
    drop(runtime);
    let run = Ingest { records, seconds: took.as_secs_f64(), resident_mb: server.resident_mb() };
    server.stop()?;
    Ok(run)
}

async fn send(
    address: &str,
    batches: impl Iterator<Item = Batch> + Send + 'static,
) -> Result<(u64, Duration), Failure> {
    let mut client = asof_grpc::client::connect(address, asof_grpc::DEFAULT_TENANT).await?;
    let started = Instant::now();
    let mut receipts = client.write(tokio_stream::iter(batches)).await?;
    let mut records = 0;
    while let Some(receipt) = receipts.next().await {
        let receipt = receipt?;
        records += receipt.ledger_size - receipt.first_index;
    }
    Ok((records, started.elapsed()))
}
