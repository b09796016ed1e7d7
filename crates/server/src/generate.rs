//! `asof generate`: the seeded workload, into a running server or straight into a data folder.

use std::collections::VecDeque;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use asof_engine::{Engine, Options, Receipt};
use asof_model::Batch;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use tokio_stream::StreamExt as _;

use crate::Failure;
use crate::sample::workload::Workload;

/// Batches handed to the engine and not yet on disk.
const IN_FLIGHT_MAX: usize = 64;

/// Make up a tenant's machine identities, what they hold and what they do, over 90 days of 2026
///
/// Scale 1 is 100,000 identities, 50,000 resources, 150,000 secrets and 10,000,000 observations. The same parameters give
/// the same batches, so that running it again, or after an interruption, writes only what is missing.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example: asof generate --scale 0.01 --seed 7 --server http://127.0.0.1:7420")]
pub struct GenerateArgs {
    /// How much of everything; 1 is 100,000 identities and 10,000,000 observations
    #[arg(long, default_value_t = 0.01)]
    pub scale: f64,
    /// The number of observations, instead of the scale's
    #[arg(long)]
    pub observations: Option<u64>,
    /// Where all of it is drawn from
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// A running server, over gRPC
    #[arg(long, env = "ASOF_SERVER", default_value = "http://127.0.0.1:7420", conflicts_with = "data")]
    pub server: String,
    /// A data folder that no server has open
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// The tenant
    #[arg(long, env = "ASOF_TENANT", default_value = asof_grpc::DEFAULT_TENANT)]
    pub tenant: String,
}

impl GenerateArgs {
    /// What they ask for.
    fn workload(&self) -> Result<Workload, String> {
        if !(self.scale > 0.0 && self.scale <= 100.0) {
            return Err(format!("--scale {} is not above 0 and at most 100", self.scale));
        }
        let workload = Workload::at_scale(self.scale, self.seed);
        Ok(self.observations.map_or(workload, |observations| workload.with_observations(observations)))
    }
}

/// Writes all of it and says what it was.
pub async fn run(args: &GenerateArgs) -> Result<(), Failure> {
    let workload = args.workload()?;
    let mut told = Told::new();
    match &args.data {
        Some(data) => {
            let engine = Engine::open(Options { data: data.clone(), ..Options::default() }).await?;
            let written =
                into_engine(&engine, &args.tenant, workload.batches(), |receipt| told.hear(receipt)).await;
            engine.close().await?;
            written?;
        }
        None => {
            let batches: Box<dyn Iterator<Item = Batch> + Send> = Box::new(workload.batches());
            into_server(&args.server, &args.tenant, batches, |receipt| told.hear(receipt)).await?;
        }
    }
    told.bar.finish_and_clear();
    let seconds = told.started.elapsed().as_secs_f64();
    let mut out = std::io::stdout();
    writeln!(out, "source       {}", workload.source())?;
    writeln!(out, "identities   {}", workload.identities)?;
    writeln!(out, "observations {}", workload.observations)?;
    writeln!(out, "written      {} records in {seconds:.1} s", told.records)?;
    if told.known > 0 {
        writeln!(out, "known        {} batches were there already and changed nothing", told.known)?;
    }
    writeln!(out, "ledger size  {}", told.ledger_size)?;
    Ok(())
}

/// Sends batches to a server, many under way at once, and hands on each receipt.
pub async fn into_server(
    server: &str,
    tenant: &str,
    batches: impl Iterator<Item = Batch> + Send + 'static,
    mut heard: impl FnMut(&Receipt),
) -> Result<(), Failure> {
    let mut client = asof_grpc::client::connect(server, tenant).await?;
    let mut receipts = client.write(tokio_stream::iter(batches)).await?;
    while let Some(receipt) = receipts.next().await {
        heard(&receipt?);
    }
    Ok(())
}

/// The same straight into a data folder.
async fn into_engine(
    engine: &Engine,
    tenant: &str,
    batches: impl Iterator<Item = Batch>,
    mut heard: impl FnMut(&Receipt),
) -> Result<(), Failure> {
    let tenant = engine.tenant_or_create(tenant).await?;
    let mut in_flight = VecDeque::new();
    for batch in batches {
        in_flight.push_back(tenant.enqueue(batch).await?);
        if in_flight.len() >= IN_FLIGHT_MAX
            && let Some(oldest) = in_flight.pop_front()
        {
            heard(&oldest.wait().await?);
        }
    }
    for ticket in in_flight {
        heard(&ticket.wait().await?);
    }
    Ok(())
}

/// What the receipts say, added up, with a bar to watch.
struct Told {
    bar: ProgressBar,
    started: Instant,
    records: u64,
    known: u64,
    ledger_size: u64,
}

impl Told {
    fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {human_pos} records, {per_sec}, {elapsed}")
        {
            bar.set_style(style);
        }
        Self { bar, started: Instant::now(), records: 0, known: 0, ledger_size: 0 }
    }

    fn hear(&mut self, receipt: &Receipt) {
        if receipt.duplicate_batch {
            self.known += 1;
        } else {
            self.records += receipt.ledger_size - receipt.first_index;
        }
        self.ledger_size = self.ledger_size.max(receipt.ledger_size);
        self.bar.set_position(self.records);
    }
}
