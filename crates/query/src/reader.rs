//! What the query layer needs to read, at one fixed ledger size K. The engine implements it over storage; nothing that
//! a reader returns speaks of a record with an index of K or more.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use asof_model::{
    EdgeKind, Instant, Interval, NodeKind, Observation, Outcome, Privilege, PrivilegeSet, Said, Statement,
    Timeline,
};
use asof_temporal::{EdgeList, End, Stated, Terms};
use roaring::RoaringBitmap;

use crate::QueryError;
use crate::{EventAxis, EventPlace, EventRange};

/// A node by ordinal: dense per kind, given in order of first appearance, never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Its kind.
    pub kind: NodeKind,
    /// Its ordinal within the kind.
    pub ordinal: u32,
}

/// An edge by ordinals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge {
    /// Its kind.
    pub kind: EdgeKind,
    /// Its first end.
    pub from: Node,
    /// Its second end.
    pub to: Node,
}

/// The key of a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// A node.
    Node(Node),
    /// An edge.
    Edge(Edge),
    /// A coverage, by its ordinal in order of first appearance.
    Coverage(u32),
}

/// Which way edges are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Direction {
    /// From `from` to `to`.
    Out,
    /// From `to` to `from`.
    In,
}

/// A coverage: its ordinal, its source, its scope.
pub type CoverageKey = (u32, Arc<str>, Arc<str>);

/// Entitlements by ordinal, each with the index of a record.
pub type Entitlements = Arc<[(u32, u64)]>;

/// An interned text other than a node's id: an action, a region, an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(pub u32);

/// The compact form of an observation, enough for every filter. Optional members are `None` where not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub time: Instant,
    /// Ledger index.
    pub index: u64,
    /// Ordinal of the identity.
    pub identity: u32,
    /// Ordinal of the actor, an identity.
    pub actor: Option<u32>,
    /// Ordinal of the secret.
    pub secret: Option<u32>,
    /// Ordinal of the workload.
    pub workload: Option<u32>,
    /// Ordinal of the resource.
    pub resource: Option<u32>,
    /// The action.
    pub action: Option<Text>,
    /// Region.
    pub region: Option<Text>,
    /// Address.
    pub source_ip: Option<Text>,
    /// Class.
    pub privilege: Privilege,
    /// Outcome.
    pub outcome: Outcome,
    /// granted_by is not empty.
    pub explained: bool,
}

impl Event {
    /// Where it stands.
    pub const fn place(&self) -> EventPlace {
        (self.time, self.index)
    }
}

/// The classes of events that matter to a question.
#[derive(Debug, Clone, Copy)]
pub struct Classes<'a> {
    /// One of these privileges.
    pub privileges: PrivilegeSet,
    /// One of these outcomes.
    pub outcomes: &'a [Outcome],
}

impl Classes<'_> {
    /// All of them.
    pub(crate) fn all() -> Self {
        Self { privileges: crate::sets::all(), outcomes: Outcome::ALL }
    }
}

/// Events by privilege and outcome.
pub type Tally = BTreeMap<(Privilege, Outcome), u64>;

/// With what an identity was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Use {
    /// Class.
    pub privilege: Privilege,
    /// Ordinal of the resource.
    pub resource: Option<u32>,
    /// The action.
    pub action: Option<Text>,
}

/// A SUCCESS observation with a secret that is dead by then for good, and never was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadUse {
    /// When.
    pub time: Instant,
    /// From when on the secret is dead.
    pub dies: Instant,
    /// Ordinal of the secret.
    pub secret: u32,
    /// Ordinal of the identity.
    pub identity: u32,
}

/// Secrets that may have been used when they were dead, beside those whose uses are told one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Apart {
    /// Only their timelines and their events tell.
    pub open: RoaringBitmap,
    /// Those with too many uses to tell, each with from when on it is dead for good, and never was before: its events tell.
    pub many: BTreeMap<u32, Instant>,
}

/// As what a node is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// As the identity whose permissions were used.
    Identity,
    /// As the secret it was done with.
    Secret,
}

