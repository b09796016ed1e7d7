//! What `bench-peers` needs beside the project: PostgreSQL, and a Python with DuckDB and the clients, kept in the user's
//! cache and apart from the system's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::machine::{apt_install, quiet, works};
use crate::rocksdb::cache;
use crate::{Failure, steps};

/// By their names on PyPI; the newest when they are first needed.
const PACKAGES: [&str; 3] = ["duckdb", "psycopg[binary]", "pyarrow"];
const IMPORTS: &str = "import duckdb, psycopg, pyarrow.csv";

/// Where `benches/peers/in_postgresql.py` looks.
pub fn need_postgresql() -> Result<(), Failure> {
    let debian = || fs::read_dir("/usr/lib/postgresql").is_ok_and(|versions| versions.count() > 0);
    if debian() || works("initdb", &["--version"]) {
        return Ok(());
    }
    eprintln!("xtask: there is no PostgreSQL");
    apt_install(&["postgresql"])
}

/// The Python of an environment that has all packages.
pub fn need_python() -> Result<PathBuf, Failure> {
    let environment = cache()?.join("peers");
    let python = environment.join("bin").join("python");
    let ready = |python: &Path| quiet(Command::new(python).args(["-c", IMPORTS]));
    if ready(&python) {
        return Ok(python);
    }
    if !works("python3", &["-c", "import ensurepip"]) {
        apt_install(&["python3-venv"])?;
    }
    steps::run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    steps::run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--upgrade"]).args(PACKAGES))?;
    if ready(&python) {
        Ok(python)
    } else {
        Err(format!(
            "{} still cannot `{IMPORTS}`; remove {} and try again",
            python.display(),
            environment.display()
        ))
    }
}
