//! Pages of every list: what they hold, whatever is written in between, and what is no cursor.

use asof_engine::{Engine, Options, Tenant};
use asof_model::Batch;
use asof_tests::contract::{batch, text};
use serde_json::{Value as Json, json};

use crate::server::Server;

/// A list: its name, the field that holds the connection, and the arguments and fields around it.
struct List {
    name: &'static str,
    /// With `$page` where `first` and `after` go.
    query: &'static str,
    /// The way to the connection in the answer.
    path: &'static [&'static str],
}

const WINDOW: &str = r#"during: {from: "2025-01-01T00:00:00Z", to: "2025-02-01T00:00:00Z"}"#;
const AT: &str = r#"at: {asOf: "2025-01-20T00:00:00Z"}"#;

/// Every list that has pages.
const LISTS: &[List] = &[
    List {
        name: "identities",
        query: "identities($page, $at) { $shown nodes { id } }",
        path: &["identities"],
    },
    List {
        name: "identities by last use",
        query: "identities($page, $at, orderBy: LAST_USED) { $shown nodes { id lastUsed } }",
        path: &["identities"],
    },
    List {
        name: "filtered identities",
        query: "identities($page, $at, where: {used: {privileges: [WRITE], $window}}) { $shown nodes { id } }",
        path: &["identities"],
    },
    List { name: "secrets", query: "secrets($page, $at) { $shown nodes { id dead } }", path: &["secrets"] },
    List {
        name: "nodes",
        query: "nodes($page, $at, kind: RESOURCE) { $shown nodes { id } }",
        path: &["nodes"],
    },
    List {
        name: "observations",
        query: "observations($page, $at, $window) { $shown nodes { ledgerIndex time covered } }",
        path: &["observations"],
    },
    List {
        name: "filtered observations",
        query: "observations($page, $at, $window, where: {covered: false, on: \"db/*\"}) { $shown nodes { ledgerIndex resource } }",
        path: &["observations"],
    },
    List {
        name: "changes",
        query: "changes($page, $at, $window) { $shown nodes { time ledgerIndex kind subject { id from to } before { name } after { name } } }",
        path: &["changes"],
    },
    List {
        name: "coverages",
        query: "coverages($page, $at) { $shown nodes { source scope kind } }",
        path: &["coverages"],
    },
    List {
        name: "grants",
        query: "identity(id: \"i0\", $at) { entitlements($page) { $shown nodes { entitlement { id } holder { id } } } }",
        path: &["identity", "entitlements"],
    },
    List {
        name: "drift",
        query: "identity(id: \"i0\", $at) { uncovered($page, $window) { $shown nodes { ledgerIndex time } } }",
        path: &["identity", "uncovered"],
    },
    List {
        name: "observations of one",
        query: "identity(id: \"i0\", $at) { observations($page, $window) { $shown nodes { ledgerIndex time } } }",
        path: &["identity", "observations"],
    },
    List {
        name: "dead secrets of one",
        query: "identity(id: \"i0\", $at) { deadSecretUses($page, $window) { $shown nodes { ledgerIndex secret } } }",
        path: &["identity", "deadSecretUses"],
    },
    List {
        name: "uses of a dead secret",
        query: "secret(id: \"s0\", $at) { deadUses($page, $window) { $shown nodes { ledgerIndex identity } } }",
        path: &["secret", "deadUses"],
    },
];
const SHOWN: &str = "edges { cursor } pageInfo { hasNextPage endCursor } snapshot { asOf ledgerSize root }";

impl List {
    /// The question for a page; `at` and `totalCount` where they are wanted.
    fn page(&self, first: usize, after: Option<&str>, at: bool, counted: bool) -> String {
        let after = after.map(|after| format!(", after: {after:?}")).unwrap_or_default();
        let shown = if counted { format!("totalCount {SHOWN}") } else { SHOWN.to_owned() };
        let query = self
            .query
            .replace("$page", &format!("first: {first}{after}"))
            .replace("$at", if at || self.path.len() > 1 { AT } else { "" })
            .replace("$window", WINDOW)
            .replace("$shown", &shown);
        format!("{{ {query} }}")
    }

