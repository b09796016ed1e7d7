//! `asof serve`: GraphQL, GraphiQL, gRPC, health and reflection on one port.

mod connections;
mod graphql;
mod guard;
mod http;
mod ws;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use asof_engine::{Engine, Options as EngineOptions};
use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Failure;
use crate::output::say;
use ws::Sockets;

/// How long open connections may take to end once the server closes.
const DRAIN: Duration = Duration::from_secs(10);

/// Serve a data folder: GraphQL at /graphql, GraphiQL at /, gRPC, health and reflection, all on one port
///
/// Listens on loopback alone, and refuses any other address: there is neither TLS nor authentication yet. SIGTERM and
/// Ctrl-C finish what is acknowledged, flush and close.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example: asof serve --listen 127.0.0.1:7420 --data ./asof-data")]
pub(crate) struct ServeArgs {
    /// Where to listen: a loopback address; port 0 takes a free one
    #[arg(long, env = "ASOF_LISTEN", default_value = "127.0.0.1:7420")]
    listen: String,
    /// The data folder; made where it is not there
    #[arg(long, env = "ASOF_DATA", default_value = "./asof-data")]
    data: PathBuf,
    /// Bytes of memory to stay within, for all tenants together, such as 2GiB; what is kept in memory shrinks and grows with it
    #[arg(long, env = "ASOF_MEMORY", default_value = "2GiB", value_parser = memory)]
    memory: u64,
    /// How far in the future an observation may lie, such as 5m
    #[arg(long, env = "ASOF_FUTURE_SKEW", default_value = "5m", value_parser = crate::times::duration)]
    future_skew: asof_model::Duration,
    /// Questions that are answered at once; more wait
    #[arg(long, env = "ASOF_CONCURRENT_READS", default_value_t = EngineOptions::default().concurrent_reads)]
    concurrent_reads: usize,
    /// Questions that wait for their turn; more are refused with BUSY
    #[arg(long, env = "ASOF_WAITING_READS", default_value_t = EngineOptions::default().waiting_reads)]
    waiting_reads: usize,
    /// How long a question may take, with its wait, such as 60s
    #[arg(long, env = "ASOF_QUERY_DEADLINE", default_value = "60s", value_parser = crate::times::duration)]
    query_deadline: asof_model::Duration,
    /// How long a subscriber may leave what is queued for it untouched before it is cut off, such as 30s
    #[arg(long, env = "ASOF_SLOW_READER", default_value = "30s", value_parser = crate::times::duration)]
    slow_reader: asof_model::Duration,
}

/// Bytes, with or without a unit.
fn memory(text: &str) -> Result<u64, String> {
    let said: bytesize::ByteSize = text.parse().map_err(|_| "a size such as 512MiB or 2GiB".to_owned())?;
    let (bytes, least) = (said.as_u64(), asof_engine::Memory::BYTES_MIN);
    if bytes < least {
        return Err(format!("at least {} are needed", bytesize::ByteSize(least).display().iec()));
    }
    Ok(bytes)
}

/// What is served, and where.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    listen: String,
    engine: EngineOptions,
    /// How long a subscriber may leave its queue full.
    slow_reader: Duration,
}

impl Options {
    /// A data folder at an address.
    pub(crate) fn new(listen: SocketAddr, data: PathBuf) -> Self {
        Self {
            listen: listen.to_string(),
            engine: EngineOptions { data, ..EngineOptions::default() },
            slow_reader: asof_graphql::SLOW_AFTER,
        }
    }
}

/// Serves until it is told to stop.
pub(crate) async fn run(args: &ServeArgs) -> Result<ExitCode, Failure> {
    let engine = EngineOptions {
        data: args.data.clone(),
        memory: args.memory,
        future_skew: args.future_skew,
        concurrent_reads: args.concurrent_reads,
        waiting_reads: args.waiting_reads,
        query_deadline: Duration::from_nanos(args.query_deadline.nanos().unsigned_abs()),
        ..EngineOptions::default()
    };
    let slow_reader = Duration::from_nanos(args.slow_reader.nanos().unsigned_abs());
    let running = start(Options { listen: args.listen.clone(), engine, slow_reader }).await?;
    say(&format!("asof listening on http://{} (GraphQL and GraphiQL, gRPC)", running.addr))?;
    running.until_signalled().await?;
    Ok(ExitCode::SUCCESS)
}

/// A server that answers.
pub(crate) struct Running {
    /// Where.
    pub(crate) addr: SocketAddr,
    close: watch::Sender<bool>,
    serving: JoinHandle<Result<(), Failure>>,
}

/// Takes the port, opens the folder, and answers from then on.
pub(crate) async fn start(options: Options) -> Result<Running, Failure> {
    let listen = &options.listen;
    let listener = TcpListener::bind(&*loopback(listen).await?)
        .await
        .map_err(|error| format!("cannot listen on {listen}: {error}"))?;
    let addr = listener.local_addr()?;
    let engine = Engine::open(options.engine.clone()).await?;
    let (close, closing) = watch::channel(false);
    let serving = tokio::spawn(serve(listener, engine, options, closing));
    Ok(Running { addr, close, serving })
}

impl Running {
    /// Takes nothing more, finishes what is acknowledged, flushes and closes.
    pub(crate) async fn stop(self) -> Result<(), Failure> {
        self.close.send_replace(true);
        self.serving.await?
    }

    /// Serves until Ctrl-C or SIGTERM, then stops.
    pub(crate) async fn until_signalled(mut self) -> Result<(), Failure> {
        tokio::select! {
            ended = &mut self.serving => return ended?,
            () = signalled() => tracing::info!("closing"),
        }
        self.stop().await
    }
}

async fn serve(
    listener: TcpListener,
    engine: Engine,
    options: Options,
    closing: watch::Receiver<bool>,
) -> Result<(), Failure> {
    let sockets = Sockets::new(engine.clone(), closing.clone(), options.slow_reader);
    let app = http::router(&engine, &options.engine, sockets, closing.clone());
    connections::serve(listener, app, closing, DRAIN).await;
    engine.close().await?;
    Ok(())
}

/// Ready once the server is told to close; or its owner is gone, which is the same.
async fn closed(mut closing: watch::Receiver<bool>) {
    let _ = closing.wait_for(|closing| *closing).await;
}

/// The addresses of a name, all of them loopback.
async fn loopback(listen: &str) -> Result<Vec<SocketAddr>, Failure> {
    let addresses: Vec<SocketAddr> = tokio::net::lookup_host(listen)
        .await
        .map_err(|error| format!("--listen {listen:?} is no address such as 127.0.0.1:7420: {error}"))?
        .collect();
    match addresses.iter().find(|address| !is_loopback(address.ip())) {
        Some(open) => Err(format!(
            "refusing to listen on {open}: there is neither TLS nor authentication yet, so only loopback addresses \
             are served (127.0.0.1, [::1], localhost)"
        )
        .into()),
        None => Ok(addresses),
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// Ready on Ctrl-C and SIGTERM.
async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    let interrupted = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminated) => {
            tokio::select! { _ = interrupted => {}, _ = terminated.recv() => {} }
        }
        Err(error) => {
            tracing::warn!(%error, "SIGTERM cannot be heard; Ctrl-C ends the server");
            let _ = interrupted.await;
        }
    }
}
