//! What one `asof serve` takes in, what that costs on disk and in memory, and how soon it answers the ten questions; and,
//! beside it, what other engines do with the same. `cargo xtask bench` and `bench-peers` run it; README.md says what the
//! figures mean.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

mod measure;
mod peers;
mod questions;
mod report;
mod rows;
mod server;
mod stub;
mod subjects;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use asof_model::Batch;
use asof_server::sample::workload::Workload;
use clap::Parser;
use tokio_stream::StreamExt as _;

use measure::{Client, Measured};
use report::Ingest;
use server::{Server, bytes_below};
use stub::Stub;
use subjects::Subjects;

type Failure = Box<dyn Error + Send + Sync>;

/// Measure ingest, size and latency of one AsOf server with the built-in workload
#[derive(Debug, Parser)]
struct Args {
    /// How much of everything; 1 is 100,000 identities and 10,000,000 observations
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
    /// The number of observations, instead of the scale's
    #[arg(long)]
    observations: Option<u64>,
    /// Where the workload is drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Moments, identities, resources and teams asked about
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..))]
    subjects: u16,
    /// How often each is asked, after a round that is not counted
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// The server's binary; by default `asof` beside this one
    #[arg(long)]
    asof: Option<PathBuf>,
    /// A new folder for the data, which stays; by default a temporary one
    #[arg(long)]
    data: Option<PathBuf>,
    /// The Python with duckdb, psycopg and pyarrow that runs the other engines, after AsOf
    #[arg(long, value_name = "PYTHON")]
    peers: Option<PathBuf>,
    /// Be the stub that the floor is measured with
    #[arg(long, hide = true)]
    stub: bool,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    if args.stub {
        return stub::serve();
    }
    if !(args.scale > 0.0 && args.scale <= 100.0) {
        return Err(format!("--scale {} is not above 0 and at most 100", args.scale).into());
    }
    let workload = Workload::at_scale(args.scale, args.seed);
    let workload =
        args.observations.map_or(workload, |observations| workload.with_observations(observations));
    let temporary = tempfile::tempdir()?;
    let data = args.data.clone().unwrap_or_else(|| temporary.path().join("data"));
    if data.exists() {
        return Err(format!("{} exists; name a new folder", data.display()).into());
    }
    println!("{}", report::heading());
    println!(
        "Workload: scale {}, {} identities, {} observations, seed {}.\n",
        args.scale, workload.identities, workload.observations, workload.seed
    );

    let subjects = Subjects::new(workload, args.subjects.into());
    let asof = run_asof(&args, workload, &data, &subjects)?;
    let Some(python) = &args.peers else {
        println!("{}", report::questions(&asof.measured, &[]));
        return Ok(());
    };
    let rows = temporary.path().join("rows");
    std::fs::create_dir(&rows)?;
    let mut files = rows::Rows::create(&rows)?;
    workload.batches().try_for_each(|batch| files.put(&batch))?;
    files.close()?;
    let mut all = Vec::new();
    let mut disagreements = 0;
    for name in peers::PEERS {
        let peer = peers::run(name, python, &rows, &subjects, args.rounds)?;
        disagreements += peer.disagreements(&asof.measured);
        all.push(peer);
    }
    println!("{}", report::storage(&asof.runtime, asof.resident_mb, &all));
    println!("{}", report::questions(&asof.measured, &all));
    if disagreements > 0 {
        return Err(
            format!("{disagreements} answers differ between the engines; they are listed above").into()
        );
    }
    println!("All engines gave the same answers to {} questions.", asof.measured.len() * subjects.count());
    Ok(())
}

/// What AsOf did.
struct Asof {
    runtime: Ingest,
    /// After the questions.
    resident_mb: u64,
    measured: Vec<Measured>,
}

/// Ingest and questions, and what is only AsOf's to tell.
fn run_asof(args: &Args, workload: Workload, data: &Path, subjects: &Arc<Subjects>) -> Result<Asof, Failure> {
    let asof = match &args.asof {
        Some(path) => path.clone(),
        None => std::env::current_exe()?.with_file_name("asof"),
    };
    let seeing = || {
        let subjects = Arc::clone(subjects);
        move |batch: &Batch| subjects.see(batch)
    };
    // Posture and runtime each into a server of its own, so that what each leaves on disk is known.
    let posture = ingest("posture (facts)", &asof, data, workload.posture().inspect(seeing()))?;
    let runtime = ingest("runtime (observations)", &asof, data, workload.runtime().inspect(seeing()))?;
    println!("{}", report::ingests(&[&posture, &runtime]));

    let started = Instant::now();
    let server = Server::start(&asof, data)?;
    println!("Start on this folder: {:.0} ms.", started.elapsed().as_secs_f64() * 1e3);
    let stub = Stub::start()?;
    let client = Client::new(server.address(), stub.address());
    let asked = questions::QUESTIONS.iter().map(|question| client.measure(question, subjects, args.rounds));
    let measured = asked.collect::<Result<_, Failure>>()?;
    let resident_mb = server.resident_mb();
    println!("Memory of the server after the questions: {resident_mb} MB.\n");
    server.stop()?;
    Ok(Asof { runtime, resident_mb, measured })
}

/// Starts a server, sends all batches over one stream, waits for the last acknowledgement, stops it.
fn ingest(
    what: &'static str,
    asof: &Path,
    data: &Path,
    batches: impl Iterator<Item = Batch> + Send + 'static,
) -> Result<Ingest, Failure> {
    let before = if data.exists() { bytes_below(data)? } else { 0 };
    let server = Server::start(asof, data)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (records, took) = runtime.block_on(send(server.address(), batches))?;
    // Its connection is closed with it; the server would wait for that.
    drop(runtime);
    let resident_mb = server.resident_mb();
    server.stop()?;
    let bytes = bytes_below(data)?.saturating_sub(before);
    Ok(Ingest { what, records, seconds: took.as_secs_f64(), resident_mb, bytes })
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
