//! The query layer's reader over storage, at one ledger size.

use std::ops::ControlFlow;
use std::sync::Arc;

use asof_model::{
    EdgeKind, Instant, Interval, NodeKind, Observation, Outcome, Privilege, PrivilegeSet, RecordBody, Said,
    Statement, Timeline,
};
use asof_query::{
    Apart, Candidates, Classes, DeadUse, Direction, Edge, Entitlements, Event, EventAxis, EventRange, Key,
    Node, QueryError, Reader, Recorded, Role, SourceDimension, Tally, Text, Use,
};
use asof_storage::{
    Axis, EventScan, Members, NodeKey, Space, StorageError, Store, StoredEvent, TimelineKey, UsedWith, Wanted,
};
use asof_temporal::{EdgeList, Member, Stated, Terms};
use roaring::RoaringBitmap;

use crate::gate::Cancel;

/// Reads at a ledger size. Memory of what was read is the query layer's.
pub(crate) struct StoreReader {
    store: Store,
    size: u64,
    cancel: Cancel,
}

impl StoreReader {
    pub fn new(store: Store, size: u64, cancel: Cancel) -> Self {
        Self { store, size, cancel }
    }

    /// What a read that asks now and then whether to go on comes to: nothing where it was told not to.
    fn whole<T>(
        &self,
        read: impl FnOnce(&mut dyn FnMut() -> bool) -> Result<T, StorageError>,
    ) -> Result<T, QueryError> {
        let found = read(&mut || self.cancel.check().is_ok());
        self.check()?;
        found.map_err(failed)
    }
}

fn failed(error: StorageError) -> QueryError {
    QueryError::Storage(error.to_string())
}

fn node_key(node: Node) -> NodeKey {
    NodeKey { kind: node.kind, ordinal: node.ordinal }
}

fn node(key: NodeKey) -> Node {
    Node { kind: key.kind, ordinal: key.ordinal }
}

fn timeline_key(key: Key) -> TimelineKey {
    match key {
        Key::Node(node) => TimelineKey::Node(node_key(node)),
        Key::Edge(edge) => {
            TimelineKey::Edge { kind: edge.kind, from: node_key(edge.from), to: node_key(edge.to) }
        }
        Key::Coverage(ordinal) => TimelineKey::Coverage(ordinal),
    }
}

fn event(stored: &StoredEvent) -> Event {
    Event {
        time: stored.time,
        index: stored.index,
        identity: stored.identity,
        actor: stored.actor,
        secret: stored.secret,
        workload: stored.workload,
        resource: stored.resource,
        action: stored.action.map(Text),
        region: stored.region.map(Text),
        source_ip: stored.source_ip.map(Text),
        privilege: stored.privilege,
        outcome: stored.outcome,
        explained: stored.explained,
    }
}

fn candidates(members: Members) -> Candidates {
    let Members { sure, mut maybe } = members;
    maybe -= &sure;
    Candidates { sure, maybe }
}

fn member(source: SourceDimension) -> Member {
    match source {
        SourceDimension::Workload => Member::Workload,
        SourceDimension::Region => Member::Region,
        SourceDimension::SourceIp => Member::SourceIp,
        SourceDimension::Secret => Member::Secret,
        SourceDimension::Resource => Member::Resource,
        SourceDimension::Actor => Member::Actor,
    }
}

fn wanted(classes: Classes<'_>) -> Wanted {
    Wanted::of(classes.privileges, classes.outcomes)
}

impl Reader for StoreReader {
    fn size(&self) -> u64 {
        self.size
    }

    fn count(&self, kind: NodeKind) -> Result<u32, QueryError> {
        self.store.count(kind, self.size).map_err(failed)
    }

    fn lookup(&self, kind: NodeKind, id: &str) -> Result<Option<Node>, QueryError> {
        let found = self.store.lookup(Space::Nodes(kind), id.as_bytes()).map_err(failed)?;
        Ok(found
            .filter(|(_, appearance)| appearance / 8 < self.size)
            .map(|(ordinal, _)| Node { kind, ordinal }))
    }

    fn id(&self, node: Node) -> Result<Arc<str>, QueryError> {
        Ok(self.store.text(Space::Nodes(node.kind), node.ordinal).map_err(failed)?.1)
    }

    fn appearance(&self, node: Node) -> Result<u64, QueryError> {
        Ok(self.store.text(Space::Nodes(node.kind), node.ordinal).map_err(failed)?.0)
    }

    fn discovered(&self, node: Node) -> Result<Option<Instant>, QueryError> {
        self.store.discovered(node_key(node), self.size).map_err(failed)
    }

