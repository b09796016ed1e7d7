//! Reads of the ledger and the views, as known at a ledger size: rows of later records are passed over here, so that no
//! snapshot of the database is needed.

use std::ops::ControlFlow;
use std::sync::Arc;

use asof_evidence::Hash;
use asof_model::{
    EdgeKind, Instant, Interval, NodeKind, Privilege, PrivilegeSet, Record, RecordBody, Statement, Subject,
};
use asof_temporal::Segment;
use roaring::RoaringBitmap;

use crate::codec::Decoder;
use crate::db::Family;
use crate::error::{StorageError, corrupt};
use crate::keys::{self, NodeKey, Space, TimelineKey};
use crate::ledger::{Header, LedgerReader};
use crate::store::Store;
use crate::views;

/// A record with what proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Decoded.
    pub record: Record,
    /// The salt of its commitment.
    pub salt: [u8; 32],
    /// As stored and hashed.
    pub canonical: Vec<u8>,
}

/// A coverage: (ordinal, source, scope).
pub type CoverageName = (u32, Arc<str>, Arc<str>);

/// Members for sure, and those that knowledge K leaves open.
#[derive(Debug, Clone, Default)]
pub struct Members {
    /// Members.
    pub sure: RoaringBitmap,
    /// Perhaps.
    pub maybe: RoaringBitmap,
}

impl Store {
    /// The newest header, or none.
    pub fn last_header(&self) -> Result<Option<Header>, StorageError> {
        LedgerReader(&self.db).last_header()
    }

    /// The header of the batch that holds a record.
    pub fn header_of(&self, index: u64) -> Result<Header, StorageError> {
        LedgerReader(&self.db).header_of(index)
    }

    /// A record.
    pub fn record(&self, index: u64) -> Result<Record, StorageError> {
        LedgerReader(&self.db).record(index)
    }

    /// The records `first..first + limit` that the first `size` hold, with their salts.
    pub fn entries(&self, first: u64, limit: usize, size: u64) -> Result<Vec<LedgerEntry>, StorageError> {
        let reader = LedgerReader(&self.db);
        let end = size.min(first.saturating_add(limit as u64));
        let mut header: Option<Header> = None;
        let mut found = Vec::new();
        for index in first..end {
            if header.as_ref().is_none_or(|header| header.end <= index) {
                header = Some(reader.header_of(index)?);
            }
            let Some(header) = &header else { break };
            let canonical = reader.canonical(index)?;
            let record = crate::canonical::decode(index, &canonical)?;
            found.push(LedgerEntry { record, salt: asof_evidence::salt(&header.secret, index), canonical });
        }
        Ok(found)
    }

    /// The largest ledger size recorded at or before a moment.
    pub fn size_at(&self, at: Instant) -> Result<u64, StorageError> {
        let end = keys::time(Instant::from_nanos(at.nanos().saturating_add(1)));
        match self.db.last_before(Family::Times, &[], &end)? {
            Some((_, value)) => Decoder::new("size at a time", &value).varint(),
            None => Ok(0),
        }
    }

    /// The root over the first `size` records, and when the last of them was recorded.
    pub fn root_at(&self, size: u64) -> Result<(Hash, Option<Instant>), StorageError> {
        let Some(last) = size.checked_sub(1) else { return Ok((asof_evidence::EMPTY_ROOT, None)) };
        let header = self.header_of(last)?;
        let root = if header.end == size { header.root } else { LedgerReader(&self.db).root(size)? };
        Ok((root, Some(header.recorded_at)))
    }

