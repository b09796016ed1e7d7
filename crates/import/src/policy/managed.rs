//! The documents of some AWS managed policies: logs name these by ARN alone.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

const POLICIES: &str = include_str!("../../data/aws-managed-policies.jsonl");

static DOCUMENTS: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let lines = POLICIES.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines
        .filter_map(|mut line| Some((name(line["arn"].as_str()?)?.to_owned(), line["document"].take())))
        .collect()
});

/// Path and name of an AWS managed policy's ARN, of whatever partition.
fn name(arn: &str) -> Option<&str> {
    arn.split_once(":iam::aws:policy/").map(|(_, name)| name)
}

/// The document of an AWS managed policy, as it was when the table was made.
pub(crate) fn document(arn: &str) -> Option<&'static Value> {
    DOCUMENTS.get(name(arn)?)
}
