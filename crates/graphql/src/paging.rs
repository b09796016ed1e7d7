//! A page of a list: where it begins, what it holds, and where the next one does.
//!
//! An answer at (T, K) never changes, so a list that is computed as a whole is kept while someone pages through it, and
//! a later page is a slice of it; one that is no longer kept is computed again. Lists of observations, which may be of any
//! length, are read from the cursor's place on.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use asof_engine::{Point, PointRequest, Session};
use asof_query::{Event, EventList, Node, Nodes, QueryError};
use async_graphql::Context;

use crate::asked::{Asked, Moment, how_many, point_request};
use crate::cursor::{self, Cursor, List, Place, Seal};
use crate::failure::{BAD_CURSOR, Failure, Under as _};
use crate::input::At;

/// An answer that is computed as a whole.
pub(crate) trait Whole: Send + Sync + 'static {
    /// What it is a list of.
    type Entry;

    fn len(&self) -> usize;

    /// The entries at some places, all of which there are.
    fn page(&self, places: Range<usize>) -> Vec<Self::Entry>;

    /// Bytes of memory.
    fn bytes(&self) -> usize;
}

impl Whole for Nodes {
    type Entry = Node;

    fn len(&self) -> usize {
        self.len()
    }

    fn page(&self, places: Range<usize>) -> Vec<Node> {
        self.page(places)
    }

    fn bytes(&self) -> usize {
        self.bytes()
    }
}

/// Entries own nothing else.
impl<T: Copy + Send + Sync + 'static> Whole for Vec<T> {
    type Entry = T;

    fn len(&self) -> usize {
        self.len()
    }

    fn page(&self, places: Range<usize>) -> Vec<T> {
        self[places].to_vec()
    }

    fn bytes(&self) -> usize {
        self.capacity() * size_of::<T>()
    }
}

/// Which page of which list is asked for.
pub(crate) struct Paging {
    seal: Seal,
    session: Arc<Session>,
    first: usize,
    /// Where the cursor stands.
    after: Option<Cursor>,
    /// `totalCount` is asked for, too.
    counted: bool,
}

