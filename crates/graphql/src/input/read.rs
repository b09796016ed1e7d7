//! Inputs as the query algebra has them. What is wrong is named by the member that it stands in.

use asof_model::PrivilegeSet;
use asof_query as query;

use super::filters::{HoldsWhere, IdentityWhere, NodeWhere, ReachWhere, SecretWhere};
use super::seen::{
    ChangeWhere, ChangedHoldsWhere, CoverageWhere, DeadSecretWhere, NewSourceWhere, ObservationWhere,
    ObservedWhere, UncoveredWhere, UnusedWhere, UsedWhere,
};
use super::{AttributeMatch, TextMatch, Window};
use crate::enums::{CoverageKind, Outcome, Privilege};
use crate::failure::{Failure, Under as _};
use crate::scalars::{DateTime, Duration};

/// An input that stands for something.
pub(crate) trait Read {
    /// What it stands for.
    type Out;
    /// That, or what is wrong with the input.
    fn read(self) -> Result<Self::Out, Failure>;
}

/// A member that may be absent.
pub(crate) fn read<T: Read>(value: Option<T>, member: &str) -> Result<Option<T::Out>, Failure> {
    value.map(|value| value.read().under(member)).transpose()
}

fn all<T: Read>(values: Option<Vec<T>>, member: &str) -> Result<Option<Vec<T::Out>>, Failure> {
    let each = |(place, value): (usize, T)| value.read().under(format!("[{place}]"));
    values
        .map(|values| values.into_iter().enumerate().map(each).collect::<Result<_, _>>().under(member))
        .transpose()
}

fn boxed<T: Read>(value: Option<Box<T>>, member: &str) -> Result<Option<Box<T::Out>>, Failure> {
    value.map(|value| value.read().map(Box::new).under(member)).transpose()
}

/// A list of privileges as a set; the absent one stays absent.
pub(crate) fn privilege_set(privileges: Option<Vec<Privilege>>) -> Option<PrivilegeSet> {
    privileges.map(|privileges| privileges.into_iter().map(Into::into).collect())
}

impl Read for DateTime {
    type Out = asof_model::Instant;
    fn read(self) -> Result<Self::Out, Failure> {
        DateTime::read(self)
    }
}

impl Read for Duration {
    type Out = asof_model::Duration;
    fn read(self) -> Result<Self::Out, Failure> {
        Duration::read(self)
    }
}

impl Read for Window {
    type Out = query::Window;
    fn read(self) -> Result<query::Window, Failure> {
        let window = query::Window {
            from: read(self.from, "from")?,
            to: read(self.to, "to")?,
            last: read(self.last, "last")?,
        };
        // What can be told without the question's own time is told here, where the member is known.
        window.bounds(window.to.unwrap_or(asof_model::Instant::FOREVER))?;
        Ok(window)
    }
}

impl Read for TextMatch {
    type Out = query::TextMatch;
    fn read(self) -> Result<query::TextMatch, Failure> {
        Ok(query::TextMatch {
            present: self.present,
            eq: self.eq,
            any_of: self.any_of,
            prefix: self.prefix,
            contains: self.contains,
            glob: self.glob,
        })
    }
}

impl Read for AttributeMatch {
    type Out = query::AttributeMatch;
    fn read(self) -> Result<query::AttributeMatch, Failure> {
        Ok(query::AttributeMatch { key: self.key, value: read(self.value, "value")? })
    }
}

impl Read for NodeWhere {
    type Out = query::NodeWhere;
    fn read(self) -> Result<query::NodeWhere, Failure> {
        Ok(query::NodeWhere {
            and: all(self.and, "and")?,
            or: all(self.or, "or")?,
            not: boxed(self.not, "not")?,
            id: read(self.id, "id")?,
            name: read(self.name, "name")?,
            node_type: read(self.node_type, "type")?,
            attribute: read(self.attribute, "attribute")?,
            inventoried: self.inventoried,
            owned: self.owned,
        })
    }
}

