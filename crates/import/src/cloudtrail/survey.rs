//! The first pass over all files: which names have which ids, who minted which key, who was seen first when,
//! and which calls change posture. What it keeps grows with identities, keys and changes, not with events.

use std::collections::{BTreeMap, BTreeSet};

use asof_model::{EdgeKind, Fact, Instant, NodeKind};
use serde_json::Value;

use super::event::{Event, Fault};
use super::minted;
use super::names::Names;
use super::replay;
use super::who::{Who, caller};
use crate::arn::{Arn, Named, PrincipalKind, id_of};
use crate::facts::{Cause, identity};

/// A call that changes posture, kept whole until all are known and can be put in order.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Change {
    pub(crate) at: Instant,
    /// Within one second, the log's finest time: what makes comes before what gives, that before what takes
    /// and what deletes.
    pub(crate) rank: u8,
    pub(crate) event_id: String,
    pub(crate) source: String,
    pub(crate) account: String,
    pub(crate) region: String,
    pub(crate) name: String,
    pub(crate) caller: Who,
    pub(crate) request: Json,
    pub(crate) response: Json,
}

/// A JSON value that can be put in order, by its text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Json(pub(crate) Value);

impl PartialOrd for Json {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Json {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.to_string().cmp(&other.0.to_string())
    }
}

/// An identity's first appearance in a source.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct First {
    at: Instant,
    event_id: String,
    name: String,
    node_type: &'static str,
    account: String,
}

/// Who minted a session key, and with which key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Minter {
    pub(crate) at: Instant,
    pub(crate) who: Who,
    pub(crate) key: String,
}

/// What all files together say.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) names: Names,
    pub(crate) minters: BTreeMap<String, Minter>,
    pub(crate) changes: Vec<Change>,
    firsts: BTreeMap<(String, Who), First>,
    keys: BTreeMap<(String, String), (Instant, String, Who)>,
}

impl Survey {
    /// Takes what it needs of an event.
    pub(crate) fn event(&mut self, event: &Event) -> Result<(), Fault> {
        let caller = caller(event)?;
        if let (Who::Id(id), Some(named)) = (&caller.who, &caller.named) {
            self.names.seen(named, id, event.at, false);
        }
        if let Who::Id(id) = &caller.who
            && caller.name.starts_with("arn:")
        {
            self.names.arn(id, &caller.name);
        }
        self.first(event, caller.who.clone(), &caller.name, caller.node_type, &caller.account);
        if !caller.key.is_empty() {
            let place = (event.collector(), caller.key.clone());
            let seen = (event.at, event.id.clone(), caller.who.clone());
            let known = self.keys.entry(place).or_insert_with(|| seen.clone());
            if seen < *known {
                *known = seen;
            }
        }
        if !event.succeeded() {
            return Ok(());
        }
        self.made(event);
        if let Some(minted) = minted::read(event, &caller) {
            if let Some((named, id, arn)) = &minted.role {
                self.names.seen(named, id, event.at, false);
                self.names.arn(id, arn);
                self.first(event, Who::Id(id.clone()), arn, PrincipalKind::Role.node_type(), &named.account);
            }
            let minter = Minter { at: event.at, who: caller.who.clone(), key: caller.key.clone() };
            let known = self.minters.entry(minted.key).or_insert_with(|| minter.clone());
            if minter < *known {
                *known = minter;
            }
        }
        if let Some(rank) = replay::rank(event.service(), &event.name) {
            self.changes.push(Change {
                at: event.at,
                rank,
                event_id: event.id.clone(),
                source: event.collector(),
                account: event.account.clone(),
                region: event.region.clone(),
                name: format!("{}:{}", event.service(), replay::plain(&event.name)),
                caller: caller.who,
                request: Json(event.request().clone()),
                response: Json(event.response().clone()),
            });
        }
        Ok(())
    }

