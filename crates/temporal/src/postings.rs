//! Which nodes of a block ever said what.

/// For hashes of what is said, the places of the nodes in their block that ever said it: what has the same hash is not told apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Postings(Box<[(u32, u16)]>);

impl Postings {
    /// Of hashes and places, in any order.
    pub fn of(mut postings: Vec<(u32, u16)>) -> Self {
        postings.sort_unstable();
        postings.dedup();
        Self(postings.into())
    }

    /// The places of a hash, ascending.
    pub fn places(&self, hash: u32) -> impl Iterator<Item = u16> {
        let start = self.0.partition_point(|each| each.0 < hash);
        self.0[start..].iter().take_while(move |each| each.0 == hash).map(|each| each.1)
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_those_of_the_hash() {
        let postings = Postings::of(vec![(7, 3), (u32::MAX, 9), (7, 1), (0, 0), (7, 3), (8, 2)]);
        let places = |hash| postings.places(hash).collect::<Vec<_>>();
        assert_eq!([places(0), places(6), places(7), places(8)], [vec![0], vec![], vec![1, 3], vec![2]]);
        assert_eq!([places(9), places(u32::MAX)], [vec![], vec![9]]);
    }
}
