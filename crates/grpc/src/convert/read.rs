//! A `WriteRequest` to a batch. What the model's types cannot say is found here; what they can, [`Batch::faults`] finds.

use std::collections::HashSet;

use asof_model::{
    Attributes, Batch, CoverageKind, CoverageValue, EdgeKind, EdgeRef, Effect, EntitlementValue, Fact, Fault,
    Instant, Limits, NodeKind, NodeRef, NodeValue, Observation, Op, Outcome, Privilege, PrivilegeSet,
    SecretState, SecretValue, Subject, Value,
};
use prost_types::Timestamp;

use super::time;
use super::unpack::unpack;
use crate::proto;

/// A batch as read. With faults, it has fillers in their places and is good for nothing but finding more of them.
#[derive(Debug)]
pub struct Read {
    batch: Batch,
    /// Observations before the packed ones.
    plain: usize,
    faults: Vec<Fault>,
}

impl Read {
    /// The batch, where reading it found nothing; else every faulty field of it, those that the model's types can say
    /// among them, in order of the records. `latest`: what was observed after it is refused.
    pub fn check(self, limits: &Limits, latest: Instant) -> Result<Batch, (String, Vec<Fault>)> {
        if self.faults.is_empty() {
            return Ok(self.batch);
        }
        let of_model = packed_names(self.batch.faults(limits, latest), self.plain);
        let mut faults = and_more(self.faults, of_model);
        faults.sort_by_key(|fault| place(&fault.field));
        Err((self.batch.batch_id, faults))
    }
}

/// The faults of reading, and those of the model behind them: but a filler's own fault has been told.
pub(super) fn and_more(told: Vec<Fault>, of_model: Vec<Fault>) -> Vec<Fault> {
    let named: HashSet<String> = told.iter().map(|fault| fault.field.clone()).collect();
    told.into_iter().chain(of_model.into_iter().filter(|fault| !named.contains(&fault.field))).collect()
}

/// Where in a batch a field stands: its own fields, then facts, then observations, by number.
fn place(field: &str) -> (u8, usize) {
    let number = |rest: &str| rest.split_once(']').and_then(|(number, _)| number.parse().ok()).unwrap_or(0);
    for (turn, list) in [(1, "facts["), (2, "observations["), (3, "packed[")] {
        if let Some(rest) = field.strip_prefix(list) {
            return (turn, number(rest));
        }
    }
    (0, 0)
}

/// The model counts a batch's observations through; a client knows its packed ones as rows of their own.
pub fn packed_names(mut faults: Vec<Fault>, plain: usize) -> Vec<Fault> {
    for fault in &mut faults {
        let parts = fault.field.strip_prefix("observations[").and_then(|rest| rest.split_once(']'));
        let row = parts.and_then(|(number, rest)| Some((number.parse::<usize>().ok()?, rest)));
        if let Some((row, rest)) = row.and_then(|(number, rest)| Some((number.checked_sub(plain)?, rest))) {
            fault.field = format!("packed[{row}]{rest}");
        }
    }
    faults
}

/// Reads a request. `limits` bound what packed observations unpack to.
pub fn batch(request: proto::WriteRequest, limits: &Limits) -> Read {
    let mut reader = Reader { record: String::new(), faults: Vec::new() };
    let facts = request.facts.into_iter().enumerate().map(|(place, fact)| {
        reader.record = format!("facts[{place}]");
        reader.fact(fact)
    });
    let facts = facts.collect();
    let observations = request.observations.into_iter().enumerate().map(|(place, seen)| {
        reader.record = format!("observations[{place}]");
        reader.observation(seen)
    });
    let mut observations: Vec<Observation> = observations.collect();
    let plain = observations.len();
    if let Some(packed) = &request.packed {
        unpack(packed, limits, &mut observations, &mut reader.faults);
    }
    Read {
        batch: Batch { source: request.source, batch_id: request.batch_id, facts, observations },
        plain,
        faults: reader.faults,
    }
}

/// Reads records, one after the other.
pub(super) struct Reader {
    /// `facts[3]`.
    record: String,
    faults: Vec<Fault>,
}

