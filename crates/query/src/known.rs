//! Everything known at one ledger size: states, existence, edges in force.

use std::hash::Hash;
use std::sync::{Arc, OnceLock};

use asof_model::{EdgeKind, Instant, Interval, NodeKind, PrivilegeSet, State, Timeline, Value};
use asof_temporal::{EdgeList, End, Rectangle, Stated};
use roaring::RoaringBitmap;

use crate::limits::{ENTRIES_MAX, KEPT_MAX, Tuning, within};
use crate::memo::{Cache, Memo};
use crate::span::{look, narrow, same_state, whole};
use crate::unused::{Pair, UnusedKey};
use crate::{Candidates, Direction, Edge, Entitlements, Key, Node, QueryError, Reader, Text};

/// An entitlement that an identity itself HOLDS in force, of either effect.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    /// The ENTITLEMENT.
    pub node: Node,
    /// Its value.
    pub value: Arc<Value>,
}

/// What an observation is covered by depends on this alone, over a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct CoverKey {
    pub identity: u32,
    pub privileges: u16,
    pub resource: Option<u32>,
    pub action: Option<u32>,
    pub effective: bool,
}

/// Who itself holds something on a resource depends on this alone, where neither an entitlement nor an action is named: the
/// resource, the privileges, the moment, and whether conditions may hold.
pub(crate) type HoldingKey = (Arc<str>, PrivilegeSet, Instant, bool);

/// A coverage, and its timeline.
#[derive(Debug, Clone)]
pub(crate) struct Coverage {
    pub ordinal: u32,
    pub source: Arc<str>,
    pub scope: Arc<str>,
    pub timeline: Arc<Timeline>,
}

/// Everything known at one ledger size K; answers every question about it, for any moment.
///
/// What it finds it keeps, within bounds, for the stretches of time over which it holds; the answers depend on nothing
/// but the reader.
pub struct Known {
    reader: Arc<dyn Reader>,
    pub(crate) tuning: Tuning,
    coverages: OnceLock<Arc<[Coverage]>>,
    timelines: Cache<Key, Arc<Timeline>>,
    edges: Cache<(EdgeKind, Node, Direction), Arc<EdgeList>>,
    ended: [OnceLock<Option<Arc<RoaringBitmap>>>; NodeKind::ALL.len()],
    members: OnceLock<RoaringBitmap>,
    entangled: Cache<PrivilegeSet, Arc<RoaringBitmap>>,
    matching: Cache<u32, Option<Entitlements>>,
    pub(crate) holding_on: Cache<HoldingKey, Option<Arc<RoaringBitmap>>>,
    ids: Cache<Node, Arc<str>>,
    texts: Cache<Text, Arc<str>>,
    pub(crate) held: Memo<u32, Arc<[Held]>>,
    pub(crate) bundles: Memo<u32, Arc<[u32]>>,
    pub(crate) acting: Memo<u32, Arc<[u32]>>,
    pub(crate) covers: Memo<CoverKey, bool>,
    pub(crate) vouched: Memo<(u32, u8, Option<u32>), bool>,
    pub(crate) dead: Memo<(u32, bool), bool>,
    pub(crate) unused: Cache<UnusedKey, Arc<[Pair]>>,
    pub(crate) stated: Cache<(NodeKind, u32), Option<Arc<Stated>>>,
    direct: Cache<(PrivilegeSet, Interval), Arc<Candidates>>,
}

impl Known {
    /// What a reader knows.
    pub fn new(reader: Arc<dyn Reader>) -> Self {
        Self {
            reader,
            tuning: Tuning::DEFAULT,
            coverages: OnceLock::new(),
            timelines: Cache::new(KEPT_MAX),
            edges: Cache::new(KEPT_MAX),
            ended: [const { OnceLock::new() }; NodeKind::ALL.len()],
            members: OnceLock::new(),
            entangled: Cache::new(KEPT_MAX),
            matching: Cache::new(KEPT_MAX),
            holding_on: Cache::new(KEPT_MAX),
            ids: Cache::new(KEPT_MAX),
            texts: Cache::new(KEPT_MAX),
            held: Memo::new(KEPT_MAX),
            bundles: Memo::new(KEPT_MAX),
            acting: Memo::new(KEPT_MAX),
            covers: Memo::new(KEPT_MAX),
            vouched: Memo::new(KEPT_MAX),
            dead: Memo::new(KEPT_MAX),
            unused: Cache::new(KEPT_MAX),
            stated: Cache::new(KEPT_MAX),
            direct: Cache::new(KEPT_MAX),
        }
    }

