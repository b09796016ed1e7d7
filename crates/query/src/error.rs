//! What a question can fail with.

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// The question itself is wrong; says what to change.
    #[error("{0}")]
    Invalid(String),
    /// A named limit was passed.
    #[error("{what} {asked} passes the limit of {limit} ({name})")]
    Limit {
        /// What was too much.
        what: &'static str,
        /// How much was asked.
        asked: u64,
        /// How much there may be.
        limit: u64,
        /// The limit's name.
        name: &'static str,
    },
    /// The caller has gone, or the deadline has passed.
    #[error("the query was stopped: its deadline has passed or its client has gone")]
    Cancelled,
    /// Storage failed; not the asker's fault.
    #[error("reading failed: {0}")]
    Storage(String),
}

impl QueryError {
    /// A wrong question.
    pub fn invalid(why: impl Into<String>) -> Self {
        Self::Invalid(why.into())
    }
}
