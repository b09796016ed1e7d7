//! Uses of dead secrets: those of a day are kept, and only what comes to the day, and the secrets of which another fact is
//! recorded, are looked at after that.

use std::collections::BTreeMap;
use std::rc::Rc;
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

/// Secrets that may have been used when they were dead, beside those whose uses are told one by one.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Apart {
    /// Only their timelines and their events tell.
    pub open: RoaringBitmap,
    /// Those with too many uses to tell, each with from when on it is dead for good, and never was before: its events tell.
    pub many: BTreeMap<u32, Instant>,
}

/// What is kept of a day.
#[derive(Debug)]
pub(crate) struct DeadUses {
    /// As the facts on secrets below this ledger index have it.
    known: u64,
    /// Of the events below this one.
    below: u64,
    uses: Arc<[DeadUse]>,
    /// Of secrets with too many uses to keep, none is among them.
    many: Arc<BTreeMap<u32, Instant>>,
    /// Secrets that may have others: only their timelines tell.
    undecided: RoaringBitmap,
}

#[derive(Clone)]
pub(crate) struct DeadBytes;

impl Weighter<DeadKey, Arc<DeadUses>> for DeadBytes {
    fn weight(&self, _: &DeadKey, dead: &Arc<DeadUses>) -> u64 {
        let many = dead.many.len() * 32;
        (size_of_val(&*dead.uses) + many + dead.undecided.serialized_size() + size_of::<DeadUses>() + 64)
            as u64
    }
}

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
    /// What came since an index, asked for last: days are often kept as of the same one.
    changes: Option<(u64, Rc<Changes>)>,
    go_on: &'a mut dyn FnMut() -> bool,
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
            (self.known, self.blocks, self.changes) = (known, Vec::new(), None);
        }
    }

    /// Secrets with a fact of this ledger index or a later one, and those of which only timelines tell; `None`: told not to go on.
    fn changed_since(&mut self, index: u64) -> Result<Option<RoaringBitmap>, StorageError> {
        let count = self.store.count(NodeKind::Secret, u64::MAX)?;
        let mut found = RoaringBitmap::new();
        for number in 0..count.div_ceil(BLOCK_NODES) {
            let is_new = self.blocks.get(number as usize).is_none_or(Option::is_none);
            if is_new && !(self.go_on)() {
                return Ok(None);
            }
            let of_block = self.block(number)?.since(index);
            found.extend(of_block.map(|place| number * BLOCK_NODES + place));
        }
        Ok(Some(found))
    }

    /// The same, and what is so of them.
    fn changes_since(&mut self, index: u64) -> Result<Option<Rc<Changes>>, StorageError> {
        if let Some((_, changes)) = self.changes.as_ref().filter(|(since, _)| *since == index) {
            return Ok(Some(Rc::clone(changes)));
        }
        let Some(of) = self.changed_since(index)? else { return Ok(None) };
        let mut changes = Changes { of, ..Changes::default() };
        for secret in &changes.of {
            match self.of(secret)? {
                None => drop(changes.undecided.insert(secret)),
                Some(Instant::FOREVER) => {}
                Some(dies) => changes.dead.push((secret, dies)),
            }
        }
        let changes = Rc::new(changes);
        self.changes = Some((index, Rc::clone(&changes)));
        Ok(Some(changes))
    }
}

impl Store {
    /// Visits the uses of dead secrets in an interval, among the first `size` records, in no order; gives secrets that may have
    /// been used so, too. `go_on` is asked now and then; after it said no, what comes back means nothing.
    pub fn dead_uses(
        &self,
        during: Interval,
        size: u64,
        go_on: &mut dyn FnMut() -> bool,
        visit: &mut dyn FnMut(&DeadUse),
    ) -> Result<Apart, StorageError> {
        // All facts on secrets below it are on disk, and nothing is kept that lacks one.
        let known = self.secret_facts_end.load(Ordering::Acquire);
        let mut dying = Dying { store: self, known, blocks: Vec::new(), changes: None, go_on };
        let (mut apart, mut of_days) = (Apart::default(), Vec::new());
        for day in self.days(during.from, during.to) {
            if !(dying.go_on)() {
                return Ok(apart);
            }
            let Some(dead) = self.dead_on(day, &mut dying)? else { return Ok(apart) };
            apart.open |= &dead.undecided;
            of_days.push(dead);
        }
        // What became known of a secret after these records may be what is kept of it.
        if dying.known > size {
            let Some(changed) = dying.changed_since(size)? else { return Ok(apart) };
            apart.open |= changed;
        }
        for dead in of_days {
            self.work.add(Of::Events, dead.uses.len());
            let is_asked = |used: &&DeadUse| {
                used.index < size && during.contains(used.time) && !apart.open.contains(used.secret)
            };
            dead.uses.iter().filter(is_asked).for_each(&mut *visit);
            apart.many.extend(dead.many.iter().filter(|each| !apart.open.contains(*each.0)));
        }
        Ok(apart)
    }

