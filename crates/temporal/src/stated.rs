//! Since when nodes are stated, for a block of them at a time.

use asof_model::Instant;

/// From when on, and the index of the record from which on it is known.
type Since = (Instant, u64);

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

/// For each node of a block: from when on its state is a value, unless some statement on it is no PUT, and the last of the
/// records that say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    each: Box<[Since]>,
    /// The last of all these records, of those that ever are.
    last: u64,
    /// From when on each is, and its place, the latest first.
    latest: Box<[(Instant, u32)]>,
    /// Of some with a statement that is no PUT, each with its place, in order.
    spells: Box<[(u32, Spell)]>,
}

impl Stated {
    /// FOREVER for a node that never is; and what is so simple of the others, by place.
    pub fn of(each: Vec<Since>, spells: Vec<(u32, Spell)>) -> Self {
        let ever = each.iter().filter(|one| one.0 < Instant::FOREVER);
        let last = ever.map(|one| one.1).max().unwrap_or(0);
        let mut latest: Vec<(Instant, u32)> = each.iter().map(|one| one.0).zip(0..).collect();
        latest.sort_unstable_by(|one, other| other.cmp(one));
        Self { last, latest: latest.into(), each: each.into(), spells: spells.into() }
    }

    /// Whether the node at a place of the block is stated at a moment, as the first `size` records know it.
    pub fn holds(&self, place: u32, at: Instant, size: u64) -> bool {
        self.each.get(place as usize).is_some_and(|(since, index)| *since <= at && *index < size)
    }

    /// The places, in no order, of those that are not, where the first `size` records tell of all of them.
    pub fn all_but(&self, at: Instant, size: u64) -> Option<impl ExactSizeIterator<Item = u32>> {
        let not_yet = self.latest.partition_point(|each| each.0 > at);
        (self.last < size).then(|| self.latest[..not_yet].iter().map(|each| each.1))
    }

    /// Nodes with a statement that is no PUT, each with its place, in order: those of which the first `size` records tell all.
    pub fn spells(&self, size: u64) -> impl Iterator<Item = (u32, Spell)> {
        self.spells.iter().copied().filter(move |(_, spell)| spell.last < size)
    }

    /// The same of one place.
    pub fn spell(&self, place: u32, size: u64) -> Option<Spell> {
        let found = self.spells.binary_search_by_key(&place, |each| each.0).ok()?;
        self.spells.get(found).map(|each| each.1).filter(|spell| spell.last < size)
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.each) + size_of_val(&*self.latest) + size_of_val(&*self.spells)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_some_hold_where_each_other_does() {
        let at = Instant::from_nanos;
        let rows = [(at(5), 9), (Instant::FOREVER, u64::MAX), (at(7), 3), (at(7), 4), (Instant::FOREVER, 2)];
        for rows in [&rows[..0], &rows[..1], &rows[..2], &rows[..4], &rows[2..4], &rows[1..2], &rows[..]] {
            let stated = Stated::of(rows.to_vec(), Vec::new());
            for t in [Instant::BEGINNING, at(4), at(5), at(6), at(7), at(8)] {
                for size in [0, 3, 4, 5, 9, 10, u64::MAX] {
                    let each = |place: &u32| rows[*place as usize].0 <= t && rows[*place as usize].1 < size;
                    let places = 0..rows.len() as u32;
                    for place in places.clone() {
                        assert_eq!(stated.holds(place, t, size), each(&place));
                    }
                    assert!(!stated.holds(rows.len() as u32, t, size));
                    let ever = |place: &u32| rows[*place as usize].0 < Instant::FOREVER;
                    let known = |place: u32| rows[place as usize].1 < size;
                    let wanted = (size > 0 && places.clone().filter(ever).all(known))
                        .then(|| places.filter(|place| !each(place)).collect::<Vec<u32>>());
                    let found = stated.all_but(t, size).map(|places| {
                        let mut places: Vec<u32> = places.collect();
                        places.sort_unstable();
                        places
                    });
                    assert_eq!(found, wanted, "{rows:?} {t} {size}");
                }
            }
        }
    }

    #[test]
    fn spells_are_told_where_all_of_them_is_known() {
        let spell = |last| Spell { from: Instant::from_nanos(1), to: Instant::FOREVER, last };
        let stated = Stated::of(Vec::new(), vec![(3, spell(5)), (9, spell(2))]);
        let places = |size| stated.spells(size).map(|each| each.0).collect::<Vec<_>>();
        assert_eq!([places(2), places(3), places(5), places(6)], [vec![], vec![9], vec![9], vec![3, 9]]);
        for (size, place) in (0..8).flat_map(|size| (0..12).map(move |place| (size, place))) {
            let spell = stated.spells(size).find(|each| each.0 == place).map(|each| each.1);
            assert_eq!(stated.spell(place, size), spell);
        }
    }
}
