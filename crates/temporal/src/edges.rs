//! The edges of one node, of one kind and one way, as rectangles over valid time and the ledger: over each, the edge's own
//! state is a value. One list answers for every moment and every ledger size.

use std::sync::Arc;

use asof_model::{Attributes, Instant, Interval, NodeKind, Statement, StatementOp, Timeline, Value};

/// An edge with more statements than this is looked at by its timeline: what each further statement makes of it would
/// cost a look at all before it.
pub const STATEMENTS_MAX: usize = 32;

/// The other end of an edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct End {
    /// Its kind.
    pub kind: NodeKind,
    /// Its ordinal within the kind.
    pub ordinal: u32,
}

/// Over this stretch the edge's own state is a value, as known at these ledger sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rectangle {
    /// The other end.
    pub end: End,
    /// The record that made it so.
    pub known_from: u64,
    /// The record that ended it; `u64::MAX` where none has.
    pub known_to: u64,
    /// When it is so in the world.
    pub during: Interval,
}

impl Rectangle {
    /// Whether the first `size` records say it.
    pub const fn is_known_at(&self, size: u64) -> bool {
        self.known_from < size && size <= self.known_to
    }

    /// Whether it is so at a moment. What never ends has not ended at FOREVER either.
    pub fn holds_at(&self, at: Instant) -> bool {
        self.during.from <= at && (at < self.during.to || self.during.to == Instant::FOREVER)
    }
}

/// The edges of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EdgeList {
    rectangles: Vec<Rectangle>,
    deep: Vec<(End, u64)>,
}

impl EdgeList {
    /// Adds what the statements on one edge, in ledger order, come to. Edges are added in the order of their other ends.
    pub fn add(&mut self, end: End, statements: &[Statement]) {
        let Some(first) = statements.first() else { return };
        if statements.len() > STATEMENTS_MAX {
            self.deep.push((end, first.index));
            return;
        }
        let start = self.rectangles.len();
        for (place, statement) in statements.iter().enumerate() {
            let stretches = match statements {
                [only] => {
                    let put = matches!(only.op, StatementOp::Put(_));
                    Interval::new(only.from, only.to).filter(|_| put).into_iter().collect()
                }
                all => values(&Timeline::resolve(&all[..=place])),
            };
            let index = statement.index;
            for open in self.rectangles[start..].iter_mut().filter(|open| open.known_to == u64::MAX) {
                if !stretches.contains(&open.during) {
                    open.known_to = index;
                }
            }
            for during in stretches {
                let goes_on = self.rectangles[start..]
                    .iter()
                    .any(|open| open.known_to == u64::MAX && open.during == during);
                if !goes_on {
                    self.rectangles.push(Rectangle { end, known_from: index, known_to: u64::MAX, during });
                }
            }
        }
    }

    /// Gives back memory that nothing is kept in.
    pub fn shrink(&mut self) {
        self.rectangles.shrink_to_fit();
        self.deep.shrink_to_fit();
    }

    /// The rectangles, by other end.
    pub fn rectangles(&self) -> &[Rectangle] {
        &self.rectangles
    }

    /// The rectangles of one other end.
    pub fn to(&self, end: End) -> &[Rectangle] {
        let start = self.rectangles.partition_point(|each| each.end < end);
        let rest = self.rectangles.get(start..).unwrap_or_default();
        let length = rest.iter().take_while(|each| each.end == end).count();
        rest.get(..length).unwrap_or_default()
    }

    /// The other ends whose timelines must be looked at, by end, each with its first record.
    pub fn deep(&self) -> &[(End, u64)] {
        &self.deep
    }

    /// Whether no edge was ever stated that is or was in force.
    pub fn is_empty(&self) -> bool {
        self.rectangles.is_empty() && self.deep.is_empty()
    }

    /// The bytes that it takes.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.rectangles.capacity() * size_of::<Rectangle>()
            + self.deep.capacity() * size_of::<(End, u64)>()
    }
}

/// When a timeline's state is a value: maximal stretches, whichever value it is.
pub fn values(timeline: &Timeline) -> Vec<Interval> {
    let mut found: Vec<Interval> = Vec::new();
    let pieces = timeline.pieces();
    for (place, piece) in pieces.iter().enumerate().filter(|(_, piece)| piece.state.is_value()) {
        let to = pieces.get(place + 1).map_or(Instant::FOREVER, |next| next.from);
        match found.last_mut() {
            Some(last) if last.to == piece.from => last.to = to,
            _ => found.extend(Interval::new(piece.from, to)),
        }
    }
    found
}

/// What stands for the value of an edge where only that there is one matters.
pub fn some_value() -> Arc<Value> {
    Arc::new(Value::Edge(Attributes::new()))
}

#[cfg(test)]
mod tests;
