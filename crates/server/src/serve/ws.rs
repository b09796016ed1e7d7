//! Subscriptions: the protocol graphql-transport-ws over WebSockets at `/graphql`.
//!
//! The protocol is spoken here and not by `async_graphql::http::WebSocket`, which knows no `error` message, no close code of the
//! protocol but one, and no bound.

use std::future::ready;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use asof_engine::{Engine, EngineError};
use asof_graphql::{Told, subscribe};
use asof_grpc::{DEFAULT_TENANT, TENANT_HEADER};
use asof_query::QueryError;
use async_graphql::Variables;
use axum::Extension;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use futures_util::{FutureExt as _, Stream, StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout};
use tokio_stream::StreamMap;

use super::connections::Link;

const PATH: &str = "/graphql";
const PROTOCOL: &str = "graphql-transport-ws";
/// Open connections.
const CONNECTIONS: usize = 500;
/// Subscriptions of all connections together.
const SUBSCRIPTIONS: usize = 1_000;
/// Subscriptions of one connection.
const SUBSCRIPTIONS_OF_ONE: usize = 100;
/// Bytes of one message of a client.
const MESSAGE_BYTES: usize = 1 << 20;
/// Bytes of a subscription's id, which comes with each of its events.
const ID_BYTES: usize = 256;
/// How long a client may take to say connection_init.
const INIT: Duration = Duration::from_secs(10);
/// How often a client is asked whether it is still there.
const PING: Duration = Duration::from_secs(30);
/// A client of whom nothing is heard for so long has gone.
const GONE: Duration = Duration::from_secs(120);
/// So has one that takes nothing of what is sent for so long.
const STALLED: Duration = Duration::from_secs(300);
/// How long the last words of a connection may take.
const PARTING: Duration = Duration::from_secs(2);
/// Bytes of the reason in a close frame (RFC 6455).
const REASON_BYTES: usize = 123;

/// The protocol's own close codes.
mod code {
    pub(super) const BAD_REQUEST: u16 = 4400;
    pub(super) const UNAUTHORIZED: u16 = 4401;
    pub(super) const PROTOCOL: u16 = 4406;
    pub(super) const INIT_TIMEOUT: u16 = 4408;
    pub(super) const ID_TAKEN: u16 = 4409;
    pub(super) const TOO_MANY_INITS: u16 = 4429;
}

/// What all connections share.
#[derive(Clone)]
pub(super) struct Sockets {
    engine: Engine,
    closing: watch::Receiver<bool>,
    slow_after: Duration,
    connections: Arc<Semaphore>,
    subscriptions: Arc<Semaphore>,
}

impl Sockets {
    /// `slow_after`: how long a reader may leave the queue of a subscription full.
    pub(super) fn new(engine: Engine, closing: watch::Receiver<bool>, slow_after: Duration) -> Self {
        let connections = Arc::new(Semaphore::new(CONNECTIONS));
        let subscriptions = Arc::new(Semaphore::new(SUBSCRIPTIONS));
        Self { engine, closing, slow_after, connections, subscriptions }
    }
}

