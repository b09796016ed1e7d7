//! Canonical bytes of records: what is stored and hashed. A schema of its own, apart from the wire; see FORMAT.md.

use asof_model::{
    Attributes, CoverageKind, CoverageValue, EdgeKind, EdgeRef, Effect, EntitlementValue, Fact, Instant,
    NodeKind, NodeRef, NodeValue, Observation, Op, Outcome, Privilege, PrivilegeSet, Record, RecordBody,
    SecretState, SecretValue, Subject, Value,
};

use crate::codec::{Decoder, Encoder};
use crate::error::StorageError;

/// The first byte of canonical bytes.
pub(crate) const CANONICAL_VERSION: u8 = 1;

const FACT: u8 = 1;
const OBSERVATION: u8 = 2;

/// Everything but when and by whom: equal for equal contents.
pub(crate) fn encode_body(body: &RecordBody) -> Vec<u8> {
    // Most bodies fit, and are not moved as they grow.
    let mut to = Encoder(Vec::with_capacity(192));
    match body {
        RecordBody::Fact(fact) => {
            to.byte(FACT);
            encode_fact(&mut to, fact);
        }
        RecordBody::Observation(seen) => {
            to.byte(OBSERVATION);
            encode_observation(&mut to, seen);
        }
    }
    to.0
}

/// Version, recorded_at, source, body.
pub(crate) fn encode(recorded_at: Instant, source: &str, body: &[u8]) -> Vec<u8> {
    let mut to = Encoder(Vec::with_capacity(body.len() + source.len() + 12));
    to.byte(CANONICAL_VERSION);
    to.instant(recorded_at);
    to.text(source);
    to.0.extend(body);
    to.0
}

/// The body's bytes within canonical bytes.
pub(crate) fn body_of(canonical: &[u8]) -> Result<&[u8], StorageError> {
    let mut from = Decoder::new("record", canonical);
    from.byte()?;
    from.instant()?;
    from.text()?;
    Ok(from.rest())
}

pub(crate) fn decode(index: u64, canonical: &[u8]) -> Result<Record, StorageError> {
    let mut from = Decoder::new("record", canonical);
    if from.byte()? != CANONICAL_VERSION {
        return Err(from.wrong("unknown version of canonical bytes"));
    }
    let recorded_at = from.instant()?;
    let source = from.text()?.to_owned();
    let body = match from.byte()? {
        FACT => RecordBody::Fact(decode_fact(&mut from)?),
        OBSERVATION => RecordBody::Observation(Box::new(decode_observation(&mut from)?)),
        _ => return Err(from.wrong("unknown kind of record")),
    };
    from.end()?;
    Ok(Record { index, recorded_at, source, body })
}

fn encode_fact(to: &mut Encoder, fact: &Fact) {
    match &fact.subject {
        Subject::Node(node) => {
            to.byte(1);
            to.byte(node.kind.number());
            to.text(&node.id);
        }
        Subject::Edge(edge) => {
            to.byte(2);
            to.byte(edge.kind.number());
            to.text(&edge.from);
            to.byte(edge.to_kind.number());
            to.text(&edge.to);
        }
        Subject::Coverage(scope) => {
            to.byte(3);
            to.text(scope);
        }
    }
    match &fact.op {
        Op::Put(value) => {
            to.byte(0);
            encode_value(to, value);
        }
        Op::Delete => to.byte(1),
        Op::End => to.byte(2),
    }
    to.instant(fact.valid_from);
    to.instant(fact.valid_to);
    to.byte(u8::from(fact.until_next));
    to.text(&fact.event_id);
    to.text(&fact.caused_by);
}

fn decode_fact(from: &mut Decoder<'_>) -> Result<Fact, StorageError> {
    let subject = match from.byte()? {
        1 => Subject::Node(NodeRef { kind: node_kind(from)?, id: from.text()?.to_owned() }),
        2 => {
            let kind = EdgeKind::from_number(from.byte()?).ok_or_else(|| from.wrong("unknown edge kind"))?;
            let start = from.text()?.to_owned();
            Subject::Edge(EdgeRef {
                kind,
                from: start,
                to_kind: node_kind(from)?,
                to: from.text()?.to_owned(),
            })
        }
        3 => Subject::Coverage(from.text()?.to_owned()),
        _ => return Err(from.wrong("unknown subject")),
    };
    let op = match from.byte()? {
        0 => Op::Put(decode_value(from)?),
        1 => Op::Delete,
        2 => Op::End,
        _ => return Err(from.wrong("unknown op")),
    };
    Ok(Fact {
        subject,
        op,
        valid_from: from.instant()?,
        valid_to: from.instant()?,
        until_next: from.byte()? != 0,
        event_id: from.text()?.to_owned(),
        caused_by: from.text()?.to_owned(),
    })
}

