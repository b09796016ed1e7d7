//! The root of all subscriptions: what is recorded, and who begins and ceases to match.
//!
//! A subscription is a place in the ledger ([`feed`]) that is moved on in steps ([`run`]), each of which is a request of its own.

#![expect(clippy::unused_async, reason = "resolvers are async by form; these read and do not wait")]

mod feed;
mod run;

use asof_query as query;
use async_graphql::{Context, ID, SimpleObject};
use futures_util::Stream;
use futures_util::stream::iter;

pub use run::{Subscribed, Told, subscribe};

use crate::asked::Asked;
use crate::failure::{Failure, Under as _};
use crate::input::{IdentityWhere, Read as _};
use crate::node::Identity;
use crate::observation::Observation;
use crate::scalars::{DateTime, Long};
use crate::state::Revision;
use feed::Feed;

/// What goes on, told as it is recorded, over graphql-transport-ws. What is selected under an event is seen at the point of its batch:
/// asOf when that was recorded, knowing all of it and nothing later. A reader who takes no event for too long is cut off with the
/// code SLOW_READER; `extensions.resumeFrom` of every error that ends a subscription is the fromIndex to go on with, so that nothing is
/// lost or told twice.
pub(crate) struct Subscription;

/// What goes on, told as it is recorded, over graphql-transport-ws. What is selected under an event is seen at the point of its batch:
/// asOf when that was recorded, knowing all of it and nothing later. A reader who takes no event for too long is cut off with the
/// code SLOW_READER; `extensions.resumeFrom` of every error that ends a subscription is the fromIndex to go on with, so that nothing is
/// lost or told twice.
#[async_graphql::Subscription]
impl Subscription {
    /// Identities that begin or cease to match, as records arrive: batch by batch, each held against the one before it. A batch that
    /// changes nothing is no event. fromIndex: go on from the matches as the first so many records had them, when the last of these was
    /// recorded; absent: as of now.
    async fn matches(
        &self,
        context: &Context<'_>,
        #[graphql(name = "where")] filter: IdentityWhere,
        from_index: Option<Long>,
    ) -> Result<impl Stream<Item = Result<MatchEvent, Failure>>, Failure> {
        let (session, feed) = (Asked::of(context)?.session.clone(), Feed::of(context)?);
        let filter: query::IdentityWhere = filter.read().under("where")?;
        feed.lock().begin_matches(&session, &filter, from_index.map(|from| from.0))?;
        Ok(iter(std::iter::from_fn(move || feed.lock().next_match(&session, &filter).transpose())))
    }

    /// Every record, in the ledger's order. fromIndex: from this one on; absent: those that are recorded from now on.
    async fn records(
        &self,
        context: &Context<'_>,
        from_index: Option<Long>,
    ) -> Result<impl Stream<Item = Result<RecordEvent, Failure>>, Failure> {
        let (session, feed) = (Asked::of(context)?.session.clone(), Feed::of(context)?);
        feed.lock().begin_records(&session, from_index.map(|from| from.0))?;
        Ok(iter(std::iter::from_fn(move || feed.lock().next_record(&session).transpose())))
    }
}

/// began and ceased: what the records up to ledgerSize changed in the matches.
#[derive(SimpleObject)]
pub(crate) struct MatchEvent {
    /// The ledger size after the batch; as fromIndex it goes on behind this event.
    ledger_size: Long,
    /// Those that match now and did not before, by first appearance in the ledger.
    began: Vec<Identity>,
    /// Those that matched before and do not now, by first appearance in the ledger.
    ceased: Vec<ID>,
}

/// fact or observation, as the record is the one or the other.
#[derive(SimpleObject)]
pub(crate) struct RecordEvent {
    /// The record; one more is the fromIndex that goes on behind it.
    ledger_index: Long,
    /// When it was recorded.
    recorded_at: DateTime,
    /// Which collector told it.
    source: String,
    /// What it states.
    fact: Option<Revision>,
    /// What was seen.
    observation: Option<Observation>,
}