/// Takes requests for a WebSocket at `/graphql`; all others go on.
pub(super) async fn upgrade(
    State(sockets): State<Sockets>,
    Extension(link): Extension<Link>,
    request: Request,
    next: Next,
) -> Response {
    if request.uri().path() != PATH || !asks_for_websocket(request.headers()) {
        return next.run(request).await;
    }
    let (mut parts, _) = request.into_parts();
    if !from_here(&parts.headers) {
        let why = "a page may open a WebSocket to the very host that it came from alone\n";
        return (StatusCode::FORBIDDEN, why).into_response();
    }
    let tenant = match parts.headers.get(TENANT_HEADER).map(|name| name.to_str().map(str::to_owned)) {
        None => None,
        Some(Ok(name)) => Some(name),
        Some(Err(_)) => {
            return (StatusCode::BAD_REQUEST, format!("{TENANT_HEADER} is no text\n")).into_response();
        }
    };
    let Ok(place) = Arc::clone(&sockets.connections).try_acquire_owned() else {
        let why = format!("{CONNECTIONS} WebSockets are open (CONNECTIONS): try again later\n");
        return (StatusCode::SERVICE_UNAVAILABLE, why).into_response();
    };
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut parts, &()).await {
        // What is longer, but not much, is told so in words.
        Ok(upgrade) => upgrade.max_message_size(2 * MESSAGE_BYTES).max_frame_size(2 * MESSAGE_BYTES),
        Err(refused) => return refused.into_response(),
    };
    let upgrade = upgrade.protocols([PROTOCOL]);
    let speaks = upgrade.selected_protocol().is_some();
    upgrade.on_upgrade(move |socket| async move {
        let _place = place;
        let connection =
            Connection { socket, sockets, tenant, running: StreamMap::new(), heard: Instant::now() };
        tokio::select! {
            () = connection.hold(speaks) => {}
            () = link.cut() => {}
        }
    })
}

fn asks_for_websocket(headers: &HeaderMap) -> bool {
    let mut asked = headers.get_all(header::UPGRADE).iter().filter_map(|value| value.to_str().ok());
    asked.any(|value| value.split(',').any(|each| each.trim().eq_ignore_ascii_case("websocket")))
}

/// No browser asks before it opens a WebSocket to another host, or to another port of this one: so the page's origin, where
/// there is one, must be this host and port as the request itself names them.
fn from_here(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    match (text(header::ORIGIN), text(header::HOST)) {
        (None, _) => true,
        (Some(origin), Some(host)) => origin
            .split_once("://")
            .is_some_and(|(_, own)| !host.is_empty() && own.eq_ignore_ascii_case(host)),
        (Some(_), None) => false,
    }
}

/// What a client says.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Said {
    ConnectionInit { payload: Option<serde_json::Map<String, serde_json::Value>> },
    Subscribe { id: String, payload: Question },
    Complete { id: String },
    Ping { payload: Option<serde_json::Map<String, serde_json::Value>> },
    Pong {},
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Question {
    query: String,
    operation_name: Option<String>,
    variables: Option<serde_json::Map<String, serde_json::Value>>,
}

impl From<Question> for async_graphql::Request {
    fn from(question: Question) -> Self {
        let variables = serde_json::Value::Object(question.variables.unwrap_or_default());
        let request = Self::new(question.query).variables(Variables::from_json(variables));
        match question.operation_name {
            Some(name) => request.operation_name(name),
            None => request,
        }
    }
}

/// What it is told.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Say<'a> {
    ConnectionAck,
    Next {
        id: &'a str,
        payload: &'a RawValue,
    },
    Error {
        id: &'a str,
        payload: &'a RawValue,
    },
    Complete {
        id: &'a str,
    },
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<serde_json::Map<String, serde_json::Value>>,
    },
}

/// How a connection ends.
enum End {
    /// The client has gone.
    Gone,
    /// It is closed, for this reason.
    Close(u16, String),
}

/// Ends a connection for what a client said.
fn bad(why: impl std::fmt::Display) -> End {
    End::Close(code::BAD_REQUEST, why.to_string())
}

/// `None` behind the last: it completes.
type Running = Pin<Box<dyn Stream<Item = Option<Told>> + Send>>;

struct Connection {
    socket: WebSocket,
    sockets: Sockets,
    /// Whose ledger, once it is said.
    tenant: Option<String>,
    running: StreamMap<String, Running>,
    /// When something was heard of the client.
    heard: Instant,
}

