//! What a call fails with.

use asof_engine::EngineError;
use asof_model::Fault;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, FieldViolation, StatusExt as _};

/// How many bytes of faults are told: trailers are bounded, 8 KiB in most clients.
const FAULT_BYTES: usize = 4 << 10;
/// What a violation takes beside its two texts.
const VIOLATION_BYTES: usize = 12;
/// How much of a batch_id is repeated.
const BATCH_ID_CHARS: usize = 128;

/// A batch is refused whole: the first faults that fit, and how many there are.
pub(crate) fn refused(batch_id: &str, faults: &[Fault]) -> Status {
    let named = if batch_id.is_empty() {
        "what was sent without batch_id".to_owned()
    } else {
        let short: String = batch_id.chars().take(BATCH_ID_CHARS).collect();
        format!("batch {short:?}")
    };
    let what = if faults.len() == 1 { "field is" } else { "fields are" };
    let first =
        faults.first().map(|fault| format!(", first {}: {}", fault.field, fault.why)).unwrap_or_default();
    let message =
        format!("{named} is refused and nothing of it is written: {} {what} at fault{first}", faults.len());
    let mut left = FAULT_BYTES.saturating_sub(message.len());
    let mut told = Vec::new();
    for fault in faults {
        let bytes = fault.field.len() + fault.why.len() + VIOLATION_BYTES;
        if bytes > left {
            break;
        }
        left -= bytes;
        told.push(FieldViolation::new(&fault.field, &fault.why));
    }
    let mut details = ErrorDetails::new();
    details.set_bad_request(told);
    Status::with_error_details(Code::InvalidArgument, message, details)
}

/// The faults that a status tells, as (field, why).
pub fn violations(status: &Status) -> Vec<(String, String)> {
    let told = status.get_details_bad_request().map(|told| told.field_violations).unwrap_or_default();
    told.into_iter().map(|each| (each.field, each.description)).collect()
}

/// The engine's errors, each with the code that tells a client what to do.
pub(crate) fn from_engine(error: EngineError) -> Status {
    let code = match &error {
        EngineError::Refused { batch_id, faults } => return refused(batch_id, faults),
        EngineError::BatchIdReused { .. } => Code::FailedPrecondition,
        EngineError::TenantName(_) => Code::InvalidArgument,
        EngineError::NoTenant(_) => Code::NotFound,
        EngineError::Point(_) => Code::OutOfRange,
        EngineError::Query(_) => match error.code() {
            "DEADLINE_EXCEEDED" => Code::DeadlineExceeded,
            "INTERNAL" => Code::Internal,
            _ => Code::InvalidArgument,
        },
        EngineError::Busy { .. } => Code::ResourceExhausted,
        EngineError::Closed => Code::Unavailable,
        EngineError::Storage(_) => Code::Internal,
    };
    if matches!(code, Code::Internal) {
        tracing::error!(%error, "a call failed");
    }
    Status::new(code, error.to_string())
}
