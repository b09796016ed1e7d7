//! The calls of IAM: principals, keys, policies, trust.

use std::collections::BTreeMap;

use asof_model::{Attributes, EdgeKind, NodeKind, NodeValue, SecretState, SecretValue};
use serde_json::Value;

use super::replay::{State, Step};
use super::who::Who;
use crate::Note;
use crate::arn::{Arn, Named, PrincipalKind, id_of, is_access_key};
use crate::facts::identity;
use crate::policy::{Document, managed, trust};
use crate::statements::{self, Owner};

impl State {
    pub(super) fn create_principal(&mut self, step: &mut Step<'_>) {
        let (member, kind) = match step.change.name.as_str() {
            "iam:CreateUser" => ("user", PrincipalKind::User),
            "iam:CreateGroup" => ("group", PrincipalKind::Group),
            _ => ("role", PrincipalKind::Role),
        };
        let made = &step.change.response.0[member];
        let text = |field: &str| made[field].as_str().unwrap_or_default();
        let named = Arn::parse(text("arn")).and_then(|arn| arn.principal()).or_else(|| {
            Named::new(step.partition(), &step.change.account, kind, step.asked(&format!("{member}Name")))
        });
        let Some(named) = named else { return };
        let unique = text(&format!("{member}Id"));
        let id =
            if unique.is_empty() { step.survey.id_of_name(&named, step.change.at) } else { id_of(unique) };
        let arn = if text("arn").is_empty() { named.arn() } else { text("arn").to_owned() };
        step.put_node(NodeKind::Identity, &id, identity(&arn, kind.node_type(), &named.account));
        let asked = &step.change.request.0;
        if !asked["permissionsBoundary"].is_null() {
            step.note(Note::BoundaryNotApplied, arn.clone());
        }
        let document = [&asked["assumeRolePolicyDocument"], &made["assumeRolePolicyDocument"]];
        if let Some(document) = document.into_iter().find(|document| !document.is_null()) {
            self.set_trust(step, &id, &arn, document);
        }
    }

    pub(super) fn delete_principal(&mut self, step: &mut Step<'_>) {
        let Some((id, _)) = step.principal() else { return };
        for (policy, holders) in &mut self.holders {
            if holders.remove(&id) {
                for entitlement in self.policies.get(policy).into_iter().flat_map(BTreeMap::keys) {
                    step.delete_edge(EdgeKind::Holds, &id, entitlement);
                }
            }
        }
        for from in self.trust.remove(&id).into_iter().flat_map(BTreeMap::into_keys) {
            step.delete_edge(EdgeKind::CanAssume, &from, &id);
        }
        for member in self.members.remove(&id).into_iter().flatten() {
            step.delete_edge(EdgeKind::MemberOf, &member, &id);
        }
        let groups =
            self.members.iter_mut().filter_map(|(group, members)| members.remove(&id).then_some(group));
        for group in groups {
            step.delete_edge(EdgeKind::MemberOf, &id, group);
        }
        step.delete_node(NodeKind::Identity, &id);
    }

    pub(super) fn access_key(&mut self, step: &mut Step<'_>, call: &str) {
        let made = &step.change.response.0["accessKey"];
        let key = made["accessKeyId"].as_str().unwrap_or_else(|| step.asked("accessKeyId")).to_owned();
        if !is_access_key(&key) {
            return;
        }
        let secret = id_of(&key);
        if call == "DeleteAccessKey" {
            self.secrets.remove(&secret);
            step.delete_node(NodeKind::Secret, &secret);
            return;
        }
        let at = step.change.at;
        let value = if call == "CreateAccessKey" {
            let user = made["userName"].as_str().map(str::to_owned);
            let user = user.unwrap_or_else(|| step.asked("userName").to_owned());
            // Without a name the call makes a key of the caller's own.
            let owner = match Named::new(step.partition(), &step.change.account, PrincipalKind::User, &user) {
                Some(named) => step.survey.id_of_name(&named, at),
                None => step.survey.names.resolve(&step.change.caller, at),
            };
            step.put_edge(EdgeKind::AuthenticatesWith, &owner, &secret);
            SecretValue { issued_at: Some(at), ..SecretValue::default() }
        } else {
            let state =
                if step.asked("status") == "Inactive" { SecretState::Inactive } else { SecretState::Active };
            let known = self.secrets.get(&secret).copied().unwrap_or_default();
            SecretValue { state, ..known }
        };
        self.secrets.insert(secret.clone(), value);
        let node_type = "aws.iam.access-key".to_owned();
        step.put_node(
            NodeKind::Secret,
            &secret,
            NodeValue { name: key, node_type, secret: Some(value), ..NodeValue::default() },
        );
    }