impl Connection {
    async fn hold(mut self, speaks: bool) {
        let end = if speaks {
            self.converse().await
        } else {
            End::Close(code::PROTOCOL, format!("only {PROTOCOL} is spoken here"))
        };
        // Whatever still runs has nobody to tell.
        self.running.clear();
        let socket = &mut self.socket;
        let parted = timeout(PARTING, async {
            if let End::Close(code, reason) = end {
                let fits =
                    (0..=reason.len().min(REASON_BYTES)).rev().find(|end| reason.is_char_boundary(*end));
                let reason = reason[..fits.unwrap_or(0)].into();
                let _ = socket.send(Message::Close(Some(CloseFrame { code, reason }))).await;
            }
            // Its own close frame is taken in, so that what was sent is not lost to a reset.
            while let Some(Ok(_)) = socket.recv().await {}
        });
        let _ = parted.await;
    }

    async fn converse(&mut self) -> End {
        let mut closing = self.sockets.closing.clone();
        let mut closed = pin!(async move {
            // A sender that is gone has sent before.
            let _ = closing.wait_for(|closing| *closing).await;
        });
        let mut late = pin!(tokio::time::sleep(INIT));
        let mut ping = tokio::time::interval_at(Instant::now() + PING, PING);
        ping.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut ready = false;
        loop {
            let done = tokio::select! {
                () = &mut closed => Err(End::Close(close_code::AWAY, "the server is closing".to_owned())),
                () = &mut late, if !ready => {
                    Err(End::Close(code::INIT_TIMEOUT, "Connection initialisation timeout".to_owned()))
                }
                message = self.socket.recv() => self.hear(message, &mut ready).await,
                Some((id, told)) = self.running.next() => self.tell(&id, told).await,
                _ = ping.tick() => {
                    if self.heard.elapsed() > GONE {
                        Err(End::Gone)
                    } else {
                        self.send(Message::Ping(Vec::new().into())).await
                    }
                }
            };
            if let Err(end) = done {
                return end;
            }
        }
    }

    async fn hear(
        &mut self,
        message: Option<Result<Message, axum::Error>>,
        ready: &mut bool,
    ) -> Result<(), End> {
        self.heard = Instant::now();
        let text = match message {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(()),
            Some(Ok(Message::Binary(_))) => return Err(bad("messages are texts")),
            Some(Err(error)) => return Err(End::Close(close_code::PROTOCOL, error.to_string())),
            Some(Ok(Message::Close(_))) | None => return Err(End::Gone),
        };
        if text.len() > MESSAGE_BYTES {
            let why = format!("a message has at most {MESSAGE_BYTES} bytes (MESSAGE_BYTES)");
            return Err(End::Close(close_code::SIZE, why));
        }
        let said = serde_json::from_str(&text).map_err(|error| bad(format!("Invalid message: {error}")))?;
        match said {
            Said::ConnectionInit { .. } if *ready => {
                let why = "Too many initialisation requests".to_owned();
                Err(End::Close(code::TOO_MANY_INITS, why))
            }
            Said::ConnectionInit { payload } => {
                self.choose(payload.as_ref().and_then(|payload| payload.get(TENANT_HEADER)))?;
                *ready = true;
                self.say(&Say::ConnectionAck).await
            }
            Said::Subscribe { .. } if !*ready => {
                Err(End::Close(code::UNAUTHORIZED, "Unauthorized: say connection_init first".to_owned()))
            }
            Said::Subscribe { id, payload } => self.start(id, payload.into()),
            Said::Complete { id } => {
                self.running.remove(&id);
                Ok(())
            }
            Said::Ping { payload } => self.say(&Say::Pong { payload }).await,
            Said::Pong {} => Ok(()),
        }
    }

    /// Browsers cannot give headers, so connection_init may name the tenant, too.
    fn choose(&mut self, named: Option<&serde_json::Value>) -> Result<(), End> {
        let Some(named) = named else { return Ok(()) };
        let named = named.as_str().ok_or_else(|| bad(format!("{TENANT_HEADER} is no text")))?;
        match &self.tenant {
            Some(other) if other != named => {
                Err(bad(format!("the header {TENANT_HEADER} and connection_init name two tenants")))
            }
            _ => {
                self.tenant = Some(named.to_owned());
                Ok(())
            }
        }
    }