    /// The same, afresh, with another tuning: which ways its answers take, and none of the answers, may change.
    #[must_use]
    pub fn tuned(&self, tuning: Tuning) -> Self {
        Self { tuning, ..Self::new(Arc::clone(&self.reader)) }
    }

    /// The reader.
    pub fn reader(&self) -> &dyn Reader {
        &*self.reader
    }

    /// K.
    pub fn size(&self) -> u64 {
        self.reader.size()
    }

    /// The timeline of a key.
    pub(crate) fn timeline(&self, key: Key) -> Result<Arc<Timeline>, QueryError> {
        self.timelines.get(key, |timeline| timeline.pieces().len(), || self.reader.timeline(key))
    }

    /// The other ends of every edge of the kind that was ever stated for the node.
    pub(crate) fn neighbours(
        &self,
        kind: EdgeKind,
        node: Node,
        direction: Direction,
    ) -> Result<Arc<[Node]>, QueryError> {
        self.reader.neighbours(kind, node, direction)
    }

    /// A node's edges of a kind, whatever the ledger size.
    pub(crate) fn edges(
        &self,
        kind: EdgeKind,
        node: Node,
        direction: Direction,
    ) -> Result<Arc<EdgeList>, QueryError> {
        if self.reader.keeps() {
            return self.reader.edges(kind, node, direction);
        }
        let read = || self.reader.edges(kind, node, direction);
        self.edges.get((kind, node, direction), |found| found.rectangles().len() / 4, read)
    }

    /// Whether a node's state is *deleted*; the stretch is narrowed to where it is so, or is not.
    pub(crate) fn is_deleted(&self, node: Node, t: Instant, span: &mut Interval) -> Result<bool, QueryError> {
        Ok(self.may_be_deleted(node)? && self.state_over(Key::Node(node), t, span)? == State::Deleted)
    }

    /// Some statement on the node is no PUT.
    pub(crate) fn may_be_deleted(&self, node: Node) -> Result<bool, QueryError> {
        Ok(self.ended(node.kind)?.is_none_or(|ended| ended.contains(node.ordinal)))
    }

    /// Nodes of a kind with a statement that is no PUT; `None`: it may be any.
    pub(crate) fn ended(&self, kind: NodeKind) -> Result<Option<&Arc<RoaringBitmap>>, QueryError> {
        let Some(ended) = self.ended.get(usize::from(kind.number()).saturating_sub(1)) else {
            return Ok(None);
        };
        let ended = match ended.get() {
            Some(ended) => ended,
            None => {
                let read = self.reader.ever_ended(kind)?;
                ended.get_or_init(|| read)
            }
        };
        Ok(ended.as_ref())
    }

    /// As [`Reader::direct_holders`].
    pub(crate) fn direct_holders(
        &self,
        privileges: PrivilegeSet,
        during: Interval,
    ) -> Result<Arc<Candidates>, QueryError> {
        let weight = |found: &Arc<Candidates>| (found.sure.len() + found.maybe.len()) as usize / 64;
        let read = || self.reader.direct_holders(privileges, during).map(Arc::new);
        self.direct.get((privileges, during), weight, read)
    }

    /// Whether groups or denials may decide about an identity.
    pub(crate) fn is_entangled(&self, ordinal: u32, privileges: PrivilegeSet) -> Result<bool, QueryError> {
        let read = || Ok::<_, QueryError>(Arc::new(self.reader.entangled(privileges)?));
        Ok(self.entangled.get(privileges, |_| 0, read)?.contains(ordinal))
    }

    /// Entitlements with a scope that ever matched a resource, by ordinal.
    pub(crate) fn scoped_on(&self, resource: u32) -> Result<Option<Entitlements>, QueryError> {
        self.matching.get(
            resource,
            |found| found.as_ref().map_or(0, |found| found.len() / 4),
            || {
                let id = self.id(Node { kind: NodeKind::Resource, ordinal: resource })?;
                self.reader.matching(&id)
            },
        )
    }

    /// Whether an identity was ever a member of a group.
    pub(crate) fn ever_member(&self, ordinal: u32) -> Result<bool, QueryError> {
        let members = match self.members.get() {
            Some(members) => members,
            None => {
                let read = self.reader.entangled(PrivilegeSet::EMPTY)?;
                self.members.get_or_init(|| read)
            }
        };
        Ok(members.contains(ordinal))
    }

    /// A node's id.
    pub(crate) fn id(&self, node: Node) -> Result<Arc<str>, QueryError> {
        if self.reader.keeps() {
            return self.reader.id(node);
        }
        self.ids.get(node, |_| 0, || self.reader.id(node))
    }

