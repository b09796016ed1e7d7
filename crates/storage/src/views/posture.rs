//! The temporal bitmaps: for each privilege, the identities that themselves HOLD (in force) an ALLOW entitlement with it,
//! whatever its scopes, actions and conditions, over valid time as known now; and the stretches that each batch changed,
//! for knowledge before now.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use asof_model::{
    EdgeKind, Effect, Instant, Interval, NodeKind, Privilege, RecordBody, State, Statement, Timeline,
};
use asof_temporal::{Segment, difference, normalise};

use super::{Ids, Resolved, View, decode_statement};
use crate::codec::{Decoder, Encoder};
use crate::db::{Family, Pending};
use crate::error::{StorageError, corrupt};
use crate::keys::{self, NodeKey, TimelineKey};

/// The moments at which an identity is a member, by privilege (in the order of [`Privilege::HELD`]).
type Membership = [Vec<Interval>; Privilege::HELD.len()];

pub(crate) struct Posture {
    segment_changes: usize,
    segments: BTreeMap<(Privilege, Instant), Segment>,
    loaded: BTreeSet<Privilege>,
    changed: BTreeSet<(Privilege, Instant)>,
}

/// Timelines before and after a batch, each resolved once for the batch.
struct Timelines<'a, 'b> {
    pending: &'a Pending<'b>,
    first: u64,
    memo: HashMap<(TimelineKey, bool), Arc<Timeline>>,
    allows: HashMap<(NodeKey, bool), Arc<Membership>>,
}

impl Timelines<'_, '_> {
    fn of(&mut self, key: TimelineKey, after: bool) -> Result<Arc<Timeline>, StorageError> {
        if let Some(found) = self.memo.get(&(key, after)) {
            return Ok(Arc::clone(found));
        }
        let mut statements: Vec<Statement> = Vec::new();
        for (row, value) in self.pending.prefixed(Family::Statements, &keys::timeline(key))? {
            let (_, index) = keys::statement_from(&row)?;
            if after || index < self.first {
                statements.push(decode_statement(index, &value)?);
            }
        }
        let timeline = Arc::new(Timeline::resolve(&statements));
        self.memo.insert((key, after), Arc::clone(&timeline));
        Ok(timeline)
    }

    /// When an entitlement's state is an ALLOW with each privilege.
    fn allows(&mut self, entitlement: NodeKey, after: bool) -> Result<Arc<Membership>, StorageError> {
        if let Some(found) = self.allows.get(&(entitlement, after)) {
            return Ok(Arc::clone(found));
        }
        let timeline = self.of(TimelineKey::Node(entitlement), after)?;
        let mut allows = Membership::default();
        for (from, to, state) in timeline.versions() {
            let Some(said) = state.value().and_then(|value| value.entitlement()) else { continue };
            if said.effect == Effect::Allow {
                for privilege in said.privileges.iter().filter(|privilege| privilege.can_be_held()) {
                    allows[place(privilege)].extend(Interval::new(from, to));
                }
            }
        }
        let allows = Arc::new(allows.map(normalise));
        self.allows.insert((entitlement, after), Arc::clone(&allows));
        Ok(allows)
    }

    /// When a node's state is *deleted*.
    fn deleted(&mut self, node: NodeKey, after: bool) -> Result<Vec<Interval>, StorageError> {
        let timeline = self.of(TimelineKey::Node(node), after)?;
        let deleted = timeline.versions().into_iter().filter(|version| *version.2 == State::Deleted);
        Ok(deleted.filter_map(|(from, to, _)| Interval::new(from, to)).collect())
    }

