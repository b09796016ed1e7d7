//! Storage: the ledger, the views, and their key layout on RocksDB. FORMAT.md beside this crate describes every byte.
//!
//! Nothing here evaluates a question, and no type of RocksDB leaves.

mod canonical;
mod chosen;
mod codec;
mod days;
mod db;
mod dead;
mod error;
mod events;
mod firsts;
mod kept;
mod keys;
mod ledger;
mod maintenance;
mod memory;
mod names;
mod newly;
mod parts;
mod pieces;
mod posture;
mod prepared;
mod read;
mod reconcile;
mod runs;
mod sealed;
mod seen;
mod spells;
mod store;
mod uses;
mod views;
mod work;

pub use chosen::Choice;
pub use dead::{Apart, DeadUse};
pub use error::StorageError;
pub use events::{EventScan, StoredEvent, Tally, Wanted};
pub use keys::{Axis, NodeKey, Space, TimelineKey};
pub use ledger::Header;
pub use maintenance::{CheckReport, Progress, check, reindex};
pub use memory::Memory;
pub use pieces::Pieces;
pub use prepared::{Prepared, Preparer};
pub use read::{CoverageName, LedgerEntry, Members};
pub use reconcile::Reconciled;
pub use sealed::Sealed;
pub use store::{FORMAT_VERSION, Group, Receipt, Store, Writer};
pub use uses::UsedWith;
pub use work::Work;
