//! `check` and `reindex`.

use std::ops::ControlFlow;
use std::path::Path;

use asof_evidence::{Frontier, Salts};

use crate::db::{Db, Family, Recovery};
use crate::error::StorageError;
use crate::ledger::{LedgerReader, leaf_of};
use crate::memory::Memory;
use crate::pieces::Pieces;
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
    /// What is wrong, in words, the first hundred; empty: nothing.
    pub problems: Vec<String>,
    /// How many problems there are.
    pub problem_count: u64,
}

/// Problems that are told in words.
const PROBLEMS_MAX: usize = 100;

/// Told (done, total) records; an error stops the work.
pub type Progress<'a> = &'a mut dyn FnMut(u64, u64) -> Result<(), StorageError>;

/// Verifies commitments and the tree, rebuilds every view in a folder beside the live ones and compares their contents.
///
/// # Errors
/// What keeps it from checking at all; what it finds wrong is in the report.
pub fn check(path: &Path, progress: Progress<'_>) -> Result<CheckReport, StorageError> {
    let memory = Memory::new(Memory::BYTES_DEFAULT);
    let store = Store::open_as_is(path, Recovery::TornTail, &memory)?;
    let mut report = CheckReport::default();
    let total = store.last_header()?.map_or(0, |header| header.end);
    // A reindex that was cut short is finished first; views that cannot be are found to differ below.
    if let Err(error) = store.replay(&mut |_, _| Ok(())) {
        report.problem(|| format!("the views cannot be caught up: {error}"));
    }
    check_ledger(&store.db, &mut report, total, progress)?;
    let beside = path.with_extension("check");
    remove(&beside)?;
    let compared = compare_views(&store, &beside, &mut report, total, progress);
    remove(&beside)?;
    compared.map(|()| report)
}

fn compare_views(
    store: &Store,
    beside: &Path,
    report: &mut CheckReport,
    total: u64,
    progress: Progress<'_>,
) -> Result<(), StorageError> {
    let live = &*store.db;
    let rebuilt = Db::open(beside, Recovery::TornTail, store.memory.buffers())?;
    match replay_into(live, &rebuilt, Pieces::DEFAULT, &store.memory, (0, 0), total, progress) {
        Err(StorageError::Stopped) => return Err(StorageError::Stopped),
        Err(error) => report.problem(|| format!("the views cannot be rebuilt: {error}")),
        Ok(()) => {}
    }
    for family in Family::VIEWS {
        let expected = views::digest(&rebuilt, family)?;
        let found = views::digest(live, family);
        let same = found.as_ref() == Ok(&expected);
        report.views.push((family.name(), found.as_ref().map_or(0, |found| found.0), same));
        if !same {
            let how = found.err().map(|error| format!(" ({error})")).unwrap_or_default();
            report.problem(|| {
                format!("view {} differs from what the ledger says{how}; run `asof reindex`", family.name())
            });
        }
    }
    Ok(())
}

impl CheckReport {
    fn problem(&mut self, what: impl FnOnce() -> String) {
        self.problem_count += 1;
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(what());
        }
    }
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
    let mut hashes = 0;
    let mut wrong_root = false;
    reader.headers(0, &mut |header| {
        if header.number != report.batches || header.first != frontier.size() {
            let (number, first) = (header.number, header.first);
            report.problem(|| format!("batch {number} begins at {first}, not at {}", frontier.size()));
            return Ok(ControlFlow::Break(()));
        }
        if recorded_at.is_some_and(|last| header.recorded_at <= last) {
            report.problem(|| format!("batch {} was not recorded after the one before", header.number));
        }
        recorded_at = Some(header.recorded_at);
        let salts = Salts::new(&header.secret);
        for index in header.first..header.end {
            let canonical = match reader.canonical(index) {
                Ok(canonical) => canonical,
                Err(error) => {
                    report.problem(|| error.to_string());
                    Vec::new()
                }
            };
            match crate::canonical::decode(index, &canonical) {
                Ok(record) if record.recorded_at == header.recorded_at && record.source == header.source => {}
                Ok(_) => report
                    .problem(|| format!("record {index} and its batch's header disagree on when or by whom")),
                Err(error) => report.problem(|| format!("record {index}: {error}")),
            }
            let leaf = leaf_of(&salts, index, &canonical);
            frontier.append(leaf, |level, place, hash| {
                if level == 0 {
                    return;
                }
                hashes += 1;
                if reader.kept(level, place) != Ok(Some(*hash)) {
                    report.problem(|| {
                        format!("the tree's hash {place} on level {level} is not that of its records")
                    });
                }
            });
        }
        // Later roots rest on this one: one problem is enough.
        if frontier.root() != header.root && !std::mem::replace(&mut wrong_root, true) {
            report.problem(|| format!("the root after batch {} is not the one recorded", header.number));
        }
        report.batches += 1;
        report.records = header.end;
        progress(header.end, total)?;
        Ok(ControlFlow::Continue(()))
    })?;
    for (family, expected) in [(Family::Ledger, total), (Family::Hashes, hashes)] {
        let found = views::digest(db, family)?.0;
        if found != expected {
            report.problem(|| format!("{} has {found} rows, not {expected}", family.name()));
        }
    }
    Ok(())
}

/// Drops every view, whatever state it is in, and builds it anew from the ledger. Cut short, it goes on when the store is
/// opened next. `up_to_damage`: of a damaged write-ahead log, everything from the first damage on is left out for good.
///
/// # Errors
/// A disk that fails, or a ledger that is corrupt.
pub fn reindex(path: &Path, up_to_damage: bool, progress: Progress<'_>) -> Result<u64, StorageError> {
    let recovery = if up_to_damage { Recovery::UpToDamage } else { Recovery::TornTail };
    let store = Store::open_as_is(path, recovery, &Memory::new(Memory::BYTES_DEFAULT))?;
    store.drop_views()?;
    store.replay(progress)?;
    store.flush()?;
    Ok(store.last_header()?.map_or(0, |header| header.end))
}

fn remove(path: &Path) -> Result<(), StorageError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(StorageError::Io(format!("cannot remove {}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}
