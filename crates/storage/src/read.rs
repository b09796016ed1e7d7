//! Reads of the ledger and the views, as known at a ledger size: rows of later records are passed over here, so that no
//! snapshot of the database is needed.

use std::ops::ControlFlow;
use std::sync::Arc;

use asof_evidence::{Hash, Salts};
use asof_model::{Instant, Record, Statement};
use roaring::RoaringBitmap;

use crate::codec::Decoder;
use crate::db::Family;
use crate::error::{StorageError, corrupt};
use crate::kept::{Entry, KeptKey};
use crate::keys::{self, Space, TimelineKey};
use crate::ledger::{Header, LedgerReader};
use crate::posture::other_kept;
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
            found.push(LedgerEntry { record, salt: Salts::new(&header.secret).of(index), canonical });
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
        let entry = self.kept.get(KeptKey::Root(size), || {
            let header = self.header_of(last)?;
            let root = if header.end == size { header.root } else { LedgerReader(&self.db).root(size)? };
            Ok::<_, StorageError>(Entry::Root(root, header.recorded_at))
        })?;
        let Entry::Root(root, recorded_at) = entry else { return Err(other_kept()) };
        Ok((root, Some(recorded_at)))
    }

    /// The ordinal of an id and its appearance (ledger index times 8, and the place in that record).
    pub fn lookup(&self, space: Space, id: &[u8]) -> Result<Option<(u32, u64)>, StorageError> {
        // An id that there is keeps its ordinal for ever; one that there is not may come.
        let read = || {
            let value = self.db.get(Family::Ids, &keys::id(space, id)).map_err(Some)?.ok_or(None)?;
            let ordinal = Decoder::new("ordinal", &value).u32().map_err(Some)?;
            Ok(Entry::Ordinal(ordinal, self.name(space, ordinal).map_err(Some)?.0))
        };
        match self.kept.get(KeptKey::Id(space, views::fingerprint(id)), read) {
            Ok(Entry::Ordinal(ordinal, appearance)) => Ok(Some((ordinal, appearance))),
            Ok(_) => Err(other_kept()),
            Err(None) => Ok(None),
            Err(Some(error)) => Err(error),
        }
    }

    /// The appearance and the bytes of an id.
    pub fn name(&self, space: Space, ordinal: u32) -> Result<(u64, Vec<u8>), StorageError> {
        let value = self.db.get(Family::Names, &keys::name(space, ordinal))?;
        let value = value.ok_or_else(|| corrupt(format!("ordinal {ordinal} of {space:?} has no name")))?;
        let (appearance, id) = views::parse_name(&value)?;
        Ok((appearance, id.to_vec()))
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
}
