//! A list's entries are the same whether they are written at once or made by their resolvers.

use asof_engine::{Engine, Options};
use asof_server::sample::workload::Workload;

/// Each member of the objects that can be made at once; under other names, twice, within fragments, and with what cannot.
const UNUSED: &str = "list: identities(first: 40, at: $at) { totalCount nodes { id kind unused(during: {last: \"P90D\"}) \
    { privilege heldSince lastUsed held: privilege } } }";
const HELD: &str = "list: identities(first: 40, at: $at) { nodes { unused(during: {last: \"P90D\"}) \
    { privilege entitlement { id } } } }";
const USAGE: &str = "list: identities(first: 8, at: $at) { nodes { kind usage(during: {last: \"P90D\"}) \
    { privilege resource successes denials errors first last } } }";
const PLAIN: &str = "plain: secrets(first: 500, at: $at) { nodes { name: id kind id } } \
    some: nodes(kind: OWNER, at: $at) { nodes { kind id } } typed: nodes(kind: WORKLOAD, at: $at) { nodes { __typename id } } \
    none: identities(first: 0, at: $at) { nodes { id } } \
    twice: identities(first: 3, at: $at) { nodes { id id ...F } edges { cursor node { id } } }";
const ONE: &str = "one: identity(id: $id, at: $at) { timeline(during: {last: \"P90D\"}, every: \"P1D\") \
    { start held entitlements observations { privilege successes denials errors } } } \
    blast: blastRadius(from: $id, at: $at, first: 500) { identities resources hops { kind id distance } }";
/// What is selected twice, and the same selected once.
const MERGED: [(&str, &str); 6] = [
    (
        "i: identities(at: $at) { nodes { id } nodes { kind } }",
        "i: identities(at: $at) { nodes { id kind } }",
    ),
    ("i: identities(at: $at) { nodes { id } ...G }", "i: identities(at: $at) { nodes { id kind } }"),
    (
        "i: identities(at: $at) { nodes { id } nodes { name } }",
        "i: identities(at: $at) { nodes { id name } }",
    ),
    (
        "i: identities(at: $at) { nodes { name } nodes { id } }",
        "i: identities(at: $at) { nodes { name id } }",
    ),
    (
        "i: identity(id: $id, at: $at) { usage(during: {last: \"P90D\"}) { privilege } } \
        i: identity(id: $id, at: $at) { usage(during: {last: \"P90D\"}) { successes } }",
        "i: identity(id: $id, at: $at) { usage(during: {last: \"P90D\"}) { privilege successes } }",
    ),
    (
        "i: identities(at: $at) { nodes { ... { usage(during: {last: \"P90D\"}) { privilege } } \
        ... on Identity { usage(during: {last: \"P90D\"}) { successes } } } }",
        "i: identities(at: $at) { nodes { usage(during: {last: \"P90D\"}) { privilege successes } } }",
    ),
];
/// Any number of attributes may come: this is counted.
const COUNTED: &str = "counted: identities(first: 1, at: $at) { nodes { attributes { key value } } }";

#[tokio::test(flavor = "multi_thread")]
async fn entries_are_the_same_counted_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let engine =
        Engine::open(Options { data: folder.path().to_owned(), ..Options::default() }).await.unwrap();
    let tenant = engine.tenant("default").await.unwrap().unwrap();
    let workload = Workload::at_scale(0.002, 7).with_observations(4_000);
    let mut used = None;
    for batch in workload.batches() {
        used = batch.observations.first().map(|seen| seen.identity.clone()).or(used);
        tenant.ingest(batch).await.unwrap();
    }
    let ask = async |fields: &str| {
        let parameters = if fields.contains("$id") { "$at: At, $id: ID!" } else { "$at: At" };
        let fragment = match fields {
            _ if fields.contains("...F") => "fragment F on Identity { kind }",
            _ if fields.contains("...G") => "fragment G on IdentityConnection { nodes { kind } }",
            _ => "",
        };
        let variables = serde_json::json!({
            "at": { "asOf": workload.span().to.to_string() },
            "id": used,
        });
        let query = format!("query({parameters}) {{ {fields} }} {fragment}");
        let variables = async_graphql::Variables::from_json(variables);
        let request = async_graphql::Request::new(query).variables(variables);
        let response = asof_graphql::execute(tenant.clone(), request).await;
        assert!(response.errors.is_empty(), "{:?}", response.errors);
        response.data
    };
    let text = |data: &async_graphql::Value| serde_json::to_string(data).unwrap();
    for (fields, entry) in
        [(UNUSED, "lastUsed"), (HELD, "id"), (USAGE, "denials"), (PLAIN, "__typename"), (ONE, "successes")]
    {
        let (at_once, mut counted) = (ask(fields).await, ask(&format!("{fields} {COUNTED}")).await);
        let async_graphql::Value::Object(members) = &mut counted else { panic!("{counted}") };
        assert!(members.shift_remove("counted").is_some());
        assert_ne!(at_once, counted, "one holds lists that are written already");
        // As text, so that the order of members counts, too.
        assert_eq!(text(&at_once), text(&counted));
        assert!(
            text(&at_once).contains(&format!("\"{entry}\":")),
            "there is something to compare: {at_once}"
        );
    }
    for (twice, once) in MERGED {
        let (merged, wanted) = (ask(twice).await, ask(once).await);
        assert_eq!(text(&merged), text(&wanted), "{twice}");
    }
    engine.close().await.unwrap();
}
