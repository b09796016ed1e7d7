//! What is asked of whole blocks without reading their columns.

use std::collections::BTreeMap;
use std::sync::Arc;

use roaring::{MultiOps as _, RoaringBitmap};

use super::{Block, Member, NONE};
use crate::DecodeError;

/// Identities and secrets of some blocks by the class of their events.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BlockHead {
    /// Ordinals of identities by class.
    pub identities: BTreeMap<u8, RoaringBitmap>,
    /// Ordinals of secrets by class.
    pub secrets: BTreeMap<u8, RoaringBitmap>,
    /// All identities, whatever their class: made of the others.
    everyone: RoaringBitmap,
}

const VERSION: u8 = 1;

impl BlockHead {
    /// Of some blocks. `class` and `secret_class` make a coarser class of an event's: bits that no one asks about are left out.
    pub fn of(blocks: &[Arc<Block>], class: impl Fn(u8) -> u8, secret_class: impl Fn(u8) -> u8) -> Self {
        let mut identities: BTreeMap<u8, Vec<u32>> = BTreeMap::new();
        let mut secrets: BTreeMap<u8, Vec<u32>> = BTreeMap::new();
        for block in blocks {
            for (place, of) in block.classes().iter().enumerate() {
                identities.entry(class(*of)).or_default().push(block.identity(place));
                let secret = block.member(Member::Secret, place);
                if secret != NONE {
                    secrets.entry(secret_class(*of)).or_default().push(secret);
                }
            }
        }
        let sets =
            |lists: BTreeMap<u8, Vec<u32>>| lists.into_iter().map(|(of, list)| (of, set(list))).collect();
        Self { identities: sets(identities), secrets: sets(secrets), ..Self::default() }.closed()
    }

    fn closed(mut self) -> Self {
        self.everyone = self.identities.values().union();
        self
    }

    /// Takes in those of other blocks.
    pub fn join(&mut self, other: &Self) {
        for (own, others) in [(&mut self.identities, &other.identities), (&mut self.secrets, &other.secrets)]
        {
            for (class, set) in others {
                *own.entry(*class).or_default() |= set;
            }
        }
        self.everyone |= &other.everyone;
    }

    /// All identities, whatever their class.
    pub fn everyone(&self) -> &RoaringBitmap {
        &self.everyone
    }

    /// Bytes of memory.
    pub fn weight(&self) -> u64 {
        let sets = self.identities.values().chain(self.secrets.values()).chain([&self.everyone]);
        sets.map(|set| set.serialized_size() as u64 + 128).sum::<u64>() + 128
    }

    /// As bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        for sets in [&self.identities, &self.secrets] {
            bytes.push(sets.len() as u8);
            for (class, set) in sets {
                bytes.push(*class);
                bytes.extend((set.serialized_size() as u32).to_be_bytes());
                // Writing to memory does not fail.
                let _ = set.serialize_into(&mut bytes);
            }
        }
        bytes
    }

    /// From bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut rest = bytes;
        if byte(&mut rest)? != VERSION {
            return Err(DecodeError("unknown version of a block's head"));
        }
        let mut head = Self::default();
        for sets in [&mut head.identities, &mut head.secrets] {
            for _ in 0..byte(&mut rest)? {
                let class = byte(&mut rest)?;
                let short = DecodeError("a block's head ends too early");
                let (length, more) = rest.split_first_chunk::<4>().ok_or(short.clone())?;
                let (set, more) = more.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or(short)?;
                let set = RoaringBitmap::deserialize_from(set)
                    .map_err(|_| DecodeError("a block's head holds no roaring bitmap"))?;
                sets.insert(class, set);
                rest = more;
            }
        }
        if rest.is_empty() {
            Ok(head.closed())
        } else {
            Err(DecodeError("a block's head has bytes after its end"))
        }
    }
}

fn byte(rest: &mut &[u8]) -> Result<u8, DecodeError> {
    let (first, more) = rest.split_first().ok_or(DecodeError("a block's head ends too early"))?;
    *rest = more;
    Ok(*first)
}

fn set(mut list: Vec<u32>) -> RoaringBitmap {
    list.sort_unstable();
    list.dedup();
    // Sorted and without repeats: appending does not fail.
    RoaringBitmap::from_sorted_iter(list).unwrap_or_default()
}