/// A recorded fact on a node, as `revisions` lists it.
#[derive(Debug, Clone)]
pub struct Recorded<T> {
    /// When it was recorded.
    pub recorded_at: Instant,
    /// Which collector.
    pub source: Arc<str>,
    /// The record.
    pub record: T,
}

/// Ordinals that surely match, and ordinals of which only a closer look can tell; all others surely do not.
#[derive(Debug, Clone, Default)]
pub struct Candidates {
    /// They match.
    pub sure: RoaringBitmap,
    /// They may. Disjoint from `sure`.
    pub maybe: RoaringBitmap,
}

/// Reads at a fixed ledger size K. [`crate::Known`] keeps what it reads.
pub trait Reader: Send + Sync {
    /// K.
    fn size(&self) -> u64;

    /// How many nodes of a kind the first K records name: their ordinals are 0 up to it.
    fn count(&self, kind: NodeKind) -> Result<u32, QueryError>;

    /// The node of this id, if the first K records name it.
    fn lookup(&self, kind: NodeKind, id: &str) -> Result<Option<Node>, QueryError>;

    /// A node's id.
    fn id(&self, node: Node) -> Result<Arc<str>, QueryError>;

    /// A rank that orders nodes of all kinds by first appearance in the ledger.
    fn appearance(&self, node: Node) -> Result<u64, QueryError>;

    /// The least time at which an observation names the node, or a PUT of an edge that names it begins.
    fn discovered(&self, node: Node) -> Result<Option<Instant>, QueryError>;

    /// The text of these letters, if it is interned; perhaps by a record beyond the first K.
    fn named(&self, text: &str) -> Result<Option<Text>, QueryError>;

    /// An interned text.
    fn text(&self, text: Text) -> Result<Arc<str>, QueryError>;

    /// The timeline of a key.
    fn timeline(&self, key: Key) -> Result<Arc<Timeline>, QueryError>;

    /// The statements on a key, in ledger order, each with when and by whom it was recorded.
    fn statements(&self, key: Key) -> Result<Vec<Recorded<Statement>>, QueryError>;

    /// The other ends of every edge of the kind that was ever stated (by whatever op) for the node, in no order.
    fn neighbours(&self, kind: EdgeKind, node: Node, direction: Direction)
    -> Result<Arc<[Node]>, QueryError>;

    /// The edges of a kind of a node, one way, as rectangles over valid time and the ledger. What it says of records at or
    /// beyond K is passed over by whoever reads it: the same list answers at every K.
    fn edges(&self, kind: EdgeKind, node: Node, direction: Direction) -> Result<Arc<EdgeList>, QueryError> {
        let mut others: Vec<Node> = self.neighbours(kind, node, direction)?.to_vec();
        others.sort_unstable();
        let mut list = EdgeList::default();
        for other in others {
            let (from, to) = match direction {
                Direction::Out => (node, other),
                Direction::In => (other, node),
            };
            let statements = self.statements(Key::Edge(Edge { kind, from, to }))?;
            let statements: Vec<Statement> = statements.into_iter().map(|each| each.record).collect();
            list.add(End { kind: other.kind, ordinal: other.ordinal }, &statements);
        }
        Ok(Arc::new(list))
    }

    /// The nodes of a kind of which some statement is no PUT: only these can be *deleted*. A superset is right; `None`:
    /// all may be.
    fn ever_ended(&self, kind: NodeKind) -> Result<Option<Arc<RoaringBitmap>>, QueryError> {
        let _ = kind;
        Ok(None)
    }

    /// Whether it keeps names and edges itself, so that to read them again is cheap.
    fn keeps(&self) -> bool {
        false
    }

    /// Since when each of [`asof_temporal::BLOCK_NODES`] nodes of a kind is stated, and until when. `None`: nothing is kept that would tell.
    fn stated_since(&self, kind: NodeKind, block: u32) -> Result<Option<Arc<Stated>>, QueryError> {
        let _ = (kind, block);
        Ok(None)
    }

