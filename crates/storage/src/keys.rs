//! The keys: the only place that builds or takes apart their bytes. Big-endian, fixed width; texts only at the end.

use asof_model::{EdgeKind, Instant, NodeKind, Privilege};
use asof_temporal::Member;

use crate::codec::Decoder;
use crate::error::StorageError;
use crate::parts::PartId;
use crate::runs::RunId;

/// A node by ordinal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKey {
    /// Its kind.
    pub kind: NodeKind,
    /// Its ordinal.
    pub ordinal: u32,
}

/// The key of a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimelineKey {
    /// A node.
    Node(NodeKey),
    /// An edge.
    Edge {
        /// Its kind.
        kind: EdgeKind,
        /// Its first end.
        from: NodeKey,
        /// Its second end.
        to: NodeKey,
    },
    /// A coverage, by ordinal.
    Coverage(u32),
}

/// The spaces of the dictionary: each node kind by its number, and these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Ids of nodes of a kind.
    Nodes(NodeKind),
    /// Actions, regions, addresses.
    Texts,
    /// Sources.
    Sources,
    /// Coverages: the source's ordinal (u32), then the scope.
    Coverages,
}

impl Space {
    /// All of them, by number.
    pub(crate) const ALL: [Self; 9] = [
        Self::Nodes(NodeKind::Identity),
        Self::Nodes(NodeKind::Entitlement),
        Self::Nodes(NodeKind::Secret),
        Self::Nodes(NodeKind::Workload),
        Self::Nodes(NodeKind::Resource),
        Self::Nodes(NodeKind::Owner),
        Self::Texts,
        Self::Sources,
        Self::Coverages,
    ];

    /// The number in keys.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Nodes(kind) => kind.number(),
            Self::Texts => 7,
            Self::Sources => 8,
            Self::Coverages => 9,
        }
    }

    /// The place in [`Space::ALL`].
    pub(crate) const fn place(self) -> usize {
        self.number() as usize - 1
    }
}

/// Big-endian with the sign bit turned over: byte order is the order of moments.
fn moment(at: Instant) -> [u8; 8] {
    ((at.nanos() as u64) ^ (1 << 63)).to_be_bytes()
}

fn moment_from(bits: u64) -> Instant {
    Instant::from_nanos((bits ^ (1 << 63)) as i64)
}

pub(crate) fn index(index: u64) -> Vec<u8> {
    index.to_be_bytes().to_vec()
}

/// `batches`: ledger size after the batch, then the batch's number.
pub(crate) fn batch(end: u64, number: u64) -> Vec<u8> {
    [end.to_be_bytes(), number.to_be_bytes()].concat()
}

pub(crate) fn batch_from(key: &[u8]) -> Result<(u64, u64), StorageError> {
    let mut from = Decoder::new("key of a batch", key);
    Ok((from.u64()?, from.u64()?))
}

pub(crate) fn time(at: Instant) -> Vec<u8> {
    moment(at).to_vec()
}

pub(crate) fn hash(level: u8, place: u64) -> Vec<u8> {
    let mut key = vec![level];
    key.extend(place.to_be_bytes());
    key
}

pub(crate) fn batch_id(source: &str, batch_id: &str) -> Vec<u8> {
    let mut key = (source.len() as u32).to_be_bytes().to_vec();
    key.extend(source.as_bytes());
    key.extend(batch_id.as_bytes());
    key
}

pub(crate) fn id(space: Space, text: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(1 + text.len());
    key.push(space.number());
    key.extend(text);
    key
}

pub(crate) fn coverage_id(source: u32, scope: &str) -> Vec<u8> {
    let mut text = source.to_be_bytes().to_vec();
    text.extend(scope.as_bytes());
    text
}

pub(crate) fn name(space: Space, ordinal: u32) -> Vec<u8> {
    let mut key = vec![space.number()];
    key.extend(ordinal.to_be_bytes());
    key
}

/// The space and the ordinal.
pub(crate) fn name_from(key: &[u8]) -> Result<(Space, u32), StorageError> {
    let mut from = Decoder::new("key of a name", key);
    let number = from.byte()?;
    let space = Space::ALL.into_iter().find(|space| space.number() == number);
    Ok((space.ok_or_else(|| from.wrong("unknown space"))?, from.u32()?))
}

pub(crate) fn space_prefix(space: Space) -> [u8; 1] {
    [space.number()]
}

pub(crate) fn discovered(node: NodeKey, index: u64) -> Vec<u8> {
    let mut key = discovered_prefix(node);
    key.extend(index.to_be_bytes());
    key
}

/// The node, and the index.
pub(crate) fn discovered_from(key: &[u8]) -> Result<(NodeKey, u64), StorageError> {
    let mut from = Decoder::new("key of a discovery", key);
    let kind = NodeKind::from_number(from.byte()?).ok_or_else(|| from.wrong("unknown node kind"))?;
    Ok((NodeKey { kind, ordinal: from.u32()? }, from.u64()?))
}