    fn first(&mut self, event: &Event, who: Who, name: &str, node_type: &'static str, account: &str) {
        let place = (event.collector(), who);
        if self.firsts.get(&place).is_some_and(|known| (known.at, &known.event_id) <= (event.at, &event.id)) {
            return;
        }
        let (name, account) = (name.to_owned(), account.to_owned());
        let first = First { at: event.at, event_id: event.id.clone(), name, node_type, account };
        self.firsts.insert(place, first);
    }

    /// The ids that creating calls answer with.
    fn made(&mut self, event: &Event) {
        if event.service() != "iam" || !event.name.starts_with("Create") {
            return;
        }
        for (member, unique, kind) in [
            ("user", "userId", PrincipalKind::User),
            ("role", "roleId", PrincipalKind::Role),
            ("group", "groupId", PrincipalKind::Group),
        ] {
            let made = &event.response()[member];
            let (Some(unique), Some(arn)) = (made[unique].as_str(), made["arn"].as_str()) else { continue };
            if let Some(named) =
                Arn::parse(arn).and_then(|arn| arn.principal()).filter(|named| named.kind == kind)
            {
                self.names.seen(&named, &id_of(unique), event.at, true);
                self.names.arn(&id_of(unique), arn);
            }
        }
    }

    /// Ends the pass: changes in order, each event once.
    pub(crate) fn finish(&mut self) {
        self.changes.sort_unstable();
        let mut known = BTreeSet::new();
        self.changes.retain(|change| known.insert((change.source.clone(), change.event_id.clone())));
    }

    /// The facts that first appearances are: an identity has its name and type from then on, and a key is its
    /// identity's. What was made before it appeared is known already, and what was deleted before is not
    /// brought back.
    pub(crate) fn appearances(
        &self,
        made: &BTreeMap<String, Instant>,
        deleted: &BTreeMap<String, Instant>,
    ) -> Vec<(String, Fact)> {
        let mut firsts: BTreeMap<(&str, String), &First> = BTreeMap::new();
        for ((source, who), first) in &self.firsts {
            let place = (source.as_str(), self.names.resolve(who, first.at));
            let known = firsts.entry(place).or_insert(first);
            if first < *known {
                *known = first;
            }
        }
        let mut found = Vec::new();
        for ((source, id), first) in firsts {
            if [made, deleted].iter().any(|known| known.get(&id).is_some_and(|at| *at <= first.at)) {
                continue;
            }
            let name = self.names.arn_of(&id).unwrap_or(&first.name);
            let mut cause = Cause::event(first.at, &first.event_id);
            cause.event_id.push_str("#seen");
            let value = identity(name, first.node_type, &first.account);
            found.push((source.to_owned(), cause.node(NodeKind::Identity, &id, value)));
        }
        for ((source, key), (at, event_id, who)) in &self.keys {
            let (secret, owner) = (id_of(key), self.names.resolve(who, *at));
            if self.minters.contains_key(key) || made.contains_key(&secret) {
                continue;
            }
            let mut cause = Cause::event(*at, event_id);
            cause.event_id.push_str("#seen");
            found.push((source.clone(), cause.edge(EdgeKind::AuthenticatesWith, &owner, &secret)));
        }
        found
    }

    /// Who stood behind the session of a key, outermost first.
    pub(crate) fn behind(&self, key: &str, chain: &mut Vec<String>) {
        const CHAIN_MAX: usize = 16;
        let mut key = key;
        while let Some(minter) = self.minters.get(key) {
            chain.push(self.names.resolve(&minter.who, minter.at));
            if chain.len() == CHAIN_MAX || minter.key == key {
                break;
            }
            key = &minter.key;
        }
        chain.reverse();
    }

    /// A user, role or group that a request names, by its id then.
    pub(crate) fn id_of_name(&self, named: &Named, at: Instant) -> String {
        self.names.resolve(&Who::Named(named.clone()), at)
    }
}
