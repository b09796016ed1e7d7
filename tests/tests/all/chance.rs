//! How much is drawn, and from which seed. `ASOF_TEST_SEED` draws something else, `ASOF_TEST_CASES` draws more or less.

use asof_query::Tuning;
use asof_tests::draw::{Answer, Ask, Case, Draw, Question};
use asof_tests::naive::{Known, Ledger};

/// The seed that all others come from.
pub fn seed() -> u64 {
    env("ASOF_TEST_SEED").unwrap_or(1)
}

/// How many cases to draw, where so many are usual.
pub fn cases(usual: u64) -> u64 {
    env("ASOF_TEST_CASES").unwrap_or(usual)
}

fn env(name: &str) -> Option<u64> {
    let given = std::env::var(name).ok()?;
    Some(given.parse().unwrap_or_else(|_| panic!("{name}={given} is no number")))
}

/// A question about a history, at (T, K).
#[derive(Debug, Clone)]
pub struct Asked {
    pub question: Question,
    pub at: asof_model::Instant,
    pub size: u64,
    /// Which way the answer takes: there are few identities here, so the usual one would leave the sets unused.
    pub tuning: Tuning,
}

/// A tuning: every way to an answer gives the same one.
pub fn tuning(draw: &mut Draw) -> Tuning {
    const WAYS: &[Tuning] = &[
        Tuning::DEFAULT,
        Tuning { few: 0, many: 0, ..Tuning::DEFAULT },
        Tuning { few: 0, many: 0, remembered: 2 },
        Tuning { few: 0, many: 4, ..Tuning::DEFAULT },
        Tuning { few: 2, many: 1_024, ..Tuning::DEFAULT },
    ];
    *draw.pick(WAYS)
}

/// Random questions about a history: each at several moments and sizes.
pub fn drawn(draw: &mut Draw, ask: &Ask, size: u64, questions: usize, points: usize) -> Vec<Asked> {
    let mut asked = Vec::new();
    for _ in 0..questions {
        let question = ask.question(draw);
        for _ in 0..points {
            let least = if draw.chance(0.1) { 0 } else { size / 2 };
            let known =
                if draw.chance(0.4) { size } else { least + draw.below((size - least) as usize + 1) as u64 };
            let (at, tuning) = (ask.moment(draw), tuning(draw));
            asked.push(Asked { question: question.clone(), at, size: known, tuning });
        }
    }
    asked.sort_by_key(|each| (each.size, each.tuning.few, each.tuning.many)); // for the few points of knowledge that are prepared at a time
    asked
}

/// What the naive model says to each.
pub fn naive(ledger: &Ledger, asked: &[Asked]) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut known: Option<(u64, Known<'_>)> = None;
    for each in asked {
        if known.as_ref().is_none_or(|(size, _)| *size != each.size) {
            known = Some((each.size, Known::new(ledger, each.size)));
        }
        if let Some((_, known)) = &known {
            answers.push(each.question.answer(known, each.at, true));
        }
    }
    answers
}

/// A failing case, written out for a person.
pub fn told(seed: u64, case: &Case, naive: &Answer, found: &Answer) -> String {
    let mut text = format!("with ASOF_TEST_SEED={seed}; the smallest case found:\n");
    for (what, batches) in [("known", &case.before), ("not known", &case.after)] {
        for batch in batches {
            text += &format!("  {what}: batch of {:?}\n", batch.source);
            for fact in &batch.facts {
                text += &format!("    {fact:?}\n");
            }
            for seen in &batch.observations {
                text += &format!("    {seen:?}\n");
            }
        }
    }
    text += &format!("  asked at {} ({}): {:?}\n", case.at, case.at.nanos(), case.question);
    text += &format!("  naive: {naive:#?}\n  found: {found:#?}");
    text
}
