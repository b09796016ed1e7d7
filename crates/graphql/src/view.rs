//! A node at a moment: what its fields, whatever its kind, read.

use std::sync::Arc;

use asof_model::{EdgeKind, EntitlementValue, SecretValue, State as Resolved};
use asof_query as query;
use asof_query::{Direction, Key};
use async_graphql::Context;
use serde::Serializer;
use serde::ser::SerializeMap as _;

use crate::asked::{Asked, Moment};
use crate::cursor::List;
use crate::enums::{NodeKind, SourceDimension};
use crate::failure::{Failure, Under as _};
use crate::input::{DeadSecretWhere, Read as _, Window};
use crate::page::ObservationConnection;
use crate::paging::Paging;
use crate::results::NewSource;
use crate::rows::{Picked, Plain, Rendered, object, resolvers_tell};

/// A node at a moment.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) node: query::Node,
    pub(crate) moment: Moment,
}

impl View {
    pub(crate) fn state(&self) -> Result<Resolved, Failure> {
        Ok(self.moment.known.state(Key::Node(self.node), self.moment.at())?)
    }

    pub(crate) fn value(&self) -> Result<Option<Arc<asof_model::Value>>, Failure> {
        Ok(self.state()?.value().cloned())
    }

    pub(crate) fn entitlement(&self) -> Result<Option<EntitlementValue>, Failure> {
        Ok(self.value()?.and_then(|value| value.entitlement().cloned()))
    }

    /// `None` where it is not inventoried; ACTIVE where nobody says its state.
    pub(crate) fn secret(&self) -> Result<Option<SecretValue>, Failure> {
        Ok(self.value()?.map(|value| value.node().and_then(|node| node.secret).unwrap_or_default()))
    }

    pub(crate) fn follow<S: From<View>>(
        &self,
        kind: EdgeKind,
        direction: Direction,
    ) -> Result<Vec<S>, Failure> {
        let found = self.moment.known.follow(kind, self.node, direction, self.moment.at())?;
        Ok(found.into_iter().map(|node| Self { node, moment: self.moment.clone() }.into()).collect())
    }

    pub(crate) fn dead_uses(
        &self,
        context: &Context<'_>,
        filter: DeadSecretWhere,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<ObservationConnection, Failure> {
        let paging = Paging::read(context, List::DeadUses, &self.named()?, first, after)?;
        let moment = paging.moment_beside(Asked::of(context)?, &self.moment)?;
        let list = query::EventList::DeadUses { node: self.node, filter: filter.read()? };
        Ok(ObservationConnection(paging.events(moment, list)?))
    }

    pub(crate) fn new_sources(&self, of: SourceDimension, during: Window) -> Result<Vec<NewSource>, Failure> {
        let filter = query::NewSourceWhere { of: of.into(), during: during.read().under("during")? };
        let found = self.moment.known.new_sources(self.moment.at(), self.node, &filter)?;
        found.iter().map(|new| NewSource::show(new, &self.moment)).collect()
    }

    /// What tells this node's lists from those of others.
    pub(crate) fn named(&self) -> Result<String, Failure> {
        Ok(format!("{} {}", self.node.kind, self.moment.id(self.node)?))
    }

    pub(crate) fn key(&self) -> Key {
        Key::Node(self.node)
    }
}

impl Plain for View {
    fn write<S: Serializer>(&self, picked: &[Picked], to: S) -> Result<S::Ok, S::Error> {
        object(picked, to, |each, members| match each.name.as_str() {
            "id" => {
                let id = self.moment.known.reader().id(self.node);
                members.serialize_value(&*id.map_err(|_| resolvers_tell())?)
            }
            "kind" => members.serialize_value(&Rendered(&NodeKind::from(self.node.kind), &each.within)),
            _ => Err(resolvers_tell()),
        })
    }
}
