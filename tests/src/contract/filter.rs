//! Filters as the questions' variables have them.

use asof_model::{CoverageKind, Duration, Outcome, Privilege, PrivilegeSet, SecretState};
use asof_query::{
    AttributeMatch, ChangedHoldsWhere, DeadSecretWhere, HoldsWhere, IdentityWhere, NewSourceWhere, NodeWhere,
    ObservedWhere, ReachWhere, SecretWhere, SeenWhere, SourceDimension, TextMatch, UncoveredWhere,
    UnusedWhere, UsedWhere, Window,
};
use serde_json::Value as Json;

use super::history::instant;
use super::{list, text, texts};

/// What is given, as something; null is not given.
fn given<T>(json: &Json, read: impl FnOnce(&Json) -> T) -> Option<T> {
    (!json.is_null()).then(|| read(json))
}

fn duration(json: &Json) -> Duration {
    Duration::parse(&text(json)).unwrap_or_else(|why| panic!("{why}"))
}

/// A window.
pub fn window(json: &Json) -> Window {
    Window { from: instant(&json["from"]), to: instant(&json["to"]), last: given(&json["last"], duration) }
}

fn privileges(json: &Json) -> PrivilegeSet {
    list(json)
        .iter()
        .map(|each| Privilege::from_name(&text(each)).unwrap_or_else(|| panic!("no privilege: {each}")))
        .collect()
}

fn text_match(json: &Json) -> TextMatch {
    TextMatch {
        eq: given(&json["eq"], text),
        any_of: given(&json["in"], texts),
        prefix: given(&json["prefix"], text),
        contains: given(&json["contains"], text),
        glob: given(&json["glob"], text),
        present: json["present"].as_bool(),
    }
}

fn reach(json: &Json) -> ReachWhere {
    ReachWhere {
        id: given(&json["id"], text_match),
        effective: json["effective"].as_bool().unwrap_or_default(),
    }
}

fn node_where(json: &Json) -> NodeWhere {
    NodeWhere {
        id: given(&json["id"], text_match),
        name: given(&json["name"], text_match),
        node_type: given(&json["type"], text_match),
        attribute: given(&json["attribute"], |json| AttributeMatch {
            key: text(&json["key"]),
            value: given(&json["value"], text_match),
        }),
        inventoried: json["inventoried"].as_bool(),
        owned: json["owned"].as_bool(),
        ..NodeWhere::default()
    }
}

/// An `IdentityWhere`.
pub fn identity_where(json: &Json) -> IdentityWhere {
    let all = |json: &Json| list(json).iter().map(identity_where).collect();
    IdentityWhere {
        and: given(&json["and"], all),
        or: given(&json["or"], all),
        not: given(&json["not"], |json| Box::new(identity_where(json))),
        node: node_where(json),
        owned_by: given(&json["ownedBy"], text_match),
        created_during: given(&json["createdDuring"], window),
        holds: given(&json["holds"], holds),
        used: given(&json["used"], used),
        used_without_holding: given(&json["usedWithoutHolding"], |json| UncoveredWhere {
            used: used(&json["used"]),
            covered_by: given(&json["coveredBy"], privileges),
            effective: json["effective"].as_bool().unwrap_or_default(),
            explained: json["explained"].as_bool(),
            posture_known: json["postureKnown"].as_bool(),
        }),
        holds_unused: given(&json["holdsUnused"], |json| UnusedWhere {
            privileges: given(&json["privileges"], privileges),
            during: window(&json["during"]),
        }),
        observed: given(&json["observed"], |json| ObservedWhere {
            during: window(&json["during"]),
            privileges: given(&json["privileges"], privileges),
            on: given(&json["on"], text),
            kind: json["kind"]
                .as_str()
                .and_then(CoverageKind::from_name)
                .unwrap_or(CoverageKind::Observations),
        }),
        authenticates_with: given(&json["authenticatesWith"], secret_where),
        used_dead_secret: given(&json["usedDeadSecret"], dead),
        new_source: given(&json["newSource"], new_source),
        runs_on: given(&json["runsOn"], text_match),
        gained: given(&json["gained"], changed),
        lost: given(&json["lost"], changed),
        member_of: given(&json["memberOf"], reach),
        can_assume: given(&json["canAssume"], reach),
    }
}

fn holds(json: &Json) -> HoldsWhere {
    HoldsWhere {
        privileges: privileges(&json["privileges"]),
        on: given(&json["on"], text),
        effective: json["effective"].as_bool().unwrap_or_default(),
        throughout: given(&json["throughout"], window),
        sometime: given(&json["sometime"], window),
        conditional: json["conditional"].as_bool().unwrap_or(true),
        entitlement: given(&json["entitlement"], text_match),
    }
}

fn changed(json: &Json) -> ChangedHoldsWhere {
    ChangedHoldsWhere { holds: holds(&json["holds"]), between: window(&json["between"]) }
}

fn used(json: &Json) -> UsedWhere {
    let outcome =
        |each: &Json| Outcome::from_name(&text(each)).unwrap_or_else(|| panic!("no outcome: {each}"));
    let outcomes = |json: &Json| list(json).iter().map(outcome).collect();
    UsedWhere {
        during: window(&json["during"]),
        seen: SeenWhere {
            privileges: given(&json["privileges"], privileges),
            on: given(&json["on"], text),
            action: given(&json["action"], text),
            outcomes: Some(given(&json["outcomes"], outcomes).unwrap_or_else(|| vec![Outcome::Success])),
            region: given(&json["region"], text_match),
            source_ip: given(&json["sourceIp"], text_match),
            workload: given(&json["workload"], text_match),
            secret: given(&json["secret"], text_match),
            actor: given(&json["actor"], text_match),
        },
        min_count: json["minCount"].as_u64().unwrap_or(1),
    }
}

fn dead(json: &Json) -> DeadSecretWhere {
    DeadSecretWhere {
        during: window(&json["during"]),
        grace_after: given(&json["graceAfter"], duration),
        survivors: json["survivors"].as_bool().unwrap_or_default(),
    }
}

fn new_source(json: &Json) -> NewSourceWhere {
    let of = match json["of"].as_str() {
        Some("WORKLOAD") => SourceDimension::Workload,
        Some("REGION") => SourceDimension::Region,
        Some("SOURCE_IP") => SourceDimension::SourceIp,
        Some("SECRET") => SourceDimension::Secret,
        Some("RESOURCE") => SourceDimension::Resource,
        _ => SourceDimension::Actor,
    };
    NewSourceWhere { of, during: window(&json["during"]) }
}

fn secret_where(json: &Json) -> SecretWhere {
    let all = |json: &Json| list(json).iter().map(secret_where).collect();
    SecretWhere {
        and: given(&json["and"], all),
        or: given(&json["or"], all),
        not: given(&json["not"], |json| Box::new(secret_where(json))),
        node: node_where(json),
        state: json["state"].as_str().and_then(SecretState::from_name),
        expired_by: instant(&json["expiredBy"]),
        not_rotated_for: given(&json["notRotatedFor"], duration),
        stored_in: given(&json["storedIn"], text_match),
        stored: json["stored"].as_bool(),
        used: given(&json["used"], used),
        used_dead: given(&json["usedDead"], dead),
        new_source: given(&json["newSource"], new_source),
    }
}
