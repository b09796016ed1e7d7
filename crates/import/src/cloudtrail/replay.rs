//! Posture, replayed from the calls that change it, all files together and in order of time.
//!
//! What a call says of itself becomes a fact whatever is known; what follows from it (a document that
//! replaces another ends what the other gave) needs what came before it in the files of the same run.

use std::collections::{BTreeMap, BTreeSet};

use asof_model::{Attributes, EdgeKind, Fact, Instant, NodeKind, NodeValue, Op, SecretValue, Subject, Value};

use super::survey::{Change, Survey};
use super::who::Who;
use crate::actions::without_version;
use crate::arn::{Named, PrincipalKind, partition};
use crate::facts::Cause;
use crate::{Note, Summary};

/// The calls that change posture, by service and name, and their rank within one second.
const CALLS: [(&str, u8); 42] = [
    ("iam:CreateUser", 0),
    ("iam:CreateRole", 0),
    ("iam:CreateServiceLinkedRole", 0),
    ("iam:CreateGroup", 0),
    ("iam:CreatePolicy", 0),
    ("iam:CreateAccessKey", 1),
    ("iam:UpdateAccessKey", 2),
    ("iam:CreatePolicyVersion", 1),
    ("iam:SetDefaultPolicyVersion", 2),
    ("iam:PutUserPolicy", 2),
    ("iam:PutRolePolicy", 2),
    ("iam:PutGroupPolicy", 2),
    ("iam:AttachUserPolicy", 2),
    ("iam:AttachRolePolicy", 2),
    ("iam:AttachGroupPolicy", 2),
    ("iam:UpdateAssumeRolePolicy", 2),
    ("iam:AddUserToGroup", 2),
    ("iam:AddRoleToInstanceProfile", 2),
    ("iam:PutUserPermissionsBoundary", 2),
    ("iam:PutRolePermissionsBoundary", 2),
    ("ec2:RunInstances", 3),
    ("ec2:AssociateIamInstanceProfile", 3),
    ("ec2:ReplaceIamInstanceProfileAssociation", 3),
    ("lambda:CreateFunction", 3),
    ("lambda:UpdateFunctionConfiguration", 3),
    ("iam:RemoveUserFromGroup", 4),
    ("iam:RemoveRoleFromInstanceProfile", 4),
    ("iam:DetachUserPolicy", 4),
    ("iam:DetachRolePolicy", 4),
    ("iam:DetachGroupPolicy", 4),
    ("iam:DeleteUserPolicy", 4),
    ("iam:DeleteRolePolicy", 4),
    ("iam:DeleteGroupPolicy", 4),
    ("iam:DeletePolicy", 5),
    ("iam:DeleteAccessKey", 5),
    ("ec2:TerminateInstances", 5),
    ("lambda:DeleteFunction", 5),
    ("iam:DeleteInstanceProfile", 5),
    ("iam:DeleteServiceLinkedRole", 6),
    ("iam:DeleteUser", 6),
    ("iam:DeleteRole", 6),
    ("iam:DeleteGroup", 6),
];

/// The rank of a call that changes posture; `None`: it changes none that is modelled.
pub(crate) fn rank(service: &str, event_name: &str) -> Option<u8> {
    let call = format!("{service}:{}", plain(event_name));
    CALLS.iter().find(|(name, _)| *name == call).map(|(_, rank)| *rank)
}

/// The call's name without the version of its API.
pub(crate) fn plain(event_name: &str) -> &str {
    without_version(event_name)
}

/// What is in force, as far as the calls so far tell.
#[derive(Debug, Default)]
pub(super) struct State {
    /// By policy: the entitlements that its document gives.
    pub(super) policies: BTreeMap<String, BTreeMap<String, NodeValue>>,
    /// By policy: whom it is attached to.
    pub(super) holders: BTreeMap<String, BTreeSet<String>>,
    /// By policy: the documents of its versions.
    pub(super) versions: BTreeMap<String, BTreeMap<String, serde_json::Value>>,
    /// By role: who may assume it.
    pub(super) trust: BTreeMap<String, BTreeMap<String, Attributes>>,
    /// By group: its members.
    pub(super) members: BTreeMap<String, BTreeSet<String>>,
    /// By account and instance profile: its role.
    pub(super) profiles: BTreeMap<(String, String), String>,
    /// By workload: the identity that it runs as.
    pub(super) runs_as: BTreeMap<String, String>,
    /// By key.
    pub(super) secrets: BTreeMap<String, SecretValue>,
}

/// What the replay gives.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    /// By source, in order of time.
    pub(crate) facts: Vec<(String, Fact)>,
    /// Identities that were deleted, and when first.
    pub(crate) deleted: BTreeMap<String, Instant>,
    /// Identities and keys that were made, and when first.
    pub(crate) made: BTreeMap<String, Instant>,
}

/// One call being replayed.
pub(super) struct Step<'a> {
    pub(super) change: &'a Change,
    pub(super) survey: &'a Survey,
    pub(super) cause: Cause,
    pub(super) facts: Vec<Fact>,
    pub(super) summary: &'a mut Summary,
}

