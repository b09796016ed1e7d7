//! Digests of a view's content: over keys and logical values, so that how it is cut into parts does not matter.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use asof_evidence::Hash;
use asof_model::Privilege;
use asof_temporal::Segment;
use roaring::RoaringBitmap;
use sha2::{Digest, Sha256};

use crate::db::{Db, Family};
use crate::error::{StorageError, corrupt};
use crate::keys;
use crate::parts::{load, sound_rows};
use crate::runs::{self, Marks, Read};

/// (rows or logical entries, SHA-256 over them).
pub(crate) fn digest(db: &Db, family: Family) -> Result<(u64, Hash), StorageError> {
    let mut sum = Sum::default();
    match family {
        Family::EventIds => event_ids(db, &mut sum)?,
        Family::Events => events(db, &mut sum)?,
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
}

/// Of each record with an event_id: its fingerprint and its index. What is beside them must be what they make.
fn event_ids(db: &Db, sum: &mut Sum) -> Result<(), StorageError> {
    let read: Read<'_> = &|key| db.get(Family::EventIds, key);
    let runs = runs::load(db)?;
    runs.iter().try_for_each(|run| run.check(read))?;
    let mut marks = Marks::of(&runs);
    loop {
        let next = marks.next(read)?;
        if next.is_empty() {
            return Ok(());
        }
        for (fingerprint, index) in next {
            sum.add(&fingerprint.to_bytes(), &index.to_be_bytes());
        }
    }
}

/// Of each event: all that is kept of it, by (time, ledger index). What is beside the events must be what they make.
fn events(db: &Db, sum: &mut Sum) -> Result<(), StorageError> {
    for parts in load(db)?.0.values() {
        let mut rows = Vec::new();
        for part in parts.iter() {
            rows.extend(sound_rows(db, part)?);
        }
        rows.sort_unstable();
        for row in rows {
            let mut value = vec![row.class];
            value.extend(row.identity.to_be_bytes());
            value.extend(row.members.iter().flat_map(|ordinal| ordinal.to_be_bytes()));
            let key = [row.time.to_be_bytes(), row.index.to_be_bytes()].concat();
            sum.add(&key, &value);
        }
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
