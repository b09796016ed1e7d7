//! The naive model against the contract's cases, so that what the engine is held to is itself held to something.

use asof_model::Instant;
use asof_query::IdentityOrder;
use asof_tests::contract::{CASES, batch, identity_where, lines, list, questions, text};
use asof_tests::naive::{Known, Ledger};

#[test]
fn answers_the_contract_as_the_oracle_does() {
    let (mut asked, mut wrong) = (0, 0);
    for case in CASES {
        let history: Vec<_> = lines(case).iter().map(batch).collect();
        let ledger = Ledger::of(&history);
        for question in questions(case) {
            let given = &question["variables"];
            let found = &question["expected"]["identities"];
            if given["where"].is_null() || !found["nodes"].is_array() {
                continue;
            }
            let size = given["at"]["ledgerSize"].as_u64().unwrap_or(ledger.size());
            let Ok(t) = Instant::parse(&text(&given["at"]["asOf"])) else { continue };
            let deleted = given["includeDeleted"].as_bool().unwrap_or_default();
            let known = Known::new(&ledger, size);
            let answer = known
                .identities(t, &identity_where(&given["where"]), deleted, IdentityOrder::Appearance)
                .unwrap();
            let ids: Vec<_> = answer.into_iter().map(|node| node.id).collect();
            let expected: Vec<_> = list(&found["nodes"]).iter().map(|node| text(&node["id"])).collect();
            asked += 1;
            if ids != expected {
                wrong += 1;
                println!("{case}/{}: expected {expected:?}, the naive model says {ids:?}", question["name"]);
            }
        }
    }
    assert!(asked > 100, "only {asked} questions could be read");
    assert_eq!(wrong, 0, "of {asked}");
}
