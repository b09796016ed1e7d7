//! Ingest at half its maximum beside eight clients that ask: what each question takes then, and what it takes without.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use asof_server::sample::workload::BATCH_RECORDS;
use serde_json::Value;
use tokio_stream::wrappers::ReceiverStream;

use crate::feed::{Feed, Form, Sender};
use crate::load::TENANT;
use crate::measure::{Client, Samples};
use crate::questions::QUESTIONS;
use crate::report::{self, both, ratio};
use crate::server::Server;
use crate::subjects::Subjects;
use crate::{Bench, Failure};

const CLIENTS: usize = 8;
/// Of each client.
const PER_SECOND: u32 = 20;
/// What is asked later than this after it was due counts as late.
const LATE: Duration = Duration::from_millis(50);
/// Requests read ahead of the stream.
const AHEAD: usize = 8;

/// What the clients saw.
#[derive(Default)]
struct Seen {
    /// For each question.
    ms: Vec<Vec<f64>>,
    late: usize,
    refused: usize,
    /// The first of these.
    told: Option<String>,
}

pub fn run(bench: &Bench, seconds: u64) -> Result<(), Failure> {
    let (loaded, data) = bench.load(bench.workload, "mixed")?;
    println!("{}", report::ingests(&loaded.ingests));
    let most = loaded.ingests.last().map_or(0.0, report::Ingest::per_second);
    let half = most / 2.0;
    // Of another seed, and so another source: more of the same kind, of the same identities.
    let live = bench.workload.with_observations((half * seconds as f64) as u64 + BATCH_RECORDS as u64);
    let live = asof_server::sample::workload::Workload { seed: live.seed + 1, ..live };
    let feed = Feed::of(&bench.scratch.path().join("live"), Form::Packed, live.runtime())?;

    let server = Server::start(&bench.asof, &data)?;
    let bodies = bodies(&loaded.subjects)?;
    let during = Duration::from_secs(seconds);
    server.rest()?;
    // So that both halves find what is read kept in memory.
    asked(&server, &bodies, during.min(Duration::from_secs(5)))?;
    let idle = idle(&server, &bodies, during)?;
    let stop = AtomicBool::new(false);
    let acknowledged = AtomicU64::new(0);
    let cpu = server.cpu_seconds();
    let (busy, sent) = std::thread::scope(|scope| {
        let sending = scope.spawn(|| send(server.address(), &feed, half, &stop, &acknowledged));
        let busy = asked(&server, &bodies, during);
        let within = acknowledged.load(Ordering::Relaxed);
        stop.store(true, Ordering::Relaxed);
        let sent = sending.join().map_err(|_| "the sender failed")?;
        Ok::<_, Failure>((busy?, sent.map(|()| within)?))
    })?;
    println!(
        "Ingest alone {most:.0} records/s; beside the clients {:.0} records/s acknowledged of {half:.0} sent; the server's processor \
         time {:.1} s in {seconds} s.\n",
        sent as f64 / during.as_secs_f64(),
        server.cpu_seconds() - cpu
    );
    server.stop()?;
    println!("| ms over HTTP, p50 / p99 | idle | with ingest | ratio of p99 |");
    println!("|---|---:|---:|---:|");
    for (place, question) in QUESTIONS.iter().enumerate() {
        let (idle, busy) = (Samples::new(idle.ms[place].clone()), Samples::new(busy.ms[place].clone()));
        println!(
            "| {} {} | {} | {} | {} |",
            question.name,
            question.what,
            both(&idle),
            both(&busy),
            ratio(&busy, &idle, 99)
        );
    }
    let all = |seen: &Seen| Samples::new(seen.ms.concat());
    println!(
        "| all | {} | {} | {} |",
        both(&all(&idle)),
        both(&all(&busy)),
        ratio(&all(&busy), &all(&idle), 99)
    );
    for (name, seen) in [("idle", &idle), ("with ingest", &busy)] {
        println!(
            "\n{name}: {} asked, {} of them more than {} ms after they were due; {} refused{}",
            seen.ms.iter().map(Vec::len).sum::<usize>() + seen.refused,
            seen.late,
            LATE.as_millis(),
            seen.refused,
            seen.told.as_ref().map_or(String::new(), |told| format!(", the first with {told}"))
        );
    }
    Ok(())
}

