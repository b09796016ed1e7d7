//! Observations.

#![expect(clippy::unused_async, reason = "resolvers are async by form; these read and do not wait")]

use std::sync::Arc;

use asof_model::{Observation as Seen, PrivilegeSet};
use asof_query::{Event, Recorded};
use async_graphql::{ID, Object};

use crate::asked::Moment;
use crate::enums::{Outcome, Privilege};
use crate::failure::Failure;
use crate::page::Shown;
use crate::rows::Plain;
use crate::scalars::{DateTime, Long};
use crate::state::{Attribute, attributes, given};

/// Something that one identity did, once. Ids alone: what they name need not exist at asOf. What the record does not give is null.
#[derive(Clone)]
pub(crate) struct Observation {
    event: Event,
    moment: Moment,
}

impl Plain for Observation {}

impl Shown for Observation {
    type Entry = Event;

    fn show(event: &Event, moment: &Moment) -> Result<Self, Failure> {
        Ok(Self { event: *event, moment: moment.clone() })
    }
}

impl Observation {
    /// The whole record; a page holds one of them at a time.
    fn recorded(&self) -> Result<Arc<Recorded<Seen>>, Failure> {
        self.moment.observation(self.event.index)
    }

    /// A member that is given.
    fn text(&self, of: impl FnOnce(&Seen) -> &str) -> Result<Option<String>, Failure> {
        Ok(given(of(&self.recorded()?.record)))
    }

    fn id(&self, of: impl FnOnce(&Seen) -> &str) -> Result<Option<ID>, Failure> {
        Ok(self.text(of)?.map(Into::into))
    }
}

/// Something that one identity did, once. Ids alone: what they name need not exist at asOf. What the record does not give is null.
#[Object]
impl Observation {
    /// The record.
    async fn ledger_index(&self) -> Long {
        Long(self.event.index)
    }

    /// Which collector told it.
    async fn source(&self) -> Result<String, Failure> {
        Ok(self.recorded()?.source.to_string())
    }

    /// Unique per source.
    async fn event_id(&self) -> Result<Option<String>, Failure> {
        self.text(|seen| &seen.event_id)
    }

    /// When it happened.
    async fn time(&self) -> DateTime {
        self.event.time.into()
    }

    /// Whose permissions were used.
    async fn identity(&self) -> Result<ID, Failure> {
        Ok(self.recorded()?.record.identity.as_str().into())
    }

    /// Who stood behind: the identity that assumed `identity`.
    async fn actor(&self) -> Result<Option<ID>, Failure> {
        self.id(|seen| &seen.actor)
    }

    /// With which secret.
    async fn secret(&self) -> Result<Option<ID>, Failure> {
        self.id(|seen| &seen.secret)
    }

    /// From which workload.
    async fn workload(&self) -> Result<Option<ID>, Failure> {
        self.id(|seen| &seen.workload)
    }

    /// On what.
    async fn resource(&self) -> Result<Option<ID>, Failure> {
        self.id(|seen| &seen.resource)
    }

    /// The source's own name of the action.
    async fn action(&self) -> Result<Option<String>, Failure> {
        self.text(|seen| &seen.action)
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
    async fn source_ip(&self) -> Result<Option<String>, Failure> {
        self.text(|seen| &seen.source_ip)
    }

    /// Where.
    async fn region(&self) -> Result<Option<String>, Failure> {
        self.text(|seen| &seen.region)
    }

    /// The provider's session.
    async fn session(&self) -> Result<Option<String>, Failure> {
        self.text(|seen| &seen.session)
    }

    /// Free pairs, by key.
    async fn attributes(&self) -> Result<Vec<Attribute>, Failure> {
        Ok(attributes(&self.recorded()?.record.attributes))
    }

    /// What the provider itself said allowed it, as recorded.
    async fn granted_by(&self) -> Result<Vec<String>, Failure> {
        Ok(self.recorded()?.record.granted_by.clone())
    }

    /// Its identity may hold this privilege, as itself, on this resource (on `*`, where it names none) at its own time.
    async fn covered(&self) -> Result<bool, Failure> {
        Ok(self.moment.known.covered(&self.event, None::<PrivilegeSet>, false)?)
    }
}
