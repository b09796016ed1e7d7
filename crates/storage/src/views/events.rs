//! Observations as compact rows of ordinals, along three axes of time: all, by identity, by secret.

use asof_model::{Outcome, Privilege, RecordBody};

use super::{EventIds, Ids, Resolved, View};
use crate::codec::{Decoder, Encoder};
use crate::db::{Family, Pending};
use crate::error::StorageError;
use crate::keys::{self, Axis};

pub(crate) struct Events;

impl View for Events {
    fn apply(&mut self, batch: &Resolved<'_>, pending: &mut Pending<'_>) -> Result<(), StorageError> {
        for each in &batch.records {
            let (Ids::Observation(ids), RecordBody::Observation(seen)) = (&each.ids, &each.record.body)
            else {
                continue;
            };
            let row = encode(seen.privilege, seen.outcome, !seen.granted_by.is_empty(), ids);
            let axes = [Some(Axis::Identity(ids.identity)), ids.secret.map(Axis::Secret)];
            for axis in axes.into_iter().flatten() {
                pending.put(Family::Events, keys::event(axis, seen.time, each.record.index), row.clone());
            }
            pending.put(Family::Events, keys::event(Axis::All, seen.time, each.record.index), row);
        }
        Ok(())
    }
}

fn encode(privilege: Privilege, outcome: Outcome, explained: bool, ids: &EventIds) -> Vec<u8> {
    let mut to = Encoder(Vec::with_capacity(20));
    to.byte(privilege.number() << 3 | outcome.number() << 1 | u8::from(explained));
    let optional = [ids.actor, ids.secret, ids.workload, ids.resource, ids.action, ids.region, ids.source_ip];
    let mask =
        optional.iter().enumerate().fold(0, |mask, (bit, each)| mask | u8::from(each.is_some()) << bit);
    to.byte(mask);
    to.varint(u64::from(ids.identity));
    for each in optional.into_iter().flatten() {
        to.varint(u64::from(each));
    }
    to.0
}

/// (privilege, outcome, explained, ids) of a row.
pub(crate) fn decode(value: &[u8]) -> Result<(Privilege, Outcome, bool, EventIds), StorageError> {
    let mut from = Decoder::new("event", value);
    let class = from.byte()?;
    let privilege = Privilege::from_number(class >> 3).ok_or_else(|| from.wrong("unknown privilege"))?;
    let outcome = Outcome::from_number(class >> 1 & 3).ok_or_else(|| from.wrong("unknown outcome"))?;
    let mask = from.byte()?;
    let identity = from.ordinal()?;
    let mut optional = [None; 7];
    for (bit, each) in optional.iter_mut().enumerate() {
        if mask >> bit & 1 == 1 {
            *each = Some(from.ordinal()?);
        }
    }
    from.end()?;
    let [actor, secret, workload, resource, action, region, source_ip] = optional;
    let ids = EventIds { identity, actor, secret, workload, resource, action, region, source_ip };
    Ok((privilege, outcome, class & 1 == 1, ids))
}