/// For each question, its subjects.
fn bodies(subjects: &Subjects) -> Result<Vec<Vec<Value>>, Failure> {
    let of = |question: &crate::questions::Question| {
        (0..subjects.count()).map(|number| Ok(question.body(subjects.nth(question.of, number)?))).collect()
    };
    QUESTIONS.iter().map(of).collect()
}

/// All clients together, while nothing is taken in but a record now and then: like ingest, it makes each answer one that is not kept.
fn idle(server: &Server, bodies: &[Vec<Value>], during: Duration) -> Result<Seen, Failure> {
    const EVERY: Duration = Duration::from_millis(250);
    let client = Client::new(server.address(), TENANT);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let advancing = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                client.advance().map_err(|error| error.to_string())?;
                std::thread::sleep(EVERY);
            }
            Ok::<_, String>(())
        });
        let seen = asked(server, bodies, during);
        done.store(true, Ordering::Relaxed);
        advancing.join().map_err(|_| "the one who writes failed")??;
        seen
    })
}

/// All clients together, each asking on time, one question after the other in turn.
fn asked(server: &Server, bodies: &[Vec<Value>], during: Duration) -> Result<Seen, Failure> {
    let seen = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|number| {
                let client = Client::new(server.address(), TENANT);
                scope.spawn(move || one(&client, number, bodies, during))
            })
            .collect();
        clients
            .into_iter()
            .map(|client| client.join().map_err(|_| "a client failed"))
            .collect::<Result<Vec<_>, _>>()
    })?;
    let mut all = Seen { ms: vec![Vec::new(); bodies.len()], ..Seen::default() };
    for one in seen {
        let one = one?;
        all.ms.iter_mut().zip(one.ms).for_each(|(all, ms)| all.extend(ms));
        all.late += one.late;
        all.refused += one.refused;
        all.told = all.told.or(one.told);
    }
    Ok(all)
}

fn one(client: &Client, number: usize, bodies: &[Vec<Value>], during: Duration) -> Result<Seen, Failure> {
    let mut seen = Seen { ms: vec![Vec::new(); bodies.len()], ..Seen::default() };
    let started = Instant::now();
    let step = Duration::from_secs(1) / PER_SECOND;
    // Not all at the same moment, nor all the same question.
    let offset = step / CLIENTS as u32 * number as u32;
    for turn in 0_usize.. {
        let due = offset + step * turn as u32;
        if due >= during {
            break;
        }
        std::thread::sleep(due.saturating_sub(started.elapsed()));
        seen.late += usize::from(started.elapsed().saturating_sub(due) > LATE);
        let place = (turn + number) % bodies.len();
        let of = &bodies[place];
        let asked = client.post(&of[(turn / bodies.len() + number) % of.len()])?;
        match asked.answer.get("errors") {
            None => seen.ms[place].push(asked.ms),
            Some(errors) => {
                seen.refused += 1;
                seen.told.get_or_insert_with(|| errors.to_string());
            }
        }
    }
    Ok(seen)
}

/// Sends so many records a second, until it is told to stop or there are no more.
fn send(
    address: &str,
    feed: &Feed,
    per_second: f64,
    stop: &AtomicBool,
    acknowledged: &AtomicU64,
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (sender, requests) = tokio::sync::mpsc::channel(AHEAD);
    let all = feed.requests()?;
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let started = Instant::now();
            for (number, request) in all.enumerate() {
                let due = Duration::from_secs_f64((number * BATCH_RECORDS) as f64 / per_second);
                std::thread::sleep(due.saturating_sub(started.elapsed()));
                if stop.load(Ordering::Relaxed) || sender.blocking_send(request).is_err() {
                    break;
                }
            }
        });
        runtime.block_on(async {
            let mut connection = Sender::connect(address, TENANT).await?;
            let count = |answer: &asof_grpc::proto::WriteResponse| {
                acknowledged.fetch_add(answer.ledger_size - answer.first_index, Ordering::Relaxed);
            };
            connection.send(ReceiverStream::new(requests), count).await
        })
    })
}
