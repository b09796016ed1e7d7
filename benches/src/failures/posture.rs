//! Posture that made others slow.

use asof_model::{Attributes, Fact, Instant, Interval, Privilege};
use serde_json::{Value, json};

use super::said::{self, batches, holds, hour};
use super::{Cases, HOLDERS, Line, MOMENTS, P50, RATE, agree, body};
use crate::Failure;

/// Grants of one identity in a row, an hour each.
const TURNS: u32 = 20;
const SPAN_HOURS: i64 = 90 * 24;

fn identity(number: u32) -> String {
    format!("sa/{number:06}")
}

/// Half an hour into hours all over the span.
fn moments() -> Vec<Instant> {
    let half = said::HOUR.nanos() / 2;
    (0..MOMENTS).map(|each| Instant::from_nanos(hour(each * SPAN_HOURS / MOMENTS).nanos() + half)).collect()
}

/// Grants of an hour: identity by identity, `TURNS` of each, spread evenly over the span.
fn short_lived(identities: u32) -> impl Iterator<Item = Fact> {
    let all = identities * TURNS;
    let start = move |place: u32| i64::from(place) * (SPAN_HOURS - 1) / i64::from(all.max(1));
    (0..identities).flat_map(move |number| {
        (0..TURNS).map(move |turn| {
            let from = start(turn * identities + number);
            holds(identity(number), "ent/w", Interval { from: hour(from), to: hour(from + 1) }, true)
        })
    })
}

fn write() -> Fact {
    said::entitlement("ent/w", &[Privilege::Write], said::always())
}

/// xtdb#4758: one row that is valid all the time stands among many that are valid for an hour, and nothing can be passed over any more.
pub(super) fn long_lived(cases: &Cases<'_>) -> Result<Vec<Line>, Failure> {
    let many = (cases.size / 5).max(20);
    let first = || std::iter::once(write());
    let one = holds("sa/long-lived".to_owned(), "ent/w", said::always(), true);
    cases.ingest("short-lived", batches("s", first().chain(short_lived(many))))?;
    cases.ingest("long-lived", batches("s", first().chain([one]).chain(short_lived(many))))?;
    let moments = moments();
    for at in &moments {
        let body = body(HOLDERS, *at, &Value::Null);
        let (without, with) = (cases.count("short-lived", &body)?, cases.count("long-lived", &body)?);
        agree("one long-lived identity", with, without + 1)?;
    }
    Ok(vec![Line {
        what: format!("one long-lived grant among {} of an hour (xtdb#4758)", many * TURNS),
        measure: P50,
        case: cases.ask("long-lived", HOLDERS, &moments)?,
        plain: cases.ask("short-lived", HOLDERS, &moments)?,
    }])
}

/// xtdb#3751: the same stretch is stated anew five times over, each time otherwise.
pub(super) fn corrected(cases: &Cases<'_>) -> Result<Vec<Line>, Failure> {
    const ROUNDS: i64 = 5;
    let many = cases.size;
    let stretch = Interval { from: hour(24 * 10), to: hour(24 * 60) };
    let all = (0..many).map(|number| holds(identity(number), "ent/w", said::always(), true));
    cases.ingest("corrected", batches("s", std::iter::once(write()).chain(all)))?;
    let within: Vec<Instant> = (0..MOMENTS).map(|each| hour(24 * 11 + each * 24)).collect();
    let before = cases.ask("corrected", HOLDERS, &within)?;
    let mut rates = Vec::new();
    for round in 0..ROUNDS {
        // The last round states that it is held, as the first statement did.
        let does = (ROUNDS - 1 - round) % 2 == 0;
        let again = (0..many).map(move |number| holds(identity(number), "ent/w", stretch, does));
        rates.push(cases.ingest("corrected", batches("s", again))?);
    }
    agree("corrected", cases.count("corrected", &body(HOLDERS, within[0], &Value::Null))?, many.into())?;
    let what = format!("50 days of {many} grants corrected five times over (xtdb#3751)");
    Ok(vec![
        Line {
            what: format!("{what}: the fifth time against the first"),
            measure: RATE,
            case: rates[rates.len() - 1],
            plain: rates[0],
        },
        Line { what, measure: P50, case: cases.ask("corrected", HOLDERS, &within)?, plain: before },
    ])
}

