//! What ends an import. A broken record ends nothing: it is told in the summary.

use std::path::PathBuf;

/// Why nothing could be imported at all.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// A path that does not exist, or cannot be listed or opened.
    #[error("cannot read {path}: {cause}")]
    Path {
        /// The path as given or found.
        path: PathBuf,
        /// What the system says.
        cause: std::io::Error,
    },
    /// A pattern that is no glob, or matches nothing.
    #[error("{pattern}: {why}")]
    Pattern {
        /// The pattern as given.
        pattern: String,
        /// What is wrong.
        why: String,
    },
    /// A file that is not of the form it has to have.
    #[error("{path}: {field}: {why}")]
    Form {
        /// The file.
        path: PathBuf,
        /// Which part of it.
        field: String,
        /// What is wrong and what would be right.
        why: String,
    },
}
