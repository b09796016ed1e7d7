//! The query algebra, its planner and its exact evaluation, over a reader that it declares itself.

mod algebra;
mod error;
mod reader;

pub use algebra::*;
pub use error::QueryError;
pub use reader::*;
