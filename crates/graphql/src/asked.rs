//! The request that is being answered: its session, and the points that its fields speak of.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use asof_engine::{Point, PointRequest, Session};
use asof_model::{Instant, NodeKind, Observation};
use asof_query as query;
use asof_query::{Known, Recorded};
use async_graphql::indexmap::IndexMap;
use async_graphql::{Context, Name, ScalarType, SimpleObject, Value};

use crate::failure::{Failure, INTERNAL, Under as _};
use crate::input::At;
use crate::limits::{COUNTED_ENTRIES, PAGE_SIZE};
use crate::scalars::{DateTime, Long};

/// What every resolver finds in its context.
pub(crate) struct Asked {
    pub(crate) session: Arc<Session>,
    pub(crate) tenant: String,
    /// Entries of counted lists that were made; nobody counts where the answer is counted field by field.
    pub(crate) made: Option<Arc<AtomicU64>>,
}

impl Asked {
    /// So many entries of a list were made. An error where they are more than go uncounted: what is asked is then asked again,
    /// and counted.
    pub(crate) fn made(&self, entries: usize) -> Result<(), Failure> {
        let Some(made) = &self.made else { return Ok(()) };
        let before = made.fetch_add(entries as u64, Ordering::Relaxed);
        if before.saturating_add(entries as u64) <= COUNTED_ENTRIES {
            return Ok(());
        }
        Err(Failure::new(INTERNAL, "the answer is to be counted"))
    }

    pub(crate) fn of<'a>(context: &Context<'a>) -> Result<&'a Self, Failure> {
        context.data::<Self>().map_err(|_| Failure::new(INTERNAL, "the request has no session"))
    }

    /// The moment that a field speaks of; the request's default one where it names none.
    pub(crate) fn moment(&self, at: Option<At>) -> Result<Moment, Failure> {
        let asked = point_request(at).under("at")?;
        self.moment_of(self.session.point(&asked).map_err(Failure::from).under("at")?)
    }

    pub(crate) fn moment_of(&self, point: Point) -> Result<Moment, Failure> {
        Moment::of(&self.session, point)
    }
}

/// A point as it is given.
pub(crate) fn point_request(at: Option<At>) -> Result<PointRequest, Failure> {
    let Some(at) = at else { return Ok(PointRequest::default()) };
    Ok(PointRequest {
        as_of: at.as_of.map(|as_of| as_of.read().under("asOf")).transpose()?,
        known_at: at.known_at.map(|known_at| known_at.read().under("knownAt")).transpose()?,
        ledger_size: at.ledger_size.map(|size| size.0),
    })
}

/// An observation by its ledger index.
type ReadLast = (u64, Arc<Recorded<Observation>>);

/// A point, and everything known at it.
#[derive(Clone)]
pub(crate) struct Moment {
    pub(crate) point: Point,
    pub(crate) known: Arc<Known>,
    /// The observation that was read last: its fields are resolved one after the other.
    last: Arc<Mutex<Option<ReadLast>>>,
}

impl Moment {
    pub(crate) fn of(session: &Session, point: Point) -> Result<Self, Failure> {
        Ok(Self { point, known: session.known(point.size)?, last: Arc::default() })
    }

    /// The whole record of an observation.
    pub(crate) fn observation(&self, index: u64) -> Result<Arc<Recorded<Observation>>, Failure> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((of, recorded)) if *of == index => Ok(Arc::clone(recorded)),
            _ => {
                let recorded = Arc::new(self.known.reader().observation(index)?);
                *last = Some((index, Arc::clone(&recorded)));
                Ok(recorded)
            }
        }
    }

    /// T.
    pub(crate) fn at(&self) -> Instant {
        self.point.at
    }

    /// The node of an id, where it exists.
    pub(crate) fn existing(&self, kind: NodeKind, id: &str) -> Result<Option<query::Node>, Failure> {
        let Some(node) = self.known.reader().lookup(kind, id)? else { return Ok(None) };
        Ok(self.known.exists(node, self.at())?.then_some(node))
    }

    pub(crate) fn id(&self, node: query::Node) -> Result<String, Failure> {
        // Copied in one go, where `to_string` would write it piece by piece.
        Ok(String::from(&*self.known.reader().id(node)?))
    }
}

/// What an answer was computed from: asking again with the same asOf and ledgerSize gives the same answer, for ever.
#[derive(SimpleObject)]
pub(crate) struct Snapshot {
    /// When it was true in the world.
    as_of: DateTime,
    /// What was known: the first so many records.
    ledger_size: Long,
    /// When the last of these was recorded.
    recorded_at: Option<DateTime>,
    /// The Merkle root over these records, in lower-case hexadecimal digits.
    root: String,
}

impl Snapshot {
    pub(crate) fn of(session: &Session, point: Point) -> Result<Self, Failure> {
        let info = session.snapshot(point)?;
        Ok(Self {
            as_of: info.as_of.into(),
            ledger_size: Long(info.ledger_size),
            recorded_at: info.recorded_at.map(Into::into),
            root: hex(&info.root),
        })
    }

    /// As the response's extensions have it.
    pub(crate) fn to_value(&self) -> Value {
        let mut members = IndexMap::new();
        members.insert(Name::new("asOf"), self.as_of.to_value());
        members.insert(Name::new("ledgerSize"), self.ledger_size.to_value());
        members.insert(
            Name::new("recordedAt"),
            self.recorded_at.as_ref().map_or(Value::Null, ScalarType::to_value),
        );
        members.insert(Name::new("root"), Value::String(self.root.clone()));
        Value::Object(members)
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `first` as a number of entries.
pub(crate) fn how_many(first: Option<i32>, otherwise: usize) -> Result<usize, Failure> {
    let Some(first) = first else { return Ok(otherwise) };
    match u64::try_from(first) {
        Ok(first) if first <= PAGE_SIZE => Ok(first as usize),
        Ok(first) => Err(Failure::limit("a page of", first, PAGE_SIZE, "page_size")),
        Err(_) => Err(Failure::bad("must be 0 or more")),
    }
    .under("first")
}

/// A count as GraphQL's Int, which has 32 bits.
pub(crate) fn count(number: u64) -> Result<i32, Failure> {
    i32::try_from(number).map_err(|_| Failure::limit("a count of", number, i32::MAX as u64, "int_range"))
}
