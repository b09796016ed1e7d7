//! Statements to entitlements: one per statement, service and class.

use std::collections::{BTreeMap, BTreeSet};

use asof_model::{Effect, EntitlementValue, Privilege, PrivilegeSet, glob_matches, globs_meet, is_glob};

use crate::actions::{Catalogue, Service};
use crate::policy::{Actions, Resources, Statement};

/// An entitlement that a statement gives or takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// Its place in its policy: `2/s3/WRITE`, statement, service (`*`: all, or several) and class.
    pub slot: String,
    /// What it says.
    pub value: EntitlementValue,
}

/// What a statement says of one class of one service.
struct Extent {
    /// The patterns of its actions; `None`: all of them.
    part: Option<Vec<String>>,
    /// ARNs of other services that these actions are on, as globs.
    foreign: BTreeSet<&'static str>,
}

type Extents = BTreeMap<Privilege, BTreeMap<&'static str, Extent>>;

/// An action pattern of a statement.
struct Pattern<'a> {
    /// As written.
    written: &'a str,
    /// The part before the colon, in lower case; `*` where there is none.
    service: String,
    /// The part after it, as written and in lower case.
    action: &'a str,
    lower: String,
}

impl<'a> Pattern<'a> {
    fn new(written: &'a str) -> Self {
        let (service, action) = written.split_once(':').unwrap_or(("*", written));
        Self { written, service: service.to_ascii_lowercase(), action, lower: action.to_ascii_lowercase() }
    }

    fn is_everything(&self) -> bool {
        is_all(&self.service) && is_all(&self.lower)
    }

    fn matches(&self, lower: &str) -> bool {
        glob_matches(&self.lower, lower)
    }
}

/// The entitlements of a statement in a partition (`aws`), in order of their slots; action patterns that
/// match nothing known go to `unknown`.
///
/// The README of this crate tells the approximations.
pub fn entitlements(statement: &Statement, partition: &str, unknown: &mut Vec<String>) -> Vec<Granted> {
    let (written, but) = match &statement.actions {
        Actions::Only(patterns) => (patterns, false),
        Actions::AllBut(patterns) => (patterns, true),
    };
    let patterns: Vec<Pattern<'_>> = written.iter().map(|each| Pattern::new(each)).collect();
    if patterns.iter().any(Pattern::is_everything) {
        return if but { Vec::new() } else { everything(statement) };
    }
    if but && patterns.is_empty() {
        return everything(statement);
    }
    let (mut single, mut several) = (Extents::new(), Extents::new());
    let mut matched = BTreeSet::new();
    for (prefix, service) in Catalogue::get().services() {
        let own: Vec<&Pattern<'_>> =
            patterns.iter().filter(|each| glob_matches(&each.service, prefix)).collect();
        if but {
            for (class, extent) in all_but(prefix, service, &own) {
                // Services that stay whole share one entitlement a class: a statement that leaves out IAM is
                // not 400 of them.
                let to = if extent.part.is_none() { &mut several } else { &mut single };
                to.entry(class).or_default().insert(prefix, extent);
            }
        } else if !own.is_empty() {
            let to = if own.iter().any(|each| is_glob(&each.service)) { &mut several } else { &mut single };
            for (class, extent) in only(prefix, service, &own, &mut matched) {
                to.entry(class).or_default().insert(prefix, extent);
            }
        }
    }
    if !but {
        let left = patterns.iter().filter(|each| !matched.contains(each.written));
        unknown.extend(left.map(|each| each.written.to_owned()));
    }
    let mut found = BTreeMap::new();
    for (class, services) in single {
        for (prefix, extent) in services {
            put(statement, partition, class, prefix, BTreeMap::from([(prefix, extent)]), &mut found);
        }
    }
    for (class, services) in several {
        put(statement, partition, class, "*", services, &mut found);
    }
    found.into_iter().map(|(slot, value)| Granted { slot, value }).collect()
}

