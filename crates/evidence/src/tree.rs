//! The Merkle tree of RFC 6962, section 2.1. A tree of n leaves is the concatenation of perfect subtrees, one for each
//! bit of n from the highest down; its root hashes them together from the right.

use sha2::{Digest, Sha256};

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// Levels of a tile of C2SP tlog-tiles: 2^8 hashes wide. Only the levels that are multiples of it are kept.
pub const TILE_HEIGHT: u8 = 8;

/// The root of a tree without leaves: SHA-256 of nothing.
pub const EMPTY_ROOT: Hash = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// MTH({d}) = SHA-256(0x00 || d).
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([0]);
    hasher.update(entry);
    hasher.finalize().into()
}

/// SHA-256(0x01 || left || right).
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([1]);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

/// The perfect subtrees that a tree of this size is made of, left to right, as (level, place on that level).
pub fn subtrees(size: u64) -> Vec<(u8, u64)> {
    let mut found = Vec::new();
    let mut before = 0_u64;
    for level in (0..64_u8).rev() {
        if size & (1 << level) != 0 {
            found.push((level, before >> level));
            before += 1 << level;
        }
    }
    found
}

/// The root over perfect subtrees' hashes, left to right.
pub fn root_from_subtrees(hashes: &[Hash]) -> Hash {
    let mut from_right = hashes.iter().rev();
    let Some(last) = from_right.next() else { return EMPTY_ROOT };
    from_right.fold(*last, |right, left| node_hash(left, &right))
}

/// The right edge of a growing tree: enough to append and to tell the root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// The hashes of [`subtrees`] of this size.
    hashes: Vec<Hash>,
}

impl Frontier {
    /// From the hashes of [`subtrees`] of this size; `None` where their number does not fit.
    pub fn new(size: u64, hashes: Vec<Hash>) -> Option<Self> {
        (size.count_ones() as usize == hashes.len()).then_some(Self { size, hashes })
    }

    /// Leaves so far.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf's hash; `kept` is told each node on a level that is a multiple of [`TILE_HEIGHT`], as (level, place,
    /// hash), as it becomes complete.
    pub fn append(&mut self, leaf: Hash, mut kept: impl FnMut(u8, u64, &Hash)) {
        kept(0, self.size, &leaf);
        let (mut hash, mut level) = (leaf, 0_u8);
        while self.size >> level & 1 == 1 {
            let Some(left) = self.hashes.pop() else { break };
            hash = node_hash(&left, &hash);
            level += 1;
            if level.is_multiple_of(TILE_HEIGHT) {
                kept(level, self.size >> level, &hash);
            }
        }
        self.hashes.push(hash);
        self.size += 1;
    }

    /// The root.
    pub fn root(&self) -> Hash {
        root_from_subtrees(&self.hashes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962's recursive definition, word by word.
    fn mth(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => EMPTY_ROOT,
            [leaf] => *leaf,
            _ => {
                let k = leaves.len().next_power_of_two() / 2;
                node_hash(&mth(&leaves[..k]), &mth(&leaves[k..]))
            }
        }
    }

    #[test]
    fn the_frontier_agrees_with_the_definition() {
        let leaves: Vec<Hash> = (0..600_u32).map(|n| leaf_hash(&n.to_be_bytes())).collect();
        let mut frontier = Frontier::default();
        let mut kept = 0;
        for (size, leaf) in leaves.iter().enumerate() {
            if size < 40 || size % 97 == 0 {
                assert_eq!(frontier.root(), mth(&leaves[..size]), "{size}");
            }
            frontier.append(*leaf, |level, place, hash| {
                kept += u32::from(level > 0);
                let from = (place << level) as usize;
                assert_eq!(*hash, mth(&leaves[from..from + (1 << level)]));
            });
        }
        assert_eq!((frontier.size(), kept), (600, 2));
        assert_eq!(subtrees(6), vec![(2, 0), (1, 2)]);
    }
}
