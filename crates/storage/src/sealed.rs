//! A group of batches on its way to the disk: whoever writes it can do so while the next one is being made.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use asof_model::Record;

use crate::db::Layer;
use crate::error::StorageError;
use crate::kept::KeptKey;
use crate::posture::touched;
use crate::store::{Group, Store, put_position};
use crate::views::Publish;

/// Records of a batch and the canonical bytes of their bodies.
pub(crate) type Spent = (Vec<Record>, Vec<Vec<u8>>);

/// A group to which nothing more comes. Groups are written in the order in which they were sealed, each once.
///
/// It holds what the group was made of to the last: giving that back takes a while, in which whoever makes groups has better to do.
pub struct Sealed {
    store: Store,
    /// The ledger size after it.
    size: u64,
    /// `None`: nothing of it is new.
    changes: Option<Changes>,
    _under: Vec<Arc<Layer>>,
    _spent: Vec<Spent>,
}

struct Changes {
    layer: Arc<Layer>,
    with_facts: bool,
    touched: Vec<KeptKey>,
    publish: Vec<Publish>,
}

impl Group<'_> {
    /// Ends the group: it is to be written, and the next one may begin before that.
    pub fn seal(mut self) -> Result<Sealed, StorageError> {
        let (store, size) = (self.store.clone(), self.frontier.size());
        if self.pending.is_empty() {
            return Ok(Sealed { store, size, changes: None, _under: Vec::new(), _spent: self.spent });
        }
        self.views.finish(&mut self.pending)?;
        put_position(&mut self.pending, (size, *self.batches));
        let touched = touched(&self.pending)?;
        let (layer, under) = self.pending.seal();
        self.sealed.push(Arc::clone(&layer));
        let changes = Changes { layer, with_facts: self.with_facts, touched, publish: self.views.sealed() };
        Ok(Sealed { store, size, changes: Some(changes), _under: under, _spent: self.spent })
    }

    /// Writes the group: when it returns, all of it is on disk and visible. Gives the ledger size after it.
    pub fn commit(self) -> Result<u64, StorageError> {
        self.seal()?.write()
    }
}

impl Sealed {
    /// Writes it: when it returns, all of it is on disk and visible. Gives the ledger size after it.
    pub fn write(&mut self) -> Result<u64, StorageError> {
        let store = &self.store;
        if let Some(changes) = &mut self.changes {
            // Before the rows are there: who reads some of them and then asks learns that there are facts beyond its size.
            if changes.with_facts {
                store.facts_end.store(self.size, Ordering::Release);
            }
            changes.layer.write(&store.db)?;
            for publish in changes.publish.drain(..) {
                publish();
            }
            // Before the size is published: who reads at it finds nothing in memory that lacks these rows.
            for key in &changes.touched {
                store.kept.forget(key);
            }
            if changes.touched.iter().any(|key| matches!(key, KeptKey::Deaths(_))) {
                store.secret_facts_end.store(self.size, Ordering::Release);
            }
        }
        store.published.store(self.size, Ordering::Release);
        Ok(self.size)
    }
}
