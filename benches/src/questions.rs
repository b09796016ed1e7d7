//! The headline questions over HTTP, and how long each answer takes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant as Clock};

use asof_model::{Batch, Duration as Span, Instant};
use asof_server::sample::workload::SPAN;
use serde_json::{Value, json};

use crate::Failure;
use crate::server::Server;

/// The first month has not enough past to ask about 30 days.
const FIRST_DAY: i64 = 31;

/// What is asked about: moments of the span, and identities and resources by the way they are used.
pub struct Subjects {
    moments: Vec<Instant>,
    identities: Vec<String>,
    resources: Vec<String>,
    chooser: Arc<Chooser>,
}

/// Takes every nth observation's identity and resource as the stream passes by.
pub struct Chooser {
    every: u64,
    state: Mutex<(u64, Vec<(String, String)>)>,
}

impl Chooser {
    pub fn see(&self, batch: &Batch) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for seen in &batch.observations {
            if state.0.is_multiple_of(self.every) {
                state.1.push((seen.identity.clone(), seen.resource.clone()));
            }
            state.0 += 1;
        }
    }
}

impl Subjects {
    /// So many of each kind, of so many observations.
    pub fn new(observations: u64, count: usize) -> Self {
        let from = SPAN.from.plus(Span::from_secs(FIRST_DAY * 86_400));
        let step = (SPAN.to.nanos() - from.nanos()) / count.max(1) as i64;
        let moments = (1..=count as i64).map(|number| from.plus(Span::from_nanos(number * step))).collect();
        let every = (observations / count.max(1) as u64).max(1);
        let chooser = Arc::new(Chooser { every, state: Mutex::default() });
        Self { moments, identities: Vec::new(), resources: Vec::new(), chooser }
    }

    /// What is to see all observations on their way.
    pub fn chooser(&self) -> Arc<Chooser> {
        Arc::clone(&self.chooser)
    }

    /// After it has.
    pub fn choose(&mut self) {
        let state = self.chooser.state.lock().unwrap_or_else(PoisonError::into_inner);
        (self.identities, self.resources) = state.1.iter().cloned().unzip();
    }
}

/// One question: its name and its request for the nth subject.
struct Question {
    name: &'static str,
    query: &'static str,
    variables: fn(&Subjects, usize) -> Value,
}

fn at(subjects: &Subjects, number: usize) -> Value {
    json!({ "asOf": subjects.moments[number % subjects.moments.len()].to_string() })
}

fn moment(subjects: &Subjects, number: usize) -> Value {
    json!({ "at": at(subjects, number) })
}

fn identity(subjects: &Subjects, number: usize) -> Value {
    json!({ "at": at(subjects, number), "id": subjects.identities[number % subjects.identities.len()] })
}

fn resource(subjects: &Subjects, number: usize) -> Value {
    json!({ "at": at(subjects, number), "on": subjects.resources[number % subjects.resources.len()] })
}

const QUESTIONS: [Question; 7] = [
    Question {
        name: "held WRITE and used it, last hour",
        query: "query($at: At) { identities(where: { holds: { privileges: [WRITE] } \
                used: { privileges: [WRITE], during: { last: \"PT1H\" } } } at: $at) { totalCount nodes { id } } }",
        variables: moment,
    },
    Question {
        name: "held WRITE and used it, last day",
        query: "query($at: At) { identities(where: { holds: { privileges: [WRITE] } \
                used: { privileges: [WRITE], during: { last: \"P1D\" } } } at: $at) { totalCount nodes { id } } }",
        variables: moment,
    },
    Question {
        name: "dormant: held WRITE, no WRITE of any outcome for 30 days",
        query: "query($at: At) { identities(where: { holds: { privileges: [WRITE] } not: { used: { \
                privileges: [WRITE], during: { last: \"P30D\" }, outcomes: [SUCCESS, DENIED, ERROR] } } } at: $at) \
                { totalCount nodes { id } } }",
        variables: moment,
    },
    Question {
        name: "dormant for sure: the same, and observed",
        query: "query($at: At) { identities(where: { holds: { privileges: [WRITE] } not: { used: { \
                privileges: [WRITE], during: { last: \"P30D\" }, outcomes: [SUCCESS, DENIED, ERROR] } } \
                observed: { privileges: [WRITE], during: { last: \"P30D\" } } } at: $at) { totalCount nodes { id } } }",
        variables: moment,
    },
    Question {
        name: "drift: WRITE in the last day with neither WRITE nor ADMIN held",
        query: "query($at: At) { identities(where: { usedWithoutHolding: { used: { privileges: [WRITE], \
                during: { last: \"P1D\" } }, coveredBy: [WRITE, ADMIN] } } at: $at) { totalCount nodes { id } } }",
        variables: moment,
    },
    Question {
        name: "one identity's usage in 30 days",
        query: "query($at: At, $id: ID!) { identity(id: $id, at: $at) { usage(during: { last: \"P30D\" }) \
                { privilege resource successes denials last } } }",
        variables: identity,
    },
    Question {
        name: "holders of WRITE or ADMIN on one resource",
        query: "query($at: At, $on: String) { identities(where: { holds: { privileges: [WRITE, ADMIN], on: $on } } \
                at: $at) { totalCount nodes { id } } }",
        variables: resource,
    },
];

/// Asks all of them, one request at a time over one connection that stays open, and prints a line for each.
pub fn ask_all(server: &Server, subjects: &Subjects, rounds: usize) -> Result<(), Failure> {
    let agent: ureq::Agent =
        ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(60))).build().into();
    let url = format!("http://{}/graphql", server.address());
    let count = subjects.moments.len();
    println!(
        "| question, whole answer counted and the first 100 given | samples | p50 ms | p99 ms | answer, mean |"
    );
    println!("|---|---:|---:|---:|---:|");
    for question in &QUESTIONS {
        let mut took = Vec::with_capacity(count * rounds);
        let mut size = 0;
        for round in 0..=rounds {
            for number in 0..count {
                let body =
                    json!({ "query": question.query, "variables": (question.variables)(subjects, number) });
                let started = Clock::now();
                let answer: Value = agent.post(&url).send_json(&body)?.body_mut().read_json()?;
                let elapsed = started.elapsed();
                if let Some(errors) = answer.get("errors") {
                    return Err(format!("{}: {errors}", question.name).into());
                }
                if round > 0 {
                    took.push(elapsed);
                    size += answer_size(&answer["data"]);
                }
            }
        }
        took.sort_unstable();
        let (p50, p99) = (percentile(&took, 50), percentile(&took, 99));
        let mean = size / took.len().max(1) as u64;
        println!("| {} | {} | {p50:.2} | {p99:.2} | {mean} |", question.name, took.len());
    }
    Ok(())
}

/// How many identities, or lines of usage.
fn answer_size(data: &Value) -> u64 {
    let lines = || data["identity"]["usage"].as_array().map(|lines| lines.len() as u64);
    data["identities"]["totalCount"].as_u64().or_else(lines).unwrap_or(0)
}

/// The nearest rank, in milliseconds.
fn percentile(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).map_or(0.0, |took| took.as_secs_f64() * 1e3)
}