    fn start(&mut self, id: String, request: async_graphql::Request) -> Result<(), End> {
        if id.len() > ID_BYTES {
            return Err(bad(format!("an id has at most {ID_BYTES} bytes (ID_BYTES)")));
        }
        if self.running.contains_key(&id) {
            return Err(End::Close(code::ID_TAKEN, format!("Subscriber for {id} already exists")));
        }
        let told = if self.running.len() >= SUBSCRIPTIONS_OF_ONE {
            too_many("subscriptions of one connection", SUBSCRIPTIONS_OF_ONE, "subscriptions_of_one").boxed()
        } else if let Ok(place) = Arc::clone(&self.sockets.subscriptions).try_acquire_owned() {
            self.answer(request, place).boxed()
        } else {
            too_many("subscriptions", SUBSCRIPTIONS, "subscriptions").boxed()
        };
        self.running.insert(id, told.map(Some).chain(stream::once(ready(None))).boxed());
        Ok(())
    }

    fn answer(
        &self,
        request: async_graphql::Request,
        place: OwnedSemaphorePermit,
    ) -> impl Stream<Item = Told> + use<> {
        let (engine, slow_after) = (self.sockets.engine.clone(), self.sockets.slow_after);
        let name = self.tenant.clone().unwrap_or_else(|| DEFAULT_TENANT.to_owned());
        let found = async move {
            match engine.tenant(&name).await {
                Ok(Some(tenant)) => {
                    let told = subscribe(tenant, request, slow_after);
                    // Its place is free again when the stream is gone.
                    told.inspect(move |_| _ = &place).boxed()
                }
                Ok(None) => refused(EngineError::NoTenant(name)).boxed(),
                Err(error) => refused(error).boxed(),
            }
        };
        found.flatten_stream()
    }

    async fn tell(&mut self, id: &str, told: Option<Told>) -> Result<(), End> {
        match told {
            Some(Told::Next(payload)) => self.say(&Say::Next { id, payload: &payload }).await,
            Some(Told::Error(payload)) => {
                self.running.remove(id);
                self.say(&Say::Error { id, payload: &payload }).await
            }
            None => {
                // Before it is said: from then on the client may use the id again.
                self.running.remove(id);
                self.say(&Say::Complete { id }).await
            }
        }
    }

    async fn say(&mut self, say: &Say<'_>) -> Result<(), End> {
        let text = serde_json::to_string(say).map_err(|error| {
            End::Close(close_code::ERROR, format!("a message cannot be written: {error}"))
        })?;
        self.send(Message::Text(text.into())).await
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        let begun = Instant::now();
        match timeout(STALLED, self.socket.send(message)).await {
            Ok(Ok(())) => {
                if begun.elapsed() > PING {
                    // It took what had been in the way.
                    self.heard = Instant::now();
                }
                Ok(())
            }
            Ok(Err(_)) | Err(_) => Err(End::Gone),
        }
    }
}

fn refused(error: EngineError) -> impl Stream<Item = Told> {
    stream::once(ready(Told::refusal(error)))
}

fn too_many(what: &'static str, limit: usize, name: &'static str) -> impl Stream<Item = Told> {
    let limit = limit as u64;
    refused(EngineError::Query(QueryError::Limit { what, asked: limit + 1, limit, name }))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn pages_of_other_hosts_and_ports_are_not_from_here() {
        let verdict = |origin: Option<&'static str>, host: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static(host));
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            }
            from_here(&headers)
        };
        for origin in [None, Some("http://localhost:7420"), Some("https://LOCALHOST:7420")] {
            assert!(verdict(origin, "localhost:7420"), "{origin:?}");
        }
        for origin in
            ["http://localhost:3000", "http://localhost", "http://127.0.0.1:7420", "null", "", "://"]
        {
            assert!(!verdict(Some(origin), "localhost:7420"), "{origin}");
        }
        assert!(!verdict(Some("http://"), ""));
    }
}
