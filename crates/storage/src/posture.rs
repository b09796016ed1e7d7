//! Reads of posture, through what all requests of a tenant share in memory.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use asof_model::{
    EdgeKind, Instant, Interval, NodeKind, Privilege, PrivilegeSet, RecordBody, Statement, Subject, Timeline,
};
use asof_temporal::{BLOCK_NODES, EdgeList, End, Segment, some_value};
use roaring::RoaringBitmap;

use crate::codec::Decoder;
use crate::db::{Family, Pending};
use crate::error::{StorageError, corrupt};
use crate::kept::{Entitlements, Entry, Glob, Globs, History, KeptKey};
use crate::keys::{self, NodeKey, Space, TimelineKey};
use crate::ledger::{Header, LedgerReader};
use crate::read::Members;
use crate::store::Store;
use crate::views;
use crate::work::Of;

/// The keys of what is kept in memory that a group of changes touches.
pub(crate) fn touched(pending: &Pending<'_>) -> Result<Vec<KeptKey>, StorageError> {
    let mut found = Vec::new();
    let mut add = |key: KeptKey| {
        if found.last() != Some(&key) {
            found.push(key);
        }
    };
    for key in pending.touched(Family::Adjacency) {
        let (kind, incoming, node) = keys::adjacent_of(key)?;
        add(KeptKey::Edges(kind, incoming, node));
    }
    for key in pending.touched(Family::Statements) {
        let of = keys::statement_from(key)?.0;
        add(KeptKey::History(of));
        if let TimelineKey::Node(node) = of {
            add(KeptKey::Stated(node.kind, node.ordinal / BLOCK_NODES));
            add(KeptKey::Said(node.kind, node.ordinal / BLOCK_NODES));
            if node.kind == NodeKind::Entitlement {
                add(KeptKey::Terms(node.ordinal / BLOCK_NODES));
            }
            if node.kind == NodeKind::Secret {
                add(KeptKey::Deaths(node.ordinal / BLOCK_NODES));
            }
        }
    }
    for key in pending.touched(Family::Discovered) {
        add(KeptKey::Discovered(keys::discovered_from(key)?.0));
    }
    for key in pending.touched(Family::Names) {
        add(KeptKey::Count(keys::name_from(key)?.0));
    }
    for key in pending.touched(Family::Posture) {
        let privilege = key.first().and_then(|number| Privilege::from_number(*number));
        if let Some(privilege) = privilege {
            add(KeptKey::Segment(privilege, keys::segment_from(key)?));
        }
    }
    for key in pending.touched(Family::Entangled) {
        if let Some(set) = key.first() {
            add(KeptKey::Entangled(*set));
        }
    }
    for key in pending.touched(Family::Scopes) {
        match keys::scope_of(key)? {
            (true, _) => add(KeptKey::Globs),
            (false, fingerprint) => {
                add(KeptKey::Scoped(fingerprint));
                add(KeptKey::Matching(fingerprint));
            }
        }
    }
    Ok(found)
}

pub(crate) fn other_kept() -> StorageError {
    corrupt("something else is kept in memory under this key")
}

