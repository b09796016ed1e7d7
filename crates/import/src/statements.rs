//! Policies as the graph has them: which entitlement nodes a document makes, and which identity a trust
//! policy means.

use std::collections::BTreeMap;

use asof_model::NodeValue;
use serde_json::Value;

use crate::Note;
use crate::arn::{Arn, Named, id_of, service_id};
use crate::policy::trust::Trusted;
use crate::policy::{Document, entitlements};

/// What a document belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owner {
    /// What its entitlements' ids begin with.
    pub(crate) id: String,
    /// What people call it.
    pub(crate) name: String,
    partition: String,
}

impl Owner {
    /// A policy with an ARN of its own.
    pub(crate) fn managed(arn: &str) -> Self {
        Self { id: id_of(arn), name: arn.to_owned(), partition: partition_of(arn) }
    }

    /// A policy inside a user, role or group.
    pub(crate) fn inline(owner: &str, owner_name: &str, policy: &str) -> Self {
        let (id, name) = (format!("{owner}/policy/{policy}"), format!("{owner_name}/policy/{policy}"));
        Self { id, name, partition: partition_of(owner_name) }
    }
}

fn partition_of(arn: &str) -> String {
    Arn::parse(arn).map_or("aws", |arn| arn.partition).to_owned()
}

/// The entitlements of a document by id, and what could not be stated. An id is the policy, the statement's
/// place, service and class: the same document gives the same ids.
pub(crate) fn read(owner: &Owner, document: &Value) -> (BTreeMap<String, NodeValue>, Vec<(Note, String)>) {
    let (mut nodes, mut notes) = (BTreeMap::new(), Vec::new());
    let document = match Document::read(document) {
        Ok(document) => document,
        Err(why) => {
            notes.push((Note::DocumentUnreadable, format!("{}: {why}", owner.name)));
            return (nodes, notes);
        }
    };
    for statement in &document.statements {
        let mut unknown = Vec::new();
        for granted in entitlements(statement, &owner.partition, &mut unknown) {
            let mut value = NodeValue {
                name: format!("{} {}", owner.name, granted.slot),
                node_type: "aws.iam.statement".to_owned(),
                entitlement: Some(granted.value),
                ..NodeValue::default()
            };
            value.attributes.insert("policy".to_owned(), owner.name.clone());
            if !statement.sid.is_empty() {
                value.attributes.insert("sid".to_owned(), statement.sid.clone());
            }
            nodes.insert(format!("{}#{}", owner.id, granted.slot), value);
        }
        notes.extend(unknown.into_iter().map(|action| (Note::PolicyActionUnknown, action)));
    }
    (nodes, notes)
}

/// The identity that a trust policy means; IAM names go through `resolve`.
pub(crate) fn trusted(who: &Trusted, resolve: &dyn Fn(&Named) -> String) -> String {
    match who {
        Trusted::Anyone => id_of("*"),
        Trusted::Service(name) => service_id(name),
        Trusted::Federated(name) => id_of(name),
        Trusted::Aws(text) => match Arn::parse(text) {
            // An account as such is what its root user is.
            Some(arn) if arn.service == "iam" && arn.resource == "root" => id_of(arn.account),
            Some(arn) => arn.principal().map_or_else(|| id_of(text), |named| resolve(&named)),
            None => id_of(text),
        },
    }
}
