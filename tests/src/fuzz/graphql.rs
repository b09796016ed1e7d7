//! A question: the JSON of a request, or the text of a query alone, over a tenant that does not change.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use asof_engine::Tenant;
use async_graphql::parser::parse_query;
use async_graphql::parser::types::{Field, FragmentDefinition, Selection, SelectionSet};
use async_graphql::{Pos, Positioned, Request, Response, ServerError, Value};
use serde_json::{Value as Json, json};

use super::mutate;
use super::server::{Kept, World, ask, code, lock};
use crate::contract::{CASES, questions, text};
use crate::draw::Draw;

const AS_OF: &str = "2025-04-20T00:00:00Z";

struct State {
    world: World,
    tenant: Tenant,
}

static STATE: Kept<State> = Kept::new(None);

/// Bytes: a JSON request as it is posted, or else the text of a query.
pub fn graphql_request(bytes: &[u8]) {
    let Some(request) = request(bytes) else { return };
    let mut state = lock(&STATE);
    let state = state.get_or_insert_with(|| {
        let world = World::new();
        let tenant = world.tenant("t", &["story", "random-1"]);
        State { world, tenant }
    });
    ask(&state.tenant, copy(&request));
    let (Some(one), Some(other)) = (pinned(&request), pinned(&request)) else { return };
    let (one, other) = (ask(&state.tenant, one), ask(&state.tenant, other));
    assert_eq!(one.data, other.data, "the same question at the same point");
    assert_eq!(told(&one), told(&other), "the same question at the same point");
}

/// What its errors say, as far as it is ours. Of several faults in a request's text the layer below names any, in any order.
fn told(response: &Response) -> Vec<String> {
    let said = |error: &ServerError| {
        if error.path.is_empty() {
            format!("{:?}", code(error))
        } else {
            format!("{:?} {:?} {}", code(error), error.path, error.message)
        }
    };
    let mut told: Vec<String> = response.errors.iter().map(said).collect();
    told.sort();
    told
}

fn request(bytes: &[u8]) -> Option<Request> {
    match serde_json::from_slice(bytes) {
        Ok(request) => Some(request),
        Err(_) => std::str::from_utf8(bytes).ok().map(Request::new),
    }
}

fn copy(request: &Request) -> Request {
    let mut copy = Request::new(&request.query).variables(request.variables.clone());
    copy.operation_name.clone_from(&request.operation_name);
    copy
}

/// The same request with a moment at every root field that names none; `None` where that cannot be told, or it is no GraphQL.
fn pinned(request: &Request) -> Option<Request> {
    let document = parse_query(&request.query).ok()?;
    let operations = document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node);
    let on_query =
        |fragment: &&Positioned<FragmentDefinition>| fragment.node.type_condition.node.on.node == "Query";
    let fragments =
        document.fragments.values().filter(on_query).map(|fragment| &fragment.node.selection_set.node);
    let mut moments = BTreeMap::new();
    for set in operations.chain(fragments) {
        pin(set, request, &mut moments)?;
    }
    let mut pinned = copy(request);
    for (place, moment) in moments.into_iter().rev() {
        pinned.query.insert_str(place, &moment);
    }
    Some(pinned)
}

/// Finds what is to be put in, and at which bytes of the text.
fn pin(set: &SelectionSet, request: &Request, moments: &mut BTreeMap<usize, String>) -> Option<()> {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => pin_field(&field.node, request, moments)?,
            Selection::InlineFragment(inline) => pin(&inline.node.selection_set.node, request, moments)?,
            Selection::FragmentSpread(_) => {}
        }
    }
    Some(())
}

fn pin_field(field: &Field, request: &Request, moments: &mut BTreeMap<usize, String>) -> Option<()> {
    let (text, name) = (&request.query, field.name.node.as_str());
    if !has_point(name) {
        return Some(());
    }
    let moment = format!("asOf: {AS_OF:?}");
    if let Some(at) = field.get_argument("at") {
        let said = at.node.to_string();
        let value = match said.strip_prefix('$') {
            Some(variable) => request.variables.get(variable)?.clone(),
            None => at.node.clone().into_const()?,
        };
        let Value::Object(members) = value else { return None };
        if ["asOf", "knownAt"].iter().any(|name| members.contains_key(*name)) {
            return members.values().all(|member| *member != Value::Null).then_some(());
        }
        let place = place(text, at.pos)?;
        text[place..].starts_with('{').then(|| moments.insert(place + 1, format!("{moment} ")))?;
    } else {
        let place = place(text, field.name.pos)?;
        let behind = text[place..].strip_prefix(name)?;
        let end = text.len() - behind.len();
        let bracket = behind.find(|each: char| !each.is_whitespace())?;
        if field.arguments.is_empty() {
            moments.insert(end, format!("(at: {{{moment}}})"));
        } else if behind[bracket..].starts_with('(') {
            moments.insert(end + bracket + 1, format!("at: {{{moment}}} "));
        } else {
            return None;
        }
    }
    Some(())
}

