//! CloudTrail logs: what was done, and the posture that the calls themselves made.
//!
//! All files are read twice: first for what one event says about others (names and ids, who minted which key,
//! the calls that change posture), then for what each says itself. So the order of files makes no difference
//! to what is stated.

mod event;
mod minted;
mod names;
mod observe;
mod replay;
mod replay_iam;
mod replay_workloads;
mod resource;
mod survey;
mod who;

use std::io::BufRead;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use asof_model::{Batch, Instant, Privilege};

use crate::actions::Catalogue;
use crate::arn::{Arn, id_of};
use crate::batches::Batches;
use crate::records::Records;
use crate::{ImportError, Summary, files};
use event::Event;
use survey::Survey;

/// How to read.
#[derive(Debug, Clone)]
pub struct Options {
    /// So many records make a batch.
    pub batch_records: usize,
    /// Users, roles and groups that the files may name but not give the immutable id of: (ARN, id such as
    /// `AROAEXAMPLE`).
    pub known_names: Vec<(String, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self { batch_records: 1_000, known_names: Vec::new() }
    }
}

/// How far an import is, to be looked at from another thread.
#[derive(Debug, Default)]
pub struct Progress {
    bytes: Arc<AtomicU64>,
    bytes_total: AtomicU64,
    events: AtomicU64,
}

impl Progress {
    /// Bytes read from disk so far. Every file is read twice.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Bytes to be read from disk in all, both times.
    pub fn bytes_total(&self) -> u64 {
        self.bytes_total.load(Ordering::Relaxed)
    }

    /// Events given out so far.
    pub fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }
}

/// An import under way: a source of batches.
///
/// ```no_run
/// let mut import = asof_import::cloudtrail::CloudTrail::open(&["logs".into()], Default::default())?;
/// while let Some(batch) = import.next_batch() {
///     println!("{} {}", batch.source, batch.observations.len());
/// }
/// println!("{} events", import.summary().events);
/// # Ok::<(), asof_import::ImportError>(())
/// ```
pub struct CloudTrail {
    files: Vec<PathBuf>,
    progress: Arc<Progress>,
    summary: Summary,
    batches: Batches,
    survey: Survey,
    surveyed: bool,
    next_file: usize,
    open: Option<Records<Box<dyn BufRead + Send>>>,
    finished: bool,
}

impl CloudTrail {
    /// Finds the files that the paths name: files, directories, globs. A path that cannot be read ends it
    /// here.
    pub fn open(paths: &[PathBuf], options: Options) -> Result<Self, ImportError> {
        let files = files::find(paths)?;
        let progress = Arc::new(Progress::default());
        let mut bytes = 0;
        for path in &files {
            let of_file =
                std::fs::metadata(path).map_err(|cause| ImportError::Path { path: path.clone(), cause })?;
            bytes += of_file.len() * 2;
        }
        progress.bytes_total.store(bytes, Ordering::Relaxed);
        let mut survey = Survey::default();
        for (arn, unique) in &options.known_names {
            if let Some(named) = Arn::parse(arn).and_then(|arn| arn.principal()) {
                survey.names.seen(&named, &id_of(unique), Instant::from_nanos(0), false);
                survey.names.arn(&id_of(unique), arn);
            }
        }
        let batches = Batches::new(options.batch_records);
        let summary = Summary { files: files.len() as u64, ..Summary::default() };
        Ok(Self {
            files,
            progress,
            summary,
            batches,
            survey,
            surveyed: false,
            next_file: 0,
            open: None,
            finished: false,
        })
    }

    /// The files, in the order in which they are read.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// How far it is.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// What was done so far; whole when [`CloudTrail::next_batch`] has given `None`.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    /// The next batch. The first call reads all files once before it gives one.
    pub fn next_batch(&mut self) -> Option<Batch> {
        if !self.surveyed {
            self.survey();
            self.surveyed = true;
        }
        loop {
            if let Some(batch) = self.batches.next(&mut self.summary) {
                return Some(batch);
            }
            if self.finished {
                return None;
            }
            if !self.read_some() {
                self.batches.finish();
                self.finished = true;
            }
        }
    }

    /// The first pass, and the facts that follow from all files together.
    fn survey(&mut self) {
        for path in &self.files {
            // What is wrong with a file or a record is told when it is read for good.
            let Ok(input) = files::open(path, &self.progress.bytes) else { continue };
            let mut records = Records::new(input);
            while let Some(record) = records.next() {
                let Ok((_, value)) = record else { continue };
                if let Ok(event) = Event::read(value) {
                    let _ = self.survey.event(&event);
                }
            }
        }
        self.survey.finish();
        let replayed = replay::replay(&self.survey, &mut self.summary);
        let mut facts = self.survey.appearances(&replayed.made, &replayed.deleted);
        facts.extend(replayed.facts);
        // Of two facts of one second on one subject the later one rules, so that those of calls stay in their
        // order.
        facts.sort_by_key(|(_, fact)| fact.valid_from);
        for (source, fact) in facts {
            self.batches.fact(&source, fact);
        }
    }

    /// Reads a record, or opens a file; `false`: there is nothing more.
    fn read_some(&mut self) -> bool {
        let Some(records) = &mut self.open else {
            let Some(path) = self.files.get(self.next_file) else { return false };
            match files::open(path, &self.progress.bytes) {
                Ok(input) => self.open = Some(Records::new(input)),
                Err(cause) => {
                    self.summary.skip(path, 0, "", format!("cannot be read: {cause}"));
                    self.next_file += 1;
                }
            }
            return true;
        };
        let path = &self.files[self.next_file];
        match records.next() {
            None => {
                self.open = None;
                self.next_file += 1;
            }
            Some(Err(broken)) => self.summary.skip(path, broken.record, "", broken.why),
            Some(Ok((record, value))) => {
                let read = Event::read(value).and_then(|event| Ok((who::caller(&event)?, event)));
                match read {
                    Err((field, why)) => self.summary.skip(path, record, field, why),
                    Ok((caller, event)) => self.event(&event, &caller),
                }
            }
        }
        true
    }

    fn event(&mut self, event: &Event, caller: &who::Caller) {
        self.summary.events += 1;
        self.progress.events.fetch_add(1, Ordering::Relaxed);
        let action = Catalogue::get().of_event(&event.source, &event.name);
        if action.class.is_none() || action.class == Some(Privilege::Other) {
            self.summary.unknown_action(&action.name);
        }
        let source = event.collector();
        for fact in minted::facts(event, caller, &self.survey) {
            self.batches.fact(&source, fact);
        }
        for seen in observe::observations(event, caller, &action, &self.survey) {
            self.batches.observation(&source, seen);
        }
    }
}
