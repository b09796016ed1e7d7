//! Simpler questions of the same kind.

use asof_query::{
    ChangeWhere, IdentityWhere, NodeWhere, ObservationWhere, SecretWhere, SeenWhere, UncoveredWhere,
    UsedWhere,
};

use super::Question;

/// Pushes a copy without each member that is given.
macro_rules! without {
    ($found:ident, $from:expr, $($($member:ident).+),+) => {
        $(if $from.$($member).+.is_some() {
            let mut less = $from.clone();
            less.$($member).+ = None;
            $found.push(less);
        })+
    };
}

fn simpler_identities(filter: &IdentityWhere) -> Vec<IdentityWhere> {
    let mut found: Vec<_> =
        filter.and.iter().chain(&filter.or).flatten().chain(filter.not.as_deref()).cloned().collect();
    without!(
        found,
        filter,
        and,
        or,
        not,
        node.id,
        node.name,
        node.node_type,
        node.attribute,
        node.inventoried,
        node.owned,
        owned_by,
        created_during,
        holds,
        used,
        used_without_holding,
        holds_unused,
        observed,
        authenticates_with,
        used_dead_secret,
        new_source,
        runs_on,
        member_of,
        can_assume,
        gained,
        lost
    );
    if let Some(not) = &filter.not {
        let less = |not| IdentityWhere { not: Some(Box::new(not)), ..filter.clone() };
        found.extend(simpler_identities(not).into_iter().map(less));
    }
    if let Some(secret) = &filter.authenticates_with {
        let less = |secret| IdentityWhere { authenticates_with: Some(secret), ..filter.clone() };
        found.extend(simpler_secrets(secret).into_iter().map(less));
    }
    if let Some(holds) = &filter.holds {
        let mut less = Vec::new();
        without!(less, holds, on, throughout, sometime, entitlement);
        found.extend(less.into_iter().map(|holds| IdentityWhere { holds: Some(holds), ..filter.clone() }));
    }
    if let Some(drift) = &filter.used_without_holding {
        let less = |drift| IdentityWhere { used_without_holding: Some(drift), ..filter.clone() };
        found.extend(simpler_drift(drift).into_iter().map(less));
    }
    if let Some(used) = &filter.used {
        let less = |seen| UsedWhere { seen, ..used.clone() };
        let less = simpler_seen(&used.seen).into_iter().map(less);
        found.extend(less.map(|used| IdentityWhere { used: Some(used), ..filter.clone() }));
    }
    found
}

fn simpler_secrets(filter: &SecretWhere) -> Vec<SecretWhere> {
    let mut found: Vec<_> =
        filter.and.iter().chain(&filter.or).flatten().chain(filter.not.as_deref()).cloned().collect();
    without!(
        found,
        filter,
        and,
        or,
        not,
        node.id,
        node.node_type,
        node.inventoried,
        state,
        expired_by,
        not_rotated_for,
        stored_in,
        stored,
        used,
        used_dead,
        new_source
    );
    found
}

fn simpler_nodes(filter: &NodeWhere) -> Vec<NodeWhere> {
    let mut found: Vec<_> =
        filter.and.iter().chain(&filter.or).flatten().chain(filter.not.as_deref()).cloned().collect();
    without!(found, filter, and, or, not, id, name, node_type, attribute, inventoried, owned);
    found
}

fn simpler_seen(seen: &SeenWhere) -> Vec<SeenWhere> {
    let mut found = Vec::new();
    without!(found, seen, privileges, on, action, region, source_ip, workload, secret, actor);
    found
}

fn simpler_drift(drift: &UncoveredWhere) -> Vec<UncoveredWhere> {
    let mut found = Vec::new();
    without!(found, drift, covered_by, explained, posture_known);
    for seen in simpler_seen(&drift.used.seen) {
        let mut less = drift.clone();
        less.used.seen = seen;
        found.push(less);
    }
    found
}