    /// Those of a day, with all that is known of it and of secrets now; `None`: told not to go on.
    fn dead_on(&self, day: u32, dying: &mut Dying<'_>) -> Result<Option<Arc<DeadUses>>, StorageError> {
        let key = (self.parts.opening(), day);
        let mut before = self.parts.caches().dead.get(&key);
        if let Some(kept) = &before {
            dying.know(kept.known);
        }
        let mut changes = Changes::default();
        if let Some(kept) = before.as_ref().filter(|kept| kept.known < dying.known) {
            let Some(all) = dying.changes_since(kept.known)? else { return Ok(None) };
            changes = self.changes_on(day, kept.below, &all)?;
            // So many are looked for in the time in which all events of the day are passed over.
            if changes.dead.len() > self.pieces.kept_uses * 4 {
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
        let keep = |dead: DeadUses| {
            let dead = Arc::new(dead);
            self.parts.caches().dead.insert(key, Arc::clone(&dead));
            Ok(Some(dead))
        };
        if let Some(kept) = &before
            && below == start
            && changes.of.is_empty()
        {
            if dying.known == kept.known {
                return Ok(Some(Arc::clone(kept)));
            }
            let (uses, many) = (Arc::clone(&kept.uses), Arc::clone(&kept.many));
            return keep(DeadUses {
                known: dying.known,
                below,
                uses,
                many,
                undecided: kept.undecided.clone(),
            });
        }
        let wanted = Wanted::of(Privilege::ALL.iter().copied().collect(), &[Outcome::Success]);
        let (mut uses, mut many, mut undecided) = match &before {
            Some(kept) => (kept.uses.to_vec(), (*kept.many).clone(), kept.undecided.clone()),
            None => <(Vec<DeadUse>, BTreeMap<_, _>, RoaringBitmap)>::default(),
        };
        if !changes.of.is_empty() {
            uses.retain(|used| !changes.of.contains(used.secret));
            many.retain(|secret, _| !changes.of.contains(*secret));
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
        set_apart(&mut uses, &mut many, self.pieces.kept_uses);
        keep(DeadUses { known: dying.known, below, uses: uses.into(), many: Arc::new(many), undecided })
    }

    /// What came of the secrets of a day's events below a ledger index: those that die after it are none of its dead.
    fn changes_on(&self, day: u32, below: u64, all: &Changes) -> Result<Changes, StorageError> {
        let parts = self.parts.of_day(day, |part| {
            let mut here = RoaringBitmap::new();
            if part.id.first >= below || all.of.is_empty() {
                return Ok(Some((here, i64::MIN)));
            }
            let Some(head) = self.parts.head(&self.db, part.id)? else { return Ok(None) };
            for set in head.secrets.values() {
                here |= &all.of & set;
            }
            Ok(Some((here, part.until)))
        })?;
        let mut changes = Changes::default();
        let mut until = i64::MIN;
        for (here, last) in parts {
            changes.of |= here;
            until = until.max(last);
        }
        let is_here = |each: &&(u32, Instant)| each.1.nanos() <= until && changes.of.contains(each.0);
        changes.dead = all.dead.iter().filter(is_here).copied().collect();
        changes.undecided = &all.undecided & &changes.of;
        Ok(changes)
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
        let parts = self.parts.of_day(day, |part| {
            let mut here = dead.to_vec();
            here.retain(|each| part.id.first < below && each.1.nanos() <= part.until);
            if here.is_empty() {
                return Ok(Some((here, Vec::new())));
            }
            let Some(head) = self.parts.head(&self.db, part.id)? else { return Ok(None) };
            here.retain(|each| head.secrets.values().any(|set| set.contains(each.0)));
            let blocks = if here.is_empty() { Some(Vec::new()) } else { self.parts.pages(&self.db, part)? };
            Ok(blocks.map(|blocks| (here, blocks)))
        })?;
        for (here, blocks) in parts {
            for block in blocks {
                self.work.add(Of::Blocks, 1);
                for (secret, dies) in &here {
                    let places = block.by_secret().of_key(*secret);
                    self.work.add(Of::Events, places.len());
                    for place in places.iter().map(|place| *place as usize) {
                        if block.index(place) < below && wanted.has(block.classes()[place]) {
                            uses.extend(use_of(&block, place, *secret, *dies));
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// Takes out the uses of secrets with more than so many of them, and with fewer where there are too many of all.
fn set_apart(uses: &mut Vec<DeadUse>, many: &mut BTreeMap<u32, Instant>, most: usize) {
    /// So many secrets may have the most uses.
    const SECRETS: usize = 64;
    uses.sort_unstable_by_key(|used| (used.secret, used.index));
    uses.retain(|used| !many.contains_key(&used.secret));
    for most_of_each in [most, most / 4, most / 16, 0] {
        let of_each = uses.chunk_by(|one, other| one.secret == other.secret);
        let above = of_each.filter(|of_one| of_one.len() > most_of_each);
        let above: Vec<(u32, Instant)> = above.map(|of_one| (of_one[0].secret, of_one[0].dies)).collect();
        if !above.is_empty() {
            many.extend(above);
            uses.retain(|used| !many.contains_key(&used.secret));
        }
        if uses.len() <= most * SECRETS {
            break;
        }
    }
}

/// Where the secret is dead by then.
fn use_of(block: &Block, place: usize, secret: u32, dies: Instant) -> Option<DeadUse> {
    let time = Instant::from_nanos(block.time(place));
    let (index, identity) = (block.index(place), block.identity(place));
    (dies <= time).then_some(DeadUse { time, dies, index, secret, identity })
}
