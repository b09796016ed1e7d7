//! A log entry is a commitment to a record, not the record: tiles can be public while records are not.

use hmac::digest::{Key, KeyInit};
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::Hash;

/// 32 bytes that are drawn once for a batch.
pub type Secret = [u8; 32];
/// 32 bytes that make a record's commitment unguessable.
pub type Salt = [u8; 32];

/// The first byte of what a commitment hashes.
pub const COMMITMENT_VERSION: u8 = 1;

/// The salts of a batch's records.
#[derive(Clone)]
pub struct Salts(Hmac<Sha256>);

impl Salts {
    /// Under the batch's secret.
    pub fn new(secret: &Secret) -> Self {
        // HMAC takes its key padded to a block (RFC 2104, section 2); 32 bytes are shorter than one.
        let mut block = Key::<Hmac<Sha256>>::default();
        block[..secret.len()].copy_from_slice(secret);
        Self(<Hmac<Sha256> as KeyInit>::new(&block))
    }

    /// The salt of the record with this ledger index: HMAC-SHA-256 (RFC 2104) of the index, big-endian, under the batch's
    /// secret.
    pub fn of(&self, index: u64) -> Salt {
        let mut mac = self.0.clone();
        mac.update(&index.to_be_bytes());
        mac.finalize().into_bytes().into()
    }
}

/// SHA-256(version byte, salt, canonical bytes).
pub fn commitment(salt: &Salt, canonical: &[u8]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([COMMITMENT_VERSION]);
    hasher.update(salt);
    hasher.update(canonical);
    hasher.finalize().into()
}