impl Reader {
    /// For one record of this name.
    pub(super) fn of(record: String) -> Self {
        Self { record, faults: Vec::new() }
    }

    /// What reading found.
    pub(super) fn faults(self) -> Vec<Fault> {
        self.faults
    }

    fn fault(&mut self, field: &str, why: impl Into<String>) {
        self.faults.push(Fault::new(format!("{}.{field}", self.record), why));
    }

    /// A member of an enumeration, where the number is one.
    fn member<T>(&mut self, field: &str, number: i32, from: fn(u8) -> Option<T>) -> Option<T> {
        let found = u8::try_from(number).ok().and_then(from);
        if found.is_none() {
            let why = if number == 0 { "required".to_owned() } else { format!("has no member {number}") };
            self.fault(field, why);
        }
        found
    }

    fn required(&mut self, field: &str, timestamp: Option<&Timestamp>, filler: Instant) -> Instant {
        if timestamp.is_none() {
            self.fault(field, "required");
        }
        self.optional(field, timestamp, filler).unwrap_or(filler)
    }

    fn optional(&mut self, field: &str, timestamp: Option<&Timestamp>, filler: Instant) -> Option<Instant> {
        timestamp.map(|timestamp| {
            time::instant(timestamp).unwrap_or_else(|why| {
                self.fault(field, why);
                filler
            })
        })
    }

    fn privileges(&mut self, field: &str, numbers: &[i32]) -> PrivilegeSet {
        let mut set = PrivilegeSet::EMPTY;
        for number in numbers {
            match u8::try_from(*number).ok().and_then(Privilege::from_number) {
                Some(privilege) => set.insert(privilege),
                None if *number == 0 => {
                    return self.strange(field, "PRIVILEGE_UNSPECIFIED is no privilege", set);
                }
                None => {
                    return self.strange(
                        field,
                        format!("there is no privilege with the number {number}"),
                        set,
                    );
                }
            }
        }
        set
    }

    fn strange(&mut self, field: &str, why: impl Into<String>, set: PrivilegeSet) -> PrivilegeSet {
        self.fault(field, why);
        set
    }

    fn fact(&mut self, fact: proto::Fact) -> Fact {
        use proto::fact::Subject as Wire;
        let puts = match fact.op {
            0 => Some(true),
            1 | 2 => Some(false),
            number => {
                self.fault("op", format!("has no member {number}"));
                None
            }
        };
        let (subject, value) = match fact.subject {
            Some(Wire::Node(node)) => self.node(node, puts == Some(true)),
            Some(Wire::Edge(edge)) => self.edge(edge),
            Some(Wire::Coverage(coverage)) => self.coverage(coverage),
            None => {
                self.fault("subject", "a node, an edge or a coverage is required");
                (Subject::Coverage(String::new()), Value::Edge(Attributes::new()))
            }
        };
        let op = match fact.op {
            0 => Op::Put(value),
            1 => Op::Delete,
            _ => Op::End,
        };
        Fact {
            subject,
            op,
            valid_from: self.required("valid_from", fact.valid_from.as_ref(), Instant::from_nanos(0)),
            valid_to: self
                .optional("valid_to", fact.valid_to.as_ref(), Instant::from_nanos(i64::MAX - 1))
                .unwrap_or(Instant::FOREVER),
            until_next: fact.until_next,
            event_id: fact.event_id,
            caused_by: fact.caused_by,
        }
    }

    pub(super) fn node(&mut self, node: proto::Node, puts: bool) -> (Subject, Value) {
        // The filler is the kind that has nothing of its own.
        let kind = self.member("node.kind", node.kind, NodeKind::from_number);
        if !puts {
            // With PUT the model finds it.
            for (field, said, of) in [
                ("node.entitlement", node.entitlement.is_some(), NodeKind::Entitlement),
                ("node.secret", node.secret.is_some(), NodeKind::Secret),
            ] {
                if said && kind != Some(of) {
                    self.fault(field, format!("is for {of} alone"));
                }
            }
        }
        let value = NodeValue {
            name: node.name,
            node_type: node.r#type,
            attributes: node.attributes,
            entitlement: node.entitlement.map(|said| self.entitlement(said)),
            secret: node.secret.map(|said| self.secret(&said)),
        };
        (Subject::Node(NodeRef { kind: kind.unwrap_or(NodeKind::Owner), id: node.id }), Value::Node(value))
    }

