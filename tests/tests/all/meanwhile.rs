//! Questions while records arrive: the answer at (T, K) is the one that was right before they came.

use std::sync::Arc;

use asof_model::Batch;
use asof_query::{IdentityOrder, IdentityWhere};
use asof_tests::draw::{Ask, Draw, Question, wide};
use asof_tests::naive::Ledger;

use crate::chance::{Asked, cases, naive, seed, tuning};
use crate::property::draw_for;
use crate::tenant::{Bench, Way, answers, write};

/// The same records in the same order, few at a time, so that there is much meanwhile.
fn in_bits(history: &[Batch]) -> Vec<Batch> {
    let mut bits = Vec::new();
    for batch in history {
        let of = || Batch { source: batch.source.clone(), ..Batch::default() };
        bits.extend(batch.facts.chunks(3).map(|facts| Batch { facts: facts.to_vec(), ..of() }));
        bits.extend(batch.observations.chunks(5).map(|seen| Batch { observations: seen.to_vec(), ..of() }));
    }
    bits
}

fn question(draw: &mut Draw, ask: &Ask, size: u64) -> Asked {
    let mut filter = IdentityWhere::default();
    match draw.below(4) {
        0..2 => filter.holds = Some(ask.holds(draw, true)),
        2 => filter.used = Some(ask.used(draw)),
        _ => filter.used_without_holding = Some(ask.uncovered(draw)),
    }
    let (include_deleted, order) = (false, IdentityOrder::Appearance);
    let question = Question::Identities { filter: Box::new(filter), include_deleted, order };
    let known = if draw.chance(0.7) { size } else { draw.below(size as usize + 1) as u64 };
    Asked { question, at: ask.moment(draw), size: known, tuning: tuning(draw) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn answers_do_not_change_while_records_arrive() {
    let mut bench = Bench::new().await;
    let mut count = 0;
    for number in 0..cases(3) {
        let mut draw = draw_for(8, number);
        let history = Arc::new(in_bits(&wide(&mut draw, 40, 1_500)));
        let ask = Ask::about(&history);
        let (ledger, first) = (Ledger::of(&history), history.len() / 4);
        let tenant = bench.tenant().await;
        write(&tenant, &history[..first], Way::Together).await.unwrap();
        let (writing, rest) = (tenant.clone(), Arc::clone(&history));
        let written = tokio::spawn(async move {
            for batch in &rest[first..] {
                writing.ingest(batch.clone()).await.unwrap();
            }
        });
        let mut told = Vec::new();
        while !written.is_finished() {
            let size = tenant.size();
            let questions: Vec<_> = (0..3).map(|_| question(&mut draw, &ask, size)).collect();
            let found = answers(&tenant, questions.clone(), true).await;
            told.extend(questions.into_iter().zip(found));
        }
        written.await.unwrap();
        told.sort_by_key(|(asked, _)| asked.size);
        let (asked, found): (Vec<_>, Vec<_>) = told.into_iter().unzip();
        for ((asked, expected), found) in asked.iter().zip(naive(&ledger, &asked)).zip(&found) {
            assert_eq!(expected, *found, "case {number} with ASOF_TEST_SEED={}: {asked:?}", seed());
        }
        count += asked.len();
    }
    println!("{count} questions while records arrived");
    assert!(count > 20, "{count} questions are too few");
}
