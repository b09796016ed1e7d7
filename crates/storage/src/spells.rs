//! What is so of a node, for a block of nodes at a time: from when on it is stated, or dead; what it says, or ever said.

use std::hash::BuildHasher;
use std::ops::ControlFlow;
use std::sync::Arc;

use asof_model::{Instant, Interval, NodeKind, Said, SecretState, State, Statement, StatementOp, Timeline};
use asof_temporal::{BLOCK_NODES, Deaths, Ended, Postings, Spell, Stated, Terms, normalise};
use foldhash::fast::FixedState;

use crate::db::Family;
use crate::error::StorageError;
use crate::kept::{Entry, KeptKey};
use crate::keys::{self, NodeKey, Space, TimelineKey};
use crate::posture::other_kept;
use crate::store::Store;
use crate::views;
use crate::work::Of;

/// From when on, and the index of the record from which on it is known.
type Since = (Instant, u64);

impl Store {
    /// For each node of a block: from when on its state is a value for ever, and for how long where some statement on it is no
    /// PUT.
    pub fn stated_since(&self, kind: NodeKind, block: u32) -> Result<Arc<Stated>, StorageError> {
        let entry = self.kept.get(KeptKey::Stated(kind, block), || {
            let never = ((Instant::FOREVER, u64::MAX), None);
            let of_node = |statements: &[Statement]| Ok((stated_from(statements), ended_of(statements)));
            let each = self.of_block((kind, block), never, of_node)?;
            let ended = (0..).zip(&each).filter_map(|(place, of)| Some((place, of.1?))).collect();
            let since = each.into_iter().map(|of| of.0).collect();
            Ok::<_, StorageError>(Entry::Stated(Arc::new(Stated::of(since, ended))))
        })?;
        let Entry::Stated(found) = entry else { return Err(other_kept()) };
        Ok(found)
    }

