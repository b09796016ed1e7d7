//! What one `asof serve` takes in, what that costs on disk and in memory, and how soon it answers the ten questions; and,
//! beside it, what other engines do with the same. `cargo xtask bench` and `bench-peers` run it; README.md says what the
//! figures mean.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

mod convert;
mod depth;
mod failures;
mod feed;
mod growth;
mod load;
mod measure;
mod mixed;
mod peers;
mod report;
mod server;
mod stub;

use std::path::{Path, PathBuf};
use std::time::Instant;

use asof_benches::{Failure, questions, rows, subjects};
use asof_server::sample::workload::Workload;
use clap::Parser;

use load::{Load, TENANT};
use measure::{Client, Measured};
use server::{Program, Server};
use stub::Stub;
use subjects::Subjects;

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
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(4..))]
    subjects: u16,
    /// How often each is asked, after a round that is not counted
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Send observations packed alone, not plain as well
    #[arg(long)]
    packed_only: bool,
    /// The server's binary; by default `asof` beside this one
    #[arg(long)]
    asof: Option<PathBuf>,
    /// An argument more for `asof serve`, such as --serve=--concurrent-reads=4
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    serve: Vec<String>,
    /// A new folder for the data, which stays; by default a temporary one
    #[arg(long, conflicts_with_all = ["depth", "growth", "failures"])]
    data: Option<PathBuf>,
    /// Instead: ten times the history, questions over all of it, and knowledge before now
    #[arg(long, conflicts_with_all = ["growth", "failures", "mixed", "peers"])]
    depth: bool,
    /// Instead: the workload, and ten times as much of everything
    #[arg(long, conflicts_with_all = ["failures", "mixed", "peers"])]
    growth: bool,
    /// Instead: what was published of others as slow
    #[arg(long, conflicts_with_all = ["mixed", "peers"])]
    failures: bool,
    /// Instead: ingest at half its maximum beside eight clients that ask
    #[arg(long, conflicts_with = "peers")]
    mixed: bool,
    /// Instead: what reading a request into a checked batch takes, in this process alone
    #[arg(long, conflicts_with_all = ["depth", "growth", "failures", "mixed", "peers"])]
    convert: bool,
    /// How long each half of --mixed runs
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// The Python with duckdb, psycopg and pyarrow that runs the other engines, after AsOf
    #[arg(long, value_name = "PYTHON")]
    peers: Option<PathBuf>,
    /// Be the stub that the floor is measured with
    #[arg(long, hide = true)]
    stub: bool,
}

/// What every kind of run needs.
struct Bench {
    asof: Program,
    workload: Workload,
    subjects: usize,
    rounds: usize,
    /// Temporary, for what is made on the way.
    scratch: tempfile::TempDir,
}

impl Bench {
    fn new(args: &Args) -> Result<Self, Failure> {
        if !(args.scale > 0.0 && args.scale <= 100.0) {
            return Err(format!("--scale {} is not above 0 and at most 100", args.scale).into());
        }
        let workload = Workload::at_scale(args.scale, args.seed);
        let workload =
            args.observations.map_or(workload, |observations| workload.with_observations(observations));
        let path = match &args.asof {
            Some(path) => path.clone(),
            None => std::env::current_exe()?.with_file_name("asof"),
        };
        Ok(Self {
            asof: Program { path, args: args.serve.clone() },
            workload,
            subjects: args.subjects.into(),
            rounds: args.rounds,
            scratch: tempfile::tempdir()?,
        })
    }

    /// A workload into a folder of this name, packed.
    fn load(&self, workload: Workload, name: &str) -> Result<(load::Loaded, PathBuf), Failure> {
        let data = self.scratch.path().join(name);
        let load = Load {
            asof: &self.asof,
            workload,
            subjects: self.subjects,
            data: data.clone(),
            scratch: self.scratch.path(),
            plain: false,
            rows: None,
        };
        Ok((load.run()?, data))
    }
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    if args.stub {
        return stub::serve();
    }
    let bench = Bench::new(&args)?;
    println!("{}", report::heading());
    println!(
        "Workload: scale {}, {} identities, {} observations, seed {}.\n",
        args.scale, bench.workload.identities, bench.workload.observations, bench.workload.seed
    );
    if args.depth {
        depth::run(&bench)
    } else if args.growth {
        growth::run(&bench)
    } else if args.failures {
        failures::run(&bench)
    } else if args.convert {
        convert::run(&bench)
    } else if args.mixed {
        mixed::run(&bench, args.seconds)
    } else {
        whole(&bench, &args)
    }
}

/// Ingest, disk, memory and the ten questions, and the other engines on the same.
fn whole(bench: &Bench, args: &Args) -> Result<(), Failure> {
    let data = args.data.clone().unwrap_or_else(|| bench.scratch.path().join("data"));
    if data.exists() {
        return Err(format!("{} exists; name a new folder", data.display()).into());
    }
    let rows = bench.scratch.path().join("rows");
    std::fs::create_dir(&rows)?;
    let load = Load {
        asof: &bench.asof,
        workload: bench.workload,
        subjects: bench.subjects,
        data: data.clone(),
        scratch: bench.scratch.path(),
        plain: !args.packed_only,
        rows: args.peers.is_some().then_some(rows.as_path()),
    };
    let loaded = load.run()?;
    println!("{}", report::ingests(&loaded.ingests));
    let (measured, resident_mb) = ask(bench, &data, &loaded.subjects)?;
    let Some(python) = &args.peers else {
        println!("{}", report::questions(&measured, &[]));
        return Ok(());
    };
    let mut all = Vec::new();
    let mut disagreements = 0;
    for name in peers::PEERS {
        let peer = peers::run(name, python, &rows, &loaded.subjects, args.rounds)?;
        disagreements += peer.disagreements(&measured);
        all.push(peer);
    }
    println!("{}", report::storage(&loaded.ingests, resident_mb, &all));
    println!("{}", report::questions(&measured, &all));
    if disagreements > 0 {
        return Err(
            format!("{disagreements} answers differ between the engines; they are listed above").into()
        );
    }
    println!("All engines gave the same answers to {} questions.", measured.len() * loaded.subjects.count());
    Ok(())
}

/// Starts a server on the folder, and asks it everything; and what memory it has then.
fn ask(bench: &Bench, data: &Path, subjects: &Subjects) -> Result<(Vec<Measured>, u64), Failure> {
    let started = Instant::now();
    let server = Server::start(&bench.asof, data)?;
    println!("Start on this folder: {:.0} ms.", started.elapsed().as_secs_f64() * 1e3);
    println!("At rest after {:.0} s more.", server.rest()?.as_secs_f64());
    let stub = Stub::start()?;
    let client = Client::new(server.address(), TENANT);
    let floor = Client::new(stub.address(), TENANT);
    let asked =
        questions::QUESTIONS.iter().map(|question| client.measure(question, subjects, bench.rounds, &floor));
    let measured = asked.collect::<Result<_, Failure>>()?;
    let resident_mb = server.resident_mb();
    println!(
        "Memory of the server after the questions: {resident_mb} MB, {} MB at its most.\n",
        server.peak_mb()
    );
    server.stop()?;
    Ok((measured, resident_mb))
}
