//! Where a subscription stands in the ledger, and what it tells next.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant as Clock;

use asof_engine::{BatchInfo, Point, PointRequest, Session};
use asof_model::{Instant, NodeKind, Record, RecordBody};
use asof_query::{self as query, EventAxis, EventRange, IdentityOrder, IdentityWhere};
use async_graphql::Context;
use roaring::RoaringBitmap;

use super::{MatchEvent, RecordEvent};
use crate::asked::Moment;
use crate::failure::{Failure, INTERNAL, LIMIT_EXCEEDED, Under as _};
use crate::limits::{MATCH_CHANGES, STEP_TIME};
use crate::node::Identity;
use crate::observation::Observation;
use crate::page::Shown as _;
use crate::scalars::Long;
use crate::state::Revision;

/// A subscription's place, kept from step to step; the fields of a step find it in their context.
#[derive(Clone, Default)]
pub(super) struct Feed(Arc<Mutex<Stand>>);

impl Feed {
    pub(super) fn of(context: &Context<'_>) -> Result<Self, Failure> {
        context.data::<Self>().cloned().map_err(|_| Failure::new(INTERNAL, "the request has no feed"))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Stand> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where it stands.
#[derive(Default)]
pub(super) struct Stand {
    place: Option<Place>,
    /// The event that was told last goes on from here, were it told again. Taken by who delivers it.
    told_from: Option<u64>,
    /// When the step ends, once it has done something.
    until: Option<Clock>,
    /// The batch that was read last.
    batch: Option<BatchInfo>,
}

enum Place {
    /// The next record.
    Records(u64),
    /// Who matches, as the first `size` records have it.
    Matches { size: u64, matching: RoaringBitmap },
}

impl Stand {
    /// A step begins.
    pub(super) fn begin_step(&mut self) {
        self.until = None;
    }

    /// The records that are behind it; `None` before its field was ever asked.
    pub(super) fn position(&self) -> Option<u64> {
        match &self.place {
            None => None,
            Some(Place::Records(next)) => Some(*next),
            Some(Place::Matches { size, .. }) => Some(*size),
        }
    }

    /// Where the event that was told last goes on from, were it told again.
    pub(super) fn take_told(&mut self) -> Option<u64> {
        self.told_from.take()
    }

    /// Stands at the beginning already, or is put there.
    pub(super) fn begin_records(&mut self, session: &Session, from: Option<u64>) -> Result<(), Failure> {
        if self.place.is_none() {
            self.place = Some(Place::Records(begin(session, from)?));
        }
        Ok(())
    }

    pub(super) fn begin_matches(
        &mut self,
        session: &Session,
        filter: &IdentityWhere,
        from: Option<u64>,
    ) -> Result<(), Failure> {
        if self.place.is_some() {
            return Ok(());
        }
        let size = begin(session, from)?;
        let point = match size.checked_sub(1) {
            Some(last) => Point { at: session.batch_of(last)?.recorded_at, size },
            // Nobody matches yet; asking all the same says now what is wrong with the filter.
            None => Point { size, ..session.point(&PointRequest::default())? },
        };
        let matching = matching(&moment(session, point)?, filter)?;
        self.place = Some(Place::Matches { size, matching });
        Ok(())
    }

    pub(super) fn next_record(&mut self, session: &Session) -> Result<Option<RecordEvent>, Failure> {
        let Some(Place::Records(next)) = self.place else { return Err(mixed()) };
        let Some(batch) = self.batch_behind(session, next)? else { return Ok(None) };
        let record = session.record(next)?;
        let moment = moment(session, Point { at: batch.recorded_at, size: batch.end })?;
        let (fact, observation) = match &record.body {
            RecordBody::Fact(fact) => (Some(Revision::recorded(&record, fact)), None),
            RecordBody::Observation(seen) => (None, Some(observation(&moment, &record, seen.time)?)),
        };
        self.place = Some(Place::Records(next + 1));
        self.told_from = Some(next);
        Ok(Some(RecordEvent {
            ledger_index: Long(next),
            recorded_at: record.recorded_at.into(),
            source: record.source,
            fact,
            observation,
        }))
    }

    pub(super) fn next_match(
        &mut self,
        session: &Session,
        filter: &IdentityWhere,
    ) -> Result<Option<MatchEvent>, Failure> {
        loop {
            let Some(Place::Matches { size, .. }) = self.place else { return Err(mixed()) };
            let Some(batch) = self.batch_behind(session, size)? else { return Ok(None) };
            let moment = moment(session, Point { at: batch.recorded_at, size: batch.end })?;
            let now = matching(&moment, filter)?;
            let Some(Place::Matches { matching, .. }) = &self.place else { return Err(mixed()) };
            let (began, ceased) = (&now - matching, matching - &now);
            let changes = began.len() + ceased.len();
            if changes > MATCH_CHANGES {
                return Err(too_many(changes, batch.end));
            }
            self.place = Some(Place::Matches { size: batch.end, matching: now });
            if changes == 0 {
                continue;
            }
            self.told_from = Some(size);
            let began = began.iter().map(|ordinal| Identity::show(&identity(ordinal), &moment));
            let ceased = ceased.iter().map(|ordinal| Ok::<_, Failure>(moment.id(identity(ordinal))?.into()));
            return Ok(Some(MatchEvent {
                ledger_size: Long(batch.end),
                began: began.collect::<Result<_, _>>()?,
                ceased: ceased.collect::<Result<_, _>>()?,
            }));
        }
    }

    /// The batch that goes on behind so many records; `None` where there is none, or the step has taken its time.
    fn batch_behind(&mut self, session: &Session, size: u64) -> Result<Option<BatchInfo>, Failure> {
        let now = Clock::now();
        if now >= *self.until.get_or_insert(now + STEP_TIME)
            || size >= session.point(&PointRequest::default())?.size
        {
            return Ok(None);
        }
        if self.batch.is_none_or(|batch| batch.end <= size) {
            self.batch = Some(session.batch_of(size)?);
        }
        Ok(self.batch)
    }
}

/// Where `fromIndex` puts it.
fn begin(session: &Session, from: Option<u64>) -> Result<u64, Failure> {
    let size = session.point(&PointRequest::default())?.size;
    match from {
        Some(from) if from > size => Err(Failure::bad(format!(
            "{from} is beyond the ledger, which has {size} records: give {size} or less, or nothing"
        ))
        .with("ledgerSize", size))
        .under("fromIndex"),
        from => Ok(from.unwrap_or(size)),
    }
}

fn moment(session: &Session, point: Point) -> Result<Moment, Failure> {
    Moment::of(session, point)
}

fn matching(moment: &Moment, filter: &IdentityWhere) -> Result<RoaringBitmap, Failure> {
    let found = moment.known.identities(moment.at(), filter, false, IdentityOrder::Appearance)?;
    Ok(found.into_ordinals())
}

fn identity(ordinal: u32) -> query::Node {
    query::Node { kind: NodeKind::Identity, ordinal }
}

/// The observation that a record is.
fn observation(moment: &Moment, record: &Record, time: Instant) -> Result<Observation, Failure> {
    let mut found = None;
    let range =
        EventRange { from: (time, record.index), to: Instant::from_nanos(time.nanos().saturating_add(1)) };
    moment.known.reader().events(EventAxis::All, range, false, &mut |event| {
        found = Some(*event);
        ControlFlow::Break(())
    })?;
    match found.filter(|event| event.index == record.index) {
        Some(event) => Observation::show(&event, moment),
        None => Err(Failure::new(INTERNAL, format!("record {} is not among the events", record.index))),
    }
}

fn too_many(changes: u64, size: u64) -> Failure {
    let message = format!(
        "the batch that ends at {size} changed {changes} matches, which passes the limit of {MATCH_CHANGES} (match_changes): \
         list them with `identities` at ledgerSize {size}, and go on with fromIndex {size}"
    );
    Failure::new(LIMIT_EXCEEDED, message)
        .with("limit", MATCH_CHANGES)
        .with("limitName", "match_changes")
        .with("asked", changes)
}

/// One operation has one root field, which is checked before.
fn mixed() -> Failure {
    Failure::new(INTERNAL, "the subscription stands in another field")
}
