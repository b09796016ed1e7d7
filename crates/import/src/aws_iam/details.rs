//! The lists of the file, and the facts that they are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use asof_model::{
    Attributes, CoverageKind, CoverageValue, EdgeKind, Fact, Limits, NodeKind, NodeValue, Op, PrivilegeSet,
    Value as Stated,
};
use serde_json::Value;

use super::reach::{Assumable, Reach};
use crate::arn::{Arn, Named, PrincipalKind, id_of};
use crate::facts::{Cause, identity};
use crate::policy::{Document, managed, trust};
use crate::statements::{self, Owner, trusted};
use crate::{ImportError, Note, Summary, when};

/// A user, group or role.
struct Principal {
    id: String,
    named: Named,
    arn: String,
    entry: Value,
}

/// What the file lists.
pub(super) struct Details {
    /// Whose listing it is: the account of most of what it lists.
    pub(super) account: String,
    accounts: BTreeSet<String>,
    pub(super) entries: u64,
    principals: Vec<Principal>,
    /// By ARN: the document of the version in force.
    policies: BTreeMap<String, Value>,
}

const LISTS: [(&str, &str, PrincipalKind); 3] = [
    ("UserDetailList", "UserId", PrincipalKind::User),
    ("GroupDetailList", "GroupId", PrincipalKind::Group),
    ("RoleDetailList", "RoleId", PrincipalKind::Role),
];

impl Details {
    pub(super) fn read(path: &Path, pages: &[Value], summary: &mut Summary) -> Result<Self, ImportError> {
        let form = |field: &str, why: &str| ImportError::Form {
            path: path.to_owned(),
            field: field.to_owned(),
            why: why.to_owned(),
        };
        let known = |page: &Value| {
            LISTS.iter().any(|(list, _, _)| page[*list].is_array()) || page["Policies"].is_array()
        };
        if pages.is_empty() || !pages.iter().all(known) {
            let why = "required, or one of GroupDetailList, RoleDetailList, Policies: is it what \
                       `aws iam get-account-authorization-details` writes?";
            return Err(form("UserDetailList", why));
        }
        let (mut principals, mut policies, mut entries) = (Vec::new(), BTreeMap::new(), 0);
        for page in pages {
            for (list, unique, kind) in LISTS {
                for (place, entry) in page[list].as_array().into_iter().flatten().enumerate() {
                    entries += 1;
                    let text = |field: &str| entry[field].as_str().unwrap_or_default();
                    let named = Arn::parse(text("Arn")).and_then(|arn| arn.principal());
                    match named.filter(|named| named.kind == kind && !text(unique).is_empty()) {
                        Some(named) => {
                            let (id, arn) = (id_of(text(unique)), text("Arn").to_owned());
                            principals.push(Principal { id, named, arn, entry: entry.clone() });
                        }
                        None => summary.skip(
                            path,
                            0,
                            format!("{list}[{place}]"),
                            format!("needs Arn and {unique}"),
                        ),
                    }
                }
            }
            for (place, entry) in page["Policies"].as_array().into_iter().flatten().enumerate() {
                entries += 1;
                let versions = entry["PolicyVersionList"].as_array().into_iter().flatten();
                let in_force = |version: &&Value| {
                    version["IsDefaultVersion"] == true || version["VersionId"] == entry["DefaultVersionId"]
                };
                match (entry["Arn"].as_str(), { versions }.find(in_force)) {
                    (Some(arn), Some(version)) => {
                        drop(policies.insert(arn.to_owned(), version["Document"].clone()));
                    }
                    _ => {
                        summary.skip(
                            path,
                            0,
                            format!("Policies[{place}]"),
                            "needs Arn and a default version",
                        );
                    }
                }
            }
        }
        let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
        for each in &principals {
            *counts.entry(&each.named.account).or_insert(0) += 1;
        }
        let most = counts.iter().max_by_key(|(_, count)| **count).map(|(account, _)| (*account).clone());
        let accounts = counts.into_keys().cloned().collect();
        let account = most.ok_or_else(|| {
            form("UserDetailList", "no user, group or role is listed: whose account is it?")
        })?;
        Ok(Self { account, accounts, entries, principals, policies })
    }

    /// Everything that is stated, in a fixed order.
    pub(super) fn facts(&self, cause: &Cause, summary: &mut Summary) -> Vec<Fact> {
        let by_name: BTreeMap<&Named, &str> =
            self.principals.iter().map(|each| (&each.named, each.id.as_str())).collect();
        let resolve =
            |named: &Named| by_name.get(named).map_or_else(|| id_of(&named.arn()), |id| (*id).to_owned());
        let mut facts = Vec::new();
        let mut reach = Reach::default();
        let mut documents: BTreeMap<String, BTreeMap<String, NodeValue>> = BTreeMap::new();
        for (arn, document) in &self.policies {
            let nodes = stated(&Owner::managed(arn), document, summary);
            facts
                .extend(nodes.iter().map(|(id, value)| cause.node(NodeKind::Entitlement, id, value.clone())));
            documents.insert(arn.clone(), nodes);
        }
        for each in &self.principals {
            let mut value = identity(&each.arn, each.named.kind.node_type(), &each.named.account);
            value.attributes.extend(attributes(&each.entry));
            facts.push(cause.node(NodeKind::Identity, &each.id, value));
            for group in each.entry["GroupList"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                if let Some(named) =
                    Named::new(&each.named.partition, &each.named.account, PrincipalKind::Group, group)
                {
                    facts.push(cause.edge(EdgeKind::MemberOf, &each.id, &resolve(&named)));
                }
            }
            let held = Self::held(each, &documents, cause, &mut facts, summary);
            for (id, value) in held {
                reach.holds(&each.named.account, &each.id, &value);
                facts.push(cause.edge(EdgeKind::Holds, &each.id, &id));
            }
        }
        for each in self.principals.iter().filter(|each| each.named.kind == PrincipalKind::Role) {
            self.trust(each, &resolve, &reach, cause, &mut facts, summary);
        }
        for (place, part) in self.principals.chunks(Limits::DEFAULT.list_entries).enumerate() {
            let identities = part.iter().map(|each| each.id.clone()).collect();
            let (resources, privileges) = (Vec::new(), PrivilegeSet::EMPTY);
            let value = CoverageValue { kind: CoverageKind::Posture, identities, resources, privileges };
            facts.push(cause.coverage(&format!("authorization-details/{place}"), value));
            summary.coverages += 1;
        }
        facts
    }

