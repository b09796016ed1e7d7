//! IAM's own listing of an account: the answer of `GetAccountAuthorizationDetails`, as `aws iam
//! get-account-authorization-details` writes it.
//!
//! The file says what was in force at one moment, which it does not tell itself: the caller gives it. All
//! that it lists is stated from then on, with POSTURE coverage of its identities.

mod details;
mod reach;

use std::path::Path;

use asof_model::{Batch, Instant};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::batches::Batches;
use crate::digest::hex;
use crate::facts::Cause;
use crate::{ImportError, Summary, files};
use details::Details;

/// So many records make a batch.
const BATCH_RECORDS: usize = 1_000;

/// What a file gives.
#[derive(Debug)]
pub struct Listing {
    /// In the order in which they are to be written.
    pub batches: Vec<Batch>,
    /// What was done and what was left out.
    pub summary: Summary,
}

/// Reads a file, packed or not, that lists what was in force at that moment. Pages of a listing may stand one
/// after another in it.
pub fn read(path: &Path, at: Instant) -> Result<Listing, ImportError> {
    let form =
        |field: &str, why: String| ImportError::Form { path: path.to_owned(), field: field.to_owned(), why };
    if !at.is_in_range() {
        return Err(form("at", "is not between 1970 and 2262".to_owned()));
    }
    let mut text = Vec::new();
    files::open(path, &std::sync::Arc::default())
        .and_then(|mut input| input.read_to_end(&mut text))
        .map_err(|cause| ImportError::Path { path: path.to_owned(), cause })?;
    let digest = hex(&Sha256::digest(&text)[..16]);
    let mut pages = Vec::new();
    for page in serde_json::Deserializer::from_slice(&text).into_iter::<Value>() {
        pages.push(page.map_err(|cause| form("the file", format!("is no JSON: {cause}")))?);
    }
    drop(text);
    let mut summary = Summary { files: 1, ..Summary::default() };
    let details = Details::read(path, &pages, &mut summary)?;
    summary.events = details.entries;
    // The same file at the same moment gives the same facts, each known by this.
    let cause = Cause { at, event_id: format!("{digest}@{at}"), caused_by: String::new() };
    let facts = details.facts(&cause, &mut summary);
    let mut batches = Batches::new(BATCH_RECORDS);
    let source = format!("aws-iam/{}", details.account);
    for fact in facts {
        batches.fact(&source, fact);
    }
    batches.finish();
    let mut found = Vec::new();
    while let Some(batch) = batches.next(&mut summary) {
        found.push(batch);
    }
    Ok(Listing { batches: found, summary })
}
