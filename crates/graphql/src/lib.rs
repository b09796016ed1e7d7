//! The GraphQL face of AsOf: the contract's schema over the engine.
//!
//! It knows names, cursors, limits and error codes; it does not know what holding or using means. Every request runs inside one call of
//! the engine's gate, so its resolvers are plain synchronous reads.

mod any;
mod asked;
mod bounds;
mod change;
mod cost;
mod coverage;
mod cursor;
mod enums;
mod execute;
mod expansion;
mod failure;
mod input;
mod limits;
mod nesting;
mod node;
mod observation;
mod operation;
mod page;
mod paging;
mod query;
mod results;
mod rows;
mod scalars;
mod state;
mod subscription;
mod view;

use async_graphql::{EmptyMutation, SDLExportOptions, SchemaBuilder};

pub use execute::{execute, execute_within, is_request_error, refusal, written};
pub use limits::SLOW_AFTER;
pub use operation::{OperationType, operation};
pub use subscription::{Subscribed, Told, subscribe};

/// The schema; what it answers from comes with each request.
pub struct Schema(async_graphql::Schema<query::Query, EmptyMutation, subscription::Subscription>);

/// Builds the schema.
pub fn schema() -> Schema {
    Schema(build().extension(bounds::Bounds).finish())
}

/// The same without a count of what an answer comes to.
fn uncounted() -> Schema {
    Schema(build().finish())
}

fn build() -> SchemaBuilder<query::Query, EmptyMutation, subscription::Subscription> {
    async_graphql::Schema::build(query::Query, EmptyMutation, subscription::Subscription)
        .limit_recursive_depth(limits::NESTING)
}

/// The schema's text, as it is kept in `schema/asof.graphql`.
pub fn sdl() -> String {
    schema().0.sdl_with_options(SDLExportOptions::new().prefer_single_line_descriptions())
}
