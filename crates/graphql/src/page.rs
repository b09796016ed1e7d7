//! Connections: all of one shape.

use async_graphql::{Object, SimpleObject};

use crate::any::{Grant, Node};
use crate::asked::{Asked, Moment, Snapshot, count};
use crate::change::{Change, ChangeEntry, GrantEntry};
use crate::coverage::StatedCoverage;
use crate::failure::Failure;
use crate::node::{Identity, Secret};
use crate::observation::Observation;
use crate::paging::{Lazy, Page};
use crate::rows::Rows;

/// An entry of a list as it is shown.
pub(crate) trait Shown: Sized {
    /// The entry itself.
    type Entry;
    /// Shows it at a moment.
    fn show(entry: &Self::Entry, moment: &Moment) -> Result<Self, Failure>;
}

impl<T> Page<T> {
    fn shown<S: Shown<Entry = T>, C: FromIterator<S>>(&self) -> Result<C, Failure> {
        self.entries.iter().map(|entry| S::show(entry, &self.moment)).collect()
    }

    fn info(&self) -> PageInfo {
        PageInfo { has_next_page: self.more, end_cursor: self.end() }
    }
}

/// Where a list goes on.
#[derive(SimpleObject)]
pub(crate) struct PageInfo {
    /// There is more behind this page.
    has_next_page: bool,
    /// The cursor of the last entry; null where the page is empty.
    end_cursor: Option<String>,
}

macro_rules! connection {
    ($connection:ident, $edge:ident, $shown:ty, $entry:ty, $what:literal $(, $omitted:ty)?) => {
        #[doc = concat!("A page of ", $what, ", and how many match in all.")]
        pub(crate) struct $connection(pub(crate) Page<$entry> $(, pub(crate) $omitted)?);

        #[doc = concat!("A page of ", $what, ", and how many match in all.")]
        #[Object]
        impl $connection {
            /// Of all that match, whatever the page.
            async fn total_count(&self) -> Result<i32, Failure> {
                count(self.0.total.get()?)
            }

            $(
                /// How many nodes are deleted at asOf that would match, too, were they among the candidates; 0 with includeDeleted.
                async fn omitted_deleted(&self) -> Result<i32, Failure> {
                    let omitted: &$omitted = &self.1;
                    count(omitted.get()?)
                }
            )?

            /// The page's entries.
            async fn nodes(&self) -> Result<Rows<$shown>, Failure> {
                self.0.shown()
            }

            /// The page's entries, each with its cursor.
            async fn edges(&self) -> Result<Vec<$edge>, Failure> {
                let edge = |(node, cursor)| $edge { node, cursor };
                let shown: Vec<$shown> = self.0.shown()?;
                Ok(shown.into_iter().zip(self.0.cursors()).map(edge).collect())
            }

            /// Where the list goes on.
            async fn page_info(&self) -> PageInfo {
                self.0.info()
            }

            /// What the whole list was computed from; its cursors carry it.
            async fn snapshot(&self, context: &async_graphql::Context<'_>) -> Result<Snapshot, Failure> {
                Snapshot::of(&Asked::of(context)?.session, self.0.moment.point)
            }
        }

        /// An entry and where it stands.
        #[derive(SimpleObject)]
        pub(crate) struct $edge {
            /// The entry.
            node: $shown,
            /// For `after`: the list goes on behind this entry.
            cursor: String,
        }
    };
}

connection!(IdentityConnection, IdentityEdge, Identity, asof_query::Node, "identities", Lazy);
connection!(SecretConnection, SecretEdge, Secret, asof_query::Node, "secrets", Lazy);
connection!(NodeConnection, NodeEdge, Node, asof_query::Node, "nodes of one kind", Lazy);
connection!(ObservationConnection, ObservationEdge, Observation, asof_query::Event, "observations");
connection!(ChangeConnection, ChangeEdge, Change, ChangeEntry, "changes");
connection!(CoverageConnection, CoverageEdge, StatedCoverage, u32, "coverages");
connection!(GrantConnection, GrantEdge, Grant, GrantEntry, "grants");
