//! The figures as Markdown, ready for README.md.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use asof_model::Instant;

use crate::measure::{Measured, Samples};
use crate::peers::Peer;
use crate::questions::QUESTIONS;

/// Today, and where.
pub fn heading() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as i64);
    let today = Instant::from_nanos(since).to_string();
    let read = |path: &str| std::fs::read_to_string(Path::new(path)).unwrap_or_default();
    let after = |text: String, key: &str, sign: char| {
        let line = text.lines().find(|line| line.starts_with(key)).map(str::to_owned).unwrap_or_default();
        line.split_once(sign).map_or(String::new(), |(_, value)| value.trim().trim_matches('"').to_owned())
    };
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let kib: f64 =
        after(read("/proc/meminfo"), "MemTotal", ':').trim_end_matches(" kB").parse().unwrap_or(0.0);
    format!(
        "{}. Machine: {cpus} CPUs ({}), {:.0} GiB, {}, load {} when it began. AsOf {}{}.",
        today.get(..10).unwrap_or_default(),
        after(read("/proc/cpuinfo"), "model name", ':'),
        kib / f64::from(1 << 20),
        after(read("/etc/os-release"), "PRETTY_NAME", '='),
        read("/proc/loadavg").split(' ').next().unwrap_or("?"),
        env!("CARGO_PKG_VERSION"),
        if cfg!(debug_assertions) { " (a dev build: not for publication)" } else { "" },
    )
}

/// What one ingest of AsOf's was.
pub struct Ingest {
    pub what: &'static str,
    pub records: u64,
    pub seconds: f64,
    pub resident_mb: u64,
    /// On disk.
    pub bytes: u64,
    pub wire_bytes: u64,
    /// Processor time, in seconds: the server's, the sender's, and what making the requests had taken before.
    pub server_cpu: f64,
    pub client_cpu: f64,
    pub encoded: f64,
}

impl Ingest {
    pub fn per_second(&self) -> f64 {
        self.records as f64 / self.seconds
    }
}

pub fn ingests(all: &[Ingest]) -> String {
    let mut text = String::from(
        "| AsOf over gRPC, durable, batches of 1,000 | records | records/s | CPU µs a record: server | sender | encoding, ahead | \
         bytes on the wire | bytes on disk | memory at its end |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for of in all {
        let records = of.records.max(1) as f64;
        let micros = |seconds: f64| seconds * 1e6 / records;
        let _ = writeln!(
            text,
            "| {} | {} | {:.0} | {:.2} | {:.2} | {:.2} | {:.1} | {:.1} | {} MB |",
            of.what,
            of.records,
            of.per_second(),
            micros(of.server_cpu),
            micros(of.client_cpu),
            micros(of.encoded),
            of.wire_bytes as f64 / records,
            of.bytes as f64 / records,
            of.resident_mb
        );
    }
    text
}

/// Observations in the three engines, side by side.
pub fn storage(ingests: &[Ingest], resident_mb: u64, peers: &[Peer]) -> String {
    let mut text = String::from(
        "| observations, durable, batches of 1,000 | rows/s | bytes on disk each | memory after the questions |\n|---|---:|---:|---:|\n",
    );
    for asof in ingests.iter().filter(|ingest| ingest.what.starts_with("observations")) {
        let _ = writeln!(
            text,
            "| AsOf {}, over gRPC, {} | {:.0} | {:.1} | {resident_mb} MB |",
            env!("CARGO_PKG_VERSION"),
            asof.what,
            asof.per_second(),
            asof.bytes as f64 / asof.records.max(1) as f64
        );
    }
    for peer in peers {
        let _ = writeln!(
            text,
            "| {} | {:.0} | {:.1} | {:.0} MB |",
            peer.version, peer.observations_per_second, peer.bytes_per_observation, peer.memory_mb
        );
    }
    text
}

/// One line for each question; a ratio says how many times as long the engine takes as AsOf.
pub fn questions(asof: &[Measured], peers: &[Peer]) -> String {
    let mut text = String::from("| ms, p50 / p99 | answer, mean | AsOf, over HTTP | its own time | floor |");
    for peer in peers {
        let _ = write!(text, " {} | ratio |", peer.name);
    }
    text.push_str("\n|---|---:|---:|---:|---:|");
    text.push_str(&"---:|---:|".repeat(peers.len()));
    text.push('\n');
    for (number, (question, measured)) in QUESTIONS.iter().zip(asof).enumerate() {
        let sizes: i64 = measured.answers.iter().map(|answer| answer.size).sum();
        let mean = sizes as f64 / measured.answers.len().max(1) as f64;
        let _ = write!(
            text,
            "| {} {} | {mean:.0} | {} | {} | {} |",
            question.name,
            question.what,
            both(&measured.whole),
            both(&measured.server),
            both(&measured.floor)
        );
        for peer in peers {
            let _ = write!(
                text,
                " {} | {} |",
                both(&peer.asked[number]),
                ratio(&peer.asked[number], &measured.whole, 50)
            );
        }
        text.push('\n');
    }
    text
}

/// `p50 / p99`, in milliseconds.
pub fn both(samples: &Samples) -> String {
    match (samples.percentile(50), samples.percentile(99)) {
        (Some(p50), Some(p99)) => format!("{p50:.2} / {p99:.2}"),
        _ => "-".to_owned(),
    }
}

/// How many times as long the first took, at this percentile.
pub fn ratio(one: &Samples, other: &Samples, percent: usize) -> String {
    match (one.percentile(percent), other.percentile(percent)) {
        (Some(one), Some(other)) => format!("{:.2}", one / other),
        _ => "-".to_owned(),
    }
}
