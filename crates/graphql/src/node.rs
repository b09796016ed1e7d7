//! The six kinds of node, and what they have in common.

#![expect(clippy::unused_async, reason = "resolvers are async by form; these read and do not wait")]

use asof_model::{EdgeKind, State as Resolved};
use asof_query as query;
use asof_query::Direction;
use async_graphql::{Context, ID, Object};
use serde::Serializer;

use crate::asked::{Asked, Moment, how_many};
use crate::change::GrantEntry;
use crate::cursor::List;
use crate::enums::{
    CoverageKind, Effect, NodeKind, Privilege, SecretState, SourceDimension, privileges as shown_privileges,
};
use crate::failure::{Failure, Under as _};
use crate::input::{DeadSecretWhere, ObservationWhere, Read as _, Window, privilege_set};
use crate::page::{GrantConnection, ObservationConnection, Shown};
use crate::paging::Paging;
use crate::results::{Coverage, NewSource, TimelinePoint, UnusedPrivilege, Usage};
use crate::rows::{Picked, Plain, Rows};
use crate::scalars::{DateTime, Duration};
use crate::state::{Attribute, Revision, Version, attributes, given};
use crate::view::View;

macro_rules! node {
    ($name:ident, $what:literal, { $($more:tt)* }) => {
        #[doc = $what]
        #[derive(Clone)]
        pub(crate) struct $name(pub(crate) View);

        impl From<View> for $name {
            fn from(view: View) -> Self {
                Self(view)
            }
        }

        impl Shown for $name {
            type Entry = query::Node;
            fn show(entry: &query::Node, moment: &Moment) -> Result<Self, Failure> {
                Ok(Self(View { node: *entry, moment: moment.clone() }))
            }
        }

        impl Plain for $name {
            fn write<S: Serializer>(&self, picked: &[Picked], to: S) -> Result<S::Ok, S::Error> {
                self.0.write(picked, to)
            }
        }

        #[doc = $what]
        #[Object]
        impl $name {
            /// Stable and unique within its kind.
            pub(crate) async fn id(&self) -> Result<ID, Failure> {
                Ok(self.0.moment.id(self.0.node)?.into())
            }

            /// What it is.
            pub(crate) async fn kind(&self) -> NodeKind {
                self.0.node.kind.into()
            }

            /// What people call it.
            pub(crate) async fn name(&self) -> Result<Option<String>, Failure> {
                Ok(self.0.value()?.and_then(|value| given(&value.node()?.name)))
            }

            /// Free, lower-case, dotted: `aws.iam.role`.
            #[graphql(name = "type")]
            pub(crate) async fn node_type(&self) -> Result<Option<String>, Failure> {
                Ok(self.0.value()?.and_then(|value| given(&value.node()?.node_type)))
            }

            /// Free pairs, by key.
            pub(crate) async fn attributes(&self) -> Result<Vec<Attribute>, Failure> {
                let value = self.0.value()?;
                Ok(value.and_then(|value| Some(attributes(&value.node()?.attributes))).unwrap_or_default())
            }

            /// Its state at asOf is a value.
            pub(crate) async fn inventoried(&self) -> Result<bool, Failure> {
                Ok(self.0.state()?.is_value())
            }

            /// Its state at asOf is deleted: only lists with includeDeleted hold such a node.
            pub(crate) async fn deleted(&self) -> Result<bool, Failure> {
                Ok(self.0.state()? == Resolved::Deleted)
            }

            /// Those that OWN it at asOf.
            pub(crate) async fn owners(&self) -> Result<Vec<Owner>, Failure> {
                self.0.follow(EdgeKind::Owns, Direction::In)
            }

            /// The node's own timeline, as known at the query's ledger size: the stretches of one state, earliest first.
            pub(crate) async fn history(&self) -> Result<Vec<Version>, Failure> {
                let versions = self.0.moment.known.versions(self.0.key())?;
                Ok(versions.iter().map(|version| Version::new(self.0.key(), version)).collect())
            }

            /// Every state that was ever recorded for it, superseded ones too, in ledger order.
            pub(crate) async fn revisions(&self) -> Result<Vec<Revision>, Failure> {
                let said = self.0.moment.known.reader().statements(self.0.key())?;
                said.iter().map(|said| Revision::new(&self.0.moment, self.0.key(), said)).collect()
            }

            $($more)*
        }
    };
}