    fn connection(&self, answer: &Json) -> Json {
        assert!(answer["errors"].is_null(), "{}: {answer}", self.name);
        self.path.iter().fold(&answer["data"], |at, name| &at[*name]).clone()
    }
}

async fn ask(tenant: &Tenant, query: &str) -> Json {
    serde_json::to_value(asof_graphql::execute(tenant.clone(), query).await).unwrap()
}

async fn open(data: &std::path::Path) -> (Engine, Tenant) {
    let engine = Engine::open(Options { data: data.to_owned(), ..Options::default() }).await.unwrap();
    let tenant = engine.tenant("default").await.unwrap().unwrap();
    (engine, tenant)
}

fn day(day: usize) -> String {
    format!("2025-01-{:02}T00:00:00Z", 1 + day % 28)
}

/// Enough of everything for some pages.
fn history() -> Batch {
    let mut facts = vec![
        json!({"node": {"kind": "IDENTITY", "id": "i0", "name": "first"}, "valid_from": day(0)}),
        json!({"node": {"kind": "IDENTITY", "id": "i0", "name": "second"}, "valid_from": day(3)}),
    ];
    for n in 0..7 {
        let privilege = if n % 2 == 0 { "READ" } else { "WRITE" };
        let scope = format!("db/{n}");
        facts.extend([
            json!({"node": {"kind": "IDENTITY", "id": format!("i{}", n + 1)}, "valid_from": day(n)}),
            json!({"node": {"kind": "RESOURCE", "id": scope}, "valid_from": day(n)}),
            json!({"node": {"kind": "SECRET", "id": format!("s{n}"), "secret": {"state": "REVOKED"}}, "valid_from": day(4)}),
            json!({"node": {"kind": "ENTITLEMENT", "id": format!("e{n}"), "entitlement": {"privileges": [privilege], "scopes": [scope]}},
                "valid_from": day(0)}),
            json!({"edge": {"kind": "HOLDS", "from": "i0", "to": format!("e{n}")}, "valid_from": day(n)}),
            json!({"coverage": {"scope": format!("c{n}"), "kind": "POSTURE"}, "valid_from": day(0)}),
        ]);
    }
    let seen = |n: usize| {
        json!({"event_id": format!("o{n}"), "identity": format!("i{}", (n % 9) / 2 * (n % 2)), "time": day(n / 2),
            "privilege": "WRITE", "resource": format!("db/{}", n % 3), "secret": format!("s{}", n % 2)})
    };
    batch(
        &json!({"source": "a", "batch_id": "b", "facts": facts, "observations": (0..24).map(seen).collect::<Vec<_>>()}),
    )
}

/// Something that would change every list, were it let in: late, and before what was shown.
fn later(number: usize) -> Batch {
    let seen = |n: usize| {
        json!({"event_id": format!("l{number}/{n}"), "identity": format!("i{n}"), "time": day(5), "privilege": "WRITE",
            "resource": "db/0", "secret": "s0"})
    };
    let facts = vec![
        json!({"node": {"kind": "IDENTITY", "id": format!("new{number}")}, "valid_from": day(1)}),
        json!({"node": {"kind": "RESOURCE", "id": format!("new{number}")}, "valid_from": day(1)}),
        json!({"node": {"kind": "SECRET", "id": "s0", "secret": {"state": "ACTIVE"}}, "valid_from": day(5)}),
        json!({"node": {"kind": "IDENTITY", "id": format!("i{}", number % 8)}, "op": "DELETE", "valid_from": day(2)}),
        json!({"node": {"kind": "ENTITLEMENT", "id": format!("n{number}"), "entitlement": {"privileges": ["WRITE"], "scopes": ["*"]}},
            "valid_from": day(0)}),
        json!({"edge": {"kind": "HOLDS", "from": "i0", "to": format!("n{number}")}, "valid_from": day(0)}),
        json!({"coverage": {"scope": format!("new{number}"), "kind": "OBSERVATIONS"}, "valid_from": day(0)}),
    ];
    let observations = (0..8).map(seen).collect::<Vec<_>>();
    batch(
        &json!({"source": "late", "batch_id": format!("{number}"), "facts": facts, "observations": observations}),
    )
}

