//! Covered: whether an observation's identity may hold what it used; and whether anyone vouches for the posture then.

use std::sync::Arc;

use asof_model::{
    CoverageKind, CoverageValue, Instant, Interval, NodeKind, Privilege, PrivilegeSet, glob_matches,
};

use crate::holds::Ask;
use crate::known::CoverKey;
use crate::on::On;
use crate::seen::is_activity;
use crate::span::{look, whole};
use crate::walk::identity;
use crate::{Event, Known, QueryError, sets};

impl Known {
    /// Its identity may hold, as itself (where `effective`, as one that it can come to act as, too), at the observation's
    /// own time one of `covered_by` (absent: its own privilege) on its resource (on anything, where it names none), by its
    /// action. AUTHENTICATE and OTHER need no privilege.
    pub fn covered(
        &self,
        event: &Event,
        covered_by: Option<PrivilegeSet>,
        effective: bool,
    ) -> Result<bool, QueryError> {
        if is_activity(event.privilege) {
            return Ok(true);
        }
        let privileges = covered_by.unwrap_or_else(|| sets::only(event.privilege));
        if !effective && !self.is_entangled(event.identity, privileges)? {
            // Not kept: finding it again costs no more than finding where it is kept.
            let found = self.directly_gives(event, privileges, event.time, &mut whole())?;
            if let Some(covered) = found {
                return Ok(covered);
            }
        }
        let key = CoverKey {
            identity: event.identity,
            privileges: privileges.bits(),
            resource: event.resource,
            action: event.action.map(|text| text.0),
            effective,
        };
        Self::kept(&self.covers, key, event.time, &mut whole(), |span| {
            let on = On::resource(self.id_of(NodeKind::Resource, event.resource)?);
            let action = event.action.map(|text| self.text(text)).transpose()?;
            let ask = Ask { action: action.as_deref(), ..Ask::may(privileges, &on) };
            self.holds(event.identity, &ask, effective, event.time, span)
        })
    }

    /// At the observation's own time some POSTURE coverage matches its identity, privilege and resource.
    pub(crate) fn posture_known(&self, event: &Event) -> Result<bool, QueryError> {
        let key = (event.identity, event.privilege.number(), event.resource);
        Self::kept(&self.vouched, key, event.time, &mut whole(), |span| {
            let on = On::resource(self.id_of(NodeKind::Resource, event.resource)?);
            let id = self.id(identity(event.identity))?;
            self.looked_at(&id, event.privilege, &on, event.time, CoverageKind::Posture, span)
        })
    }

    /// Some coverage of the kind whose state is a value matches the identity, the privilege and `on`.
    fn looked_at(
        &self,
        identity: &Arc<str>,
        privilege: Privilege,
        on: &On,
        t: Instant,
        kind: CoverageKind,
        span: &mut Interval,
    ) -> Result<bool, QueryError> {
        for coverage in self.coverages()?.iter() {
            let said = look(&coverage.timeline, t, span).value().and_then(|value| value.coverage());
            if let Some(said) = said
                && said.kind == kind
                && speaks_of_privilege(said, privilege)
                && speaks_of_identity(said, identity)
                && includes(said, on)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// No privileges: all of them.
pub(crate) fn speaks_of_privilege(said: &CoverageValue, privilege: Privilege) -> bool {
    said.privileges.is_empty() || said.privileges.contains(privilege)
}

/// No globs: all of them.
pub(crate) fn speaks_of_identity(said: &CoverageValue, id: &str) -> bool {
    said.identities.is_empty() || said.identities.iter().any(|glob| glob_matches(glob, id))
}

/// One of its resource globs matches the resource asked about, or includes the glob. No globs: all of them.
pub(crate) fn includes(said: &CoverageValue, on: &On) -> Result<bool, QueryError> {
    Ok(said.resources.is_empty() || on.included_in_any(&said.resources)?)
}
