//! Temporal bitmaps and time quanta as pure data. Knows neither keys nor storage: it is given bytes and gives bytes.

mod edges;
mod intervals;
mod quanta;
mod segment;

pub use edges::{EdgeList, End, Rectangle, STATEMENTS_MAX, some_value, values};
pub use intervals::{difference, normalise};
pub use quanta::{Quantum, Slices, slice};
pub use segment::{DecodeError, SEGMENT_CHANGES_MAX, Segment};
