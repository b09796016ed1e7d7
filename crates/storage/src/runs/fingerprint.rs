//! What an event_id comes to.

use crate::codec::Decoder;
use crate::error::StorageError;

/// The first 48 bits of the SHA-256 of what must be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Fingerprint(u64);

/// A fingerprint, and the ledger index of a record that has it.
pub(crate) type Mark = (Fingerprint, u64);

impl Fingerprint {
    /// On disk.
    pub const BYTES: usize = 6;
    const BITS: u32 = 8 * Self::BYTES as u32;

    pub fn of(digest: [u8; 32]) -> Self {
        let [first, second, third, fourth, fifth, sixth, ..] = digest;
        Self::from_bytes([first, second, third, fourth, fifth, sixth])
    }

    pub fn from_bytes([first, second, third, fourth, fifth, sixth]: [u8; Self::BYTES]) -> Self {
        Self(u64::from_be_bytes([0, 0, first, second, third, fourth, fifth, sixth]))
    }

    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let [_, _, bytes @ ..] = self.0.to_be_bytes();
        bytes
    }

    pub fn read(from: &mut Decoder<'_>) -> Result<Self, StorageError> {
        from.array().map(Self::from_bytes)
    }

    pub fn number(self) -> u64 {
        self.0
    }

    /// So much further on; `None`: there is none.
    pub fn checked_add(self, gap: u64) -> Option<Self> {
        self.0.checked_add(gap).filter(|sum| *sum >> Self::BITS == 0).map(Self)
    }

    /// The uppermost 32 bits.
    pub fn upper(self) -> u32 {
        (self.0 >> (Self::BITS - u32::BITS)) as u32
    }
}
