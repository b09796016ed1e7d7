//! Asking AsOf over HTTP, and how long it takes.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Failure;
use crate::questions::{Answer, Question};
use crate::subjects::Subjects;

/// No answer of these questions is near this.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

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
#[derive(Clone)]
pub struct Client {
    agent: ureq::Agent,
    server: String,
    tenant: String,
}

impl Client {
    pub fn new(server: &str, tenant: &str) -> Self {
        let patience = Duration::from_secs(120);
        // A limit for the whole call would have a thread made for each request, to look up an address that is one already.
        let agent = ureq::Agent::config_builder()
            .timeout_recv_response(Some(patience))
            .http_status_as_error(false)
            .build()
            .into();
        Self { agent, server: format!("http://{server}/graphql"), tenant: tenant.to_owned() }
    }

    /// All subjects in turn, once to warm up and then so many rounds that count; the floor from a stub.
    pub fn measure(
        &self,
        question: &Question,
        subjects: &Subjects,
        rounds: usize,
        stub: &Self,
    ) -> Result<Measured, Failure> {
        let (mut whole, mut server, mut floor) = (Vec::new(), Vec::new(), Vec::new());
        let mut answers = Vec::new();
        let bodies: Vec<Value> = (0..subjects.count())
            .map(|number| Ok(question.body(subjects.nth(question.of, number)?)))
            .collect::<Result<_, Failure>>()?;
        for round in 0..=rounds {
            self.advance()?;
            for body in &bodies {
                let asked = self.ask(body).map_err(|why| format!("{}: {why}", question.name))?;
                if round == 0 {
                    answers.push(question.read(&asked.answer["data"]));
                } else {
                    whole.push(asked.ms);
                    server.extend(asked.server_ms);
                }
            }
        }
        for round in 0..=rounds {
            for body in &bodies {
                let asked = stub.ask(body)?;
                if round > 0 {
                    floor.push(asked.ms);
                }
            }
        }
        Ok(Measured {
            whole: Samples::new(whole),
            server: Samples::new(server),
            floor: Samples::new(floor),
            answers,
        })
    }

    /// Each body, once to warm up and then so many rounds that count; and how large the answers are, in the mean.
    pub fn time(
        &self,
        question: &Question,
        bodies: &[Value],
        rounds: usize,
    ) -> Result<(Samples, f64), Failure> {
        let (mut ms, mut sizes) = (Vec::new(), 0);
        for round in 0..=rounds {
            self.advance()?;
            for body in bodies {
                let asked = self.ask(body).map_err(|why| format!("{}: {why}", question.name))?;
                if round == 0 {
                    sizes += question.read(&asked.answer["data"]).size;
                } else {
                    ms.push(asked.ms);
                }
            }
        }
        Ok((Samples::new(ms), sizes as f64 / bodies.len().max(1) as f64))
    }

    /// One query's bodies, each once to warm up and then so many rounds that count.
    pub fn time_bodies(&self, bodies: &[Value], rounds: usize) -> Result<Samples, Failure> {
        let mut ms = Vec::new();
        for round in 0..=rounds {
            self.advance()?;
            for body in bodies {
                let asked = self.ask(body)?;
                if round > 0 {
                    ms.push(asked.ms);
                }
            }
        }
        Ok(Samples::new(ms))
    }

    /// Writes one record that no question is about: the server keeps whole answers for those who page through them, and one
    /// of the round before must not answer for this one.
    pub fn advance(&self) -> Result<(), Failure> {
        let address = self.server.trim_end_matches("/graphql").to_owned();
        let at = asof_server::sample::workload::SPAN.from;
        let mut seen = asof_model::Observation::new("benchmark", at, asof_model::Privilege::Other);
        seen.outcome = asof_model::Outcome::Error;
        let source = "benchmark/rounds".to_owned();
        let batch = asof_model::Batch {
            source,
            batch_id: String::new(),
            facts: Vec::new(),
            observations: vec![seen],
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut client = asof_grpc::client::connect(&address, &self.tenant).await?;
            let mut receipts = client.write(tokio_stream::iter([batch])).await?;
            tokio_stream::StreamExt::next(&mut receipts).await.ok_or("no receipt")??;
            Ok(())
        })
    }

    /// Asks once; an answer with errors is a failure.
    pub fn ask(&self, body: &Value) -> Result<Asked, Failure> {
        let asked = self.post(body)?;
        match asked.answer.get("errors") {
            Some(errors) => Err(format!("{errors}, asked {body}").into()),
            None => Ok(asked),
        }
    }

    /// Asks once, whatever the answer.
    pub fn post(&self, body: &Value) -> Result<Asked, Failure> {
        let started = Instant::now();
        let request = self.agent.post(&self.server).header(asof_grpc::TENANT_HEADER, &self.tenant);
        let mut response = request.send_json(body)?;
        let bytes = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
        let answer = serde_json::from_slice(&bytes)?;
        let ms = started.elapsed().as_secs_f64() * 1e3;
        let mut timings = response.headers().get_all("server-timing").iter();
        let server_ms = timings.find_map(|timing| timing.to_str().ok()?.split("dur=").nth(1)?.parse().ok());
        Ok(Asked { ms, server_ms, answer })
    }
}

/// An answer, and what it took.
pub struct Asked {
    pub ms: f64,
    server_ms: Option<f64>,
    pub answer: Value,
}