/// xtdb#5893: a filter that leaves few, on something that is not the key.
pub(super) fn selective(cases: &Cases<'_>) -> Result<Vec<Line>, Failure> {
    const EACH: u32 = 10;
    let many = cases.size;
    let groups = (many / EACH).max(1);
    let facts = (0..many).flat_map(move |number| {
        let center = format!("c-{:06}", number % groups);
        let attributes = Attributes::from([("cost-center".to_owned(), center)]);
        let owner = format!("team/{:06}", number % groups);
        [
            said::identity(identity(number), attributes, said::always()),
            said::owns(owner, identity(number), said::always()),
        ]
    });
    cases.ingest("selective", batches("s", facts))?;
    let observed = (0..u64::from(many) * 10).map(|place| {
        let at = hour((place * SPAN_HOURS as u64 / (u64::from(many) * 10)) as i64);
        let number = (said::mixed(place) % u64::from(many)) as u32;
        let mut seen = asof_model::Observation::new(identity(number), at, Privilege::Read);
        seen.event_id = format!("{place:016x}");
        seen.region = format!("region-{:06}", place % (u64::from(many)));
        seen
    });
    cases.ingest("selective", said::seen("s", observed))?;
    let at = hour(SPAN_HOURS);
    let by = |query: &str, name: fn(u32) -> String| -> Vec<Value> {
        (0..MOMENTS as u32).map(|each| body(query, at, &json!(name(each * 7 % groups)))).collect()
    };
    let key = by(
        "query($at: At, $id: String) { list: identities(where: { id: { eq: $id } } at: $at) \
         { totalCount nodes { id } } }",
        identity,
    );
    let attribute = by(
        "query($at: At, $id: String) { list: identities(where: { attribute: { key: \"cost-center\" \
         value: { eq: $id } } } at: $at) { totalCount nodes { id } } }",
        |number| format!("c-{number:06}"),
    );
    let owner = by(
        "query($at: At, $id: String) { list: identities(where: { ownedBy: { eq: $id } } at: $at) \
         { totalCount nodes { id } } }",
        |number| format!("team/{number:06}"),
    );
    let region = by(
        "query($at: At, $id: String) { list: observations(where: { region: { eq: $id } } during: {} at: $at) \
         { totalCount nodes { time } } }",
        |number| format!("region-{number:06}"),
    );
    let of_identity = by(
        "query($at: At, $id: String) { list: observations(where: { identity: { eq: $id } } during: {} at: $at) \
         { totalCount nodes { time } } }",
        identity,
    );
    agree("by key", cases.count("selective", &key[0])?, 1)?;
    let each = i64::from(many.div_ceil(groups));
    agree("by attribute", cases.count("selective", &attribute[0])?, each)?;
    agree("by owner", cases.count("selective", &owner[0])?, each)?;
    agree("by region", cases.count("selective", &region[0])?, 10)?;
    let plain = cases.time("selective", &key)?;
    let line = |what: &str, case: f64, plain: f64| Line {
        what: format!("{what} (xtdb#5893)"),
        measure: P50,
        case,
        plain,
    };
    Ok(vec![
        line(
            &format!("{each} of {many} identities by an attribute, against one by its id"),
            cases.time("selective", &attribute)?,
            plain,
        ),
        line(
            &format!("{each} of {many} identities by their owner, against one by its id"),
            cases.time("selective", &owner)?,
            plain,
        ),
        line(
            &format!("10 of {} observations by region, against about 10 by identity", u64::from(many) * 10),
            cases.time("selective", &region)?,
            cases.time("selective", &of_identity)?,
        ),
    ])
}

/// The whole history of one key after that of another, rather than in order of time.
pub(super) fn by_key(cases: &Cases<'_>) -> Result<Vec<Line>, Failure> {
    let many = (cases.size / 5).max(20);
    let mut in_time: Vec<Fact> = short_lived(many).collect();
    in_time.sort_by_key(|fact| fact.valid_from);
    let first = || std::iter::once(write());
    let by_time = cases.ingest("by-time", batches("s", first().chain(in_time)))?;
    let by_key = cases.ingest("by-key", batches("s", first().chain(short_lived(many))))?;
    let moments = moments();
    for at in &moments {
        let body = body(HOLDERS, *at, &Value::Null);
        agree("key by key", cases.count("by-key", &body)?, cases.count("by-time", &body)?)?;
    }
    let what = format!("history of {} grants loaded key by key, against in order of time", many * TURNS);
    Ok(vec![
        Line { what: what.clone(), measure: RATE, case: by_key, plain: by_time },
        Line {
            what,
            measure: P50,
            case: cases.ask("by-key", HOLDERS, &moments)?,
            plain: cases.ask("by-time", HOLDERS, &moments)?,
        },
    ])
}
