//! What a field fails with: a stable code, a text that says what to change and, where an input is at fault, which one.
//!
//! | `extensions.code` | why | what else `extensions` has |
//! |---|---|---|
//! | `GRAPHQL_PARSE_FAILED` | the text is no GraphQL | |
//! | `GRAPHQL_VALIDATION_FAILED` | the schema has no such field, argument or type; variables are missing or of another type | |
//! | `BAD_REQUEST` | an input has no meaning, such as an empty window | `field` |
//! | `BAD_CURSOR` | `after` is no cursor of this list, tenant and ledger | `field` |
//! | `LIMIT_EXCEEDED` | a named limit was passed | `limit`, `limitName`, `asked`, where known; `field` |
//! | `DEADLINE_EXCEEDED` | the answer took too long | `limit`, in milliseconds, and `limitName` |
//! | `BUSY` | too many questions wait already; ask again in a moment | `limit`, `limitName` |
//! | `SLOW_READER` | a subscription's events were not taken | `resumeFrom` |
//! | `INVALID_TENANT`, `NO_SUCH_TENANT` | the tenant that was named | |
//! | `UNAVAILABLE` | the server is closing | |
//! | `INTERNAL` | not the asker's fault; the server's log says more | |

use asof_engine::EngineError;
use asof_query::QueryError;
use async_graphql::{Error, ErrorExtensions as _, Value};

/// A code of `extensions.code`.
pub(crate) const BAD_REQUEST: &str = "BAD_REQUEST";
/// The text is no GraphQL.
pub(crate) const PARSE_FAILED: &str = "GRAPHQL_PARSE_FAILED";
/// It is GraphQL, and asks for what the schema does not have, for no operation, or with variables of another type.
pub(crate) const VALIDATION_FAILED: &str = "GRAPHQL_VALIDATION_FAILED";
/// A cursor that is none, or another list's.
pub(crate) const BAD_CURSOR: &str = "BAD_CURSOR";
/// A named limit was passed; `extensions.limit` says it.
pub(crate) const LIMIT_EXCEEDED: &str = "LIMIT_EXCEEDED";
/// The answer took too long.
pub(crate) const DEADLINE: &str = "DEADLINE_EXCEEDED";
/// Events waited, and were not taken.
pub(crate) const SLOW_READER: &str = "SLOW_READER";
/// Not the asker's fault.
pub(crate) const INTERNAL: &str = "INTERNAL";

/// Why a field has no answer.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    code: &'static str,
    message: String,
    /// The input at fault, outermost first.
    field: String,
    more: Vec<(&'static str, Value)>,
}

impl Failure {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: String::new(), more: Vec::new() }
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::new(BAD_REQUEST, message)
    }

    pub(crate) fn limit(what: &str, asked: u64, limit: u64, name: &'static str) -> Self {
        Self::new(LIMIT_EXCEEDED, format!("{what} {asked} passes the limit of {limit} ({name})"))
            .with("limit", limit)
            .with("limitName", name)
            .with("asked", asked)
    }

    /// Adds what to do.
    pub(crate) fn advise(mut self, what: &str) -> Self {
        self.message = format!("{}: {what}", self.message);
        self
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.more.push((name, value.into()));
        self
    }
}

/// Says in which input a failure arose, on its way out.
pub(crate) trait Under {
    /// It arose in this member.
    fn under(self, field: impl AsRef<str>) -> Self;
}

impl<T> Under for Result<T, Failure> {
    fn under(self, field: impl AsRef<str>) -> Self {
        self.map_err(|mut failure| {
            let (outer, inner) = (field.as_ref(), &failure.field);
            failure.field = match inner.chars().next() {
                None => outer.to_owned(),
                Some('[') => format!("{outer}{inner}"),
                Some(_) => format!("{outer}.{inner}"),
            };
            failure
        })
    }
}

impl From<QueryError> for Failure {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Invalid(why) => Self::bad(why),
            QueryError::Limit { what, asked, limit, name } => Self::limit(what, asked, limit, name),
            QueryError::Cancelled => Self::new(DEADLINE, QueryError::Cancelled.to_string()),
            QueryError::Storage(why) => {
                tracing::error!(%why, "a query failed");
                Self::new(INTERNAL, QueryError::Storage(why).to_string())
            }
        }
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Query(error) => error.into(),
            EngineError::Point(why) => Self::bad(why),
            EngineError::Busy { waiting, .. } => Self::new(error.code(), error.to_string())
                .with("limit", waiting as u64)
                .with("limitName", "waiting_reads"),
            other => Self::new(other.code(), other.to_string()),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let message = if failure.field.is_empty() {
            failure.message.clone()
        } else {
            format!("{}: {}", failure.field, failure.message)
        };
        Self::new(message).extend_with(|_, values| {
            values.set("code", failure.code);
            if !failure.field.is_empty() {
                values.set("field", failure.field.as_str());
            }
            for (name, value) in &failure.more {
                values.set(*name, value.clone());
            }
        })
    }
}
