//! Who of a block of nodes is stated, and who is deleted, at any moment.

use asof_model::Instant;

use crate::gathered::{Bits, Gathered, contains, insert, remove};

/// From when on, and the index of the record from which on it is known.
type Since = (Instant, u64);

/// A node of which some statement is no PUT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// The first record that is none.
    pub first: u64,
    /// How long it is stated, where that is simple.
    pub spell: Option<Spell>,
}

/// How long a node is stated of which some statement is no PUT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spell {
    /// Its state is a value from here on.
    pub from: Instant,
    /// It is *deleted* from here on, for ever; FOREVER where it never is.
    pub to: Instant,
    /// The last record on it.
    pub last: u64,
}

/// For each node of a block: from when on its state is a value, and the last of the records that say so; for how long, where
/// some statement on it is no PUT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    each: Box<[Since]>,
    /// By place, in order; and which places these are.
    ended: Box<[(u32, Ended)]>,
    are_ended: Bits,
    /// The last of all these records.
    last: u64,
    /// When they come to be stated, and deleted, as all these records know it.
    begins: Gathered,
    ends: Gathered,
}

/// Who is stated and who is deleted at a moment; nothing tells of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// A bit for each place.
    pub stated: Bits,
    /// The same.
    pub deleted: Bits,
}

impl Stated {
    /// Of at most [`BLOCK_NODES`] nodes, FOREVER for one that never is; and of those that have a statement that is no PUT, by place,
    /// in order.
    pub fn of(each: Vec<Since>, ended: Vec<(u32, Ended)>) -> Self {
        let mut are_ended = Bits::default();
        for (place, _) in &ended {
            insert(&mut are_ended, *place);
        }
        let ever =
            (0..).zip(&each).filter(|(place, one)| one.0 < Instant::FOREVER && !contains(&are_ended, *place));
        let spells = || ended.iter().filter_map(|(place, one)| Some((*place, one.spell?)));
        let indexes = ever.clone().map(|(_, one)| one.1);
        let indexes =
            indexes.chain(ended.iter().map(|(_, one)| one.first)).chain(spells().map(|each| each.1.last));
        let last = indexes.max().unwrap_or(0);
        let begins = ever.map(|(place, one)| (one.0, place));
        let begins = Gathered::of(begins.chain(spells().map(|(place, spell)| (spell.from, place))).collect());
        let ends = spells().filter(|(_, spell)| spell.to < Instant::FOREVER);
        let ends = Gathered::of(ends.map(|(place, spell)| (spell.to, place)).collect());
        Self { each: each.into(), ended: ended.into(), are_ended, last, begins, ends }
    }

    /// Who is stated and who is deleted at a moment, as the first `size` records know it.
    pub fn at(&self, at: Instant, size: u64) -> Standing {
        let (mut stated, mut deleted) = (Bits::default(), Bits::default());
        if self.last < size {
            deleted = self.ends.first(self.ends.count(|moment| moment <= at));
            let begun = self.begins.first(self.begins.count(|moment| moment <= at));
            for ((stated, begun), gone) in stated.iter_mut().zip(begun).zip(deleted) {
                *stated = begun & !gone;
            }
            return Standing { stated, deleted };
        }
        for (place, (since, index)) in (0..).zip(&self.each) {
            if *since <= at && *index < size {
                insert(&mut stated, place);
            }
        }
        for (place, ended) in self.ended.iter().filter(|each| each.1.first < size) {
            remove(&mut stated, *place);
            match ended.spell.filter(|spell| spell.last < size) {
                Some(spell) if spell.to <= at => insert(&mut deleted, *place),
                Some(spell) if spell.from <= at => insert(&mut stated, *place),
                _ => {}
            }
        }
        Standing { stated, deleted }
    }

    /// The same of the node at one place of the block: whether it is stated, or else deleted; `None`: nothing tells.
    pub fn is_stated(&self, place: u32, at: Instant, size: u64) -> Option<bool> {
        if contains(&self.are_ended, place)
            && let Ok(found) = self.ended.binary_search_by_key(&place, |each| each.0)
            && let Some((_, ended)) = self.ended.get(found).filter(|each| each.1.first < size)
        {
            let spell = ended.spell.filter(|spell| spell.last < size)?;
            return if spell.to <= at { Some(false) } else { (spell.from <= at).then_some(true) };
        }
        let (since, index) = self.each.get(place as usize)?;
        (*since <= at && *index < size).then_some(true)
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        let lists = size_of_val(&*self.each) + size_of_val(&*self.ended);
        size_of::<Self>() + lists + self.begins.bytes() + self.ends.bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BLOCK_NODES;

    fn at(nanos: i64) -> Instant {
        Instant::from_nanos(nanos)
    }

    /// Of some hundred nodes, so that several sets are kept: moments and records repeat.
    fn block() -> (Vec<Since>, Vec<(u32, Ended)>) {
        let each = (0..300_i64).map(|place| match place % 7 {
            3 => (Instant::FOREVER, u64::MAX),
            _ => (at(place * 31 % 40), (place * 17 % 50) as u64),
        });
        let ended = (0..300_u32).filter(|place| place % 3 == 0).map(|place| {
            let (from, first) = (i64::from(place) * 13 % 40, u64::from(place) * 19 % 50);
            let spell = |to| Spell { from: at(from), to, last: first + u64::from(place % 2) };
            let spell = match place % 4 {
                0 => None,
                1 => Some(spell(Instant::FOREVER)),
                _ => Some(spell(at(from + 1 + i64::from(place % 5)))),
            };
            (place, Ended { first, spell })
        });
        (each.collect(), ended.collect())
    }

    #[test]
    fn each_stands_as_its_own_records_say() {
        let (each, ended) = block();
        let stated = Stated::of(each.clone(), ended.clone());
        let (mut were_stated, mut were_deleted) = (0, 0);
        for t in [Instant::BEGINNING, Instant::FOREVER].into_iter().chain((-1..47).map(at)) {
            for size in (0..54).chain([u64::MAX]) {
                let standing = stated.at(t, size);
                for place in 0..BLOCK_NODES {
                    let of = ended.iter().find(|one| one.0 == place && one.1.first < size).map(|one| one.1);
                    let since = each.get(place as usize).copied().unwrap_or((Instant::FOREVER, u64::MAX));
                    let (is_stated, is_deleted) = match of {
                        None => (since.0 <= t && since.1 < size, false),
                        Some(Ended { spell: Some(spell), .. }) if spell.last < size => {
                            (spell.from <= t && t < spell.to, spell.to <= t)
                        }
                        Some(_) => (false, false),
                    };
                    let context = format!("{place} at {t}, {size} records");
                    if t < Instant::FOREVER {
                        assert_eq!(contains(&standing.stated, place), is_stated, "{context}");
                        let alone = stated.is_stated(place, t, size);
                        assert_eq!(
                            (alone == Some(true), alone == Some(false)),
                            (is_stated, is_deleted),
                            "{context}"
                        );
                        assert_eq!(contains(&standing.deleted, place), is_deleted, "{context}");
                    }
                    were_stated += u32::from(is_stated);
                    were_deleted += u32::from(is_deleted);
                }
            }
        }
        assert!(were_stated > 1_000 && were_deleted > 1_000);
    }

    #[test]
    fn an_empty_block_tells_nothing() {
        let stated = Stated::of(Vec::new(), Vec::new());
        for size in [0, 1, u64::MAX] {
            let standing = stated.at(at(5), size);
            assert_eq!((standing.stated, standing.deleted), (Bits::default(), Bits::default()));
            assert_eq!(stated.is_stated(7, at(5), size), None);
        }
    }
}
