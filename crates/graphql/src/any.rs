//! Nodes of any kind, and grants, which name two of them.

#![expect(clippy::unused_async, reason = "resolvers are async by form; these read and do not wait")]

use asof_model::NodeKind as Kind;
use asof_query as query;
use async_graphql::{ID, Interface, Object};
use serde::Serializer;

use crate::asked::Moment;
use crate::change::{GrantEntry, Step};
use crate::enums::NodeKind;
use crate::failure::Failure;
use crate::node::{Entitlement, Identity, Owner, Resource, Secret, Workload};
use crate::page::Shown;
use crate::rows::{Picked, Plain};
use crate::state::{Attribute, Revision, Version};

/// A node of any kind.
#[derive(Interface, Clone)]
#[expect(clippy::duplicated_attributes, reason = "one `field` for each of them")]
#[graphql(
    field(name = "id", ty = "ID", desc = "Stable and unique within its kind."),
    field(name = "kind", ty = "NodeKind", desc = "What it is."),
    field(name = "name", ty = "Option<String>", desc = "What people call it."),
    field(
        name = "type",
        method = "node_type",
        ty = "Option<String>",
        desc = "Free, lower-case, dotted: `aws.iam.role`."
    ),
    field(name = "attributes", ty = "Vec<Attribute>", desc = "Free pairs, by key."),
    field(name = "inventoried", ty = "bool", desc = "Its state at asOf is a value."),
    field(
        name = "deleted",
        ty = "bool",
        desc = "Its state at asOf is deleted: only lists with includeDeleted hold such a node."
    ),
    field(name = "owners", ty = "Vec<Owner>", desc = "Those that OWN it at asOf."),
    field(
        name = "history",
        ty = "Vec<Version>",
        desc = "The node's own timeline, as known at the query's ledger size: the stretches of one state, earliest first."
    ),
    field(
        name = "revisions",
        ty = "Vec<Revision>",
        desc = "Every state that was ever recorded for it, superseded ones too, in ledger order."
    )
)]
pub(crate) enum Node {
    /// As which it comes.
    Identity(Identity),
    /// As which it comes.
    Entitlement(Entitlement),
    /// As which it comes.
    Secret(Secret),
    /// As which it comes.
    Workload(Workload),
    /// As which it comes.
    Resource(Resource),
    /// As which it comes.
    Owner(Owner),
}

impl Plain for Node {
    fn write<S: Serializer>(&self, picked: &[Picked], to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Identity(node) => node.write(picked, to),
            Self::Entitlement(node) => node.write(picked, to),
            Self::Secret(node) => node.write(picked, to),
            Self::Workload(node) => node.write(picked, to),
            Self::Resource(node) => node.write(picked, to),
            Self::Owner(node) => node.write(picked, to),
        }
    }
}

impl Shown for Node {
    type Entry = query::Node;

    fn show(entry: &query::Node, moment: &Moment) -> Result<Self, Failure> {
        Ok(match entry.kind {
            Kind::Identity => Self::Identity(Identity::show(entry, moment)?),
            Kind::Entitlement => Self::Entitlement(Entitlement::show(entry, moment)?),
            Kind::Secret => Self::Secret(Secret::show(entry, moment)?),
            Kind::Workload => Self::Workload(Workload::show(entry, moment)?),
            Kind::Resource => Self::Resource(Resource::show(entry, moment)?),
            Kind::Owner => Self::Owner(Owner::show(entry, moment)?),
        })
    }
}

/// An entitlement as it is held. via: the first shortest way from the identity to the holder, empty where it is the holder. One for each
/// (entitlement, holder), so ordered.
#[derive(Clone)]
pub(crate) struct Grant {
    entry: GrantEntry,
    moment: Moment,
}

impl Plain for Grant {}

impl Shown for Grant {
    type Entry = GrantEntry;

    fn show(entry: &GrantEntry, moment: &Moment) -> Result<Self, Failure> {
        Ok(Self { entry: *entry, moment: moment.clone() })
    }
}

/// An entitlement as it is held. via: the first shortest way from the identity to the holder, empty where it is the holder. One for each
/// (entitlement, holder), so ordered.
#[Object]
impl Grant {
    /// What is held.
    async fn entitlement(&self) -> Result<Entitlement, Failure> {
        Entitlement::show(&self.entry.grant.entitlement, &self.moment)
    }

    /// Who HOLDS it itself.
    async fn holder(&self) -> Result<Identity, Failure> {
        Identity::show(&self.entry.grant.holder, &self.moment)
    }

    /// How the identity comes to it.
    async fn via(&self) -> Result<Vec<Step>, Failure> {
        let way = self.moment.known.via(self.moment.at(), self.entry.identity, self.entry.grant.holder)?;
        way.iter().map(|step| Step::show(step, &self.moment)).collect()
    }
}
