//! The posture as facts.

use std::sync::Arc;

use asof_model::{
    Attributes, Duration, EdgeKind, EdgeRef, Effect, EntitlementValue, Fact, Instant, Interval, NodeKind,
    NodeRef, NodeValue, Op, Privilege, SecretState, SecretValue, Subject, Value,
};

use super::posture::{ENVIRONMENTS, TYPES, World};
use super::resource_id;

/// The id of an identity.
pub fn identity_id(number: u32) -> String {
    format!("identity/{number:07}")
}

/// The id of a secret.
pub fn secret_id(number: u32) -> String {
    format!("secret/{number:07}")
}

/// The id of a workload.
pub fn workload_id(number: u32) -> String {
    format!("workload/{number:06}")
}

/// The id of a team.
pub fn owner_id(number: u32) -> String {
    format!("team/{number:04}")
}

/// The id of the entitlement that grants a privilege on a resource.
pub fn entitlement_id(privilege: Privilege, resource: u32) -> String {
    format!("{privilege}@{}", resource_id(resource))
}

/// All posture: nodes first, then edges.
pub fn facts(world: Arc<World>) -> impl Iterator<Item = Fact> + Send {
    let size = world.workload;
    let since = size.span().from.minus(Duration::from_secs(730 * 86_400));
    let always = Interval { from: since, to: Instant::FOREVER };
    let owners = (0..size.owners).map(move |number| plain(NodeKind::Owner, owner_id(number), "team", always));
    let resources = (0..size.resources)
        .map(move |number| plain(NodeKind::Resource, resource_id(number), "table", always));
    let workloads =
        (0..size.workloads).map(move |number| plain(NodeKind::Workload, workload_id(number), "pod", always));
    let entitlements = entitlements(&world, always);
    let identities = over(&world, size.identities as usize, identity_facts);
    let secrets = over(&world, world.secrets.len(), secret_facts);
    let runs = over(&world, world.runs_as.len(), |world, place| {
        let link = &world.runs_as[place];
        [edge(EdgeKind::RunsAs, workload_id(link.from), identity_id(link.to), link.during)]
    });
    let assumes = over(&world, world.can_assume.len(), |world, place| {
        let link = &world.can_assume[place];
        [edge(EdgeKind::CanAssume, identity_id(link.from), identity_id(link.to), link.during)]
    });
    owners
        .chain(resources)
        .chain(workloads)
        .chain(entitlements)
        .chain(identities)
        .chain(secrets)
        .chain(runs)
        .chain(assumes)
}

/// The facts about each of `count` things, one thing after the other.
fn over<F: IntoIterator<Item = Fact>>(
    world: &Arc<World>,
    count: usize,
    about: fn(&World, usize) -> F,
) -> impl Iterator<Item = Fact> + use<F> {
    let world = Arc::clone(world);
    (0..count).flat_map(move |place| about(&world, place))
}

fn entitlements(world: &World, always: Interval) -> impl Iterator<Item = Fact> + use<> {
    let mut granted: Vec<(u32, Privilege)> =
        world.grants.iter().map(|grant| (grant.resource, grant.privilege)).collect();
    granted.sort_unstable();
    granted.dedup();
    granted.into_iter().map(move |(resource, privilege)| {
        let value = NodeValue {
            node_type: "grant".to_owned(),
            entitlement: Some(EntitlementValue {
                effect: Effect::Allow,
                privileges: [privilege].into_iter().collect(),
                scopes: vec![resource_id(resource)],
                actions: Vec::new(),
                conditional: false,
            }),
            ..NodeValue::default()
        };
        node(NodeKind::Entitlement, entitlement_id(privilege, resource), value, always)
    })
}

fn identity_facts(world: &World, place: usize) -> Vec<Fact> {
    let number = place as u32;
    let said = world.identity(number);
    let id = identity_id(number);
    let value = NodeValue {
        name: format!("service-{number}"),
        node_type: TYPES[said.kind].to_owned(),
        attributes: Attributes::from([("env".to_owned(), ENVIRONMENTS[said.environment].to_owned())]),
        ..NodeValue::default()
    };
    let mut facts = vec![node(NodeKind::Identity, id.clone(), value, said.during)];
    if said.during.to < Instant::FOREVER {
        let gone = Interval { from: said.during.to, to: Instant::FOREVER };
        facts.push(fact(
            Subject::Node(NodeRef { kind: NodeKind::Identity, id: id.clone() }),
            Op::Delete,
            gone,
        ));
    }
    facts.push(edge(EdgeKind::Owns, owner_id(said.owner), id.clone(), said.during));
    facts.extend(world.grants_of(number).iter().map(|grant| {
        edge(EdgeKind::Holds, id.clone(), entitlement_id(grant.privilege, grant.resource), grant.during)
    }));
    facts
}

fn secret_facts(world: &World, place: usize) -> Vec<Fact> {
    let said = &world.secrets[place];
    let id = secret_id(said.number);
    let state = |state, during| {
        let secret = SecretValue { state, issued_at: Some(said.issued), ..SecretValue::default() };
        let value =
            NodeValue { node_type: "api.key".to_owned(), secret: Some(secret), ..NodeValue::default() };
        node(NodeKind::Secret, id.clone(), value, during)
    };
    let mut facts = vec![state(SecretState::Active, Interval { from: said.issued, to: said.revoked })];
    if said.revoked < Instant::FOREVER {
        facts.push(state(SecretState::Revoked, Interval { from: said.revoked, to: Instant::FOREVER }));
    }
    let whole = Interval { from: said.issued, to: Instant::FOREVER };
    facts.push(edge(EdgeKind::AuthenticatesWith, identity_id(said.identity), id.clone(), whole));
    facts
}

fn plain(kind: NodeKind, id: String, node_type: &str, during: Interval) -> Fact {
    node(kind, id, NodeValue { node_type: node_type.to_owned(), ..NodeValue::default() }, during)
}

fn node(kind: NodeKind, id: String, value: NodeValue, during: Interval) -> Fact {
    fact(Subject::Node(NodeRef { kind, id }), Op::Put(Value::Node(value)), during)
}

fn edge(kind: EdgeKind, from: String, to: String, during: Interval) -> Fact {
    let to_kind = kind.ends().1.unwrap_or(NodeKind::Identity);
    fact(Subject::Edge(EdgeRef { kind, from, to_kind, to }), Op::Put(Value::Edge(Attributes::new())), during)
}

fn fact(subject: Subject, op: Op, during: Interval) -> Fact {
    Fact {
        subject,
        op,
        valid_from: during.from,
        valid_to: during.to,
        until_next: false,
        event_id: String::new(),
        caused_by: String::new(),
    }
}
