//! Nodes in order, as the answer to a list.

use std::ops::Range;

use asof_model::NodeKind;
use roaring::RoaringBitmap;

use crate::Node;

/// Nodes in order. By appearance they are a set, of which a page is read when it is shown: most answers are many times as
/// long as what is shown of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nodes(Order);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Order {
    Appearance(NodeKind, RoaringBitmap),
    Ranked(Vec<Node>),
}

impl Nodes {
    /// Nodes of a kind by their ordinals.
    pub(crate) const fn by_appearance(kind: NodeKind, ordinals: RoaringBitmap) -> Self {
        Self(Order::Appearance(kind, ordinals))
    }

    /// Nodes in this order.
    pub(crate) const fn ranked(nodes: Vec<Node>) -> Self {
        Self(Order::Ranked(nodes))
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Order::Appearance(_, ordinals) => ordinals.len() as usize,
            Order::Ranked(nodes) => nodes.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Those at some places, as far as there are any.
    pub fn page(&self, places: Range<usize>) -> Vec<Node> {
        match &self.0 {
            Order::Appearance(kind, ordinals) => {
                let first = u32::try_from(places.start).ok().and_then(|start| ordinals.select(start));
                let Some(first) = first else { return Vec::new() };
                let node = |ordinal| Node { kind: *kind, ordinal };
                ordinals.range(first..).take(places.len()).map(node).collect()
            }
            Order::Ranked(nodes) => nodes.iter().skip(places.start).take(places.len()).copied().collect(),
        }
    }

    /// All of them.
    pub fn all(&self) -> Vec<Node> {
        self.page(0..self.len())
    }

    /// Their ordinals.
    pub fn into_ordinals(self) -> RoaringBitmap {
        match self.0 {
            Order::Appearance(_, ordinals) => ordinals,
            Order::Ranked(nodes) => nodes.into_iter().map(|node| node.ordinal).collect(),
        }
    }

    /// Bytes of memory.
    pub fn bytes(&self) -> usize {
        match &self.0 {
            Order::Appearance(_, ordinals) => ordinals.serialized_size(),
            Order::Ranked(nodes) => size_of_val(&**nodes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_a_slice_of_all() {
        let ordinals: RoaringBitmap = (0..200_000).filter(|ordinal| ordinal % 3 != 1).collect();
        let node = |ordinal| Node { kind: NodeKind::Secret, ordinal };
        let all: Vec<Node> = ordinals.iter().map(node).collect();
        for nodes in [Nodes::by_appearance(NodeKind::Secret, ordinals.clone()), Nodes::ranked(all.clone())] {
            assert_eq!((nodes.len(), nodes.is_empty()), (all.len(), false));
            assert_eq!(nodes.all(), all);
            for places in [0..0, 0..1, 5..105, 43_600..43_800, all.len() - 3..all.len()] {
                assert_eq!(nodes.page(places.clone()), all[places]);
            }
            assert_eq!(nodes.page(all.len() - 3..all.len() + 9), all[all.len() - 3..]);
            assert_eq!(nodes.page(all.len()..all.len() + 9), []);
            assert_eq!(nodes.into_ordinals(), ordinals);
        }
        let none = Nodes::by_appearance(NodeKind::Secret, RoaringBitmap::new());
        assert!(none.is_empty() && none.all().is_empty() && none.page(0..9).is_empty());
    }
}
