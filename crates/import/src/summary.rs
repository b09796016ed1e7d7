//! What an import did and what it left out.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

/// A record, or the rest of a file, that was left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// The file.
    pub file: PathBuf,
    /// The record's number in it, from 1; 0: the file as such.
    pub record: u64,
    /// The faulty field; empty: the record as such.
    pub field: String,
    /// What is wrong.
    pub why: String,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.record > 0 {
            write!(f, ", record {}", self.record)?;
        }
        if !self.field.is_empty() {
            write!(f, ", {}", self.field)?;
        }
        write!(f, ": {}", self.why)
    }
}

/// Something of which the files do not say enough, or that is not modelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Note {
    /// A policy whose document is neither in the files nor in the table of AWS managed policies.
    DocumentMissing,
    /// An action pattern of a policy that matches no known action: it gives no entitlement.
    PolicyActionUnknown,
    /// A policy document, or a statement of one, that cannot be read.
    DocumentUnreadable,
    /// A permissions boundary whose effect is not stated.
    BoundaryNotApplied,
    /// A denial in a trust policy that no edge can express.
    TrustDenialNotApplied,
}

impl Note {
    /// What it says, before its subject.
    pub const fn text(self) -> &'static str {
        match self {
            Self::DocumentMissing => "policy document not in the log",
            Self::PolicyActionUnknown => "action of a policy that the catalogue does not know",
            Self::DocumentUnreadable => "policy document that cannot be read",
            Self::BoundaryNotApplied => "permissions boundary not applied",
            Self::TrustDenialNotApplied => "denial in a trust policy not applied",
        }
    }
}

/// The closing account of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Files read.
    pub files: u64,
    /// Events (records) read, without the skipped ones.
    pub events: u64,
    /// Observations given out.
    pub observations: u64,
    /// Facts given out.
    pub facts: u64,
    /// Batches given out.
    pub batches: u64,
    /// What was left out: the first ones up to [`Summary::SKIPPED_KEPT`].
    pub skipped: Vec<Skipped>,
    /// How many were left out, those not kept included.
    pub skipped_count: u64,
    /// Actions that the catalogue does not know (class OTHER), and how often they were seen.
    pub unknown_actions: BTreeMap<String, u64>,
    /// What is not stated for want of knowledge, by kind and subject, and how often.
    pub notes: BTreeMap<(Note, String), u64>,
    /// Coverages stated. A log states none: which part of the account it covers is not in it.
    pub coverages: u64,
}

impl Summary {
    /// How many [`Summary::skipped`] are kept: a log of another kind must not fill the memory.
    pub const SKIPPED_KEPT: usize = 1_000;

    pub(crate) fn skip(
        &mut self,
        file: &Path,
        record: u64,
        field: impl Into<String>,
        why: impl Into<String>,
    ) {
        self.skipped_count += 1;
        if self.skipped.len() < Self::SKIPPED_KEPT {
            let (field, why) = (field.into(), why.into());
            self.skipped.push(Skipped { file: file.to_owned(), record, field, why });
        }
    }

    pub(crate) fn note(&mut self, note: Note, subject: impl Into<String>) {
        *self.notes.entry((note, subject.into())).or_insert(0) += 1;
    }

    pub(crate) fn unknown_action(&mut self, action: &str) {
        match self.unknown_actions.get_mut(action) {
            Some(count) => *count += 1,
            None => drop(self.unknown_actions.insert(action.to_owned(), 1)),
        }
    }
}
