//! `asof check` and `asof reindex`: the upkeep of a data folder that no server has open.

use std::path::PathBuf;
use std::process::ExitCode;

use asof_engine::maintenance;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::Failure;
use crate::output::say;

/// Verify a data folder: every record's commitment, and every view against the ledger
///
/// The views are rebuilt from the ledger beside the live ones and compared by content. Exit status 1 where anything differs.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example: asof check --data ./asof-data")]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    folder: Folder,
}

/// Drop the views of a data folder and build them anew from the ledger
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example: asof reindex --data ./asof-data")]
pub(crate) struct ReindexArgs {
    #[command(flatten)]
    folder: Folder,
    /// Of a damaged write-ahead log, leave out everything from the first damage on, for good: batches that were acknowledged
    /// may be among it, and their sources must send them again. Keep a copy of the folder first
    #[arg(long)]
    up_to_damage: bool,
}

#[derive(Debug, Clone, Args)]
struct Folder {
    /// The data folder; no server may have it open
    #[arg(long, env = "ASOF_DATA", default_value = "./asof-data")]
    data: PathBuf,
    /// One tenant alone
    #[arg(long)]
    tenant: Option<String>,
}

impl Folder {
    fn exists(&self) -> Result<(), Failure> {
        if self.data.is_dir() {
            return Ok(());
        }
        Err(format!("there is no data folder {}", self.data.display()).into())
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} records, {eta}")
    {
        bar.set_style(style);
    }
    bar
}

fn moved(bar: &ProgressBar, tenant: &str, done: u64, total: u64) -> bool {
    bar.set_message(tenant.to_owned());
    bar.set_length(total);
    bar.set_position(done);
    true
}

pub(crate) async fn check(args: CheckArgs) -> Result<ExitCode, Failure> {
    args.folder.exists()?;
    let found = tokio::task::spawn_blocking(move || {
        let bar = bar();
        let mut told = |tenant: &str, done, total| moved(&bar, tenant, done, total);
        let found = maintenance::check(&args.folder.data, args.folder.tenant.as_deref(), &mut told);
        bar.finish_and_clear();
        found
    })
    .await??;
    let mut sound = true;
    for (tenant, report) in found {
        let fine = report.problems.is_empty() && report.views.iter().all(|(_, _, same)| *same);
        sound &= fine;
        say(&format!(
            "tenant {tenant}: {} records in {} batches, commitments verified",
            report.records, report.batches
        ))?;
        for (view, entries, same) in report.views {
            say(&format!(
                "  {view}: {entries} entries, {}",
                if same { "as the ledger has it" } else { "DIFFERENT" }
            ))?;
        }
        for problem in report.problems {
            say(&format!("  {problem}"))?;
        }
        say(if fine {
            "  sound"
        } else {
            "  NOT SOUND: where only views differ, `asof reindex` builds them anew"
        })?;
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(crate) async fn reindex(args: ReindexArgs) -> Result<ExitCode, Failure> {
    args.folder.exists()?;
    let built = tokio::task::spawn_blocking(move || {
        let bar = bar();
        let mut told = |tenant: &str, done, total| moved(&bar, tenant, done, total);
        let (data, tenant) = (&args.folder.data, args.folder.tenant.as_deref());
        let built = if args.up_to_damage {
            maintenance::recover(data, tenant, &mut told)
        } else {
            maintenance::reindex(data, tenant, &mut told)
        };
        bar.finish_and_clear();
        built
    })
    .await??;
    for (tenant, records) in built {
        say(&format!("tenant {tenant}: the views of {records} records are built anew"))?;
    }
    Ok(ExitCode::SUCCESS)
}
