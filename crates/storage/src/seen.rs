//! Who was seen: sets of identities and secrets by what their events were.

use asof_model::{Instant, Interval, Outcome, Privilege};
use asof_temporal::{Block, Member, NONE};
use roaring::{MultiOps, RoaringBitmap};

use crate::error::StorageError;
use crate::events::{Wanted, touches};
use crate::parts::Part;
use crate::store::Store;
use crate::views::{class, head_class};
use crate::work::Of;

impl Store {
    /// Identities (or secrets) of the events of these classes in an interval, among the first `size` records.
    pub fn seen(
        &self,
        secrets: bool,
        wanted: &Wanted,
        during: Interval,
        size: u64,
    ) -> Result<RoaringBitmap, StorageError> {
        let mut sets: Vec<RoaringBitmap> = Vec::new();
        for day in self.days(during.from, during.to) {
            let found = self.parts.of_day(day, |part| self.seen_in(part, secrets, wanted, during, size))?;
            sets.extend(found.into_iter().flatten());
        }
        Ok(sets.union())
    }

    fn seen_in(
        &self,
        part: &Part,
        secrets: bool,
        wanted: &Wanted,
        during: Interval,
        size: u64,
    ) -> Result<Option<Vec<RoaringBitmap>>, StorageError> {
        if !touches(part, during.from, during.to) || part.id.first >= size {
            return Ok(Some(Vec::new()));
        }
        let whole = during.from.nanos() <= part.from && part.until < during.to.nanos() && part.id.last < size;
        // A head's sets of secrets know outcomes alone.
        if whole && (!secrets || wanted.knows_outcomes_alone()) {
            let Some(head) = self.parts.head(&self.db, part.id)? else { return Ok(None) };
            let sets = if secrets { &head.secrets } else { &head.identities };
            let of_class =
                |class: u8| if secrets { wanted.has_outcome(class) } else { wanted.has(head_class(class)) };
            let found: Vec<_> =
                sets.iter().filter(|(of, _)| of_class(**of)).map(|(_, set)| set.clone()).collect();
            self.work.add(Of::Bitmaps, found.len());
            return Ok(Some(found));
        }
        let Some(block) = self.parts.block(&self.db, part.id)? else { return Ok(None) };
        let places = block.between(during.from.nanos(), during.to.nanos());
        self.work.add(Of::Blocks, 1);
        self.work.add(Of::Events, places.len());
        let all_known = block.last_index() < size;
        let mut found = Dense::default();
        for place in places {
            if wanted.has(block.classes()[place]) && (all_known || block.index(place) < size) {
                let ordinal =
                    if secrets { block.member(Member::Secret, place) } else { block.identity(place) };
                if ordinal != NONE {
                    found.insert(ordinal);
                }
            }
        }
        Ok(Some(vec![found.set()]))
    }

    /// Identities of the events of these classes on a resource in an interval, among the first `size` records.
    pub fn seen_on(
        &self,
        resource: u32,
        wanted: &Wanted,
        during: Interval,
        size: u64,
    ) -> Result<RoaringBitmap, StorageError> {
        let mut ordinals = Vec::new();
        for day in self.days(during.from, during.to) {
            let found = self.parts.of_day(day, |part| {
                if !touches(part, during.from, during.to) || part.id.first >= size {
                    return Ok(Some(Vec::new()));
                }
                let Some(block) = self.parts.block(&self.db, part.id)? else { return Ok(None) };
                self.work.add(Of::Blocks, 1);
                self.work.add(Of::Events, block.by_resource().of_key(resource).len());
                Ok(Some(on_resource(&block, resource, wanted, during, size)))
            })?;
            ordinals.extend(found.into_iter().flatten());
        }
        Ok(set(ordinals))
    }