    /// When an identity holds each privilege by itself.
    fn membership(&mut self, identity: NodeKey, after: bool) -> Result<Membership, StorageError> {
        let mut found = Membership::default();
        let alive = complement(&self.deleted(identity, after)?);
        let edges = self
            .pending
            .prefixed(Family::Adjacency, &keys::adjacent_prefix(EdgeKind::Holds, false, identity))?;
        for (row, _) in edges {
            let entitlement = keys::adjacent_from(&row)?;
            let key = TimelineKey::Edge { kind: EdgeKind::Holds, from: identity, to: entitlement };
            let edge = self.of(key, after)?;
            let held = edge.versions().into_iter().filter(|version| version.2.is_value());
            let held: Vec<Interval> = held.filter_map(|(from, to, _)| Interval::new(from, to)).collect();
            let held = intersection(&normalise(held), &alive);
            if held.is_empty() {
                continue;
            }
            let allows = self.allows(entitlement, after)?;
            for (of_privilege, allowed) in found.iter_mut().zip(allows.iter()) {
                of_privilege.extend(intersection(&held, allowed));
            }
        }
        Ok(found.map(normalise))
    }
}

fn place(privilege: Privilege) -> usize {
    usize::from(privilege.number()) - 1
}

/// The moments of both; both are normalised.
fn intersection(a: &[Interval], b: &[Interval]) -> Vec<Interval> {
    let (mut i, mut j, mut found) = (0, 0, Vec::new());
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        found.extend(Interval::new(x.from.max(y.from), x.to.min(y.to)));
        if x.to <= y.to { i += 1 } else { j += 1 }
    }
    found
}

fn complement(of: &[Interval]) -> Vec<Interval> {
    difference(&[Interval::ALWAYS], of)
}

impl View for Posture {
    fn apply(&mut self, batch: &Resolved<'_>, pending: &mut Pending<'_>) -> Result<(), StorageError> {
        let changes = {
            let mut timelines = Timelines {
                pending,
                first: batch.header.first,
                memo: HashMap::new(),
                allows: HashMap::new(),
            };
            let mut changes: BTreeMap<Privilege, Vec<(u32, Interval)>> = BTreeMap::new();
            for ordinal in touched(batch, &mut timelines)? {
                let identity = NodeKey { kind: NodeKind::Identity, ordinal };
                let before = timelines.membership(identity, false)?;
                let after = timelines.membership(identity, true)?;
                for (privilege, (before, after)) in Privilege::HELD.iter().zip(before.iter().zip(&after)) {
                    let stretches = difference(before, after);
                    if !stretches.is_empty() {
                        let of_privilege = changes.entry(*privilege).or_default();
                        of_privilege.extend(stretches.into_iter().map(|stretch| (ordinal, stretch)));
                    }
                }
            }
            changes
        };
        for (privilege, stretches) in changes {
            self.load(privilege, pending)?;
            for (ordinal, stretch) in &stretches {
                self.flip(privilege, *ordinal, *stretch);
            }
            let last = batch.header.end.saturating_sub(1);
            pending.put(
                Family::Revisions,
                keys::revision(privilege, last),
                encode_revision(batch.header.first, &stretches),
            );
        }
        Ok(())
    }

    fn finish(&mut self, pending: &mut Pending<'_>) -> Result<(), StorageError> {
        for key in std::mem::take(&mut self.changed) {
            let changes = self.segment_changes;
            let mut rest = self.segments.get_mut(&key).and_then(|segment| segment.split(changes));
            let mut written = vec![key];
            while let Some(mut later) = rest {
                rest = later.split(changes);
                written.push((key.0, later.start));
                self.segments.insert((key.0, later.start), later);
            }
            for (privilege, start) in written {
                if let Some(segment) = self.segments.get(&(privilege, start)) {
                    pending.put(Family::Posture, keys::segment(privilege, start), segment.encode());
                }
            }
        }
        Ok(())
    }
}

impl Posture {
    pub fn new(segment_changes: usize) -> Self {
        Self { segment_changes, segments: BTreeMap::new(), loaded: BTreeSet::new(), changed: BTreeSet::new() }
    }

    /// The segments of a privilege stay in memory once it changes: some hundred kilobytes each for 100,000 identities.
    fn load(&mut self, privilege: Privilege, pending: &Pending<'_>) -> Result<(), StorageError> {
        if !self.loaded.insert(privilege) {
            return Ok(());
        }
        for (key, value) in pending.prefixed(Family::Posture, &keys::segment_prefix(privilege))? {
            let start = keys::segment_from(&key)?;
            let segment = Segment::decode(start, &value).map_err(|error| corrupt(error.to_string()))?;
            self.segments.insert((privilege, start), segment);
        }
        self.segments
            .entry((privilege, Instant::BEGINNING))
            .or_insert_with(|| Segment::empty(Instant::BEGINNING));
        Ok(())
    }

