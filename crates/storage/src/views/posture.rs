//! The temporal bitmaps: for each privilege, the identities that themselves HOLD (in force) an ALLOW entitlement with it,
//! whatever its scopes, actions and conditions, over valid time as known now; and the stretches that each batch changed,
//! for knowledge before now.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use asof_model::{
    EdgeKind, Effect, Instant, Interval, NodeKind, Privilege, RecordBody, State, Statement, StatementOp,
    Timeline, Value,
};
use asof_temporal::{Segment, difference, normalise, some_value, values};

use super::{Ids, Resolved, View, decode_edge, decode_statement};
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
    allows: HashMap<u32, Both<Arc<Membership>>>,
}

/// Entitlements of which the writer keeps when they allow what.
const ENTITLEMENTS_KEPT: usize = 1 << 18;

/// What is before a batch, and what is after it.
#[derive(Debug, Clone, Default, PartialEq)]
struct Both<T> {
    before: T,
    after: T,
}

/// Timelines before and after a batch, each resolved once for the batch.
struct Timelines<'a, 'b> {
    pending: &'a Pending<'b>,
    first: u64,
    /// When entitlements allow each privilege; what no batch spoke of since stays for later ones.
    allows: &'a mut HashMap<u32, Both<Arc<Membership>>>,
    some: Arc<Value>,
}

impl Timelines<'_, '_> {
    fn resolve(&self, statements: &[Statement]) -> Both<Timeline> {
        let before = statements.partition_point(|each| each.index < self.first);
        Both {
            before: Timeline::resolve(statements.get(..before).unwrap_or_default()),
            after: Timeline::resolve(statements),
        }
    }

    fn of_node(&self, node: NodeKey) -> Result<Both<Timeline>, StorageError> {
        let mut statements: Vec<Statement> = Vec::new();
        let prefix = keys::timeline(TimelineKey::Node(node));
        for (row, value) in self.pending.prefixed(Family::Statements, &prefix)? {
            statements.push(decode_statement(keys::statement_from(&row)?.1, &value)?);
        }
        Ok(self.resolve(&statements))
    }

    /// When an entitlement's state is an ALLOW with each privilege.
    fn allows(&mut self, entitlement: NodeKey) -> Result<Both<Arc<Membership>>, StorageError> {
        if let Some(found) = self.allows.get(&entitlement.ordinal) {
            return Ok(found.clone());
        }
        let Both { before, after } = self.of_node(entitlement)?;
        let (before, after) = (allowed(&before), allowed(&after));
        let (before, after) = (Arc::new(before), Arc::new(after));
        let found = Both { after: if before == after { Arc::clone(&before) } else { after }, before };
        self.allows.insert(entitlement.ordinal, found.clone());
        Ok(found)
    }

    /// When a node's state is *deleted*.
    fn deleted(&self, node: NodeKey) -> Result<Both<Vec<Interval>>, StorageError> {
        let Both { before, after } = self.of_node(node)?;
        let when = |timeline: &Timeline| {
            let deleted = timeline.versions().into_iter().filter(|version| *version.2 == State::Deleted);
            deleted.filter_map(|(from, to, _)| Interval::new(from, to)).collect()
        };
        Ok(Both { before: when(&before), after: when(&after) })
    }

    /// When an identity holds each privilege by itself.
    fn membership(&mut self, identity: NodeKey) -> Result<Both<Membership>, StorageError> {
        let mut found = Both::<Membership>::default();
        let deleted = self.deleted(identity)?;
        let alive = Both { before: complement(&deleted.before), after: complement(&deleted.after) };
        let prefix = keys::adjacent_prefix(EdgeKind::Holds, false, identity);
        let mut edges: Vec<(NodeKey, Statement)> = Vec::new();
        for (row, value) in self.pending.prefixed(Family::Adjacency, &prefix)? {
            let (entitlement, index) = keys::adjacent_from(&row)?;
            edges.push((entitlement, decode_edge(index, &value, &self.some)?));
        }
        for edge in edges.chunk_by(|one, other| one.0 == other.0) {
            let Some((entitlement, _)) = edge.first() else { continue };
            let held = match edge {
                [(_, only)] => self.once(only),
                many => {
                    let statements: Vec<_> = many.iter().map(|(_, statement)| statement.clone()).collect();
                    let Both { before, after } = self.resolve(&statements);
                    Both { before: values(&before), after: values(&after) }
                }
            };
            let held = Both {
                before: intersection(&held.before, &alive.before),
                after: intersection(&held.after, &alive.after),
            };
            if held.before.is_empty() && held.after.is_empty() {
                continue;
            }
            let allows = self.allows(*entitlement)?;
            add(&mut found.before, &held.before, &allows.before);
            add(&mut found.after, &held.after, &allows.after);
        }
        Ok(Both { before: found.before.map(normalise), after: found.after.map(normalise) })
    }

