//! Members of filters about a node's own state, its existence, and its neighbours.

use asof_model::{EdgeKind, Instant, Interval, NodeKind, NodeValue, Said, SecretValue, State};
use asof_temporal::BLOCK_NODES;
use roaring::RoaringBitmap;

use crate::plan::{Leaf, Plan, all_may, check_at, everything, one_by_one};
use crate::secrets::said_of;
use crate::span::whole;
use crate::{AttributeMatch, Candidates, Direction, Key, Known, Node, QueryError, TextMatch};

/// Exists at T; where asked for, or is deleted then.
pub(crate) struct Exists {
    pub kind: NodeKind,
    pub t: Instant,
    pub include_deleted: bool,
}

impl Leaf for Exists {
    fn name(&self) -> String {
        if self.include_deleted { "exists or is deleted".to_owned() } else { "exists".to_owned() }
    }

    /// Nearly all exist: whatever else is asked leaves fewer to look at.
    fn cost(&self) -> u8 {
        90
    }

    fn bounds(&self, known: &Known, scope: &RoaringBitmap) -> Result<Candidates, QueryError> {
        if known.stated_block(self.kind, 0)?.is_some() {
            return known.existing_of(self.kind, scope, self.t, self.include_deleted);
        }
        let found = known.reader().existing(self.kind, self.t)?;
        Ok(if self.include_deleted {
            Candidates { maybe: scope - &found.sure, sure: found.sure }
        } else {
            found
        })
    }

    fn matches(&self, known: &Known, ordinal: u32) -> Result<bool, QueryError> {
        known.listed(Node { kind: self.kind, ordinal }, self.t, self.include_deleted)
    }

    fn solve(&self, known: &Known, scope: &RoaringBitmap) -> Result<RoaringBitmap, QueryError> {
        let Candidates { sure, maybe } = if scope.len() <= known.tuning.few {
            known.existing_of(self.kind, scope, self.t, self.include_deleted)?
        } else if scope.len() < known.tuning.many {
            all_may(scope) // bounds have asked already
        } else {
            // These may be discovered alone, and who holds something was.
            let sure = known.reader().existing(self.kind, self.t)?.sure & scope;
            Candidates { maybe: scope - &sure, sure }
        };
        Ok(one_by_one(known, &maybe, |ordinal| self.matches(known, ordinal))? | sure)
    }
}

/// Is deleted at T.
pub(crate) struct Deleted {
    pub kind: NodeKind,
    pub t: Instant,
}

impl Leaf for Deleted {
    fn name(&self) -> String {
        "is deleted".to_owned()
    }

    fn cost(&self) -> u8 {
        12
    }

    fn bounds(&self, known: &Known, scope: &RoaringBitmap) -> Result<Candidates, QueryError> {
        Ok(known.ended(self.kind)?.map_or_else(|| all_may(scope), |ended| all_may(&(scope & &**ended))))
    }

    fn matches(&self, known: &Known, ordinal: u32) -> Result<bool, QueryError> {
        Ok(known.state(Key::Node(Node { kind: self.kind, ordinal }), self.t)? == State::Deleted)
    }
}

/// Its id.
pub(crate) struct Id<'a> {
    pub kind: NodeKind,
    pub wanted: &'a TextMatch,
}

impl Leaf for Id<'_> {
    fn name(&self) -> String {
        format!("id {}", self.wanted.shown())
    }

    fn cost(&self) -> u8 {
        0
    }

    fn bounds(&self, known: &Known, scope: &RoaringBitmap) -> Result<Candidates, QueryError> {
        let Some(named) = self.wanted.named() else { return Ok(all_may(scope)) };
        let mut sure = RoaringBitmap::new();
        for (count, id) in named.into_iter().enumerate() {
            check_at(known, count)?;
            if self.wanted.matches(id)
                && let Some(node) = known.reader().lookup(self.kind, id)?
            {
                sure.insert(node.ordinal);
            }
        }
        Ok(Candidates { sure, maybe: RoaringBitmap::new() })
    }

    fn matches(&self, known: &Known, ordinal: u32) -> Result<bool, QueryError> {
        Ok(self.wanted.matches(&known.id(Node { kind: self.kind, ordinal })?))
    }
}