    /// Of these secrets, each with a moment, those with an event of these classes from that moment on and before `to`, among
    /// the first `size` records.
    pub fn secrets_seen_from(
        &self,
        from: &[(u32, Instant)],
        wanted: &Wanted,
        to: Instant,
        size: u64,
    ) -> Result<RoaringBitmap, StorageError> {
        let mut found = RoaringBitmap::new();
        let Some(first) = from.iter().map(|each| each.1).min() else { return Ok(found) };
        let mut open = from.to_vec();
        for day in self.days(first, to).into_iter().rev() {
            let blocks = self.parts.of_day(day, |part| {
                if !touches(part, first, to) || part.id.first >= size {
                    return Ok(Some(None));
                }
                Ok(self.parts.block(&self.db, part.id)?.map(Some))
            })?;
            for block in blocks.into_iter().flatten() {
                let groups = block.by_secret();
                self.work.add(Of::Blocks, 1);
                self.work.add(Of::Events, open.iter().map(|each| groups.of_key(each.0).len()).sum());
                open.retain(|(secret, from)| {
                    let counts = |place: &u32| {
                        let place = *place as usize;
                        let time = Instant::from_nanos(block.time(place));
                        *from <= time
                            && time < to
                            && wanted.has(block.classes()[place])
                            && block.index(place) < size
                    };
                    // The latest first: it is the likeliest.
                    let used = groups.of_key(*secret).iter().rev().any(counts);
                    if used {
                        found.insert(*secret);
                    }
                    !used
                });
            }
        }
        Ok(found)
    }
}

fn on_resource(block: &Block, resource: u32, wanted: &Wanted, during: Interval, size: u64) -> Vec<u32> {
    let places = block.by_resource().of_key(resource);
    let mut found = Vec::new();
    let mut at = 0;
    // They go by class: what is not wanted is passed over at once.
    while let Some(place) = places.get(at) {
        let class = block.classes()[*place as usize];
        let run = places[at..].partition_point(|place| block.classes()[*place as usize] == class);
        if wanted.has(class) {
            let of_run = places[at..at + run].iter().map(|place| *place as usize).filter(|place| {
                during.contains(Instant::from_nanos(block.time(*place))) && block.index(*place) < size
            });
            found.extend(of_run.map(|place| block.identity(place)));
        }
        at += run;
    }
    found
}

fn set(mut ordinals: Vec<u32>) -> RoaringBitmap {
    ordinals.sort_unstable();
    ordinals.dedup();
    // Sorted and without repeats: appending does not fail.
    RoaringBitmap::from_sorted_iter(ordinals).unwrap_or_default()
}

/// A set that is gathered without order: a bit for each ordinal up to the greatest.
#[derive(Default)]
struct Dense(Vec<u64>);

impl Dense {
    fn insert(&mut self, ordinal: u32) {
        let place = ordinal as usize / 64;
        if place >= self.0.len() {
            self.0.resize(place + 1 + place / 2, 0);
        }
        self.0[place] |= 1 << (ordinal % 64);
    }

    fn set(&self) -> RoaringBitmap {
        let words = self.0.iter().enumerate().filter(|(_, word)| **word != 0);
        let ordinals = words.flat_map(|(place, word)| {
            let rest = |left: &u64| Some(left & left.wrapping_sub(1)).filter(|left| *left != 0);
            let bits = std::iter::successors(Some(*word), rest);
            bits.map(move |left| place as u32 * 64 + left.trailing_zeros())
        });
        // Ascending: appending does not fail.
        RoaringBitmap::from_sorted_iter(ordinals).unwrap_or_default()
    }
}

impl Wanted {
    fn has_outcome(&self, secret_class: u8) -> bool {
        Privilege::ALL.iter().any(|privilege| self.has(privilege.number() << 3 | secret_class))
    }

    /// Each outcome is wanted with every privilege or with none.
    fn knows_outcomes_alone(&self) -> bool {
        Outcome::ALL.iter().all(|outcome| {
            let has = |privilege: &Privilege| self.has(class(*privilege, *outcome, false));
            Privilege::ALL.iter().all(has) || !Privilege::ALL.iter().any(has)
        })
    }
}
