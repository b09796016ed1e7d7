//! The ledger: records, batch headers and the Merkle tree over the records' commitments. The only place that appends.

use asof_evidence::{
    Frontier, Hash, Salts, TILE_HEIGHT, commitment, leaf_hash, node_hash, root_from_subtrees, subtrees,
};
use asof_model::{Instant, Record};

use crate::canonical;
use crate::codec::{Decoder, Encoder};
use crate::db::{Db, Family, Pending};
use crate::error::{StorageError, corrupt};
use crate::keys::{self, Space};

const HEADER_VERSION: u8 = 1;

/// What the ledger keeps of a batch beside its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The batch's number, from 0.
    pub number: u64,
    /// The ledger index of its first record.
    pub first: u64,
    /// The ledger size after it.
    pub end: u64,
    /// When it was recorded.
    pub recorded_at: Instant,
    /// Which collector.
    pub source: String,
    /// Empty: none.
    pub batch_id: String,
    /// SHA-256 of the request's content.
    pub digest: [u8; 32],
    /// What its records' salts derive from.
    pub(crate) secret: [u8; 32],
    /// The tree's root after it.
    pub root: Hash,
    /// The nodes that it is the first to name, in order.
    pub(crate) named: Vec<(Space, String)>,
}

impl Header {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut to = Encoder::default();
        to.byte(HEADER_VERSION);
        to.varint(self.first);
        to.instant(self.recorded_at);
        to.text(&self.source);
        to.text(&self.batch_id);
        to.0.extend(self.digest);
        to.0.extend(self.secret);
        to.0.extend(self.root);
        to.varint(self.named.len() as u64);
        for (space, id) in &self.named {
            to.byte(space.number());
            to.text(id);
        }
        to.0
    }

    pub(crate) fn decode(key: &[u8], value: &[u8]) -> Result<Self, StorageError> {
        let (end, number) = keys::batch_from(key)?;
        let mut from = Decoder::new("batch header", value);
        if from.byte()? != HEADER_VERSION {
            return Err(from.wrong("unknown version"));
        }
        let mut header = Self {
            number,
            first: from.varint()?,
            end,
            recorded_at: from.instant()?,
            source: from.text()?.to_owned(),
            batch_id: from.text()?.to_owned(),
            digest: from.array()?,
            secret: from.array()?,
            root: from.array()?,
            named: Vec::new(),
        };
        for _ in 0..from.varint()? {
            let number = from.byte()?;
            let space = Space::ALL.get(usize::from(number).wrapping_sub(1)).copied();
            header.named.push((space.ok_or_else(|| from.wrong("unknown space"))?, from.text()?.to_owned()));
        }
        from.end()?;
        if header.first > header.end {
            return Err(from.wrong("begins after its end"));
        }
        Ok(header)
    }
}

/// Reads of the ledger.
pub(crate) struct LedgerReader<'a>(pub &'a Db);

