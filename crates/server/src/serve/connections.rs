//! Connections: those over HTTP/1 have a thread each, as long as there are few. There a question is answered by the thread that
//! read it, for whom nobody else waits; to hand it to another one and back takes as long as many a question. What more come
//! share the runtime's threads, and their questions go to the pool for blocking work, as do those over HTTP/2, where many share a
//! connection.

use std::convert::Infallible;
use std::io;
use std::net::TcpStream;
use std::pin::pin;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

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
use tokio::runtime::{self, Handle};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tower::ServiceExt as _;

use super::closed;
use crate::STACK;

/// Connections with a thread of their own. The allocator keeps five megabytes for each that has asked for much.
const THREADS: usize = 16;
/// How connections over HTTP/2 begin (RFC 9113, section 3.4), as far as no method does.
const HTTP2: [u8; 3] = *b"PRI";

/// The connection that a request came by. It is open as long as there are any of these.
#[derive(Clone)]
pub(super) struct Link {
    /// Where it has a thread of its own.
    own: Option<Arc<TcpStream>>,
    closing: watch::Receiver<bool>,
    cut: watch::Receiver<bool>,
    _open: mpsc::Sender<Infallible>,
}

impl Link {
    /// Where to answer a question that came by it.
    pub(super) fn place(&self, version: Version) -> Place {
        match &self.own {
            // One question after the other; a server that closes is not to answer all that were sent together first.
            Some(socket) if version < Version::HTTP_2 && !*self.closing.borrow() => {
                let (socket, cut) = (Arc::clone(socket), self.cut.clone());
                Place::Here(Arc::new(move || *cut.borrow() || has_gone(&socket)))
            }
            _ => Place::Pool,
        }
    }

    /// Ready when it is to end, whatever runs.
    pub(super) async fn cut(&self) {
        closed(self.cut.clone()).await;
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
    threads: Arc<Semaphore>,
    closing: watch::Receiver<bool>,
    cut: watch::Receiver<bool>,
    open: mpsc::Sender<Infallible>,
}

/// Takes connections until the server closes. What runs then may take so long, and is cut off; ready when all have ended.
pub(super) async fn serve(
    mut listener: TcpListener,
    app: Router,
    closing: watch::Receiver<bool>,
    drain: Duration,
) {
    let (open, mut ended) = mpsc::channel(1);
    let (cut_off, cut) = watch::channel(false);
    let shared =
        Shared { app, threads: Arc::new(Semaphore::new(THREADS)), closing: closing.clone(), cut, open };
    let mut closes = pin!(closed(closing));
    loop {
        let stream = tokio::select! {
            // It waits where there are too many open files.
            (stream, _) = Listener::accept(&mut listener) => stream,
            () = &mut closes => break,
        };
        // Small answers are not to wait for more.
        let _ = stream.set_nodelay(true);
        tokio::spawn(shared.clone().begin(stream));
    }
    drop((listener, shared));
    if tokio::time::timeout(drain, ended.recv()).await.is_err() {
        tracing::warn!("some connections did not end in time and are cut off");
        cut_off.send_replace(true);
        let _ = ended.recv().await;
    }
}

impl Shared {
    /// Finds its thread for a connection, when something comes by it.
    async fn begin(self, stream: tokio::net::TcpStream) {
        let mut first = [0; HTTP2.len()];
        let is_http2 = tokio::select! {
            read = stream.peek(&mut first) => match read {
                Ok(0) | Err(_) => return,
                Ok(_) => first == HTTP2,
            },
            () = closed(self.closing.clone()) => return,
        };
        let place = if is_http2 { None } else { Arc::clone(&self.threads).try_acquire_owned().ok() };
        let Some(place) = place else { return self.hold(stream, None).await };
        if let Err(error) = self.own_thread(stream, place) {
            tracing::warn!(%error, "a connection has no thread and is closed");
        }
    }

    /// Serves a connection from a thread of its own, or as all others where there are no files for it.
    fn own_thread(self, stream: tokio::net::TcpStream, place: OwnedSemaphorePermit) -> io::Result<()> {
        let stream = stream.into_std()?;
        let main = Handle::current();
        let work = move || {
            // Until the runtime has ended what it ran.
            let held = (place, self.open.clone());
            let runtime =
                runtime::Builder::new_current_thread().enable_all().thread_stack_size(STACK).build();
            match stream.try_clone().and_then(|socket| Ok((socket, runtime?))) {
                Ok((socket, runtime)) => runtime.block_on(self.hold_until_all_ends(stream, socket)),
                Err(error) => {
                    tracing::debug!(%error, "a connection shares a thread");
                    main.spawn(async move {
                        if let Ok(stream) = tokio::net::TcpStream::from_std(stream) {
                            self.hold(stream, None).await;
                        }
                    });
                }
            }
            drop(held);
        };
        thread::Builder::new().name("connection".to_owned()).stack_size(STACK).spawn(work)?;
        Ok(())
    }

    /// A WebSocket lives on when HTTP has ended.
    async fn hold_until_all_ends(mut self, stream: TcpStream, socket: TcpStream) {
        let Ok(stream) = tokio::net::TcpStream::from_std(stream) else { return };
        let (open, mut ended) = mpsc::channel(1);
        self.open = open;
        self.hold(stream, Some(Arc::new(socket))).await;
        let _ = ended.recv().await;
    }

    /// Answers what comes by a connection, until it ends or is upgraded; what runs when the server closes, it still answers.
    async fn hold(self, stream: tokio::net::TcpStream, own: Option<Arc<TcpStream>>) {
        let Self { app, closing, cut, open, .. } = self;
        let link = Link { own, closing: closing.clone(), cut: cut.clone(), _open: open };
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
                tokio::select! {
                    ended = connection => ended,
                    () = closed(cut) => return,
                }
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error = &*error, "a connection broke off");
        }
    }
}
