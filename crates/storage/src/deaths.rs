//! When secrets die, for a block of them at a time.

use std::ops::ControlFlow;
use std::sync::Arc;

use asof_model::{Instant, Interval, NodeKind, SecretState, State, Statement, Timeline};
use asof_temporal::normalise;

use crate::db::Family;
use crate::error::StorageError;
use crate::kept::{Entry, KeptKey};
use crate::keys::{self, NodeKey, TimelineKey};
use crate::posture::{STATED_BLOCK, other_kept};
use crate::store::Store;
use crate::views;

impl Store {
    /// For each secret of a block: from when on it is dead (REVOKED, INACTIVE, *deleted* or expired) for good, while before
    /// it never is (FOREVER: it never is at all), and the index of the last statement on it; u64::MAX where it is not so
    /// simple.
    pub fn deaths(&self, block: u32) -> Result<Arc<[(Instant, u64)]>, StorageError> {
        let entry = self.kept.get(KeptKey::Deaths(block), || {
            let first = block.saturating_mul(STATED_BLOCK);
            // Of a secret without statements nothing tells that it is dead.
            let mut found = vec![(Instant::FOREVER, 0); STATED_BLOCK as usize];
            let key = |ordinal| keys::timeline(TimelineKey::Node(NodeKey { kind: NodeKind::Secret, ordinal }));
            let from = key(first);
            let to = match first.checked_add(STATED_BLOCK) {
                Some(ordinal) => Some(key(ordinal)),
                None => keys::after_prefix(from.get(..2).unwrap_or_default()),
            };
            let (mut of, mut statements): (u32, Vec<Statement>) = (first, Vec::new());
            let mut put = |ordinal: u32, statements: &[Statement]| {
                let place = ordinal.wrapping_sub(first) as usize;
                if let (Some(death), Some(last)) = (found.get_mut(place), statements.last()) {
                    *death = match death_of(&Timeline::resolve(statements)) {
                        Some(dies) => (dies, last.index),
                        None => (Instant::FOREVER, u64::MAX),
                    };
                }
            };
            self.db.scan(Family::Statements, &from, to.as_deref(), false, &mut |row, value| {
                let (key, index) = keys::statement_from(row)?;
                if let TimelineKey::Node(node) = key {
                    if node.ordinal != of {
                        put(of, &statements);
                        statements.clear();
                        of = node.ordinal;
                    }
                    statements.push(views::decode_statement(index, value)?);
                }
                Ok(ControlFlow::Continue(()))
            })?;
            put(of, &statements);
            Ok::<_, StorageError>(Entry::Stated(found.into()))
        })?;
        let Entry::Stated(found) = entry else { return Err(other_kept()) };
        Ok(found)
    }
}

/// From when on it is dead for good, where before it never is; FOREVER where it never is at all.
fn death_of(timeline: &Timeline) -> Option<Instant> {
    let mut dead = Vec::new();
    for (from, to, state) in timeline.versions() {
        let since = match state {
            State::Deleted => Some(from),
            State::Never => None,
            State::Value(_) => {
                let said = state.value().and_then(|value| value.node()?.secret).unwrap_or_default();
                if said.state == SecretState::Active { said.expires_at.map(|at| at.max(from)) } else { Some(from) }
            }
        };
        dead.extend(since.and_then(|since| Interval::new(since, to)));
    }
    match normalise(dead).as_slice() {
        [] => Some(Instant::FOREVER),
        [only] if only.to == Instant::FOREVER => Some(only.from),
        _ => None,
    }
}
