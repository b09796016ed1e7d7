//! The repository's own chores: `cargo xtask demo`, `test`, `bench`, `bench-peers`, `setup`.
//!
//! Std alone, so that a fresh machine compiles it in a second and it can then put right what is missing.

#[cfg(test)]
mod house;
mod machine;
mod peers;
mod rocksdb;
mod steps;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const HELP: &str = "\
cargo xtask demo [--exit] [ARGS...]   build the release binary, load the sample organisation, answer, serve
cargo xtask test                      formatting, clippy with warnings as errors, all tests, other people's clients
cargo xtask bench [ARGS...]           the benchmark, in release; ARGS go to it (see benches/README.md)
cargo xtask bench-peers [ARGS...]     the same, and after it PostgreSQL and DuckDB on the same data; for example --scale 0.1
cargo xtask setup                     only put right what this machine lacks (libclang, Node.js, RocksDB built once)

ARGS after `demo` go to `asof demo`, for example: cargo xtask demo --exit --data /tmp/asof-demo";

/// What went wrong, and what to do about it, in words for whoever runs the chore.
type Failure = String;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let chore = args.next().unwrap_or_default();
    let mut rest: Vec<String> = args.collect();
    if rest.first().is_some_and(|first| first == "--") {
        rest.remove(0);
    }
    match run(&chore, &rest) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nxtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: &str, rest: &[String]) -> Result<(), Failure> {
    let root = root()?;
    match chore {
        "demo" => steps::demo(&prepare(&root)?, rest),
        "bench" => steps::bench(&prepare(&root)?, rest),
        "bench-peers" => {
            peers::need_postgresql()?;
            let python = peers::need_python()?;
            let given = ["--peers".to_owned(), python.display().to_string()];
            steps::bench(&prepare(&root)?, &[&given, rest].concat())
        }
        "test" => {
            machine::need_components(&root)?;
            machine::need_node()?;
            steps::test(&prepare(&root)?)
        }
        "setup" => {
            machine::need_components(&root)?;
            machine::need_node()?;
            let cargo = prepare(&root)?;
            eprintln!(
                "xtask: this machine has what it takes. Plain cargo commands want the same two variables:"
            );
            eprintln!("  export ROCKSDB_LIB_DIR={} ROCKSDB_STATIC=1", cargo.rocksdb().display());
            Ok(())
        }
        "" | "help" | "--help" | "-h" => {
            eprintln!("{HELP}");
            Ok(())
        }
        other => Err(format!("there is no chore {other:?}; there are\n\n{HELP}")),
    }
}

/// Puts right what the machine lacks. What comes back runs cargo with RocksDB found.
fn prepare(root: &Path) -> Result<steps::Cargo, Failure> {
    machine::need_compiler()?;
    machine::need_libclang()?;
    Ok(steps::Cargo::new(root, rocksdb::build_once(root)?))
}

/// The folder of the workspace: two above this crate's.
fn root() -> Result<PathBuf, Failure> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .nth(2)
        .map(Path::to_path_buf)
        .ok_or_else(|| format!("{} is not in a workspace", here.display()))
}
