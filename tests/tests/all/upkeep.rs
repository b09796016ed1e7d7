//! Closing, opening again, `check` and `reindex`: the views are what the ledger makes them, however they came about.

use std::path::Path;

use asof_engine::{Engine, Options, Tenant, maintenance};
use asof_tests::draw::{Ask, history};
use asof_tests::naive::Ledger;

use crate::chance::{Asked, cases, drawn, naive, seed};
use crate::property::draw_for;
use crate::tenant::{Way, answers, write_on};

async fn open(data: &Path) -> (Engine, Tenant) {
    let engine = Engine::open(Options { data: data.to_owned(), ..Options::default() }).await.unwrap();
    let tenant = engine.tenant_or_create("upkeep").await.unwrap();
    (engine, tenant)
}

fn check(data: &Path) {
    for (tenant, report) in maintenance::check(data, None, &mut |_, _, _| true).unwrap() {
        assert!(report.problems.is_empty(), "{tenant} with ASOF_TEST_SEED={}: {:?}", seed(), report.problems);
        assert!(report.views.iter().all(|(_, _, same)| *same), "{tenant}: {:?}", report.views);
    }
}

async fn hold(tenant: &Tenant, ledger: &Ledger, asked: &[Asked], when: &str) {
    let expected = naive(ledger, asked);
    let found = answers(tenant, asked.to_vec(), true).await;
    for ((asked, expected), found) in asked.iter().zip(&expected).zip(&found) {
        assert_eq!(expected, found, "{when}, with ASOF_TEST_SEED={}: {asked:?}", seed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn views_are_what_the_ledger_makes_them() {
    for number in 0..cases(12) {
        let mut draw = draw_for(5, number);
        let batches = 2 + draw.below(12);
        let history = history(&mut draw, batches);
        let folder = tempfile::tempdir().unwrap();
        let mut ledger = Ledger::default();
        let mut left = history.as_slice();
        while !left.is_empty() {
            let (next, rest) = left.split_at(1 + draw.below(left.len()));
            let (engine, tenant) = open(folder.path()).await;
            let way = *draw.pick(&[Way::OneByOne, Way::Together]);
            write_on(&tenant, &mut ledger, next, way).await.unwrap();
            engine.close().await.unwrap();
            left = rest;
        }
        check(folder.path());
        let questions = drawn(&mut draw, &Ask::about(&history), ledger.size(), 16, 6);
        let (engine, tenant) = open(folder.path()).await;
        hold(&tenant, &ledger, &questions, "opened again").await;
        engine.close().await.unwrap();
        drop((engine, tenant));
        maintenance::reindex(folder.path(), None, &mut |_, _, _| true).unwrap();
        check(folder.path());
        let (engine, tenant) = open(folder.path()).await;
        hold(&tenant, &ledger, &questions, "after reindex").await;
        engine.close().await.unwrap();
    }
}
