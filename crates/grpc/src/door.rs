//! Fields that the contract does not know are refused at the door: dropped in silence, they would be missing from what is
//! recorded and hashed, and nobody would notice.

use std::sync::OnceLock;

use asof_model::Fault;
use prost::Message as _;
use prost_types::{DescriptorProto, FileDescriptorSet, field_descriptor_proto::Label};

use crate::proto::DESCRIPTORS;

/// A field of a message, as far as the walk needs it.
struct Field {
    name: String,
    repeated: bool,
    /// The full name of the message that it holds.
    holds: Option<String>,
    /// The place of that message's shape, once all are known.
    shape: Option<usize>,
}

/// A message: its fields by number.
struct Shape {
    name: String,
    fields: Vec<Option<Field>>,
}

/// The field numbers of the contract are small; a larger one would need another table.
const NUMBERS: usize = 32;

fn shapes() -> &'static [Shape] {
    static SHAPES: OnceLock<Vec<Shape>> = OnceLock::new();
    SHAPES.get_or_init(|| {
        let mut found = Vec::new();
        // The bytes are made by this crate's own build; were they unreadable, the walk would know no message and say so.
        for file in FileDescriptorSet::decode(DESCRIPTORS).unwrap_or_default().file {
            let package = file.package().to_owned();
            for message in &file.message_type {
                describe(&package, message, &mut found);
            }
        }
        let names: Vec<String> = found.iter().map(|shape| shape.name.clone()).collect();
        for field in found.iter_mut().flat_map(|shape| shape.fields.iter_mut().flatten()) {
            field.shape = field.holds.as_ref().and_then(|holds| names.iter().position(|name| name == holds));
        }
        found
    })
}

fn describe(scope: &str, message: &DescriptorProto, found: &mut Vec<Shape>) {
    let name = format!("{scope}.{}", message.name());
    let mut fields: Vec<Option<Field>> = (0..NUMBERS).map(|_| None).collect();
    for field in &message.field {
        if let Some(place) = fields.get_mut(field.number() as usize) {
            *place = Some(Field {
                name: field.name().to_owned(),
                repeated: field.label() == Label::Repeated,
                holds: field.type_name.as_ref().map(|name| name.trim_start_matches('.').to_owned()),
                shape: None,
            });
        }
    }
    for nested in &message.nested_type {
        describe(&name, nested, found);
    }
    found.push(Shape { name, fields });
}

/// Every field of an encoded message that the contract does not know. Bytes that are no message give none: decoding
/// them says what is wrong.
pub(crate) fn unknown_fields(message: &str, bytes: &[u8]) -> Vec<Fault> {
    let mut faults = Vec::new();
    match shapes().iter().find(|shape| shape.name == message) {
        Some(shape) => {
            walk(shape, bytes, &mut Vec::new(), &mut faults);
        }
        None => faults.push(Fault::new(message, "is not a message of the contract")),
    }
    faults
}

/// `None` where the bytes are no message.
fn walk<'a>(
    shape: &'a Shape,
    mut bytes: &[u8],
    path: &mut Vec<(&'a str, Option<u32>)>,
    faults: &mut Vec<Fault>,
) -> Option<()> {
    let mut seen = [0_u32; NUMBERS];
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let number = key >> 3;
        let content = match key & 7 {
            0 => {
                varint(&mut bytes)?;
                None
            }
            1 => take(&mut bytes, 8).map(|_| None)?,
            2 => {
                let length = varint(&mut bytes)?;
                Some(take(&mut bytes, length)?)
            }
            5 => take(&mut bytes, 4).map(|_| None)?,
            _ => return None,
        };
        let place = usize::try_from(number).ok().filter(|place| *place < NUMBERS);
        let Some((place, field)) = place.and_then(|at| Some((at, shape.fields.get(at)?.as_ref()?))) else {
            faults.push(Fault::new(
                written(path),
                format!("has a field with the number {number}, which asof.v1 does not know"),
            ));
            continue;
        };
        if let (Some(content), Some(holds)) = (content, field.shape.and_then(|shape| shapes().get(shape))) {
            let count = seen.get_mut(place)?;
            path.push((&field.name, field.repeated.then_some(*count)));
            *count += 1;
            walk(holds, content, path, faults)?;
            path.pop();
        }
    }
    Some(())
}

fn written(path: &[(&str, Option<u32>)]) -> String {
    let mut text = String::new();
    for (name, place) in path {
        if !text.is_empty() {
            text.push('.');
        }
        text.push_str(name);
        if let Some(place) = place {
            text.push_str(&format!("[{place}]"));
        }
    }
    if text.is_empty() { "request".to_owned() } else { text }
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    prost::encoding::decode_varint(bytes).ok()
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::unknown_fields;
    use crate::proto::{Fact, Node, WriteRequest, fact::Subject};

    #[test]
    fn every_known_field_passes_and_an_unknown_one_is_named() {
        let node = Node {
            kind: 1,
            id: "sa/x".into(),
            attributes: [("a".into(), "b".into())].into(),
            ..Node::default()
        };
        let fact = Fact {
            subject: Some(Subject::Node(node)),
            valid_from: Some(prost_types::Timestamp { seconds: 1, nanos: 2 }),
            ..Fact::default()
        };
        let request = WriteRequest {
            source: "s".into(),
            facts: vec![fact.clone(), fact.clone()],
            ..WriteRequest::default()
        };
        let mut bytes = request.encode_to_vec();
        assert!(unknown_fields("asof.v1.WriteRequest", &bytes).is_empty());
        // A third fact with a field 30 (a varint) behind its own.
        let mut strange = fact.encode_to_vec();
        strange.extend([0xf0, 0x01, 0x07]);
        bytes.extend([0x1a, strange.len() as u8]);
        bytes.extend(&strange);
        let faults = unknown_fields("asof.v1.WriteRequest", &bytes);
        assert_eq!(faults.len(), 1);
        assert_eq!(faults[0].field, "facts[2]");
        assert!(faults[0].why.contains("30"), "{}", faults[0].why);
        bytes.extend([0x80, 0x7d, 0x01]);
        assert_eq!(
            unknown_fields("asof.v1.WriteRequest", &bytes).last().map(|fault| fault.field.clone()),
            Some("request".into())
        );
        assert!(unknown_fields("asof.v1.WriteRequest", &[0x1a, 0x70]).is_empty());
    }
}
