//! The floor: a server that reads a request and sends an answer of 100 nodes that was ready before. What it takes is what
//! HTTP, loopback and the client take.

use std::io::BufRead as _;
use std::process::{Child, Command, Stdio};

use asof_server::sample::workload::identity_id;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use serde_json::json;

use crate::Failure;

/// The stub as a child process, ended where it is dropped.
pub struct Stub {
    child: Child,
    address: String,
}

impl Stub {
    pub fn start() -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.arg("--stub").stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let mut address = String::new();
        if let Some(out) = child.stdout.as_mut() {
            std::io::BufReader::new(out).read_line(&mut address)?;
        }
        Ok(Self { child, address: address.trim().to_owned() })
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Stub {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What the child does: prints its address, and answers until it is ended.
pub fn serve() -> Result<(), Failure> {
    let nodes: Vec<_> = (0..100).map(|number| json!({ "id": identity_id(number) })).collect();
    let body = json!({ "data": { "list": { "totalCount": 100, "nodes": nodes } } }).to_string();
    let body = Bytes::from(body);
    let answer = move |_request: Bytes| async move { ([(CONTENT_TYPE, "application/json")], body) };
    let router = axum::Router::new().route("/graphql", post(answer));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        println!("{}", listener.local_addr()?);
        axum::serve(listener, router).await?;
        Ok(())
    })
}
