//! Observations.

#![expect(clippy::unused_async, reason = "resolvers are async by form; these read and do not wait")]

use std::sync::Arc;

use asof_model::PrivilegeSet;
use asof_query::{Event, Recorded};
use async_graphql::{ID, Object};

use crate::asked::Moment;
use crate::enums::{Outcome, Privilege};
use crate::failure::Failure;
use crate::page::Shown;
use crate::scalars::{DateTime, Long};
use crate::state::{Attribute, attributes, given};

/// Something that one identity did, once. Ids alone: what they name need not exist at asOf. What the record does not give is null.
#[derive(Clone)]
pub(crate) struct Observation {
    event: Event,
    recorded: Arc<Recorded<asof_model::Observation>>,
    moment: Moment,
}

impl Shown for Observation {
    type Entry = Event;

    fn show(event: &Event, moment: &Moment) -> Result<Self, Failure> {
        let recorded = Arc::new(moment.known.reader().observation(event.index)?);
        Ok(Self { event: *event, recorded, moment: moment.clone() })
    }
}

impl Observation {
    fn seen(&self) -> &asof_model::Observation {
        &self.recorded.record
    }
}

fn id(text: &str) -> Option<ID> {
    given(text).map(Into::into)
}

/// Something that one identity did, once. Ids alone: what they name need not exist at asOf. What the record does not give is null.
#[Object]
impl Observation {
    /// The record.
    async fn ledger_index(&self) -> Long {
        Long(self.event.index)
    }

    /// Which collector told it.
    async fn source(&self) -> &str {
        &self.recorded.source
    }

    /// Unique per source.
    async fn event_id(&self) -> Option<String> {
        given(&self.seen().event_id)
    }

    /// When it happened.
    async fn time(&self) -> DateTime {
        self.event.time.into()
    }

    /// Whose permissions were used.
    async fn identity(&self) -> ID {
        self.seen().identity.as_str().into()
    }

    /// Who stood behind: the identity that assumed `identity`.
    async fn actor(&self) -> Option<ID> {
        id(&self.seen().actor)
    }

    /// With which secret.
    async fn secret(&self) -> Option<ID> {
        id(&self.seen().secret)
    }

    /// From which workload.
    async fn workload(&self) -> Option<ID> {
        id(&self.seen().workload)
    }

    /// On what.
    async fn resource(&self) -> Option<ID> {
        id(&self.seen().resource)
    }

    /// The source's own name of the action.
    async fn action(&self) -> Option<String> {
        given(&self.seen().action)
    }

    /// The action's class.
    async fn privilege(&self) -> Privilege {
        self.event.privilege.into()
    }

    /// How it ended.
    async fn outcome(&self) -> Outcome {
        self.event.outcome.into()
    }

    /// From which address.
    async fn source_ip(&self) -> Option<String> {
        given(&self.seen().source_ip)
    }

    /// Where.
    async fn region(&self) -> Option<String> {
        given(&self.seen().region)
    }

    /// The provider's session.
    async fn session(&self) -> Option<String> {
        given(&self.seen().session)
    }

    /// Free pairs, by key.
    async fn attributes(&self) -> Vec<Attribute> {
        attributes(&self.seen().attributes)
    }

    /// What the provider itself said allowed it, as recorded.
    async fn granted_by(&self) -> &[String] {
        &self.seen().granted_by
    }

    /// Its identity may hold this privilege, as itself, on this resource (on `*`, where it names none) at its own time.
    async fn covered(&self) -> Result<bool, Failure> {
        Ok(self.moment.known.covered(&self.event, None::<PrivilegeSet>, false)?)
    }
}