impl Read for IdentityWhere {
    type Out = query::IdentityWhere;
    fn read(self) -> Result<query::IdentityWhere, Failure> {
        Ok(query::IdentityWhere {
            and: all(self.and, "and")?,
            or: all(self.or, "or")?,
            not: boxed(self.not, "not")?,
            node: query::NodeWhere {
                id: read(self.id, "id")?,
                name: read(self.name, "name")?,
                node_type: read(self.node_type, "type")?,
                attribute: read(self.attribute, "attribute")?,
                inventoried: self.inventoried,
                owned: self.owned,
                ..query::NodeWhere::default()
            },
            owned_by: read(self.owned_by, "ownedBy")?,
            created_during: read(self.created_during, "createdDuring")?,
            holds: read(self.holds, "holds")?,
            used: read(self.used, "used")?,
            used_without_holding: read(self.used_without_holding, "usedWithoutHolding")?,
            holds_unused: read(self.holds_unused, "holdsUnused")?,
            observed: read(self.observed, "observed")?,
            authenticates_with: read(self.authenticates_with, "authenticatesWith")?,
            used_dead_secret: read(self.used_dead_secret, "usedDeadSecret")?,
            new_source: read(self.new_source, "newSource")?,
            runs_on: read(self.runs_on, "runsOn")?,
            member_of: read(self.member_of, "memberOf")?,
            can_assume: read(self.can_assume, "canAssume")?,
            gained: read(self.gained, "gained")?,
            lost: read(self.lost, "lost")?,
        })
    }
}

impl Read for ReachWhere {
    type Out = query::ReachWhere;
    fn read(self) -> Result<query::ReachWhere, Failure> {
        Ok(query::ReachWhere { id: read(self.id, "id")?, effective: self.effective.unwrap_or(false) })
    }
}

impl Read for SecretWhere {
    type Out = query::SecretWhere;
    fn read(self) -> Result<query::SecretWhere, Failure> {
        Ok(query::SecretWhere {
            and: all(self.and, "and")?,
            or: all(self.or, "or")?,
            not: boxed(self.not, "not")?,
            node: query::NodeWhere {
                id: read(self.id, "id")?,
                node_type: read(self.node_type, "type")?,
                attribute: read(self.attribute, "attribute")?,
                inventoried: self.inventoried,
                owned: self.owned,
                ..query::NodeWhere::default()
            },
            state: self.state.map(Into::into),
            expired_by: read(self.expired_by, "expiredBy")?,
            not_rotated_for: read(self.not_rotated_for, "notRotatedFor")?,
            stored_in: read(self.stored_in, "storedIn")?,
            stored: self.stored,
            used: read(self.used, "used")?,
            used_dead: read(self.used_dead, "usedDead")?,
            new_source: read(self.new_source, "newSource")?,
        })
    }
}

impl Read for HoldsWhere {
    type Out = query::HoldsWhere;
    fn read(self) -> Result<query::HoldsWhere, Failure> {
        Ok(query::HoldsWhere {
            privileges: self.privileges.into_iter().map(Into::into).collect(),
            on: self.on,
            effective: self.effective.unwrap_or(false),
            throughout: read(self.throughout, "throughout")?,
            sometime: read(self.sometime, "sometime")?,
            conditional: self.conditional.unwrap_or(true),
            entitlement: read(self.entitlement, "entitlement")?,
        })
    }
}

fn outcomes(given: Vec<Outcome>) -> Vec<asof_model::Outcome> {
    given.into_iter().map(Into::into).collect()
}

impl Read for UsedWhere {
    type Out = query::UsedWhere;
    fn read(self) -> Result<query::UsedWhere, Failure> {
        let min_count = u64::try_from(self.min_count.unwrap_or(1))
            .map_err(|_| Failure::bad("must be 0 or more"))
            .under("minCount")?;
        Ok(query::UsedWhere {
            during: self.during.read().under("during")?,
            seen: query::SeenWhere {
                privileges: privilege_set(self.privileges),
                on: self.on,
                action: self.action,
                outcomes: Some(outcomes(self.outcomes.unwrap_or_else(|| vec![Outcome::Success]))),
                region: read(self.region, "region")?,
                source_ip: read(self.source_ip, "sourceIp")?,
                workload: read(self.workload, "workload")?,
                secret: read(self.secret, "secret")?,
                actor: read(self.actor, "actor")?,
            },
            min_count,
        })
    }
}