/// What is asked of a state that is a value.
pub(crate) enum Ask<'a> {
    Name(&'a TextMatch),
    Type(&'a TextMatch),
    Attribute(&'a AttributeMatch),
    Inventoried,
    /// Of a secret's own state; with how explain prints it, and whether one that may never be dead surely does not match.
    Secret(&'static str, bool, Box<dyn Fn(&SecretValue) -> bool + 'a>),
}

/// A member of the state at T: a node that is only discovered has none.
pub(crate) struct Stated<'a> {
    pub kind: NodeKind,
    pub t: Instant,
    pub ask: Ask<'a>,
}

impl Stated<'_> {
    /// Where there is no value, there is no text.
    fn says(&self, said: Option<&NodeValue>) -> bool {
        match &self.ask {
            Ask::Name(wanted) => wanted.matches(said.map_or("", |said| &said.name)),
            Ask::Type(wanted) => wanted.matches(said.map_or("", |said| &said.node_type)),
            Ask::Attribute(AttributeMatch { key, value: wanted }) => {
                let value = said.and_then(|said| said.attributes.get(key));
                match wanted {
                    Some(wanted) => wanted.matches(value.map_or("", String::as_str)),
                    None => value.is_some(),
                }
            }
            Ask::Inventoried | Ask::Secret(..) => said.is_some(),
        }
    }
}

impl<'a> Stated<'a> {
    /// Whatever matches says one of these in some statement; `None`: it may say something else, or nothing.
    fn says_one_of(&self) -> Option<Vec<Said<'a>>> {
        let (wanted, said): (&TextMatch, Box<dyn Fn(&'a str) -> Said<'a>>) = match self.ask {
            Ask::Name(wanted) => (wanted, Box::new(Said::Name)),
            Ask::Type(wanted) => (wanted, Box::new(Said::Type)),
            Ask::Attribute(AttributeMatch { key, value: Some(wanted) }) => {
                (wanted, Box::new(|text| Said::Attribute(key, text)))
            }
            Ask::Attribute(AttributeMatch { key, value: None }) => return Some(vec![Said::Key(key)]),
            Ask::Inventoried | Ask::Secret(..) => return None,
        };
        let named = wanted.named().filter(|_| !wanted.matches(""))?;
        Some(named.into_iter().map(said).collect())
    }
}

impl Leaf for Stated<'_> {
    fn name(&self) -> String {
        match &self.ask {
            Ask::Name(wanted) => format!("name {}", wanted.shown()),
            Ask::Type(wanted) => format!("type {}", wanted.shown()),
            Ask::Attribute(wanted) => match &wanted.value {
                Some(value) => format!("attribute {:?} {}", wanted.key, value.shown()),
                None => format!("attribute {:?}", wanted.key),
            },
            Ask::Inventoried => "inventoried".to_owned(),
            Ask::Secret(name, ..) => (*name).to_owned(),
        }
    }

    fn cost(&self) -> u8 {
        10
    }

    fn bounds(&self, known: &Known, scope: &RoaringBitmap) -> Result<Candidates, QueryError> {
        if let Ask::Secret(_, true, _) = self.ask
            && let Some(mortal) = known.reader().mortal()?
        {
            return Ok(all_may(&(&*mortal & scope)));
        }
        let said = self.says_one_of();
        let (Some(said), Some(first), Some(last)) = (said, scope.min(), scope.max()) else {
            return Ok(all_may(scope));
        };
        let mut maybe = RoaringBitmap::new();
        for block in first / BLOCK_NODES..=last / BLOCK_NODES {
            known.reader().check()?;
            match known.reader().ever_said(self.kind, block, &said)? {
                Some(ordinals) => maybe.extend(ordinals),
                None => return Ok(all_may(scope)),
            }
        }
        Ok(Candidates { sure: RoaringBitmap::new(), maybe: maybe & scope })
    }

    fn matches(&self, known: &Known, ordinal: u32) -> Result<bool, QueryError> {
        let state = known.state(Key::Node(Node { kind: self.kind, ordinal }), self.t)?;
        Ok(match &self.ask {
            Ask::Secret(.., holds) => said_of(&state).is_some_and(|said| holds(&said)),
            _ => self.says(state.value().and_then(|value| value.node())),
        })
    }
}

