//! Asking AsOf over HTTP, and how long it takes.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Failure;
use crate::questions::{Answer, Question};
use crate::subjects::Subjects;

/// How long something took, again and again.
#[derive(Debug, Default)]
pub struct Samples {
    sorted_ms: Vec<f64>,
}

impl Samples {
    pub fn new(mut ms: Vec<f64>) -> Self {
        ms.sort_unstable_by(f64::total_cmp);
        Self { sorted_ms: ms }
    }

    /// The nearest rank, in milliseconds.
    pub fn percentile(&self, percent: usize) -> Option<f64> {
        let rank = (self.sorted_ms.len() * percent).div_ceil(100).max(1);
        self.sorted_ms.get(rank - 1).copied()
    }
}

/// One question put to AsOf.
pub struct Measured {
    /// From before the POST to the answer read and parsed.
    pub whole: Samples,
    /// What the server itself says it took (`Server-Timing`); empty where it says nothing.
    pub server: Samples,
    /// The same request, answered by the stub.
    pub floor: Samples,
    /// For each subject.
    pub answers: Vec<Answer>,
}

/// One client, one connection to each server that stays open.
pub struct Client {
    agent: ureq::Agent,
    server: String,
    stub: String,
}

impl Client {
    pub fn new(server: &str, stub: &str) -> Self {
        let patience = Duration::from_secs(120);
        let agent = ureq::Agent::config_builder().timeout_global(Some(patience)).build().into();
        let url = |address: &str| format!("http://{address}/graphql");
        Self { agent, server: url(server), stub: url(stub) }
    }

    /// All subjects in turn, once to warm up and then so many rounds that count.
    pub fn measure(
        &self,
        question: &Question,
        subjects: &Subjects,
        rounds: usize,
    ) -> Result<Measured, Failure> {
        let (mut whole, mut server, mut floor) = (Vec::new(), Vec::new(), Vec::new());
        let mut answers = Vec::new();
        for round in 0..=rounds {
            for number in 0..subjects.count() {
                let body = question.body(subjects.nth(question.of, number)?);
                let asked = self.post(&self.server, &body)?;
                if let Some(errors) = asked.answer.get("errors") {
                    return Err(format!("{}, subject {number}: {errors}", question.name).into());
                }
                if round == 0 {
                    answers.push(question.read(&asked.answer["data"]));
                } else {
                    whole.push(asked.ms);
                    server.extend(asked.server_ms);
                }
            }
        }
        for _ in 0..=rounds {
            for number in 0..subjects.count() {
                let body = question.body(subjects.nth(question.of, number)?);
                floor.push(self.post(&self.stub, &body)?.ms);
            }
        }
        floor.drain(..subjects.count());
        Ok(Measured {
            whole: Samples::new(whole),
            server: Samples::new(server),
            floor: Samples::new(floor),
            answers,
        })
    }

    fn post(&self, url: &str, body: &Value) -> Result<Asked, Failure> {
        let started = Instant::now();
        let mut response = self.agent.post(url).send_json(body)?;
        let answer = response.body_mut().read_json()?;
        let ms = started.elapsed().as_secs_f64() * 1e3;
        let timing = response.headers().get("server-timing").and_then(|value| value.to_str().ok());
        let server_ms = timing.and_then(|timing| timing.split("dur=").nth(1)?.parse().ok());
        Ok(Asked { ms, server_ms, answer })
    }
}

/// An answer, and what it took.
struct Asked {
    ms: f64,
    server_ms: Option<f64>,
    answer: Value,
}