/// By class: what these patterns take of a service. Patterns that match something known go to `matched`.
fn only<'a>(
    prefix: &str,
    service: &Service,
    patterns: &[&Pattern<'a>],
    matched: &mut BTreeSet<&'a str>,
) -> BTreeMap<Privilege, Extent> {
    let mut classes: BTreeMap<Privilege, (bool, BTreeSet<String>, BTreeSet<&'static str>)> = BTreeMap::new();
    for (lower, _, class) in service.spelled() {
        let hits: Vec<&&Pattern<'a>> = patterns.iter().filter(|each| each.matches(lower)).collect();
        matched.extend(hits.iter().map(|each| each.written));
        let (whole, used, foreign) =
            classes.entry(class).or_insert_with(|| (true, BTreeSet::new(), BTreeSet::new()));
        *whole &= !hits.is_empty();
        used.extend(hits.iter().map(|each| format!("{prefix}:{}", each.action)));
        if !hits.is_empty() {
            foreign.extend(service.foreign(lower));
        }
    }
    classes.retain(|class, (_, used, _)| class.can_be_held() && !used.is_empty());
    let extents = classes.into_iter().map(|(class, (whole, used, foreign))| {
        let part = (!whole).then(|| used.into_iter().collect());
        (class, Extent { part, foreign })
    });
    extents.collect()
}

/// By class: what these patterns leave of a service, by the names of what is known of it.
fn all_but(prefix: &str, service: &Service, patterns: &[&Pattern<'_>]) -> BTreeMap<Privilege, Extent> {
    let mut classes: BTreeMap<Privilege, (bool, Vec<String>, BTreeSet<&'static str>)> = BTreeMap::new();
    for (lower, name, class) in service.spelled().filter(|(_, _, class)| class.can_be_held()) {
        let (whole, left, foreign) =
            classes.entry(class).or_insert_with(|| (true, Vec::new(), BTreeSet::new()));
        if patterns.iter().any(|each| each.matches(lower)) {
            *whole = false;
        } else {
            left.push(format!("{prefix}:{name}"));
            foreign.extend(service.foreign(lower));
        }
    }
    classes.retain(|_, (_, left, _)| !left.is_empty());
    let extents = classes.into_iter().map(|(class, (whole, left, foreign))| {
        let part = (!whole).then_some(left);
        (class, Extent { part, foreign })
    });
    extents.collect()
}

/// `*`: every class, on what the statement names, of whatever service.
fn everything(statement: &Statement) -> Vec<Granted> {
    let (scopes, conditional) = scopes(statement, &["*".to_owned()]);
    let each = |class: &Privilege| Granted {
        slot: slot(statement, "*", *class),
        value: EntitlementValue {
            effect: statement.effect,
            privileges: PrivilegeSet::from_iter([*class]),
            scopes: scopes.clone(),
            actions: Vec::new(),
            conditional,
        },
    };
    let mut all: Vec<Granted> = Privilege::HELD.iter().map(each).collect();
    all.sort_by(|a, b| a.slot.cmp(&b.slot));
    all
}

fn slot(statement: &Statement, service: &str, class: Privilege) -> String {
    format!("{}/{service}/{class}", statement.place)
}

fn is_all(pattern: &str) -> bool {
    !pattern.is_empty() && pattern.bytes().all(|byte| byte == b'*')
}

/// States one class of one or several services.
fn put(
    statement: &Statement,
    partition: &str,
    class: Privilege,
    label: &str,
    services: BTreeMap<&'static str, Extent>,
    found: &mut BTreeMap<String, EntitlementValue>,
) {
    let prefixes: Vec<&'static str> = services.keys().copied().collect();
    // All ARNs that these actions are on.
    let mut space: BTreeSet<String> =
        prefixes.iter().map(|prefix| format!("arn:{partition}:{prefix}:*")).collect();
    space.extend(
        services.values().flat_map(|extent| &extent.foreign).map(|glob| glob.replacen('*', partition, 1)),
    );
    let space: Vec<String> = space.into_iter().collect();
    let (mut scopes, conditional) = scopes(statement, &space);
    let whole = services.values().all(|extent| extent.part.is_none());
    let each = services
        .into_iter()
        .flat_map(|(prefix, extent)| extent.part.unwrap_or_else(|| vec![format!("{prefix}:*")]));
    let actions: Vec<String> = each.collect();
    let mut state = |label: &str, scopes, actions| {
        let (effect, privileges) = (statement.effect, PrivilegeSet::from_iter([class]));
        let value = EntitlementValue { effect, privileges, scopes, actions, conditional };
        found.insert(slot(statement, label, class), value);
    };
    if statement.effect == Effect::Deny && whole {
        // Where no action is asked about, a denial counts only when it lists none; and it may list none only
        // where its scopes keep it to its services. What is given lists `service:*` even for a whole class,
        // as a class spans services.
        let own = |scope: &String| prefixes.iter().any(|prefix| in_space(scope, prefix));
        let confined: Vec<String> = scopes.iter().filter(|scope| own(scope)).cloned().collect();
        scopes.retain(|scope| !own(scope));
        if !confined.is_empty() {
            state(label, confined, Vec::new());
        }
        if !scopes.is_empty() {
            state(&format!("{label}+"), scopes, actions);
        }
    } else {
        state(label, scopes, actions);
    }
}

/// Whether a scope stays within one service's own ARNs.
fn in_space(scope: &str, prefix: &str) -> bool {
    scope.split(':').nth(2) == Some(prefix) && scope.starts_with("arn:")
}

/// The statement's resources as scopes, and whether something remains that scopes cannot say. `space`: what
/// `*` stands for.
fn scopes(statement: &Statement, space: &[String]) -> (Vec<String>, bool) {
    let all = || space.iter().cloned();
    let mut conditional = statement.conditional;
    let scopes = match &statement.resources {
        Resources::Only(patterns) => {
            let mut scopes = BTreeSet::new();
            for pattern in patterns {
                if is_all(pattern) {
                    scopes.extend(all());
                } else {
                    let (scope, varies) = without_variables(pattern);
                    conditional |= varies;
                    if is_all(&scope) {
                        scopes.extend(all());
                    } else {
                        scopes.insert(scope);
                    }
                }
            }
            if scopes.is_empty() { all().collect() } else { scopes.into_iter().collect() }
        }
        Resources::AllBut(patterns) => {
            // What is left out matters only where it meets what the actions are on.
            conditional |= patterns.iter().any(|pattern| {
                let pattern = without_variables(pattern).0;
                space.iter().any(|scope| globs_meet(scope, &pattern))
            });
            all().collect()
        }
    };
    (scopes, conditional)
}

/// Policy variables such as `${aws:username}` become `*`; whether there was one. `${*}`, `${?}` and `${$}`
/// are signs, not variables.
fn without_variables(pattern: &str) -> (String, bool) {
    let (mut plain, mut rest, mut varies) = (String::with_capacity(pattern.len()), pattern, false);
    while let Some((head, tail)) = rest.split_once("${") {
        let Some((variable, after)) = tail.split_once('}') else { break };
        plain.push_str(head);
        match variable {
            "$" => plain.push('$'),
            // A scope knows no way to mean the sign itself: any one sign is the nearest.
            "*" | "?" => plain.push('?'),
            _ => {
                varies = true;
                plain.push('*');
            }
        }
        rest = after;
    }
    plain.push_str(rest);
    (plain, varies)
}
