//! The engine in process: fresh tenants, histories written to them, questions asked of them.

use std::sync::Arc;
use std::time::Duration;

use asof_engine::{Engine, Options, Pieces, Receipt, Tenant};
use asof_model::Batch;
use asof_query::{Known, Tuning};
use asof_tests::draw::Answer;
use asof_tests::exact;
use asof_tests::naive::{Acknowledged, Ledger};

use crate::chance::Asked;

const DEADLINE: Duration = Duration::from_secs(120);

/// An engine in a folder of its own, and a fresh tenant for each history.
pub struct Bench {
    engine: Engine,
    tenants: usize,
    _folder: tempfile::TempDir,
}

impl Bench {
    /// With no tenant but the default one.
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Pages so small that histories of a few dozen events are cut into some.
        let pieces = Pieces { page_events: 3, kept_uses: 2, ..Pieces::DEFAULT };
        let options = Options { data: folder.path().to_owned(), pieces, ..Options::default() };
        Self { engine: Engine::open(options).await.unwrap(), tenants: 0, _folder: folder }
    }

    /// Each tenant has its open files, so now and then all begin anew.
    pub async fn tenant(&mut self) -> Tenant {
        const TENANTS_MAX: usize = 40;
        self.tenants += 1;
        if self.tenants > TENANTS_MAX {
            self.engine.close().await.unwrap();
            *self = Self { tenants: 1, ..Self::new().await };
        }
        self.engine.tenant_or_create(&format!("t{}", self.tenants)).await.unwrap()
    }
}

/// How a history is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Each batch when the one before is acknowledged.
    OneByOne,
    /// All at once, so that many share a sync.
    Together,
}

/// Writes a history; every receipt is what the naive ledger says.
pub async fn write(tenant: &Tenant, history: &[Batch], way: Way) -> Result<(), String> {
    let mut ledger = Ledger::default();
    write_on(tenant, &mut ledger, history, way).await
}

/// Writes what follows on what a ledger already has.
pub async fn write_on(
    tenant: &Tenant,
    ledger: &mut Ledger,
    history: &[Batch],
    way: Way,
) -> Result<(), String> {
    let mut receipts = Vec::new();
    if way == Way::Together {
        let mut tickets = Vec::new();
        for batch in history {
            tickets.push(tenant.enqueue(batch.clone()).await.map_err(|why| why.to_string())?);
        }
        for ticket in tickets {
            receipts.push(ticket.wait().await.map_err(|why| why.to_string())?);
        }
    } else {
        for batch in history {
            receipts.push(tenant.ingest(batch.clone()).await.map_err(|why| why.to_string())?);
        }
    }
    let expected: Vec<_> = history.iter().map(|batch| ledger.write(batch)).collect();
    let mut recorded = None;
    for ((receipt, expected), batch) in receipts.iter().zip(&expected).zip(history) {
        if !acknowledges(receipt, expected, ledger.size()) {
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
        Err(format!("the tenant's size is {}, not {}", tenant.size(), ledger.size()))
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

/// What the engine says to each question.
pub async fn answers(tenant: &Tenant, asked: Vec<Asked>, indices: bool) -> Vec<Answer> {
    let work = move |session: Arc<asof_engine::Session>| {
        let mut last: Option<(u64, Tuning, Known)> = None;
        let answer = |each: Asked| {
            let (size, tuning) = (each.size, each.tuning);
            if last.as_ref().is_none_or(|last| (last.0, last.1) != (size, tuning)) {
                last = Some((size, tuning, session.known(size).unwrap().tuned(tuning)));
            }
            let (_, _, known) = last.as_ref().unwrap();
            exact::answer(&each.question, known, each.at, indices)
        };
        asked.into_iter().map(answer).collect()
    };
    tenant.run(asof_engine::Place::Pool, DEADLINE, work).await.unwrap()
}
