//! What the one port answers.

use asof_engine::{Engine, EngineError, Options};
use asof_grpc::{DEFAULT_TENANT, DESCRIPTORS, Services, TENANT_HEADER};
use async_graphql::http::GraphiQLSource;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use tokio::sync::watch;
use tonic::service::Routes;
use tower::ServiceExt as _;

use super::guard;

/// Bytes of a GraphQL request.
const REQUEST_BYTES: usize = 1 << 20;
/// What stands in GraphiQL's place until it is loaded.
const LOADING: &str = "Loading GraphiQL from unpkg.com. Without a way to the internet this page stays as it is: \
    <code>asof query</code> asks the same questions, and so does any GraphQL client, with POST to <code>/graphql</code>.";

/// Everything: GraphQL, GraphiQL, health, and gRPC for the rest.
pub(super) fn router(engine: &Engine, options: &Options, closing: watch::Receiver<bool>) -> Router {
    let grpc = grpc(engine, options, closing).into_axum_router();
    Router::new()
        .route("/", get(graphiql))
        .route("/graphql", post(graphql))
        .route("/healthz", get(|| async { "ok\n" }))
        .with_state(engine.clone())
        .layer(DefaultBodyLimit::max(REQUEST_BYTES))
        .fallback(move |request: Request| {
            let grpc = grpc.clone();
            async move {
                if is_grpc(request.headers()) {
                    grpc.oneshot(request).await.into_response()
                } else {
                    nothing()
                }
            }
        })
        .layer(middleware::from_fn(guard::own_host))
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|content| content.as_bytes().starts_with(b"application/grpc"))
}

fn nothing() -> Response {
    (StatusCode::NOT_FOUND, "nothing is here: GraphiQL is at /, GraphQL at /graphql, health at /healthz\n")
        .into_response()
}

/// The gRPC services, with health and both versions of reflection.
fn grpc(engine: &Engine, options: &Options, closing: watch::Receiver<bool>) -> Routes {
    let services = Services::new(engine.clone(), options.limits, options.future_skew, closing.clone());
    let (health, health_service) = tonic_health::server::health_reporter();
    let mut routes =
        Routes::new(services.ingest()).add_service(services.ledger()).add_service(health_service);
    let described = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    match (described().build_v1(), described().build_v1alpha()) {
        (Ok(v1), Ok(v1alpha)) => routes = routes.add_service(v1).add_service(v1alpha),
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "no reflection: its descriptors are unreadable");
        }
    }
    tokio::spawn(report(health, closing));
    routes
}

/// Serving, until the server closes.
async fn report(health: tonic_health::server::HealthReporter, mut closing: watch::Receiver<bool>) {
    const SERVICES: [&str; 3] = ["", "asof.v1.Ingest", "asof.v1.Ledger"];
    for service in SERVICES {
        health.set_service_status(service, tonic_health::ServingStatus::Serving).await;
    }
    // A sender that is gone has sent before.
    let _ = closing.wait_for(|closing| *closing).await;
    for service in SERVICES {
        health.set_service_status(service, tonic_health::ServingStatus::NotServing).await;
    }
}

async fn graphiql() -> Html<String> {
    let page = GraphiQLSource::build().endpoint("/graphql").title("AsOf").finish();
    Html(page.replacen("Loading...", LOADING, 1))
}

async fn graphql(State(engine): State<Engine>, headers: HeaderMap, body: Bytes) -> Response {
    let json = headers
        .get(header::CONTENT_TYPE)
        .and_then(|content| content.to_str().ok())
        .is_some_and(|content| content.trim_start().to_ascii_lowercase().starts_with("application/json"));
    if !json {
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, "the content type of a question is application/json\n")
            .into_response();
    }
    let request = match serde_json::from_slice::<async_graphql::Request>(&body) {
        Ok(request) => request,
        Err(error) => {
            let why = format!(
                "the body is no GraphQL request such as {{\"query\": \"{{ ledger {{ size }} }}\"}}: {error}"
            );
            let body =
                serde_json::json!({"errors": [{"message": why, "extensions": {"code": "BAD_REQUEST"}}]});
            return (StatusCode::BAD_REQUEST, Json(body)).into_response();
        }
    };
    Json(answer(&engine, tenant(&headers), request).await).into_response()
}

fn tenant(headers: &HeaderMap) -> Option<&str> {
    headers.get(TENANT_HEADER).map_or(Some(DEFAULT_TENANT), |name| name.to_str().ok())
}

/// Answers a request from the tenant of this name.
async fn answer(
    engine: &Engine,
    name: Option<&str>,
    request: async_graphql::Request,
) -> async_graphql::Response {
    let name = name.unwrap_or("?");
    match engine.tenant(name).await {
        Ok(Some(tenant)) => asof_graphql::execute(tenant, request).await,
        Ok(None) => asof_graphql::refusal(EngineError::NoTenant(name.to_owned())),
        Err(error) => asof_graphql::refusal(error),
    }
}
