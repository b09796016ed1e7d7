//! What must change no answer: how records are split into batches, how large the pieces are that views are kept in,
//! closing and opening, `reindex`, and whatever is written later.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use asof_engine::{Engine, Options, Pieces, Point, PointRequest, SnapshotInfo, Tenant, maintenance};
use asof_model::{Batch, Instant, Listing, RecordBody};
use asof_tests::contract::{batch, cases as contract_cases, lines, questions, text};
use asof_tests::draw::{Ask, Draw, Question, history, wide};
use asof_tests::naive::Ledger;

use crate::chance::{Asked, cases, drawn, naive, seed};
use crate::contract::{ask, difference, same, tenant_of, write};
use crate::listing::{due, listing};
use crate::property::draw_for;
use crate::tenant::{Way, answers, write_on};

/// Of whatever a view cuts into pieces, so many in one.
const fn pieces(number: usize) -> Pieces {
    let (day_parts, part_events) = (number, 100 * number as u32);
    Pieces {
        segment_changes: number,
        day_parts,
        part_events,
        page_events: number,
        level_runs: number,
        run_block: number,
        merge_share: number as u64,
        replay_records: number,
        kept_uses: number,
    }
}

const SIZES: &[Pieces] = &[pieces(1), pieces(2), pieces(7), Pieces::DEFAULT];

async fn open(data: &Path, pieces: Pieces) -> Engine {
    let options = Options { data: data.to_owned(), pieces, ..Options::default() };
    Engine::open(options).await.unwrap()
}

fn check(data: &Path) {
    for (tenant, report) in maintenance::check(data, None, &mut |_, _, _| true).unwrap() {
        assert!(report.problems.is_empty(), "{tenant} with ASOF_TEST_SEED={}: {:?}", seed(), report.problems);
    }
}

/// The same records in the same order in other batches: the larger `parts`, the more of them.
fn resplit(draw: &mut Draw, ledger: &Ledger, parts: f64) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for entry in &ledger.entries {
        let fact = matches!(entry.body, RecordBody::Fact(_));
        let goes_on = batches
            .last()
            .is_some_and(|last| last.source == entry.source && (!fact || last.observations.is_empty()));
        if !goes_on || draw.chance(parts) {
            batches.push(Batch { source: entry.source.clone(), ..Batch::default() });
        }
        let last = batches.last_mut().unwrap();
        match &entry.body {
            RecordBody::Fact(fact) => last.facts.push(fact.clone()),
            RecordBody::Observation(seen) => last.observations.push((**seen).clone()),
        }
    }
    batches
}

fn drawn_history(draw: &mut Draw, number: u64) -> Vec<Batch> {
    if number % 4 == 3 {
        return wide(draw, 24, 500);
    }
    let batches = 2 + draw.below(12);
    history(draw, batches)
}

/// A history, what is asked about it, and the naive model's answers.
struct Case {
    name: String,
    batches: Vec<Batch>,
    ledger: Ledger,
    asked: Vec<Asked>,
    expected: Vec<asof_tests::draw::Answer>,
}