/// The entries of a list and their cursors, as they are shown at once.
fn whole(list: &List, connection: &Json) -> Vec<Json> {
    assert_eq!(connection["pageInfo"]["hasNextPage"], json!(false), "{}", list.name);
    let nodes = connection["nodes"].as_array().unwrap().clone();
    assert!(nodes.len() > 3, "{}: too little for pages: {connection}", list.name);
    assert_eq!(connection["totalCount"], json!(nodes.len()), "{}", list.name);
    nodes
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_the_whole_list_whatever_is_written_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let mut engine = open(folder.path()).await.0;
    let mut written = 0;
    for (number, list) in LISTS.iter().enumerate() {
        let name = format!("t{number}");
        let mut tenant = engine.tenant_or_create(&name).await.unwrap();
        tenant.ingest(history()).await.unwrap();
        // The list as it stands now; what is written while it is paged through must not show.
        let all = list.connection(&ask(&tenant, &list.page(1_000, None, true, true)).await);
        let (entries, snapshot) = (whole(list, &all), all["snapshot"].clone());
        for size in [1, 2, 3, entries.len() - 1, entries.len(), entries.len() + 1] {
            // On later sizes the first page, too, is asked for as of then.
            let begin = list
                .page(size, None, true, size % 2 == 0)
                .replace("at: {", &format!("at: {{ledgerSize: {}, ", snapshot["ledgerSize"]));
            let mut page = list.connection(&ask(&tenant, &begin).await);
            let mut found: Vec<Json> = Vec::new();
            loop {
                assert_eq!(page["snapshot"], snapshot, "{}", list.name);
                if !page["totalCount"].is_null() {
                    assert_eq!(page["totalCount"], json!(entries.len()), "{}", list.name);
                }
                let nodes = page["nodes"].as_array().unwrap();
                assert_eq!(page["edges"].as_array().unwrap().len(), nodes.len());
                assert_eq!(page["pageInfo"]["endCursor"], page["edges"][nodes.len() - 1]["cursor"]);
                found.extend(nodes.iter().cloned());
                let more = page["pageInfo"]["hasNextPage"].as_bool().unwrap();
                assert_eq!(more, found.len() < entries.len(), "{} by {size}", list.name);
                if !more {
                    break;
                }
                if found.len() % 4 == 1 {
                    tenant.ingest(later(written)).await.unwrap();
                    written += 1;
                }
                if size == 3 && found.len() == 3 {
                    engine.close().await.unwrap();
                    drop(tenant);
                    engine = open(folder.path()).await.0;
                    tenant = engine.tenant_or_create(&name).await.unwrap();
                }
                let after = text(&page["pageInfo"]["endCursor"]);
                // Whether `at` is said again or not.
                let again = list.page(size, Some(&after), size == 1, found.len().is_multiple_of(2));
                page = list.connection(&ask(&tenant, &again).await);
            }
            assert_eq!(found, entries, "{} by {size}", list.name);
        }
        // Any entry's cursor goes on behind that entry.
        for (place, edge) in all["edges"].as_array().unwrap().iter().enumerate() {
            let rest = list.page(1_000, Some(&text(&edge["cursor"])), false, true);
            let rest = list.connection(&ask(&tenant, &rest).await);
            assert_eq!(rest["nodes"], json!(entries[place + 1..]), "{} behind {place}", list.name);
            assert_eq!(rest["totalCount"], json!(entries.len()));
        }
        let none = list.connection(&ask(&tenant, &list.page(0, None, true, true)).await);
        assert_eq!(none["nodes"], json!([]), "{}", list.name);
        assert_eq!(none["pageInfo"], json!({"hasNextPage": true, "endCursor": null}), "{}", list.name);
    }
    assert!(written > 20);
    engine.close().await.unwrap();
}

