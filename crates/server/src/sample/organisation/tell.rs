//! The words in which the organisation is told, and how they become batches.

use std::collections::{BTreeMap, BTreeSet};

use asof_model::{
    Attributes, Batch, CoverageKind, CoverageValue, Duration, EdgeKind, EdgeRef, Effect, EntitlementValue,
    Fact, Instant, Interval, NodeKind, NodeRef, NodeValue, Observation, Op, Outcome, Privilege, PrivilegeSet,
    SecretState, SecretValue, Subject, Value,
};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

use super::{BATCH_RECORDS, END, JANUARY, LONG_AGO};

/// From long ago until further notice.
pub const ALWAYS: Interval = Interval { from: LONG_AGO, to: Instant::FOREVER };
/// The three months.
pub const QUARTER: Interval = Interval { from: JANUARY, to: END };

/// From then on.
pub const fn since(from: Instant) -> Interval {
    Interval { from, to: Instant::FOREVER }
}

/// An identity, with what it usually signs in with and runs on.
#[derive(Clone)]
pub struct Who {
    pub id: String,
    pub secret: String,
    pub workload: String,
    pub source_ip: String,
    pub region: &'static str,
}

/// One kind of use: a privilege by an action on a resource, so many times a day.
#[derive(Clone, Copy)]
pub struct Use<'a> {
    pub privilege: Privilege,
    pub action: &'a str,
    pub on: &'a str,
    pub per_day: u32,
}

/// All that is told so far.
pub struct Org {
    /// By source.
    facts: BTreeMap<String, Vec<Fact>>,
    observations: BTreeMap<String, Vec<Observation>>,
    stated: BTreeSet<(NodeKind, String)>,
    random: Xoshiro256PlusPlus,
}

impl Org {
    pub fn new() -> Self {
        Self {
            facts: BTreeMap::new(),
            observations: BTreeMap::new(),
            stated: BTreeSet::new(),
            random: Xoshiro256PlusPlus::seed_from_u64(2026),
        }
    }

    /// An identity of a team, with a workload that runs as it and a secret of its own.
    pub fn identity(&mut self, id: &str, name: &str, kind: &str, env: &str, team: &str) -> Who {
        self.identity_during(id, name, kind, env, team, ALWAYS)
    }

    /// One that is created, or deleted, within the three months.
    pub fn identity_during(
        &mut self,
        id: &str,
        name: &str,
        kind: &str,
        env: &str,
        team: &str,
        during: Interval,
    ) -> Who {
        let mut who = self.keyless(id, name, kind, env, team, during);
        who.secret = format!("{}key/{name}", provider_of(id));
        self.key(&who.secret, during);
        self.edge(&inventory_of(id), EdgeKind::AuthenticatesWith, id, &who.secret, during);
        who
    }

    /// One whose secrets are told apart from it.
    pub fn keyless(
        &mut self,
        id: &str,
        name: &str,
        kind: &str,
        env: &str,
        team: &str,
        during: Interval,
    ) -> Who {
        let source = inventory_of(id);
        let mut value = named(name, kind);
        value.attributes.insert("env".to_owned(), env.to_owned());
        self.node(&source, NodeKind::Identity, id, value, during);
        if during.to < Instant::FOREVER {
            let gone = Subject::Node(NodeRef { kind: NodeKind::Identity, id: id.to_owned() });
            self.fact(&source, gone, Op::Delete, since(during.to));
        }
        let owner = format!("team/{team}");
        self.once(&source, NodeKind::Owner, &owner, named(team, "team"));
        self.edge(&source, EdgeKind::Owns, &owner, id, during);
        let who = Who {
            id: id.to_owned(),
            secret: String::new(),
            workload: format!("{}run/{name}", provider_of(id)),
            source_ip: format!(
                "10.20.{}.{}",
                self.random.random_range(0..32),
                self.random.random_range(1..255)
            ),
            region: ["eu-west-1", "eu-central-1", "us-east-1"][self.random.random_range(0..3)],
        };
        self.once(&source, NodeKind::Workload, &who.workload, named(name, "service"));
        self.edge(&source, EdgeKind::RunsAs, &who.workload, id, during);
        who
    }

