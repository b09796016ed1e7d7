//! The house's rules that can be read off the sources.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file below a folder with this ending, in order of path.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut ahead = vec![folder.to_owned()];
    while let Some(folder) = ahead.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                ahead.push(path);
            } else if path.to_string_lossy().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The crates, by the names of their folders.
fn crates() -> Vec<String> {
    let folders = std::fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap());
    let mut names: Vec<_> = folders
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The lines of code: (file, line number, text), without comments.
fn code(name: &str) -> Vec<(PathBuf, usize, String)> {
    let mut lines = Vec::new();
    for path in files(&root().join("crates").join(name).join("src"), ".rs") {
        let text = std::fs::read_to_string(&path).unwrap();
        for (number, line) in text.lines().enumerate() {
            let line = line.split("//").next().unwrap_or_default();
            lines.push((path.clone(), number + 1, line.to_owned()));
        }
    }
    lines
}

fn found(name: &str, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, number, line) in code(name) {
        for word in words {
            if line.contains(word) {
                found.push(format!("{}:{number}: {word}", path.display()));
            }
        }
    }
    found
}

/// What a crate depends on: the keys of its manifest's dependency tables, the one for tests left aside.
fn dependencies(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join("crates").join(name).join("Cargo.toml")).unwrap();
    let mut table = "";
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            table = line;
        } else if table == "[dependencies]"
            && let Some((key, _)) = line.split_once('=')
        {
            found.push(key.split('.').next().unwrap_or_default().trim().to_owned());
        }
    }
    found
}

#[test]
fn crates_stand_on_the_ladder() {
    const LADDER: &[(&str, &[&str])] = &[
        ("model", &[]),
        ("temporal", &["model"]),
        ("evidence", &["model"]),
        ("storage", &["model", "temporal", "evidence"]),
        ("query", &["model", "temporal"]),
        ("engine", &["model", "temporal", "evidence", "storage", "query"]),
        ("import", &["model"]),
        ("graphql", &["model", "query", "engine"]),
        ("grpc", &["model", "engine"]),
        ("server", &["model", "query", "engine", "import", "graphql", "grpc"]),
        ("xtask", &[]),
    ];
    let mut wrong = Vec::new();
    for name in crates() {
        let Some((_, may)) = LADDER.iter().find(|(each, _)| *each == name) else {
            wrong.push(format!("crates/{name} has no step on the ladder"));
            continue;
        };
        for used in dependencies(&name).iter().filter_map(|each| each.strip_prefix("asof-")) {
            if !may.contains(&used) {
                wrong.push(format!("crates/{name} uses {used}, and may use {may:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn storage_alone_names_rocksdb() {
    let mut wrong = Vec::new();
    for name in crates().iter().filter(|name| !["storage", "xtask"].contains(&name.as_str())) {
        wrong.extend(found(name, &["rocksdb"]));
        wrong.extend(dependencies(name).into_iter().filter(|each| each == "rocksdb"));
    }
    assert!(wrong.is_empty(), "xtask builds the library, storage uses it, and no other: {wrong:#?}");
}

#[test]
fn pure_crates_have_no_clock_and_no_world() {
    const WORLD: &[&str] = &[
        "std::fs",
        "std::net",
        "std::process",
        "std::thread",
        "std::env",
        "SystemTime",
        "Instant::now",
        "Timestamp::now",
        "rand::",
        "tokio",
    ];
    let wrong: Vec<_> =
        ["model", "temporal", "evidence", "query"].iter().flat_map(|name| found(name, WORLD)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_are_short() {
    const LINES_MAX: usize = 500;
    let mut wrong = Vec::new();
    for folder in ["crates", "tests", "benches"] {
        for path in files(&root().join(folder), ".rs") {
            let lines = std::fs::read_to_string(&path).unwrap().lines().count();
            if lines > LINES_MAX {
                wrong.push(format!("{} has {lines} lines", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "at most {LINES_MAX}: {wrong:#?}");
}

#[test]
fn crates_are_few_and_have_a_purpose() {
    let names = crates();
    assert!(names.len() <= 11, "ten beside xtask: {names:?}");
    assert!(!names.iter().any(|name| name == "utils" || name == "common"), "{names:?}");
}

/// A question reads through one reader alone, made for a K; whatever that asks of storage, it asks as of its K.
#[test]
fn nothing_is_read_without_a_ledger_size() {
    // By ordinal, which only what was read at K gives; by index, held against K; a superset by its contract; and what says
    // of each thing which record says it, which the query layer holds against K; and an estimate, by which work is planned.
    const OTHERWISE: &[&str] = &[
        "text",
        "name",
        "lookup",
        "header_of",
        "record",
        "entangled",
        "ever_ended",
        "ever_said",
        "mortal",
        "edges",
        "terms",
        "matching",
        "stated_since",
        "deaths",
        "scoped",
        "events_about",
    ];
    let reader = root().join("crates/engine/src/reader.rs");
    let text = std::fs::read_to_string(&reader).unwrap();
    let mut calls = 0;
    for (at, _) in text.match_indices("self.store") {
        let call = text[at + "self.store".len()..].trim_start();
        let Some(call) = call.strip_prefix('.') else { panic!("storage is handed on: {call:.80}") };
        // To the end of the statement, or of the method.
        let ends = [call.find(';'), call.find("\n    }")];
        let call = &call[..ends.into_iter().flatten().min().unwrap_or(call.len())];
        let name = call.split('(').next().unwrap_or_default();
        assert!(OTHERWISE.contains(&name) || call.contains("self.size"), "not as of K: {call}");
        calls += 1;
    }
    assert!(calls > 10, "the test looks at the wrong place");
    let wrong: Vec<_> =
        ["query", "graphql", "grpc"].iter().flat_map(|name| found(name, &["asof_storage"])).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let wrong: Vec<_> = found("engine", &["impl Reader for"])
        .into_iter()
        .filter(|line| !line.contains("reader.rs"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}
