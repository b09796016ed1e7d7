//! The fields of a protobuf message, without its schema: what comes out can be read, and has its lengths right.

use prost::encoding::{decode_varint, encode_varint};

use crate::draw::Draw;

const NESTED_MAX: usize = 8;
const FIELDS_MAX: usize = 400;

#[derive(Debug, Clone)]
struct Field {
    number: u64,
    value: Value,
}

#[derive(Debug, Clone)]
enum Value {
    Varint(u64),
    /// Of four or eight bytes.
    Fixed(Vec<u8>),
    Bytes(Vec<u8>),
    Message(Vec<Field>),
}

/// The message with few fields changed, left out, doubled, or taken over from another one.
pub fn fields(data: &mut Vec<u8>, others: &[Vec<u8>], draw: &mut Draw) {
    let Some(mut own) = read(data, 0) else { return super::bytes(data, others, draw) };
    let other = if others.is_empty() { None } else { read(draw.pick::<Vec<u8>>(others), 0) };
    for _ in 0..=draw.below(3) {
        change(&mut own, other.as_deref().unwrap_or_default(), draw);
    }
    own.truncate(FIELDS_MAX);
    let mut written = Vec::new();
    write(&own, &mut written);
    if written.len() <= super::BYTES_MAX {
        *data = written;
    }
}

/// Goes down some way, in both alike as far as that goes, and changes something there.
fn change(own: &mut Vec<Field>, other: &[Field], draw: &mut Draw) {
    if !own.is_empty() && draw.chance(0.7) {
        let place = draw.below(own.len());
        let number = own[place].number;
        if let Value::Message(within) = &mut own[place].value {
            let like: Vec<&[Field]> = other
                .iter()
                .filter(|field| field.number == number)
                .filter_map(
                    |field| if let Value::Message(within) = &field.value { Some(&**within) } else { None },
                )
                .collect();
            let other = if like.is_empty() { &[][..] } else { *draw.pick::<&[Field]>(&like) };
            return change(within, other, draw);
        }
    }
    let place = draw.below(own.len() + 1);
    match draw.below(10) {
        0 if place < own.len() => {
            own.remove(place);
        }
        1 if place < own.len() => own.insert(place, own[place].clone()),
        2 if !own.is_empty() => {
            let (place, with) = (place.min(own.len() - 1), draw.below(own.len()));
            own.swap(place, with);
        }
        3 if place < own.len() && draw.chance(0.3) => own[place].number = 1 + draw.below(33) as u64,
        4 | 5 if !other.is_empty() => own.insert(place, draw.pick(other).clone()),
        6 if !other.is_empty() && place < own.len() => {
            let like: Vec<_> = other.iter().filter(|field| field.number == own[place].number).collect();
            if !like.is_empty() {
                own[place] = (*draw.pick(&like)).clone();
            }
        }
        _ if place < own.len() => value(&mut own[place].value, draw),
        _ => {}
    }
}

fn value(value: &mut Value, draw: &mut Draw) {
    const NUMBERS: &[u64] = &[0, 1, 2, 3, 6, 10, 11, 12, 127, 256, 999_999_999, 1 << 31, 1 << 63, u64::MAX];
    const TEXTS: &[&str] = &["", "*", "?", "a*?", "sa/x", "role/ci", "\0", "\u{7f}", "ä\u{10ffff}", "\"\\\n"];
    match value {
        Value::Varint(number) => {
            *number = match draw.below(4) {
                0 => number.wrapping_add(1),
                1 => number.wrapping_sub(1),
                _ => *draw.pick(NUMBERS),
            }
        }
        Value::Fixed(bytes) => bytes[0] ^= 1 << draw.below(8),
        Value::Bytes(bytes) => match draw.below(6) {
            0 => *bytes = TEXTS[draw.below(TEXTS.len())].into(),
            1 => *bytes = b"x".repeat(*draw.pick(&[31, 32, 33, 256, 257, 2_048, 2_049, 8_193])),
            2 => bytes.extend(draw.pick(TEXTS).bytes()),
            _ => super::bytes(bytes, &[], draw),
        },
        Value::Message(within) => within.truncate(draw.below(within.len() + 1)),
    }
}

fn read(mut bytes: &[u8], depth: usize) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = decode_varint(&mut bytes).ok()?;
        let value = match key & 7 {
            0 => Value::Varint(decode_varint(&mut bytes).ok()?),
            1 => Value::Fixed(take(&mut bytes, 8)?),
            5 => Value::Fixed(take(&mut bytes, 4)?),
            2 => {
                let length = usize::try_from(decode_varint(&mut bytes).ok()?).ok()?;
                let within = take(&mut bytes, length)?;
                // Texts of the contract hold no control characters; of a message, the first byte is nearly always one.
                let text = std::str::from_utf8(&within).is_ok_and(|text| !text.chars().any(char::is_control));
                match if text || depth == NESTED_MAX { None } else { read(&within, depth + 1) } {
                    Some(message) => Value::Message(message),
                    None => Value::Bytes(within),
                }
            }
            _ => return None,
        };
        fields.push(Field { number: key >> 3, value });
    }
    Some(fields)
}

fn take(bytes: &mut &[u8], length: usize) -> Option<Vec<u8>> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken.to_vec())
}

fn write(fields: &[Field], to: &mut Vec<u8>) {
    for field in fields {
        let key = field.number << 3;
        match &field.value {
            Value::Varint(number) => {
                encode_varint(key, to);
                encode_varint(*number, to);
            }
            Value::Fixed(bytes) => {
                encode_varint(key | if bytes.len() == 8 { 1 } else { 5 }, to);
                to.extend(bytes);
            }
            Value::Bytes(bytes) => {
                encode_varint(key | 2, to);
                encode_varint(bytes.len() as u64, to);
                to.extend(bytes);
            }
            Value::Message(fields) => {
                let mut within = Vec::new();
                write(fields, &mut within);
                encode_varint(key | 2, to);
                encode_varint(within.len() as u64, to);
                to.extend(within);
            }
        }
    }
}