node!(
    Identity,
    "A service account, role, group, workload identity, OAuth app or AI agent. The edges that a node's fields follow are those in force at asOf.",
    {
        /// Entitlements, allowed or denied, held directly at asOf; effective: through groups and assumable roles too, each with the way it is held.
        /// privileges: with one of them. on: with a scope that some string matches that matches `on` as well, for either effect.
        async fn entitlements(
            &self,
            context: &Context<'_>,
            privileges: Option<Vec<Privilege>>,
            on: Option<String>,
            #[graphql(default_with = "Some(false)")] effective: Option<bool>,
            #[graphql(default_with = "Some(100)")] first: Option<i32>,
            after: Option<String>,
        ) -> Result<GrantConnection, Failure> {
            let paging = Paging::read(context, List::Entitlements, &self.0.named()?, first, after)?;
            let moment = paging.moment_beside(Asked::of(context)?, &self.0.moment)?;
            let (identity, privileges) = (self.0.node, privilege_set(privileges));
            let (on, effective) = (on.as_deref(), effective.unwrap_or(false));
            let find = |at: &Moment| {
                let found = at.known.entitlements(at.at(), identity, privileges, on, effective)?;
                Ok::<Vec<_>, Failure>(found.into_iter().map(|grant| GrantEntry { identity, grant }).collect())
            };
            Ok(GrantConnection(paging.whole(moment, find)?))
        }

        /// What it authenticates with.
        async fn secrets(&self) -> Result<Vec<Secret>, Failure> {
            self.0.follow(EdgeKind::AuthenticatesWith, Direction::Out)
        }

        /// What runs as it.
        async fn workloads(&self) -> Result<Vec<Workload>, Failure> {
            self.0.follow(EdgeKind::RunsAs, Direction::In)
        }

        /// Its groups.
        async fn member_of(&self) -> Result<Vec<Identity>, Failure> {
            self.0.follow(EdgeKind::MemberOf, Direction::Out)
        }

        /// What it can act as, directly.
        async fn can_assume(&self) -> Result<Vec<Identity>, Failure> {
            self.0.follow(EdgeKind::CanAssume, Direction::Out)
        }

        /// Who is MEMBER_OF it.
        async fn members(&self) -> Result<Vec<Identity>, Failure> {
            self.0.follow(EdgeKind::MemberOf, Direction::In)
        }

        /// Who CAN_ASSUME it.
        async fn assumable_by(&self) -> Result<Vec<Identity>, Failure> {
            self.0.follow(EdgeKind::CanAssume, Direction::In)
        }

        /// Observed use, grouped by privilege and resource and in this order (no resource first): counts per outcome, first and last time.
        async fn usage(
            &self,
            during: Window,
            privileges: Option<Vec<Privilege>>,
            #[graphql(default_with = "Some(100)")] first: Option<i32>,
        ) -> Result<Rows<Usage>, Failure> {
            let (first, during) = (how_many(first, 100)?, during.read().under("during")?);
            let moment = &self.0.moment;
            let mut found =
                moment.known.usage(moment.at(), self.0.node, &during, privilege_set(privileges))?;
            found.truncate(first);
            found.iter().map(|usage| Usage::show(usage, moment)).collect()
        }

        /// Held at asOf and not used in the window: what could be taken away. By entitlement, then privilege. lastUsed: the latest such use up
        /// to and at asOf, whatever the window.
        async fn unused(
            &self,
            context: &Context<'_>,
            during: Window,
            privileges: Option<Vec<Privilege>>,
        ) -> Result<Rows<UnusedPrivilege>, Failure> {
            let (asked, moment) = (Asked::of(context)?, &self.0.moment);
            asked.made(0)?;
            let filter = query::UnusedWhere {
                privileges: privilege_set(privileges),
                during: during.read().under("during")?,
            };
            let ahead = context.look_ahead();
            let wants = |field| ahead.field(field).exists();
            let told = query::Told { held_since: wants("heldSince"), last_used: wants("lastUsed") };
            let found = moment.known.unused(moment.at(), self.0.node, &filter, told)?;
            asked.made(found.len())?;
            found.iter().map(|unused| UnusedPrivilege::show(unused, moment)).collect()
        }

        /// The uncovered observations themselves: what usedWithoutHolding means for this identity.
        #[expect(clippy::too_many_arguments, reason = "the contract's")]
        async fn uncovered(
            &self,
            context: &Context<'_>,
            during: Window,
            privileges: Option<Vec<Privilege>>,
            covered_by: Option<Vec<Privilege>>,
            #[graphql(default_with = "Some(false)")] effective: Option<bool>,
            explained: Option<bool>,
            posture_known: Option<bool>,
            #[graphql(default_with = "Some(100)")] first: Option<i32>,
            after: Option<String>,
        ) -> Result<ObservationConnection, Failure> {
            let paging = Paging::read(context, List::Uncovered, &self.0.named()?, first, after)?;
            let moment = paging.moment_beside(Asked::of(context)?, &self.0.moment)?;
            let seen = query::SeenWhere {
                privileges: privilege_set(privileges),
                outcomes: Some(vec![asof_model::Outcome::Success]),
                ..query::SeenWhere::default()
            };
            let filter = query::UncoveredWhere {
                used: query::UsedWhere { during: during.read().under("during")?, seen, min_count: 1 },
                covered_by: privilege_set(covered_by),
                effective: effective.unwrap_or(false),
                explained,
                posture_known,
            };
            let list = query::EventList::Uncovered { identity: self.0.node, filter };
            Ok(ObservationConnection(paging.events(moment, list)?))
        }

        /// The observations behind usedDeadSecret, by (time, ledger index).
        async fn dead_secret_uses(
            &self,
            context: &Context<'_>,
            during: Window,
            grace_after: Option<Duration>,
            #[graphql(default_with = "Some(false)")] survivors: Option<bool>,
            #[graphql(default_with = "Some(100)")] first: Option<i32>,
            after: Option<String>,
        ) -> Result<ObservationConnection, Failure> {
            let filter = DeadSecretWhere { during, grace_after, survivors };
            self.0.dead_uses(context, filter, first, after)
        }

        /// The pairs behind newSource, by their first observation.
        async fn new_sources(&self, of: SourceDimension, during: Window) -> Result<Vec<NewSource>, Failure> {
            self.0.new_sources(of, during)
        }

        /// What was looked at, as ObservedWhere has it, and what was not. The window has a beginning: from or last.
        async fn coverage(
            &self,
            during: Window,
            privileges: Option<Vec<Privilege>>,
            on: Option<String>,
            #[graphql(default_with = "Some(CoverageKind::Observations)")] kind: Option<CoverageKind>,
        ) -> Result<Coverage, Failure> {
            let during = during.read().under("during")?;
            if during.from.is_none() && during.last.is_none() {
                return Err(Failure::bad("has no beginning: give `from` or `last`")).under("during");
            }
            let filter = query::ObservedWhere {
                during,
                privileges: privilege_set(privileges),
                on,
                kind: kind.unwrap_or(CoverageKind::Observations).into(),
            };
            let moment = &self.0.moment;
            Ok(Coverage::of(&moment.known.gaps(moment.at(), self.0.node, &filter)?))
        }

        /// Per step: what may be held, as itself, on `*`, at its start, and the observations within it.
        async fn timeline(&self, during: Window, every: Duration) -> Result<Rows<TimelinePoint>, Failure> {
            let (during, every) = (during.read().under("during")?, every.read().under("every")?);
            let moment = &self.0.moment;
            let points = moment.known.activity(moment.at(), self.0.node, &during, every)?;
            Ok(points.into_iter().map(Into::into).collect())
        }

        /// Its own observations, by (time, ledger index).
        async fn observations(
            &self,
            context: &Context<'_>,
            #[graphql(name = "where")] filter: Option<ObservationWhere>,
            during: Window,
            #[graphql(default_with = "Some(100)")] first: Option<i32>,
            after: Option<String>,
        ) -> Result<ObservationConnection, Failure> {
            let paging = Paging::read(context, List::Observations, &self.0.named()?, first, after)?;
            let moment = paging.moment_beside(Asked::of(context)?, &self.0.moment)?;
            let filter = filter.unwrap_or_default().read().under("where")?;
            let during = during.read().under("during")?;
            let list = query::EventList::Observations { identity: Some(self.0.node), filter, during };
            Ok(ObservationConnection(paging.events(moment, list)?))
        }

        /// The earliest of its SUCCESS observations up to and at asOf.
        async fn first_used(&self) -> Result<Option<DateTime>, Failure> {
            Ok(self.0.moment.known.first_used(self.0.moment.at(), self.0.node)?.map(Into::into))
        }

        /// The latest of its SUCCESS observations up to and at asOf.
        async fn last_used(&self) -> Result<Option<DateTime>, Failure> {
            Ok(self.0.moment.known.last_used(self.0.moment.at(), self.0.node)?.map(Into::into))
        }
    }
);

