//! `asof import`: foreign files into a running server, or straight into a data folder.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use asof_engine::{Engine, Options, Receipt};
use asof_import::cloudtrail::{self, CloudTrail};
use asof_import::{Summary, aws_iam};
use asof_model::{Batch, Instant as Moment};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

use crate::Failure;
use crate::output::say;

/// Batches read ahead of the writing, and batches written ahead of their receipts.
const AHEAD: usize = 16;
/// How many of a long list the summary prints.
const LISTED: usize = 20;

/// Import logs and inventories: CloudTrail, IAM account authorization details
///
/// Giving the same files again changes nothing: every event has its id.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example: asof import cloudtrail ./logs '/archive/2026/03/**/*.json.gz'")]
pub(crate) struct ImportArgs {
    #[command(subcommand)]
    from: From,
}

#[derive(Debug, Clone, Subcommand)]
enum From {
    Cloudtrail(CloudtrailArgs),
    AwsIam(AwsIamArgs),
}

/// Import CloudTrail logs: what was done, and the posture that the calls themselves made
///
/// Files in any order, and files given twice, come to the same graph.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example: asof import cloudtrail ./logs --data ./asof-data")]
struct CloudtrailArgs {
    /// Files, directories and globs: .json, .json.gz, JSON Lines
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    to: To,
}

/// Import what IAM lists of an account (GetAccountAuthorizationDetails), with POSTURE coverage from its moment on
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Example: aws iam get-account-authorization-details > account.json\n         asof import aws-iam \
                  account.json --at 2026-03-20T12:00:00Z"
)]
struct AwsIamArgs {
    /// The answer of GetAccountAuthorizationDetails, as JSON; .gz too
    file: PathBuf,
    /// When it was so, which the file does not say; the file's time of modification where absent
    #[arg(long, value_name = "TIME", value_parser = crate::times::instant)]
    at: Option<Moment>,
    #[command(flatten)]
    to: To,
}

/// Where the batches go.
#[derive(Debug, Clone, Args)]
struct To {
    /// A running server, over gRPC
    #[arg(long, env = "ASOF_SERVER", default_value = "http://127.0.0.1:7420", conflicts_with = "data")]
    server: String,
    /// A data folder that no server has open, instead of a server
    #[arg(long)]
    data: Option<PathBuf>,
    /// The tenant
    #[arg(long, env = "ASOF_TENANT", default_value = asof_grpc::DEFAULT_TENANT)]
    tenant: String,
}

pub(crate) async fn run(args: ImportArgs) -> Result<ExitCode, Failure> {
    match args.from {
        From::Cloudtrail(args) => import_cloudtrail(args).await,
        From::AwsIam(args) => import_aws_iam(args).await,
    }
}

async fn import_cloudtrail(args: CloudtrailArgs) -> Result<ExitCode, Failure> {
    let mut source = CloudTrail::open(&args.paths, cloudtrail::Options::default())?;
    let bar = Bar::of_bytes(source.progress());
    let (sender, batches) = mpsc::channel(AHEAD);
    let reading = tokio::task::spawn_blocking(move || {
        while let Some(batch) = source.next_batch() {
            if sender.blocking_send(batch).is_err() {
                break;
            }
        }
        source.summary().clone()
    });
    let written = write(&args.to, ReceiverStream::new(batches)).await;
    bar.end();
    let summary = reading.await?;
    told(&summary, &written?)
}

async fn import_aws_iam(args: AwsIamArgs) -> Result<ExitCode, Failure> {
    let file = args.file.clone();
    let at = match args.at {
        Some(at) => at,
        None => modified(&file)?,
    };
    let listing = tokio::task::spawn_blocking(move || aws_iam::read(&file, at)).await??;
    say(&format!("as of        {at}"))?;
    let (sender, batches) = mpsc::channel(AHEAD);
    let count = listing.batches.len() as u64;
    let bar = ProgressBar::new(count);
    let moved = bar.clone();
    let sending = tokio::spawn(async move {
        for batch in listing.batches {
            if sender.send(batch).await.is_err() {
                break;
            }
            moved.inc(1);
        }
    });
    let written = write(&args.to, ReceiverStream::new(batches)).await;
    bar.finish_and_clear();
    sending.await?;
    told(&listing.summary, &written?)
}

/// When a file was last written.
fn modified(file: &Path) -> Result<Moment, Failure> {
    let modified = std::fs::metadata(file)
        .and_then(|about| about.modified())
        .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let nanos = modified.duration_since(UNIX_EPOCH)?.as_nanos();
    Ok(Moment::from_nanos(i64::try_from(nanos)?))
}

/// What the receipts say, added up.
#[derive(Debug, Default)]
struct Written {
    batches: u64,
    known_batches: u64,
    records: u64,
    duplicate_events: u64,
    duplicate_facts: u64,
    conflicting: u64,
    ledger_size: u64,
}

