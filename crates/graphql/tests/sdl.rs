//! `schema/asof.graphql` is what the code serves.

#[test]
fn the_committed_schema_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schema/asof.graphql");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == asof_graphql::sdl(),
        "schema/asof.graphql is stale: cargo run -p asof-graphql --example sdl > schema/asof.graphql"
    );
}
