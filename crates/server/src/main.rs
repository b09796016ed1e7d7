//! `asof`: the database service of who may do what, and who did, at any moment.

mod ask;
mod demo;
mod generate;
mod import;
mod maintain;
mod output;
mod serve;
mod times;

use std::process::ExitCode;

use asof_server::sample;
use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

/// Batches come as many small texts, which the C library's allocator spends a fifth of the writer's time on.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Stack of each thread: reading filters that nest takes some of it.
const STACK: usize = 8 << 20;

/// What a command fails with, as told to the person who gave it.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The time-series identity graph database: what machine identities may do and what they are seen to do, for any moment
#[derive(Debug, Parser)]
#[command(
    name = "asof",
    version,
    after_help = "Example: asof serve --data ./asof-data\n         asof query --held write --used write --at 2026-03-20T12:00:00Z"
)]
struct Cli {
    /// What is logged to stderr: error, warn, info, debug, or a filter such as asof_engine=debug
    #[arg(long, global = true, env = "ASOF_LOG", default_value = "warn")]
    log: String,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::ServeArgs),
    Query(Box<ask::QueryArgs>),
    Import(import::ImportArgs),
    Demo(demo::DemoArgs),
    Generate(generate::GenerateArgs),
    Check(maintain::CheckArgs),
    Reindex(maintain::ReindexArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let ran = logging(&cli.log).and_then(|()| {
        no_huge_pages();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().thread_stack_size(STACK).enable_all().build()?;
        runtime.block_on(run(cli.command))
    });
    match ran {
        Ok(code) => code,
        Err(error) if output::is_broken_pipe(error.as_ref()) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(error.as_ref());
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Serve(args) => serve::run(&args).await,
        Command::Query(args) => ask::run(&args).await,
        Command::Import(args) => import::run(args).await,
        Command::Demo(args) => Box::pin(demo::run(&args)).await.map(|()| ExitCode::SUCCESS),
        Command::Generate(args) => Box::pin(generate::run(&args)).await.map(|()| ExitCode::SUCCESS),
        Command::Check(args) => maintain::check(args).await,
        Command::Reindex(args) => maintain::reindex(args).await,
    }
}

/// The allocator asks for huge pages, of which each is cleared as a whole, and others moved out of its way, while who first
/// writes to it waits: beside ingest, the slowest questions take about half as long without. See `PR_SET_THP_DISABLE` in prctl(2).
fn no_huge_pages() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "transparent huge pages are left as they are");
    }
}

fn logging(filter: &str) -> Result<(), Failure> {
    let filter =
        EnvFilter::try_new(filter).map_err(|error| format!("--log {filter:?} is no filter: {error}"))?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    Ok(())
}
