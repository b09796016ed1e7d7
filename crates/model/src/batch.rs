//! A batch, and what the door refuses.

use crate::{Attributes, Fact, Instant, Limits, NodeKind, Observation, Op, Subject, Value};

/// One atomic batch of one source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Batch {
    /// Which collector.
    pub source: String,
    /// Unique per source; empty: none.
    pub batch_id: String,
    /// Posture; recorded before the observations.
    pub facts: Vec<Fact>,
    /// Runtime.
    pub observations: Vec<Observation>,
}

/// A field of a batch that is at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `observations[17].time`.
    pub field: String,
    /// What is wrong and what would be right.
    pub why: String,
}

impl Fault {
    /// A fault of a field.
    pub fn new(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self { field: field.into(), why: why.into() }
    }
}

/// Faults that are collected of one batch: more tell nobody more.
const FAULTS_MAX: usize = 10_000;

/// Collects the faults of one record under its prefix.
struct Checker<'a> {
    limits: &'a Limits,
    /// The list and the number of the record; only a fault needs them as text.
    record: Option<(&'static str, usize)>,
    bytes: usize,
    faults: Vec<Fault>,
}

impl Batch {
    /// Every faulty field, in order of the records. `latest`: what was observed after it is refused.
    ///
    /// What the types already rule out (unknown kinds, missing times) is found where the wire is read.
    pub fn faults(&self, limits: &Limits, latest: Instant) -> Vec<Fault> {
        let mut checker = Checker { limits, record: None, bytes: 0, faults: Vec::new() };
        checker.id("source", &self.source, true, limits.text_bytes);
        checker.id("batch_id", &self.batch_id, false, limits.text_bytes);
        let records = self.facts.len() + self.observations.len();
        if records > limits.records_per_batch {
            checker.fault(
                "records",
                format!(
                    "{records} in one batch; the limit is {} (records_per_batch)",
                    limits.records_per_batch
                ),
            );
            return checker.faults;
        }
        for (place, fact) in self.facts.iter().enumerate() {
            checker.begin("facts", place);
            checker.fact(fact);
            checker.end();
        }
        for (place, seen) in self.observations.iter().enumerate() {
            checker.begin("observations", place);
            checker.observation(seen, latest);
            checker.end();
        }
        checker.faults
    }
}

/// Most ids are ASCII, and are looked at byte by byte.
fn has_control(id: &str) -> bool {
    if id.is_ascii() {
        id.bytes().any(|byte| byte.is_ascii_control())
    } else {
        id.chars().any(char::is_control)
    }
}

