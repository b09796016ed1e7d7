//! `asof serve` as a child process.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Failure;

const START_MAX: Duration = Duration::from_secs(120);

/// A running server; killed where it is dropped without [`Server::stop`].
pub struct Server {
    child: Child,
    address: String,
}

impl Server {
    /// Starts it on a free port and waits until it listens.
    pub fn start(asof: &Path, data: &Path) -> Result<Self, Failure> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let mut command = Command::new(asof);
        command.args(["serve", "--listen", &address, "--data"]).arg(data);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child = command.spawn().map_err(|error| format!("cannot start {}: {error}", asof.display()))?;
        let mut server = Self { child, address };
        let started = Instant::now();
        while TcpStream::connect(&server.address).is_err() {
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("`asof serve` ended at once ({status}); its message is above").into());
            }
            if started.elapsed() > START_MAX {
                return Err(format!("`asof serve` does not listen after {} s", START_MAX.as_secs()).into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Memory in use, in MB; 0 where the system does not tell.
    pub fn resident_mb(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line
            .and_then(|line| line.split_whitespace().next())
            .and_then(|number| number.parse::<u64>().ok());
        kib.unwrap_or(0) * 1024 / 1_000_000
    }

    /// SIGTERM, and waits: it finishes, flushes and closes.
    pub fn stop(mut self) -> Result<(), Failure> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        let status = self.child.wait()?;
        if status.success() { Ok(()) } else { Err(format!("`asof serve` ended with {status}").into()) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended after `stop`; both calls then do nothing.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The sizes of all files below a folder.
pub fn bytes_below(folder: &Path) -> Result<u64, Failure> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let about = entry.metadata()?;
        bytes += if about.is_dir() { bytes_below(&entry.path())? } else { about.len() };
    }
    Ok(bytes)
}