impl Written {
    fn hear(&mut self, receipt: &Receipt) {
        self.batches += 1;
        self.ledger_size = self.ledger_size.max(receipt.ledger_size);
        if receipt.duplicate_batch {
            self.known_batches += 1;
            return;
        }
        self.records += receipt.ledger_size - receipt.first_index;
        self.duplicate_events += receipt.duplicate_events;
        self.duplicate_facts += receipt.duplicate_facts;
        self.conflicting += receipt.conflicting;
    }
}

async fn write(to: &To, batches: ReceiverStream<Batch>) -> Result<Written, Failure> {
    let mut written = Written::default();
    let Some(data) = &to.data else {
        let mut client = asof_grpc::client::connect(&to.server, &to.tenant).await?;
        let mut receipts = client.write(batches).await.map_err(refused)?;
        while let Some(receipt) = receipts.next().await {
            written.hear(&receipt.map_err(refused)?);
        }
        return Ok(written);
    };
    let engine = Engine::open(Options { data: data.clone(), ..Options::default() }).await?;
    let outcome = into_engine(&engine, &to.tenant, batches, &mut written).await;
    engine.close().await?;
    outcome.map(|()| written)
}

async fn into_engine(
    engine: &Engine,
    tenant: &str,
    mut batches: ReceiverStream<Batch>,
    written: &mut Written,
) -> Result<(), Failure> {
    let tenant = engine.tenant_or_create(tenant).await?;
    let mut under_way = VecDeque::new();
    while let Some(batch) = batches.next().await {
        under_way.push_back(tenant.enqueue(batch).await?);
        if under_way.len() > AHEAD
            && let Some(oldest) = under_way.pop_front()
        {
            written.hear(&oldest.wait().await?);
        }
    }
    for ticket in under_way {
        written.hear(&ticket.wait().await?);
    }
    Ok(())
}

/// A server's refusal, with the faulty fields that it names.
fn refused(status: tonic::Status) -> Failure {
    let fields: Vec<String> = asof_grpc::violations(&status)
        .into_iter()
        .map(|(field, why)| format!("\n  {field}: {why}"))
        .collect();
    format!("the server refuses: {}{}", status.message(), fields.concat()).into()
}

/// The closing account.
fn told(summary: &Summary, written: &Written) -> Result<ExitCode, Failure> {
    say(&format!("files        {}", summary.files))?;
    say(&format!("events       {}", summary.events))?;
    say(&format!("observations {} ({} were known already)", summary.observations, written.duplicate_events))?;
    say(&format!("facts        {} ({} were known already)", summary.facts, written.duplicate_facts))?;
    if summary.coverages > 0 {
        say(&format!("coverages    {}", summary.coverages))?;
    }
    let known = if written.known_batches > 0 {
        format!(" ({} were there already and changed nothing)", written.known_batches)
    } else {
        String::new()
    };
    say(&format!("batches      {}{known}", written.batches))?;
    say(&format!("written      {} records; the ledger has {}", written.records, written.ledger_size))?;
    if written.conflicting > 0 {
        say(&format!(
            "CONFLICTING  {} came again with another content; the first stands",
            written.conflicting
        ))?;
    }
    let skipped = summary.skipped.iter().map(ToString::to_string);
    list("skipped", summary.skipped_count, skipped)?;
    let unknown = summary.unknown_actions.iter().map(|(action, count)| format!("{action} ({count})"));
    list(
        "actions of class OTHER, for no catalogue knows them",
        summary.unknown_actions.len() as u64,
        unknown,
    )?;
    let notes =
        summary.notes.iter().map(|((note, subject), count)| format!("{}: {subject} ({count})", note.text()));
    list("not stated", summary.notes.len() as u64, notes)?;
    Ok(ExitCode::SUCCESS)
}

/// The first entries of a list, and how many there are.
fn list(what: &str, count: u64, entries: impl Iterator<Item = String>) -> Result<(), Failure> {
    if count == 0 {
        return Ok(());
    }
    say(&format!("{what}: {count}"))?;
    for entry in entries.take(LISTED) {
        say(&format!("  {entry}"))?;
    }
    if count > LISTED as u64 {
        say(&format!("  and {} more", count - LISTED as u64))?;
    }
    Ok(())
}

/// A bar over the bytes to be read, moved by a task of its own.
struct Bar {
    bar: ProgressBar,
    moving: tokio::task::JoinHandle<()>,
}

impl Bar {
    fn of_bytes(progress: Arc<cloudtrail::Progress>) -> Self {
        let bar = ProgressBar::new(progress.bytes_total());
        let template = "{wide_bar} {bytes}/{total_bytes} {msg} {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        let moved = bar.clone();
        let started = Instant::now();
        let moving = tokio::spawn(async move {
            loop {
                moved.set_position(progress.bytes());
                let rate = progress.events() as f64 / started.elapsed().as_secs_f64().max(0.001);
                moved.set_message(format!("{} events, {rate:.0}/s", progress.events()));
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
        Self { bar, moving }
    }

    fn end(self) {
        self.moving.abort();
        self.bar.finish_and_clear();
    }
}
