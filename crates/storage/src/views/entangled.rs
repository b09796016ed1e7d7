//! Identities for which their own ALLOWs do not decide: those with a MEMBER_OF edge ever, and those with a DENY for a
//! privilege ever; and the nodes of each kind that may ever be *deleted*. One bitmap each, for all of time: a superset, so
//! that a closer look is never spared wrongly.

use std::collections::HashMap;

use asof_model::{EdgeKind, Effect, NodeKind, Op, PrivilegeSet, RecordBody, SecretState, StatementOp, Value};
use roaring::RoaringBitmap;

use super::{Ids, Resolved, View, decode_statement};
use crate::db::{Db, Family, Pending};
use crate::error::{StorageError, corrupt};
use crate::keys::{self, NodeKey, TimelineKey};

/// The set of those with a MEMBER_OF edge; others have the number of the privilege denied.
pub(crate) const MEMBERS: u8 = 0;
/// With a node kind's number: the set of those nodes of which some statement is no PUT. Others are never *deleted*.
pub(crate) const ENDED: u8 = 16;
/// The secrets that were ever stated otherwise than active for good, or not only stated: others are never dead.
pub(crate) const MORTAL: u8 = 24;
const SETS: usize = 25;
/// Entitlements of which the writer keeps what they ever denied.
const ENTITLEMENTS_KEPT: usize = 1 << 18;

pub(crate) struct Entangled {
    sets: Vec<RoaringBitmap>,
    changed: [bool; SETS],
    /// What entitlements ever denied, as far as it was asked for.
    denied: HashMap<u32, PrivilegeSet>,
}

impl Entangled {
    pub fn open(db: &Db) -> Result<Self, StorageError> {
        let mut sets = vec![RoaringBitmap::new(); SETS];
        for (number, set) in sets.iter_mut().enumerate() {
            if let Some(value) = db.get(Family::Entangled, &[number as u8])? {
                *set = RoaringBitmap::deserialize_from(&value[..])
                    .map_err(|_| corrupt("entangled: holds no roaring bitmap"))?;
            }
        }
        Ok(Self { sets, changed: [false; SETS], denied: HashMap::new() })
    }

    fn insert(&mut self, number: u8, ordinal: u32) {
        let number = usize::from(number);
        if let (Some(set), Some(changed)) = (self.sets.get_mut(number), self.changed.get_mut(number)) {
            *changed |= set.insert(ordinal);
        }
    }

    fn insert_all(&mut self, privileges: PrivilegeSet, ordinal: u32) {
        for privilege in privileges.iter() {
            self.insert(privilege.number(), ordinal);
        }
    }
}

impl Entangled {
    fn denied(&mut self, entitlement: NodeKey, pending: &Pending<'_>) -> Result<PrivilegeSet, StorageError> {
        if let Some(found) = self.denied.get(&entitlement.ordinal) {
            return Ok(*found);
        }
        let found = denied(entitlement, pending)?;
        if self.denied.len() >= ENTITLEMENTS_KEPT {
            self.denied.clear();
        }
        self.denied.insert(entitlement.ordinal, found);
        Ok(found)
    }
}

/// The privileges that some statement on the entitlement ever denied.
fn denied(entitlement: NodeKey, pending: &Pending<'_>) -> Result<PrivilegeSet, StorageError> {
    let mut found = PrivilegeSet::EMPTY;
    for (_, value) in pending.prefixed(Family::Statements, &keys::timeline(TimelineKey::Node(entitlement)))? {
        if let StatementOp::Put(value) = decode_statement(0, &value)?.op
            && let Some(said) = value.entitlement()
            && said.effect == Effect::Deny
        {
            said.privileges.iter().for_each(|privilege| found.insert(privilege));
        }
    }
    Ok(found)
}

impl View for Entangled {
    fn apply(&mut self, batch: &Resolved<'_>, pending: &mut Pending<'_>) -> Result<(), StorageError> {
        for each in &batch.records {
            if let Ids::Fact(TimelineKey::Node(node)) = &each.ids
                && node.kind == NodeKind::Entitlement
            {
                self.denied.remove(&node.ordinal);
            }
        }
        for each in &batch.records {
            let (Ids::Fact(key), RecordBody::Fact(fact)) = (&each.ids, &each.record.body) else { continue };
            match (*key, &fact.op) {
                (TimelineKey::Edge { kind: EdgeKind::MemberOf, from, .. }, _) => {
                    self.insert(MEMBERS, from.ordinal);
                }
                (TimelineKey::Edge { kind: EdgeKind::Holds, from, to }, Op::Put(_)) => {
                    let privileges = self.denied(to, pending)?;
                    self.insert_all(privileges, from.ordinal);
                }
                (TimelineKey::Node(node), Op::Put(value)) if node.kind == NodeKind::Entitlement => {
                    let Some(said) = value.entitlement().filter(|said| said.effect == Effect::Deny) else {
                        continue;
                    };
                    let holders = keys::adjacent_prefix(EdgeKind::Holds, true, node);
                    for (key, _) in pending.prefixed(Family::Adjacency, &holders)? {
                        self.insert_all(said.privileges, keys::adjacent_from(&key)?.0.ordinal);
                    }
                }
                (TimelineKey::Node(node), Op::Delete | Op::End) => {
                    self.insert(ENDED + node.kind.number(), node.ordinal);
                    if node.kind == NodeKind::Secret {
                        self.insert(MORTAL, node.ordinal);
                    }
                }
                (TimelineKey::Node(node), Op::Put(Value::Node(said))) if node.kind == NodeKind::Secret => {
                    let said = said.secret.unwrap_or_default();
                    if said.state != SecretState::Active || said.expires_at.is_some() {
                        self.insert(MORTAL, node.ordinal);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn finish(&mut self, pending: &mut Pending<'_>) -> Result<(), StorageError> {
        for (number, changed) in self.changed.iter_mut().enumerate() {
            if std::mem::take(changed) {
                let mut value = Vec::new();
                // Writing to memory does not fail.
                let _ = self.sets[number].serialize_into(&mut value);
                pending.put(Family::Entangled, vec![number as u8], value);
            }
        }
        Ok(())
    }
}