    /// How many ordinals of a kind the first `size` records name.
    pub fn count(&self, kind: NodeKind, size: u64) -> Result<u32, StorageError> {
        let space = Space::Nodes(kind);
        let end = keys::after_prefix(&keys::space_prefix(space)).unwrap_or_default();
        let last = self.db.last_before(Family::Names, &keys::space_prefix(space), &end)?;
        let Some((key, value)) = last else { return Ok(0) };
        let mut from = Decoder::new("key of a name", &key);
        from.byte()?;
        let count = from.u32()?.checked_add(1).ok_or_else(|| corrupt("an ordinal is too large"))?;
        if views::parse_name(&value)?.0 / 8 < size {
            return Ok(count);
        }
        // Ordinals are given in ledger order: the first one that appears too late is found by halving.
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.name(space, middle)?.0 / 8 < size { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// The ordinal of an id and its appearance (ledger index times 8, and the place in that record).
    pub fn lookup(&self, space: Space, id: &[u8]) -> Result<Option<(u32, u64)>, StorageError> {
        let Some(value) = self.db.get(Family::Ids, &keys::id(space, id))? else { return Ok(None) };
        let ordinal = Decoder::new("ordinal", &value).u32()?;
        Ok(Some((ordinal, self.name(space, ordinal)?.0)))
    }

    /// The appearance and the bytes of an id.
    pub fn name(&self, space: Space, ordinal: u32) -> Result<(u64, Vec<u8>), StorageError> {
        let value = self.db.get(Family::Names, &keys::name(space, ordinal))?;
        let value = value.ok_or_else(|| corrupt(format!("ordinal {ordinal} of {space:?} has no name")))?;
        let (appearance, id) = views::parse_name(&value)?;
        Ok((appearance, id.to_vec()))
    }

    /// The same as text.
    pub fn text(&self, space: Space, ordinal: u32) -> Result<(u64, Arc<str>), StorageError> {
        let (appearance, id) = self.name(space, ordinal)?;
        let text = String::from_utf8(id).map_err(|_| corrupt("a name is not UTF-8"))?;
        Ok((appearance, text.into()))
    }

    /// Coverages that the first `size` records state, as (ordinal, source, scope).
    pub fn coverages(&self, size: u64) -> Result<Vec<CoverageName>, StorageError> {
        let mut found = Vec::new();
        for (key, value) in self.db.prefixed(Family::Names, &keys::space_prefix(Space::Coverages))? {
            let (appearance, id) = views::parse_name(&value)?;
            if appearance / 8 >= size {
                break;
            }
            let mut from = Decoder::new("key of a name", &key);
            from.byte()?;
            let ordinal = from.u32()?;
            let mut id = Decoder::new("coverage", id);
            let source = self.text(Space::Sources, id.u32()?)?.1;
            let scope = std::str::from_utf8(id.rest()).map_err(|_| corrupt("a scope is not UTF-8"))?;
            found.push((ordinal, source, scope.into()));
        }
        Ok(found)
    }

    /// The least moment at which a node is discovered.
    pub fn discovered(&self, node: NodeKey, size: u64) -> Result<Option<Instant>, StorageError> {
        let row = self.db.last_before(
            Family::Discovered,
            &keys::discovered_prefix(node),
            &keys::discovered(node, size),
        )?;
        row.map(|(_, value)| Decoder::new("discovery", &value).instant()).transpose()
    }

    /// The statements on a key, in ledger order.
    pub fn statements(&self, key: TimelineKey, size: u64) -> Result<Vec<Statement>, StorageError> {
        let mut found = Vec::new();
        let (from, to) = (keys::timeline(key), keys::statement(key, size));
        self.db.scan(Family::Statements, &from, Some(&to), false, &mut |row, value| {
            found.push(views::decode_statement(keys::statement_from(row)?.1, value)?);
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    /// Every key with a statement, with the index of its first one, in order of it.
    pub fn keys(&self, size: u64) -> Result<Vec<(u64, TimelineKey)>, StorageError> {
        let mut found: Vec<(u64, TimelineKey)> = Vec::new();
        self.db.scan(Family::Statements, &[], None, false, &mut |row, _| {
            let (key, index) = keys::statement_from(row)?;
            if index < size && found.last().is_none_or(|last| last.1 != key) {
                found.push((index, key));
            }
            Ok(ControlFlow::Continue(()))
        })?;
        found.sort_unstable();
        Ok(found)
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
        self.db.scan(Family::Adjacency, &prefix, end.as_deref(), false, &mut |row, value| {
            if Decoder::new("adjacency", value).u64()? < size {
                found.push(keys::adjacent_from(row)?);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        Ok(found)
    }

    /// Identities that themselves hold an ALLOW with one of the privileges at one moment of the interval at least.
    ///
    /// Segments are read before revisions: whatever a batch that is written meanwhile turns over in the one shows in the
    /// other, and is left open.
    pub fn direct_holders(
        &self,
        privileges: PrivilegeSet,
        during: Interval,
        size: u64,
    ) -> Result<Members, StorageError> {
        let mut members = Members::default();
        let one_moment = during.from.nanos().checked_add(1) == Some(during.to.nanos());
        for privilege in privileges.iter().filter(|privilege| privilege.can_be_held()) {
            let mut of_privilege = RoaringBitmap::new();
            for segment in self.segments(privilege, during)? {
                of_privilege |= if one_moment { segment.at(during.from) } else { segment.sometime(during) };
            }
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

    /// The segments of a privilege that share a moment with the interval.
    fn segments(&self, privilege: Privilege, during: Interval) -> Result<Vec<Segment>, StorageError> {
        let mut found = Vec::new();
        let prefix = keys::segment_prefix(privilege);
        let end = keys::segment(privilege, during.to);
        self.db.scan(Family::Posture, &prefix, Some(&end), true, &mut |row, value| {
            let start = keys::segment_from(row)?;
            found.push(Segment::decode(start, value).map_err(|error| corrupt(error.to_string()))?);
            Ok(if start <= during.from { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(found)
    }

    /// Identities that ever held an entitlement that ever had a scope that matches the resource. `go_on` is asked now and
    /// then; what was found until it said no is given.
    pub fn holders_on(
        &self,
        resource: &str,
        size: u64,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<RoaringBitmap, StorageError> {
        let mut entitlements = RoaringBitmap::new();
        let literal = keys::scope_prefix(false, &views::fingerprint(resource));
        for (key, value) in self.db.prefixed(Family::Scopes, &literal)? {
            if views::decode_scope(&value)?.0 < size {
                entitlements.insert(keys::scope_from(&key)?);
            }
        }
        let (globs, end) = (keys::SCOPE_GLOBS, keys::after_prefix(&keys::SCOPE_GLOBS));
        // Rows of one glob stand together: it is matched once.
        let mut last: (String, bool) = (String::new(), false);
        self.db.scan(Family::Scopes, &globs, end.as_deref(), false, &mut |key, value| {
            let (index, glob) = views::decode_scope(value)?;
            if last.0 != glob {
                if !go_on() {
                    return Ok(ControlFlow::Break(()));
                }
                last = (glob.to_owned(), asof_model::glob_matches(glob, resource));
            }
            if last.1 && index < size {
                entitlements.insert(keys::scope_from(key)?);
            }
            Ok(ControlFlow::Continue(()))
        })?;
        let mut identities = RoaringBitmap::new();
        for ordinal in entitlements {
            if !go_on() {
                break;
            }
            let entitlement = NodeKey { kind: NodeKind::Entitlement, ordinal };
            let holders = self.adjacent(EdgeKind::Holds, true, entitlement, size)?;
            identities.extend(holders.into_iter().map(|holder| holder.ordinal));
        }
        Ok(identities)
    }

    /// Identities that were ever a member of a group, or ever denied one of the privileges.
    pub fn entangled(&self, privileges: PrivilegeSet) -> Result<RoaringBitmap, StorageError> {
        let mut found = RoaringBitmap::new();
        let denied = privileges.iter().map(Privilege::number);
        for set in std::iter::once(views::MEMBERS).chain(denied) {
            if let Some(value) = self.db.get(Family::Entangled, &[set])? {
                found |= RoaringBitmap::deserialize_from(&value[..])
                    .map_err(|_| corrupt("entangled: holds no roaring bitmap"))?;
            }
        }
        Ok(found)
    }
}
