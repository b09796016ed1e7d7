//! Cursors: any text in the place of `after`, for every list. None goes but those that this very list gave out.

use std::collections::BTreeMap;

use asof_engine::Tenant;
use async_graphql::{Request, Value, Variables};
use serde_json::{Value as Json, json};

use super::server::{Kept, World, ask, code, lock};

/// Each list, as a question with `after` and `first`, and the members that lead to it.
const LISTS: &[(&str, &[&str])] = &[
    ("identities(AT, FIRST)", &["identities"]),
    ("identities(where: {owned: false}, AT, FIRST)", &["identities"]),
    ("secrets(AT, FIRST)", &["secrets"]),
    ("nodes(kind: RESOURCE, AT, FIRST)", &["nodes"]),
    ("observations(during: {}, AT, FIRST)", &["observations"]),
    ("changes(during: {}, AT, FIRST)", &["changes"]),
    ("coverages(AT, FIRST)", &["coverages"]),
    (
        r#"identity(id: "role/prod-admin", AT) { entitlements(effective: true, FIRST)"#,
        &["identity", "entitlements"],
    ),
    (
        r#"identity(id: "role/prod-admin", AT) { observations(during: {}, FIRST)"#,
        &["identity", "observations"],
    ),
    (r#"identity(id: "role/prod-admin", AT) { uncovered(during: {}, FIRST)"#, &["identity", "uncovered"]),
    (
        r#"identity(id: "user/report", AT) { deadSecretUses(during: {}, FIRST)"#,
        &["identity", "deadSecretUses"],
    ),
    (r#"secret(id: "key/report-1", AT) { deadUses(during: {}, FIRST)"#, &["secret", "deadUses"]),
];
const AT: &str = r#"at: {asOf: "2025-04-01T00:00:00Z"}"#;
const PAGE: &str = "{ totalCount edges { cursor } pageInfo { hasNextPage endCursor } }";
const FIRST: usize = 3;

/// A list of one of the tenants, and the cursors that it gave out.
struct List {
    tenant: Tenant,
    question: String,
    way: &'static [&'static str],
    cursors: Vec<String>,
    places: BTreeMap<String, usize>,
}

impl List {
    fn new(tenant: Tenant, question: &str, way: &'static [&'static str]) -> Self {
        let question = question.replace("AT", AT).replace("FIRST", "first: $first, after: $after");
        let close = "}".repeat(way.len());
        let question = format!("query($first: Int!, $after: String) {{ {question} {PAGE} {close}");
        let mut list = Self { tenant, question, way, cursors: Vec::new(), places: BTreeMap::new() };
        list.cursors = list.page(None, 1_000).unwrap_or_else(|codes| panic!("{codes:?}: {}", list.question));
        list.places = list.cursors.iter().cloned().zip(0..).collect();
        assert_eq!(list.places.len(), list.cursors.len(), "each entry has its own cursor: {}", list.question);
        list
    }

    /// The cursors of a page, or the codes of its errors.
    fn page(&self, after: Option<&str>, first: usize) -> Result<Vec<String>, Vec<String>> {
        let variables = Variables::from_json(json!({"first": first, "after": after}));
        let response = ask(&self.tenant, Request::new(&self.question).variables(variables));
        if !response.errors.is_empty() {
            let codes = response.errors.iter().filter_map(code).map(str::to_owned).collect();
            return Err(codes);
        }
        assert_ne!(response.data, Value::Null);
        let data = response.data.into_json().unwrap();
        let list = self.way.iter().fold(&data, |data, name| &data[*name]);
        let edges = list["edges"].as_array().unwrap_or_else(|| panic!("no edges: {data}"));
        let cursors: Vec<String> =
            edges.iter().filter_map(|edge| Some(edge["cursor"].as_str()?.to_owned())).collect();
        assert_eq!(cursors.len(), edges.len(), "{data}");
        assert_eq!(list["pageInfo"]["endCursor"].as_str(), cursors.last().map(String::as_str), "{data}");
        if after.is_none() {
            assert_eq!(list["totalCount"], Json::from(cursors.len()), "{data}");
        }
        Ok(cursors)
    }

    /// It goes on behind a cursor of its own, and refuses any other text.
    fn check(&self, after: &str) {
        let page = self.page(Some(after), FIRST);
        match (self.places.get(after), page) {
            (Some(place), Ok(page)) => {
                let end = self.cursors.len().min(place + 1 + FIRST);
                assert_eq!(page, self.cursors[place + 1..end], "{} behind {after}", self.question);
            }
            (Some(_), Err(codes)) => panic!("{codes:?}: {} gave out {after}", self.question),
            (None, Ok(_)) => panic!("{} did not give out {after:?}, and takes it", self.question),
            (None, Err(codes)) => assert_eq!(codes, ["BAD_CURSOR"], "{}: {after:?}", self.question),
        }
    }
}

