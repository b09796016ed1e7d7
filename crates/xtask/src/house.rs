//! The house rules of crates/README.md that no compiler keeps, read off the sources.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, iter};

/// Which of our own crates each may use: the ladder.
const LADDER: [(&str, &[&str]); 10] = [
    ("model", &[]),
    ("temporal", &["model"]),
    ("evidence", &["model"]),
    ("storage", &["model", "temporal", "evidence"]),
    ("query", &["model", "temporal"]),
    ("engine", &["model", "temporal", "evidence", "storage", "query"]),
    ("import", &["model"]),
    ("graphql", &["model", "query", "engine"]),
    ("grpc", &["model", "engine"]),
    ("server", &["model", "temporal", "evidence", "storage", "query", "engine", "import", "graphql", "grpc"]),
];
/// No clock, I/O, randomness or threads; their clippy.toml bans the rest, call by call.
const PURE: [&str; 4] = ["model", "temporal", "evidence", "query"];
const IMPURE: [&str; 10] = [
    "tokio",
    "rand",
    "getrandom",
    "ureq",
    "rocksdb",
    "axum",
    "tonic",
    "futures-util",
    "rayon",
    "async-stream",
];
/// Engine and below know no wire.
const BELOW_THE_WIRE: [&str; 6] = ["model", "temporal", "evidence", "storage", "query", "engine"];
const WIRE: [&str; 8] =
    ["prost", "prost-types", "tonic", "axum", "hyper", "async-graphql", "asof-grpc", "asof-graphql"];
const LINES_MAX: usize = 500;

fn root() -> PathBuf {
    crate::root().unwrap()
}

/// The names under `[dependencies]` of a crate: what it ships with.
fn dependencies(krate: &str) -> BTreeSet<String> {
    let manifest = fs::read_to_string(root().join("crates").join(krate).join("Cargo.toml")).unwrap();
    let mut lines = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    iter::from_fn(|| lines.next().filter(|line| !line.starts_with('[')))
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| line.split(['.', ' ', '=']).next().unwrap().to_owned())
        .collect()
}

/// Every Rust file below a folder of the workspace, with its text.
fn sources(folder: &str) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.insert(path.strip_prefix(root()).unwrap().to_path_buf(), text);
            }
        }
    }
    found
}

/// The files below `crates` that contain one of the texts. This crate and tests are free to name what they look for.
fn shipped_files_with(texts: &[&str]) -> Vec<PathBuf> {
    let ships = |path: &Path| {
        !path.starts_with("crates/xtask") && path.components().any(|part| part.as_os_str() == "src")
    };
    let with = |(_, text): &(PathBuf, String)| texts.iter().any(|each| text.contains(each));
    sources("crates").into_iter().filter(|(path, _)| ships(path)).filter(with).map(|(path, _)| path).collect()
}

#[test]
fn crates_use_only_what_is_below_them() {
    for (krate, below) in LADDER {
        for used in dependencies(krate).iter().filter_map(|name| name.strip_prefix("asof-")) {
            assert!(
                below.contains(&used),
                "{krate} uses {used}; it may use {below:?} (crates/README.md, the ladder)"
            );
        }
    }
    let crates = fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let known: BTreeSet<&str> = LADDER.iter().map(|(krate, _)| *krate).chain(["xtask"]).collect();
    for folder in crates.filter(|path| path.is_dir()) {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        assert!(known.contains(name.as_str()), "crates/{name} has no place in the ladder");
    }
}

#[test]
fn only_storage_names_rocksdb() {
    for (krate, _) in LADDER.iter().filter(|(krate, _)| *krate != "storage") {
        assert!(!dependencies(krate).contains("rocksdb"), "{krate} depends on rocksdb; only storage does");
    }
    for path in shipped_files_with(&["rocksdb::"]) {
        assert!(
            path.starts_with("crates/storage/src"),
            "{} names rocksdb; only storage does",
            path.display()
        );
    }
}

#[test]
fn pure_crates_depend_on_nothing_impure_and_ban_the_calls() {
    for krate in PURE {
        for impure in IMPURE {
            assert!(!dependencies(krate).contains(impure), "{krate} is pure and depends on {impure}");
        }
        let bans = fs::read_to_string(root().join("crates").join(krate).join("clippy.toml")).unwrap();
        assert!(
            bans.contains("std::time::SystemTime::now"),
            "crates/{krate}/clippy.toml does not ban the clock"
        );
    }
}

#[test]
fn the_wire_ends_above_the_engine() {
    for krate in BELOW_THE_WIRE {
        for wire in WIRE {
            assert!(
                !dependencies(krate).contains(wire),
                "{krate} depends on {wire}; wire types end above engine"
            );
        }
    }
}

#[test]
fn blocking_work_leaves_the_async_pool_in_one_file() {
    for path in shipped_files_with(&["spawn_blocking", "block_in_place"]) {
        let gate = path == Path::new("crates/engine/src/gate.rs");
        // A command of `asof` that is no server has the process for itself.
        let command = path.starts_with("crates/server/src") && !path.starts_with("crates/server/src/serve");
        assert!(gate || command, "{} leaves the async pool; engine's gate.rs alone does", path.display());
    }
    let here = ["crates/engine/src/gate.rs", "crates/server/src/serve/connections.rs"];
    for path in shipped_files_with(&["Place::Here"]) {
        assert!(
            here.iter().any(|own| path == Path::new(own)),
            "{} blocks the thread of others",
            path.display()
        );
    }
}

#[test]
fn no_std_hasher_and_no_native_endianness() {
    let banned = ["DefaultHasher", "to_ne_bytes", "from_ne_bytes"];
    let found = shipped_files_with(&banned);
    assert!(found.is_empty(), "{found:?} use one of {banned:?}: they differ between builds and machines");
}

#[test]
fn files_stay_small() {
    for (path, text) in ["crates", "benches", "tests"].into_iter().flat_map(sources) {
        let code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
        let lines = text.lines().filter(code).count();
        assert!(
            lines <= LINES_MAX,
            "{} has {lines} lines of code; split it ({LINES_MAX} at most)",
            path.display()
        );
    }
}