fn node_kind(from: &mut Decoder<'_>) -> Result<NodeKind, StorageError> {
    NodeKind::from_number(from.byte()?).ok_or_else(|| from.wrong("unknown node kind"))
}

fn encode_attributes(to: &mut Encoder, attributes: &Attributes) {
    to.varint(attributes.len() as u64);
    for (key, value) in attributes {
        to.text(key);
        to.text(value);
    }
}

fn decode_attributes(from: &mut Decoder<'_>) -> Result<Attributes, StorageError> {
    let count = from.varint()?;
    (0..count).map(|_| Ok((from.text()?.to_owned(), from.text()?.to_owned()))).collect()
}

pub(crate) fn encode_value(to: &mut Encoder, value: &Value) {
    match value {
        Value::Node(node) => {
            to.byte(1);
            to.text(&node.name);
            to.text(&node.node_type);
            encode_attributes(to, &node.attributes);
            match &node.entitlement {
                None => to.byte(0),
                Some(said) => {
                    to.byte(1);
                    to.byte(said.effect.number());
                    to.varint(u64::from(said.privileges.bits()));
                    to.texts(&said.scopes);
                    to.texts(&said.actions);
                    to.byte(u8::from(said.conditional));
                }
            }
            match &node.secret {
                None => to.byte(0),
                Some(said) => {
                    to.byte(1);
                    to.byte(said.state.number());
                    for at in [said.issued_at, said.expires_at, said.last_rotated_at] {
                        to.byte(u8::from(at.is_some()));
                        if let Some(at) = at {
                            to.instant(at);
                        }
                    }
                }
            }
        }
        Value::Edge(attributes) => {
            to.byte(2);
            encode_attributes(to, attributes);
        }
        Value::Coverage(said) => {
            to.byte(3);
            to.byte(said.kind.number());
            to.texts(&said.identities);
            to.texts(&said.resources);
            to.varint(u64::from(said.privileges.bits()));
        }
    }
}

fn privileges(from: &mut Decoder<'_>) -> Result<PrivilegeSet, StorageError> {
    let bits = u16::try_from(from.varint()?).ok().and_then(PrivilegeSet::from_bits);
    bits.ok_or_else(|| from.wrong("unknown privileges"))
}

fn optional_instant(from: &mut Decoder<'_>) -> Result<Option<Instant>, StorageError> {
    if from.byte()? == 0 { Ok(None) } else { from.instant().map(Some) }
}

pub(crate) fn decode_value(from: &mut Decoder<'_>) -> Result<Value, StorageError> {
    match from.byte()? {
        1 => {
            let mut node = NodeValue {
                name: from.text()?.to_owned(),
                node_type: from.text()?.to_owned(),
                attributes: decode_attributes(from)?,
                entitlement: None,
                secret: None,
            };
            if from.byte()? != 0 {
                node.entitlement = Some(EntitlementValue {
                    effect: Effect::from_number(from.byte()?).ok_or_else(|| from.wrong("unknown effect"))?,
                    privileges: privileges(from)?,
                    scopes: from.texts()?,
                    actions: from.texts()?,
                    conditional: from.byte()? != 0,
                });
            }
            if from.byte()? != 0 {
                node.secret = Some(SecretValue {
                    state: SecretState::from_number(from.byte()?)
                        .ok_or_else(|| from.wrong("unknown secret state"))?,
                    issued_at: optional_instant(from)?,
                    expires_at: optional_instant(from)?,
                    last_rotated_at: optional_instant(from)?,
                });
            }
            Ok(Value::Node(node))
        }
        2 => Ok(Value::Edge(decode_attributes(from)?)),
        3 => Ok(Value::Coverage(CoverageValue {
            kind: CoverageKind::from_number(from.byte()?)
                .ok_or_else(|| from.wrong("unknown coverage kind"))?,
            identities: from.texts()?,
            resources: from.texts()?,
            privileges: privileges(from)?,
        })),
        _ => Err(from.wrong("unknown kind of value")),
    }
}

/// The optional members of an observation, by their bit in the presence mask.
fn optional_texts(seen: &Observation) -> [&str; 10] {
    [
        &seen.event_id,
        &seen.actor,
        &seen.secret,
        &seen.workload,
        &seen.resource,
        &seen.action,
        &seen.source_ip,
        &seen.region,
        &seen.session,
        &seen.raw_ref,
    ]
}

