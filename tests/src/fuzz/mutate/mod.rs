//! Other inputs of one: bytes as such, the tokens of a question's text, the fields of a protobuf message.

mod text;
mod wire;

pub use text::tokens;
pub use wire::fields;

use crate::draw::Draw;

/// No input grows past this.
const BYTES_MAX: usize = 64 << 10;

/// Changes few bytes, or takes some over from another input.
pub fn bytes(data: &mut Vec<u8>, others: &[Vec<u8>], draw: &mut Draw) {
    for _ in 0..=draw.below(4) {
        let place = draw.below(data.len() + 1);
        let end = (place + 1 + draw.below(16)).min(data.len());
        match draw.below(7) {
            0 if place < data.len() => data[place] ^= 1 << draw.below(8),
            1 if place < data.len() => data[place] = *draw.pick(&[0, 1, 0x7f, 0x80, 0xff, b'"', b'*', b'\n']),
            2 => data.insert(place, draw.below(256) as u8),
            3 => {
                data.drain(place..end);
            }
            4 => {
                let again = data[place..end].to_vec();
                data.splice(place..place, again);
            }
            _ if !others.is_empty() => {
                let other = draw.pick::<Vec<u8>>(others);
                let from = draw.below(other.len() + 1);
                let to = (from + draw.below(64)).min(other.len());
                let end = if draw.chance(0.5) { place } else { end };
                data.splice(place..end, other[from..to].iter().copied());
            }
            _ => {}
        }
    }
    data.truncate(BYTES_MAX);
}