impl LedgerReader<'_> {
    /// The header of the batch that holds the record with this index.
    pub fn header_of(&self, index: u64) -> Result<Header, StorageError> {
        let mut found = None;
        let after = index.checked_add(1).ok_or(StorageError::Full("the ledger"))?;
        self.headers(after, &mut |header| {
            found = Some(header);
            Ok(std::ops::ControlFlow::Break(()))
        })?;
        found
            .filter(|header| header.first <= index)
            .ok_or_else(|| corrupt(format!("record {index} belongs to no batch")))
    }

    /// The headers of batches that end at `end` or later, in order.
    pub fn headers(
        &self,
        end: u64,
        visit: &mut dyn FnMut(Header) -> Result<std::ops::ControlFlow<()>, StorageError>,
    ) -> Result<(), StorageError> {
        self.0.scan(Family::Batches, &keys::batch(end, 0), None, false, &mut |key, value| {
            visit(Header::decode(key, value)?)
        })
    }

    /// The newest header.
    pub fn last_header(&self) -> Result<Option<Header>, StorageError> {
        let row = self.0.last_before(Family::Batches, &[], &[u8::MAX; 17])?;
        row.map(|(key, value)| Header::decode(&key, &value)).transpose()
    }

    /// The canonical bytes of a record.
    pub fn canonical(&self, index: u64) -> Result<Vec<u8>, StorageError> {
        self.0
            .get(Family::Ledger, &keys::index(index))?
            .ok_or_else(|| corrupt(format!("record {index} is missing")))
    }

    /// A record.
    pub fn record(&self, index: u64) -> Result<Record, StorageError> {
        canonical::decode(index, &self.canonical(index)?)
    }

    /// The leaf hashes of the records `from..from + count`, from their content: leaves are not kept.
    fn leaves(&self, from: u64, count: u64) -> Result<Vec<Hash>, StorageError> {
        let mut leaves = Vec::with_capacity(count as usize);
        let mut failed = None;
        let after = from.checked_add(1).ok_or(StorageError::Full("the ledger"))?;
        self.headers(after, &mut |header| {
            let salts = Salts::new(&header.secret);
            for index in header.first.max(from)..header.end.min(from + count) {
                match self.canonical(index) {
                    Ok(canonical) => leaves.push(leaf_of(&salts, index, &canonical)),
                    Err(error) => {
                        failed = Some(error);
                        return Ok(std::ops::ControlFlow::Break(()));
                    }
                }
            }
            let is_last = header.end >= from + count;
            Ok(if is_last { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) })
        })?;
        match failed {
            Some(error) => Err(error),
            None if leaves.len() as u64 == count => Ok(leaves),
            None => Err(corrupt(format!("records are missing from {from} on"))),
        }
    }

    /// The hashes `from..from + count` of a level that is a multiple of [`TILE_HEIGHT`].
    fn hashes(&self, level: u8, from: u64, count: u64) -> Result<Vec<Hash>, StorageError> {
        if level == 0 {
            return self.leaves(from, count);
        }
        let mut hashes = Vec::with_capacity(count as usize);
        let (first, end) = (keys::hash(level, from), keys::hash(level, from + count));
        self.0.scan(Family::Hashes, &first, Some(&end), false, &mut |_, value| {
            hashes.push(value.try_into().map_err(|_| corrupt("a hash of the tree has not 32 bytes"))?);
            Ok(std::ops::ControlFlow::Continue(()))
        })?;
        if hashes.len() as u64 != count {
            return Err(corrupt(format!("hashes of the tree are missing on level {level} from {from}")));
        }
        Ok(hashes)
    }

    /// The hash of a perfect subtree: from at most 2^(TILE_HEIGHT - 1) ones of the level below it.
    fn subtree(&self, level: u8, place: u64) -> Result<Hash, StorageError> {
        let above = level % TILE_HEIGHT;
        let mut hashes = self.hashes(level - above, place << above, 1 << above)?;
        while hashes.len() > 1 {
            hashes = hashes.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
        }
        hashes.pop().ok_or_else(|| corrupt("a subtree without hashes"))
    }

    /// The right edge of the tree over the first `size` records.
    pub fn frontier(&self, size: u64) -> Result<Frontier, StorageError> {
        let hashes = subtrees(size)
            .into_iter()
            .map(|(level, place)| self.subtree(level, place))
            .collect::<Result<_, _>>()?;
        Frontier::new(size, hashes).ok_or_else(|| corrupt("the tree's right edge does not fit its size"))
    }

    /// The root over the first `size` records.
    pub fn root(&self, size: u64) -> Result<Hash, StorageError> {
        let hashes: Vec<Hash> = subtrees(size)
            .into_iter()
            .map(|(level, place)| self.subtree(level, place))
            .collect::<Result<_, _>>()?;
        Ok(root_from_subtrees(&hashes))
    }

    /// A kept hash of the tree.
    pub fn kept(&self, level: u8, place: u64) -> Result<Option<Hash>, StorageError> {
        let row = self.0.get(Family::Hashes, &keys::hash(level, place))?;
        row.map(|row| row.try_into().map_err(|_| corrupt("a hash of the tree has not 32 bytes"))).transpose()
    }
}

/// The leaf hash of a record from its content.
pub(crate) fn leaf_of(salts: &Salts, index: u64, canonical: &[u8]) -> Hash {
    leaf_hash(&commitment(&salts.of(index), canonical))
}

/// Appends a batch's records and its header. `header.root` and `header.end` are set here.
pub(crate) fn append(
    header: &mut Header,
    bodies: &[Vec<u8>],
    frontier: &mut Frontier,
    pending: &mut Pending<'_>,
) {
    let salts = Salts::new(&header.secret);
    for body in bodies {
        let index = frontier.size();
        let bytes = canonical::encode(header.recorded_at, &header.source, body);
        let leaf = leaf_of(&salts, index, &bytes);
        pending.put(Family::Ledger, keys::index(index), bytes);
        frontier.append(leaf, |level, place, hash| {
            if level > 0 {
                pending.put(Family::Hashes, keys::hash(level, place), hash.to_vec());
            }
        });
    }
    header.end = frontier.size();
    header.root = frontier.root();
    pending.put(Family::Batches, keys::batch(header.end, header.number), header.encode());
}