node!(Entitlement, "A permission set that an identity can hold: privileges on scopes, allowed or denied.", {
    /// Gives or takes away; null where it is not inventoried.
    async fn effect(&self) -> Result<Option<Effect>, Failure> {
        Ok(self.0.entitlement()?.map(|said| said.effect.into()))
    }

    /// A plain set, none implies another; empty where it is not inventoried.
    async fn privileges(&self) -> Result<Vec<Privilege>, Failure> {
        Ok(self.0.entitlement()?.map(|said| shown_privileges(said.privileges)).unwrap_or_default())
    }

    /// Resource ids or globs; empty where it is not inventoried.
    async fn scopes(&self) -> Result<Vec<String>, Failure> {
        Ok(self.0.entitlement()?.map(|said| said.scopes).unwrap_or_default())
    }

    /// The actions it speaks of alone; empty: all of its privileges.
    async fn actions(&self) -> Result<Vec<String>, Failure> {
        Ok(self.0.entitlement()?.map(|said| said.actions).unwrap_or_default())
    }

    /// Its source attaches a condition that is not evaluated here; null where it is not inventoried.
    async fn conditional(&self) -> Result<Option<bool>, Failure> {
        Ok(self.0.entitlement()?.map(|said| said.conditional))
    }

    /// The identities that HOLD it at asOf.
    async fn held_by(&self) -> Result<Vec<Identity>, Failure> {
        self.0.follow(EdgeKind::Holds, Direction::In)
    }
});

