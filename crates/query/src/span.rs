//! Stretches over which an answer stays what it is.
//!
//! Every evaluation that reads timelines takes a stretch and narrows it to the pieces that it consulted: over what is
//! left, the same evaluation consults the same pieces and comes to the same result. So "at every moment of a window" is
//! a walk from stretch to stretch, and a result can be kept for a whole stretch.

use asof_model::{Instant, Interval, State, Timeline};

/// One moment as an interval.
pub(crate) fn moment(at: Instant) -> Interval {
    Interval { from: at, to: Instant::from_nanos(at.nanos().saturating_add(1)) }
}

/// A stretch that nothing has narrowed yet.
pub(crate) const fn whole() -> Interval {
    Interval::ALWAYS
}

/// Narrows a stretch to what it shares with another one.
pub(crate) fn narrow(span: &mut Interval, other: Interval) {
    span.from = span.from.max(other.from);
    span.to = span.to.min(other.to);
}

/// The state at a moment; the stretch is narrowed to the piece that says it.
pub(crate) fn look<'a>(timeline: &'a Timeline, at: Instant, span: &mut Interval) -> &'a State {
    let pieces = timeline.pieces();
    let after = pieces.partition_point(|piece| piece.from <= at);
    if let Some(next) = pieces.get(after) {
        span.to = span.to.min(next.from);
    }
    match after.checked_sub(1).and_then(|place| pieces.get(place)) {
        Some(piece) => {
            span.from = span.from.max(piece.from);
            &piece.state
        }
        None => &State::Never,
    }
}

/// Two states that no one can tell apart: of a secret of which nobody gives it, the state is ACTIVE.
pub(crate) fn same_state(one: &State, other: &State) -> bool {
    one == other
        || match (one.value().and_then(|value| value.node()), other.value().and_then(|value| value.node())) {
            (Some(one), Some(other)) => {
                one.secret.unwrap_or_default() == other.secret.unwrap_or_default()
                    && one.name == other.name
                    && one.node_type == other.node_type
                    && one.attributes == other.attributes
                    && one.entitlement == other.entitlement
            }
            _ => false,
        }
}
