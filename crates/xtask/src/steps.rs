//! The chores as lists of cargo calls.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::Failure;

/// Calls cargo in the workspace, with RocksDB already built.
pub struct Cargo {
    root: PathBuf,
    rocksdb: PathBuf,
}

impl Cargo {
    pub fn new(root: &Path, rocksdb: PathBuf) -> Self {
        Self { root: root.to_path_buf(), rocksdb }
    }

    /// The folder with `librocksdb.a`.
    pub fn rocksdb(&self) -> &Path {
        &self.rocksdb
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = command(&self.root);
        command.args(args).env("ROCKSDB_LIB_DIR", &self.rocksdb).env("ROCKSDB_STATIC", "1");
        command
    }

    fn run(&self, args: &[&str]) -> Result<(), Failure> {
        run(&mut self.command(args))
    }
}

/// The cargo that runs this chore, in the workspace's folder.
pub fn command(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}

/// The command as one would type it.
pub fn typed(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy();
    let args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy()).collect();
    format!("{program} {}", args.join(" "))
}

/// Runs it to its end and says so; any status but 0 is a failure.
pub fn run(command: &mut Command) -> Result<(), Failure> {
    let typed = typed(command);
    eprintln!("xtask: {typed}");
    let started = Instant::now();
    let status = command.status().map_err(|error| format!("`{typed}` cannot be started: {error}"))?;
    if !status.success() {
        return Err(format!("`{typed}` failed ({status})"));
    }
    eprintln!("xtask: done in {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}

/// Formatting, lints, tests: all in the dev profile, so that what is compiled for one step serves the next.
pub fn test(cargo: &Cargo) -> Result<(), Failure> {
    cargo.run(&["fmt", "--all", "--check"])?;
    cargo.run(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    // The tests start the binary itself.
    cargo.run(&["build", "--package", "asof-server"])?;
    cargo.run(&["test", "--workspace"])?;
    clients(cargo)?;
    eprintln!("xtask: all is well");
    Ok(())
}

/// Other people's clients against the binary: the audits of GraphQL over HTTP, and paging through Relay connections.
fn clients(cargo: &Cargo) -> Result<(), Failure> {
    let folder = cargo.root.join("tests").join("clients");
    let npm = |args: &[&str]| {
        let mut command = Command::new("npm");
        command.args(args).current_dir(&folder);
        command
    };
    // None of the packages needs its install scripts.
    run(&mut npm(&["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))?;
    // This chore is built into the same folder.
    let this =
        std::env::current_exe().map_err(|error| format!("where this chore runs from is unknown: {error}"))?;
    run(npm(&["test", "--"]).arg(this.with_file_name(format!("asof{}", std::env::consts::EXE_SUFFIX))))
}

/// Ends as the binary ends; on Unix becomes it, so that Ctrl-C and SIGTERM reach it alone.
pub fn demo(cargo: &Cargo, rest: &[String]) -> Result<(), Failure> {
    cargo.run(&["build", "--release", "--package", "asof-server"])?;
    become_release(cargo, "asof-server", "asof", ["demo".to_owned()].iter().chain(rest))
}

/// Builds the server and the benchmark, and becomes the benchmark.
pub fn bench(cargo: &Cargo, rest: &[String]) -> Result<(), Failure> {
    cargo.run(&["build", "--release", "--package", "asof-server", "--package", "asof-benches"])?;
    become_release(cargo, "asof-benches", "asof-bench", rest.iter())
}

/// `cargo run` knows where the target folder is, and replaces itself with the program.
fn become_release<'a>(
    cargo: &Cargo,
    package: &str,
    binary: &str,
    args: impl Iterator<Item = &'a String>,
) -> Result<(), Failure> {
    let mut command =
        cargo.command(&["run", "--quiet", "--release", "--package", package, "--bin", binary, "--"]);
    command.args(args);
    replace(&mut command)
}

#[cfg(unix)]
fn replace(command: &mut Command) -> Result<(), Failure> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(format!("`{}` cannot be started: {error}", typed(command)))
}

#[cfg(not(unix))]
fn replace(command: &mut Command) -> Result<(), Failure> {
    run(command)
}
