//! A client of graphql-transport-ws.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value as Json, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// Whatever is awaited comes sooner than this, or the test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// An upgrade request for the protocol, to which more headers may be given.
pub fn upgrade(address: &str, headers: &[(&'static str, &str)]) -> Request {
    let mut request = format!("ws://{address}/graphql").into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request
}

/// A connection.
pub struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Opens a connection with this upgrade request, and says nothing.
    pub async fn open(address: &str, request: Request) -> Result<Self, Error> {
        let socket = TcpSocket::new_v4().unwrap();
        // A small one, so that a reader who stops is noticed soon.
        socket.set_recv_buffer_size(32 << 10).unwrap();
        let stream = socket.connect(address.parse().unwrap()).await.unwrap();
        Ok(Self(client_async(request, stream).await?.0))
    }

    /// A connection that was acknowledged.
    pub async fn ready(address: &str, tenant: &str) -> Self {
        let mut socket = Self::open(address, upgrade(address, &[("asof-tenant", tenant)])).await.unwrap();
        socket.say(&json!({"type": "connection_init"})).await;
        assert_eq!(socket.hear().await, json!({"type": "connection_ack"}));
        socket
    }

    pub async fn say(&mut self, message: &Json) {
        self.say_text(message.to_string()).await;
    }

    pub async fn say_text(&mut self, text: String) {
        self.0.send(Message::Text(text.into())).await.unwrap();
    }

    pub async fn say_message(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    pub async fn subscribe(&mut self, id: &str, query: &str, variables: Json) {
        let payload = json!({"query": query, "variables": variables});
        self.say(&json!({"type": "subscribe", "id": id, "payload": payload})).await;
    }

    /// The next message, or the code and reason with which the server closed.
    pub async fn next(&mut self) -> Result<Json, (u16, String)> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.0.next())
                .await
                .unwrap_or_else(|_| panic!("nothing comes"));
            match next {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(Some(frame)))) => {
                    return Err((frame.code.into(), frame.reason.to_string()));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                other => return Err((0, format!("{other:?}"))),
            }
        }
    }

    /// The next message.
    pub async fn hear(&mut self) -> Json {
        self.next().await.unwrap_or_else(|closed| panic!("closed: {closed:?}"))
    }

    /// The close code.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Err(closed) = self.next().await {
                return closed;
            }
        }
    }

    /// The next event of the only subscription; or its errors.
    pub async fn event(&mut self) -> Result<Json, Json> {
        let mut message = self.hear().await;
        let payload = message["payload"].take();
        match message["type"].as_str() {
            Some("next") if payload.get("errors").is_none() => Ok(payload["data"].clone()),
            Some("next" | "error") => Err(payload),
            _ => panic!("neither event nor error: {message}"),
        }
    }
}
