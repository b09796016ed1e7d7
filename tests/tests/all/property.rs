//! The engine, on disk, against the naive model: every filter, at all bounds and one nanosecond beside them.

use std::sync::Arc;
use std::time::Duration;

use asof_engine::{Engine, Options, Receipt, Tenant};
use asof_model::Batch;
use asof_query::{IdentityOrder, IdentityWhere};
use asof_tests::draw::{Answer, Ask, Case, Draw, Question, history, regrouped, shrink, wide};
use asof_tests::exact;
use asof_tests::naive::{Acknowledged, Ledger};

use crate::chance::{Asked, cases, drawn, naive, seed, told};

const DEADLINE: Duration = Duration::from_secs(120);

/// An engine in a folder of its own, and a fresh tenant for each history.
struct Bench {
    engine: Engine,
    tenants: usize,
    _folder: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { data: folder.path().to_owned(), ..Options::default() };
        Self { engine: Engine::open(options).await.unwrap(), tenants: 0, _folder: folder }
    }

    /// Each tenant has its open files, so now and then all begin anew.
    async fn tenant(&mut self) -> Tenant {
        const TENANTS_MAX: usize = 40;
        self.tenants += 1;
        if self.tenants > TENANTS_MAX {
            self.engine.close().await.unwrap();
            *self = Self { tenants: 1, ..Self::new().await };
        }
        self.engine.tenant_or_create(&format!("t{}", self.tenants)).await.unwrap()
    }
}

/// Writes the history; every receipt is what the naive ledger says.
async fn write(tenant: &Tenant, history: &[Batch]) -> Result<(), String> {
    let mut ledger = Ledger::default();
    let mut recorded = None;
    for batch in history {
        let expected = ledger.write(batch);
        let receipt = tenant.ingest(batch.clone()).await.map_err(|why| format!("{why}: {batch:?}"))?;
        if !acknowledges(&receipt, &expected, ledger.size()) {
            return Err(format!("expected {expected:?}, acknowledged {receipt:?}: {batch:?}"));
        }
        if !receipt.duplicate_batch && recorded >= Some(receipt.recorded_at) {
            return Err(format!("recorded no later than the batch before: {receipt:?}"));
        }
        recorded = recorded.max(Some(receipt.recorded_at));
    }
    if tenant.size() == ledger.size() {
        Ok(())
    } else {
        Err(format!("{} is not {}", tenant.size(), ledger.size()))
    }
}

/// A batch without records has no first index. One that comes again is acknowledged with its own; its counts may be told or not.
pub fn acknowledges(receipt: &Receipt, expected: &Acknowledged, size: u64) -> bool {
    let again = expected.duplicate_batch;
    let empty = expected.first_index == expected.ledger_size;
    let found = Acknowledged {
        first_index: if empty { expected.first_index } else { receipt.first_index },
        ledger_size: if again && receipt.ledger_size <= size {
            expected.ledger_size
        } else {
            receipt.ledger_size
        },
        duplicate_batch: receipt.duplicate_batch,
        duplicate_events: if again { expected.duplicate_events } else { receipt.duplicate_events },
        duplicate_facts: if again { expected.duplicate_facts } else { receipt.duplicate_facts },
        conflicting: if again { expected.conflicting } else { receipt.conflicting },
    };
    found == *expected && (!again || receipt.ledger_size >= expected.ledger_size)
}

async fn answers(tenant: &Tenant, asked: Vec<Asked>, indices: bool) -> Vec<Answer> {
    let work = move |session: Arc<asof_engine::Session>| {
        let answer = |each: Asked| {
            let known = session.known(each.size).unwrap();
            exact::answer(&each.question, &known, each.at, indices)
        };
        asked.into_iter().map(answer).collect()
    };
    tenant.run(DEADLINE, work).await.unwrap()
}

/// A case, by both.
async fn both(bench: &mut Bench, case: &Case) -> (Answer, Answer) {
    let history: Vec<_> = case.before.iter().chain(&case.after).cloned().collect();
    let asked =
        vec![Asked { question: case.question.clone(), at: case.at, size: Ledger::of(&case.before).size() }];
    let expected = naive(&Ledger::of(&history), &asked).remove(0);
    let tenant = bench.tenant().await;
    if let Err(why) = write(&tenant, &history).await {
        return (expected, Ok(vec![why]));
    }
    (expected, answers(&tenant, asked, true).await.remove(0))
}

async fn fail(bench: &mut Bench, number: u64, history: &[Batch], asked: Asked, found: &Answer) {
    let case = Case::new(history, asked.size, asked.question, asked.at);
    let handle = tokio::runtime::Handle::current();
    let mut differs = |case: &Case| {
        let (expected, found) = tokio::task::block_in_place(|| handle.block_on(both(bench, case)));
        expected != found
    };
    assert!(differs(&case), "case {number}: alone it does not fail: {case:#?} found {found:?}");
    let least = shrink(case, differs);
    let (expected, found) = both(bench, &least).await;
    panic!("case {number} {}", told(seed(), &least, &expected, &found));
}

async fn hold(bench: &mut Bench, number: u64, history: &[Batch], asked: Vec<Asked>) -> usize {
    let tenant = bench.tenant().await;
    if let Err(why) = write(&tenant, history).await {
        panic!("case {number} with ASOF_TEST_SEED={}: {why}", seed());
    }
    let expected = naive(&Ledger::of(history), &asked);
    let found = answers(&tenant, asked.clone(), true).await;
    let count = asked.len();
    for ((asked, expected), found) in asked.into_iter().zip(expected).zip(found) {
        if expected != found {
            fail(bench, number, history, asked, &found).await;
        }
    }
    count
}