fn simpler_observations(filter: &ObservationWhere) -> Vec<ObservationWhere> {
    let mut found = Vec::new();
    without!(found, filter, identity, covered, explained, posture_known, seen.outcomes);
    found.extend(
        simpler_seen(&filter.seen).into_iter().map(|seen| ObservationWhere { seen, ..filter.clone() }),
    );
    found
}

fn simpler_changes(filter: &ChangeWhere) -> Vec<ChangeWhere> {
    let mut found = Vec::new();
    without!(found, filter, kinds, node_kinds, edge_kinds, id);
    found
}

/// Puts each of the simpler filters in the place of a question's own.
macro_rules! instead {
    ($question:ident, $variant:ident, $simpler:expr) => {
        $simpler
            .into_iter()
            .map(|simpler| {
                let mut less = $question.clone();
                if let Question::$variant { filter, .. } = &mut less {
                    **filter = simpler;
                }
                less
            })
            .collect()
    };
}

/// Each a little simpler.
pub(super) fn simpler(question: &Question) -> Vec<Question> {
    use Question as Q;
    match question {
        Q::Identities { filter, .. } => instead!(question, Identities, simpler_identities(filter)),
        Q::OmittedIdentities { filter } => instead!(question, OmittedIdentities, simpler_identities(filter)),
        Q::Trend { filter, .. } => instead!(question, Trend, simpler_identities(filter)),
        Q::Facets { filter, .. } => instead!(question, Facets, simpler_identities(filter)),
        Q::Secrets { filter, .. } => instead!(question, Secrets, simpler_secrets(filter)),
        Q::OmittedSecrets { filter } => instead!(question, OmittedSecrets, simpler_secrets(filter)),
        Q::Nodes { filter, .. } => instead!(question, Nodes, simpler_nodes(filter)),
        Q::OmittedNodes { filter, .. } => instead!(question, OmittedNodes, simpler_nodes(filter)),
        Q::Observations { filter, .. } => instead!(question, Observations, simpler_observations(filter)),
        Q::Changes { filter, .. } => instead!(question, Changes, simpler_changes(filter)),
        Q::Uncovered { filter, .. } => instead!(question, Uncovered, simpler_drift(filter)),
        Q::BlastRadius { from, privileges, hops_max } => {
            let with = |privileges, hops_max| Q::BlastRadius { from: from.clone(), privileges, hops_max };
            let all = privileges.map(|_| with(None, *hops_max));
            all.into_iter().chain(hops_max.checked_sub(1).map(|hops| with(*privileges, hops))).collect()
        }
        Q::Paths { .. } => simpler_paths(question),
        Q::Coverages { filter } => {
            let mut less = Vec::new();
            without!(less, filter, kinds, source, scope, identity);
            less.into_iter().map(|filter| Q::Coverages { filter }).collect()
        }
        Q::Entitlements { identity, effective, .. } => {
            let (identity, effective) = (identity.clone(), *effective);
            let all = Q::Entitlements { identity, privileges: None, on: None, effective };
            if all == *question { Vec::new() } else { vec![all] }
        }
        _ => Vec::new(),
    }
}

fn simpler_paths(question: &Question) -> Vec<Question> {
    let Question::Paths { hops_max: hops, first: most, observed_during: seen, .. } = question else {
        return Vec::new();
    };
    let with = |shorter: u32, fewer: usize, unseen: bool| {
        let mut less = question.clone();
        if let Question::Paths { hops_max, first, observed_during, .. } = &mut less {
            *hops_max -= shorter;
            *first -= fewer;
            *observed_during = observed_during.filter(|_| !unseen);
        }
        less
    };
    let mut found = Vec::new();
    if seen.is_some() {
        found.push(with(0, 0, true));
    }
    if *hops > 0 {
        found.push(with(1, 0, false));
    }
    if *most > 1 {
        found.push(with(0, most / 2, false));
        found.push(with(0, 1, false));
    }
    found
}
