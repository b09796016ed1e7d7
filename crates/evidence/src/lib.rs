//! Commitments and the Merkle tree of RFC 6962, section 2. Knows neither storage nor clock, and nothing of AsOf's other
//! crates: a third party can verify with this one alone.

mod commitment;
mod tree;

pub use commitment::{COMMITMENT_VERSION, Salt, Salts, Secret, commitment};
pub use tree::{EMPTY_ROOT, Frontier, Hash, TILE_HEIGHT, leaf_hash, node_hash, root_from_subtrees, subtrees};