impl Paging {
    /// `of`: what the list hangs on; empty at the root.
    pub(crate) fn read(
        context: &Context<'_>,
        list: List,
        of: &str,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Self, Failure> {
        let asked = Asked::of(context)?;
        let arguments = context.field().arguments().map_err(|error| Failure::bad(error.message))?;
        let seal = Seal::new(list, &asked.tenant, of, &arguments);
        let session = Arc::clone(&asked.session);
        let after = after.map(|after| seal.open(session.seal(), &after).under("after")).transpose()?;
        let counted = context.look_ahead().field("totalCount").exists();
        Ok(Self { seal, session, first: how_many(first, 100)?, after, counted })
    }

    /// The moment that the page answers from: the cursor's, else the one given. An `at` beside a cursor must not
    /// contradict it.
    pub(crate) fn moment(&self, asked: &Asked, at: Option<At>) -> Result<Moment, Failure> {
        let Some(after) = &self.after else { return asked.moment(at) };
        let request = point_request(at).under("at")?;
        if request.as_of.is_some_and(|as_of| as_of != after.point.at)
            || request.ledger_size.is_some_and(|size| size != after.point.size)
        {
            return Err(cursor::bad("speaks of another point than `at`: leave out `at`, or begin again"))
                .under("after");
        }
        follow(asked, after).under("after")
    }

    /// The same for a list that hangs on a node.
    pub(crate) fn moment_beside(&self, asked: &Asked, moment: &Moment) -> Result<Moment, Failure> {
        self.after.as_ref().map_or_else(|| Ok(moment.clone()), |after| follow(asked, after).under("after"))
    }

    /// The page of an answer that is computed as a whole.
    pub(crate) fn whole<T: Whole, E: Into<Failure>>(
        self,
        moment: Moment,
        find: impl FnOnce(&Moment) -> Result<T, E>,
    ) -> Result<Page<T::Entry>, Failure> {
        let question = self.seal.question();
        let (all, is_kept) = match self.session.kept::<T>(question, moment.point) {
            Some(all) => (all, true),
            None => (Arc::new(find(&moment).map_err(Into::into)?), false),
        };
        let total = all.len();
        let start = match self.after.map(|after| after.place) {
            None => 0,
            Some(Place::Position(position)) if position < total as u64 => position as usize + 1,
            Some(_) => return Err(cursor::bad("stands behind the end of the list")).under("after"),
        };
        let end = start.saturating_add(self.first).min(total);
        if !is_kept && end < total {
            // Nobody comes back for what is shown to its end.
            self.session.keep(question, moment.point, Arc::clone(&all), all.bytes());
        }
        let entries = all.page(start..end);
        let places = (start as u64..end as u64).map(Place::Position).collect();
        self.page(moment, entries, places, end < total, Lazy::known(total as u64))
    }

    /// The page of a list of observations.
    pub(crate) fn events(self, moment: Moment, list: EventList) -> Result<Page<Event>, Failure> {
        let after = match self.after.map(|after| after.place) {
            Some(Place::Event(time, index)) => Some((time, index)),
            _ => None,
        };
        // One more than are shown tells whether there are more.
        let mut entries = moment.known.events(moment.at(), &list, after, self.first.saturating_add(1))?;
        let more = entries.len() > self.first;
        entries.truncate(self.first);
        let places = entries.iter().map(|event| Place::Event(event.time, event.index)).collect();
        let total = match self.after.and_then(|after| after.total) {
            Some(total) => Lazy::known(total),
            None if after.is_none() && !more => Lazy::known(entries.len() as u64),
            None => {
                let (known, at) = (Arc::clone(&moment.known), moment.at());
                Lazy::new(move || known.count_events(at, &list))
            }
        };
        if self.counted {
            // Before the cursors are made, which carry it: later pages do not count again.
            total.get()?;
        }
        self.page(moment, entries, places, more, total)
    }

    fn page<T>(
        self,
        moment: Moment,
        entries: Vec<T>,
        places: Vec<Place>,
        more: bool,
        total: Lazy,
    ) -> Result<Page<T>, Failure> {
        let root = match &self.after {
            Some(after) => after.root,
            None => cursor::root(self.session.snapshot(moment.point)?.root),
        };
        Ok(Page { seal: self.seal, session: self.session, moment, root, entries, places, more, total })
    }
}

/// The moment of a cursor.
fn follow(asked: &Asked, after: &Cursor) -> Result<Moment, Failure> {
    let Point { at, size } = after.point;
    let now = asked.session.point(&PointRequest::default())?;
    if size > now.size {
        return Err(cursor::bad(&format!(
            "is of a snapshot of {size} records, and this ledger has {}: an older state of it was restored; begin again \
             without the cursor",
            now.size
        )));
    }
    let request = PointRequest { as_of: Some(at), known_at: None, ledger_size: Some(size) };
    let point = asked
        .session
        .point(&request)
        .map_err(|error| Failure::new(BAD_CURSOR, format!("the cursor's point cannot be read: {error}")))?;
    if cursor::root(asked.session.snapshot(point)?.root) != after.root {
        return Err(cursor::bad(&format!(
            "is of another history of {size} records: the ledger was restored and went on otherwise; begin again without \
             the cursor"
        )));
    }
    asked.moment_of(point)
}

/// A number that is counted when it is first asked for.
pub(crate) struct Lazy {
    known: OnceLock<u64>,
    count: Box<dyn Fn() -> Result<u64, QueryError> + Send + Sync>,
}

impl Lazy {
    /// One that is known.
    pub(crate) fn known(number: u64) -> Self {
        Self { known: number.into(), count: Box::new(move || Ok(number)) }
    }

    /// One that must be counted.
    pub(crate) fn new(count: impl Fn() -> Result<u64, QueryError> + Send + Sync + 'static) -> Self {
        Self { known: OnceLock::new(), count: Box::new(count) }
    }

    /// The number.
    pub(crate) fn get(&self) -> Result<u64, Failure> {
        if let Some(known) = self.known.get() {
            return Ok(*known);
        }
        let counted = (self.count)()?;
        Ok(*self.known.get_or_init(|| counted))
    }
}

/// One page.
pub(crate) struct Page<T> {
    seal: Seal,
    session: Arc<Session>,
    pub(crate) moment: Moment,
    root: [u8; 8],
    pub(crate) entries: Vec<T>,
    places: Vec<Place>,
    /// There are more behind it.
    pub(crate) more: bool,
    /// How many entries the whole list has.
    pub(crate) total: Lazy,
}

impl<T> Page<T> {
    /// The cursor of each entry.
    pub(crate) fn cursors(&self) -> impl Iterator<Item = String> {
        self.places.iter().map(|place| self.cursor(*place))
    }

    /// The cursor of the last entry.
    pub(crate) fn end(&self) -> Option<String> {
        self.places.last().map(|place| self.cursor(*place))
    }

    fn cursor(&self, place: Place) -> String {
        let total = self.total.known.get().copied();
        self.seal
            .write(self.session.seal(), &Cursor { point: self.moment.point, root: self.root, place, total })
    }
}
