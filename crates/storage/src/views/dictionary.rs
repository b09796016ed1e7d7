//! Ids and texts to dense ordinals, given once, in order of first appearance; and when each node was first seen.

use std::collections::{HashMap, HashSet};

use asof_model::{NodeKind, Record, RecordBody, Subject};
use foldhash::fast::RandomState;

use super::{EventIds, Ids, Resolved, ResolvedRecord};
use crate::codec::{Decoder, Encoder};
use crate::db::{Db, Family, Pending};
use crate::error::{StorageError, corrupt};
use crate::keys::{self, NodeKey, Space, TimelineKey};
use crate::ledger::Header;
use crate::names::OwnNames;

/// The writer's side of the dictionary.
pub(crate) struct Dictionary {
    next: [u32; Space::ALL.len()],
    names: OwnNames,
    discovered: Discovered,
}

/// What is found of the nodes that some records name.
pub(crate) struct Found {
    /// Those that no record named before, in order of appearance.
    pub new: Vec<(Space, String)>,
    /// Those of each record.
    pub ordinals: Vec<Ordinals>,
}

/// So many nodes are named by one record at most.
const NODES_MAX: usize = 5;

/// The ordinals of what a record names, as far as they are known: once given, they stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ordinals {
    /// Of its nodes, in order of appearance.
    nodes: [Option<u32>; NODES_MAX],
    /// Of an observation's action, region and address.
    texts: [Option<u32>; 3],
}

impl Ordinals {
    /// What was looked up before.
    pub fn known(body: &RecordBody, names: &OwnNames) -> Self {
        let mut found = Self::default();
        for (ordinal, (kind, id)) in found.nodes.iter_mut().zip(nodes(body)) {
            *ordinal = names.get(Space::Nodes(kind), id.as_bytes());
        }
        if let RecordBody::Observation(seen) = body {
            for (ordinal, text) in found.texts.iter_mut().zip([&seen.action, &seen.region, &seen.source_ip]) {
                if !text.is_empty() {
                    *ordinal = names.get(Space::Texts, text.as_bytes());
                }
            }
        }
        found
    }
}

impl Dictionary {
    pub fn open(db: &Db, names: OwnNames) -> Result<Self, StorageError> {
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
        Ok(Self { next, names, discovered: Discovered::default() })
    }