node!(Secret, "An API key, token, certificate, password, SSH key or signing key.", {
    /// Null where it is not inventoried.
    async fn state(&self) -> Result<Option<SecretState>, Failure> {
        Ok(self.0.secret()?.map(|said| said.state.into()))
    }

    /// When it was made.
    async fn issued_at(&self) -> Result<Option<DateTime>, Failure> {
        Ok(self.0.secret()?.and_then(|said| said.issued_at).map(Into::into))
    }

    /// From when on it no longer works.
    async fn expires_at(&self) -> Result<Option<DateTime>, Failure> {
        Ok(self.0.secret()?.and_then(|said| said.expires_at).map(Into::into))
    }

    /// When it was last exchanged.
    async fn last_rotated_at(&self) -> Result<Option<DateTime>, Failure> {
        Ok(self.0.secret()?.and_then(|said| said.last_rotated_at).map(Into::into))
    }

    /// REVOKED, INACTIVE, deleted or expired at asOf.
    async fn dead(&self) -> Result<bool, Failure> {
        Ok(self.0.moment.known.dead(self.0.node, self.0.moment.at())?)
    }

    /// What was minted with it.
    async fn issued(&self) -> Result<Vec<Secret>, Failure> {
        self.0.follow(EdgeKind::Issued, Direction::Out)
    }

    /// What it was minted with.
    async fn issued_by(&self) -> Result<Vec<Secret>, Failure> {
        self.0.follow(EdgeKind::Issued, Direction::In)
    }

    /// Vaults, repositories, config files.
    async fn stored_in(&self) -> Result<Vec<Resource>, Failure> {
        self.0.follow(EdgeKind::StoredIn, Direction::Out)
    }

    /// Whom it authenticates.
    async fn authenticates(&self) -> Result<Vec<Identity>, Failure> {
        self.0.follow(EdgeKind::AuthenticatesWith, Direction::In)
    }

    /// What it is delivered to, or found in.
    async fn mounted_by(&self) -> Result<Vec<Workload>, Failure> {
        self.0.follow(EdgeKind::Mounts, Direction::In)
    }

    /// The observations behind usedDead, by (time, ledger index).
    async fn dead_uses(
        &self,
        context: &Context<'_>,
        during: Window,
        grace_after: Option<Duration>,
        #[graphql(default_with = "Some(false)")] survivors: Option<bool>,
        #[graphql(default_with = "Some(100)")] first: Option<i32>,
        after: Option<String>,
    ) -> Result<ObservationConnection, Failure> {
        let filter = DeadSecretWhere { during, grace_after, survivors };
        self.0.dead_uses(context, filter, first, after)
    }

    /// The pairs behind newSource, by their first observation.
    async fn new_sources(&self, of: SourceDimension, during: Window) -> Result<Vec<NewSource>, Failure> {
        self.0.new_sources(of, during)
    }
});

node!(Workload, "A pod, VM, function, CI job or agent runtime.", {
    /// The identities that it runs as.
    async fn runs_as(&self) -> Result<Vec<Identity>, Failure> {
        self.0.follow(EdgeKind::RunsAs, Direction::Out)
    }

    /// The secrets that are delivered to it, or found in it.
    async fn mounts(&self) -> Result<Vec<Secret>, Failure> {
        self.0.follow(EdgeKind::Mounts, Direction::Out)
    }
});

node!(
    Resource,
    "What entitlements and observations point at: a bucket, database, API, namespace or tool.",
    {
        /// What it holds.
        async fn contains(&self) -> Result<Vec<Resource>, Failure> {
            self.0.follow(EdgeKind::Contains, Direction::Out)
        }

        /// What holds it.
        async fn contained_in(&self) -> Result<Vec<Resource>, Failure> {
            self.0.follow(EdgeKind::Contains, Direction::In)
        }
    }
);

node!(Owner, "A human, team or vendor.", {});
