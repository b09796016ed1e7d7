//! Temporal bitmaps and blocks of events as pure data. Knows neither keys nor storage: it is given bytes and gives bytes.

mod block;
mod deaths;
mod dense;
mod edges;
mod gathered;
mod intervals;
mod postings;
mod segment;
mod stated;
mod terms;

pub use block::{Block, BlockHead, Ends, Groups, MEMBERS, Member, NONE, OfClass, Row, Use, Users, Uses, cut};
pub use deaths::Deaths;
pub use dense::Dense;
pub use edges::{EdgeList, End, Rectangle, STATEMENTS_MAX, some_value, values};
pub use gathered::BLOCK_NODES;
pub use intervals::{difference, normalise};
pub use postings::Postings;
pub use segment::{DecodeError, SEGMENT_CHANGES_MAX, Segment};
pub use stated::{Ended, Spell, Standing, Stated};
pub use terms::Terms;
