//! Connections: all of one shape.

use async_graphql::{Object, SimpleObject};

use crate::any::{Grant, Node};
use crate::asked::{Asked, Moment, Page, Snapshot, count};
use crate::change::{Change, GrantEntry};
use crate::failure::Failure;
use crate::node::{Identity, Secret};
use crate::observation::Observation;

/// An entry of a list as it is shown.
pub(crate) trait Shown: Sized {
    /// The entry itself.
    type Entry;
    /// Shows it at a moment.
    fn show(entry: &Self::Entry, moment: &Moment) -> Result<Self, Failure>;
}

impl<T> Page<T> {
    fn shown<S: Shown<Entry = T>>(&self) -> Result<Vec<S>, Failure> {
        self.entries.iter().map(|entry| S::show(entry, &self.moment)).collect()
    }

    fn cursor(&self, place: usize) -> String {
        self.seal.cursor(self.moment.point, (self.start + place) as u64)
    }

    fn info(&self) -> PageInfo {
        PageInfo {
            has_next_page: self.start + self.entries.len() < self.total,
            end_cursor: self.entries.len().checked_sub(1).map(|last| self.cursor(last)),
        }
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
    ($connection:ident, $edge:ident, $shown:ty, $entry:ty, $what:literal) => {
        #[doc = concat!("A page of ", $what, ", and how many match in all.")]
        pub(crate) struct $connection(pub(crate) Page<$entry>);

        #[doc = concat!("A page of ", $what, ", and how many match in all.")]
        #[Object]
        impl $connection {
            /// Of all that match, whatever the page.
            async fn total_count(&self) -> Result<i32, Failure> {
                count(self.0.total)
            }

            /// The page's entries.
            async fn nodes(&self) -> Result<Vec<$shown>, Failure> {
                self.0.shown()
            }

            /// The page's entries, each with its cursor.
            async fn edges(&self) -> Result<Vec<$edge>, Failure> {
                let shown = self.0.shown()?.into_iter().enumerate();
                Ok(shown.map(|(place, node)| $edge { node, cursor: self.0.cursor(place) }).collect())
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

connection!(IdentityConnection, IdentityEdge, Identity, asof_query::Node, "identities");
connection!(SecretConnection, SecretEdge, Secret, asof_query::Node, "secrets");
connection!(NodeConnection, NodeEdge, Node, asof_query::Node, "nodes of one kind");
connection!(ObservationConnection, ObservationEdge, Observation, asof_query::Event, "observations");
connection!(ChangeConnection, ChangeEdge, Change, asof_query::Change, "changes");
connection!(GrantConnection, GrantEdge, Grant, GrantEntry, "grants");