impl Read for ObservationWhere {
    type Out = query::ObservationWhere;
    fn read(self) -> Result<query::ObservationWhere, Failure> {
        Ok(query::ObservationWhere {
            seen: query::SeenWhere {
                privileges: privilege_set(self.privileges),
                on: self.on,
                action: self.action,
                outcomes: self.outcomes.map(outcomes),
                region: read(self.region, "region")?,
                source_ip: read(self.source_ip, "sourceIp")?,
                workload: read(self.workload, "workload")?,
                secret: read(self.secret, "secret")?,
                actor: read(self.actor, "actor")?,
            },
            identity: read(self.identity, "identity")?,
            covered: self.covered,
            explained: self.explained,
            posture_known: self.posture_known,
        })
    }
}

impl Read for UncoveredWhere {
    type Out = query::UncoveredWhere;
    fn read(self) -> Result<query::UncoveredWhere, Failure> {
        Ok(query::UncoveredWhere {
            used: self.used.read().under("used")?,
            covered_by: privilege_set(self.covered_by),
            effective: self.effective.unwrap_or(false),
            explained: self.explained,
            posture_known: self.posture_known,
        })
    }
}

impl Read for UnusedWhere {
    type Out = query::UnusedWhere;
    fn read(self) -> Result<query::UnusedWhere, Failure> {
        Ok(query::UnusedWhere {
            privileges: privilege_set(self.privileges),
            during: self.during.read().under("during")?,
        })
    }
}

impl Read for ObservedWhere {
    type Out = query::ObservedWhere;
    fn read(self) -> Result<query::ObservedWhere, Failure> {
        Ok(query::ObservedWhere {
            during: self.during.read().under("during")?,
            privileges: privilege_set(self.privileges),
            on: self.on,
            kind: self.kind.unwrap_or(CoverageKind::Observations).into(),
        })
    }
}

impl Read for DeadSecretWhere {
    type Out = query::DeadSecretWhere;
    fn read(self) -> Result<query::DeadSecretWhere, Failure> {
        Ok(query::DeadSecretWhere {
            during: self.during.read().under("during")?,
            grace_after: read(self.grace_after, "graceAfter")?,
            survivors: self.survivors.unwrap_or(false),
        })
    }
}

impl Read for NewSourceWhere {
    type Out = query::NewSourceWhere;
    fn read(self) -> Result<query::NewSourceWhere, Failure> {
        Ok(query::NewSourceWhere { of: self.of.into(), during: self.during.read().under("during")? })
    }
}

impl Read for ChangedHoldsWhere {
    type Out = query::ChangedHoldsWhere;
    fn read(self) -> Result<query::ChangedHoldsWhere, Failure> {
        Ok(query::ChangedHoldsWhere {
            holds: self.holds.read().under("holds")?,
            between: self.between.read().under("between")?,
        })
    }
}

fn each<A: Into<B>, B>(given: Option<Vec<A>>) -> Option<Vec<B>> {
    given.map(|given| given.into_iter().map(Into::into).collect())
}

impl Read for CoverageWhere {
    type Out = query::CoverageWhere;
    fn read(self) -> Result<query::CoverageWhere, Failure> {
        Ok(query::CoverageWhere {
            kinds: each(self.kinds),
            source: read(self.source, "source")?,
            scope: read(self.scope, "scope")?,
            identity: self.identity.map(|id| id.0),
        })
    }
}

impl Read for ChangeWhere {
    type Out = query::ChangeWhere;
    fn read(self) -> Result<query::ChangeWhere, Failure> {
        Ok(query::ChangeWhere {
            kinds: each(self.kinds),
            node_kinds: each(self.node_kinds),
            edge_kinds: each(self.edge_kinds),
            id: read(self.id, "id")?,
        })
    }
}
