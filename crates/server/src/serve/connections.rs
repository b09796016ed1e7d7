//! Connections: each has a thread of its own, as long as there are few. There a question over HTTP/1 is answered by the thread that
//! read it, for whom nobody else waits; to hand it to another one and back takes as long as many a question. What more come
//! share the runtime's threads, and their questions go to the pool for blocking work, as all of HTTP/2 do, where many share a
//! connection.

use std::convert::Infallible;
use std::io;
use std::net::TcpStream;
use std::pin::pin;
use std::sync::Arc;
use std::thread;

use asof_engine::Place;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, Version};
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tower::ServiceExt as _;

use super::closed;
use crate::STACK;

/// Connections with a thread of their own. The allocator keeps five megabytes for each that has asked for much.
const THREADS: usize = 16;

/// The connection that a request came by. It is open as long as there are any of these.
#[derive(Clone)]
pub(super) struct Link {
    /// Where it has a thread of its own.
    own: Option<Arc<TcpStream>>,
    _open: mpsc::Sender<Infallible>,
}

impl Link {
    /// Where to answer a question that came by it.
    pub(super) fn place(&self, version: Version) -> Place {
        match &self.own {
            // One question after the other.
            Some(socket) if version < Version::HTTP_2 => {
                let socket = Arc::clone(socket);
                Place::Here(Arc::new(move || has_gone(&socket)))
            }
            _ => Place::Pool,
        }
    }
}

/// Whether the other side has closed, or reset.
fn has_gone(socket: &TcpStream) -> bool {
    match socket.peek(&mut [0]) {
        Ok(read) => read == 0,
        Err(error) => !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
    }
}

/// What all connections share.
#[derive(Clone)]
struct Shared {
    app: Router,
    closing: watch::Receiver<bool>,
}

/// Takes connections until the server closes; ready when the last one has ended.
pub(super) async fn serve(mut listener: TcpListener, app: Router, closing: watch::Receiver<bool>) {
    let threads = Arc::new(Semaphore::new(THREADS));
    let (open, mut ended) = mpsc::channel(1);
    let mut closes = pin!(closed(closing.clone()));
    let shared = Shared { app, closing };
    loop {
        let stream = tokio::select! {
            // It waits where there are too many open files.
            (stream, _) = Listener::accept(&mut listener) => stream,
            () = &mut closes => break,
        };
        // Small answers are not to wait for more.
        let _ = stream.set_nodelay(true);
        let (shared, open) = (shared.clone(), open.clone());
        if let Ok(place) = Arc::clone(&threads).try_acquire_owned() {
            if let Err(error) = own_thread(stream, shared, open, place) {
                tracing::warn!(%error, "a connection has no thread and is closed");
            }
        } else {
            tokio::spawn(async move { shared.hold(stream, Link { own: None, _open: open }).await });
        }
    }
    drop((listener, open));
    let _ = ended.recv().await;
}

/// Serves a connection from a thread of its own.
fn own_thread(
    stream: tokio::net::TcpStream,
    shared: Shared,
    all: mpsc::Sender<Infallible>,
    place: OwnedSemaphorePermit,
) -> io::Result<()> {
    let stream = stream.into_std()?;
    let socket = Arc::new(stream.try_clone()?);
    let serve = async move {
        let stream = tokio::net::TcpStream::from_std(stream)?;
        let (open, mut ended) = mpsc::channel(1);
        shared.hold(stream, Link { own: Some(socket), _open: open }).await;
        // A WebSocket lives on here.
        let _ = ended.recv().await;
        Ok::<_, io::Error>(())
    };
    let work = move || {
        let _held = (all, place);
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().thread_stack_size(STACK).build();
        if let Err(error) = runtime.and_then(|runtime| runtime.block_on(serve)) {
            tracing::warn!(%error, "a connection cannot be served and is closed");
        }
    };
    thread::Builder::new().name("connection".to_owned()).stack_size(STACK).spawn(work)?;
    Ok(())
}

impl Shared {
    /// Answers what comes by a connection, until it ends or is upgraded; what runs when the server closes, it still answers.
    async fn hold(self, stream: tokio::net::TcpStream, link: Link) {
        let Self { app, closing } = self;
        let service = app.map_request(move |request: Request<Incoming>| {
            let mut request = request.map(Body::new);
            request.extensions_mut().insert(link.clone());
            request
        });
        let builder = Builder::new(TokioExecutor::new());
        let connection =
            builder.serve_connection_with_upgrades(TokioIo::new(stream), TowerToHyperService::new(service));
        let mut connection = pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = closed(closing) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error = &*error, "a connection broke off");
        }
    }
}
