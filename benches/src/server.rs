//! `asof serve` as a child process.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Failure;

const START_MAX: Duration = Duration::from_secs(120);
/// What a load leaves to be put together takes seconds, or minutes where it was a hundred million records.
const REST_MAX: Duration = Duration::from_secs(600);

/// The binary, and what it is told beside where to listen and what to serve.
#[derive(Debug, Clone)]
pub struct Program {
    pub path: PathBuf,
    pub args: Vec<String>,
}

/// A running server; killed where it is dropped without [`Server::stop`].
pub struct Server {
    child: Child,
    address: String,
}

impl Server {
    /// Starts it on a free port and waits until it listens.
    pub fn start(asof: &Program, data: &Path) -> Result<Self, Failure> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let mut command = Command::new(&asof.path);
        command.args(["serve", "--listen", &address, "--data"]).arg(data).args(&asof.args);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child =
            command.spawn().map_err(|error| format!("cannot start {}: {error}", asof.path.display()))?;
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

    /// Processor time so far, in seconds, of all its threads; 0 where the system does not tell.
    pub fn cpu_seconds(&self) -> f64 {
        cpu_seconds(&self.child.id().to_string())
    }

    /// Waits until it does next to nothing of itself (a fiftieth of one core, for a second), and says for how long: what a load
    /// left to be put together in the background is part of the load, as the vacuum and the checkpoint of the others are.
    pub fn rest(&self) -> Result<Duration, Failure> {
        const LOOK: Duration = Duration::from_secs(1);
        const LITTLE: f64 = 0.02;
        let started = Instant::now();
        let mut before = self.cpu_seconds();
        while started.elapsed() < REST_MAX {
            std::thread::sleep(LOOK);
            let now = self.cpu_seconds();
            if now - before <= LITTLE {
                return Ok(started.elapsed());
            }
            before = now;
        }
        Err(format!("`asof serve` does not come to rest in {} s", REST_MAX.as_secs()).into())
    }

    /// Memory in use, in MB; 0 where the system does not tell.
    pub fn resident_mb(&self) -> u64 {
        self.memory_mb("VmRSS:")
    }

    /// The most that it ever was.
    pub fn peak_mb(&self) -> u64 {
        self.memory_mb("VmHWM:")
    }

    fn memory_mb(&self, what: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(what));
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

/// Processor time of this process so far, in seconds.
pub fn own_cpu_seconds() -> f64 {
    cpu_seconds("self")
}

/// What `/proc/PID/stat` says, user and system together.
fn cpu_seconds(process: &str) -> f64 {
    /// Linux tells it in these, whatever its own clock is.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // Behind the name, which may hold anything and ends with the last parenthesis, field 3 comes first.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    let ticks = fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS_PER_SECOND
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