    /// Nodes of a block, in order, of which some statement says one of these, and perhaps a few others: only their timelines tell.
    pub fn ever_said(&self, kind: NodeKind, block: u32, said: &[Said<'_>]) -> Result<Vec<u32>, StorageError> {
        let entry = self.kept.get(KeptKey::Said(kind, block), || {
            let each = self.of_block((kind, block), Vec::new(), |statements| Ok(said_in(statements)))?;
            let places = (0_u16..).zip(each);
            let postings = places.flat_map(|(place, said)| said.into_iter().map(move |hash| (hash, place)));
            Ok::<_, StorageError>(Entry::Said(Arc::new(Postings::of(postings.collect()))))
        })?;
        let Entry::Said(postings) = entry else { return Err(other_kept()) };
        self.work.add(Of::Timelines, 1);
        let places = said.iter().flat_map(|said| postings.places(hash_of(said)));
        let mut found: Vec<u32> =
            places.map(|place| block.saturating_mul(BLOCK_NODES) + u32::from(place)).collect();
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// For each entitlement of a block: what it says whenever it says anything, where that is simple.
    pub fn terms(&self, block: u32) -> Result<Arc<[Terms]>, StorageError> {
        let entry = self.kept.get(KeptKey::Terms(block), || {
            let resource = |id: &str| {
                let found = self.lookup(Space::Nodes(NodeKind::Resource), id.as_bytes())?;
                Ok::<_, StorageError>(found.map(|(ordinal, _)| ordinal))
            };
            let of_entitlement =
                |statements: &[Statement]| Terms::of(statements, stated_from(statements), resource);
            let each = self.of_block((NodeKind::Entitlement, block), Terms::NONE, of_entitlement)?;
            Ok::<_, StorageError>(Entry::Terms(each.into()))
        })?;
        let Entry::Terms(found) = entry else { return Err(other_kept()) };
        self.work.add(Of::Timelines, 1);
        Ok(found)
    }

    /// For each secret of a block: from when on it is dead (REVOKED, INACTIVE, *deleted* or expired) for good, while before
    /// it never is, and the ledger size with the last statement on it, where it is as simple.
    pub fn deaths(&self, block: u32) -> Result<Arc<Deaths>, StorageError> {
        let of_secret = |statements: &[Statement]| {
            Ok(match death_of(&Timeline::resolve(statements)) {
                Some(dies) => (dies, statements.last().map_or(0, |last| last.index + 1)),
                None => (Instant::FOREVER, Deaths::COMPLEX),
            })
        };
        let entry = self.kept.get(KeptKey::Deaths(block), || {
            // Of a secret without statements nothing tells that it is dead.
            let never = (Instant::FOREVER, 0);
            let each = self.of_block((NodeKind::Secret, block), never, of_secret)?;
            Ok::<_, StorageError>(Entry::Deaths(Arc::new(Deaths::of(each))))
        })?;
        let Entry::Deaths(found) = entry else { return Err(other_kept()) };
        Ok(found)
    }

    /// What the statements on each node of a block come to.
    fn of_block<T: Clone>(
        &self,
        (kind, block): (NodeKind, u32),
        of_none: T,
        of_some: impl Fn(&[Statement]) -> Result<T, StorageError>,
    ) -> Result<Vec<T>, StorageError> {
        let first = block.saturating_mul(BLOCK_NODES);
        let mut found = vec![of_none; BLOCK_NODES as usize];
        let key = |ordinal| keys::timeline(TimelineKey::Node(NodeKey { kind, ordinal }));
        let from = key(first);
        let to = match first.checked_add(BLOCK_NODES) {
            Some(ordinal) => Some(key(ordinal)),
            None => keys::after_prefix(from.get(..2).unwrap_or_default()),
        };
        let (mut of, mut statements): (u32, Vec<Statement>) = (first, Vec::new());
        let mut put = |ordinal: u32, statements: &[Statement]| {
            let place = ordinal.wrapping_sub(first) as usize;
            if let Some(since) = found.get_mut(place).filter(|_| !statements.is_empty()) {
                *since = of_some(statements)?;
            }
            Ok::<_, StorageError>(())
        };
        self.db.scan(Family::Statements, &from, to.as_deref(), false, &mut |row, value| {
            let (key, index) = keys::statement_from(row)?;
            if let TimelineKey::Node(node) = key {
                if node.ordinal != of {
                    put(of, &statements)?;
                    statements.clear();
                    of = node.ordinal;
                }
                statements.push(views::decode_statement(index, value)?);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        put(of, &statements)?;
        Ok(found)
    }
}

/// Of all that the PUTs say, the hashes.
fn said_in(statements: &[Statement]) -> Vec<u32> {
    let values = statements.iter().filter_map(|statement| match &statement.op {
        StatementOp::Put(value) => value.node(),
        _ => None,
    });
    let mut found: Vec<u32> = values.flat_map(|value| value.said().map(|said| hash_of(&said))).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn hash_of(said: &Said<'_>) -> u32 {
    FixedState::default().hash_one(said) as u32
}

/// The first moment of the PUTs that follow each other without a break and for ever, and the last record of them.
fn stated_from(statements: &[Statement]) -> Since {
    let puts = || {
        let puts =
            statements.iter().filter(|each| matches!(each.op, StatementOp::Put(_)) && !each.until_next);
        puts.map(|each| (each.from, each.to, each.index))
    };
    let lasting = puts().filter(|put| put.1 == Instant::FOREVER);
    let Some((mut since, _, mut index)) = lasting.min_by_key(|put| (put.0, put.2)) else {
        return (Instant::FOREVER, u64::MAX);
    };
    while let Some(before) =
        puts().filter(|put| put.0 < since && put.1 >= since).min_by_key(|put| (put.0, put.2))
    {
        since = before.0;
        index = index.max(before.2);
    }
    (since, index)
}

/// Of statements of which some is no PUT.
fn ended_of(statements: &[Statement]) -> Option<Ended> {
    let ends = statements.iter().filter(|each| !matches!(each.op, StatementOp::Put(_)));
    let first = ends.map(|each| each.index).min()?;
    Some(Ended { first, spell: spell_of(statements) })
}

/// When statements come to a value first, and *deleted* after it or never; `None` where it is not so simple.
fn spell_of(statements: &[Statement]) -> Option<Spell> {
    let (mut from, mut to) = (None, Instant::FOREVER);
    for piece in Timeline::resolve(statements).pieces() {
        match piece.state {
            State::Value(_) if to == Instant::FOREVER => from = from.or(Some(piece.from)),
            State::Deleted if from.is_some() => to = to.min(piece.from),
            _ => return None,
        }
    }
    let last = statements.iter().map(|each| each.index).max()?;
    Some(Spell { from: from?, to, last })
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
                if said.state == SecretState::Active {
                    said.expires_at.map(|at| at.max(from))
                } else {
                    Some(from)
                }
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

#[cfg(test)]
mod tests {
    use asof_model::{NodeValue, SecretValue, Value};

    use super::*;

    fn said(index: u64, from: i64, to: Option<i64>, op: StatementOp) -> Statement {
        Statement {
            index,
            source: 1,
            from: Instant::from_nanos(from),
            to: to.map_or(Instant::FOREVER, Instant::from_nanos),
            until_next: false,
            op,
        }
    }

    fn put(state: SecretState, expires_at: Option<i64>) -> StatementOp {
        let expires_at = expires_at.map(Instant::from_nanos);
        let secret = SecretValue { state, expires_at, ..SecretValue::default() };
        StatementOp::Put(Arc::new(Value::Node(NodeValue { secret: Some(secret), ..NodeValue::default() })))
    }

    #[test]
    fn puts_that_follow_each_other_for_ever_are_one() {
        let active = || put(SecretState::Active, None);
        let at = |nanos| Instant::from_nanos(nanos);
        assert_eq!(stated_from(&[said(7, 5, None, active())]), (at(5), 7));
        let both = [said(7, 5, Some(9), active()), said(8, 9, None, active())];
        assert_eq!(stated_from(&both), (at(5), 8));
        let apart = [said(7, 5, Some(8), active()), said(8, 9, None, active())];
        assert_eq!(stated_from(&apart), (at(9), 8));
        let later = [said(7, 5, None, active()), said(8, 6, None, active())];
        assert_eq!(stated_from(&later), (at(5), 7));
        assert_eq!(stated_from(&[said(7, 5, Some(9), active())]).0, Instant::FOREVER);
    }

    #[test]
    fn who_is_deleted_once_has_a_spell() {
        let (active, at) = (|| put(SecretState::Active, None), Instant::from_nanos);
        let ends = |index, from, op| said(index, from, None, op);
        let deleted = [said(1, 5, None, active()), ends(2, 7, StatementOp::Delete)];
        let spell = Some(Spell { from: at(5), to: at(7), last: 2 });
        assert_eq!(ended_of(&deleted), Some(Ended { first: 2, spell }));
        assert_eq!(ended_of(&deleted[..1]), None);
        assert_eq!(spell_of(&deleted[1..]), None);
        let again = [&deleted[..], &[said(3, 9, None, active())]].concat();
        assert_eq!(spell_of(&again), None);
        let mut other = said(3, 6, None, active());
        other.source = 9;
        let by_another = [said(1, 5, None, active()), other, ends(4, 7, StatementOp::End)];
        assert_eq!(spell_of(&by_another), Some(Spell { from: at(5), to: Instant::FOREVER, last: 4 }));
        let later = [said(1, 5, Some(6), active()), ends(2, 7, StatementOp::Delete)];
        assert_eq!(ended_of(&later), Some(Ended { first: 2, spell: None }));
    }

    #[test]
    fn who_dies_once_has_a_death() {
        let death = |statements: &[Statement]| death_of(&Timeline::resolve(statements));
        let at = |nanos| Some(Instant::from_nanos(nanos));
        let revoked = || put(SecretState::Revoked, None);
        let active = || put(SecretState::Active, None);
        assert_eq!(death(&[said(1, 5, None, active())]), Some(Instant::FOREVER));
        assert_eq!(death(&[said(1, 5, Some(9), active()), said(2, 9, None, revoked())]), at(9));
        assert_eq!(death(&[said(1, 5, None, put(SecretState::Active, Some(8)))]), at(8));
        assert_eq!(death(&[said(1, 5, None, put(SecretState::Active, Some(3)))]), at(5));
        assert_eq!(death(&[said(1, 5, None, active()), said(2, 7, None, StatementOp::Delete)]), at(7));
        assert_eq!(death(&[said(1, 5, None, revoked()), said(2, 7, None, active())]), None);
        assert_eq!(death(&[said(1, 5, Some(9), revoked())]), None);
    }
}
