//! The real binary as a child process.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The binary `asof` of this profile, built if need be.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        // .../target/debug/deps/all-1234: the profile's folder is two up.
        let folder = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
        let profile = match folder.file_name().unwrap().to_str().unwrap() {
            "debug" => "dev",
            other => other,
        };
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "asof-server", "--bin", "asof", "--profile", profile]);
        cargo
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
            .env("CARGO_TARGET_DIR", folder.parent().unwrap());
        assert!(cargo.status().unwrap().success(), "asof does not build");
        folder.join(format!("asof{}", std::env::consts::EXE_SUFFIX))
    })
}

/// A command of the binary on a data folder, its output kept.
pub fn run(command: &str, data: &Path) -> std::process::Output {
    Command::new(binary()).arg(command).arg("--data").arg(data).stdin(Stdio::null()).output().unwrap()
}

/// `asof check` finds the views equal to what the ledger gives.
pub fn check(data: &Path) {
    let output = run("check", data);
    let (said, erred) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "asof check: {}\n{said}\n{erred}", output.status);
}

/// A server on a free port, killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    out: Option<BufReader<ChildStdout>>,
    /// `127.0.0.1:PORT`; empty until it listens.
    pub address: String,
}

impl Server {
    /// Starts it and waits until it listens.
    pub fn start(data: &Path) -> Self {
        Self::start_with(data, &[])
    }

    /// With more in its environment.
    pub fn start_with(data: &Path, environment: &[(&str, &Path)]) -> Self {
        let mut server = Self::spawn(data, environment);
        server.wait_until_it_listens();
        server
    }

    /// Starts it and does not wait.
    pub fn spawn(data: &Path, environment: &[(&str, &Path)]) -> Self {
        let mut command = Command::new(binary());
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).env("RUST_LOG", "warn");
        for (name, value) in environment {
            command.env(name, value);
        }
        let mut child = command.spawn().unwrap();
        let out = child.stdout.take().map(BufReader::new);
        Self { child, out, address: String::new() }
    }

    fn wait_until_it_listens(&mut self) {
        let mut out = self.out.take().unwrap();
        let mut said = String::new();
        while self.address.is_empty() {
            let mut line = String::new();
            let ended = out.read_line(&mut line).unwrap() == 0;
            assert!(!ended, "asof serve ended before it listened: {:?}, saying {said:?}", self.child.wait());
            if let Some((_, rest)) = line.split_once("127.0.0.1:") {
                let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
                self.address = format!("127.0.0.1:{port}");
            }
            said += &line;
        }
        // What it prints later must go somewhere, or its pipe fills.
        std::thread::spawn(move || out.read_to_end(&mut Vec::new()));
    }

    /// Of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, at once.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and how it ended.
    pub fn terminate(mut self) -> ExitStatus {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "SIGTERM does not end it");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
