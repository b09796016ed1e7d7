//! What was published of others as slow, each as a small benchmark with a ratio: the case against the same thing without what
//! made it slow. Each case has a tenant of its own for either side, on one server.

mod entitlement;
mod late;
mod posture;
mod said;

use asof_model::{Batch, Instant};
use serde_json::{Value, json};

use crate::feed::{self, Feed, Form};
use crate::measure::{Client, Samples};
use crate::server::Server;
use crate::{Bench, Failure};

/// Moments asked about in each case.
const MOMENTS: i64 = 20;

/// The server, and how much of everything.
struct Cases<'a> {
    bench: &'a Bench,
    server: Server,
    /// Identities of a case: as many as the workload has.
    size: u32,
}

/// One line of the table.
struct Line {
    what: String,
    measure: &'static str,
    case: f64,
    plain: f64,
}

pub fn run(bench: &Bench) -> Result<(), Failure> {
    let data = bench.scratch.path().join("failures");
    let server = Server::start(&bench.asof, &data)?;
    let cases = Cases { bench, server, size: bench.workload.identities.max(100) };
    println!("| case | measure | so | without it | ratio |");
    println!("|---|---|---:|---:|---:|");
    for run in [
        posture::long_lived,
        posture::corrected,
        posture::selective,
        posture::by_key,
        entitlement::edited,
        late::late,
    ] {
        for line in run(&cases)? {
            // Of a rate, less is worse; the ratio says how many times as bad the case is.
            let ratio =
                if line.measure.contains("/s") { line.plain / line.case } else { line.case / line.plain };
            println!(
                "| {} | {} | {:.2} | {:.2} | {ratio:.2} |",
                line.what, line.measure, line.case, line.plain
            );
        }
    }
    println!("\nMemory of the server: {} MB at its most.", cases.server.peak_mb());
    cases.server.stop()
}

const P50: &str = "question, p50 ms";
const RATE: &str = "ingest, records/s";

impl Cases<'_> {
    /// Takes batches in and says how many records a second.
    fn ingest(&self, tenant: &str, batches: impl IntoIterator<Item = Batch>) -> Result<f64, Failure> {
        let path = self.bench.scratch.path().join("case");
        let feed = Feed::of(&path, Form::Packed, batches)?;
        let took = feed::send(self.server.address(), tenant, &feed)?;
        let records = feed.records;
        feed.remove()?;
        Ok(records as f64 / took.as_secs_f64())
    }

    fn client(&self, tenant: &str) -> Client {
        Client::new(self.server.address(), tenant)
    }

    /// The same query at each of these moments.
    fn ask(&self, tenant: &str, query: &str, moments: &[Instant]) -> Result<f64, Failure> {
        let bodies: Vec<Value> = moments.iter().map(|at| body(query, *at, &Value::Null)).collect();
        self.time(tenant, &bodies)
    }

    fn time(&self, tenant: &str, bodies: &[Value]) -> Result<f64, Failure> {
        self.server.rest()?;
        p50(&self.client(tenant).time_bodies(bodies, self.bench.rounds)?)
    }

    /// How many the query finds at that moment.
    fn count(&self, tenant: &str, body: &Value) -> Result<i64, Failure> {
        let asked = self.client(tenant).ask(body)?;
        asked.answer["data"]["list"]["totalCount"].as_i64().ok_or_else(|| format!("no count: {body}").into())
    }
}

/// As many identities hold WRITE at T.
const HOLDERS: &str = "query($at: At) { list: identities(where: { holds: { privileges: [WRITE] } } at: $at) \
                       { totalCount nodes { id } } }";

fn body(query: &str, at: Instant, id: &Value) -> Value {
    json!({ "query": query, "variables": { "at": { "asOf": at.to_string() }, "id": id } })
}

fn p50(samples: &Samples) -> Result<f64, Failure> {
    samples.percentile(50).ok_or_else(|| "nothing was measured".into())
}

/// Both sides must find what they should; a fast wrong answer is none.
fn agree(what: &str, found: i64, expected: i64) -> Result<(), Failure> {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: found {found}, and there are {expected}").into())
    }
}
