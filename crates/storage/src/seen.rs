//! Who was seen: sets of identities and secrets by what their events were.

use std::collections::BTreeMap;

use asof_model::{Instant, Interval, Outcome, Privilege};
use asof_temporal::{Member, NONE};
use roaring::{MultiOps, RoaringBitmap};

use crate::error::StorageError;
use crate::events::Wanted;
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
        if !part.meets(during, size) {
            return Ok(Some(Vec::new()));
        }
        // A head's sets of secrets know outcomes alone.
        if part.lies_in(during, size) && (!secrets || wanted.knows_outcomes_alone()) {
            let Some(head) = self.parts.head(&self.db, part.id)? else { return Ok(None) };
            let sets = if secrets { &head.secrets } else { &head.identities };
            let of_class =
                |class: u8| if secrets { wanted.has_outcome(class) } else { wanted.has(head_class(class)) };
            let found: Vec<_> =
                sets.iter().filter(|(of, _)| of_class(**of)).map(|(_, set)| set.clone()).collect();
            self.work.add(Of::Bitmaps, found.len());
            return Ok(Some(found));
        }
        let Some(blocks) = self.parts.pages(&self.db, part)? else { return Ok(None) };
        let all_known = part.id.last < size;
        let mut found = Dense::default();
        self.work.add(Of::Blocks, blocks.len());
        for block in blocks {
            let places = block.between(during.from.nanos(), during.to.nanos());
            self.work.add(Of::Events, places.len());
            for place in places {
                if wanted.has(block.classes()[place]) && (all_known || block.index(place) < size) {
                    let ordinal =
                        if secrets { block.member(Member::Secret, place) } else { block.identity(place) };
                    if ordinal != NONE {
                        found.insert(ordinal);
                    }
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
            let found =
                self.parts.of_day(day, |part| self.seen_on_in(part, resource, wanted, during, size))?;
            ordinals.extend(found.into_iter().flatten());
        }
        Ok(set(ordinals))
    }

    fn seen_on_in(
        &self,
        part: &Part,
        resource: u32,
        wanted: &Wanted,
        during: Interval,
        size: u64,
    ) -> Result<Option<Vec<u32>>, StorageError> {
        if !part.meets(during, size) {
            return Ok(Some(Vec::new()));
        }
        let Some(users) = self.parts.users(&self.db, part, resource)? else { return Ok(None) };
        let mut identities: Vec<u32> =
            users.of(resource).filter(|user| wanted.has(user.0)).map(|user| user.1).collect();
        if !part.lies_in(during, size) {
            identities.sort_unstable();
            identities.dedup();
            let mut used = Vec::new();
            for of_page in identities.chunk_by(|one, other| part.page_of(*one) == part.page_of(*other)) {
                let page = part.page_of(of_page[0]);
                let Some(block) = self.parts.page(&self.db, part.id, page)? else { return Ok(None) };
                self.work.add(Of::Blocks, 1);
                let (from, to) = (during.from.nanos(), during.to.nanos());
                used.extend(of_page.iter().copied().filter(|identity| {
                    let places = block.by_identity().of_key(*identity);
                    let start = places.partition_point(|place| block.time(*place as usize) < from);
                    let places = places[start..].iter().map(|place| *place as usize);
                    let mut inside = places.take_while(|place| block.time(*place) < to);
                    let mut looked_at = 0;
                    let found = inside.any(|place| {
                        looked_at += 1;
                        block.member(Member::Resource, place) == resource
                            && wanted.has(block.classes()[place])
                            && block.index(place) < size
                    });
                    self.work.add(Of::Events, looked_at);
                    found
                }));
            }
            identities = used;
        }
        self.work.add(Of::Events, identities.len());
        Ok(Some(identities))
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
        let moments: BTreeMap<u32, Instant> = from.iter().copied().collect();
        let mut open: RoaringBitmap = moments.keys().collect();
        for day in self.days(first, to).into_iter().rev() {
            let parts = self.parts.of_day(day, |part| {
                let mut here = RoaringBitmap::new();
                if !part.meets(Interval { from: first, to }, size) {
                    return Ok(Some((here, Vec::new())));
                }
                let Some(head) = self.parts.head(&self.db, part.id)? else { return Ok(None) };
                for (_, set) in head.secrets.iter().filter(|(of, _)| wanted.has_outcome(**of)) {
                    self.work.add(Of::Bitmaps, 1);
                    here |= &open & set;
                }
                let blocks =
                    if here.is_empty() { Some(Vec::new()) } else { self.parts.pages(&self.db, part)? };
                Ok(blocks.map(|blocks| (here, blocks)))
            })?;
            for (here, blocks) in parts {
                self.work.add(Of::Blocks, blocks.len());
                let mut looked_at = 0;
                for block in blocks {
                    for secret in shared(&here, block.by_secret().keys()) {
                        let Some(from) = moments.get(&secret) else { continue };
                        let places = block.by_secret().of_key(secret);
                        // The latest first: it is the likeliest.
                        let used = places.iter().rev().map(|place| *place as usize).any(|place| {
                            looked_at += 1;
                            let time = Instant::from_nanos(block.time(place));
                            *from <= time
                                && time < to
                                && wanted.has(block.classes()[place])
                                && block.index(place) < size
                        });
                        if used {
                            found.insert(secret);
                        }
                    }
                }
                self.work.add(Of::Events, looked_at);
            }
            open -= &found;
        }
        Ok(found)
    }
}

/// Those of a set that are among some keys, which ascend: as much work as the fewer of both between the first key and the last.
fn shared(set: &RoaringBitmap, keys: &[u32]) -> Vec<u32> {
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return Vec::new() };
    if set.range_cardinality(*first..=*last) > keys.len() as u64 {
        keys.iter().copied().filter(|key| set.contains(*key)).collect()
    } else {
        set.range(*first..=*last).collect()
    }
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