impl Case {
    async fn hold(&self, tenant: &Tenant, when: &str) {
        let found = answers(tenant, self.asked.clone(), true).await;
        for ((asked, expected), found) in self.asked.iter().zip(&self.expected).zip(&found) {
            let name = &self.name;
            assert_eq!(expected, found, "case {name} {when}, with ASOF_TEST_SEED={}: {asked:?}", seed());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_split_and_no_size_of_pieces_changes_an_answer() {
    let mut draws = draw_for(11, 0);
    let of_number = |number| {
        let mut draw = draw_for(12, number);
        let batches = drawn_history(&mut draw, number);
        let ledger = Ledger::of(&batches);
        let mut asked = drawn(&mut draw, &Ask::about(&batches), ledger.size(), 30, 6);
        // These tell which records came in one batch.
        asked.retain(|each| !matches!(each.question, Question::Revisions { .. }));
        let expected = naive(&ledger, &asked);
        Case { name: format!("t{number}"), batches, ledger, asked, expected }
    };
    let all: Vec<Case> = (0..cases(6)).map(of_number).collect();
    for (place, size) in SIZES.iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        // The first half in pieces of this size, the rest in those of the next: what was cut before is read and written on.
        let sizes = [*size, SIZES[(place + 1) % SIZES.len()]];
        let mut engine = open(folder.path(), sizes[0]).await;
        let mut halves = Vec::new();
        for case in &all {
            let tenant = engine.tenant_or_create(&case.name).await.unwrap();
            let parts = *draws.pick(&[1.0, 0.5, 0.1, 0.0]);
            let split =
                if place == 0 { case.batches.clone() } else { resplit(&mut draws, &case.ledger, parts) };
            let (first, rest) = split.split_at(split.len() / 2);
            let mut ledger = Ledger::default();
            write_on(&tenant, &mut ledger, first, *draws.pick(&[Way::OneByOne, Way::Together]))
                .await
                .unwrap();
            halves.push((ledger, rest.to_vec()));
        }
        engine.close().await.unwrap();
        drop(engine);
        engine = open(folder.path(), sizes[1]).await;
        for (case, (ledger, rest)) in all.iter().zip(&mut halves) {
            let tenant = engine.tenant_or_create(&case.name).await.unwrap();
            write_on(&tenant, ledger, rest, *draws.pick(&[Way::OneByOne, Way::Together])).await.unwrap();
            assert_eq!(ledger.size(), case.ledger.size(), "the same records");
            case.hold(&tenant, &format!("in pieces of {sizes:?}")).await;
        }
        engine.close().await.unwrap();
        drop(engine);
        check(folder.path());
        maintenance::reindex(folder.path(), None, &mut |_, _, _| true).unwrap();
        engine = open(folder.path(), *size).await;
        for case in &all {
            let tenant = engine.tenant_or_create(&case.name).await.unwrap();
            case.hold(&tenant, &format!("in pieces of {sizes:?}, after reindex")).await;
        }
        engine.close().await.unwrap();
    }
    println!(
        "{} questions, twice for each of {} sizes",
        all.iter().map(|case| case.asked.len()).sum::<usize>(),
        SIZES.len()
    );
}

/// What stands behind each size of the ledger: the root, when its last record was recorded, and to which size that leads.
async fn behind(tenant: &Tenant, size: u64) -> Vec<(SnapshotInfo, u64)> {
    let work = move |session: Arc<asof_engine::Session>| {
        let at = Instant::from_nanos(0);
        let of = |size| {
            let info = session.snapshot(Point { at, size }).unwrap();
            let request = PointRequest { known_at: info.recorded_at, ..PointRequest::default() };
            (info, session.point(&request).unwrap().size)
        };
        (1..=size).map(of).collect()
    };
    tenant.run(asof_engine::Place::Pool, Duration::from_secs(60), work).await.unwrap()
}

/// More, of the same sources about the same ids at the same times: what is known later, and not before. At the end each
/// source takes back all that it ever said.
async fn write_later(tenant: &Tenant, ledger: &mut Ledger, draw: &mut Draw) {
    for number in 0..3 {
        let mut more = history(draw, 6);
        for batch in more.iter_mut().filter(|batch| !batch.batch_id.is_empty()) {
            batch.batch_id = format!("later/{number}/{}", batch.batch_id);
        }
        write_on(tenant, ledger, &more, Way::Together).await.unwrap();
        for source in ["inventory/a", "inventory/b", "trail/1"] {
            let mut listing = listing(draw, ledger, source, number);
            if number == 2 {
                let (at, batch_id) = (Instant::from_nanos(0), String::new());
                listing = Listing { at, batch_id, parts: Vec::new(), empty: true, ..listing };
            }
            let due = due(ledger, &listing);
            let told = tenant.reconcile(listing).await.unwrap();
            ledger.write(&Batch { source: source.to_owned(), facts: due.facts, ..Batch::default() });
            assert_eq!(told.ledger_size, ledger.size());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_later_changes_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let mut told = Vec::new();
    let engine = open(folder.path(), pieces(2)).await;
    for number in 0..cases(8) {
        let mut draw = draw_for(13, number);
        let batches = drawn_history(&mut draw, number);
        let tenant = engine.tenant_or_create(&format!("t{number}")).await.unwrap();
        let mut ledger = Ledger::default();
        write_on(&tenant, &mut ledger, &batches, Way::Together).await.unwrap();
        let size = ledger.size();
        let asked = drawn(&mut draw, &Ask::about(&batches), size, 16, 6);
        let (found, snapshots) = (answers(&tenant, asked.clone(), true).await, behind(&tenant, size).await);
        write_later(&tenant, &mut ledger, &mut draw).await;
        told.push((tenant.name().to_owned(), size, asked, found, snapshots));
    }
    hold_told(&engine, &told, "after more was written").await;
    engine.close().await.unwrap();
    drop(engine);
    check(folder.path());
    maintenance::reindex(folder.path(), None, &mut |_, _, _| true).unwrap();
    let engine = open(folder.path(), Pieces::DEFAULT).await;
    hold_told(&engine, &told, "after more was written, and reindex").await;
    engine.close().await.unwrap();
    println!("{} questions", told.iter().map(|told| told.2.len()).sum::<usize>());
}

type Told = (String, u64, Vec<Asked>, Vec<asof_tests::draw::Answer>, Vec<(SnapshotInfo, u64)>);

async fn hold_told(engine: &Engine, told: &[Told], when: &str) {
    for (name, size, asked, before, snapshots) in told {
        let tenant = engine.tenant_or_create(name).await.unwrap();
        let seed = seed();
        assert_eq!(behind(&tenant, *size).await, *snapshots, "{name} {when}, with ASOF_TEST_SEED={seed}");
        let found = answers(&tenant, asked.clone(), true).await;
        for ((asked, before), found) in asked.iter().zip(before).zip(&found) {
            assert_eq!(before, found, "{name} {when}, with ASOF_TEST_SEED={seed}: {asked:?}");
        }
    }
}

/// Every question of these cases, whatever has been written since: how many there are.
async fn asked_again(engine: &Engine, cases: &[String], when: &str) -> usize {
    let (mut count, mut failed) = (0, 0);
    for case in cases {
        let tenant = engine.tenant_or_create(tenant_of(case)).await.unwrap();
        for question in questions(case) {
            count += 1;
            let wrong = match ask(&tenant, &question).await {
                Ok(found) if same(&question["expected"], &found) => continue,
                Ok(found) => difference(&question["expected"], &found),
                Err(why) => why,
            };
            failed += 1;
            println!("{case}/{} {when}: {wrong}", text(&question["name"]));
        }
    }
    assert_eq!(failed, 0, "of {count}, {when}");
    count
}

/// The contract's questions are of points: their answers stand when other histories follow in the same tenant, when its own
/// sources take all of it back, and when the views are made anew.
#[tokio::test(flavor = "multi_thread")]
async fn the_contract_s_answers_stand_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let cases = contract_cases();
    let engine = open(folder.path(), pieces(2)).await;
    for (number, case) in cases.iter().enumerate() {
        let tenant = engine.tenant_or_create(tenant_of(case)).await.unwrap();
        write(&tenant, case).await;
        let own: std::collections::BTreeSet<String> =
            lines(case).iter().map(|line| batch(line).source).collect();
        let mut draw = draw_for(14, number as u64);
        let related = lines(if case == "random-1" { "random-2" } else { "random-1" });
        let others = history(&mut draw, 6).into_iter().chain(wide(&mut draw, 20, 200));
        let mut tickets = Vec::new();
        for more in related.iter().map(batch).chain(others) {
            let (source, batch_id) = (format!("{}/more", more.source), String::new());
            tickets.push(tenant.enqueue(Batch { source, batch_id, ..more }).await.unwrap());
        }
        for ticket in tickets {
            ticket.wait().await.unwrap();
        }
        for source in own {
            let (batch_id, parts) = (String::new(), Vec::new());
            let at = Instant::from_nanos(0);
            tenant.reconcile(Listing { source, batch_id, at, parts, empty: true }).await.unwrap();
        }
    }
    asked_again(&engine, &cases, "with more in the ledger").await;
    engine.close().await.unwrap();
    drop(engine);
    maintenance::reindex(folder.path(), None, &mut |_, _, _| true).unwrap();
    let engine = open(folder.path(), pieces(7)).await;
    let count = asked_again(&engine, &cases, "with more in the ledger, after reindex").await;
    engine.close().await.unwrap();
    println!("{count} questions, twice");
}

/// Seeds that nobody has seen before, where `ASOF_TEST_ORACLE` leads to the contract's `oracle.py` (and `python3` is there).
/// Without it nothing is needed: the cases in `fresh` were drawn in this way.
#[tokio::test(flavor = "multi_thread")]
async fn the_oracle_agrees_on_seeds_of_the_day() {
    let Some(oracle) = std::env::var_os("ASOF_TEST_ORACLE") else {
        println!("not asked for: ASOF_TEST_ORACLE does not say where oracle.py is");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let say = |arguments: &[&str], to: &Path| {
        let mut python = std::process::Command::new("python3");
        let status = python.arg(&oracle).args(arguments).stdout(std::fs::File::create(to).unwrap()).status();
        assert!(status.unwrap().success(), "the oracle fails: {arguments:?}");
    };
    let mut drawn = Vec::new();
    for number in 0..cases(12) {
        let seed = (seed() * 1_000 + number).to_string();
        let case = folder.path().join(format!("seed-{seed}")).to_str().unwrap().to_owned();
        let history = format!("{case}.jsonl");
        say(&["generate", "--seed", &seed, "--size", "300"], Path::new(&history));
        let arguments = ["questions", "--history", &history, "--seed", &seed, "--count", "60"];
        say(&arguments, Path::new(&format!("{case}.questions.json")));
        drawn.push(case);
    }
    let engine = open(&folder.path().join("data"), pieces(7)).await;
    for case in &drawn {
        write(&engine.tenant_or_create(tenant_of(case)).await.unwrap(), case).await;
    }
    let count = asked_again(&engine, &drawn, "of a new seed").await;
    engine.close().await.unwrap();
    println!("{count} questions");
}
