//! One entitlement that very many hold is edited.

use std::time::Instant as Clock;

use asof_model::{Batch, Fact, Interval, Privilege};
use serde_json::Value;

use super::said::{self, batches, holds, hour};
use super::{Cases, HOLDERS, Line, agree, body, p50};
use crate::Failure;
use crate::feed::Sender;
use crate::measure::Samples;

const EDITS: i64 = 20;

/// What an edit took until it was acknowledged, and the first question after it, each in the middle.
struct Edited {
    acknowledged: f64,
    asked: f64,
}

pub(super) fn edited(cases: &Cases<'_>) -> Result<Vec<Line>, Failure> {
    let many = cases.size;
    let entitlement = |id: &str| said::entitlement(id, &[Privilege::Write], said::always());
    let held = (0..many).map(|number| holds(format!("sa/{number:06}"), "ent/shared", said::always(), true));
    let one = holds("sa/alone".to_owned(), "ent/alone", said::always(), true);
    let facts = [entitlement("ent/shared"), entitlement("ent/alone"), one].into_iter().chain(held);
    cases.ingest("edited", batches("s", facts))?;
    let count = |day: i64| cases.count("edited", &body(HOLDERS, hour(24 * day), &Value::Null));
    agree("before the edits", count(1)?, i64::from(many) + 1)?;
    let before = cases.ask("edited", HOLDERS, &[hour(24 * 2)])?;
    let alone = edits(cases, "ent/alone")?;
    let shared = edits(cases, "ent/shared")?;
    // Each edit changed whether it allows WRITE from its own day on; the last one says no.
    agree("after the edits", count(EDITS + 2)?, 0)?;
    let steady = cases.ask("edited", HOLDERS, &[hour(24 * 2)])?;
    let what = format!("an entitlement that {many} hold is edited");
    let line = |what: String, measure, case, plain| Line { what, measure, case, plain };
    Ok(vec![
        line(
            format!("{what}, against one that one holds"),
            "acknowledged, p50 ms",
            shared.acknowledged,
            alone.acknowledged,
        ),
        line(
            format!("{what}: the first question after it, against that after the other's edit"),
            "question, p50 ms",
            shared.asked,
            alone.asked,
        ),
        line(
            format!("{what} {EDITS} times: questions then, against before"),
            "question, p50 ms",
            steady,
            before,
        ),
    ])
}

/// The entitlement says otherwise from the second day on, from the third, and so on, edit by edit; and a question about that day.
fn edits(cases: &Cases<'_>, id: &str) -> Result<Edited, Failure> {
    use prost::Message as _;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = cases.client("edited");
    let (mut acknowledged, mut asked) = (Vec::new(), Vec::new());
    for edit in 0..EDITS {
        let during = Interval { from: hour(24 * (edit + 2)), ..said::always() };
        let privilege = if edit % 2 == 0 { Privilege::Write } else { Privilege::Read };
        let fact: Fact = said::entitlement(id, &[privilege, Privilege::List], during);
        let batch = Batch { source: "s".to_owned(), facts: vec![fact], ..Batch::default() };
        let request = asof_grpc::convert::request(batch).encode_to_vec();
        let took = runtime.block_on(async {
            let mut sender = Sender::connect(cases.server.address(), "edited").await?;
            let started = Clock::now();
            sender.send(tokio_stream::once(request.into()), |_| {}).await?;
            Ok::<_, Failure>(started.elapsed())
        })?;
        acknowledged.push(took.as_secs_f64() * 1e3);
        asked.push(client.ask(&body(HOLDERS, during.from, &Value::Null))?.ms);
    }
    Ok(Edited { acknowledged: p50(&Samples::new(acknowledged))?, asked: p50(&Samples::new(asked))? })
}
