//! Ten times the history at the same rates: questions over all of it, the oldest moments against the newest, and what was
//! known before now.

use asof_model::{
    Attributes, Batch, Duration, EdgeKind, EdgeRef, Fact, Instant, NodeKind, Op, Privilege, Subject, Value,
};
use asof_server::sample::workload::{Workload, entitlement_id, identity_id};
use serde_json::Value as Json;

use crate::feed::{self, Feed, Form};
use crate::load::TENANT;
use crate::measure::{Client, Samples};
use crate::questions::{QUESTIONS, Question};
use crate::report::{self, both, ratio};
use crate::server::Server;
use crate::subjects::Subjects;
use crate::{Bench, Failure};

const TIMES: u32 = 10;
/// Of so many identities, one has its grants corrected after all else.
const CORRECTED_IN: u32 = 50;

/// What a question took over all moments, over a part of them, and as known before.
struct Line {
    all: Samples,
    size: f64,
    oldest: Samples,
    newest: Samples,
    now: Samples,
    before: Samples,
}

pub fn run(bench: &Bench) -> Result<(), Failure> {
    let (shallow, _) = lines(bench, bench.workload, "shallow")?;
    let (deep, known) = lines(bench, bench.workload.over_spans(TIMES), "deep")?;
    println!(
        "Known before: the first {known} records, which are all posture but its corrections, and half the observations.\n"
    );
    println!(
        "| ms over HTTP, p50 / p99 | 90 days | 900 days | ratio of p50 | the answer grows by | 900 days, oldest quarter | newest \
         quarter | ratio of p50 | older half, known now | known before | ratio of p50 |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for ((question, shallow), deep) in QUESTIONS.iter().zip(&shallow).zip(&deep) {
        println!(
            "| {} {} | {} | {} | {} | {:.1} | {} | {} | {} | {} | {} | {} |",
            question.name,
            question.what,
            both(&shallow.all),
            both(&deep.all),
            ratio(&deep.all, &shallow.all, 50),
            deep.size.max(1.0) / shallow.size.max(1.0),
            both(&deep.oldest),
            both(&deep.newest),
            ratio(&deep.oldest, &deep.newest, 50),
            both(&deep.now),
            both(&deep.before),
            ratio(&deep.before, &deep.now, 50)
        );
    }
    Ok(())
}

/// Loads it, with corrections at the end, and asks everything.
fn lines(bench: &Bench, workload: Workload, name: &str) -> Result<(Vec<Line>, u64), Failure> {
    let (loaded, data) = bench.load(workload, name)?;
    println!("{} days, {} observations:\n", workload.days, workload.observations);
    println!("{}", report::ingests(&loaded.ingests));
    let posture = loaded.ingests.first().map_or(0, |posture| posture.records);
    let known = posture + workload.observations / 2;
    let server = Server::start(&bench.asof, &data)?;
    let corrections = bench.scratch.path().join("corrections");
    let feed = Feed::of(&corrections, Form::Packed, corrections_of(workload))?;
    feed::send(server.address(), TENANT, &feed)?;
    feed.remove()?;
    server.rest()?;
    let client = Client::new(server.address(), TENANT);
    let asked =
        QUESTIONS.iter().map(|question| line(&client, question, &loaded.subjects, bench.rounds, known));
    let lines = asked.collect::<Result<_, Failure>>()?;
    server.stop()?;
    std::fs::remove_dir_all(&data)?;
    Ok((lines, known))
}

fn line(
    client: &Client,
    question: &Question,
    subjects: &Subjects,
    rounds: usize,
    known: u64,
) -> Result<Line, Failure> {
    let count = subjects.count();
    let bodies = |range: std::ops::Range<usize>| -> Result<Vec<Json>, Failure> {
        range.map(|number| Ok(question.body(subjects.nth(question.of, number)?))).collect()
    };
    let older = 0..count / 2;
    let before: Vec<Json> = older
        .clone()
        .map(|number| Ok(question.body_known(subjects.nth(question.of, number)?, known)))
        .collect::<Result<_, Failure>>()?;
    let (all, size) = client.time(question, &bodies(0..count)?, rounds)?;
    Ok(Line {
        all,
        size,
        oldest: client.time(question, &bodies(0..count / 4)?, rounds)?.0,
        newest: client.time(question, &bodies(count - count / 4..count)?, rounds)?.0,
        now: client.time(question, &bodies(older)?, rounds)?.0,
        before: client.time(question, &before, rounds)?.0,
    })
}

/// Of every fiftieth identity it is told, after all else, that it held one more over a quarter of the span.
fn corrections_of(workload: Workload) -> impl Iterator<Item = Batch> {
    let span = workload.span();
    let quarter = (span.to.nanos() - span.from.nanos()) / 4;
    let fact = move |number: u32| {
        let since = span.from.plus(Duration::from_nanos(quarter / 100 * i64::from(number % 300)));
        let to = entitlement_id(Privilege::Write, number % workload.resources);
        let edge =
            EdgeRef { kind: EdgeKind::Holds, from: identity_id(number), to_kind: NodeKind::Entitlement, to };
        Fact {
            subject: Subject::Edge(edge),
            op: Op::Put(Value::Edge(Attributes::new())),
            valid_from: since,
            valid_to: Instant::from_nanos(since.nanos() + quarter),
            until_next: false,
            event_id: String::new(),
            caused_by: String::new(),
        }
    };
    let numbers: Vec<u32> = (0..workload.identities).step_by(CORRECTED_IN as usize).collect();
    let source = format!("{}/corrections", workload.source());
    let chunks: Vec<Vec<u32>> = numbers.chunks(1_000).map(<[u32]>::to_vec).collect();
    chunks.into_iter().map(move |chunk| Batch {
        source: source.clone(),
        facts: chunk.into_iter().map(fact).collect(),
        ..Batch::default()
    })
}
