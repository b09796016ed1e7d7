//! GraphQL over HTTP, at `/graphql`: the specification of that name (graphql.github.io/graphql-over-http, the draft of 2026).
//!
//! **Asking.** POST with a JSON object, or GET with the same members as parameters; queries alone, as there are no mutations, and
//! subscriptions go over a WebSocket. One request asks one question: lists of them (batching) are refused.
//!
//! **Media types.** Of `application/graphql-response+json` and `application/json` the one that `Accept` prefers; the latter where it
//! does not tell them apart by name (no `Accept`, or `*/*`), the former where it names both alike. Whoever accepts
//! `application/json` alone gets the same statuses, and that type on 200; an answer of any other status always says that it is a
//! GraphQL response, so that it cannot be taken for something on the way. All are UTF-8, and none may be stored.
//!
//! **Statuses.** Where something was executed, 200, with or without `errors` (the draft names both 200 and an unregistered 294 for
//! part of an answer; every client and proxy knows 200). Where nothing was, there is no `data`, and `extensions.code` and status are:
//!
//! | status | code | when |
//! |---|---|---|
//! | 400 | `BAD_REQUEST` | the body, or a parameter, is no JSON |
//! | 400 | `GRAPHQL_PARSE_FAILED` | `query` is no GraphQL |
//! | 400 | `INVALID_TENANT` | the header `asof-tenant` is no tenant's name |
//! | 404 | `NO_SUCH_TENANT` | there is no such tenant |
//! | 405 | `METHOD_NOT_ALLOWED` | a mutation by GET, or another method; `Allow` says which |
//! | 406 | `NOT_ACCEPTABLE` | `Accept` takes neither media type |
//! | 408 | `REQUEST_TIMEOUT` | the body does not arrive within [`BODY_TIME`] |
//! | 413 | `LIMIT_EXCEEDED` | the body is longer than [`REQUEST_BYTES`] |
//! | 415 | `UNSUPPORTED_MEDIA_TYPE` | the body is said to be something other than `application/json` in UTF-8 |
//! | 422 | `BAD_REQUEST` | JSON, and no GraphQL request: no `query`, a member of another type, a list of requests |
//! | 422 | `GRAPHQL_VALIDATION_FAILED` | not valid against the schema, no such operation, or variables of another type |
//! | 422 | `LIMIT_EXCEEDED` | the text nests too deep, or asks for too many fields |
//! | 503 | `BUSY`, `UNAVAILABLE` | too many requests at once, or closing; `Retry-After` says when to come again |
//! | 504 | `DEADLINE_EXCEEDED` | not answered in time; the work has been stopped, and would take as long again |
//! | 500 | `INTERNAL` | not the asker's fault; the server's log says more |
//!
//! Outside GraphQL, in plain text: 403 from the guard, and what the HTTP library itself refuses (414 a URI, 431 headers too long).
//!
//! **Across sites.** A page of another site can make a browser ask nothing here: the guard refuses foreign hosts and origins, and
//! requests without an origin that a browser says are of another site; a POST must be of a type that no form can send; and what GET
//! may ask changes nothing.

mod negotiation;
mod request;

use std::time::Duration;

use asof_engine::{Engine, EngineError, Place};
use asof_graphql::OperationType;
use asof_grpc::{DEFAULT_TENANT, TENANT_HEADER};
use async_graphql::{Response as Answer, ServerError, Value};
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest as _, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use negotiation::MediaType;

use super::connections::Link;

/// Bytes of a GraphQL request.
pub(super) const REQUEST_BYTES: usize = 1 << 20;
/// How long the body of a request may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(30);
/// After how many seconds to come again, where there is no place now.
const RETRY_AFTER: u32 = 1;
/// The methods of `/graphql`.
const METHODS: &str = "GET, HEAD, POST";

/// A request that is refused before anything of it is executed.
struct Refusal {
    status: StatusCode,
    error: Box<ServerError>,
}

impl Refusal {
    fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let mut error = ServerError::new(message, None);
        error.extensions.get_or_insert_default().set("code", code);
        Self { status, error: Box::new(error) }
    }

    /// JSON that cannot be read.
    fn unreadable(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BAD_REQUEST", message)
    }

    /// JSON that is no request.
    fn malformed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "BAD_REQUEST", message)
    }

    fn too_large() -> Self {
        let message = format!("the body passes the limit of {REQUEST_BYTES} bytes (request_bytes)");
        let mut refusal = Self::new(StatusCode::PAYLOAD_TOO_LARGE, "LIMIT_EXCEEDED", message);
        let values = refusal.error.extensions.get_or_insert_default();
        values.set("limit", REQUEST_BYTES as u64);
        values.set("limitName", "request_bytes");
        refusal
    }

    fn not_allowed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", message)
    }

    fn respond(self) -> Response {
        respond(self.status, &Answer::from_errors(vec![*self.error]), MediaType::GraphqlResponse)
    }
}

/// A question in the parameters of its URI.
pub(super) async fn get(
    State(engine): State<Engine>,
    Extension(link): Extension<Link>,
    version: Version,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let asked = negotiation::accepted(&headers)
        .and_then(|media| Ok((media, request::of_parameters(query.as_deref().unwrap_or_default())?)));
    let (media, mut asked) = match asked {
        Ok(asked) => asked,
        Err(refusal) => return refusal.respond(),
    };
    // What else is wrong with it, executing it says.
    if let Ok(OperationType::Mutation) = asof_graphql::operation(&mut asked) {
        let why = "GET asks queries alone, and there are no mutations: records are written over gRPC (asof.v1.Ingest)";
        return allow(Refusal::not_allowed(why).respond(), "POST");
    }
    answer(&engine, link.place(version), &headers, asked, media).await
}

