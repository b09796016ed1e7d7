//! Reads the contract's cases: histories in the proto3 JSON mapping, and filters as the GraphQL variables have them. Its
//! own reader beside that of the wire, so that the naive model can be held to the cases without the engine.

mod filter;
mod history;
mod variables;

use std::path::PathBuf;

use serde_json::Value as Json;

pub use filter::{identity_where, window};
pub use history::batch;
pub use variables::identity_variable;

/// The random and the hand-made histories.
pub const CASES: &[&str] = &["story", "exposure", "random-1", "random-2", "random-3", "random-4", "random-5"];

/// All cases: these, and those of other seeds in the folder `fresh`, whose answers are the oracle's alone.
pub fn cases() -> Vec<String> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("contract/fresh");
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()));
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut fresh: Vec<String> =
        names.filter_map(|name| Some(format!("fresh/{}", name.strip_suffix(".jsonl")?))).collect();
    fresh.sort();
    CASES.iter().map(|case| (*case).to_owned()).chain(fresh).collect()
}

/// A file of the contract; or one elsewhere, by its whole path.
pub fn file(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("contract").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// A case's batches, each as JSON.
pub fn lines(case: &str) -> Vec<Json> {
    let text = file(&format!("{case}.jsonl"));
    text.lines().filter(|line| !line.trim().is_empty()).map(parse).collect()
}

/// A case's questions.
pub fn questions(case: &str) -> Vec<Json> {
    list(&parse(&file(&format!("{case}.questions.json")))).to_vec()
}

/// The batches that must be refused.
pub fn refused() -> Vec<Json> {
    list(&parse(&file("refused.json"))).to_vec()
}

fn parse(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|why| panic!("not JSON: {why}: {text}"))
}

/// The members of a list; of what is absent, none.
pub fn list(json: &Json) -> &[Json] {
    json.as_array().map_or(&[], Vec::as_slice)
}

/// A text; of what is absent, the empty one.
pub fn text(json: &Json) -> String {
    json.as_str().unwrap_or_default().to_owned()
}

fn texts(json: &Json) -> Vec<String> {
    list(json).iter().map(text).collect()
}