struct State {
    world: World,
    lists: Vec<List>,
    given: Vec<String>,
}

static STATE: Kept<State> = Kept::new(None);

impl State {
    fn new() -> Self {
        let known = asof_graphql::sdl().matches("after: String").count();
        let mut kinds: Vec<_> = LISTS.iter().map(|(_, way)| way).collect();
        kinds.dedup();
        assert_eq!(kinds.len(), known, "the schema has {known} lists: LISTS has a question for each");
        let world = World::new();
        let mut lists = Vec::new();
        for (name, histories) in [("one", &["story"][..]), ("two", &["story", "random-1"])] {
            let tenant = world.tenant(name, histories);
            lists.extend(LISTS.iter().map(|(question, way)| List::new(tenant.clone(), question, way)));
        }
        let given: Vec<String> = lists.iter().flat_map(|list| list.cursors.iter().cloned()).collect();
        assert!(given.len() > 500, "too few cursors to be of use: {}", given.len());
        Self { world, lists, given }
    }
}

/// Bytes: how, for which list, with which cursor (two), and what is changed about it.
pub fn cursor(bytes: &[u8]) {
    let mut state = lock(&STATE);
    let state = state.get_or_insert_with(State::new);
    let (head, rest) = bytes.split_at(bytes.len().min(4));
    let [how, list, one, two] =
        [0, 1, 2, 3].map(|place| usize::from(head.get(place).copied().unwrap_or_default()));
    let list = &state.lists[list % state.lists.len()];
    let own = list.cursors.get((one << 8 | two) % list.cursors.len().max(1)).map_or("", String::as_str);
    let any = &state.given[(one << 8 | two) % state.given.len()];
    match how % 4 {
        0 => list.check(&String::from_utf8_lossy(rest)),
        1 => list.check(any),
        2 => list.check(&changed(own, rest)),
        _ => list.check(&spliced(own, any, rest)),
    }
}

/// The text with letters changed, put in and taken out: three bytes for each.
fn changed(text: &str, how: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= .";
    let mut text = text.as_bytes().to_vec();
    for each in how.chunks_exact(3) {
        let place = usize::from(each[1]) % (text.len() + 1);
        let letter = LETTERS[usize::from(each[2]) % LETTERS.len()];
        match each[0] % 4 {
            0 | 1 if place < text.len() => text[place] = letter,
            2 if place < text.len() => {
                text.remove(place);
            }
            _ => text.insert(place, letter),
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// The first letters of one, the last of another.
fn spliced(one: &str, other: &str, how: &[u8]) -> String {
    let place = usize::from(how.first().copied().unwrap_or(40)) % (one.len().min(other.len()) + 1);
    format!("{}{}", &one[..place], &other[place..])
}

/// Own and foreign cursors, and texts that were never any.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = vec![vec![], b"\0\x01\0\0AAAA".to_vec(), [b"\0\0\0\0".as_slice(), &[b'A'; 78]].concat()];
    for list in 0..2 * LISTS.len() as u8 {
        seeds.push(vec![1, list, 0, list * 9]);
        seeds.push(vec![2, list, 0, 1]);
        seeds.push(vec![2, list, 0, 2, 0, 40 + list, 7]);
        seeds.push(vec![3, list, 1, list, 26]);
    }
    seeds
}

pub(super) fn finish() {
    if let Some(state) = lock(&STATE).take() {
        state.world.close();
    }
}