/// First stated to exist within the window.
pub(crate) struct Created {
    pub kind: NodeKind,
    pub window: Interval,
}

impl Leaf for Created {
    fn name(&self) -> String {
        format!("created from {} to {}", self.window.from, self.window.to)
    }

    fn cost(&self) -> u8 {
        11
    }

    /// Who is stated, or deleted again, before the window was created before it.
    fn bounds(&self, known: &Known, scope: &RoaringBitmap) -> Result<Candidates, QueryError> {
        let before = Instant::from_nanos(self.window.from.nanos().saturating_sub(1));
        if before < Instant::from_nanos(0) || known.stated_block(self.kind, 0)?.is_none() {
            return Ok(all_may(scope));
        }
        let told = known.existing_of(self.kind, scope, before, true)?.sure;
        Ok(all_may(&(scope - told)))
    }

    fn matches(&self, known: &Known, ordinal: u32) -> Result<bool, QueryError> {
        let timeline = known.timeline(Key::Node(Node { kind: self.kind, ordinal }))?;
        let first = timeline.pieces().iter().find(|piece| piece.state.is_value());
        Ok(first.is_some_and(|first| self.window.contains(first.from)))
    }
}

/// A neighbour over edges in force at T matches.
pub(crate) struct Linked<'a> {
    pub kind: NodeKind,
    pub edge: EdgeKind,
    pub direction: Direction,
    pub t: Instant,
    pub other_kind: NodeKind,
    /// What the neighbour must match; empty: any will do.
    pub other: Plan<'a>,
}

impl Linked<'_> {
    /// From the matching ones back to those that are linked to them.
    fn back(&self, known: &Known, others: &RoaringBitmap) -> Result<RoaringBitmap, QueryError> {
        let direction = match self.direction {
            Direction::Out => Direction::In,
            Direction::In => Direction::Out,
        };
        let mut found = RoaringBitmap::new();
        for ordinal in others {
            known.reader().check()?;
            let other = Node { kind: self.other_kind, ordinal };
            let linked = known.follow_over(self.edge, other, direction, self.t, &mut whole())?;
            found.extend(linked.into_iter().filter(|node| node.kind == self.kind).map(|node| node.ordinal));
        }
        Ok(found)
    }

    fn any_of(
        &self,
        known: &Known,
        ordinal: u32,
        accepts: impl Fn(u32) -> Result<bool, QueryError>,
    ) -> Result<bool, QueryError> {
        let node = Node { kind: self.kind, ordinal };
        for other in known.follow_over(self.edge, node, self.direction, self.t, &mut whole())? {
            if accepts(other.ordinal)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl Leaf for Linked<'_> {
    fn name(&self) -> String {
        let way = match self.direction {
            Direction::Out => "to",
            Direction::In => "from",
        };
        let which = if self.other.is_empty() { "any" } else { "one that matches" };
        format!("{} {way} {which}", self.edge)
    }

    fn cost(&self) -> u8 {
        20
    }

    fn bounds(&self, known: &Known, scope: &RoaringBitmap) -> Result<Candidates, QueryError> {
        if !self.other.is_empty() {
            let others = everything(known, self.other_kind)?;
            let step = self.other.bound(known, &others)?;
            let few = step.upper();
            if few.len() <= known.tuning.many && few.len() < scope.len() && few.len() < others.len() {
                let sure = self.back(known, &step.solve(known, &few)?)?;
                return Ok(Candidates { sure, maybe: RoaringBitmap::new() });
            }
        }
        Ok(all_may(scope))
    }

    fn matches(&self, known: &Known, ordinal: u32) -> Result<bool, QueryError> {
        self.any_of(known, ordinal, |other| self.other.matches(known, other))
    }

    fn solve(&self, known: &Known, scope: &RoaringBitmap) -> Result<RoaringBitmap, QueryError> {
        let others = everything(known, self.other_kind)?;
        if scope.len() < known.tuning.many {
            return one_by_one(known, scope, |ordinal| self.matches(known, ordinal));
        }
        let others = if self.other.is_empty() { others } else { self.other.solve(known, &others)? };
        if others.len() <= scope.len() {
            return Ok(self.back(known, &others)? & scope);
        }
        one_by_one(known, scope, |ordinal| self.any_of(known, ordinal, |other| Ok(others.contains(other))))
    }
}
