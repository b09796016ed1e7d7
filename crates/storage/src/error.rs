//! What storage can fail with.

/// Why storage did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageError {
    /// Bytes on disk are not what was written.
    #[error(
        "corruption: {0}; keep a copy of the data folder, then run `asof check`; where it cannot be opened at all, \
         `asof reindex --up-to-damage` leaves out what the write-ahead log has behind the damage"
    )]
    Corruption(String),
    /// The disk or the database under us failed.
    #[error("storage failed: {0}")]
    Io(String),
    /// Another process has the data open.
    #[error("the data folder {0} is in use by another process; stop it, or give another --data")]
    Locked(String),
    /// Written by another version.
    #[error(
        "the data folder has format version {found}, this program reads {supported}; use the program that wrote it"
    )]
    FormatVersion {
        /// On disk.
        found: u32,
        /// Of this program.
        supported: u32,
    },
    /// The same batch_id with another content.
    #[error(
        "batch_id {batch_id:?} of source {batch_source:?} was used before with another content; give each batch its own"
    )]
    BatchIdReused {
        /// The source.
        batch_source: String,
        /// The id.
        batch_id: String,
    },
    /// A number outgrew its type.
    #[error("{0} is full")]
    Full(&'static str),
    /// The caller asked to stop.
    #[error("stopped")]
    Stopped,
}

impl From<rocksdb::Error> for StorageError {
    fn from(error: rocksdb::Error) -> Self {
        match error.kind() {
            rocksdb::ErrorKind::Corruption => Self::Corruption(error.into_string()),
            _ => Self::Io(error.into_string()),
        }
    }
}

/// A corruption, with where it was found.
pub(crate) fn corrupt(what: impl Into<String>) -> StorageError {
    StorageError::Corruption(what.into())
}