    /// A key that works over a stretch, issued at its start.
    pub fn key(&mut self, id: &str, during: Interval) {
        let key = SecretValue { issued_at: Some(during.from), ..SecretValue::default() };
        self.secret(id, key, during);
    }

    /// A key that no longer works.
    pub fn revoked_key(&mut self, id: &str, issued_at: Instant, revoked_at: Instant) {
        let key =
            SecretValue { state: SecretState::Revoked, issued_at: Some(issued_at), ..SecretValue::default() };
        self.secret(id, key, since(revoked_at));
    }

    fn secret(&mut self, id: &str, secret: SecretValue, during: Interval) {
        let value = NodeValue { secret: Some(secret), ..named("", "api.key") };
        self.node(&inventory_of(id), NodeKind::Secret, id, value, during);
    }

    /// The identity is granted an entitlement over a stretch.
    pub fn grant(
        &mut self,
        who: &str,
        entitlement: &str,
        privileges: &[Privilege],
        on: &[&str],
        during: Interval,
    ) {
        self.entitlement(who, entitlement, Effect::Allow, privileges, on, during);
    }

    /// The identity is denied, whatever else it is granted.
    pub fn deny(&mut self, who: &str, entitlement: &str, privileges: &[Privilege], on: &[&str]) {
        self.entitlement(who, entitlement, Effect::Deny, privileges, on, ALWAYS);
    }

    fn entitlement(
        &mut self,
        who: &str,
        id: &str,
        effect: Effect,
        privileges: &[Privilege],
        on: &[&str],
        during: Interval,
    ) {
        let source = inventory_of(who);
        let entitlement = EntitlementValue {
            effect,
            privileges: privileges.iter().copied().collect(),
            scopes: on.iter().map(|&scope| scope.to_owned()).collect(),
            actions: Vec::new(),
            conditional: false,
        };
        let name = id.rsplit_once('/').map_or(id, |(_, name)| name);
        let value = NodeValue { entitlement: Some(entitlement), ..named(name, "policy") };
        self.once(&source, NodeKind::Entitlement, id, value);
        self.edge(&source, EdgeKind::Holds, who, id, during);
        for resource in on.iter().filter(|scope| !asof_model::is_glob(scope)) {
            let kind = resource.split_once(':').map_or("resource", |(kind, _)| kind);
            self.once(&source, NodeKind::Resource, resource, named("", kind));
        }
    }

    /// An edge that is no grant.
    pub fn edge(&mut self, source: &str, kind: EdgeKind, from: &str, to: &str, during: Interval) {
        let to_kind = kind.ends().1.unwrap_or(NodeKind::Identity);
        let subject = Subject::Edge(EdgeRef { kind, from: from.to_owned(), to_kind, to: to.to_owned() });
        self.fact(source, subject, Op::Put(Value::Edge(Attributes::new())), during);
    }

    /// It does so day by day over a stretch: each time once within an equal part of the day.
    pub fn uses(&mut self, who: &Who, how: Use<'_>, during: Interval) {
        let part = 86_400 / i64::from(how.per_day.max(1));
        let mut midnight = during.from;
        while midnight < during.to {
            for number in 0..i64::from(how.per_day) {
                let second = number * part + self.random.random_range(0..part);
                let at = midnight.plus(Duration::from_secs(second));
                if at < during.to {
                    self.saw(who, how, at, |_| {});
                }
            }
            midnight = midnight.plus(Duration::from_secs(86_400));
        }
    }

