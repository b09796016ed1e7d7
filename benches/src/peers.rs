//! Other engines on the same data and questions, each in its turn: `benches/peers/run.py` runs them.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::Failure;
use crate::measure::{Measured, Samples};
use crate::questions::{Answer, QUESTIONS};
use crate::subjects::Subjects;

/// How many disagreements of one question are told.
const TOLD_MAX: usize = 5;

/// What one engine did.
pub struct Peer {
    pub name: &'static str,
    pub version: String,
    pub observations_per_second: f64,
    pub bytes_per_observation: f64,
    pub memory_mb: f64,
    /// For each question.
    pub asked: Vec<Samples>,
    answers: Vec<Vec<Vec<i64>>>,
}

pub const PEERS: [&str; 2] = ["PostgreSQL", "DuckDB"];

/// Loads the rows into the engine, asks it all questions, and waits until it has ended.
pub fn run(
    name: &'static str,
    python: &Path,
    rows: &Path,
    subjects: &Subjects,
    rounds: usize,
) -> Result<Peer, Failure> {
    let mut questions = serde_json::Map::new();
    for question in &QUESTIONS {
        let abouts = (0..subjects.count()).map(|number| subjects.nth(question.of, number));
        let given =
            abouts.map(|about| about.map(|about| json!({ "t": about.at.nanos(), "n": about.number })));
        questions.insert(question.name.to_owned(), given.collect::<Result<Value, Failure>>()?);
    }
    let spec = rows.join("questions.json");
    std::fs::write(&spec, json!({ "rounds": rounds, "questions": questions }).to_string())?;

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join("run.py");
    let mut command = Command::new(python);
    // -B: nothing is written beside the scripts.
    command
        .arg("-B")
        .arg(script)
        .arg(name.to_ascii_lowercase())
        .arg(rows)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let output = command.output().map_err(|error| format!("cannot start {}: {error}", python.display()))?;
    if !output.status.success() {
        return Err(format!("{name} failed ({}); its message is above", output.status).into());
    }
    read(name, &serde_json::from_slice(&output.stdout)?)
}

fn read(name: &'static str, told: &Value) -> Result<Peer, Failure> {
    let figure = |what: &str| told[what].as_f64().ok_or(format!("{name} tells no {what}"));
    let mut peer = Peer {
        name,
        version: told["version"].as_str().unwrap_or_default().to_owned(),
        observations_per_second: figure("observations_per_second")?,
        bytes_per_observation: figure("bytes_per_observation")?,
        memory_mb: figure("memory_mb")?,
        asked: Vec::new(),
        answers: Vec::new(),
    };
    for question in &QUESTIONS {
        let of = &told["questions"][question.name];
        peer.asked.push(Samples::new(serde_json::from_value(of["ms"].clone())?));
        peer.answers.push(serde_json::from_value(of["answers"].clone())?);
    }
    Ok(peer)
}

impl Peer {
    /// Prints where its answers are others than AsOf's; how many are.
    pub fn disagreements(&self, asof: &[Measured]) -> usize {
        let mut count = 0;
        for ((question, measured), theirs) in QUESTIONS.iter().zip(asof).zip(&self.answers) {
            let pairs = measured.answers.iter().zip(theirs).enumerate();
            let apart: Vec<_> = pairs.filter(|(_, (our, their))| our.numbers != **their).collect();
            count += apart.len() + measured.answers.len().abs_diff(theirs.len());
            for (number, (our, their)) in apart.iter().take(TOLD_MAX) {
                println!("{} subject {number}: {}", question.name, apart_at(our, self.name, their));
            }
        }
        count
    }
}

fn apart_at(our: &Answer, name: &str, their: &[i64]) -> String {
    let (ours, theirs) = (our.numbers.len(), their.len());
    let place = our.numbers.iter().zip(their).take_while(|(one, other)| one == other).count();
    let (one, other) = (our.numbers.get(place), their.get(place));
    format!("number {place} of AsOf's {ours} is {one:?}, of {name}'s {theirs} {other:?}")
}