pub(crate) fn discovered_prefix(node: NodeKey) -> Vec<u8> {
    let mut key = vec![node.kind.number()];
    key.extend(node.ordinal.to_be_bytes());
    key
}

pub(crate) fn timeline(of: TimelineKey) -> Vec<u8> {
    match of {
        TimelineKey::Node(node) => {
            let mut key = vec![1, node.kind.number()];
            key.extend(node.ordinal.to_be_bytes());
            key
        }
        TimelineKey::Edge { kind, from, to } => {
            let mut key = vec![2, kind.number()];
            key.extend(from.ordinal.to_be_bytes());
            key.push(to.kind.number());
            key.extend(to.ordinal.to_be_bytes());
            key
        }
        TimelineKey::Coverage(ordinal) => {
            let mut key = vec![3];
            key.extend(ordinal.to_be_bytes());
            key
        }
    }
}

pub(crate) fn statement(of: TimelineKey, index: u64) -> Vec<u8> {
    let mut key = timeline(of);
    key.extend(index.to_be_bytes());
    key
}

pub(crate) fn statement_from(key: &[u8]) -> Result<(TimelineKey, u64), StorageError> {
    let mut from = Decoder::new("key of a statement", key);
    Ok((timeline_from(&mut from)?, from.u64()?))
}

pub(crate) fn by_source_from(key: &[u8]) -> Result<TimelineKey, StorageError> {
    let mut from = Decoder::new("key of a source's statements", key);
    from.u32()?;
    timeline_from(&mut from)
}

fn timeline_from(from: &mut Decoder<'_>) -> Result<TimelineKey, StorageError> {
    let node_kind = |from: &mut Decoder<'_>| {
        NodeKind::from_number(from.byte()?).ok_or_else(|| from.wrong("unknown node kind"))
    };
    let of = match from.byte()? {
        1 => TimelineKey::Node(NodeKey { kind: node_kind(from)?, ordinal: from.u32()? }),
        2 => {
            let kind = EdgeKind::from_number(from.byte()?).ok_or_else(|| from.wrong("unknown edge kind"))?;
            let start = NodeKey { kind: kind.ends().0, ordinal: from.u32()? };
            let to = NodeKey { kind: node_kind(from)?, ordinal: from.u32()? };
            TimelineKey::Edge { kind, from: start, to }
        }
        3 => TimelineKey::Coverage(from.u32()?),
        _ => return Err(from.wrong("unknown subject")),
    };
    Ok(of)
}

/// `scopes`: 0 and a fingerprint for a resource id, 1 and one for a glob; then the entitlement.
pub(crate) fn scope(glob: bool, fingerprint: &[u8; 16], entitlement: u32) -> Vec<u8> {
    let mut key = scope_prefix(glob, fingerprint);
    key.extend(entitlement.to_be_bytes());
    key
}

pub(crate) fn scope_prefix(glob: bool, fingerprint: &[u8; 16]) -> Vec<u8> {
    let mut key = vec![u8::from(glob)];
    key.extend(fingerprint);
    key
}

/// All rows of globs.
pub(crate) const SCOPE_GLOBS: [u8; 1] = [1];

/// Whether it is a glob's, and the fingerprint.
pub(crate) fn scope_of(key: &[u8]) -> Result<(bool, [u8; 16]), StorageError> {
    let mut from = Decoder::new("key of a scope", key);
    Ok((from.byte()? != 0, from.array()?))
}

pub(crate) fn scope_from(key: &[u8]) -> Result<u32, StorageError> {
    let mut from = Decoder::new("key of a scope", key);
    from.take(17)?;
    from.u32()
}

/// `by_source`: the source, then a timeline key.
pub(crate) fn by_source(source: u32, of: TimelineKey) -> Vec<u8> {
    let mut key = source.to_be_bytes().to_vec();
    key.extend(timeline(of));
    key
}

/// `adjacency`: edge kind, way (0 out, 1 in), the node, the other end, the ledger index of a statement.
pub(crate) fn adjacent(kind: EdgeKind, incoming: bool, node: NodeKey, other: NodeKey, index: u64) -> Vec<u8> {
    let mut key = adjacent_prefix(kind, incoming, node);
    key.push(other.kind.number());
    key.extend(other.ordinal.to_be_bytes());
    key.extend(index.to_be_bytes());
    key
}

pub(crate) fn adjacent_prefix(kind: EdgeKind, incoming: bool, node: NodeKey) -> Vec<u8> {
    let mut key = vec![kind.number(), u8::from(incoming), node.kind.number()];
    key.extend(node.ordinal.to_be_bytes());
    key
}

