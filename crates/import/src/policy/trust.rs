//! Whom a trust policy lets act as its role.

use std::collections::BTreeMap;

use asof_model::{Attributes, Effect, glob_matches};
use serde_json::Value;

use super::document::texts;
use super::{Actions, Document, Statement};

/// A principal as a trust policy writes it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Trusted {
    /// `*`: anyone.
    Anyone,
    /// A user, role or session by ARN, a whole account, or an immutable id.
    Aws(String),
    /// A service, `ec2.amazonaws.com`.
    Service(String),
    /// An identity provider, by ARN or name.
    Federated(String),
}

/// Who may assume, with what is attached to it, and denials that no edge can express.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    pub(crate) who: BTreeMap<Trusted, Attributes>,
    pub(crate) denials_left: usize,
}

/// The actions by which one comes to act as a role.
const ASSUME: [&str; 4] =
    ["sts:assumerole", "sts:assumerolewithsaml", "sts:assumerolewithwebidentity", "sts:assumeroot"];

/// Reads a trust policy. An unconditional denial takes the principals that it names; any other is counted.
pub(crate) fn read(document: &Document) -> Trust {
    let mut trust = Trust::default();
    for statement in document.statements.iter().filter(|each| each.effect == Effect::Allow && assumes(each)) {
        let mut conditional = statement.conditional;
        let mut who = principals(&statement.principal);
        if !statement.not_principal.is_null() {
            who.push(Trusted::Anyone);
            conditional = true;
        }
        for each in who {
            let unconditional = trust.who.get(&each).is_some_and(Attributes::is_empty);
            let attributes = if conditional && !unconditional {
                Attributes::from([("conditional".to_owned(), "true".to_owned())])
            } else {
                Attributes::new()
            };
            trust.who.insert(each, attributes);
        }
    }
    for statement in document.statements.iter().filter(|each| each.effect == Effect::Deny && assumes(each)) {
        let who = principals(&statement.principal);
        if statement.conditional || who.is_empty() {
            trust.denials_left += 1;
        } else if who.contains(&Trusted::Anyone) {
            trust.who.clear();
        } else {
            trust.who.retain(|each, _| !who.contains(each));
        }
    }
    trust
}

fn assumes(statement: &Statement) -> bool {
    let hit = |patterns: &[String]| {
        patterns.iter().any(|pattern| {
            let pattern = pattern.to_ascii_lowercase();
            ASSUME.iter().any(|action| glob_matches(&pattern, action))
        })
    };
    match &statement.actions {
        Actions::Only(patterns) => hit(patterns),
        Actions::AllBut(patterns) => !hit(patterns),
    }
}

fn principals(principal: &Value) -> Vec<Trusted> {
    match principal {
        Value::String(text) if text == "*" => vec![Trusted::Anyone],
        Value::Object(kinds) => {
            let mut found = Vec::new();
            for (kind, named) in kinds {
                for name in texts(named).unwrap_or_default() {
                    match kind.as_str() {
                        "AWS" if name == "*" => found.push(Trusted::Anyone),
                        "AWS" => found.push(Trusted::Aws(name)),
                        "Service" => found.push(Trusted::Service(name)),
                        "Federated" => found.push(Trusted::Federated(name)),
                        _ => {}
                    }
                }
            }
            found
        }
        _ => Vec::new(),
    }
}
