//! What the acceptance tests share: a naive model of DESIGN's definitions, written apart from the engine, and random
//! histories and questions to hold the two against each other; and the fuzz targets. The tests themselves are in `tests/all`.

#![expect(clippy::panic, clippy::missing_panics_doc, reason = "a test that cannot be set up fails")]

pub mod contract;
pub mod draw;
pub mod exact;
pub mod fuzz;
pub mod memory;
pub mod naive;
