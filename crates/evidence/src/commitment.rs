//! A log entry is a commitment to a record, not the record: tiles can be public while records are not.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::Hash;

/// 32 bytes that are drawn once for a batch.
pub type Secret = [u8; 32];
/// 32 bytes that make a record's commitment unguessable.
pub type Salt = [u8; 32];

/// The first byte of what a commitment hashes.
pub const COMMITMENT_VERSION: u8 = 1;

/// The salt of the record with this ledger index: HMAC-SHA-256 (RFC 2104) of the index, big-endian, under the batch's
/// secret.
pub fn salt(secret: &Secret, index: u64) -> Salt {
    // HMAC takes a key of any length; the constructor's error is for ciphers with a fixed one.
    let Ok(mut mac) = <Hmac<Sha256> as Mac>::new_from_slice(secret) else { return [0; 32] };
    mac.update(&index.to_be_bytes());
    mac.finalize().into_bytes().into()
}

/// SHA-256(version byte, salt, canonical bytes).
pub fn commitment(salt: &Salt, canonical: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([COMMITMENT_VERSION]);
    hasher.update(salt);
    hasher.update(canonical);
    hasher.finalize().into()
}
