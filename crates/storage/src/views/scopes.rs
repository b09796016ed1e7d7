//! Which entitlements ever had a scope: by resource id, and all globs.

use asof_model::{Op, RecordBody, is_glob};
use sha2::{Digest, Sha256};

use super::{Ids, Resolved, View};
use crate::codec::{Decoder, Encoder};
use crate::db::{Family, Pending};
use crate::error::StorageError;
use crate::keys::{self, TimelineKey};

pub(crate) struct Scopes;

impl View for Scopes {
    fn apply(&mut self, batch: &Resolved<'_>, pending: &mut Pending<'_>) -> Result<(), StorageError> {
        for each in &batch.records {
            let (Ids::Fact(TimelineKey::Node(node)), RecordBody::Fact(fact)) = (&each.ids, &each.record.body)
            else {
                continue;
            };
            let Op::Put(value) = &fact.op else { continue };
            for scope in value.entitlement().iter().flat_map(|said| &said.scopes) {
                let glob = is_glob(scope);
                let key = keys::scope(glob, &fingerprint(scope), node.ordinal);
                if pending.get(Family::Scopes, &key)?.is_none() {
                    let mut row = Encoder::default();
                    row.varint(each.record.index);
                    row.text(if glob { scope } else { "" });
                    pending.put(Family::Scopes, key, row.0);
                }
            }
        }
        Ok(())
    }
}

/// The first 16 bytes of a SHA-256.
pub(crate) fn fingerprint(of: impl AsRef<[u8]>) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest(of).into();
    digest.first_chunk().copied().unwrap_or_default()
}

/// (index of the first statement with it, the glob).
pub(crate) fn decode_scope(value: &[u8]) -> Result<(u64, &str), StorageError> {
    let mut from = Decoder::new("scope", value);
    Ok((from.varint()?, from.text()?))
}
