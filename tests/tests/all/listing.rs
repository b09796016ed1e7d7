//! What a full listing must come to: a plain model of Reconcile over the naive ledger, and random listings to hold it to.

use asof_grpc::convert;
use asof_grpc::proto::reconcile_request::{Begin, Commit, Part};
use asof_grpc::proto::{ReconcileRequest, ReconcileResponse, fact};
use asof_model::{Batch, EdgeKind, EdgeRef, Fact, Instant, Listing, NodeKind, Op, Subject, Value};
use asof_tests::draw::{Draw, history};
use asof_tests::naive::{Key, Known, Ledger, State};

/// What must be recorded, and how it is told.
#[derive(Debug, Default)]
pub struct Due {
    /// PUTs in the order listed, then ENDs in no order that anyone promises.
    pub facts: Vec<Fact>,
    pub created: u64,
    pub changed: u64,
    pub ended: u64,
    pub unchanged: u64,
    /// Of those changed, the ones that are as they were, but for another source's deletion.
    pub reborn: u64,
}

impl Due {
    /// The response, where the ledger has so many records with it.
    pub fn response(&self, ledger_size: u64) -> ReconcileResponse {
        let Self { created, changed, ended, unchanged, .. } = *self;
        ReconcileResponse { created, changed, ended, unchanged, ledger_size }
    }

    /// The answer to one that is known by its batch_id: of what it lists nothing is written.
    pub fn again(listing: &Listing, ledger_size: u64) -> ReconcileResponse {
        let unchanged = listed(listing).len() as u64;
        ReconcileResponse { unchanged, ledger_size, ..ReconcileResponse::default() }
    }
}

/// Each node and edge once, in the order sent.
fn listed(listing: &Listing) -> Vec<&(Subject, Value)> {
    let mut found: Vec<&(Subject, Value)> = Vec::new();
    for part in &listing.parts {
        if !found.iter().any(|each| each.0 == part.0) {
            found.push(part);
        }
    }
    found
}

/// What the source's own timeline holds of a key at a moment: the value of its ruling, where that is a PUT.
pub fn own<'a>(known: &'a Known<'_>, source: &str, key: &Key, at: Instant) -> Option<&'a Value> {
    let rulings = known.rulings(key, at);
    match &rulings.iter().find(|stated| stated.source == source)?.fact.op {
        Op::Put(value) => Some(value),
        Op::Delete | Op::End => None,
    }
}

/// By the definition: what the source holds at the moment and the listing lacks gets an END; what is listed gets a PUT where
/// the source does not hold just that, or where the sources together hold it as deleted.
pub fn due(ledger: &Ledger, listing: &Listing) -> Due {
    let known = Known::new(ledger, ledger.size());
    let (source, at) = (listing.source.as_str(), listing.at);
    let listed = listed(listing);
    let mut due = Due::default();
    for (subject, value) in &listed {
        let key = Key::of(source, subject);
        let held = own(&known, source, &key, at);
        if held == Some(value) && known.state(&key, at) != State::Deleted {
            due.unchanged += 1;
            continue;
        }
        due.reborn += u64::from(held == Some(value));
        *(if held.is_some() { &mut due.changed } else { &mut due.created }) += 1;
        due.facts.push(from_then_on(subject.clone(), Op::Put(value.clone()), at));
    }
    for key in &known.keys {
        let subject = match key {
            Key::Node(node) => Subject::Node(node.clone()),
            Key::Edge(edge) => Subject::Edge(edge.clone()),
            Key::Coverage(..) => continue, // no part of a listing
        };
        let lacks = !listed.iter().any(|part| part.0 == subject);
        if lacks && own(&known, source, key, at).is_some() {
            due.ended += 1;
            due.facts.push(from_then_on(subject, Op::End, at));
        }
    }
    due
}

/// Another source deletes some of what is listed, by the listing's moment or just then.
pub fn deletions(draw: &mut Draw, listing: &Listing) -> Batch {
    let mut facts = Vec::new();
    for (subject, _) in &listing.parts {
        if draw.chance(0.3) {
            let at = if draw.chance(0.5) { listing.at } else { draw.moment().min(listing.at) };
            facts.push(from_then_on(subject.clone(), Op::Delete, at));
        }
    }
    let source = if listing.source == "trail/1" { "inventory/a" } else { "trail/1" };
    Batch { source: source.to_owned(), facts, ..Batch::default() }
}

fn from_then_on(subject: Subject, op: Op, valid_from: Instant) -> Fact {
    Fact {
        subject,
        op,
        valid_from,
        valid_to: Instant::FOREVER,
        until_next: false,
        event_id: String::new(),
        caused_by: String::new(),
    }
}

