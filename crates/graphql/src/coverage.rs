//! What collectors say that they have delivered.

#![expect(clippy::unused_async, reason = "resolvers are async by form; these read and do not wait")]

use asof_query::{self as query, Key};
use async_graphql::Object;

use crate::asked::Moment;
use crate::enums::{CoverageKind, Privilege, privileges};
use crate::failure::{Failure, INTERNAL};
use crate::page::Shown;
use crate::rows::Plain;
use crate::state::{Revision, Version};

/// What a collector says it has delivered: over its stretch of valid time, everything about these. Empty lists: all.
#[derive(Clone)]
pub(crate) struct StatedCoverage {
    stated: query::StatedCoverage,
    moment: Moment,
}

impl Plain for StatedCoverage {}

impl Shown for StatedCoverage {
    /// Its ordinal.
    type Entry = u32;

    fn show(ordinal: &u32, moment: &Moment) -> Result<Self, Failure> {
        let stated = moment.known.stated_coverage(moment.at(), *ordinal)?;
        let stated = stated.ok_or_else(|| Failure::new(INTERNAL, "a listed coverage is not stated"))?;
        Ok(Self { stated, moment: moment.clone() })
    }
}

impl StatedCoverage {
    fn key(&self) -> Key {
        Key::Coverage(self.stated.ordinal)
    }
}

/// What a collector says it has delivered: over its stretch of valid time, everything about these. Empty lists: all.
#[Object]
impl StatedCoverage {
    /// Which collector states it.
    async fn source(&self) -> &str {
        &self.stated.source
    }

    /// Its source's own name for it.
    async fn scope(&self) -> &str {
        &self.stated.scope
    }

    /// What it has delivered: observations, or posture.
    async fn kind(&self) -> CoverageKind {
        self.stated.value.kind.into()
    }

    /// For these.
    async fn privileges(&self) -> Vec<Privilege> {
        privileges(self.stated.value.privileges)
    }

    /// About these: globs.
    async fn identities(&self) -> &[String] {
        &self.stated.value.identities
    }

    /// On these: globs.
    async fn resources(&self) -> &[String] {
        &self.stated.value.resources
    }

    /// Its own timeline, as known at the query's ledger size: the stretches of one state, earliest first.
    async fn history(&self) -> Result<Vec<Version>, Failure> {
        let versions = self.moment.known.versions(self.key())?;
        Ok(versions.iter().map(|version| Version::new(self.key(), version)).collect())
    }

    /// Every state that was ever recorded for it, superseded ones too, in ledger order.
    async fn revisions(&self) -> Result<Vec<Revision>, Failure> {
        let said = self.moment.known.reader().statements(self.key())?;
        said.iter().map(|said| Revision::new(&self.moment, self.key(), said)).collect()
    }
}