    fn named(&self, text: &str) -> Result<Option<Text>, QueryError> {
        let found = self.store.lookup(Space::Texts, text.as_bytes()).map_err(failed)?;
        Ok(found.map(|(ordinal, _)| Text(ordinal)))
    }

    fn text(&self, text: Text) -> Result<Arc<str>, QueryError> {
        Ok(self.store.text(Space::Texts, text.0).map_err(failed)?.1)
    }

    fn timeline(&self, key: Key) -> Result<Arc<Timeline>, QueryError> {
        self.store.timeline(timeline_key(key), self.size).map_err(failed)
    }

    fn statements(&self, key: Key) -> Result<Vec<Recorded<Statement>>, QueryError> {
        let statements = self.store.statements(timeline_key(key), self.size).map_err(failed)?;
        let recorded = statements.into_iter().map(|record| {
            self.check()?;
            let header = self.store.header_of(record.index).map_err(failed)?;
            Ok(Recorded { recorded_at: header.recorded_at, source: header.source.into(), record })
        });
        recorded.collect()
    }

    fn neighbours(&self, kind: EdgeKind, of: Node, direction: Direction) -> Result<Arc<[Node]>, QueryError> {
        let incoming = direction == Direction::In;
        let found = self.store.adjacent(kind, incoming, node_key(of), self.size).map_err(failed)?;
        Ok(found.into_iter().map(node).collect())
    }

    fn edges(&self, kind: EdgeKind, of: Node, direction: Direction) -> Result<Arc<EdgeList>, QueryError> {
        self.store.edges(kind, direction == Direction::In, node_key(of)).map_err(failed)
    }

    fn keeps(&self) -> bool {
        true
    }

    fn stated_since(&self, kind: NodeKind, block: u32) -> Result<Option<Arc<Stated>>, QueryError> {
        self.store.stated_since(kind, block).map(Some).map_err(failed)
    }

