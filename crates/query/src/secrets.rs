//! Dead secrets and their survivors.

use std::collections::BTreeSet;

use asof_model::{Duration, EdgeKind, Instant, Interval, NodeKind, SecretState, SecretValue, State};

use crate::span::whole;
use crate::{Direction, Edge, Key, Known, Node, QueryError};

/// A secret by ordinal.
pub(crate) const fn secret(ordinal: u32) -> Node {
    Node { kind: NodeKind::Secret, ordinal }
}

/// What is known of a secret whose state is a value.
pub(crate) fn said_of(state: &State) -> Option<SecretValue> {
    let node = state.value().and_then(|value| value.node())?;
    Some(node.secret.unwrap_or_default())
}

impl Known {
    /// REVOKED, INACTIVE or deleted at a moment, or expired by then.
    pub fn dead(&self, secret: Node, t: Instant) -> Result<bool, QueryError> {
        self.dead_over(secret.ordinal, t, &mut whole())
    }

    fn dead_over(&self, ordinal: u32, t: Instant, span: &mut Interval) -> Result<bool, QueryError> {
        let state = self.state_over(Key::Node(secret(ordinal)), t, span)?;
        let Some(said) = said_of(&state) else { return Ok(state == State::Deleted) };
        if said.state != SecretState::Active {
            return Ok(true);
        }
        Ok(match said.expires_at {
            Some(expiry) if expiry <= t => {
                span.from = span.from.max(expiry);
                true
            }
            Some(expiry) => {
                span.to = span.to.min(expiry);
                false
            }
            None => false,
        })
    }

    /// Dead or, where survivors count, a survivor: not dead itself, and one that it descends from is.
    pub(crate) fn dead_or_survivor(
        &self,
        ordinal: u32,
        survivors: bool,
        t: Instant,
        span: &mut Interval,
    ) -> Result<bool, QueryError> {
        Self::kept(&self.dead, (ordinal, survivors), t, span, |span| {
            if self.dead_over(ordinal, t, span)? {
                return Ok(true);
            }
            if !survivors {
                return Ok(false);
            }
            // Over ISSUED edges whose own state is a value, whatever became of their ends.
            let mut seen = BTreeSet::from([ordinal]);
            let mut ahead = vec![ordinal];
            while let Some(each) = ahead.pop() {
                self.reader().check()?;
                let to = secret(each);
                for from in self.neighbours(EdgeKind::Issued, to, Direction::In)?.iter().copied() {
                    let edge = Key::Edge(Edge { kind: EdgeKind::Issued, from, to });
                    if seen.contains(&from.ordinal) || !self.state_over(edge, t, span)?.is_value() {
                        continue;
                    }
                    if self.dead_over(from.ordinal, t, span)? {
                        return Ok(true);
                    }
                    seen.insert(from.ordinal);
                    ahead.push(from.ordinal);
                }
            }
            Ok(false)
        })
    }

    /// Dead (or, where survivors count, dead or a survivor) at every moment of [t - grace, t].
    pub(crate) fn dead_since(
        &self,
        ordinal: u32,
        survivors: bool,
        grace: Duration,
        t: Instant,
    ) -> Result<bool, QueryError> {
        let mut at = t.minus(grace);
        loop {
            self.reader().check()?;
            let mut span = whole();
            if !self.dead_or_survivor(ordinal, survivors, at, &mut span)? {
                return Ok(false);
            }
            if span.to > t {
                return Ok(true);
            }
            at = span.to;
        }
    }
}