impl Step<'_> {
    /// A text of the request; empty where it is none.
    pub(super) fn asked(&self, member: &str) -> &str {
        self.change.request.0[member].as_str().unwrap_or_default()
    }

    pub(super) fn partition(&self) -> &'static str {
        partition(&self.change.region)
    }

    /// The user, role or group that the request names, with its name.
    pub(super) fn principal(&self) -> Option<(String, Named)> {
        [
            ("roleName", PrincipalKind::Role),
            ("userName", PrincipalKind::User),
            ("groupName", PrincipalKind::Group),
        ]
        .into_iter()
        .find_map(|(member, kind)| self.named(member, kind))
    }

    /// The principal whose name is in that member.
    pub(super) fn named(&self, member: &str, kind: PrincipalKind) -> Option<(String, Named)> {
        let named = Named::new(self.partition(), &self.change.account, kind, self.asked(member))?;
        let at = self.change.at;
        let takes_away = self.change.rank >= 4;
        let who = Who::Named(named.clone());
        let names = &self.survey.names;
        let id = if takes_away { names.resolve_before(&who, at) } else { names.resolve(&who, at) };
        Some((id, named))
    }

    pub(super) fn put_node(&mut self, kind: NodeKind, id: &str, value: NodeValue) {
        self.facts.push(self.cause.node(kind, id, value));
    }

    pub(super) fn delete_node(&mut self, kind: NodeKind, id: &str) {
        self.facts.push(self.cause.node_op(kind, id, Op::Delete));
    }

    pub(super) fn put_edge(&mut self, kind: EdgeKind, from: &str, to: &str) {
        self.facts.push(self.cause.edge(kind, from, to));
    }

    pub(super) fn put_edge_with(&mut self, kind: EdgeKind, from: &str, to: &str, attributes: Attributes) {
        self.facts.push(self.cause.edge_op(kind, from, to, Op::Put(Value::Edge(attributes))));
    }

    pub(super) fn delete_edge(&mut self, kind: EdgeKind, from: &str, to: &str) {
        self.facts.push(self.cause.edge_op(kind, from, to, Op::Delete));
    }

    pub(super) fn note(&mut self, note: Note, subject: impl Into<String>) {
        self.summary.note(note, subject);
    }
}

/// Replays all changes.
pub(crate) fn replay(survey: &Survey, summary: &mut Summary) -> Replayed {
    let mut state = State::default();
    let mut replayed = Replayed::default();
    for change in &survey.changes {
        let cause = Cause::event(change.at, &change.event_id);
        let mut step = Step { change, survey, cause, facts: Vec::new(), summary };
        state.apply(&mut step);
        for fact in once_a_subject(step.facts) {
            if let Subject::Node(node) = &fact.subject {
                match (node.kind, &fact.op) {
                    (NodeKind::Identity, Op::Delete) => {
                        replayed.deleted.entry(node.id.clone()).or_insert(fact.valid_from);
                    }
                    (NodeKind::Identity | NodeKind::Secret, Op::Put(_)) => {
                        replayed.made.entry(node.id.clone()).or_insert(fact.valid_from);
                    }
                    _ => {}
                }
            }
            replayed.facts.push((change.source.clone(), fact));
        }
    }
    replayed
}

/// An event says one thing of a subject: the last.
fn once_a_subject(facts: Vec<Fact>) -> Vec<Fact> {
    let mut last: BTreeMap<Subject, usize> = BTreeMap::new();
    for (place, fact) in facts.iter().enumerate() {
        last.insert(fact.subject.clone(), place);
    }
    let kept = facts.into_iter().enumerate().filter(|(place, fact)| last[&fact.subject] == *place);
    kept.map(|(_, fact)| fact).collect()
}

impl State {
    fn apply(&mut self, step: &mut Step<'_>) {
        let call = step.change.name.clone();
        let (service, name) = call.split_once(':').unwrap_or_default();
        match (service, name) {
            ("iam", "CreateUser" | "CreateRole" | "CreateServiceLinkedRole" | "CreateGroup") => {
                self.create_principal(step);
            }
            ("iam", "DeleteUser" | "DeleteRole" | "DeleteGroup" | "DeleteServiceLinkedRole") => {
                self.delete_principal(step);
            }
            ("iam", "CreateAccessKey" | "UpdateAccessKey" | "DeleteAccessKey") => self.access_key(step, name),
            ("iam", "CreatePolicy") => self.create_policy(step),
            ("iam", "CreatePolicyVersion") => self.create_version(step),
            ("iam", "SetDefaultPolicyVersion") => self.set_default(step),
            ("iam", "DeletePolicy") => self.delete_policy(step),
            ("iam", "PutUserPolicy" | "PutRolePolicy" | "PutGroupPolicy") => self.put_inline(step),
            ("iam", "DeleteUserPolicy" | "DeleteRolePolicy" | "DeleteGroupPolicy") => {
                self.delete_inline(step);
            }
            ("iam", "AttachUserPolicy" | "AttachRolePolicy" | "AttachGroupPolicy") => self.attach(step),
            ("iam", "DetachUserPolicy" | "DetachRolePolicy" | "DetachGroupPolicy") => self.detach(step),
            ("iam", "UpdateAssumeRolePolicy") => self.update_trust(step),
            ("iam", "AddUserToGroup" | "RemoveUserFromGroup") => {
                self.membership(step, name == "AddUserToGroup");
            }
            ("iam", "PutUserPermissionsBoundary" | "PutRolePermissionsBoundary") => {
                if let Some((_, named)) = step.principal() {
                    step.note(Note::BoundaryNotApplied, named.arn());
                }
            }
            ("iam", "AddRoleToInstanceProfile") => {
                if let Some((role, _)) = step.named("roleName", PrincipalKind::Role) {
                    let profile = (step.change.account.clone(), step.asked("instanceProfileName").to_owned());
                    self.profiles.insert(profile, role);
                }
            }
            ("iam", "RemoveRoleFromInstanceProfile" | "DeleteInstanceProfile") => {
                let profile = (step.change.account.clone(), step.asked("instanceProfileName").to_owned());
                self.profiles.remove(&profile);
            }
            ("ec2", _) => self.instances(step, name),
            ("lambda", _) => self.function(step, name),
            _ => {}
        }
    }
}
