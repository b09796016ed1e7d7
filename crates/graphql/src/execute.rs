//! Runs a request: all of it inside one call of the engine's gate.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use asof_engine::{EngineError, Place, PointRequest, Session, Tenant};
use async_graphql::{Error, ErrorExtensionValues, PathSegment, Pos, Request, Response, ServerError, Value};
use futures_executor::block_on;

use crate::asked::{Asked, Snapshot};
use crate::failure::{DEADLINE, Failure, LIMIT_EXCEEDED, VALIDATION_FAILED};
use crate::operation::{OperationType, operation};
use crate::{Schema, cost, limits, rows, schema, uncounted};

pub(crate) static SCHEMA: LazyLock<Schema> = LazyLock::new(schema);
/// The same for what is surely small.
static UNCOUNTED: LazyLock<Schema> = LazyLock::new(uncounted);

/// Answers a request from a tenant, within the engine's deadline.
pub async fn execute(tenant: Tenant, request: impl Into<Request>) -> Response {
    let deadline = tenant.query_deadline();
    execute_within(tenant, request, deadline).await
}

/// Answers a request from a tenant, within a deadline.
pub async fn execute_within(tenant: Tenant, request: impl Into<Request>, deadline: Duration) -> Response {
    written(tenant, request, Place::Pool, deadline, |response| response).await
}

/// Answers a request from a tenant, within a deadline, and makes something of the response on the thread that made it: to write
/// ten thousand entries takes as long as to find them, and what one thread made, another is slow to give back.
pub async fn written<T: Send + 'static>(
    tenant: Tenant,
    request: impl Into<Request>,
    place: Place,
    deadline: Duration,
    write: impl FnOnce(Response) -> T + Copy + Send + 'static,
) -> T {
    let mut request = request.into();
    match operation(&mut request) {
        Ok(OperationType::Query) => {}
        Ok(other) => return write(refuse(Failure::new(VALIDATION_FAILED, not_here(other)))),
        Err(error) => return write(Response::from_errors(vec![error])),
    }
    let name = tenant.name().to_owned();
    let answered = tenant.run(place, deadline, move |session| {
        let mut response = answer(request, &session, &name);
        settle(&mut response);
        replace(&mut response);
        // An entry of W3C Server Timing: a name and, in quotes, what it says.
        if let Ok(read) = format!("read;desc=\"{}\"", session.work()).parse() {
            response.http_headers.insert("server-timing", read);
        }
        if !is_request_error(&response) {
            match snapshot(&session) {
                Ok(snapshot) => {
                    response.extensions.insert("snapshot".to_owned(), snapshot);
                }
                Err(failure) => response.errors.push(nowhere(failure)),
            }
        }
        write(with_deadline(response, deadline))
    });
    answered.await.unwrap_or_else(|error| write(with_deadline(refusal(error), deadline)))
}

/// Says in the errors that are about it what the deadline was.
fn with_deadline(mut response: Response, deadline: Duration) -> Response {
    for error in &mut response.errors {
        let values = error.extensions.get_or_insert_default();
        if values.get("code") == Some(&Value::from(DEADLINE)) {
            values.set("limit", u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX));
            values.set("limitName", "query_deadline_ms");
        }
    }
    response
}

/// Answers without counting what is surely small, and all else, and what is merged, with a count.
fn answer(mut request: Request, session: &Arc<Session>, name: &str) -> Response {
    let asked = |made| Asked { session: Arc::clone(session), tenant: name.to_owned(), made };
    let variables = request.variables.clone();
    let is_small = |document: &_| cost::is_small(document, &variables) && !rows::are_merged(document);
    if request.parsed_query().is_ok_and(is_small) {
        let mut again = Request::new(request.query.clone()).variables(variables);
        again.operation_name.clone_from(&request.operation_name);
        let made = Arc::new(AtomicU64::new(0));
        // Resolvers do not wait: this drives them on the thread that the gate gave.
        let response = block_on(UNCOUNTED.0.execute(request.data(asked(Some(Arc::clone(&made))))));
        if made.load(Ordering::Relaxed) <= limits::COUNTED_ENTRIES {
            return response;
        }
        request = again;
    }
    block_on(SCHEMA.0.execute(request.data(asked(None))))
}

/// An answer that grew too large is none: its error stands in its place, once.
fn replace(response: &mut Response) {
    let too_much = response.errors.iter().position(|error| {
        let name = error.extensions.as_ref().and_then(|values| values.get("limitName"));
        matches!(name, Some(Value::String(name)) if ["result_bytes", "result_values"].contains(&name.as_str()))
    });
    if let Some(place) = too_much {
        response.data = Value::Null;
        response.errors = vec![response.errors.swap_remove(place)];
    }
}

/// The response to a request that the engine did not take.
pub fn refusal(error: EngineError) -> Response {
    refuse(error.into())
}

fn refuse(failure: Failure) -> Response {
    Response::from_errors(vec![nowhere(failure)])
}

fn not_here(operation: OperationType) -> &'static str {
    match operation {
        OperationType::Subscription => {
            "a subscription is answered over a WebSocket at /graphql, in the protocol graphql-transport-ws"
        }
        _ => "there are no mutations: records are written over gRPC (asof.v1.Ingest)",
    }
}

/// Whether nothing of the request was executed, so that its response has no `data` at all, not even null.
pub fn is_request_error(response: &Response) -> bool {
    response.data == Value::Null
        && !response.errors.is_empty()
        && response.errors.iter().all(|error| error.path.is_empty())
}

/// Gives every error its code. One without came from the GraphQL layer itself: the request is not valid, or an argument is not of
/// its type, which that layer finds in part only where it executes. Either way there is no answer.
pub(crate) fn settle(response: &mut Response) {
    if response.errors.iter().all(has_code) {
        if response.errors.iter().any(|error| is_left_out(&response.data, &error.path)) {
            response.data = Value::Null;
        }
        return;
    }
    response.data = Value::Null;
    response.errors.retain(|error| !has_code(error));
    for error in &mut response.errors {
        error.path.clear();
        code(error);
    }
}

/// Whether a path leads to a member that is not there: one that may not be null and has no value. The GraphQL layer leaves it
/// out; by the specification there is a null above it. Nearly all fields here may not be null, up to the root.
fn is_left_out(data: &Value, path: &[PathSegment]) -> bool {
    let mut at = Some(data);
    for segment in path {
        at = match (at, segment) {
            (Some(Value::Object(members)), PathSegment::Field(name)) => members.get(name.as_str()),
            (Some(Value::List(entries)), PathSegment::Index(place)) => entries.get(*place),
            (at, _) => return at.is_none(),
        };
    }
    at.is_none()
}

fn has_code(error: &ServerError) -> bool {
    error.extensions.as_ref().is_some_and(|values| values.get("code").is_some())
}

/// A failure of the request as a whole, which stands at no place in its text.
pub(crate) fn nowhere(failure: Failure) -> ServerError {
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
    let limit = match error.message.as_str() {
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
        None => values.set("code", VALIDATION_FAILED),
    }
}