/// The other end, and the index.
pub(crate) fn adjacent_from(key: &[u8]) -> Result<(NodeKey, u64), StorageError> {
    let mut from = Decoder::new("key of an adjacency", key);
    from.take(7)?;
    let kind = NodeKind::from_number(from.byte()?).ok_or_else(|| from.wrong("unknown node kind"))?;
    Ok((NodeKey { kind, ordinal: from.u32()? }, from.u64()?))
}

/// What [`adjacent_prefix`] was made of.
pub(crate) fn adjacent_of(key: &[u8]) -> Result<(EdgeKind, bool, NodeKey), StorageError> {
    let mut from = Decoder::new("key of an adjacency", key);
    let kind = EdgeKind::from_number(from.byte()?).ok_or_else(|| from.wrong("unknown edge kind"))?;
    let incoming = from.byte()? != 0;
    let node = NodeKind::from_number(from.byte()?).ok_or_else(|| from.wrong("unknown node kind"))?;
    Ok((kind, incoming, NodeKey { kind: node, ordinal: from.u32()? }))
}

/// The axes along which events are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// All events.
    All,
    /// Of an identity.
    Identity(u32),
    /// With a secret.
    Secret(u32),
    /// With this as its member, told apart as they are read.
    Member(Member, u32),
}

/// `events`: the lines of the list of parts.
pub(crate) const PARTS: [u8; 1] = [1];

fn of_part(what: u8, id: PartId) -> Vec<u8> {
    let mut key = Vec::with_capacity(25);
    key.push(what);
    key.extend(id.day.to_be_bytes());
    key.extend(id.first.to_be_bytes());
    key.extend(id.last.to_be_bytes());
    key
}

/// `events`: 1, the day, the first and the last ledger index of a part.
pub(crate) fn part(id: PartId) -> Vec<u8> {
    of_part(PARTS[0], id)
}

/// The same with 2: its head.
pub(crate) fn part_head(id: PartId) -> Vec<u8> {
    of_part(2, id)
}

/// The same with 3, and a number: a page of its events.
pub(crate) fn part_page(id: PartId, page: u32) -> Vec<u8> {
    let mut key = of_part(3, id);
    key.extend(page.to_be_bytes());
    key
}

/// The same with 4, and a number: a page of the users of resources.
pub(crate) fn part_users(id: PartId, page: u32) -> Vec<u8> {
    let mut key = of_part(4, id);
    key.extend(page.to_be_bytes());
    key
}

pub(crate) fn part_from(key: &[u8]) -> Result<PartId, StorageError> {
    let mut from = Decoder::new("key of a part", key);
    from.byte()?;
    Ok(PartId { day: from.u32()?, first: from.u64()?, last: from.u64()? })
}

/// `event_ids`: the lines of the list of runs.
pub(crate) const RUNS: [u8; 1] = [1];

fn of_run(what: u8, id: RunId) -> Vec<u8> {
    let mut key = Vec::with_capacity(21);
    key.push(what);
    key.extend(id.first.to_be_bytes());
    key.extend(id.last.to_be_bytes());
    key
}

/// `event_ids`: 1, the first and the last ledger index of a run.
pub(crate) fn run(id: RunId) -> Vec<u8> {
    of_run(RUNS[0], id)
}

/// The same with 2: all of its filter.
pub(crate) fn run_filter_prefix(id: RunId) -> Vec<u8> {
    of_run(2, id)
}

/// The same, and a number: a row of its filter.
pub(crate) fn run_filter(id: RunId, row: u32) -> Vec<u8> {
    let mut key = run_filter_prefix(id);
    key.extend(row.to_be_bytes());
    key
}

/// The same with 3, and a number: a block of its fingerprints.
pub(crate) fn run_block(id: RunId, block: u32) -> Vec<u8> {
    let mut key = of_run(3, id);
    key.extend(block.to_be_bytes());
    key
}

pub(crate) fn run_from(key: &[u8]) -> Result<RunId, StorageError> {
    let mut from = Decoder::new("key of a run", key);
    from.byte()?;
    Ok(RunId { first: from.u64()?, last: from.u64()? })
}

/// `posture`: privilege, start of the segment.
pub(crate) fn segment(privilege: Privilege, start: Instant) -> Vec<u8> {
    let mut key = vec![privilege.number()];
    key.extend(moment(start));
    key
}

pub(crate) fn segment_prefix(privilege: Privilege) -> [u8; 1] {
    [privilege.number()]
}

pub(crate) fn segment_from(key: &[u8]) -> Result<Instant, StorageError> {
    let mut from = Decoder::new("key of a segment", key);
    from.byte()?;
    from.u64().map(moment_from)
}

/// `revisions`: privilege, last ledger index of the batch.
pub(crate) fn revision(privilege: Privilege, last: u64) -> Vec<u8> {
    let mut key = vec![privilege.number()];
    key.extend(last.to_be_bytes());
    key
}

/// The least key that is greater than every key with the prefix; `None` where there is none.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return Some(end);
        }
    }
    None
}
