//! Uses of dead secrets: those of a day are kept, and only what comes to the day, and the secrets of which another fact is
//! recorded, are looked at after that.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use asof_model::{Instant, Interval, NodeKind, Outcome, Privilege};
use asof_temporal::{BLOCK_NODES, Block, Deaths, Member, NONE};
use quick_cache::Weighter;
use roaring::RoaringBitmap;

use crate::error::StorageError;
use crate::events::Wanted;
use crate::store::Store;
use crate::work::Of;

/// A day of the store that was opened as this.
pub(crate) type DeadKey = (u32, u32);

/// A SUCCESS observation with a secret that is dead by then for good, and never was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadUse {
    /// When.
    pub time: Instant,
    /// From when on the secret is dead.
    pub dies: Instant,
    /// Ledger index.
    pub index: u64,
    /// Ordinal of the secret.
    pub secret: u32,
    /// Ordinal of the identity.
    pub identity: u32,
}

/// Those of a day.
#[derive(Debug)]
pub(crate) struct DeadUses {
    /// As the facts on secrets below this ledger index have it.
    known: u64,
    /// Of the events below this one.
    below: u64,
    uses: Box<[DeadUse]>,
    /// Secrets that may have others: only their timelines tell, or there are too many to keep.
    undecided: RoaringBitmap,
}

#[derive(Clone)]
pub(crate) struct DeadBytes;

impl Weighter<DeadKey, Arc<DeadUses>> for DeadBytes {
    fn weight(&self, _: &DeadKey, dead: &Arc<DeadUses>) -> u64 {
        (size_of_val(&*dead.uses) + dead.undecided.serialized_size() + size_of::<DeadUses>() + 64) as u64
    }
}

/// So many secrets are looked for in the time in which all events of a day are passed over.
const FEW: usize = 1 << 10;

/// Secrets of which facts came.
#[derive(Default)]
struct Changes {
    of: RoaringBitmap,
    /// Those that die, and when; ascending.
    dead: Vec<(u32, Instant)>,
    /// Those of which only timelines tell.
    undecided: RoaringBitmap,
}

/// When secrets die, as the facts below a ledger index have it.
struct Dying<'a> {
    store: &'a Store,
    known: u64,
    /// By number, those that were asked for.
    blocks: Vec<Option<Arc<Deaths>>>,
}

impl Dying<'_> {
    fn block(&mut self, number: u32) -> Result<&Deaths, StorageError> {
        let place = number as usize;
        if self.blocks.len() <= place {
            self.blocks.resize(place + 1, None);
        }
        let kept = &mut self.blocks[place];
        if kept.is_none() {
            *kept = Some(self.store.deaths(number)?);
        }
        kept.as_deref().ok_or_else(crate::posture::other_kept)
    }

    /// From when on it is dead, FOREVER where it never is; `None`: only its timeline tells.
    fn of(&mut self, secret: u32) -> Result<Option<Instant>, StorageError> {
        let known = self.known;
        Ok(self.block(secret / BLOCK_NODES)?.of_place(secret % BLOCK_NODES, known))
    }

    /// All facts on secrets below this ledger index are on disk too, and nothing is kept that lacks one.
    fn know(&mut self, known: u64) {
        if self.known < known {
            (self.known, self.blocks) = (known, Vec::new());
        }
    }

    /// Secrets with a fact of this ledger index or a later one, and those of which only timelines tell.
    fn changed_since(&mut self, index: u64) -> Result<RoaringBitmap, StorageError> {
        let count = self.store.count(NodeKind::Secret, u64::MAX)?;
        let mut found = RoaringBitmap::new();
        for number in 0..count.div_ceil(BLOCK_NODES) {
            let of_block = self.block(number)?.since(index);
            found.extend(of_block.map(|place| number * BLOCK_NODES + place));
        }
        Ok(found)
    }

    /// The same, and what is so of them.
    fn changes_since(&mut self, index: u64) -> Result<Changes, StorageError> {
        let mut changes = Changes { of: self.changed_since(index)?, ..Changes::default() };
        for secret in &changes.of {
            match self.of(secret)? {
                None => drop(changes.undecided.insert(secret)),
                Some(Instant::FOREVER) => {}
                Some(dies) => changes.dead.push((secret, dies)),
            }
        }
        Ok(changes)
    }
}

impl Store {
    /// Visits the uses of dead secrets in an interval, among the first `size` records, in no order; gives secrets that may have
    /// been used so, too, of which none is visited: only their timelines and events tell. `go_on` is asked now and then; after it
    /// said no, what comes back means nothing.
    pub fn dead_uses(
        &self,
        during: Interval,
        size: u64,
        go_on: &mut dyn FnMut() -> bool,
        visit: &mut dyn FnMut(&DeadUse),
    ) -> Result<RoaringBitmap, StorageError> {
        // All facts on secrets below it are on disk, and nothing is kept that lacks one.
        let known = self.secret_facts_end.load(Ordering::Acquire);
        let mut dying = Dying { store: self, known, blocks: Vec::new() };
        let (mut open, mut of_days) = (RoaringBitmap::new(), Vec::new());
        for day in self.days(during.from, during.to).into_iter().take_while(|_| go_on()) {
            let dead = self.dead_on(day, &mut dying)?;
            open |= &dead.undecided;
            of_days.push(dead);
        }
        // What became known of a secret after these records may be what is kept of it.
        if dying.known > size {
            open |= dying.changed_since(size)?;
        }
        for dead in of_days {
            self.work.add(Of::Events, dead.uses.len());
            let is_asked = |used: &&DeadUse| {
                used.index < size && during.contains(used.time) && !open.contains(used.secret)
            };
            dead.uses.iter().filter(is_asked).for_each(&mut *visit);
        }
        Ok(open)
    }

