//! Digests of a view's content: over keys and logical values, so that how it is cut into parts does not matter.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use asof_evidence::Hash;
use asof_model::Privilege;
use asof_temporal::Segment;
use roaring::RoaringBitmap;
use sha2::{Digest, Sha256};

use super::usage::decode_part;
use crate::db::{Db, Family};
use crate::error::{StorageError, corrupt};
use crate::keys;

/// (rows or logical entries, SHA-256 over them).
pub(crate) fn digest(db: &Db, family: Family) -> Result<(u64, Hash), StorageError> {
    let mut sum = Sum::default();
    match family {
        Family::Usage => usage(db, &mut sum)?,
        Family::Posture => posture(db, &mut sum)?,
        _ => db.scan(family, &[], None, false, &mut |key, value| {
            sum.add(key, value);
            Ok(ControlFlow::Continue(()))
        })?,
    }
    Ok((sum.entries, sum.hasher.finalize().into()))
}

#[derive(Default)]
struct Sum {
    hasher: Sha256,
    entries: u64,
}

impl Sum {
    fn add(&mut self, key: &[u8], value: &[u8]) {
        self.hasher.update((key.len() as u64).to_be_bytes());
        self.hasher.update(key);
        self.hasher.update((value.len() as u64).to_be_bytes());
        self.hasher.update(value);
        self.entries += 1;
    }

    fn add_set(&mut self, key: &[u8], members: &RoaringBitmap) {
        let bytes: Vec<u8> = members.iter().flat_map(u32::to_be_bytes).collect();
        self.add(key, &bytes);
    }
}

/// Of each quantum: the union of its parts.
fn usage(db: &Db, sum: &mut Sum) -> Result<(), StorageError> {
    let mut current: Option<(Vec<u8>, RoaringBitmap)> = None;
    db.scan(Family::Usage, &[], None, false, &mut |key, value| {
        let (_, _, members) = decode_part(key, value)?;
        let term = key.get(..11).ok_or_else(|| corrupt("a key of usage is too short"))?;
        match &mut current {
            Some((of, union)) if of.as_slice() == term => *union |= members,
            _ => {
                if let Some((of, union)) = current.replace((term.to_vec(), members)) {
                    sum.add_set(&of, &union);
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    })?;
    if let Some((of, union)) = current {
        sum.add_set(&of, &union);
    }
    Ok(())
}

/// Of each privilege: every coming and going, by (time, ordinal).
fn posture(db: &Db, sum: &mut Sum) -> Result<(), StorageError> {
    for privilege in Privilege::HELD {
        let mut members = RoaringBitmap::new();
        let mut changes: BTreeMap<_, u32> = BTreeMap::new();
        db_segments(db, *privilege, &mut |segment| {
            for change in segment.changes_from(&members) {
                *changes.entry(change).or_default() += 1;
            }
            members = segment.last();
        })?;
        for ((time, ordinal), times) in changes {
            if times % 2 == 1 {
                let mut key = keys::segment(*privilege, time);
                key.extend(ordinal.to_be_bytes());
                sum.add(&key, &[]);
            }
        }
    }
    Ok(())
}

fn db_segments(db: &Db, privilege: Privilege, visit: &mut dyn FnMut(Segment)) -> Result<(), StorageError> {
    let prefix = keys::segment_prefix(privilege);
    let end = keys::after_prefix(&prefix);
    db.scan(Family::Posture, &prefix, end.as_deref(), false, &mut |key, value| {
        visit(Segment::decode(keys::segment_from(key)?, value).map_err(|error| corrupt(error.to_string()))?);
        Ok(ControlFlow::Continue(()))
    })
}
