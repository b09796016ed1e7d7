//! The query crate alone, over records in memory, against the naive model: many more cases than a disk would let us.

use std::sync::Arc;

use asof_model::Instant;
use asof_query::{Known, Tuning};
use asof_tests::draw::{Answer, Ask, Case, Draw, history, shrink};
use asof_tests::exact;
use asof_tests::memory::Memory;
use asof_tests::naive::{self, Ledger};

use crate::chance::{cases, drawn, naive as answers, seed, told};
use crate::corners::Tally;

fn both(case: &Case, loose: u64, tuning: Tuning) -> (Answer, Answer) {
    let mut ledger = Ledger::of(&case.before);
    let size = ledger.size();
    for batch in &case.after {
        ledger.write(batch);
    }
    let ledger = Arc::new(ledger);
    let expected = case.question.answer(&naive::Known::new(&ledger, size), case.at, true);
    let known = Known::new(Arc::new(Memory::new(&ledger, size, loose))).tuned(tuning);
    (expected, exact::answer(&case.question, &known, case.at, true))
}

#[test]
fn says_what_the_naive_model_says() {
    let (seed, mut asked, mut tally) = (seed(), 0, Tally::default());
    for number in 0..cases(1_500) {
        let mut draw = Draw::new(seed.wrapping_mul(1_000_003).wrapping_add(number));
        let batches = 1 + draw.below(14);
        let history = history(&mut draw, batches);
        let ledger = Arc::new(Ledger::of(&history));
        let ask = Ask::about(&history);
        let questions = drawn(&mut draw, &ask, ledger.size(), 12, 5);
        let expected = answers(&ledger, &questions);
        let mut known: Option<(u64, Tuning, Known)> = None;
        for (each, expected) in questions.into_iter().zip(expected) {
            let (size, tuning) = (each.size, each.tuning);
            if known.as_ref().is_none_or(|last| (last.0, last.1) != (size, tuning)) {
                let memory = Memory::new(&ledger, size, number);
                known = Some((size, tuning, Known::new(Arc::new(memory)).tuned(tuning)));
            }
            let found = known.as_ref().map(|known| exact::answer(&each.question, &known.2, each.at, true));
            if found.as_ref() != Some(&expected) {
                let differs = |case: &Case| {
                    let (expected, found) = both(case, number, tuning);
                    expected != found
                };
                let case = Case::new(&history, each.size, each.question, each.at);
                assert!(
                    differs(&case),
                    "the answer depends on what was asked before: {case:?} {found:?} {expected:?}"
                );
                let least = shrink(case, differs);
                let (expected, found) = both(&least, number, tuning);
                panic!("case {number} {}", told(seed, &least, &expected, &found));
            }
            tally.asked(&each.question, &expected);
            for (what, beside) in [("T at a bound", 0), ("T just before one", -1), ("T just after one", 1)] {
                let bound = Instant::from_nanos(each.at.nanos() - beside);
                tally.count(what, ask.moments.contains(&bound));
            }
            tally.count("K before the last record", each.size < ledger.size());
            asked += 1;
        }
    }
    println!("{asked} questions");
    if asked > 50_000 {
        tally.hold(2, 100);
    }
}
