//! Fingerprints of event_ids on their way to the disk. They come in no order and are asked for one by one, each before it is
//! written: in a tree of keys that took a tenth of the time of whoever makes groups.

use std::collections::HashMap;

use foldhash::fast::FixedState;

use crate::codec::{Decoder, Encoder};
use crate::error::StorageError;

/// The first bytes of the SHA-256 of what must be the same.
pub(crate) type Fingerprint = [u8; 6];

/// The ledger indices of the records with a fingerprint, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nearly always.
    One(u64),
    Several(Box<[u64]>),
}

impl Standing {
    pub fn of(indices: Vec<u64>) -> Self {
        match *indices {
            [index] => Self::One(index),
            _ => Self::Several(indices.into()),
        }
    }

    pub fn indices(&self) -> &[u64] {
        match self {
            Self::One(index) => std::slice::from_ref(index),
            Self::Several(indices) => indices,
        }
    }

    fn encode(&self) -> Vec<u8> {
        let mut value = Encoder::default();
        for index in self.indices() {
            value.varint(*index);
        }
        value.0
    }

    pub fn decode(value: &[u8]) -> Result<Self, StorageError> {
        let mut from = Decoder::new("records of a fingerprint", value);
        let first = from.varint()?;
        if from.rest().is_empty() {
            return Ok(Self::One(first));
        }
        let mut found = vec![first];
        while !from.rest().is_empty() {
            found.push(from.varint()?);
        }
        Ok(Self::Several(found.into()))
    }
}

/// Rows that are to be written.
#[derive(Debug, Default)]
pub(crate) struct Rows(HashMap<Fingerprint, Standing, FixedState>);

impl Rows {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn put(&mut self, fingerprint: Fingerprint, standing: Standing) {
        self.0.insert(fingerprint, standing);
    }

    pub fn get(&self, fingerprint: &Fingerprint) -> Option<&Standing> {
        self.0.get(fingerprint)
    }

    /// Keys and values in order, in which a table takes them with the least effort.
    pub fn rows(&self) -> impl Iterator<Item = (&Fingerprint, Vec<u8>)> {
        let mut rows: Vec<_> = self.0.iter().collect();
        rows.sort_unstable_by_key(|row| row.0);
        rows.into_iter().map(|(fingerprint, standing)| (fingerprint, standing.encode()))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn rows_are_written_in_order_and_read_back() {
        let mut rows = Rows::default();
        let standing = [vec![7], vec![300, 1 << 40], vec![0]].map(Standing::of);
        for (first, standing) in [9, 1, 5].into_iter().zip(&standing) {
            rows.put([first, 0, 0, 0, 0, 1], standing.clone());
        }
        let written: Vec<_> =
            rows.rows().map(|(key, value)| (key[0], Standing::decode(&value).unwrap())).collect();
        let [seven, two, zero] = standing;
        assert_eq!(written, [(1, two), (5, zero), (9, seven)]);
        assert!(rows.get(&[1; 6]).is_none());
        assert!(Standing::decode(&[]).is_err() && Standing::decode(&[0x80]).is_err());
    }
}