/// The messages of a listing, its commit last.
pub fn messages(listing: &Listing) -> Vec<ReconcileRequest> {
    let begin = Begin {
        source: listing.source.clone(),
        at: Some(convert::timestamp(listing.at)),
        batch_id: listing.batch_id.clone(),
    };
    let facts = listing.parts.iter().map(|part| listing.fact(part.0.clone(), Op::Put(part.1.clone())));
    let request = convert::request(Batch { facts: facts.collect(), ..Batch::default() });
    let parts = request.facts.into_iter().map(|fact| match fact.subject.unwrap() {
        fact::Subject::Node(node) => Part::Node(node),
        fact::Subject::Edge(edge) => Part::Edge(edge),
        fact::Subject::Coverage(_) => panic!("a coverage is no part of a listing"),
    });
    let commit = Part::Commit(Commit { empty: listing.empty });
    let all = std::iter::once(Part::Begin(begin)).chain(parts).chain([commit]);
    all.map(|part| ReconcileRequest { part: Some(part) }).collect()
}

/// A listing of what a source might see, given what is known: mostly what it holds, some of it changed, some of it gone,
/// and more that it never spoke of, or that others did.
pub fn listing(draw: &mut Draw, ledger: &Ledger, source: &str, number: usize) -> Listing {
    let known = Known::new(ledger, ledger.size());
    let at = match draw.below(12) {
        0 => Instant::from_nanos(0),
        1 => Instant::from_nanos(i64::MAX - 1),
        2..8 if !known.bounds.is_empty() => {
            let beside = *draw.pick(&[-1, 0, 0, 1]);
            Instant::from_nanos(
                draw.pick(&known.bounds).nanos().saturating_add(beside).clamp(0, i64::MAX - 1),
            )
        }
        _ => draw.moment(),
    };
    let mut parts: Vec<(Subject, Value)> = Vec::new();
    let (keeps, changes) = (*draw.pick(&[0.0, 0.6, 0.9, 1.0]), *draw.pick(&[0.0, 0.2, 0.7]));
    for key in &known.keys {
        let (subject, held) = match key {
            Key::Node(node) => (Subject::Node(node.clone()), own(&known, source, key, at)),
            Key::Edge(edge) => (Subject::Edge(edge.clone()), own(&known, source, key, at)),
            Key::Coverage(..) => continue,
        };
        match held {
            Some(value) if draw.chance(keeps) => {
                let value = if draw.chance(changes) { changed(draw, value) } else { value.clone() };
                parts.push((subject, value));
            }
            None if draw.chance(0.1) => {
                // What only others hold, or what it held at another time.
                let said = known.facts.iter().rev().find_map(|stated| match &stated.fact.op {
                    Op::Put(value) if stated.key == *key => Some(value.clone()),
                    _ => None,
                });
                parts.extend(said.map(|value| (subject, value)));
            }
            _ => {}
        }
    }
    if draw.chance(0.5) {
        let fresh = history(draw, 2).into_iter().flat_map(|batch| batch.facts);
        for fact in fresh.take(draw.below(12)) {
            if let (Subject::Node(_) | Subject::Edge(_), Op::Put(value)) = (&fact.subject, &fact.op)
                && !parts.iter().any(|part| part.0 == fact.subject)
            {
                parts.push((fact.subject.clone(), value.clone()));
            }
        }
    }
    if draw.chance(0.2) {
        let edge = EdgeRef {
            kind: EdgeKind::CanAssume,
            from: format!("nowhere/{}", draw.below(3)),
            to_kind: NodeKind::Identity,
            to: format!("nowhere/{number}"),
        };
        parts.push((Subject::Edge(edge), Value::Edge(asof_model::Attributes::new())));
    }
    draw.shuffle(&mut parts);
    while !parts.is_empty() && draw.chance(0.3) {
        let twice = draw.pick(&parts).clone();
        parts.insert(draw.below(parts.len() + 1), twice);
    }
    let batch_id = if draw.chance(0.5) { format!("listing/{number}") } else { String::new() };
    Listing { source: source.to_owned(), batch_id, at, empty: parts.is_empty(), parts }
}

/// One member of it another one; or of an edge, its attributes.
pub fn changed(draw: &mut Draw, value: &Value) -> Value {
    let mut value = value.clone();
    let attributes = match &mut value {
        Value::Node(said) if draw.chance(0.3) => {
            said.name = if said.name.is_empty() { "Renamed".to_owned() } else { String::new() };
            return value;
        }
        Value::Node(said) => &mut said.attributes,
        Value::Edge(attributes) => attributes,
        Value::Coverage(_) => return value,
    };
    if attributes.pop_first().is_none() || draw.chance(0.5) {
        attributes.insert("tier".to_owned(), format!("t{}", draw.below(1_000)));
    }
    value
}
