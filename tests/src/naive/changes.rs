//! Where a timeline takes, changes or loses a value.

use asof_model::{Instant, NodeKind};
use asof_query::{ChangeKind, ChangeWhere, Window};

use super::filter::{Wrong, bounds, text_matches};
use super::ledger::Key;
use super::state::{Known, State, Stated};

/// One moment of one key's own timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub time: Instant,
    /// The record that rules from then on or, where none does, the one that ruled until then.
    pub index: u64,
    /// What happened.
    pub kind: ChangeKind,
    /// Of what.
    pub key: Key,
    /// The state until then.
    pub before: State,
    /// The state from then on.
    pub after: State,
}

fn wanted(filter: &ChangeWhere, key: &Key) -> bool {
    let kinds: (&[NodeKind], _) =
        (filter.node_kinds.as_deref().unwrap_or_default(), filter.edge_kinds.as_deref().unwrap_or_default());
    let of_a_kind = match key {
        Key::Coverage(..) => return false, // nodes and edges alone
        Key::Node(node) => kinds.0.contains(&node.kind),
        Key::Edge(edge) => kinds.1.contains(&edge.kind),
    };
    (of_a_kind || kinds.0.is_empty() && kinds.1.is_empty())
        && filter
            .id
            .as_ref()
            .is_none_or(|wanted| key.nodes().iter().any(|named| text_matches(wanted, &named.id)))
}

impl<'a> Known<'a> {
    /// Every record on a key, in ledger order.
    pub fn revisions(&self, key: &Key) -> Vec<&Stated<'a>> {
        self.facts.iter().filter(|stated| stated.key == *key).collect()
    }

    /// The changes of nodes and edges in the window, by (valid time, ledger index).
    pub fn changes(&self, t: Instant, filter: &ChangeWhere, during: &Window) -> Result<Vec<Change>, Wrong> {
        let window = bounds(during, t)?;
        let mut found = Vec::new();
        for key in self.keys.iter().filter(|key| wanted(filter, key)) {
            let of_it = self.revisions(key);
            let mut moments: Vec<Instant> =
                of_it.iter().flat_map(|each| [each.fact.valid_from, each.fact.valid_to]).collect();
            moments.retain(|at| window.contains(*at) && *at != Instant::FOREVER);
            moments.sort_unstable();
            moments.dedup();
            for time in moments {
                let until = Instant::from_nanos(time.nanos() - 1);
                let (before, after) = (self.state(key, until), self.state(key, time));
                let kind = match (&before, &after) {
                    (State::Value(was), State::Value(is)) if was != is => ChangeKind::Changed,
                    (State::Value(_), State::Value(_)) => continue,
                    (State::Value(_), _) => ChangeKind::Ended,
                    (_, State::Value(_)) => ChangeKind::Began,
                    _ => continue,
                };
                let record = self.ruling(key, time).or_else(|| self.ruling(key, until));
                let index = record.map_or(u64::MAX, |stated| stated.index);
                if filter.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind)) {
                    found.push(Change { time, index, kind, key: key.clone(), before, after });
                }
            }
        }
        found.sort_by_key(|change| (change.time, change.index));
        Ok(found)
    }
}
