//! Session keys: who got which, from whom, until when.

use asof_model::{EdgeKind, Fact, Instant, NodeKind, NodeValue, SecretState, SecretValue};

use super::event::Event;
use super::survey::Survey;
use super::who::{Caller, Who, role_of};
use crate::arn::{Arn, Named, PrincipalKind, id_of, instance_of, is_access_key};
use crate::facts::Cause;
use crate::when;

/// A session key that a call answered with.
#[derive(Debug)]
pub(crate) struct Minted {
    pub(crate) key: String,
    /// Whose permissions the session has.
    pub(crate) owner: Who,
    /// The role, where the answer has its id: name, id and ARN.
    pub(crate) role: Option<(Named, String, String)>,
    expires: Option<Instant>,
    session: String,
}

/// Reads the answer of a call of the security token service.
pub(crate) fn read(event: &Event, caller: &Caller) -> Option<Minted> {
    let credentials = &event.response()["credentials"];
    let key = credentials["accessKeyId"].as_str().filter(|key| is_access_key(key))?;
    if event.service() != "sts" {
        return None;
    }
    let expires = credentials["expiration"].as_str().and_then(when::parse);
    let mut minted = Minted {
        key: key.to_owned(),
        owner: caller.who.clone(),
        role: None,
        expires,
        session: String::new(),
    };
    if event.name.starts_with("AssumeRole") {
        let assumed = &event.response()["assumedRoleUser"];
        let asked = event.request()["roleArn"].as_str().unwrap_or_default();
        let arn = if asked.is_empty() {
            role_of(assumed["arn"].as_str().unwrap_or_default())?
        } else {
            asked.to_owned()
        };
        let named = Arn::parse(&arn)?.principal().filter(|named| named.kind == PrincipalKind::Role)?;
        event.request()["roleSessionName"].as_str().unwrap_or_default().clone_into(&mut minted.session);
        match assumed["assumedRoleId"]
            .as_str()
            .and_then(|id| id.split(':').next())
            .filter(|id| !id.is_empty())
        {
            Some(unique) => {
                minted.owner = Who::Id(id_of(unique));
                minted.role = Some((named, id_of(unique), arn));
            }
            None => minted.owner = Who::Named(named),
        }
    } else if event.name == "GetFederationToken" {
        event.request()["name"].as_str().unwrap_or_default().clone_into(&mut minted.session);
    }
    Some(minted)
}

/// The facts that a minted key is: the key, whose it is, what it was minted with, and the instance that got
/// it.
pub(crate) fn facts(event: &Event, caller: &Caller, survey: &Survey) -> Vec<Fact> {
    let Some(minted) = read(event, caller).filter(|_| event.succeeded()) else { return Vec::new() };
    let cause = Cause::event(event.at, &event.id);
    let secret = id_of(&minted.key);
    let owner = survey.names.resolve(&minted.owner, event.at);
    let mut value =
        NodeValue { name: minted.key, node_type: "aws.sts.session-key".to_owned(), ..NodeValue::default() };
    if !minted.session.is_empty() {
        value.attributes.insert("session".to_owned(), minted.session.clone());
    }
    value.secret = Some(SecretValue {
        state: SecretState::Active,
        issued_at: Some(event.at),
        expires_at: minted.expires,
        last_rotated_at: None,
    });
    let mut facts = vec![
        cause.node(NodeKind::Secret, &secret, value),
        cause.edge(EdgeKind::AuthenticatesWith, &owner, &secret),
    ];
    if !caller.key.is_empty() {
        facts.push(cause.edge(EdgeKind::Issued, &id_of(&caller.key), &secret));
    }
    if let Some(instance) = instance_of(&minted.session).filter(|_| is_instance_service(caller)) {
        facts.push(cause.edge(EdgeKind::RunsAs, &id_of(instance), &owner));
        facts.push(cause.edge(EdgeKind::Mounts, &id_of(instance), &secret));
    }
    facts
}

/// Whether the caller is the service that gives instances their role's keys.
pub(crate) fn is_instance_service(caller: &Caller) -> bool {
    matches!(&caller.who, Who::Id(id) if id == "aws:service/ec2.amazonaws.com")
}