    /// Nodes of a block of [`asof_temporal::BLOCK_NODES`] of which some statement says one of these, and perhaps others. `None`: nothing is kept that
    /// would tell.
    fn ever_said(
        &self,
        kind: NodeKind,
        block: u32,
        said: &[Said<'_>],
    ) -> Result<Option<Vec<u32>>, QueryError> {
        let _ = (kind, block, said);
        Ok(None)
    }

    /// What each of [`asof_temporal::BLOCK_NODES`] entitlements says whenever it says anything, where that is simple. `None`: nothing is kept that
    /// would tell.
    fn terms(&self, block: u32) -> Result<Option<Arc<[Terms]>>, QueryError> {
        let _ = block;
        Ok(None)
    }

    /// Every coverage ever stated, as (ordinal, source, scope), in order of first appearance.
    fn coverages(&self) -> Result<Arc<[CoverageKey]>, QueryError>;

    /// Every node and edge key on which a fact was recorded, in order of first such record.
    fn keys(&self) -> Result<Vec<Key>, QueryError>;

    /// The events of an axis in the range, by (time, ledger index), or backwards; those outside cost nothing. The visitor
    /// reads from the same reader in between, so no lock is held while it runs.
    fn events(
        &self,
        axis: EventAxis,
        range: EventRange,
        backwards: bool,
        visit: &mut dyn FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<(), QueryError>;

    /// The same, where only these classes matter: the others may be left out.
    fn events_of(
        &self,
        axis: EventAxis,
        range: EventRange,
        backwards: bool,
        classes: Classes<'_>,
        visit: &mut dyn FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<(), QueryError> {
        let _ = classes;
        self.events(axis, range, backwards, visit)
    }

    /// Visits the events of an interval, of these classes, that `choose` chooses, in no order. `test` names what `choose`
    /// asks: two that ask otherwise have other names. It depends on nothing but the event and what is known of facts, so that
    /// what it chose may be kept.
    fn chosen(
        &self,
        test: &Arc<str>,
        classes: Classes<'_>,
        during: Interval,
        choose: &mut dyn FnMut(&Event) -> Result<bool, QueryError>,
        visit: &mut dyn FnMut(&Event),
    ) -> Result<(), QueryError> {
        let _ = test;
        let mut failed = None;
        self.events_of(EventAxis::All, during.into(), false, classes, &mut |event| match choose(event) {
            Ok(true) => {
                visit(event);
                ControlFlow::Continue(())
            }
            Ok(false) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        })?;
        failed.map_or(Ok(()), Err)
    }

    /// How many events there are in the interval, about; `None`: nothing is kept that would tell.
    fn events_about(&self, during: Interval) -> Result<Option<u64>, QueryError> {
        let _ = during;
        Ok(None)
    }

    /// The events of an identity from the first step to `to`, counted by step: steps ascend, each ends where the next one
    /// begins.
    fn tally(&self, identity: u32, steps: &[Instant], to: Instant) -> Result<Vec<Tally>, QueryError> {
        let mut found = vec![Tally::new(); steps.len()];
        let Some(window) = steps.first().and_then(|first| Interval::new(*first, to)) else {
            return Ok(found);
        };
        self.events(EventAxis::Identity(identity), window.into(), false, &mut |event| {
            let step = steps.partition_point(|start| *start <= event.time).saturating_sub(1);
            if let Some(tally) = found.get_mut(step) {
                *tally.entry((event.privilege, event.outcome)).or_default() += 1;
            }
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// What identities used in the interval, of these classes: each use at least once, in no order, with its identity's place
    /// among them, until the visitor breaks off for that identity. It reads from the same reader in between.
    fn uses(
        &self,
        identities: &[u32],
        classes: Classes<'_>,
        during: Interval,
        visit: &mut dyn FnMut(usize, Use) -> ControlFlow<()>,
    ) -> Result<(), QueryError> {
        for (place, identity) in identities.iter().enumerate() {
            self.check()?;
            self.events_of(EventAxis::Identity(*identity), during.into(), true, classes, &mut |event| {
                let Event { privilege, outcome, resource, action, .. } = *event;
                if classes.privileges.contains(privilege) && classes.outcomes.contains(&outcome) {
                    visit(place, Use { privilege, resource, action })
                } else {
                    ControlFlow::Continue(())
                }
            })?;
        }
        Ok(())
    }

    /// The whole observation at a ledger index, and its source.
    fn observation(&self, index: u64) -> Result<Recorded<Observation>, QueryError>;

    /// Identities that themselves HOLD, at one moment of the interval at least, an ALLOW entitlement with one of the
    /// privileges (denials, groups, scopes and conditions left aside): `sure` do at T when the interval is that one moment.
    /// `maybe`: knowledge K cuts what is kept about them.
    fn direct_holders(&self, privileges: PrivilegeSet, during: Interval) -> Result<Candidates, QueryError>;

    /// Entitlements (by ordinal, in that order) that some record gave a scope that matches this resource, each with the
    /// index of the first such record, which may be K or more. A superset is right; `None`: nothing is kept that would tell.
    fn matching(&self, resource: &str) -> Result<Option<Entitlements>, QueryError> {
        let _ = resource;
        Ok(None)
    }

    /// Identities with a DENY entitlement for one of the privileges ever, or a MEMBER_OF edge ever: for them direct holding
    /// does not decide. Without a privilege: those with a MEMBER_OF edge. A superset is right.
    fn entangled(&self, privileges: PrivilegeSet) -> Result<RoaringBitmap, QueryError>;

    /// Identities with an observation in the interval of one of the privileges and one of the outcomes.
    fn users(
        &self,
        privileges: PrivilegeSet,
        outcomes: &[Outcome],
        during: Interval,
    ) -> Result<Candidates, QueryError>;

    /// Identities with such an observation on this resource; `None`: nothing is kept that would tell.
    fn users_on(
        &self,
        resource: Node,
        classes: Classes<'_>,
        during: Interval,
    ) -> Result<Option<RoaringBitmap>, QueryError> {
        let _ = (resource, classes, during);
        Ok(None)
    }

    /// Secrets with such an observation; `None`: nothing is kept that would tell.
    fn secrets_used(
        &self,
        classes: Classes<'_>,
        during: Interval,
    ) -> Result<Option<RoaringBitmap>, QueryError> {
        let _ = (classes, during);
        Ok(None)
    }

    /// Secrets that may ever be dead themselves; a superset is right. `None`: nothing is kept that would tell.
    fn mortal(&self) -> Result<Option<Arc<RoaringBitmap>>, QueryError> {
        Ok(None)
    }

    /// Visits the uses of dead secrets in the interval, in no order; gives secrets that may have been used so, too. `None`:
    /// nothing is kept that would tell.
    fn dead_uses(
        &self,
        during: Interval,
        visit: &mut dyn FnMut(&DeadUse),
    ) -> Result<Option<Apart>, QueryError> {
        let _ = (during, visit);
        Ok(None)
    }

    /// Nodes of which the earliest SUCCESS observation from some source lies in the interval, while their own earliest one
    /// is before it; `None`: nothing is kept that would tell.
    fn newly_seen(
        &self,
        role: Role,
        source: crate::SourceDimension,
        during: Interval,
    ) -> Result<Option<RoaringBitmap>, QueryError> {
        let _ = (role, source, during);
        Ok(None)
    }

    /// Nodes of a kind that exist at a moment. This is what is right for every reader; one that keeps existence as
    /// bitmaps tells more: who HOLDS something in force exists, of the others only a closer look tells.
    fn existing(&self, kind: NodeKind, at: Instant) -> Result<Candidates, QueryError> {
        let mut maybe = RoaringBitmap::new();
        maybe.insert_range(0..self.count(kind)?);
        let sure = match kind {
            NodeKind::Identity => {
                self.direct_holders(crate::sets::held(), crate::span::moment(at))?.sure & &maybe
            }
            _ => RoaringBitmap::new(),
        };
        maybe -= &sure;
        Ok(Candidates { sure, maybe })
    }

    /// [`QueryError::Cancelled`] when the caller has gone or the deadline has passed.
    fn check(&self) -> Result<(), QueryError>;
}
