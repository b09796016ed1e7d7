//! `asof query`: asks a server, or a data folder directly.

mod build;
mod table;

use std::io::Read as _;
use std::path::PathBuf;
use std::process::ExitCode;

use asof_engine::{Engine, Options};
use clap::Args;
use serde_json::{Value, json};

use crate::Failure;
use crate::output::say;

pub(crate) use build::Question;
pub(crate) use table::tables;

/// Ask a question: GraphQL text, or the common question from flags, answered as a table or as JSON
///
/// The text may be given as such, as @FILE, or as - for stdin. Without a text, --held, --used and their like build one.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Examples:\n  asof query --held write --used write --at 2026-03-20T12:00:00Z\n  asof query --held admin \
                  --not-used --last 90d --observed\n  asof query '{ ledger { size root } }' --json\n  asof query \
                  @question.graphql --variables '{\"id\": \"ci/deploy\"}' --data ./asof-data"
)]
pub(crate) struct QueryArgs {
    /// GraphQL text, @FILE, or - for stdin
    #[arg(conflicts_with_all = ["held", "used"])]
    text: Option<String>,
    #[command(flatten)]
    question: Question,
    /// The text's variables, as a JSON object
    #[arg(long, requires = "text")]
    variables: Option<String>,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    /// Print the GraphQL text that is asked, to stderr, first
    #[arg(long)]
    show_graphql: bool,
    /// A running server
    #[arg(long, env = "ASOF_SERVER", default_value = "http://127.0.0.1:7420", conflicts_with = "data")]
    server: String,
    /// A data folder that no server has open, instead of a server
    #[arg(long)]
    data: Option<PathBuf>,
    /// The tenant
    #[arg(long, env = "ASOF_TENANT", default_value = asof_grpc::DEFAULT_TENANT)]
    tenant: String,
}

/// Asks and prints.
pub(crate) async fn run(args: &QueryArgs) -> Result<ExitCode, Failure> {
    let text = match &args.text {
        Some(text) => read(text)?,
        None => args.question.graphql()?,
    };
    let variables: Value = match &args.variables {
        Some(text) => {
            serde_json::from_str(text).map_err(|error| format!("--variables is no JSON object: {error}"))?
        }
        None => json!({}),
    };
    if args.show_graphql {
        use std::io::Write as _;
        writeln!(std::io::stderr(), "{text}")?;
    }
    let body = json!({"query": text, "variables": variables});
    let answer = match &args.data {
        Some(data) => from_folder(data.clone(), &args.tenant, body).await?,
        None => from_server(&args.server, &args.tenant, body).await?,
    };
    if args.json {
        say(&serde_json::to_string_pretty(&answer)?)?;
    } else if let Some(data) = answer.get("data").filter(|data| !data.is_null()) {
        say(&tables(data))?;
    }
    let errors = answer.get("errors").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    match errors.iter().map(said).collect::<Vec<_>>().join("\n") {
        none if none.is_empty() => Ok(ExitCode::SUCCESS),
        errors => Err(errors.into()),
    }
}

/// An error of an answer.
fn said(error: &Value) -> String {
    let message = error.get("message").and_then(Value::as_str).unwrap_or("an error without a message");
    match error.pointer("/extensions/code").and_then(Value::as_str) {
        Some(code) => format!("{message} ({code})"),
        None => message.to_owned(),
    }
}

fn read(text: &str) -> Result<String, Failure> {
    if text == "-" {
        let mut all = String::new();
        std::io::stdin().read_to_string(&mut all)?;
        return Ok(all);
    }
    match text.strip_prefix('@') {
        Some(path) => {
            Ok(std::fs::read_to_string(path).map_err(|error| format!("cannot read {path}: {error}"))?)
        }
        None => Ok(text.to_owned()),
    }
}

/// Asks a running server.
pub(crate) async fn from_server(server: &str, tenant: &str, body: Value) -> Result<Value, Failure> {
    let base = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
    let url = format!("{}/graphql", base.trim_end_matches('/'));
    let tenant = tenant.to_owned();
    tokio::task::spawn_blocking(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let asked = agent.post(&url).header(asof_grpc::TENANT_HEADER, tenant).send_json(body);
        let mut answer = asked
            .map_err(|error| format!("nobody answers at {url}: is `asof serve` running there? ({error})"))?;
        let status = answer.status();
        let text = answer.body_mut().with_config().limit(u64::MAX).read_to_string()?;
        serde_json::from_str(&text).map_err(|_| format!("{url} answers {status}: {}", text.trim()).into())
    })
    .await?
}

/// Asks a data folder, without a server.
async fn from_folder(data: PathBuf, tenant: &str, body: Value) -> Result<Value, Failure> {
    if !data.is_dir() {
        return Err(format!("there is no data folder {}", data.display()).into());
    }
    let engine = Engine::open(Options { data, ..Options::default() }).await?;
    let answered = match engine.tenant(tenant).await {
        Ok(Some(tenant)) => {
            Ok(asof_graphql::execute(tenant, serde_json::from_value::<async_graphql::Request>(body)?).await)
        }
        Ok(None) => Err(asof_engine::EngineError::NoTenant(tenant.to_owned())),
        Err(error) => Err(error),
    };
    engine.close().await?;
    Ok(serde_json::to_value(answered?)?)
}