    /// When an edge of one statement is so.
    fn once(&self, only: &Statement) -> Both<Vec<Interval>> {
        let put = matches!(only.op, StatementOp::Put(_));
        let after: Vec<_> = Interval::new(only.from, only.to).filter(|_| put).into_iter().collect();
        Both { before: if only.index < self.first { after.clone() } else { Vec::new() }, after }
    }
}

/// When a timeline is an ALLOW with each privilege.
fn allowed(timeline: &Timeline) -> Membership {
    let mut allows = Membership::default();
    for (from, to, state) in timeline.versions() {
        let Some(said) = state.value().and_then(|value| value.entitlement()) else { continue };
        if said.effect == Effect::Allow {
            for privilege in said.privileges.iter().filter(|privilege| privilege.can_be_held()) {
                allows[place(privilege)].extend(Interval::new(from, to));
            }
        }
    }
    allows.map(normalise)
}

fn add(to: &mut Membership, held: &[Interval], allows: &Membership) {
    for (of_privilege, allowed) in to.iter_mut().zip(allows.iter()) {
        if !allowed.is_empty() {
            of_privilege.extend(intersection(held, allowed));
        }
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
            for each in &batch.records {
                if let Ids::Fact(TimelineKey::Node(node)) = &each.ids
                    && node.kind == NodeKind::Entitlement
                {
                    self.allows.remove(&node.ordinal);
                }
            }
            if self.allows.len() > ENTITLEMENTS_KEPT {
                self.allows.clear();
            }
            let (first, some) = (batch.header.first, some_value());
            let mut timelines = Timelines { pending, first, allows: &mut self.allows, some };
            let mut changes: BTreeMap<Privilege, Vec<(u32, Interval)>> = BTreeMap::new();
            for ordinal in touched(batch, &mut timelines)? {
                let identity = NodeKey { kind: NodeKind::Identity, ordinal };
                let Both { before, after } = timelines.membership(identity)?;
                for (privilege, (before, after)) in Privilege::HELD.iter().zip(before.iter().zip(&after)) {
                    let stretches = difference(before, after);
                    if !stretches.is_empty() {
                        let of_privilege = changes.entry(*privilege).or_default();
                        of_privilege.extend(stretches.into_iter().map(|stretch| (ordinal, stretch)));
                    }
                }
            }
            // What is after this batch is before the next one.
            for each in &batch.records {
                if let Ids::Fact(TimelineKey::Node(node)) = &each.ids
                    && node.kind == NodeKind::Entitlement
                    && let Some(of_entitlement) = self.allows.get_mut(&node.ordinal)
                {
                    of_entitlement.before = Arc::clone(&of_entitlement.after);
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
        Self {
            segment_changes,
            segments: BTreeMap::new(),
            loaded: BTreeSet::new(),
            changed: BTreeSet::new(),
            allows: HashMap::new(),
        }
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
            let deleted = timelines.deleted(node)?;
            if deleted.before != deleted.after {
                identities.insert(node.ordinal);
            }
            continue;
        }
        let allows = timelines.allows(node)?;
        if allows.before != allows.after {
            let holders = keys::adjacent_prefix(EdgeKind::Holds, true, node);
            for (row, _) in timelines.pending.prefixed(Family::Adjacency, &holders)? {
                identities.insert(keys::adjacent_from(&row)?.0.ordinal);
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