    fn flip(&mut self, privilege: Privilege, ordinal: u32, stretch: Interval) {
        let first = self
            .segments
            .range(..=(privilege, stretch.from))
            .next_back()
            .map_or((privilege, Instant::BEGINNING), |(key, _)| *key);
        let starts: Vec<_> =
            self.segments.range(first..=(privilege, stretch.to)).map(|(key, _)| *key).collect();
        for key in starts {
            let after =
                (std::ops::Bound::Excluded(key), std::ops::Bound::Included((privilege, Instant::FOREVER)));
            let end = self.segments.range(after).next().map_or(Instant::FOREVER, |(next, _)| next.1);
            if let Some(segment) = self.segments.get_mut(&key) {
                segment.flip(ordinal, stretch, end);
                self.changed.insert(key);
            }
        }
    }
}

/// The identities whose membership the batch may change.
fn touched(batch: &Resolved<'_>, timelines: &mut Timelines<'_, '_>) -> Result<BTreeSet<u32>, StorageError> {
    let mut identities = BTreeSet::new();
    let mut nodes = BTreeSet::new();
    for each in &batch.records {
        let (Ids::Fact(key), RecordBody::Fact(_)) = (&each.ids, &each.record.body) else { continue };
        match *key {
            TimelineKey::Edge { kind: EdgeKind::Holds, from, .. } => {
                identities.insert(from.ordinal);
            }
            TimelineKey::Node(node) if matches!(node.kind, NodeKind::Identity | NodeKind::Entitlement) => {
                nodes.insert(node);
            }
            _ => {}
        }
    }
    for node in nodes {
        if node.kind == NodeKind::Identity {
            if timelines.deleted(node, false)? != timelines.deleted(node, true)? {
                identities.insert(node.ordinal);
            }
        } else if timelines.allows(node, false)? != timelines.allows(node, true)? {
            let holders = keys::adjacent_prefix(EdgeKind::Holds, true, node);
            for (row, _) in timelines.pending.prefixed(Family::Adjacency, &holders)? {
                identities.insert(keys::adjacent_from(&row)?.ordinal);
            }
        }
    }
    Ok(identities)
}

fn encode_revision(first: u64, stretches: &[(u32, Interval)]) -> Vec<u8> {
    let mut to = Encoder::default();
    let from = stretches.iter().map(|each| each.1.from).min().unwrap_or(Instant::BEGINNING);
    let end = stretches.iter().map(|each| each.1.to).max().unwrap_or(Instant::FOREVER);
    to.instant(from);
    to.instant(end);
    to.varint(first);
    to.varint(stretches.len() as u64);
    for (ordinal, stretch) in stretches {
        to.varint(u64::from(*ordinal));
        to.instant(stretch.from);
        to.instant(stretch.to);
    }
    to.0
}

/// What a batch changed of a privilege's bitmap, as (ordinal, stretch over which its membership was turned over). Nothing
/// where the row's zone, in which all of them lie, does not touch the interval.
pub(crate) fn decode_revision(value: &[u8], during: Interval) -> Result<Vec<(u32, Interval)>, StorageError> {
    let mut from = Decoder::new("revision", value);
    let (start, end) = (from.instant()?, from.instant()?);
    let zone = Interval::new(start, end).ok_or_else(|| from.wrong("its zone is empty"))?;
    if !zone.overlaps(during) {
        return Ok(Vec::new());
    }
    from.varint()?;
    let mut stretches = Vec::new();
    for _ in 0..from.varint()? {
        let ordinal = from.ordinal()?;
        let (start, end) = (from.instant()?, from.instant()?);
        stretches.push((ordinal, Interval::new(start, end).ok_or_else(|| from.wrong("an empty stretch"))?));
    }
    from.end()?;
    Ok(stretches)
}