    pub(super) fn create_policy(&mut self, step: &mut Step<'_>) {
        let made = step.change.response.0["policy"]["arn"].as_str().map(str::to_owned);
        let path = Some(step.asked("path")).filter(|path| !path.is_empty()).unwrap_or("/");
        let arn = made.unwrap_or_else(|| {
            format!(
                "arn:{}:iam::{}:policy{path}{}",
                step.partition(),
                step.change.account,
                step.asked("policyName")
            )
        });
        let document = step.change.request.0["policyDocument"].clone();
        self.versions.entry(id_of(&arn)).or_default().insert("v1".to_owned(), document.clone());
        self.set_document(step, &Owner::managed(&arn), &document);
    }

    pub(super) fn create_version(&mut self, step: &mut Step<'_>) {
        let owner = Owner::managed(step.asked("policyArn"));
        let document = step.change.request.0["policyDocument"].clone();
        let version =
            step.change.response.0["policyVersion"]["versionId"].as_str().unwrap_or_default().to_owned();
        self.versions.entry(owner.id.clone()).or_default().insert(version, document.clone());
        let asked = &step.change.request.0["setAsDefault"];
        if *asked == Value::Bool(true) || asked == "true" {
            self.set_document(step, &owner, &document);
        }
    }

    pub(super) fn set_default(&mut self, step: &mut Step<'_>) {
        let owner = Owner::managed(step.asked("policyArn"));
        let version = step.asked("versionId").to_owned();
        match self.versions.get(&owner.id).and_then(|versions| versions.get(&version)).cloned() {
            Some(document) => self.set_document(step, &owner, &document),
            None => {
                step.note(Note::DocumentMissing, format!("{} {version}", owner.name));
                self.drop_document(step, &owner.id);
            }
        }
    }

    pub(super) fn delete_policy(&mut self, step: &mut Step<'_>) {
        let owner = Owner::managed(step.asked("policyArn"));
        self.drop_document(step, &owner.id);
        self.holders.remove(&owner.id);
        self.versions.remove(&owner.id);
    }

    pub(super) fn put_inline(&mut self, step: &mut Step<'_>) {
        let Some((id, named)) = step.principal() else { return };
        let owner = Owner::inline(&id, &named.arn(), step.asked("policyName"));
        self.holders.entry(owner.id.clone()).or_default().insert(id);
        let document = step.change.request.0["policyDocument"].clone();
        self.set_document(step, &owner, &document);
    }

    pub(super) fn delete_inline(&mut self, step: &mut Step<'_>) {
        let Some((id, named)) = step.principal() else { return };
        let owner = Owner::inline(&id, &named.arn(), step.asked("policyName"));
        if !self.policies.contains_key(&owner.id) {
            step.note(Note::DocumentMissing, owner.name.clone());
        }
        self.drop_document(step, &owner.id);
        self.holders.remove(&owner.id);
    }

    pub(super) fn attach(&mut self, step: &mut Step<'_>) {
        let Some((id, _)) = step.principal() else { return };
        let arn = step.asked("policyArn").to_owned();
        let owner = Owner::managed(&arn);
        self.holders.entry(owner.id.clone()).or_default().insert(id.clone());
        if let Some(document) = managed::document(&arn) {
            // Each attachment states the policy anew: which one the files show first makes no difference.
            let (nodes, _) = statements::read(&owner, document);
            for (entitlement, value) in &nodes {
                step.put_node(NodeKind::Entitlement, entitlement, value.clone());
            }
            self.policies.insert(owner.id.clone(), nodes);
        }
        match self.policies.get(&owner.id) {
            Some(entitlements) => {
                for entitlement in entitlements.keys() {
                    step.put_edge(EdgeKind::Holds, &id, entitlement);
                }
            }
            None => step.note(Note::DocumentMissing, arn),
        }
    }