/// The byte at which a line and column begin.
fn place(text: &str, pos: Pos) -> Option<usize> {
    let lines = text.split_inclusive('\n').take(pos.line - 1).map(str::len);
    let start: usize = lines.sum();
    let (column, _) = text[start..].char_indices().nth(pos.column - 1)?;
    Some(start + column)
}

/// Whether it is a root field that takes a point.
fn has_point(name: &str) -> bool {
    static ROOT: OnceLock<Vec<String>> = OnceLock::new();
    let root = ROOT.get_or_init(|| {
        let sdl = asof_graphql::sdl();
        let query =
            sdl.split("type Query {").nth(1).unwrap_or_default().split("\n}").next().unwrap_or_default();
        let fields = query.lines().filter(|line| line.contains("at: At"));
        fields.filter_map(|line| Some(line.trim().split_once('(')?.0.to_owned())).collect()
    });
    root.iter().any(|field| field == name)
}

/// The contract's questions, and the schema's own.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![
        b"{ __schema { types { name fields { name args { name type { name } } } } } }".to_vec(),
        br#"{ identities(where: {id: {prefix: "role/", contains: "o", glob: "role/*", in: ["role/ci", "role/ops"], present: true}, ownedBy: {eq: "team/payments"}}) { totalCount } }"#.to_vec(),
        b"query($a: IdentityWhere) { identities(where: $a) { ...p } } fragment p on IdentityConnection { totalCount }".to_vec(),
    ];
    for question in CASES.iter().flat_map(|case| questions(case)) {
        seeds.push(match &question["variables"] {
            Json::Null => text(&question["query"]).into_bytes(),
            variables => json!({"query": question["query"], "variables": variables}).to_string().into_bytes(),
        });
    }
    seeds
}

/// Tokens of the query or of the variables; now and then bytes.
pub fn mutate(data: &mut Vec<u8>, others: &[Vec<u8>], draw: &mut Draw) {
    static WORDS: OnceLock<Vec<String>> = OnceLock::new();
    let words = WORDS.get_or_init(words);
    if draw.chance(0.15) {
        return mutate::bytes(data, others, draw);
    }
    let other = if others.is_empty() { String::new() } else { query(draw.pick::<Vec<u8>>(others)) };
    *data = match serde_json::from_slice::<Json>(data) {
        Ok(Json::Object(mut members)) => {
            let own = text(members.get("query").unwrap_or(&Json::Null));
            let variables = members.get("variables").map(Json::to_string);
            match variables {
                Some(variables) if draw.chance(0.6) => {
                    let changed = mutate::tokens(&variables, &[&other], words, draw);
                    let read = serde_json::from_str(&changed).unwrap_or(Json::String(changed));
                    members.insert("variables".to_owned(), read);
                }
                _ => {
                    let changed = mutate::tokens(&own, &[&other], words, draw);
                    members.insert("query".to_owned(), Json::String(changed));
                }
            }
            Json::Object(members).to_string().into_bytes()
        }
        _ => mutate::tokens(&String::from_utf8_lossy(data), &[&other], words, draw).into_bytes(),
    };
}

fn query(data: &[u8]) -> String {
    match serde_json::from_slice::<Json>(data) {
        Ok(json) => text(&json["query"]),
        Err(_) => String::from_utf8_lossy(data).into_owned(),
    }
}

/// The schema's names, each once, those of directives and of introspection among them.
fn words() -> Vec<String> {
    let sdl = asof_graphql::sdl();
    let code: String =
        sdl.lines().filter(|line| !line.trim_start().starts_with('"')).collect::<Vec<_>>().join(" ");
    let mut words: Vec<String> = code
        .split(|each: char| !each.is_ascii_alphanumeric() && each != '_')
        .filter(|word| word.starts_with(|each: char| each.is_ascii_alphabetic()))
        .map(str::to_owned)
        .collect();
    words.extend(
        ["__typename", "__schema", "__type", "skip", "include", "fragment", "on", "query"].map(str::to_owned),
    );
    words.sort();
    words.dedup();
    words
}

pub(super) fn finish() {
    if let Some(state) = lock(&STATE).take() {
        state.world.close();
    }
}