    /// It did so once; `but` says what was special.
    pub fn saw(&mut self, who: &Who, how: Use<'_>, at: Instant, but: impl FnOnce(&mut Observation)) {
        let mut seen = Observation::new(who.id.as_str(), at, how.privilege);
        seen.secret.clone_from(&who.secret);
        seen.workload.clone_from(&who.workload);
        seen.source_ip.clone_from(&who.source_ip);
        who.region.clone_into(&mut seen.region);
        how.on.clone_into(&mut seen.resource);
        how.action.clone_into(&mut seen.action);
        but(&mut seen);
        self.observations.entry(log_of(&who.id)).or_default().push(seen);
    }

    /// It tried so once and was refused.
    pub fn refused(&mut self, who: &Who, how: Use<'_>, at: Instant) {
        self.saw(who, how, at, |seen| seen.outcome = Outcome::Denied);
    }

    /// The log of these identities was delivered whole over the stretch.
    pub fn log_covers(&mut self, identities: &str, during: Interval) {
        self.covers(&log_of(identities), CoverageKind::Observations, identities, during);
    }

    /// The inventory of these identities was stated whole over the stretch.
    pub fn inventory_covers(&mut self, identities: &str, during: Interval) {
        self.covers(&inventory_of(identities), CoverageKind::Posture, identities, during);
    }

    fn covers(&mut self, source: &str, kind: CoverageKind, identities: &str, during: Interval) {
        let value = CoverageValue {
            kind,
            identities: vec![identities.to_owned()],
            resources: Vec::new(),
            privileges: PrivilegeSet::EMPTY,
        };
        let scope = format!("{} of {identities}", kind.name().to_ascii_lowercase());
        self.fact(source, Subject::Coverage(scope), Op::Put(Value::Coverage(value)), during);
    }

    /// A node that is stated where it is first spoken of.
    fn once(&mut self, source: &str, kind: NodeKind, id: &str, value: NodeValue) {
        if self.stated.insert((kind, id.to_owned())) {
            self.node(source, kind, id, value, ALWAYS);
        }
    }

    fn node(&mut self, source: &str, kind: NodeKind, id: &str, value: NodeValue, during: Interval) {
        let subject = Subject::Node(NodeRef { kind, id: id.to_owned() });
        self.fact(source, subject, Op::Put(Value::Node(value)), during);
    }

    fn fact(&mut self, source: &str, subject: Subject, op: Op, during: Interval) {
        self.facts.entry(source.to_owned()).or_default().push(Fact {
            subject,
            op,
            valid_from: during.from,
            valid_to: during.to,
            until_next: false,
            event_id: String::new(),
            caused_by: String::new(),
        });
    }

    /// Facts source by source, then each log in order of time, its events numbered.
    pub fn into_batches(self) -> Vec<Batch> {
        let mut batches = Vec::new();
        for (source, facts) in self.facts {
            for (number, facts) in facts.chunks(BATCH_RECORDS).enumerate() {
                let batch_id = format!("sample-posture-{number}");
                let source = source.clone();
                batches.push(Batch { source, batch_id, facts: facts.to_vec(), observations: Vec::new() });
            }
        }
        for (source, mut seen) in self.observations {
            seen.sort_by_key(|each| each.time);
            for (number, each) in seen.iter_mut().enumerate() {
                each.event_id = format!("event-{number:05}");
            }
            for (number, seen) in seen.chunks(BATCH_RECORDS).enumerate() {
                let batch_id = format!("sample-runtime-{number}");
                let source = source.clone();
                batches.push(Batch { source, batch_id, facts: Vec::new(), observations: seen.to_vec() });
            }
        }
        batches
    }
}

fn named(name: &str, kind: &str) -> NodeValue {
    NodeValue { name: name.to_owned(), node_type: kind.to_owned(), ..NodeValue::default() }
}

/// `aws:` of `aws:AROA...`.
fn provider_of(id: &str) -> &str {
    id.find(':').map_or("", |colon| &id[..=colon])
}

fn inventory_of(id: &str) -> String {
    format!("inventory/{}", provider_of(id).trim_end_matches(':'))
}

fn log_of(id: &str) -> String {
    format!("log/{}", provider_of(id).trim_end_matches(':'))
}