    pub(super) fn detach(&mut self, step: &mut Step<'_>) {
        let Some((id, _)) = step.principal() else { return };
        let arn = step.asked("policyArn").to_owned();
        let owner = Owner::managed(&arn);
        if let Some(holders) = self.holders.get_mut(&owner.id) {
            holders.remove(&id);
        }
        let mut known: Vec<String> =
            self.policies.get(&owner.id).into_iter().flat_map(BTreeMap::keys).cloned().collect();
        if known.is_empty() {
            match managed::document(&arn) {
                Some(document) => known = statements::read(&owner, document).0.into_keys().collect(),
                None => step.note(Note::DocumentMissing, arn),
            }
        }
        for entitlement in known {
            step.delete_edge(EdgeKind::Holds, &id, &entitlement);
        }
    }

    pub(super) fn membership(&mut self, step: &mut Step<'_>, joins: bool) {
        let user = step.named("userName", PrincipalKind::User);
        let group = step.named("groupName", PrincipalKind::Group);
        let (Some((user, _)), Some((group, _))) = (user, group) else { return };
        let members = self.members.entry(group.clone()).or_default();
        if joins {
            step.put_edge(EdgeKind::MemberOf, &user, &group);
            members.insert(user);
        } else {
            step.delete_edge(EdgeKind::MemberOf, &user, &group);
            members.remove(&user);
        }
    }

    pub(super) fn update_trust(&mut self, step: &mut Step<'_>) {
        let Some((id, named)) = step.named("roleName", PrincipalKind::Role) else { return };
        let document = step.change.request.0["policyDocument"].clone();
        self.set_trust(step, &id, &named.arn(), &document);
    }

    /// A document becomes the one in force: what it gives is stated, what the one before gave and it does not
    /// ends.
    fn set_document(&mut self, step: &mut Step<'_>, owner: &Owner, document: &Value) {
        let (now, notes) = statements::read(owner, document);
        for (note, subject) in notes {
            step.note(note, subject);
        }
        let holders = self.holders.get(&owner.id).cloned().unwrap_or_default();
        let before = self.policies.insert(owner.id.clone(), now.clone()).unwrap_or_default();
        for entitlement in before.into_keys().filter(|entitlement| !now.contains_key(entitlement)) {
            step.delete_node(NodeKind::Entitlement, &entitlement);
            for holder in &holders {
                step.delete_edge(EdgeKind::Holds, holder, &entitlement);
            }
        }
        for (entitlement, value) in now {
            step.put_node(NodeKind::Entitlement, &entitlement, value);
            for holder in &holders {
                step.put_edge(EdgeKind::Holds, holder, &entitlement);
            }
        }
    }

    fn drop_document(&mut self, step: &mut Step<'_>, policy: &str) {
        let holders = self.holders.get(policy).cloned().unwrap_or_default();
        for entitlement in self.policies.remove(policy).into_iter().flat_map(BTreeMap::into_keys) {
            step.delete_node(NodeKind::Entitlement, &entitlement);
            for holder in &holders {
                step.delete_edge(EdgeKind::Holds, holder, &entitlement);
            }
        }
    }

    fn set_trust(&mut self, step: &mut Step<'_>, role: &str, arn: &str, document: &Value) {
        let document = match Document::read(document) {
            Ok(document) => document,
            Err(why) => return step.note(Note::DocumentUnreadable, format!("trust policy of {arn}: {why}")),
        };
        let read = trust::read(&document);
        if read.denials_left > 0 {
            step.note(Note::TrustDenialNotApplied, arn);
        }
        let (names, at) = (&step.survey.names, step.change.at);
        let resolve = |named: &Named| names.resolve(&Who::Named(named.clone()), at);
        let now: BTreeMap<String, Attributes> =
            read.who.into_iter().map(|(who, with)| (statements::trusted(&who, &resolve), with)).collect();
        let before = self.trust.insert(role.to_owned(), now.clone()).unwrap_or_default();
        for from in before.into_keys().filter(|from| !now.contains_key(from)) {
            step.delete_edge(EdgeKind::CanAssume, &from, role);
        }
        for (from, with) in now {
            step.put_edge_with(EdgeKind::CanAssume, &from, role, with);
        }
    }
}