fn encode_observation(to: &mut Encoder, seen: &Observation) {
    to.instant(seen.time);
    to.text(&seen.identity);
    to.byte(seen.privilege.number());
    to.byte(seen.outcome.number());
    let texts = optional_texts(seen);
    let mut mask = 0_u64;
    for (bit, text) in texts.iter().enumerate() {
        mask |= u64::from(!text.is_empty()) << bit;
    }
    mask |= u64::from(!seen.attributes.is_empty()) << 10;
    mask |= u64::from(!seen.actor_chain.is_empty()) << 11;
    mask |= u64::from(!seen.raw_sha256.is_empty()) << 12;
    mask |= u64::from(!seen.granted_by.is_empty()) << 13;
    to.varint(mask);
    for text in texts.iter().filter(|text| !text.is_empty()) {
        to.text(text);
    }
    if !seen.attributes.is_empty() {
        encode_attributes(to, &seen.attributes);
    }
    if !seen.actor_chain.is_empty() {
        to.texts(&seen.actor_chain);
    }
    if !seen.raw_sha256.is_empty() {
        to.bytes(&seen.raw_sha256);
    }
    if !seen.granted_by.is_empty() {
        to.texts(&seen.granted_by);
    }
}

fn decode_observation(from: &mut Decoder<'_>) -> Result<Observation, StorageError> {
    let time = from.instant()?;
    let identity = from.text()?;
    let privilege = Privilege::from_number(from.byte()?).ok_or_else(|| from.wrong("unknown privilege"))?;
    let mut seen = Observation::new(identity, time, privilege);
    seen.outcome = Outcome::from_number(from.byte()?).ok_or_else(|| from.wrong("unknown outcome"))?;
    let mask = from.varint()?;
    if mask >> 14 != 0 {
        return Err(from.wrong("unknown members"));
    }
    let texts = [
        &mut seen.event_id,
        &mut seen.actor,
        &mut seen.secret,
        &mut seen.workload,
        &mut seen.resource,
        &mut seen.action,
        &mut seen.source_ip,
        &mut seen.region,
        &mut seen.session,
        &mut seen.raw_ref,
    ];
    for (bit, text) in texts.into_iter().enumerate() {
        if mask >> bit & 1 == 1 {
            from.text()?.clone_into(text);
        }
    }
    if mask >> 10 & 1 == 1 {
        seen.attributes = decode_attributes(from)?;
    }
    if mask >> 11 & 1 == 1 {
        seen.actor_chain = from.texts()?;
    }
    if mask >> 12 & 1 == 1 {
        seen.raw_sha256 = from.bytes()?.to_vec();
    }
    if mask >> 13 & 1 == 1 {
        seen.granted_by = from.texts()?;
    }
    Ok(seen)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn sample() -> Observation {
        let mut seen = Observation::new("sa/x", Instant::from_nanos(5), Privilege::Write);
        seen.event_id = "e1".into();
        seen.region = "eu".into();
        seen.attributes.insert("k".into(), "v".into());
        seen.granted_by = vec!["policy".into()];
        seen
    }

    #[test]
    fn records_come_back_and_their_bytes_are_fixed() {
        let body = encode_body(&RecordBody::Observation(Box::new(sample())));
        let bytes = encode(Instant::from_nanos(7), "src", &body);
        let record = decode(3, &bytes).unwrap();
        assert_eq!(record.body, RecordBody::Observation(Box::new(sample())));
        assert_eq!(body_of(&bytes).unwrap(), &body[..]);
        // Golden: canonical bytes are hashed, so that they may never change under version 1.
        let mut golden = vec![1, 0, 0, 0, 0, 0, 0, 0, 7, 3, b's', b'r', b'c', 2];
        golden.extend([0, 0, 0, 0, 0, 0, 0, 5, 4, b's', b'a', b'/', b'x', 3, 1]);
        golden.extend([0x81, 0x49, 2, b'e', b'1', 2, b'e', b'u']);
        golden.extend([1, 1, b'k', 1, b'v', 1, 6, b'p', b'o', b'l', b'i', b'c', b'y']);
        assert_eq!(bytes, golden);
    }

    #[test]
    fn every_truncation_and_flip_is_an_error_or_a_record() {
        let bytes =
            encode(Instant::from_nanos(7), "src", &encode_body(&RecordBody::Observation(Box::new(sample()))));
        for end in 0..bytes.len() {
            assert!(decode(0, &bytes[..end]).is_err(), "{end}");
        }
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut broken = bytes.clone();
                broken[place] ^= 1 << bit;
                let _ = decode(0, &broken);
            }
        }
    }
}