/// A question in a body.
pub(super) async fn post(
    State(engine): State<Engine>,
    Extension(link): Extension<Link>,
    headers: HeaderMap,
    body: Request,
) -> Response {
    let place = link.place(body.version());
    let asked = match negotiation::accepted(&headers) {
        Err(refusal) => Err(refusal),
        Ok(media) => read(&headers, body).await.map(|asked| (media, asked)),
    };
    match asked {
        Ok((media, asked)) => answer(&engine, place, &headers, asked, media).await,
        Err(refusal) => refusal.respond(),
    }
}

/// Any other method.
pub(super) async fn other(method: Method) -> Response {
    allow(Refusal::not_allowed(format!("{method} is no way to ask: POST is, and GET")).respond(), METHODS)
}

fn allow(mut response: Response, methods: &'static str) -> Response {
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
    response
}

async fn read(headers: &HeaderMap, body: Request) -> Result<async_graphql::Request, Refusal> {
    negotiation::is_json(headers)?;
    let bytes = match tokio::time::timeout(BODY_TIME, Bytes::from_request(body, &())).await {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)))) => {
            return Err(Refusal::too_large());
        }
        Ok(Err(broken)) => return Err(Refusal::unreadable(format!("the body broke off: {broken}"))),
        Err(_) => {
            let why = format!("the body did not arrive within {} s", BODY_TIME.as_secs());
            return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "REQUEST_TIMEOUT", why));
        }
    };
    request::of_body(&bytes)
}

/// Asks the tenant that the request names.
async fn answer(
    engine: &Engine,
    place: Place,
    headers: &HeaderMap,
    asked: async_graphql::Request,
    media: MediaType,
) -> Response {
    // A header that is no text names no tenant.
    let name = headers.get(TENANT_HEADER).map_or(DEFAULT_TENANT, |name| name.to_str().unwrap_or("?"));
    let write = move |answer: Answer| respond(status(&answer), &answer, media);
    match engine.tenant(name).await {
        Ok(Some(tenant)) => {
            let deadline = tenant.query_deadline();
            asof_graphql::written(tenant, asked, place, deadline, write).await
        }
        Ok(None) => write(asof_graphql::refusal(EngineError::NoTenant(name.to_owned()))),
        Err(error) => write(asof_graphql::refusal(error)),
    }
}

/// The status of an answer.
fn status(answer: &Answer) -> StatusCode {
    if !asof_graphql::is_request_error(answer) {
        return StatusCode::OK;
    }
    match answer.errors.first().and_then(code) {
        Some("GRAPHQL_PARSE_FAILED" | "INVALID_TENANT") => StatusCode::BAD_REQUEST,
        Some("NO_SUCH_TENANT") => StatusCode::NOT_FOUND,
        Some("BUSY" | "UNAVAILABLE") => StatusCode::SERVICE_UNAVAILABLE,
        Some("DEADLINE_EXCEEDED") => StatusCode::GATEWAY_TIMEOUT,
        None | Some("INTERNAL") => StatusCode::INTERNAL_SERVER_ERROR,
        // Whatever else is wrong lies in what was asked.
        Some(_) => StatusCode::UNPROCESSABLE_ENTITY,
    }
}

fn code(error: &ServerError) -> Option<&str> {
    match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code),
        _ => None,
    }
}

/// An answer as its body: errors first, and `data` only where something was executed.
#[derive(Serialize)]
struct Written<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a Value>,
    #[serde(skip_serializing_if = "std::collections::BTreeMap::is_empty")]
    extensions: &'a std::collections::BTreeMap<String, Value>,
}

fn respond(status: StatusCode, answer: &Answer, media: MediaType) -> Response {
    // Where every field was skipped, the data is an object without members.
    let nothing = Value::Object(async_graphql::indexmap::IndexMap::new());
    let data = match &answer.data {
        _ if asof_graphql::is_request_error(answer) => None,
        Value::Null if answer.errors.is_empty() => Some(&nothing),
        data => Some(data),
    };
    let written = Written { errors: &answer.errors, data, extensions: &answer.extensions };
    let body = match serde_json::to_vec(&written) {
        Ok(body) => Body::from(body),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written");
            return (StatusCode::INTERNAL_SERVER_ERROR, "the answer cannot be written as JSON\n")
                .into_response();
        }
    };
    let media = if status.is_success() { media } else { MediaType::GraphqlResponse };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.extend(answer.http_headers.clone());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media.name()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER));
    }
    response
}

#[cfg(test)]
mod tests {
    use asof_query::QueryError;

    use super::*;

    #[test]
    fn what_the_engine_refuses_has_its_status() {
        for (error, expected) in [
            (EngineError::TenantName("no/such".to_owned()), 400),
            (EngineError::NoTenant("nobody".to_owned()), 404),
            (EngineError::Point("beyond the ledger".to_owned()), 422),
            (EngineError::Query(QueryError::Cancelled), 504),
            (EngineError::Closed, 503),
            (EngineError::Query(QueryError::Storage("broken".into())), 500),
        ] {
            let answer = asof_graphql::refusal(error.clone());
            let response = respond(status(&answer), &answer, MediaType::Json);
            assert_eq!(response.status().as_u16(), expected, "{error}");
            assert_eq!(response.headers().contains_key(header::RETRY_AFTER), expected == 503, "{error}");
            assert_eq!(
                response.headers()[header::CONTENT_TYPE],
                MediaType::GraphqlResponse.name(),
                "{error}"
            );
        }
    }
}
