//! The timeline that a key's statements make: which states it has over valid time, all sources together.
//!
//! One sweep over the statements' bounds; between two neighbouring bounds no state changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::{Instant, Value};

/// What a statement does, with its value shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatementOp {
    /// Sets the source's whole statement.
    Put(Arc<Value>),
    /// It was deleted.
    Delete,
    /// Its source no longer states it.
    End,
}

/// One recorded statement on a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Its ledger index.
    pub index: u64,
    /// Its source, as a number that is equal for equal sources.
    pub source: u32,
    /// What it says.
    pub op: StatementOp,
    /// From when on.
    pub from: Instant,
    /// Until when, as recorded.
    pub to: Instant,
    /// Yields at its source's next statement by valid time.
    pub until_next: bool,
}

/// A key's state at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// No source's statement rules.
    Never,
    /// The deciding ruling is a DELETE, or all are ENDs.
    Deleted,
    /// The members of all rulings since the last deletion, newest first served.
    Value(Arc<Value>),
}

impl State {
    /// The value, where it is one.
    pub fn value(&self) -> Option<&Arc<Value>> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }

    /// Whether it is a value.
    pub const fn is_value(&self) -> bool {
        matches!(self, Self::Value(_))
    }
}

/// A stretch between two neighbouring bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Where it starts; it ends where the next one starts, the last one never.
    pub from: Instant,
    /// The state over all of it.
    pub state: State,
    /// The ledger index of the record that decides; `None` where nothing rules.
    pub ruler: Option<u64>,
}

/// A key's states over all of valid time, as the statements given make them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Timeline {
    /// In order; before the first one nothing was ever stated. A new piece at every bound of a statement, even where
    /// the state goes on.
    pieces: Vec<Piece>,
}

impl Timeline {
    /// The timeline of these statements, which are in ledger order. Cost: n log n, times the number of sources.
    pub fn resolve(statements: &[Statement]) -> Self {
        let mut starts: BTreeMap<u32, BTreeSet<Instant>> = BTreeMap::new();
        for statement in statements {
            starts.entry(statement.source).or_default().insert(statement.from);
        }
        // At each bound: the statements (by place) that begin and that end.
        let mut bounds: BTreeMap<Instant, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
        for (place, statement) in statements.iter().enumerate() {
            let mut to = statement.to;
            if statement.until_next {
                let after = starts[&statement.source]
                    .range((std::ops::Bound::Excluded(statement.from), std::ops::Bound::Unbounded));
                to = after.copied().next().map_or(to, |next| next.min(to));
            }
            bounds.entry(statement.from).or_default().0.push(place);
            bounds.entry(to).or_default().1.push(place);
            if statement.to < Instant::FOREVER {
                bounds.entry(statement.to).or_default();
            }
        }
        bounds.remove(&Instant::FOREVER);
        let mut active: BTreeMap<u32, BTreeSet<usize>> = BTreeMap::new();
        let mut pieces = Vec::with_capacity(bounds.len());
        for (from, (begin, end)) in bounds {
            for place in end {
                if let Some(of_source) = active.get_mut(&statements[place].source) {
                    of_source.remove(&place);
                }
            }
            for place in begin {
                active.entry(statements[place].source).or_default().insert(place);
            }
            let rulings = active.values().filter_map(|of_source| of_source.last());
            let (state, ruler) = together(rulings.map(|place| &statements[*place]).collect());
            pieces.push(Piece { from, state, ruler });
        }
        Self { pieces }
    }

    /// The pieces, earliest first. A piece ends where the next one starts; the last one lasts for ever.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The moments at which a statement begins or ends.
    pub fn bounds(&self) -> impl Iterator<Item = Instant> + '_ {
        self.pieces.iter().map(|piece| piece.from)
    }

    /// The piece that holds the moment; `None` before the first bound.
    pub fn piece_at(&self, at: Instant) -> Option<&Piece> {
        let after = self.pieces.partition_point(|piece| piece.from <= at);
        after.checked_sub(1).map(|place| &self.pieces[place])
    }

    /// The state at a moment.
    pub fn at(&self, at: Instant) -> &State {
        self.piece_at(at).map_or(&State::Never, |piece| &piece.state)
    }

    /// The value at a moment, where the state is one.
    pub fn value_at(&self, at: Instant) -> Option<&Arc<Value>> {
        self.at(at).value()
    }

    /// The maximal stretches of one state, earliest first: (from, to, state). What was never stated is left out.
    pub fn versions(&self) -> Vec<(Instant, Instant, &State)> {
        let mut found: Vec<(Instant, Instant, &State)> = Vec::new();
        for (place, piece) in self.pieces.iter().enumerate() {
            let to = self.pieces.get(place + 1).map_or(Instant::FOREVER, |next| next.from);
            match found.last_mut() {
                Some(last) if last.1 == piece.from && *last.2 == piece.state => last.1 = to,
                _ if piece.state == State::Never => {}
                _ => found.push((piece.from, to, &piece.state)),
            }
        }
        found
    }
}

/// The state that the sources' rulings make together, and the ledger index of the one that decides.
fn together(mut rulings: Vec<&Statement>) -> (State, Option<u64>) {
    rulings.sort_unstable_by_key(|ruling| (ruling.from, ruling.index));
    let decides =
        rulings.iter().rev().find(|ruling| ruling.op != StatementOp::End).or_else(|| rulings.last()).copied();
    let Some(decides) = decides else { return (State::Never, None) };
    if !matches!(decides.op, StatementOp::Put(_)) {
        return (State::Deleted, Some(decides.index));
    }
    let mut merged: Option<Arc<Value>> = None;
    for ruling in rulings {
        match (&ruling.op, &mut merged) {
            (StatementOp::End, _) => {}
            (StatementOp::Delete, _) => merged = None,
            (StatementOp::Put(value), None) => merged = Some(Arc::clone(value)),
            (StatementOp::Put(value), Some(older)) => Arc::make_mut(older).overlay(value),
        }
    }
    (merged.map_or(State::Never, State::Value), Some(decides.index))
}