    /// Those of a day, with all that is known of it and of secrets now.
    fn dead_on(&self, day: u32, dying: &mut Dying<'_>) -> Result<Arc<DeadUses>, StorageError> {
        let key = (self.parts.opening(), day);
        let mut before = self.parts.caches().dead.get(&key);
        if let Some(kept) = &before {
            dying.know(kept.known);
        }
        let mut changes = Changes::default();
        if let Some(kept) = before.as_ref().filter(|kept| kept.known < dying.known) {
            changes = dying.changes_since(kept.known)?;
            if changes.dead.len() > FEW {
                (before, changes) = (None, Changes::default());
            }
        }
        let start = before.as_ref().map_or(0, |kept| kept.below);
        let parts = self.parts.of_day(day, |part| {
            let below = part.id.last + 1;
            let blocks = if below <= start { Some(Vec::new()) } else { self.parts.pages(&self.db, part)? };
            Ok(blocks.map(|blocks| (below, blocks)))
        })?;
        let below = parts.iter().map(|part| part.0).fold(start, u64::max);
        if let Some(kept) = &before
            && below == start
            && dying.known == kept.known
        {
            return Ok(Arc::clone(kept));
        }
        let wanted = Wanted::of(Privilege::ALL.iter().copied().collect(), &[Outcome::Success]);
        let (mut uses, mut undecided) = match &before {
            Some(kept) => (kept.uses.to_vec(), kept.undecided.clone()),
            None => (Vec::new(), RoaringBitmap::new()),
        };
        if !changes.of.is_empty() {
            uses.retain(|used| !changes.of.contains(used.secret));
            undecided = (undecided - &changes.of) | changes.undecided;
            self.add_dead(day, &changes.dead, &wanted, start, &mut uses)?;
        }
        for block in parts.iter().flat_map(|part| &part.1) {
            self.work.add(Of::Blocks, 1);
            if block.last_index() < start {
                continue;
            }
            self.work.add(Of::Events, block.len());
            for place in 0..block.len() {
                let (secret, index) = (block.member(Member::Secret, place), block.index(place));
                if secret == NONE || index < start || !wanted.has(block.classes()[place]) {
                    continue;
                }
                match dying.of(secret)? {
                    Some(dies) => uses.extend(use_of(block, place, secret, dies)),
                    None => drop(undecided.insert(secret)),
                }
            }
        }
        set_apart(&mut uses, &mut undecided);
        let dead = Arc::new(DeadUses { known: dying.known, below, uses: uses.into(), undecided });
        self.parts.caches().dead.insert(key, Arc::clone(&dead));
        Ok(dead)
    }

    /// Adds the uses of a day, below a ledger index, of secrets (ascending) that each die at a moment.
    fn add_dead(
        &self,
        day: u32,
        dead: &[(u32, Instant)],
        wanted: &Wanted,
        below: u64,
        uses: &mut Vec<DeadUse>,
    ) -> Result<(), StorageError> {
        let secrets: RoaringBitmap = dead.iter().map(|each| each.0).collect();
        let parts = self.parts.of_day(day, |part| {
            if part.id.first >= below || secrets.is_empty() {
                return Ok(Some(Vec::new()));
            }
            let Some(head) = self.parts.head(&self.db, part.id)? else { return Ok(None) };
            let is_here = head.secrets.values().any(|set| !set.is_disjoint(&secrets));
            if is_here { self.parts.pages(&self.db, part) } else { Ok(Some(Vec::new())) }
        })?;
        for block in parts.into_iter().flatten() {
            self.work.add(Of::Blocks, 1);
            for (secret, dies) in dead {
                let places = block.by_secret().of_key(*secret);
                self.work.add(Of::Events, places.len());
                for place in places.iter().map(|place| *place as usize) {
                    if block.index(place) < below && wanted.has(block.classes()[place]) {
                        uses.extend(use_of(&block, place, *secret, *dies));
                    }
                }
            }
        }
        Ok(())
    }
}

/// Takes out the uses of secrets of which more is to be found out, and of those with so many that a look at their events soon comes
/// upon one.
fn set_apart(uses: &mut Vec<DeadUse>, undecided: &mut RoaringBitmap) {
    const MANY: usize = 1 << 8;
    uses.sort_unstable_by_key(|used| (used.secret, used.index));
    let of_each = uses.chunk_by(|one, other| one.secret == other.secret);
    undecided.extend(of_each.filter(|of_one| of_one.len() > MANY).map(|of_one| of_one[0].secret));
    uses.retain(|used| !undecided.contains(used.secret));
}

/// Where the secret is dead by then.
fn use_of(block: &Block, place: usize, secret: u32, dies: Instant) -> Option<DeadUse> {
    let time = Instant::from_nanos(block.time(place));
    let (index, identity) = (block.index(place), block.identity(place));
    (dies <= time).then_some(DeadUse { time, dies, index, secret, identity })
}