    fn entitlement(&mut self, said: proto::Entitlement) -> EntitlementValue {
        EntitlementValue {
            effect: self
                .member("node.entitlement.effect", said.effect, Effect::from_number)
                .unwrap_or(Effect::Allow),
            privileges: self.privileges("node.entitlement.privileges", &said.privileges),
            scopes: said.scopes,
            actions: said.actions,
            conditional: said.conditional,
        }
    }

    fn secret(&mut self, said: &proto::Secret) -> SecretValue {
        let filler = Instant::from_nanos(0);
        SecretValue {
            state: self
                .member("node.secret.state", said.state, SecretState::from_number)
                .unwrap_or(SecretState::Active),
            issued_at: self.optional("node.secret.issued_at", said.issued_at.as_ref(), filler),
            expires_at: self.optional("node.secret.expires_at", said.expires_at.as_ref(), filler),
            last_rotated_at: self.optional(
                "node.secret.last_rotated_at",
                said.last_rotated_at.as_ref(),
                filler,
            ),
        }
    }

    pub(super) fn edge(&mut self, edge: proto::Edge) -> (Subject, Value) {
        let kind = self.member("edge.kind", edge.kind, EdgeKind::from_number);
        let said = if edge.to_kind == 0 {
            None
        } else {
            self.member("edge.to_kind", edge.to_kind, NodeKind::from_number)
        };
        let to_kind = match kind.and_then(|kind| kind.ends().1) {
            Some(own) => {
                if said.is_some_and(|said| said != own) {
                    self.fault("edge.to_kind", "goes with OWNS alone: of other edges the kind says it");
                }
                own
            }
            None => {
                if kind == Some(EdgeKind::Owns) && edge.to_kind == 0 {
                    self.fault("edge.to_kind", "is required with OWNS, and is any kind but OWNER");
                }
                // An edge whose kind is not known has no fault here beside that.
                said.unwrap_or(if kind.is_some() { NodeKind::Owner } else { NodeKind::Identity })
            }
        };
        let kind = kind.unwrap_or(EdgeKind::MemberOf);
        (Subject::Edge(EdgeRef { kind, from: edge.from, to_kind, to: edge.to }), Value::Edge(edge.attributes))
    }

    fn coverage(&mut self, said: proto::Coverage) -> (Subject, Value) {
        let value = CoverageValue {
            kind: self
                .member("coverage.kind", said.kind, CoverageKind::from_number)
                .unwrap_or(CoverageKind::Observations),
            identities: said.identities,
            resources: said.resources,
            privileges: self.privileges("coverage.privileges", &said.privileges),
        };
        (Subject::Coverage(said.scope), Value::Coverage(value))
    }

    fn observation(&mut self, seen: proto::Observation) -> Observation {
        let privilege = if seen.privilege == 0 {
            self.fault(
                "privilege",
                "required: no catalogue here classifies the action (OTHER says that none does)",
            );
            None
        } else {
            self.member("privilege", seen.privilege, Privilege::from_number)
        };
        let outcome =
            if seen.outcome == 0 { None } else { self.member("outcome", seen.outcome, Outcome::from_number) };
        Observation {
            event_id: seen.event_id,
            time: self.required("time", seen.time.as_ref(), Instant::from_nanos(0)),
            identity: seen.identity,
            actor: seen.actor,
            secret: seen.secret,
            workload: seen.workload,
            resource: seen.resource,
            action: seen.action,
            privilege: privilege.unwrap_or(Privilege::Other),
            outcome: outcome.unwrap_or(Outcome::Success),
            source_ip: seen.source_ip,
            region: seen.region,
            session: seen.session,
            attributes: seen.attributes,
            actor_chain: seen.actor_chain,
            raw_sha256: seen.raw_sha256,
            raw_ref: seen.raw_ref,
            granted_by: seen.granted_by,
        }
    }
}