    /// An interned text.
    pub(crate) fn text(&self, text: Text) -> Result<Arc<str>, QueryError> {
        if self.reader.keeps() {
            return self.reader.text(text);
        }
        self.texts.get(text, |_| 0, || self.reader.text(text))
    }

    /// The state of a key at a moment.
    pub fn state(&self, key: Key, t: Instant) -> Result<State, QueryError> {
        Ok(self.timeline(key)?.at(t).clone())
    }

    /// The state of a key at a moment; the stretch is narrowed to where it is that.
    pub(crate) fn state_over(&self, key: Key, t: Instant, span: &mut Interval) -> Result<State, QueryError> {
        let timeline = self.timeline(key)?;
        Ok(look(&timeline, t, span).clone())
    }

    /// Exists: its state is a value, or it is never stated and discovered. A deleted node does not exist.
    pub fn exists(&self, node: Node, t: Instant) -> Result<bool, QueryError> {
        self.listed(node, t, false)
    }

    /// Exists or, where asked for, is deleted.
    pub(crate) fn listed(&self, node: Node, t: Instant, include_deleted: bool) -> Result<bool, QueryError> {
        Ok(match self.timeline(Key::Node(node))?.at(t) {
            State::Value(_) => true,
            State::Deleted => include_deleted,
            State::Never => self.reader.discovered(node)?.is_some_and(|since| since <= t),
        })
    }

    /// The other ends of a node's edges of a kind in force at a moment, by first appearance.
    ///
    /// # Errors
    /// [`QueryError::Limit`] for more than [`ENTRIES_MAX`].
    pub fn follow(
        &self,
        kind: EdgeKind,
        node: Node,
        direction: Direction,
        t: Instant,
    ) -> Result<Vec<Node>, QueryError> {
        let found = self.follow_over(kind, node, direction, t, &mut whole())?;
        within("neighbours", found.len() as u64, ENTRIES_MAX, "ENTRIES_MAX")?;
        self.by_appearance(found)
    }

    /// As [`Known::follow`], in no order, with the stretch over which it is so.
    pub(crate) fn follow_over(
        &self,
        kind: EdgeKind,
        node: Node,
        direction: Direction,
        t: Instant,
        span: &mut Interval,
    ) -> Result<Vec<Node>, QueryError> {
        let no_group =
            kind == EdgeKind::MemberOf && direction == Direction::Out && !self.ever_member(node.ordinal)?;
        if no_group || self.is_deleted(node, t, span)? {
            return Ok(Vec::new());
        }
        self.stated_over(kind, node, direction, t, span, |other, span| Ok(!self.is_deleted(other, t, span)?))
    }

    /// The other ends that are wanted of edges of which the own state is a value, whatever became of the node.
    pub(crate) fn stated_over(
        &self,
        kind: EdgeKind,
        node: Node,
        direction: Direction,
        t: Instant,
        span: &mut Interval,
        is_wanted: impl Fn(Node, &mut Interval) -> Result<bool, QueryError>,
    ) -> Result<Vec<Node>, QueryError> {
        let mut found = Vec::new();
        let edges = self.edges(kind, node, direction)?;
        for (place, rectangle) in edges.rectangles().iter().enumerate() {
            if place % 256 == 255 {
                self.reader.check()?;
            }
            let other = end(rectangle.end);
            if self.says(rectangle, t, span) && is_wanted(other, span)? {
                found.push(other);
            }
        }
        for (other, first) in edges.deep() {
            self.reader.check()?;
            let other = end(*other);
            let (from, to) = match direction {
                Direction::Out => (node, other),
                Direction::In => (other, node),
            };
            if *first < self.size()
                && self.state_over(Key::Edge(Edge { kind, from, to }), t, span)?.is_value()
                && is_wanted(other, span)?
            {
                found.push(other);
            }
        }
        Ok(found)
    }

    /// Whether a rectangle is so at a moment; the stretch is narrowed to where it is so, or is not.
    pub(crate) fn says(&self, rectangle: &Rectangle, t: Instant, span: &mut Interval) -> bool {
        if !rectangle.is_known_at(self.size()) {
            return false;
        }
        let Interval { from, to } = rectangle.during;
        if t < from {
            span.to = span.to.min(from);
        } else if rectangle.holds_at(t) {
            narrow(span, rectangle.during);
            return true;
        } else {
            span.from = span.from.max(to);
        }
        false
    }