    /// What a principal holds by itself. A permissions boundary makes all that it allows conditional, and
    /// that is then its own: others hold the same policy without it.
    fn held(
        each: &Principal,
        documents: &BTreeMap<String, BTreeMap<String, NodeValue>>,
        cause: &Cause,
        facts: &mut Vec<Fact>,
        summary: &mut Summary,
    ) -> BTreeMap<String, NodeValue> {
        let bounded = !each.entry["PermissionsBoundary"].is_null();
        let mut held = BTreeMap::new();
        let mut own = BTreeMap::new();
        for list in ["UserPolicyList", "GroupPolicyList", "RolePolicyList"] {
            for policy in each.entry[list].as_array().into_iter().flatten() {
                let owner = Owner::inline(
                    &each.id,
                    &each.named.arn(),
                    policy["PolicyName"].as_str().unwrap_or_default(),
                );
                own.extend(stated(&owner, &policy["PolicyDocument"], summary));
            }
        }
        for policy in each.entry["AttachedManagedPolicies"].as_array().into_iter().flatten() {
            let Some(arn) = policy["PolicyArn"].as_str() else { continue };
            match (documents.get(arn), managed::document(arn)) {
                (Some(nodes), _) if !bounded => held.extend(nodes.clone()),
                (Some(nodes), _) => {
                    own.extend(nodes.iter().map(|(id, value)| (copied(each, id), value.clone())));
                }
                (None, Some(document)) => {
                    let nodes = stated(&Owner::managed(arn), document, summary);
                    own.extend(
                        nodes
                            .into_iter()
                            .map(|(id, value)| (if bounded { copied(each, &id) } else { id }, value)),
                    );
                }
                (None, None) => summary.note(Note::DocumentMissing, arn),
            }
        }
        for (id, mut value) in own {
            if bounded && let Some(said) = value.entitlement.as_mut() {
                said.conditional |= said.effect == asof_model::Effect::Allow;
            }
            facts.push(cause.node(NodeKind::Entitlement, &id, value.clone()));
            held.insert(id, value);
        }
        held
    }

    fn trust(
        &self,
        role: &Principal,
        resolve: &dyn Fn(&Named) -> String,
        reach: &Reach,
        cause: &Cause,
        facts: &mut Vec<Fact>,
        summary: &mut Summary,
    ) {
        let document = match Document::read(&role.entry["AssumeRolePolicyDocument"]) {
            Ok(document) => document,
            Err(why) => {
                return summary
                    .note(Note::DocumentUnreadable, format!("trust policy of {}: {why}", role.arn));
            }
        };
        let read = trust::read(&document);
        if read.denials_left > 0 {
            summary.note(Note::TrustDenialNotApplied, &role.arn);
        }
        let mut edges: BTreeMap<String, Attributes> = BTreeMap::new();
        for (who, with) in &read.who {
            edges.insert(trusted(who, resolve), with.clone());
        }
        // An account as principal leaves it to its own policies who of it may; for an account of the file
        // those are known.
        for account in &self.accounts {
            let trusted = id_of(account);
            let Some(given) = edges.get(&trusted).cloned() else { continue };
            for Assumable { holder, conditional } in reach.who_may(account, &role.arn, &role.id) {
                let mut with = given.clone();
                if conditional {
                    with.insert("conditional".to_owned(), "true".to_owned());
                }
                with.insert("through".to_owned(), trusted.clone());
                edges.entry(holder).or_insert(with);
            }
        }
        for (from, with) in edges {
            facts.push(cause.edge_op(EdgeKind::CanAssume, &from, &role.id, Op::Put(Stated::Edge(with))));
        }
    }
}

/// The id of one principal's own copy of an entitlement.
fn copied(each: &Principal, entitlement: &str) -> String {
    format!("{}/bounded/{entitlement}", each.id)
}

fn stated(owner: &Owner, document: &Value, summary: &mut Summary) -> BTreeMap<String, NodeValue> {
    let (nodes, notes) = statements::read(owner, document);
    for (note, subject) in notes {
        summary.note(note, subject);
    }
    nodes
}

/// When it was made and last used, and its tags.
fn attributes(entry: &Value) -> Attributes {
    let mut found = Attributes::new();
    let dates = [("created", &entry["CreateDate"]), ("last_used", &entry["RoleLastUsed"]["LastUsedDate"])];
    for (key, date) in dates {
        if let Some(at) = date.as_str().and_then(when::parse) {
            found.insert(key.to_owned(), at.to_string());
        }
    }
    for tag in entry["Tags"].as_array().into_iter().flatten() {
        if let (Some(key), Some(value)) = (tag["Key"].as_str(), tag["Value"].as_str()) {
            found.insert(format!("tag:{key}"), value.to_owned());
        }
    }
    found
}
