use std::collections::BTreeSet;

use asof_model::{
    Batch, EdgeKind, Effect, Instant, Limits, NodeKind, Observation, Op, Outcome, Subject, glob_matches,
};

use super::{ASKED_AT, END, ROTATED_KEY, batches};

#[test]
fn it_is_the_same_every_time_and_passes_the_door() {
    let all = batches();
    assert_eq!(all, batches());
    for batch in &all {
        assert_eq!(batch.faults(&Limits::DEFAULT, END), Vec::new());
    }
    let ids: BTreeSet<_> = all.iter().map(|batch| (&batch.source, &batch.batch_id)).collect();
    assert_eq!(ids.len(), all.len());
    assert_eq!(ASKED_AT.to_string(), "2026-03-20T12:00:00Z");
    assert_eq!(END.to_string(), "2026-04-01T00:00:00Z");
}

#[test]
fn only_the_stories_use_what_they_do_not_hold() {
    let all = batches();
    let drift: BTreeSet<&str> = all
        .iter()
        .flat_map(|batch| &batch.observations)
        .filter(|seen| seen.outcome == Outcome::Success && !is_held(&all, seen))
        .map(|seen| seen.identity.as_str())
        .collect();
    let told = [
        "aws:AROAFERNWOODBILLING1",
        "aws:AROAFERNWOODPARTNER1",
        "aws:AROAFERNWOODUNKNOWN1",
        "ldap:svc-legacy-etl",
    ];
    assert_eq!(drift, BTreeSet::from(told));
}

#[test]
fn the_rotated_key_is_used_to_the_end() {
    let all = batches();
    let with_it = all.iter().flat_map(|batch| &batch.observations).filter(|seen| seen.secret == ROTATED_KEY);
    let last = with_it.map(|seen| seen.time).max();
    assert!(last.is_some_and(|last| last > ASKED_AT));
}

/// Naively: some ALLOW that it holds at the time has the privilege and a scope that matches. (No one here holds anything
/// by a group, and the one DENY is on what no one uses.)
fn is_held(all: &[Batch], seen: &Observation) -> bool {
    let facts = || all.iter().flat_map(|batch| &batch.facts);
    let at = |from: Instant, to: Instant| from <= seen.time && seen.time < to;
    facts().any(|fact| {
        let Subject::Edge(edge) = &fact.subject else { return false };
        edge.kind == EdgeKind::Holds
            && edge.from == seen.identity
            && at(fact.valid_from, fact.valid_to)
            && facts().any(|fact| {
                let Subject::Node(node) = &fact.subject else { return false };
                let Op::Put(value) = &fact.op else { return false };
                node.kind == NodeKind::Entitlement
                    && node.id == edge.to
                    && value.entitlement().is_some_and(|said| {
                        said.effect == Effect::Allow
                            && said.privileges.contains(seen.privilege)
                            && said.scopes.iter().any(|scope| glob_matches(scope, &seen.resource))
                    })
            })
    })
}