    /// The ordinal of an id, if it has one.
    pub fn lookup(
        &mut self,
        space: Space,
        id: &[u8],
        pending: &Pending<'_>,
    ) -> Result<Option<u32>, StorageError> {
        if let Some(ordinal) = self.names.get(space, id) {
            return Ok(Some(ordinal));
        }
        let Some(value) = pending.get(Family::Ids, &keys::id(space, id))? else { return Ok(None) };
        let ordinal = Decoder::new("ordinal", &value).u32()?;
        self.names.put(space, id, ordinal);
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
        self.names.put(space, id, ordinal);
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

    /// What the nodes are that these records name, of each of which some may be known.
    pub fn find(
        &mut self,
        records: &[Record],
        ordinals: Vec<Ordinals>,
        pending: &Pending<'_>,
    ) -> Result<Found, StorageError> {
        let mut found = Found { new: Vec::new(), ordinals };
        let mut new: HashSet<_, RandomState> = HashSet::default();
        for (record, known) in records.iter().zip(&mut found.ordinals) {
            for (ordinal, (kind, id)) in known.nodes.iter_mut().zip(nodes(&record.body)) {
                let space = Space::Nodes(kind);
                if ordinal.is_none() && !new.contains(&(space, id)) {
                    *ordinal = self.lookup(space, id.as_bytes(), pending)?;
                    if ordinal.is_none() {
                        new.insert((space, id));
                        found.new.push((space, id.to_owned()));
                    }
                }
            }
        }
        Ok(found)
    }

    /// Gives the ordinals that the header names and resolves the records; `ordinals`: as [`Found`] has them, as far as they
    /// are known.
    pub fn apply<'a>(
        &mut self,
        header: &'a Header,
        records: &'a [Record],
        ordinals: &[Ordinals],
        pending: &mut Pending<'_>,
    ) -> Result<Resolved<'a>, StorageError> {
        // Appearance: the index of the record that names it first, and the place in it (8 are enough: a record names five).
        let mut appearances: HashMap<(Space, &str), Option<u64>, RandomState> =
            header.named.iter().map(|(space, id)| ((*space, id.as_str()), None)).collect();
        if !appearances.is_empty() {
            for record in records {
                for (place, (kind, id)) in nodes(&record.body).enumerate() {
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
        for (place, record) in records.iter().enumerate() {
            let known = ordinals.get(place).copied().unwrap_or_default();
            let mut ordinals = [0; NODES_MAX];
            for ((ordinal, known), (kind, id)) in
                ordinals.iter_mut().zip(known.nodes).zip(nodes(&record.body))
            {
                *ordinal = match known {
                    Some(known) => known,
                    None => self.node(kind, id, pending)?,
                };
            }
            let mut ordinals = ordinals.into_iter();
            let mut next = || ordinals.next().unwrap_or_default();
            let ids = match &record.body {
                RecordBody::Fact(fact) => {
                    Ids::Fact(self.subject(&fact.subject, source, record.index, &mut next, pending)?)
                }
                RecordBody::Observation(seen) => {
                    if seen.identity.is_empty() {
                        return Err(corrupt(format!("record {} is of no identity", record.index)));
                    }
                    let mut text = |text: &str, known: Option<u32>| {
                        if text.is_empty() || known.is_some() {
                            return Ok(known);
                        }
                        self.lookup_or_give(Space::Texts, text.as_bytes(), at, pending).map(Some)
                    };
                    let [action, region, source_ip] = known.texts;
                    let (action, region, source_ip) = (
                        text(&seen.action, action)?,
                        text(&seen.region, region)?,
                        text(&seen.source_ip, source_ip)?,
                    );
                    let mut given = |id: &str| (!id.is_empty()).then(&mut next);
                    let ids = EventIds {
                        // As a record's nodes are ordered.
                        identity: given(&seen.identity).unwrap_or_default(),
                        actor: given(&seen.actor),
                        secret: given(&seen.secret),
                        workload: given(&seen.workload),
                        resource: given(&seen.resource),
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

    /// The key that a fact is about; `next` gives the nodes that it names, in order.
    fn subject(
        &mut self,
        subject: &Subject,
        source: u32,
        index: u64,
        next: &mut impl FnMut() -> u32,
        pending: &mut Pending<'_>,
    ) -> Result<TimelineKey, StorageError> {
        Ok(match subject {
            Subject::Node(node) => TimelineKey::Node(NodeKey { kind: node.kind, ordinal: next() }),
            Subject::Edge(edge) => TimelineKey::Edge {
                kind: edge.kind,
                from: NodeKey { kind: edge.from_kind(), ordinal: next() },
                to: NodeKey { kind: edge.to_kind, ordinal: next() },
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
        let least = self.discovered.least(node, pending)?;
        if time < *least {
            *least = time;
            pending.put(Family::Discovered, keys::discovered(node, index), time.to_be_bytes().to_vec());
        }
        Ok(())
    }

    /// Forgets what is only kept for speed when it has grown.
    pub fn finish(&mut self) {
        self.discovered.finish();
    }
}

/// The least discovery times of nodes, for so many at a time as share the upper bytes of an ordinal.
#[derive(Default)]
struct Discovered {
    /// By kind; those that were asked for. [`NEVER`]: not discovered.
    blocks: [Vec<Option<Box<[i64; NODES_TOGETHER]>>>; NodeKind::ALL.len()],
    kept: usize,
}

const NODES_TOGETHER: usize = 1 << 8;
/// Blocks that are kept, of 2 KiB each.
const BLOCKS_MAX: usize = 1 << 14;
/// No node is discovered for ever later.
const NEVER: i64 = i64::MAX;

impl Discovered {
    fn least(&mut self, node: NodeKey, pending: &Pending<'_>) -> Result<&mut i64, StorageError> {
        let (number, place) =
            (node.ordinal as usize / NODES_TOGETHER, node.ordinal as usize % NODES_TOGETHER);
        let kind = usize::from(node.kind.number()).saturating_sub(1);
        let blocks = self.blocks.get_mut(kind).ok_or_else(|| corrupt("unknown node kind"))?;
        if number >= blocks.len() {
            blocks.resize_with(number + 1, || None);
        }
        let block = match &mut blocks[number] {
            Some(block) => block,
            none => {
                self.kept += 1;
                none.insert(Box::new(read(node, pending)?))
            }
        };
        Ok(&mut block[place])
    }

    fn finish(&mut self) {
        if self.kept > BLOCKS_MAX {
            *self = Self::default();
        }
    }
}

/// Those of the nodes around one.
fn read(node: NodeKey, pending: &Pending<'_>) -> Result<[i64; NODES_TOGETHER], StorageError> {
    let mut least = [NEVER; NODES_TOGETHER];
    let mut prefix = keys::discovered_prefix(node);
    prefix.pop();
    // Of each node, by ledger index: each is earlier than the one before.
    for (key, value) in pending.prefixed(Family::Discovered, &prefix)? {
        let place = keys::discovered_from(&key)?.0.ordinal as usize % NODES_TOGETHER;
        least[place] = Decoder::new("discovery", &value).instant()?.nanos();
    }
    Ok(least)
}

/// The nodes that a record names, in order of appearance.
fn nodes(body: &RecordBody) -> impl Iterator<Item = (NodeKind, &str)> {
    let mut found = [None; NODES_MAX];
    match body {
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
