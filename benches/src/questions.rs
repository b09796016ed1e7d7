//! The ten questions, as the contract asks them, and what of an answer other engines must agree with.

use asof_server::sample::workload::{identity_id, owner_id, resource_id};
use serde_json::{Value, json};

use crate::rows::number;
use crate::subjects::{About, Of};

/// One of the ten.
pub struct Question {
    /// As other engines' files name it.
    pub name: &'static str,
    pub what: &'static str,
    pub of: Of,
    query: &'static str,
    read: fn(&Value) -> Answer,
}

/// An answer in numbers: how large it is, and all of what was returned, in an order that every engine keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub size: i64,
    pub numbers: Vec<i64>,
}

impl Question {
    /// The body of the POST.
    pub fn body(&self, about: About) -> Value {
        let mut variables = json!({ "at": { "asOf": about.at.to_string() } });
        let id = match self.of {
            Of::Nothing => None,
            Of::Identity | Of::Hub => Some(identity_id(about.number)),
            Of::Resource => Some(resource_id(about.number)),
            Of::Team => Some(owner_id(about.number)),
        };
        if let Some(id) = id {
            variables["id"] = json!(id);
        }
        if self.name == "Q5" {
            variables = json!({
                "at": { "asOf": about.days.to.to_string() },
                "id": variables["id"],
                "span": { "from": about.days.from.to_string(), "to": about.days.to.to_string() },
            });
        }
        json!({ "query": self.query, "variables": variables })
    }

    /// The same as the first so many records of the ledger knew it.
    pub fn body_known(&self, about: About, ledger_size: u64) -> Value {
        let mut body = self.body(about);
        body["variables"]["at"]["ledgerSize"] = json!(ledger_size);
        body
    }

    /// An answer's `data` in numbers.
    pub fn read(&self, data: &Value) -> Answer {
        (self.read)(data)
    }
}

pub const QUESTIONS: [Question; 10] = [
    Question {
        name: "Q1",
        what: "held WRITE and used it in the last hour",
        of: Of::Nothing,
        query: "query($at: At) { list: identities(where: { holds: { privileges: [WRITE] } \
                used: { privileges: [WRITE], during: { last: \"PT1H\" } } } at: $at) { totalCount nodes { id } } }",
        read: list,
    },
    Question {
        name: "Q2",
        what: "dormant: held WRITE, no WRITE of any outcome in 30 days",
        of: Of::Nothing,
        query: "query($at: At) { list: identities(where: { holds: { privileges: [WRITE] } not: { used: { \
                privileges: [WRITE], during: { last: \"P30D\" }, outcomes: [SUCCESS, DENIED, ERROR] } } } at: $at) \
                { totalCount nodes { id } } }",
        read: list,
    },
    Question {
        name: "Q3",
        what: "drift: WRITE in the last day where neither WRITE nor ADMIN was held",
        of: Of::Nothing,
        query: "query($at: At) { list: identities(where: { usedWithoutHolding: { used: { privileges: [WRITE], \
                during: { last: \"P1D\" } }, coveredBy: [WRITE, ADMIN] } } at: $at, includeDeleted: true) \
                { totalCount nodes { id } } }",
        read: list,
    },
    Question {
        name: "Q4",
        what: "who could use ADMIN on one resource, and who of them did in 30 days",
        of: Of::Resource,
        query: "query($at: At, $id: String) { list: identities(where: { holds: { privileges: [ADMIN], on: $id } } \
                at: $at) { totalCount nodes { id } } did: identities(where: { holds: { privileges: [ADMIN], on: $id } \
                used: { privileges: [ADMIN], on: $id, during: { last: \"P30D\" } } } at: $at) \
                { totalCount nodes { id } } }",
        read: |data| both(list(data), list(&json!({ "list": data["did"] }))),
    },
    Question {
        name: "Q5",
        what: "one identity day by day: held and seen, 90 days",
        of: Of::Identity,
        query: "query($at: At, $id: ID!, $span: Window!) { identity(id: $id, at: $at) { timeline(during: $span, \
                every: \"P1D\") { start held entitlements observations { privilege successes denials } } } }",
        read: timeline,
    },
    Question {
        name: "Q6",
        what: "secrets used in 7 days when they were dead",
        of: Of::Nothing,
        query: "query($at: At) { list: secrets(where: { usedDead: { during: { last: \"P7D\" } } } at: $at) \
                { totalCount nodes { id } } }",
        read: list,
    },
    Question {
        name: "Q7",
        what: "secrets with a new workload in the last day",
        of: Of::Nothing,
        query: "query($at: At) { list: secrets(where: { newSource: { of: WORKLOAD, during: { last: \"P1D\" } } } \
                at: $at) { totalCount nodes { id } } }",
        read: list,
    },
    Question {
        name: "Q8",
        what: "blast radius of one identity: 4 hops, WRITE or ADMIN",
        of: Of::Hub,
        query: "query($at: At, $id: ID!) { blastRadius(from: $id, privileges: [WRITE, ADMIN], maxHops: 4, at: $at) \
                { identities resources hops { kind id distance } } }",
        read: |data| {
            let count = |what: &str| data["blastRadius"][what].as_i64().unwrap_or(-1);
            Answer { size: count("resources"), numbers: vec![count("identities"), count("resources")] }
        },
    },
    Question {
        name: "Q9",
        what: "gained the first or lost the last WRITE in 7 days",
        of: Of::Nothing,
        query: "query($at: At) { list: identities(where: { or: [ \
                { gained: { holds: { privileges: [WRITE] }, between: { last: \"P7D\" } } } \
                { lost: { holds: { privileges: [WRITE] }, between: { last: \"P7D\" } } } ] } at: $at, \
                includeDeleted: true) { totalCount nodes { id } } }",
        read: list,
    },
    Question {
        name: "Q10",
        what: "right-sizing for a team: held and not used in 90 days",
        of: Of::Team,
        query: "query($at: At, $id: String) { list: identities(where: { ownedBy: { eq: $id } holdsUnused: { \
                during: { last: \"P90D\" } } } at: $at) { totalCount nodes { id unused(during: { last: \"P90D\" }) \
                { privilege entitlement { id } } } } }",
        read: unused,
    },
];

