//! Hostile bytes: a plain function for each door that they come in by. Each panics on a fault that it finds, and on nothing else;
//! a test runs them on stable Rust, `tests/fuzz` under a coverage-guided fuzzer.

#![expect(clippy::unwrap_used, reason = "what cannot be set up fails, and so does what is found")]

pub mod cursor;
pub mod glob;
pub mod graphql;
pub mod mutate;
mod server;
pub mod write;

use std::path::{Path, PathBuf};

use crate::draw::Draw;

pub use cursor::cursor;
pub use glob::glob;
pub use graphql::graphql_request;
pub use write::write_request;

/// A door.
pub struct Target {
    /// Its name, and that of the folder with its corpus.
    pub name: &'static str,
    /// What is run on bytes.
    pub run: fn(&[u8]),
    /// Makes other bytes of these, with what may be borrowed from others.
    pub mutate: fn(&mut Vec<u8>, &[Vec<u8>], &mut Draw),
    /// Inputs that come deep: made, not kept.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// Closes what it has open. A tenant that was written to must have the views that a rebuild makes.
    pub finish: fn(),
}

/// All doors.
pub const TARGETS: &[Target] = &[
    Target {
        name: "cursor",
        run: cursor,
        mutate: mutate::bytes,
        seeds: cursor::seeds,
        finish: cursor::finish,
    },
    Target { name: "glob", run: glob, mutate: glob::mutate, seeds: glob::seeds, finish: || {} },
    Target {
        name: "graphql_request",
        run: graphql_request,
        mutate: graphql::mutate,
        seeds: graphql::seeds,
        finish: graphql::finish,
    },
    Target {
        name: "write_request",
        run: write_request,
        mutate: write::mutate,
        seeds: write::seeds,
        finish: write::finish,
    },
];

impl Target {
    /// The door of this name.
    pub fn of(name: &str) -> &'static Self {
        TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("no target {name}"))
    }

    /// Where its corpus is kept: what the fuzzer found to go other ways than the seeds, and what it found wrong.
    pub fn folder(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(self.name)
    }

    /// Its corpus, by file name.
    pub fn corpus(&self) -> Vec<(String, Vec<u8>)> {
        let mut found: Vec<_> = std::fs::read_dir(self.folder())
            .into_iter()
            .flatten()
            .map(|entry| {
                let path = entry.unwrap().path();
                (
                    path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
                    std::fs::read(&path).unwrap(),
                )
            })
            .collect();
        found.sort();
        found
    }
}