fn draw_for(test: u64, number: u64) -> Draw {
    Draw::new(seed().wrapping_mul(1_000_003).wrapping_add(test << 32).wrapping_add(number))
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_what_the_naive_model_says() {
    let (mut bench, mut asked) = (Bench::new().await, 0);
    for number in 0..cases(240) {
        let mut draw = draw_for(1, number);
        let batches = 1 + draw.below(14);
        let history = history(&mut draw, batches);
        let questions = drawn(&mut draw, &Ask::about(&history), Ledger::of(&history).size(), 24, 8);
        asked += hold(&mut bench, number, &history, questions).await;
    }
    println!("{asked} questions");
}

/// Few filters, and with them every bound, a nanosecond beside it, and every size of the ledger.
#[tokio::test(flavor = "multi_thread")]
async fn no_bound_and_no_size_is_left_out() {
    let (mut bench, mut asked) = (Bench::new().await, 0);
    for number in 0..cases(240).div_ceil(40) {
        let mut draw = draw_for(2, number);
        let history = history(&mut draw, 5);
        let (ask, size) = (Ask::about(&history), Ledger::of(&history).size());
        let filters = vec![
            IdentityWhere::default(),
            IdentityWhere { holds: Some(ask.holds(&mut draw, false)), ..IdentityWhere::default() },
            IdentityWhere { used: Some(ask.used(&mut draw)), ..IdentityWhere::default() },
            IdentityWhere {
                used_without_holding: Some(ask.uncovered(&mut draw)),
                ..IdentityWhere::default()
            },
            IdentityWhere { holds_unused: Some(ask.unused(&mut draw)), ..IdentityWhere::default() },
            IdentityWhere { observed: Some(ask.observed(&mut draw)), ..IdentityWhere::default() },
        ];
        let mut questions = Vec::new();
        for known in 0..=size {
            for at in &ask.moments {
                for beside in [-1, 0, 1] {
                    let at = asof_model::Instant::from_nanos(at.nanos().saturating_add(beside));
                    let filter = Box::new(draw.pick(&filters).clone());
                    let question = Question::Identities {
                        filter,
                        include_deleted: false,
                        order: IdentityOrder::Appearance,
                    };
                    if at.is_in_range() {
                        questions.push(Asked { question, at, size: known });
                    }
                }
            }
        }
        asked += hold(&mut bench, number, &history, questions).await;
    }
    println!("{asked} questions");
}

/// Many identities and many changes of what they hold.
#[tokio::test(flavor = "multi_thread")]
async fn many_identities_make_no_difference() {
    let (mut bench, mut asked) = (Bench::new().await, 0);
    for number in 0..cases(240).div_ceil(80) {
        let mut draw = draw_for(4, number);
        let records = *draw.pick(&[2_000, 10_000]);
        let history = wide(&mut draw, 150, records);
        let (ask, size) = (Ask::about(&history), Ledger::of(&history).size());
        let mut questions = Vec::new();
        for _ in 0..24 {
            let mut filter = IdentityWhere::default();
            match draw.below(6) {
                0..3 => filter.holds = Some(ask.holds(&mut draw, true)),
                3 => filter.used = Some(ask.used(&mut draw)),
                4 => filter.used_without_holding = Some(ask.uncovered(&mut draw)),
                _ => filter.holds_unused = Some(ask.unused(&mut draw)),
            }
            let known = if draw.chance(0.3) { size } else { draw.below(size as usize + 1) as u64 };
            let question = Question::Identities {
                filter: Box::new(filter),
                include_deleted: false,
                order: IdentityOrder::Appearance,
            };
            questions.push(Asked { question, at: ask.moment(&mut draw), size: known });
        }
        asked += hold(&mut bench, number, &history, questions).await;
    }
    println!("{asked} questions");
}

/// The same records in other batches, observations in another order: no set, count or time changes.
#[tokio::test(flavor = "multi_thread")]
async fn order_of_arrival_changes_nothing() {
    let (mut bench, mut asked) = (Bench::new().await, 0);
    for number in 0..cases(240).div_ceil(3) {
        let mut draw = draw_for(3, number);
        let batches = 1 + draw.below(10);
        let history = history(&mut draw, batches);
        let other = regrouped(&mut draw, &history);
        let size = Ledger::of(&history).size();
        assert_eq!(Ledger::of(&other).size(), size, "the same records");
        let mut questions = drawn(&mut draw, &Ask::about(&history), size, 24, 8);
        for each in &mut questions {
            each.size = size;
        }
        let mut found = Vec::new();
        for batches in [&history, &other] {
            let tenant = bench.tenant().await;
            write(&tenant, batches).await.unwrap();
            found.push(answers(&tenant, questions.clone(), false).await);
        }
        for (place, each) in questions.iter().enumerate() {
            let [one, two] = [&found[0][place], &found[1][place]].map(|answer| {
                let mut answer = answer.clone();
                if let Ok(rows) = &mut answer {
                    rows.sort();
                }
                answer
            });
            let seed = seed();
            assert_eq!(
                one, two,
                "case {number} with ASOF_TEST_SEED={seed}: {each:?}\n{history:#?}\n{other:#?}"
            );
            asked += 1;
        }
    }
    println!("{asked} questions");
}
