//! Filters as variables of a GraphQL request: the way back from what [`super::filter`] reads.

use asof_model::{Duration, Instant, PrivilegeSet};
use asof_query::{
    ChangedHoldsWhere, DeadSecretWhere, HoldsWhere, IdentityWhere, NewSourceWhere, NodeWhere, ObservedWhere,
    ReachWhere, SecretWhere, SourceDimension, TextMatch, UncoveredWhere, UnusedWhere, UsedWhere, Window,
};
use serde_json::{Map, Value as Json, json};

/// An IdentityWhere.
pub fn identity_variable(filter: &IdentityWhere) -> Json {
    let all = |each: &Vec<IdentityWhere>| each.iter().map(identity_variable).collect::<Vec<_>>();
    let mut json = json!({
        "and": filter.and.as_ref().map(all),
        "or": filter.or.as_ref().map(all),
        "not": filter.not.as_deref().map(identity_variable),
        "ownedBy": filter.owned_by.as_ref().map(text),
        "createdDuring": filter.created_during.as_ref().map(window),
        "holds": filter.holds.as_ref().map(holds),
        "used": filter.used.as_ref().map(used),
        "usedWithoutHolding": filter.used_without_holding.as_ref().map(uncovered),
        "holdsUnused": filter.holds_unused.as_ref().map(unused),
        "observed": filter.observed.as_ref().map(observed),
        "authenticatesWith": filter.authenticates_with.as_ref().map(secret),
        "usedDeadSecret": filter.used_dead_secret.as_ref().map(dead),
        "newSource": filter.new_source.as_ref().map(new_source),
        "runsOn": filter.runs_on.as_ref().map(text),
        "memberOf": filter.member_of.as_ref().map(reach),
        "canAssume": filter.can_assume.as_ref().map(reach),
        "gained": filter.gained.as_ref().map(changed),
        "lost": filter.lost.as_ref().map(changed),
    });
    add(&mut json, node(&filter.node));
    given(json)
}

/// What is null is not given.
fn given(json: Json) -> Json {
    match json {
        Json::Object(members) => {
            let members = members.into_iter().filter(|(_, value)| !value.is_null());
            Json::Object(members.map(|(name, value)| (name, given(value))).collect())
        }
        Json::Array(values) => values.into_iter().map(given).collect(),
        other => other,
    }
}

fn add(json: &mut Json, more: Map<String, Json>) {
    if let Json::Object(members) = json {
        members.extend(more);
    }
}

fn node(filter: &NodeWhere) -> Map<String, Json> {
    let attribute = filter
        .attribute
        .as_ref()
        .map(|wanted| json!({"key": wanted.key, "value": wanted.value.as_ref().map(text)}));
    let members = [
        ("id", filter.id.as_ref().map(text)),
        ("name", filter.name.as_ref().map(text)),
        ("type", filter.node_type.as_ref().map(text)),
        ("attribute", attribute),
        ("inventoried", filter.inventoried.map(Json::Bool)),
        ("owned", filter.owned.map(Json::Bool)),
    ];
    members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn text(wanted: &TextMatch) -> Json {
    json!({
        "present": wanted.present,
        "eq": wanted.eq,
        "in": wanted.any_of,
        "prefix": wanted.prefix,
        "contains": wanted.contains,
        "glob": wanted.glob,
    })
}

fn moment(at: Option<Instant>) -> Option<String> {
    at.map(|at| at.to_string())
}

fn length(length: Option<Duration>) -> Option<String> {
    length.map(|length| length.to_string())
}

fn window(window: &Window) -> Json {
    json!({"from": moment(window.from), "to": moment(window.to), "last": length(window.last)})
}

fn privileges(privileges: PrivilegeSet) -> Vec<&'static str> {
    privileges.iter().map(|each| each.name()).collect()
}

fn holds(wanted: &HoldsWhere) -> Json {
    json!({
        "privileges": privileges(wanted.privileges),
        "on": wanted.on,
        "effective": wanted.effective,
        "throughout": wanted.throughout.as_ref().map(window),
        "sometime": wanted.sometime.as_ref().map(window),
        "conditional": wanted.conditional,
        "entitlement": wanted.entitlement.as_ref().map(text),
    })
}

fn changed(wanted: &ChangedHoldsWhere) -> Json {
    json!({"holds": holds(&wanted.holds), "between": window(&wanted.between)})
}

fn used(wanted: &UsedWhere) -> Json {
    let seen = &wanted.seen;
    json!({
        "during": window(&wanted.during),
        "minCount": wanted.min_count,
        "privileges": seen.privileges.map(privileges),
        "on": seen.on,
        "action": seen.action,
        "outcomes": seen.outcomes.as_ref().map(|outcomes| outcomes.iter().map(|each| each.name()).collect::<Vec<_>>()),
        "region": seen.region.as_ref().map(text),
        "sourceIp": seen.source_ip.as_ref().map(text),
        "workload": seen.workload.as_ref().map(text),
        "secret": seen.secret.as_ref().map(text),
        "actor": seen.actor.as_ref().map(text),
    })
}

fn uncovered(wanted: &UncoveredWhere) -> Json {
    json!({
        "used": used(&wanted.used),
        "coveredBy": wanted.covered_by.map(privileges),
        "effective": wanted.effective,
        "explained": wanted.explained,
        "postureKnown": wanted.posture_known,
    })
}

fn unused(wanted: &UnusedWhere) -> Json {
    json!({"privileges": wanted.privileges.map(privileges), "during": window(&wanted.during)})
}

fn observed(wanted: &ObservedWhere) -> Json {
    json!({
        "during": window(&wanted.during),
        "privileges": wanted.privileges.map(privileges),
        "on": wanted.on,
        "kind": wanted.kind.name(),
    })
}

fn dead(wanted: &DeadSecretWhere) -> Json {
    json!({
        "during": window(&wanted.during),
        "graceAfter": length(wanted.grace_after),
        "survivors": wanted.survivors,
    })
}

fn new_source(wanted: &NewSourceWhere) -> Json {
    let of = match wanted.of {
        SourceDimension::Workload => "WORKLOAD",
        SourceDimension::Region => "REGION",
        SourceDimension::SourceIp => "SOURCE_IP",
        SourceDimension::Secret => "SECRET",
        SourceDimension::Resource => "RESOURCE",
        SourceDimension::Actor => "ACTOR",
    };
    json!({"of": of, "during": window(&wanted.during)})
}

fn reach(wanted: &ReachWhere) -> Json {
    json!({"id": wanted.id.as_ref().map(text), "effective": wanted.effective})
}

fn secret(filter: &SecretWhere) -> Json {
    let all = |each: &Vec<SecretWhere>| each.iter().map(secret).collect::<Vec<_>>();
    let mut json = json!({
        "and": filter.and.as_ref().map(all),
        "or": filter.or.as_ref().map(all),
        "not": filter.not.as_deref().map(secret),
        "state": filter.state.map(|state| state.name()),
        "expiredBy": moment(filter.expired_by),
        "notRotatedFor": length(filter.not_rotated_for),
        "storedIn": filter.stored_in.as_ref().map(text),
        "stored": filter.stored,
        "used": filter.used.as_ref().map(used),
        "usedDead": filter.used_dead.as_ref().map(dead),
        "newSource": filter.new_source.as_ref().map(new_source),
    });
    add(&mut json, node(&filter.node));
    json
}
