//! Runs a request: all of it inside one call of the engine's gate.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use asof_engine::{EngineError, PointRequest, Session, Tenant};
use async_graphql::{Error, ErrorExtensionValues, Pos, Request, Response, ServerError, Value};

use crate::asked::{Asked, Snapshot};
use crate::failure::{BAD_REQUEST, Failure, LIMIT_EXCEEDED};
use crate::{Schema, expansion, limits, nesting, schema};

static SCHEMA: LazyLock<Schema> = LazyLock::new(schema);

/// Answers a request from a tenant, within [`limits::DEADLINE`].
pub async fn execute(tenant: Tenant, request: impl Into<Request>) -> Response {
    execute_within(tenant, request, limits::DEADLINE).await
}

/// Answers a request from a tenant, within a deadline.
pub async fn execute_within(tenant: Tenant, request: impl Into<Request>, deadline: Duration) -> Response {
    let mut request = request.into();
    if let Err(failure) = nesting::check(&request).and_then(|()| expansion::check(&mut request)) {
        return refuse(failure);
    }
    let name = tenant.name().to_owned();
    let runtime = tokio::runtime::Handle::current();
    let answered = tenant.run(deadline, move |session| {
        let request = request.data(Asked { session: Arc::clone(&session), tenant: name });
        // Resolvers do not wait: this drives them on the thread that the gate gave.
        let mut response = runtime.block_on(SCHEMA.0.execute(request));
        for error in &mut response.errors {
            code(error);
        }
        match snapshot(&session) {
            Ok(snapshot) => {
                response.extensions.insert("snapshot".to_owned(), snapshot);
            }
            Err(failure) => response.errors.push(nowhere(failure)),
        }
        response
    });
    answered.await.unwrap_or_else(refusal)
}

/// The response to a request that the engine did not take.
pub fn refusal(error: EngineError) -> Response {
    refuse(error.into())
}

fn refuse(failure: Failure) -> Response {
    Response::from_errors(vec![nowhere(failure)])
}

/// A failure of the request as a whole, which stands at no place in its text.
fn nowhere(failure: Failure) -> ServerError {
    let mut error = Error::from(failure).into_server_error(Pos::default());
    error.locations.clear();
    error
}

/// The request's default point, as the response's extensions have it.
fn snapshot(session: &Session) -> Result<Value, Failure> {
    Ok(Snapshot::of(session, session.point(&PointRequest::default())?)?.to_value())
}

/// Gives errors of the GraphQL layer itself, which have no code, theirs.
fn code(error: &mut ServerError) {
    if error.extensions.as_ref().is_some_and(|values| values.get("code").is_some()) {
        return;
    }
    let limit = match error.message.as_str() {
        "Query is too complex." => Some(("query_fields", limits::QUERY_FIELDS)),
        "Query is nested too deep." => Some(("query_depth", limits::QUERY_DEPTH)),
        message if message.starts_with("The recursion depth") => Some(("nesting", limits::NESTING)),
        _ => None,
    };
    let values = error.extensions.get_or_insert_with(ErrorExtensionValues::default);
    match limit {
        Some((name, limit)) => {
            values.set("code", LIMIT_EXCEEDED);
            values.set("limit", limit as u64);
            values.set("limitName", name);
            error.message = format!("{} The limit is {limit} ({name}).", error.message);
        }
        None => values.set("code", BAD_REQUEST),
    }
}
