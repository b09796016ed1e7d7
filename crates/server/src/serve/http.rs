//! What the one port answers.

use std::time::Instant;

use asof_engine::{Engine, Options};
use asof_grpc::{DESCRIPTORS, Services};
use async_graphql::http::GraphiQLSource;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Router, middleware};
use tokio::sync::watch;
use tonic::service::Routes;
use tower::ServiceExt as _;

use super::ws::{self, Sockets};
use super::{graphql, guard};

/// What stands in GraphiQL's place until it is loaded.
const LOADING: &str = "Loading GraphiQL from unpkg.com. Without a way to the internet this page stays as it is: \
    <code>asof query</code> asks the same questions, and so does any GraphQL client, with POST to <code>/graphql</code>.";

/// Everything: GraphQL, GraphiQL, health, and gRPC for the rest.
pub(super) fn router(
    engine: &Engine,
    options: &Options,
    sockets: Sockets,
    closing: watch::Receiver<bool>,
) -> Router {
    let grpc = grpc(engine, options, closing).into_axum_router();
    let questions = get(graphql::get).post(graphql::post).fallback(graphql::other);
    Router::new()
        .route("/", get(graphiql))
        .route("/graphql", questions.layer(middleware::from_fn(timed)))
        .route("/healthz", get(|| async { "ok\n" }))
        .with_state(engine.clone())
        .layer(DefaultBodyLimit::max(graphql::REQUEST_BYTES))
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
        .layer(middleware::from_fn_with_state(sockets, ws::upgrade))
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

/// Says beside an answer how long it took, from the request's head to the answer ready to be sent (W3C Server Timing).
async fn timed(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let mut response = next.run(request).await;
    let timing = format!("total;dur={:.3}", began.elapsed().as_secs_f64() * 1e3);
    if let Ok(timing) = HeaderValue::from_str(&timing) {
        response.headers_mut().append("server-timing", timing);
    }
    response
}

async fn graphiql() -> Html<String> {
    let page =
        GraphiQLSource::build().endpoint("/graphql").subscription_endpoint("/graphql").title("AsOf").finish();
    Html(page.replacen("Loading...", LOADING, 1))
}