    /// Sorted by first appearance in the ledger.
    pub(crate) fn by_appearance(&self, mut nodes: Vec<Node>) -> Result<Vec<Node>, QueryError> {
        nodes.sort_unstable();
        if nodes.first().map(|node| node.kind) == nodes.last().map(|node| node.kind) {
            return Ok(nodes); // ordinals of one kind are given in that order
        }
        let mut ranked = nodes
            .into_iter()
            .map(|node| Ok((self.reader.appearance(node)?, node)))
            .collect::<Result<Vec<_>, _>>()?;
        ranked.sort_unstable();
        Ok(ranked.into_iter().map(|(_, node)| node).collect())
    }

    /// The stretches of one state, earliest first: (from, to, state); FOREVER where open. Never stated is left out.
    pub fn versions(&self, key: Key) -> Result<Vec<(Instant, Instant, State)>, QueryError> {
        let timeline = self.timeline(key)?;
        let mut found: Vec<(Instant, Instant, State)> = Vec::new();
        for (place, piece) in timeline.pieces().iter().enumerate() {
            let to = timeline.pieces().get(place + 1).map_or(Instant::FOREVER, |next| next.from);
            match found.last_mut() {
                Some(last) if last.1 == piece.from && same_state(&last.2, &piece.state) => last.1 = to,
                _ if piece.state == State::Never => {}
                _ => found.push((piece.from, to, piece.state.clone())),
            }
        }
        Ok(found)
    }

    /// Every coverage ever stated, loaded once.
    pub(crate) fn coverages(&self) -> Result<Arc<[Coverage]>, QueryError> {
        if let Some(known) = self.coverages.get() {
            return Ok(Arc::clone(known));
        }
        let loaded: Arc<[Coverage]> = self
            .reader
            .coverages()?
            .iter()
            .map(|(ordinal, source, scope)| {
                self.reader.check()?;
                Ok(Coverage {
                    ordinal: *ordinal,
                    source: Arc::clone(source),
                    scope: Arc::clone(scope),
                    timeline: self.reader.timeline(Key::Coverage(*ordinal))?,
                })
            })
            .collect::<Result<_, QueryError>>()?;
        Ok(Arc::clone(self.coverages.get_or_init(|| loaded)))
    }

    /// An id, where there is an ordinal.
    pub(crate) fn id_of(&self, kind: NodeKind, ordinal: Option<u32>) -> Result<Option<Arc<str>>, QueryError> {
        ordinal.map(|ordinal| self.id(Node { kind, ordinal })).transpose()
    }

    /// The start of the stretch around `t` over which `holds`, true at `t`, is true at every moment.
    pub(crate) fn since(
        &self,
        t: Instant,
        holds: impl Fn(Instant, &mut Interval) -> Result<bool, QueryError>,
    ) -> Result<Instant, QueryError> {
        let (mut at, mut since) = (t, t);
        loop {
            self.reader.check()?;
            let mut span = whole();
            if !holds(at, &mut span)? {
                return Ok(since);
            }
            since = span.from;
            if span.from == Instant::BEGINNING {
                return Ok(since);
            }
            at = Instant::from_nanos(span.from.nanos() - 1);
        }
    }

    /// Whether `holds` is `wanted` at some moment of the window: it is asked once for each stretch.
    pub(crate) fn at_some_moment(
        &self,
        window: Interval,
        wanted: bool,
        holds: impl Fn(Instant, &mut Interval) -> Result<bool, QueryError>,
    ) -> Result<bool, QueryError> {
        let mut at = window.from;
        while at < window.to {
            self.reader.check()?;
            let mut span = whole();
            if holds(at, &mut span)? == wanted {
                return Ok(true);
            }
            at = span.to;
        }
        Ok(false)
    }

    /// A result kept for its stretch, or found and kept.
    pub(crate) fn kept<K: Hash + Eq, V: Clone>(
        memo: &Memo<K, V>,
        key: K,
        t: Instant,
        span: &mut Interval,
        find: impl FnOnce(&mut Interval) -> Result<V, QueryError>,
    ) -> Result<V, QueryError> {
        if let Some(value) = memo.get(&key, t, span) {
            return Ok(value);
        }
        let mut own = whole();
        let value = find(&mut own)?;
        narrow(span, own);
        debug_assert!(
            own.contains(t) || t == Instant::FOREVER,
            "a stretch holds the moment that it was found for"
        );
        memo.put(key, own, value.clone());
        Ok(value)
    }
}

/// The node at an edge's other end.
pub(crate) const fn end(end: End) -> Node {
    Node { kind: end.kind, ordinal: end.ordinal }
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Known").field("size", &self.size()).finish_non_exhaustive()
    }
}
