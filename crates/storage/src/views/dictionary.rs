//! Ids and texts to dense ordinals, given once, in order of first appearance; and when each node was first seen.

use std::collections::{HashMap, HashSet};

use asof_model::{NodeKind, Record, RecordBody, Subject};
use foldhash::fast::{FixedState, RandomState};
use quick_cache::UnitWeighter;
use quick_cache::unsync::Cache;

use super::{EventIds, Ids, Resolved, ResolvedRecord};
use crate::codec::{Decoder, Encoder};
use crate::db::{Db, Family, Pending};
use crate::error::{StorageError, corrupt};
use crate::keys::{self, NodeKey, Space, TimelineKey};
use crate::ledger::Header;

/// Ids of each space that are kept in memory for the writer.
const IDS_CACHE_ENTRIES: u64 = 1 << 17;
/// Nodes of which it keeps when they were discovered.
const DISCOVERED_ENTRIES: usize = 1 << 19;

/// Ordinals by id.
type Cached = Cache<Box<[u8]>, u32>;

/// The writer's side of the dictionary.
pub(crate) struct Dictionary {
    next: [u32; Space::ALL.len()],
    /// By [`Space::place`].
    caches: [Cached; Space::ALL.len()],
    /// The least discovery time by node, as far as it was asked for; `None`: not discovered.
    discovered: HashMap<NodeKey, Option<i64>, FixedState>,
}

impl Dictionary {
    pub fn open(db: &Db) -> Result<Self, StorageError> {
        let mut next = [0; Space::ALL.len()];
        for space in Space::ALL {
            let end = keys::after_prefix(&keys::space_prefix(space)).unwrap_or_default();
            if let Some((key, _)) = db.last_before(Family::Names, &keys::space_prefix(space), &end)? {
                let mut from = Decoder::new("key of a name", &key);
                from.byte()?;
                next[space.place()] =
                    from.u32()?.checked_add(1).ok_or_else(|| corrupt("an ordinal is too large"))?;
            }
        }
        let caches = Space::ALL.map(|_| Cache::with_weighter(1 << 10, IDS_CACHE_ENTRIES, UnitWeighter));
        Ok(Self { next, caches, discovered: HashMap::default() })
    }

    /// The ordinal of an id, if it has one.
    pub fn lookup(
        &mut self,
        space: Space,
        id: &[u8],
        pending: &Pending<'_>,
    ) -> Result<Option<u32>, StorageError> {
        if let Some(ordinal) = self.caches[space.place()].get(id) {
            return Ok(Some(*ordinal));
        }
        let Some(value) = pending.get(Family::Ids, &keys::id(space, id))? else { return Ok(None) };
        let ordinal = Decoder::new("ordinal", &value).u32()?;
        self.caches[space.place()].insert(id.into(), ordinal);
        Ok(Some(ordinal))
    }

    fn give(
        &mut self,
        space: Space,
        id: &[u8],
        appearance: u64,
        pending: &mut Pending<'_>,
    ) -> Result<u32, StorageError> {
        let next = &mut self.next[space.place()];
        let ordinal = *next;
        *next = ordinal.checked_add(1).ok_or(StorageError::Full("the dictionary (2^32 ids of a kind)"))?;
        pending.put(Family::Ids, keys::id(space, id), ordinal.to_be_bytes().to_vec());
        let mut value = Encoder::default();
        value.0.extend(appearance.to_be_bytes());
        value.0.extend(id);
        pending.put(Family::Names, keys::name(space, ordinal), value.0);
        self.caches[space.place()].insert(id.into(), ordinal);
        Ok(ordinal)
    }

    fn lookup_or_give(
        &mut self,
        space: Space,
        id: &[u8],
        at: u64,
        pending: &mut Pending<'_>,
    ) -> Result<u32, StorageError> {
        match self.lookup(space, id, pending)? {
            Some(ordinal) => Ok(ordinal),
            None => self.give(space, id, at, pending),
        }
    }