impl Store {
    /// How many ordinals of a kind the first `size` records name.
    pub fn count(&self, kind: NodeKind, size: u64) -> Result<u32, StorageError> {
        let space = Space::Nodes(kind);
        let entry = self.kept.get(KeptKey::Count(space), || {
            let end = keys::after_prefix(&keys::space_prefix(space)).unwrap_or_default();
            let last = self.db.last_before(Family::Names, &keys::space_prefix(space), &end)?;
            let Some((key, value)) = last else { return Ok(Entry::Count(0, 0)) };
            let count = keys::name_from(&key)?.1.checked_add(1);
            let count = count.ok_or_else(|| corrupt("an ordinal is too large"))?;
            Ok::<_, StorageError>(Entry::Count(count, views::parse_name(&value)?.0))
        })?;
        let Entry::Count(count, appearance) = entry else { return Err(other_kept()) };
        if count == 0 || appearance / 8 < size {
            return Ok(count);
        }
        // Ordinals are given in ledger order: the first one that appears too late is found by halving.
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.text(space, middle)?.0 / 8 < size { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// The appearance and the text of an id.
    pub fn text(&self, space: Space, ordinal: u32) -> Result<(u64, Arc<str>), StorageError> {
        let entry = self.kept.get(KeptKey::Name(space, ordinal), || {
            let (appearance, id) = self.name(space, ordinal)?;
            let text = String::from_utf8(id).map_err(|_| corrupt("a name is not UTF-8"))?;
            Ok::<_, StorageError>(Entry::Name(appearance, text.into()))
        })?;
        let Entry::Name(appearance, text) = entry else { return Err(other_kept()) };
        Ok((appearance, text))
    }

    /// The least moment at which a node is discovered.
    pub fn discovered(&self, node: NodeKey, size: u64) -> Result<Option<Instant>, StorageError> {
        let entry = self.kept.get(KeptKey::Discovered(node), || {
            let rows = self.db.prefixed(Family::Discovered, &keys::discovered_prefix(node))?;
            let rows = rows.iter().map(|(key, value)| {
                Ok((keys::discovered_from(key)?.1, Decoder::new("discovery", value).instant()?))
            });
            Ok::<_, StorageError>(Entry::Discovered(rows.collect::<Result<_, StorageError>>()?))
        })?;
        let Entry::Discovered(rows) = entry else { return Err(other_kept()) };
        let known = rows.partition_point(|(index, _)| *index < size);
        Ok(known.checked_sub(1).and_then(|last| rows.get(last)).map(|(_, at)| *at))
    }

    /// The timeline of a key.
    pub fn timeline(&self, key: TimelineKey, size: u64) -> Result<Arc<Timeline>, StorageError> {
        let entry = self.kept.get(KeptKey::History(key), || {
            let statements = self.statements(key, u64::MAX)?;
            Ok::<_, StorageError>(Entry::History(Arc::new(History::of(statements))))
        })?;
        let Entry::History(history) = entry else { return Err(other_kept()) };
        self.work.add(Of::Timelines, 1);
        Ok(history.at(size))
    }

    /// A node's edges of a kind, whatever the ledger size.
    pub fn edges(
        &self,
        kind: EdgeKind,
        incoming: bool,
        node: NodeKey,
    ) -> Result<Arc<EdgeList>, StorageError> {
        let entry = self.kept.get(KeptKey::Edges(kind, incoming, node), || {
            let (mut list, some) = (EdgeList::default(), some_value());
            let (mut statements, mut of): (Vec<Statement>, Option<End>) = (Vec::new(), None);
            let prefix = keys::adjacent_prefix(kind, incoming, node);
            let end = keys::after_prefix(&prefix);
            self.db.scan(Family::Adjacency, &prefix, end.as_deref(), false, &mut |row, value| {
                let (other, index) = keys::adjacent_from(row)?;
                let other = End { kind: other.kind, ordinal: other.ordinal };
                if let Some(last) = of.filter(|last| *last != other) {
                    list.add(last, &statements);
                    statements.clear();
                }
                of = Some(other);
                statements.push(views::decode_edge(index, value, &some)?);
                Ok(ControlFlow::Continue(()))
            })?;
            if let Some(last) = of {
                list.add(last, &statements);
            }
            list.shrink();
            Ok::<_, StorageError>(Entry::Edges(Arc::new(list)))
        })?;
        let Entry::Edges(list) = entry else { return Err(other_kept()) };
        self.work.add(Of::Edges, 1);
        Ok(list)
    }

    /// The other ends of a node's edges of a kind.
    pub fn adjacent(
        &self,
        kind: EdgeKind,
        incoming: bool,
        node: NodeKey,
        size: u64,
    ) -> Result<Vec<NodeKey>, StorageError> {
        let prefix = keys::adjacent_prefix(kind, incoming, node);
        let end = keys::after_prefix(&prefix);
        let mut found = Vec::new();
        self.db.scan(Family::Adjacency, &prefix, end.as_deref(), false, &mut |row, _| {
            let (other, index) = keys::adjacent_from(row)?;
            if index < size && found.last() != Some(&other) {
                found.push(other);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    /// Identities that themselves hold an ALLOW with one of the privileges at one moment of the interval at least.
    ///
    /// Segments are read before revisions: whatever a batch that is written meanwhile turns over in the one shows in the
    /// other, and is left open. Where no fact lies beyond the first `size` records, nothing was revised since.
    pub fn direct_holders(
        &self,
        privileges: PrivilegeSet,
        during: Interval,
        size: u64,
    ) -> Result<Members, StorageError> {
        let mut members = Members::default();
        let mut all_known = true;
        let one_moment = during.from.nanos().checked_add(1) == Some(during.to.nanos());
        for privilege in privileges.iter().filter(|privilege| privilege.can_be_held()) {
            let mut of_privilege = RoaringBitmap::new();
            let mut from = Some(during.from);
            while let Some(at) = from.filter(|at| *at < during.to) {
                let (segment, end) = self.segment(privilege, at)?;
                self.work.add(Of::Bitmaps, 1);
                of_privilege |= if one_moment { segment.at(during.from) } else { segment.sometime(during) };
                from = end;
            }
            if self.facts_end.load(Ordering::Acquire) <= size {
                members.sure |= of_privilege;
                continue;
            }
            all_known = false;
            let mut open = RoaringBitmap::new();
            let (from, to) =
                (keys::revision(privilege, size), keys::after_prefix(&keys::segment_prefix(privilege)));
            self.db.scan(Family::Revisions, &from, to.as_deref(), false, &mut |_, value| {
                let stretches = views::decode_revision(value, during)?;
                open.extend(stretches.iter().filter(|each| each.1.overlaps(during)).map(|each| each.0));
                Ok(ControlFlow::Continue(()))
            })?;
            of_privilege -= &open;
            members.sure |= of_privilege;
            members.maybe |= open;
        }
        if all_known {
            return Ok(members);
        }
        let cut = self.cut(size)?;
        members.sure -= &cut;
        members.maybe |= cut;
        members.maybe -= &members.sure;
        Ok(members)
    }

    /// Identities on which the batch that K cuts bears, if it cuts one. Revisions hold what a whole batch changed: what its
    /// first records alone make of these, only their timelines tell.
    fn cut(&self, size: u64) -> Result<RoaringBitmap, StorageError> {
        let mut cut: Option<Header> = None;
        LedgerReader(&self.db).headers(size.saturating_add(1), &mut |header| {
            cut = (header.first < size).then_some(header);
            Ok(ControlFlow::Break(()))
        })?;
        let mut found = RoaringBitmap::new();
        let Some(header) = cut else { return Ok(found) };
        let ordinal = |kind, id: &str| -> Result<Option<u32>, StorageError> {
            Ok(self.lookup(Space::Nodes(kind), id.as_bytes())?.map(|(ordinal, _)| ordinal))
        };
        for index in header.first..header.end {
            // Facts stand before observations.
            let RecordBody::Fact(fact) = self.record(index)?.body else { break };
            match fact.subject {
                Subject::Edge(edge) if edge.kind == EdgeKind::Holds => {
                    found.extend(ordinal(NodeKind::Identity, &edge.from)?);
                }
                Subject::Node(node) if node.kind == NodeKind::Identity => {
                    found.extend(ordinal(node.kind, &node.id)?);
                }
                Subject::Node(node) if node.kind == NodeKind::Entitlement => {
                    let Some(ordinal) = ordinal(node.kind, &node.id)? else { continue };
                    let entitlement = NodeKey { kind: node.kind, ordinal };
                    let holders = self.adjacent(EdgeKind::Holds, true, entitlement, header.end)?;
                    found.extend(holders.into_iter().map(|holder| holder.ordinal));
                }
                _ => {}
            }
        }
        Ok(found)
    }

    /// The segment of a privilege with a moment, and the start of the one after it.
    ///
    /// Segments are cut in two, and never put together. So one that is kept, or that was read a moment ago, may have become two by
    /// now, and is still right for the state of the disk that it was read in: with its end it was read in one go.
    fn segment(
        &self,
        privilege: Privilege,
        at: Instant,
    ) -> Result<(Arc<Segment>, Option<Instant>), StorageError> {
        let prefix = keys::segment_prefix(privilege);
        let mut start = self.kept.last_start(privilege, at).unwrap_or(Instant::BEGINNING);
        loop {
            let entry = self.kept.get(KeptKey::Segment(privilege, start), || {
                let (mut segment, mut next) = (None, None);
                let (from, to) = (keys::segment(privilege, start), keys::after_prefix(&prefix));
                self.db.scan(Family::Posture, &from, to.as_deref(), false, &mut |key, value| {
                    let found = keys::segment_from(key)?;
                    if found != start {
                        next = Some(found);
                        return Ok(ControlFlow::Break(()));
                    }
                    segment =
                        Some(Segment::decode(found, value).map_err(|error| corrupt(error.to_string()))?);
                    Ok(ControlFlow::Continue(()))
                })?;
                let segment = segment.unwrap_or_else(|| Segment::empty(start));
                Ok::<_, StorageError>(Entry::Segment(Arc::new(segment), next))
            })?;
            let Entry::Segment(segment, next) = entry else { return Err(other_kept()) };
            if let Some(next) = next {
                self.kept.add_start(privilege, next);
            }
            if next.is_none_or(|next| at < next) {
                return Ok((segment, next));
            }
            // Starts are learned as they are come upon: where the last one that is known is not the one, the disk tells.
            let end = keys::segment(privilege, Instant::from_nanos(at.nanos().saturating_add(1)));
            let last = self.db.last_before(Family::Posture, &prefix, &end)?;
            start = match last.map(|(key, _)| keys::segment_from(&key)).transpose()? {
                Some(found) if start < found => found,
                _ => return Err(corrupt("a segment of posture is gone")),
            };
            self.kept.add_start(privilege, start);
        }
    }

    /// Entitlements that ever had a scope that matches the resource, by ordinal, each with the record that first gave it
    /// one. `go_on` is asked now and then; what was found until it said no is given.
    pub fn matching(
        &self,
        resource: &str,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Entitlements, StorageError> {
        let fingerprint = views::fingerprint(resource);
        let version = self.kept.globs_version();
        let key = KeptKey::Matching(fingerprint);
        let find = || {
            let (found, whole) = self.find_matching(resource, fingerprint, go_on)?;
            Ok::<_, Cut>(Entry::Matching(if whole { version } else { return Err(Cut::Short(found)) }, found))
        };
        match self.kept.get(key, find) {
            Ok(Entry::Matching(made_of, found)) if made_of == version => Ok(found),
            Ok(Entry::Matching(..)) => {
                self.kept.forget(&key);
                Ok(self.find_matching(resource, fingerprint, &mut || true)?.0)
            }
            Ok(_) => Err(other_kept()),
            Err(Cut::Short(found)) => Ok(found),
            Err(Cut::Failed(error)) => Err(error),
        }
    }

    /// What [`Store::matching`] gives, and whether it is all.
    fn find_matching(
        &self,
        resource: &str,
        fingerprint: [u8; 16],
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<(Entitlements, bool), StorageError> {
        let entry = self.kept.get(KeptKey::Scoped(fingerprint), || {
            let mut found: Vec<(u32, u64)> = Vec::new();
            for (key, value) in self.db.prefixed(Family::Scopes, &keys::scope_prefix(false, &fingerprint))? {
                found.push((keys::scope_from(&key)?, views::decode_scope(&value)?.0));
            }
            Ok::<_, StorageError>(Entry::Entitlements(found.into()))
        })?;
        let Entry::Entitlements(literal) = entry else { return Err(other_kept()) };
        let globs = self.globs()?;
        if globs.is_empty() {
            return Ok((literal, true));
        }
        let (mut found, mut whole) = (literal.to_vec(), true);
        for (glob, entitlements) in globs.iter() {
            if !go_on() {
                whole = false;
                break;
            }
            if asof_model::glob_matches(glob, resource) {
                found.extend(entitlements);
            }
        }
        found.sort_unstable();
        found.dedup_by_key(|each| each.0);
        Ok((found.into(), whole))
    }

    /// All globs, each with the entitlements that ever had it as a scope.
    fn globs(&self) -> Result<Globs, StorageError> {
        let entry = self.kept.get(KeptKey::Globs, || {
            let (prefix, end) = (keys::SCOPE_GLOBS, keys::after_prefix(&keys::SCOPE_GLOBS));
            let mut globs: Vec<Glob> = Vec::new();
            self.db.scan(Family::Scopes, &prefix, end.as_deref(), false, &mut |key, value| {
                let (index, glob) = views::decode_scope(value)?;
                let entitlement = (keys::scope_from(key)?, index);
                match globs.last_mut() {
                    Some((last, found)) if **last == *glob => found.push(entitlement),
                    _ => globs.push((glob.into(), vec![entitlement])),
                }
                Ok(ControlFlow::Continue(()))
            })?;
            Ok::<_, StorageError>(Entry::Globs(globs.into()))
        })?;
        let Entry::Globs(globs) = entry else { return Err(other_kept()) };
        Ok(globs)
    }

    /// Identities that were ever a member of a group, or ever denied one of the privileges.
    pub fn entangled(&self, privileges: PrivilegeSet) -> Result<RoaringBitmap, StorageError> {
        let mut found = RoaringBitmap::clone(&*self.set(views::MEMBERS)?);
        for privilege in privileges.iter() {
            found |= &*self.set(privilege.number())?;
        }
        Ok(found)
    }

    /// Nodes of a kind of which some statement is no PUT: only these can be *deleted*.
    pub fn ever_ended(&self, kind: NodeKind) -> Result<Arc<RoaringBitmap>, StorageError> {
        self.set(views::ENDED + kind.number())
    }

    /// Secrets that may ever be dead, others than by what they descend from.
    pub fn mortal(&self) -> Result<Arc<RoaringBitmap>, StorageError> {
        self.set(views::MORTAL)
    }

    /// A set of the family `entangled`.
    fn set(&self, number: u8) -> Result<Arc<RoaringBitmap>, StorageError> {
        let entry = self.kept.get(KeptKey::Entangled(number), || {
            let set = match self.db.get(Family::Entangled, &[number])? {
                Some(value) => RoaringBitmap::deserialize_from(&value[..])
                    .map_err(|_| corrupt("entangled: holds no roaring bitmap"))?,
                None => RoaringBitmap::new(),
            };
            Ok::<_, StorageError>(Entry::Set(Arc::new(set)))
        })?;
        let Entry::Set(set) = entry else { return Err(other_kept()) };
        self.work.add(Of::Bitmaps, 1);
        Ok(set)
    }
}

/// Why nothing is kept of what was read.
enum Cut {
    Short(Entitlements),
    Failed(StorageError),
}

impl From<StorageError> for Cut {
    fn from(error: StorageError) -> Self {
        Self::Failed(error)
    }
}