impl Checker<'_> {
    fn begin(&mut self, list: &'static str, place: usize) {
        self.record = Some((list, place));
        self.bytes = 0;
    }

    fn end(&mut self) {
        if self.bytes > self.limits.bytes_per_record {
            let limit = self.limits.bytes_per_record;
            let field = self.record.map_or(String::new(), |(list, place)| format!("{list}[{place}]"));
            self.faults.push(Fault::new(
                field,
                format!("its texts have {} bytes; the limit is {limit} (bytes_per_record)", self.bytes),
            ));
        }
    }

    fn fault(&mut self, field: &str, why: impl Into<String>) {
        if self.faults.len() >= FAULTS_MAX {
            return;
        }
        let field = match self.record {
            Some((list, place)) => format!("{list}[{place}].{field}"),
            None => field.to_owned(),
        };
        self.faults.push(Fault::new(field, why));
    }

    fn text(&mut self, field: &str, text: &str, most: usize, limit: &str) {
        self.bytes += text.len();
        if text.len() > most {
            self.fault(field, format!("has {} bytes; the limit is {most} ({limit})", text.len()));
        }
    }

    fn id(&mut self, field: &str, id: &str, required: bool, most: usize) {
        self.bytes += id.len();
        if id.is_empty() {
            if required {
                self.fault(field, "required");
            }
        } else if id.len() > most {
            self.fault(field, format!("has {} bytes; the limit is {most}", id.len()));
        } else if has_control(id) {
            self.fault(field, "holds a control character");
        }
    }

    fn list(&mut self, field: &str, texts: &[String], what: &str) {
        if texts.len() > self.limits.list_entries {
            let limit = self.limits.list_entries;
            self.fault(field, format!("has {} entries; the limit is {limit} (list_entries)", texts.len()));
            return;
        }
        for (place, text) in texts.iter().enumerate() {
            self.bytes += text.len();
            if text.is_empty() {
                let why = format!("is empty; {what} has at least one character");
                self.fault(&format!("{field}[{place}]"), why);
            } else if text.len() > self.limits.scope_bytes {
                let limit = self.limits.scope_bytes;
                let why = format!("has {} bytes; the limit is {limit} (scope_bytes)", text.len());
                self.fault(&format!("{field}[{place}]"), why);
            }
        }
    }

    fn attributes(&mut self, field: &str, attributes: &Attributes) {
        let limits = *self.limits;
        if attributes.len() > limits.attributes_per_record {
            self.fault(
                field,
                format!(
                    "has {} attributes; the limit is {} (attributes_per_record)",
                    attributes.len(),
                    limits.attributes_per_record
                ),
            );
            return;
        }
        for (key, value) in attributes {
            if key.is_empty() {
                self.fault(field, "has an attribute without a key");
            }
            self.text(field, key, limits.attribute_key_bytes, "attribute_key_bytes");
            self.text(field, value, limits.attribute_value_bytes, "attribute_value_bytes");
        }
    }

    fn instant(&mut self, field: &str, instant: Instant) {
        if !instant.is_in_range() {
            self.fault(field, "not between 1970 and 2262");
        }
    }

    fn fact(&mut self, fact: &Fact) {
        let ids = self.limits.id_bytes;
        match &fact.subject {
            Subject::Node(node) => {
                self.id("node.id", &node.id, true, ids);
                if let Op::Put(Value::Node(value)) = &fact.op {
                    self.text("node.name", &value.name, self.limits.text_bytes, "text_bytes");
                    self.text("node.type", &value.node_type, self.limits.text_bytes, "text_bytes");
                    self.attributes("node.attributes", &value.attributes);
                    if node.kind == NodeKind::Entitlement {
                        match &value.entitlement {
                            None => self.fault("node.entitlement", "required for an ENTITLEMENT"),
                            Some(said) => {
                                if said.privileges.is_empty()
                                    || said.privileges.iter().any(|each| !each.can_be_held())
                                {
                                    self.fault(
                                        "node.entitlement.privileges",
                                        "at least one is required, each of LIST to ADMIN",
                                    );
                                }
                                if said.scopes.is_empty() {
                                    self.fault("node.entitlement.scopes", "at least one is required");
                                }
                                self.list("node.entitlement.scopes", &said.scopes, "a scope");
                                self.list("node.entitlement.actions", &said.actions, "an action");
                            }
                        }
                    } else if value.entitlement.is_some() {
                        self.fault("node.entitlement", "is for ENTITLEMENT alone");
                    }
                    match &value.secret {
                        Some(_) if node.kind != NodeKind::Secret => {
                            self.fault("node.secret", "is for SECRET alone");
                        }
                        Some(secret) => {
                            for (field, at) in [
                                ("node.secret.issued_at", secret.issued_at),
                                ("node.secret.expires_at", secret.expires_at),
                                ("node.secret.last_rotated_at", secret.last_rotated_at),
                            ] {
                                if let Some(at) = at {
                                    self.instant(field, at);
                                }
                            }
                        }
                        None => {}
                    }
                }
            }
            Subject::Edge(edge) => {
                self.id("edge.from", &edge.from, true, ids);
                self.id("edge.to", &edge.to, true, ids);
                if edge.to_kind == NodeKind::Owner {
                    self.fault("edge.to_kind", "is required with OWNS, and is any kind but OWNER");
                }
                if let Op::Put(Value::Edge(attributes)) = &fact.op {
                    self.attributes("edge.attributes", attributes);
                }
            }
            Subject::Coverage(scope) => {
                self.text("coverage.scope", scope, self.limits.text_bytes, "text_bytes");
                if let Op::Put(Value::Coverage(said)) = &fact.op {
                    self.list("coverage.identities", &said.identities, "a glob");
                    self.list("coverage.resources", &said.resources, "a glob");
                }
            }
        }
        self.instant("valid_from", fact.valid_from);
        if fact.valid_to != Instant::FOREVER {
            self.instant("valid_to", fact.valid_to);
            if fact.valid_to <= fact.valid_from {
                self.fault("valid_to", "is not after valid_from");
            }
            if fact.until_next {
                self.fault("until_next", "goes not with valid_to");
            }
        }
        self.text("event_id", &fact.event_id, self.limits.text_bytes, "text_bytes");
        self.text("caused_by", &fact.caused_by, self.limits.text_bytes, "text_bytes");
    }

    fn observation(&mut self, seen: &Observation, latest: Instant) {
        let (ids, texts) = (self.limits.id_bytes, self.limits.text_bytes);
        self.id("identity", &seen.identity, true, ids);
        for (field, id) in [
            ("actor", &seen.actor),
            ("secret", &seen.secret),
            ("workload", &seen.workload),
            ("resource", &seen.resource),
        ] {
            self.id(field, id, false, ids);
        }
        self.instant("time", seen.time);
        if seen.time.is_in_range() && seen.time > latest {
            self.fault("time", format!("is in the future: after {latest}, this clock with the skew allowed"));
        }
        for (field, text) in [
            ("event_id", &seen.event_id),
            ("action", &seen.action),
            ("source_ip", &seen.source_ip),
            ("region", &seen.region),
            ("session", &seen.session),
            ("raw_ref", &seen.raw_ref),
        ] {
            self.text(field, text, texts, "text_bytes");
        }
        self.attributes("attributes", &seen.attributes);
        self.list("actor_chain", &seen.actor_chain, "an actor");
        self.list("granted_by", &seen.granted_by, "a reason");
        if !matches!(seen.raw_sha256.len(), 0 | 32) {
            self.fault("raw_sha256", format!("has {} bytes; a SHA-256 has 32", seen.raw_sha256.len()));
        }
    }
}