    /// The nodes that these records are the first to name, in order of appearance.
    pub fn newly_named(
        &mut self,
        records: &[Record],
        pending: &Pending<'_>,
    ) -> Result<Vec<(Space, String)>, StorageError> {
        let mut found = Vec::new();
        let mut seen: HashSet<_, RandomState> = HashSet::default();
        for record in records {
            for (kind, id) in nodes(record) {
                let space = Space::Nodes(kind);
                if !seen.contains(&(space, id)) && self.lookup(space, id.as_bytes(), pending)?.is_none() {
                    seen.insert((space, id));
                    found.push((space, id.to_owned()));
                }
            }
        }
        Ok(found)
    }

    /// Gives the ordinals that the header names and resolves the records.
    pub fn apply<'a>(
        &mut self,
        header: &'a Header,
        records: &'a [Record],
        pending: &mut Pending<'_>,
    ) -> Result<Resolved<'a>, StorageError> {
        // Appearance: the index of the record that names it first, and the place in it (8 are enough: a record names five).
        let mut appearances: HashMap<(Space, &str), Option<u64>, RandomState> =
            header.named.iter().map(|(space, id)| ((*space, id.as_str()), None)).collect();
        if !appearances.is_empty() {
            for record in records {
                for (place, (kind, id)) in nodes(record).enumerate() {
                    if let Some(found) = appearances.get_mut(&(Space::Nodes(kind), id)) {
                        found.get_or_insert(record.index * 8 + place as u64);
                    }
                }
            }
        }
        for (space, id) in &header.named {
            // A node whose naming record was erased keeps its ordinal; it appears where its batch does.
            let appearance =
                appearances.get(&(*space, id.as_str())).copied().flatten().unwrap_or(header.first * 8 + 7);
            self.give(*space, id.as_bytes(), appearance, pending)?;
        }
        let at = header.first * 8;
        let source = self.lookup_or_give(Space::Sources, header.source.as_bytes(), at, pending)?;
        let mut resolved = Vec::with_capacity(records.len());
        for record in records {
            let ids = match &record.body {
                RecordBody::Fact(fact) => {
                    Ids::Fact(self.subject(&fact.subject, source, record.index, pending)?)
                }
                RecordBody::Observation(seen) => {
                    let mut text = |text: &str, dictionary: &mut Self| {
                        if text.is_empty() {
                            return Ok(None);
                        }
                        dictionary.lookup_or_give(Space::Texts, text.as_bytes(), at, pending).map(Some)
                    };
                    let (action, region, source_ip) =
                        (text(&seen.action, self)?, text(&seen.region, self)?, text(&seen.source_ip, self)?);
                    let ids = EventIds {
                        identity: self.node(NodeKind::Identity, &seen.identity, pending)?,
                        actor: self.optional(NodeKind::Identity, &seen.actor, pending)?,
                        secret: self.optional(NodeKind::Secret, &seen.secret, pending)?,
                        workload: self.optional(NodeKind::Workload, &seen.workload, pending)?,
                        resource: self.optional(NodeKind::Resource, &seen.resource, pending)?,
                        action,
                        region,
                        source_ip,
                    };
                    Ids::Observation(ids)
                }
            };
            self.discover(record, &ids, pending)?;
            resolved.push(ResolvedRecord { record, ids });
        }
        Ok(Resolved { header, source, records: resolved })
    }

    fn node(&mut self, kind: NodeKind, id: &str, pending: &Pending<'_>) -> Result<u32, StorageError> {
        self.lookup(Space::Nodes(kind), id.as_bytes(), pending)?
            .ok_or_else(|| corrupt(format!("{kind} {id:?} is named by a record but by no batch header")))
    }

    fn optional(
        &mut self,
        kind: NodeKind,
        id: &str,
        pending: &Pending<'_>,
    ) -> Result<Option<u32>, StorageError> {
        if id.is_empty() { Ok(None) } else { self.node(kind, id, pending).map(Some) }
    }

    fn subject(
        &mut self,
        subject: &Subject,
        source: u32,
        index: u64,
        pending: &mut Pending<'_>,
    ) -> Result<TimelineKey, StorageError> {
        Ok(match subject {
            Subject::Node(node) => TimelineKey::Node(NodeKey {
                kind: node.kind,
                ordinal: self.node(node.kind, &node.id, pending)?,
            }),
            Subject::Edge(edge) => TimelineKey::Edge {
                kind: edge.kind,
                from: NodeKey {
                    kind: edge.from_kind(),
                    ordinal: self.node(edge.from_kind(), &edge.from, pending)?,
                },
                to: NodeKey { kind: edge.to_kind, ordinal: self.node(edge.to_kind, &edge.to, pending)? },
            },
            Subject::Coverage(scope) => TimelineKey::Coverage(self.lookup_or_give(
                Space::Coverages,
                &keys::coverage_id(source, scope),
                index * 8,
                pending,
            )?),
        })
    }

    /// Keeps, for each node, the records that lower the least moment at which it is discovered: so that the last one before
    /// K tells that moment as known at K.
    fn discover(
        &mut self,
        record: &Record,
        ids: &Ids,
        pending: &mut Pending<'_>,
    ) -> Result<(), StorageError> {
        match (ids, &record.body) {
            (Ids::Fact(key @ TimelineKey::Edge { .. }), RecordBody::Fact(fact)) => {
                if matches!(fact.op, asof_model::Op::Put(_)) {
                    for node in key.nodes() {
                        self.lower(node, fact.valid_from.nanos(), record.index, pending)?;
                    }
                }
            }
            (Ids::Observation(ids), RecordBody::Observation(seen)) => {
                let nodes = [
                    (NodeKind::Identity, Some(ids.identity)),
                    (NodeKind::Identity, ids.actor),
                    (NodeKind::Secret, ids.secret),
                    (NodeKind::Workload, ids.workload),
                    (NodeKind::Resource, ids.resource),
                ];
                for (kind, ordinal) in nodes {
                    if let Some(ordinal) = ordinal {
                        self.lower(NodeKey { kind, ordinal }, seen.time.nanos(), record.index, pending)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn lower(
        &mut self,
        node: NodeKey,
        time: i64,
        index: u64,
        pending: &mut Pending<'_>,
    ) -> Result<(), StorageError> {
        let least = match self.discovered.get(&node) {
            Some(Some(least)) if time >= *least => return Ok(()),
            Some(least) => *least,
            None => {
                let rows = pending.prefixed(Family::Discovered, &keys::discovered_prefix(node))?;
                rows.last()
                    .map(|(_, value)| Decoder::new("discovery", value).instant())
                    .transpose()?
                    .map(|at| at.nanos())
            }
        };
        let lower = least.is_none_or(|least| time < least);
        if lower {
            pending.put(Family::Discovered, keys::discovered(node, index), time.to_be_bytes().to_vec());
        }
        self.discovered.insert(node, if lower { Some(time) } else { least });
        Ok(())
    }

    /// Forgets what is only kept for speed when it has grown.
    pub fn finish(&mut self, _pending: &mut Pending<'_>) {
        if self.discovered.len() > DISCOVERED_ENTRIES {
            self.discovered.clear();
        }
    }
}

/// The nodes that a record names, in order of appearance.
fn nodes(record: &Record) -> impl Iterator<Item = (NodeKind, &str)> {
    let mut found = [None; 5];
    match &record.body {
        RecordBody::Fact(fact) => found.iter_mut().zip(fact.nodes()).for_each(|(to, node)| *to = Some(node)),
        RecordBody::Observation(seen) => {
            found.iter_mut().zip(seen.nodes()).for_each(|(to, node)| *to = Some(node));
        }
    }
    found.into_iter().flatten()
}

/// A row of `names`: (appearance rank, id bytes).
pub(crate) fn parse_name(value: &[u8]) -> Result<(u64, &[u8]), StorageError> {
    let mut from = Decoder::new("name", value);
    Ok((from.u64()?, from.rest()))
}