fn code(answer: &Json) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("it has an answer: {answer}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_and_forged_cursors_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (engine, tenant) = open(folder.path()).await;
    tenant.ingest(history()).await.unwrap();
    let other = engine.tenant_or_create("other").await.unwrap();
    other.ingest(history()).await.unwrap();
    let mut cursors = Vec::new();
    for list in LISTS {
        let page = list.connection(&ask(&tenant, &list.page(2, None, true, true)).await);
        cursors.push(text(&page["pageInfo"]["endCursor"]));
    }
    for (list, cursor) in LISTS.iter().zip(&cursors) {
        for (foreign, theirs) in LISTS.iter().zip(&cursors).filter(|(_, theirs)| *theirs != cursor) {
            let answer = ask(&tenant, &list.page(2, Some(theirs), false, false)).await;
            assert_eq!(code(&answer), "BAD_CURSOR", "{} of {}", list.name, foreign.name);
        }
        let answer = ask(&other, &list.page(2, Some(cursor), false, false)).await;
        assert_eq!(code(&answer), "BAD_CURSOR", "{} of another tenant", list.name);
        let mut forged = vec![String::new(), "x".to_owned(), format!("{cursor}A"), cursor[1..].to_owned()];
        for place in (0..cursor.len()).step_by(7) {
            let changed = if &cursor[place..=place] == "A" { "B" } else { "A" };
            forged.push(format!("{}{changed}{}", &cursor[..place], &cursor[place + 1..]));
        }
        for forged in forged {
            let answer = ask(&tenant, &list.page(2, Some(&forged), false, false)).await;
            assert_eq!(code(&answer), "BAD_CURSOR", "{} with {forged}", list.name);
        }
    }
    // Of another node's list of the same kind.
    let theirs = LISTS.iter().position(|list| list.name == "observations of one").unwrap();
    let query = LISTS[theirs].page(2, Some(&cursors[theirs]), false, false).replace("\"i0\"", "\"i1\"");
    assert_eq!(code(&ask(&tenant, &query).await), "BAD_CURSOR");
    engine.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn cursors_of_a_ledger_that_was_restored_say_so() {
    let [first, second] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (engine, tenant) = open(first.path()).await;
    tenant.ingest(history()).await.unwrap();
    let list = &LISTS[0];
    let page = list.connection(&ask(&tenant, &list.page(2, None, true, false)).await);
    let cursor = text(&page["pageInfo"]["endCursor"]);
    engine.close().await.unwrap();
    // The same folder's secret, with less in the ledger, and then with as much but otherwise.
    std::fs::copy(first.path().join("seal.key"), second.path().join("seal.key")).unwrap();
    let (engine, tenant) = open(second.path()).await;
    let answer = ask(&tenant, &list.page(2, Some(&cursor), false, false)).await;
    assert_eq!(code(&answer), "BAD_CURSOR");
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("restored"), "{answer}");
    for number in 0..6 {
        tenant.ingest(later(number)).await.unwrap();
    }
    let answer = ask(&tenant, &list.page(2, Some(&cursor), false, false)).await;
    assert_eq!(code(&answer), "BAD_CURSOR");
    assert!(answer["errors"][0]["message"].as_str().unwrap().contains("another history"), "{answer}");
    engine.close().await.unwrap();
}

#[test]
fn pages_go_on_after_a_restart_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (engine, tenant) = open(folder.path()).await;
        tenant.ingest(history()).await.unwrap();
        engine.close().await.unwrap();
    });
    let ask = |server: &Server, query: &str| -> Json {
        let url = format!("http://{}/graphql", server.address);
        let mut answer = ureq::post(&url).send_json(json!({"query": query})).unwrap();
        answer.body_mut().read_json().unwrap()
    };
    for list in LISTS {
        let server = Server::start(folder.path());
        let entries = whole(list, &list.connection(&ask(&server, &list.page(1_000, None, true, true))));
        let page = list.connection(&ask(&server, &list.page(2, None, true, true)));
        assert!(server.terminate().success());
        let server = Server::start(folder.path());
        let after = text(&page["pageInfo"]["endCursor"]);
        let rest = list.connection(&ask(&server, &list.page(1_000, Some(&after), false, true)));
        assert_eq!(rest["nodes"], json!(entries[2..]), "{}", list.name);
        assert_eq!(rest["snapshot"], page["snapshot"], "{}", list.name);
    }
}
