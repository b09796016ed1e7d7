//! What the engine can fail with: few kinds, each telling the caller what to do.

use asof_model::Fault;
use asof_query::QueryError;
use asof_storage::StorageError;

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// A batch with faulty fields; nothing of it was written.
    #[error("batch {batch_id:?} is refused: {} faulty field(s), the first {}", faults.len(), first(faults))]
    Refused {
        /// As given.
        batch_id: String,
        /// Every one.
        faults: Vec<Fault>,
    },
    /// The same batch_id with another content; nothing of it was written.
    #[error(
        "batch_id {batch_id:?} of source {batch_source:?} was used before with another content; give each batch its own"
    )]
    BatchIdReused {
        /// The source.
        batch_source: String,
        /// The id.
        batch_id: String,
    },
    /// Not a tenant's name.
    #[error("{0:?} is no tenant name: 1 to 64 letters, digits, `-` and `_`")]
    TenantName(String),
    /// Not there.
    #[error("there is no tenant {0:?}; a first write creates it")]
    NoTenant(String),
    /// A point in time that cannot be asked for.
    #[error("{0}")]
    Point(String),
    /// The question failed.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// Too much at once.
    #[error("too many requests at once: {running} run and {waiting} wait; try again in a moment")]
    Busy {
        /// So many run at once.
        running: usize,
        /// So many may wait.
        waiting: usize,
    },
    /// Shutting down, or stopped after a failure of storage.
    #[error("the engine is closed")]
    Closed,
    /// Storage failed.
    #[error(transparent)]
    Storage(StorageError),
}

fn first(faults: &[Fault]) -> String {
    faults.first().map_or_else(String::new, |fault| format!("{}: {}", fault.field, fault.why))
}

impl From<StorageError> for EngineError {
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::BatchIdReused { batch_source, batch_id } => {
                Self::BatchIdReused { batch_source, batch_id }
            }
            other => Self::Storage(other),
        }
    }
}

impl EngineError {
    /// A stable name for programs.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "INVALID_BATCH",
            Self::BatchIdReused { .. } => "BATCH_ID_REUSED",
            Self::TenantName(_) => "INVALID_TENANT",
            Self::NoTenant(_) => "NO_SUCH_TENANT",
            Self::Point(_) | Self::Query(QueryError::Invalid(_)) => "BAD_REQUEST",
            Self::Query(QueryError::Limit { .. }) => "LIMIT_EXCEEDED",
            Self::Query(QueryError::Cancelled) => "DEADLINE_EXCEEDED",
            Self::Busy { .. } => "BUSY",
            Self::Closed => "UNAVAILABLE",
            Self::Query(QueryError::Storage(_)) | Self::Storage(_) => "INTERNAL",
        }
    }
}
