//! An event to its observations.

use std::net::IpAddr;

use asof_model::{Attributes, Observation, Privilege};
use serde_json::Value;

use super::event::Event;
use super::resource;
use super::survey::Survey;
use super::who::Caller;
use crate::actions::Action;
use crate::arn::{id_of, instance_of, service_id};

/// The most bytes of a user agent that are kept.
const USER_AGENT_BYTES: usize = 256;

/// What the event shows: one observation, or one for each of several resources of one kind.
pub(crate) fn observations(
    event: &Event,
    caller: &Caller,
    action: &Action,
    survey: &Survey,
) -> Vec<Observation> {
    let identity = survey.names.resolve(&caller.who, event.at);
    let mut seen = Observation::new(identity, event.at, action.class.unwrap_or(Privilege::Other));
    seen.event_id.clone_from(&event.id);
    seen.action.clone_from(&action.name);
    seen.outcome = event.outcome;
    seen.region.clone_from(&event.region);
    seen.session.clone_from(&caller.session);
    let address = event.text("sourceIPAddress");
    // A service's name, or "AWS Internal", is no address.
    if address.parse::<IpAddr>().is_ok() {
        address.clone_into(&mut seen.source_ip);
    }
    if !caller.key.is_empty() {
        seen.secret = id_of(&caller.key);
    }
    behind(&mut seen, caller, survey);
    seen.attributes = attributes(event, action);
    let mut resources = resource::of(event, action, survey).into_iter();
    seen.resource = resources.next().unwrap_or_default();
    let mut all = vec![seen];
    for (place, resource) in resources.enumerate() {
        let mut part = all[0].clone();
        part.event_id = format!("{}#{}", event.id, place + 2);
        part.resource = resource;
        all.push(part);
    }
    all
}

/// The actor is who assumed the identity; an instance is the workload of its session, and nobody stands
/// behind it.
fn behind(seen: &mut Observation, caller: &Caller, survey: &Survey) {
    let mut chain = Vec::new();
    survey.behind(&caller.key, &mut chain);
    if let Some(who) = &caller.behind {
        chain = vec![survey.names.resolve(who, seen.time)];
    }
    if let Some(instance) = instance_of(&caller.session) {
        seen.workload = id_of(instance);
        chain.retain(|who| *who != service_id("ec2.amazonaws.com"));
    }
    // A session token of one's own makes nobody else stand behind.
    chain.retain(|who| *who != seen.identity);
    if let Some(last) = chain.last() {
        seen.actor.clone_from(last);
        if chain.len() > 1 {
            seen.actor_chain = chain;
        }
    }
}

fn attributes(event: &Event, action: &Action) -> Attributes {
    let mut found = Attributes::new();
    let mut put = |key: &str, value: &str| {
        if !value.is_empty() {
            found.insert(key.to_owned(), value.to_owned());
        }
    };
    let user = event.user();
    if action.name.rsplit(':').next() != Some(event.name.as_str()) {
        put("event", &event.name);
    }
    put("error", event.text("errorCode"));
    put("invoked_by", user["invokedBy"].as_str().unwrap_or_default());
    put("source_identity", user["sessionContext"]["sourceIdentity"].as_str().unwrap_or_default());
    let mfa = &user["sessionContext"]["attributes"]["mfaAuthenticated"];
    if mfa == "true" || *mfa == Value::Bool(true) || event.member("additionalEventData")["MFAUsed"] == "Yes" {
        put("mfa", "true");
    }
    if event.text("sessionCredentialFromConsole") == "true" {
        put("console", "true");
    }
    let agent = event.text("userAgent");
    let end =
        (0..=USER_AGENT_BYTES.min(agent.len())).rev().find(|end| agent.is_char_boundary(*end)).unwrap_or(0);
    put("user_agent", &agent[..end]);
    found
}
