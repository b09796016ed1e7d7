//! The engine, on disk, against the naive model: every filter, at all bounds and one nanosecond beside them.

use asof_model::Batch;
use asof_query::{IdentityOrder, IdentityWhere, SecretWhere, Tuning};
use asof_tests::draw::{Answer, Ask, Case, Draw, Question, history, keyed, regrouped, shrink, wide};
use asof_tests::naive::Ledger;

use crate::chance::{Asked, cases, drawn, naive, seed, told, tuning};
use crate::tenant::{Bench, Way, answers, write};

/// A case, by both.
async fn both(bench: &mut Bench, case: &Case, way: Way, tuning: Tuning) -> (Answer, Answer) {
    let history: Vec<_> = case.before.iter().chain(&case.after).cloned().collect();
    let asked = vec![Asked {
        question: case.question.clone(),
        at: case.at,
        size: Ledger::of(&case.before).size(),
        tuning,
    }];
    let expected = naive(&Ledger::of(&history), &asked).remove(0);
    let tenant = bench.tenant().await;
    if let Err(why) = write(&tenant, &history, way).await {
        return (expected, Ok(vec![why]));
    }
    (expected, answers(&tenant, asked, true).await.remove(0))
}

async fn fail(bench: &mut Bench, number: u64, history: &[Batch], asked: Asked, found: &Answer, way: Way) {
    let tuning = asked.tuning;
    let case = Case::new(history, asked.size, asked.question, asked.at);
    let handle = tokio::runtime::Handle::current();
    let mut differs = |case: &Case| {
        let (expected, found) =
            tokio::task::block_in_place(|| handle.block_on(both(bench, case, way, tuning)));
        expected != found
    };
    assert!(differs(&case), "case {number}: alone it does not fail: {case:#?} found {found:?}");
    let least = shrink(case, differs);
    let (expected, found) = both(bench, &least, way, tuning).await;
    panic!("case {number} {}", told(seed(), &least, &expected, &found));
}

async fn hold(bench: &mut Bench, number: u64, history: &[Batch], asked: Vec<Asked>) -> usize {
    let way = if number.is_multiple_of(2) { Way::OneByOne } else { Way::Together };
    let tenant = bench.tenant().await;
    if let Err(why) = write(&tenant, history, way).await {
        panic!("case {number} with ASOF_TEST_SEED={}: {why}", seed());
    }
    let expected = naive(&Ledger::of(history), &asked);
    let found = answers(&tenant, asked.clone(), true).await;
    let count = asked.len();
    for ((asked, expected), found) in asked.into_iter().zip(expected).zip(found) {
        if expected != found {
            fail(bench, number, history, asked, &found, way).await;
        }
    }
    count
}

/// Each test's cases are drawn from seeds of its own.
pub fn draw_for(test: u64, number: u64) -> Draw {
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
        let identities = |filter: IdentityWhere| Question::Identities {
            filter: Box::new(filter),
            include_deleted: false,
            order: IdentityOrder::Appearance,
        };
        let mut pool: Vec<_> = filters.into_iter().map(identities).collect();
        pool.extend((0..12).map(|_| ask.beyond(&mut draw)));
        let mut questions = Vec::new();
        for known in 0..=size {
            for at in &ask.moments {
                for beside in [-1, 0, 1] {
                    let at = asof_model::Instant::from_nanos(at.nanos().saturating_add(beside));
                    let question = draw.pick(&pool).clone();
                    if at.is_in_range() {
                        questions.push(Asked { question, at, size: known, tuning: tuning(&mut draw) });
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
            questions.push(Asked {
                question,
                at: ask.moment(&mut draw),
                size: known,
                tuning: tuning(&mut draw),
            });
        }
        asked += hold(&mut bench, number, &history, questions).await;
    }
    println!("{asked} questions");
}

/// Many secrets of which a few facts are told, and when which of them were used.
#[tokio::test(flavor = "multi_thread")]
async fn many_secrets_make_no_difference() {
    let (mut bench, mut asked) = (Bench::new().await, 0);
    for number in 0..cases(240).div_ceil(8) {
        let mut draw = draw_for(5, number);
        let secrets = *draw.pick(&[20, 60, 1_500]);
        let history = keyed(&mut draw, secrets, 400);
        let (ask, size) = (Ask::about(&history), Ledger::of(&history).size());
        let mut questions = Vec::new();
        for _ in 0..60 {
            let dead = ask.dead(&mut draw);
            let question = if draw.chance(0.5) {
                let filter = SecretWhere { used_dead: Some(dead), ..SecretWhere::default() };
                Question::Secrets { filter: Box::new(filter), include_deleted: true }
            } else {
                let filter = IdentityWhere { used_dead_secret: Some(dead), ..IdentityWhere::default() };
                let order = IdentityOrder::Appearance;
                Question::Identities { filter: Box::new(filter), include_deleted: true, order }
            };
            let known = if draw.chance(0.3) { size } else { draw.below(size as usize + 1) as u64 };
            let (at, tuning) = (ask.moment(&mut draw), tuning(&mut draw));
            questions.push(Asked { question, at, size: known, tuning });
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
            write(&tenant, batches, Way::Together).await.unwrap();
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