    fn ever_said(
        &self,
        kind: NodeKind,
        block: u32,
        said: &[Said<'_>],
    ) -> Result<Option<Vec<u32>>, QueryError> {
        self.store.ever_said(kind, block, said).map(Some).map_err(failed)
    }

    fn terms(&self, block: u32) -> Result<Option<Arc<[Terms]>>, QueryError> {
        self.store.terms(block).map(Some).map_err(failed)
    }

    fn ever_ended(&self, kind: NodeKind) -> Result<Option<Arc<RoaringBitmap>>, QueryError> {
        self.store.ever_ended(kind).map(Some).map_err(failed)
    }

    fn coverages(&self) -> Result<Arc<[(u32, Arc<str>, Arc<str>)]>, QueryError> {
        Ok(self.store.coverages(self.size).map_err(failed)?.into())
    }

    fn keys(&self) -> Result<Vec<Key>, QueryError> {
        let keys = self.store.keys(self.size).map_err(failed)?;
        let keys = keys.into_iter().filter_map(|(_, key)| match key {
            TimelineKey::Node(of) => Some(Key::Node(node(of))),
            TimelineKey::Edge { kind, from, to } => {
                Some(Key::Edge(Edge { kind, from: node(from), to: node(to) }))
            }
            TimelineKey::Coverage(_) => None,
        });
        Ok(keys.collect())
    }

    fn events(
        &self,
        axis: EventAxis,
        range: EventRange,
        backwards: bool,
        visit: &mut dyn FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<(), QueryError> {
        let privileges = Privilege::ALL.iter().copied().collect();
        self.events_of(axis, range, backwards, Classes { privileges, outcomes: Outcome::ALL }, visit)
    }

    fn events_of(
        &self,
        axis: EventAxis,
        range: EventRange,
        backwards: bool,
        classes: Classes<'_>,
        visit: &mut dyn FnMut(&Event) -> ControlFlow<()>,
    ) -> Result<(), QueryError> {
        let axis = match axis {
            EventAxis::All => Axis::All,
            EventAxis::Identity(ordinal) => Axis::Identity(ordinal),
            EventAxis::Secret(ordinal) => Axis::Secret(ordinal),
            EventAxis::Source(source, ordinal) => Axis::Member(member(source), ordinal),
        };
        let scan = EventScan { axis, from: range.from, to: range.to, backwards, wanted: wanted(classes) };
        let mut visit = |stored: &StoredEvent| visit(&event(stored));
        self.whole(|go_on| self.store.events(&scan, self.size, go_on, &mut visit))
    }

    fn chosen(
        &self,
        test: &Arc<str>,
        classes: Classes<'_>,
        during: Interval,
        choose: &mut dyn FnMut(&Event) -> Result<bool, QueryError>,
        visit: &mut dyn FnMut(&Event),
    ) -> Result<(), QueryError> {
        let mut broken = None;
        let mut choose = |stored: &StoredEvent| match choose(&event(stored)) {
            Ok(chosen) => Some(chosen),
            Err(error) => {
                broken = Some(error);
                None
            }
        };
        let mut visit = |stored: &StoredEvent| visit(&event(stored));
        self.store
            .chosen(test, &wanted(classes), during, self.size, &mut choose, &mut visit)
            .map_err(failed)?;
        broken.map_or(Ok(()), Err)
    }

    fn events_about(&self, during: Interval) -> Result<Option<u64>, QueryError> {
        Ok(Some(self.store.events_about(during)))
    }

    fn tally(&self, identity: u32, steps: &[Instant], to: Instant) -> Result<Vec<Tally>, QueryError> {
        self.store.tally(identity, steps, to, self.size).map_err(failed)
    }

    fn uses(
        &self,
        identities: &[u32],
        classes: Classes<'_>,
        during: Interval,
        visit: &mut dyn FnMut(usize, Use) -> ControlFlow<()>,
    ) -> Result<(), QueryError> {
        let mut visit = |place: usize, with: UsedWith| {
            let UsedWith { privilege, resource, action, .. } = with;
            visit(place, Use { privilege, resource, action: action.map(Text) })
        };
        let wanted = wanted(classes);
        self.whole(|go_on| self.store.uses(identities, &wanted, during, self.size, go_on, &mut visit))
    }

    fn observation(&self, index: u64) -> Result<Recorded<Observation>, QueryError> {
        let record = self.store.record(index).map_err(failed)?;
        match record.body {
            RecordBody::Observation(seen) if index < self.size => {
                Ok(Recorded { recorded_at: record.recorded_at, source: record.source.into(), record: *seen })
            }
            _ => Err(QueryError::Storage(format!("record {index} is no observation"))),
        }
    }

    fn direct_holders(&self, privileges: PrivilegeSet, during: Interval) -> Result<Candidates, QueryError> {
        self.store.direct_holders(privileges, during, self.size).map(candidates).map_err(failed)
    }

    fn matching(&self, resource: &str) -> Result<Option<Entitlements>, QueryError> {
        self.whole(|go_on| self.store.matching(resource, go_on)).map(Some)
    }

    fn entangled(&self, privileges: PrivilegeSet) -> Result<RoaringBitmap, QueryError> {
        self.store.entangled(privileges).map_err(failed)
    }

    fn users(
        &self,
        privileges: PrivilegeSet,
        outcomes: &[Outcome],
        during: Interval,
    ) -> Result<Candidates, QueryError> {
        let classes = Classes { privileges, outcomes };
        let sure = self.whole(|go_on| self.store.seen(false, &wanted(classes), during, self.size, go_on))?;
        Ok(Candidates { sure, maybe: RoaringBitmap::new() })
    }

    fn users_on(
        &self,
        resource: Node,
        classes: Classes<'_>,
        during: Interval,
    ) -> Result<Option<RoaringBitmap>, QueryError> {
        let wanted = wanted(classes);
        self.whole(|go_on| self.store.seen_on(resource.ordinal, &wanted, during, self.size, go_on)).map(Some)
    }

    fn secrets_used(
        &self,
        classes: Classes<'_>,
        during: Interval,
    ) -> Result<Option<RoaringBitmap>, QueryError> {
        self.whole(|go_on| self.store.seen(true, &wanted(classes), during, self.size, go_on)).map(Some)
    }

    fn mortal(&self) -> Result<Option<Arc<RoaringBitmap>>, QueryError> {
        self.store.mortal().map(Some).map_err(failed)
    }

    fn dead_uses(
        &self,
        during: Interval,
        visit: &mut dyn FnMut(&DeadUse),
    ) -> Result<Option<Apart>, QueryError> {
        let mut visit = |used: &asof_storage::DeadUse| {
            let asof_storage::DeadUse { time, dies, secret, identity, .. } = *used;
            visit(&DeadUse { time, dies, secret, identity });
        };
        let apart = self.whole(|go_on| self.store.dead_uses(during, self.size, go_on, &mut visit))?;
        Ok(Some(Apart { open: apart.open, many: apart.many }))
    }

    fn newly_seen(
        &self,
        role: Role,
        source: SourceDimension,
        during: Interval,
    ) -> Result<Option<RoaringBitmap>, QueryError> {
        let (secrets, member) = (role == Role::Secret, member(source));
        self.whole(|go_on| self.store.newly_seen(secrets, member, during, self.size, go_on)).map(Some)
    }

    fn check(&self) -> Result<(), QueryError> {
        self.cancel.check()
    }
}
