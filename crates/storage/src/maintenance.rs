//! `check` and `reindex`.

use std::ops::ControlFlow;
use std::path::Path;

use asof_evidence::Frontier;

use crate::db::{Db, Family};
use crate::error::{StorageError, corrupt};
use crate::ledger::{LedgerReader, leaf_of};
use crate::store::{Store, replay_into};
use crate::views;

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckReport {
    /// Records whose commitment was computed anew.
    pub records: u64,
    /// Batches.
    pub batches: u64,
    /// Each view: its name, its entries, and whether the rebuilt one has the same content.
    pub views: Vec<(&'static str, u64, bool)>,
    /// What is wrong, in words; empty: nothing.
    pub problems: Vec<String>,
}

/// Told (done, total) records; an error stops the work.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> Result<(), StorageError>;

/// Verifies commitments and the tree, rebuilds every view in a folder beside the live ones and compares their contents.
///
/// # Errors
/// What keeps it from checking at all; what it finds wrong is in the report.
pub fn check(path: &Path, progress: Progress<'_>) -> Result<CheckReport, StorageError> {
    let (store, _writer) = Store::open(path)?;
    let mut report = CheckReport::default();
    let total = store.last_header()?.map_or(0, |header| header.end);
    check_ledger(&store.db, &mut report, total, progress)?;
    let beside = path.with_extension("check");
    remove(&beside)?;
    let rebuilt = Db::open(&beside)?;
    let outcome = replay_into(&store.db, &rebuilt, (0, 0), total, progress);
    if let Err(error) = outcome {
        if error == StorageError::Stopped {
            return Err(error);
        }
        report.problems.push(format!("the views cannot be rebuilt: {error}"));
    }
    for family in Family::VIEWS {
        let (entries, live) = views::digest(&store.db, family)?;
        let same = views::digest(&rebuilt, family)? == (entries, live);
        report.views.push((family.name(), entries, same));
        if !same {
            report.problems.push(format!(
                "view {} differs from what the ledger says; run `asof reindex`",
                family.name()
            ));
        }
    }
    drop(rebuilt);
    remove(&beside)?;
    Ok(report)
}

fn check_ledger(
    db: &Db,
    report: &mut CheckReport,
    total: u64,
    progress: Progress<'_>,
) -> Result<(), StorageError> {
    let reader = LedgerReader(db);
    let mut frontier = Frontier::default();
    let mut recorded_at = None;
    reader.headers(0, &mut |header| {
        if header.number != report.batches || header.first != frontier.size() {
            let (number, first) = (header.number, header.first);
            report.problems.push(format!("batch {number} begins at {first}, not at {}", frontier.size()));
            return Ok(ControlFlow::Break(()));
        }
        if recorded_at.is_some_and(|last| header.recorded_at <= last) {
            report.problems.push(format!("batch {} was not recorded after the one before", header.number));
        }
        recorded_at = Some(header.recorded_at);
        for index in header.first..header.end {
            let (_, leaf) = leaf_of(&header.secret, index, &reader.canonical(index)?);
            if leaf != reader.leaf(index)? {
                report.problems.push(format!("record {index} is not what its commitment says"));
            }
            frontier.append(leaf, |_, _, _| {});
        }
        if frontier.root() != header.root {
            report.problems.push(format!("the root after batch {} is not the one recorded", header.number));
        }
        report.batches += 1;
        report.records = header.end;
        progress(header.end, total)?;
        Ok(ControlFlow::Continue(()))
    })?;
    if report.records == total && reader.frontier(total)?.root() != frontier.root() {
        report.problems.push("the tree as kept has another root than its records".to_owned());
    }
    Ok(())
}

/// Drops every view and builds it anew from the ledger. Cut short, it goes on when the store is opened next.
///
/// # Errors
/// A disk that fails, or a ledger that is corrupt.
pub fn reindex(path: &Path, progress: Progress<'_>) -> Result<u64, StorageError> {
    let (store, writer) = Store::open(path)?;
    drop(writer);
    store.drop_views()?;
    store.replay(progress)?;
    store.flush()?;
    Ok(store.last_header()?.map_or(0, |header| header.end))
}

fn remove(path: &Path) -> Result<(), StorageError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(corrupt(format!("cannot remove {}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}