/// A text's number.
fn id(value: &Value) -> i64 {
    number(value.as_str().unwrap_or_default()).into()
}

/// WRITE is 2, as in the rows.
fn class(value: &Value) -> i64 {
    ["READ", "WRITE", "ADMIN"].iter().position(|each| *value == **each).map_or(0, |place| place as i64 + 1)
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// The count, then the ids of the first 100, which come in the order of their numbers.
fn list(data: &Value) -> Answer {
    let size = data["list"]["totalCount"].as_i64().unwrap_or(-1);
    let nodes = array(&data["list"]["nodes"]).iter().map(|node| id(&node["id"]));
    Answer { size, numbers: std::iter::once(size).chain(nodes).collect() }
}

fn both(one: Answer, other: Answer) -> Answer {
    Answer { size: one.size, numbers: one.numbers.into_iter().chain(other.numbers).collect() }
}

/// For each day how many grants are held at its start, and for each class how often it was seen, done and denied.
fn timeline(data: &Value) -> Answer {
    let mut answer = Answer { size: 0, numbers: Vec::new() };
    for point in array(&data["identity"]["timeline"]) {
        let mut counts = [0; 6];
        for seen in array(&point["observations"]) {
            let place = (class(&seen["privilege"]).max(1) as usize - 1) * 2;
            counts[place] = seen["successes"].as_i64().unwrap_or(-1);
            counts[place + 1] = seen["denials"].as_i64().unwrap_or(-1);
        }
        answer.size += counts.iter().sum::<i64>();
        answer.numbers.push(point["entitlements"].as_i64().unwrap_or(-1));
        answer.numbers.extend(counts);
    }
    answer
}

/// How many identities have such grants; then each such grant of the first 100, by identity, resource and class.
fn unused(data: &Value) -> Answer {
    let mut lines = Vec::new();
    for node in array(&data["list"]["nodes"]) {
        let of = |line: &Value| (id(&node["id"]), id(&line["entitlement"]["id"]), class(&line["privilege"]));
        lines.extend(array(&node["unused"]).iter().map(of));
    }
    lines.sort_unstable();
    let mut numbers = vec![data["list"]["totalCount"].as_i64().unwrap_or(-1)];
    numbers.extend(lines.iter().flat_map(|(identity, resource, class)| [*identity, *resource, *class]));
    Answer { size: lines.len() as i64, numbers }
}
