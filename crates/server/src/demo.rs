//! `asof demo`: a server with the sample organisation in it, and five questions about it.
//!
//! All of it goes the way that anyone's data and questions go: batches over gRPC, questions by POST to `/graphql`.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Instant;

use asof_grpc::DEFAULT_TENANT;
use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::Failure;
use crate::ask::from_server;
use crate::generate::into_server;
use crate::sample::organisation;
use crate::sample::questions::{QUESTIONS, Question};
use crate::serve::{self, Running};

/// Characters of a line, at most.
const WIDTH: u16 = 132;

/// Load a sample organisation, answer five questions about it, and serve on until Ctrl-C
///
/// The organisation is made up from a fixed seed. Its batches have ids, so that a second run finds them in the data folder
/// and changes nothing.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example: asof demo --data /tmp/asof-demo --listen 127.0.0.1:0 --exit")]
pub struct DemoArgs {
    /// The data folder
    #[arg(long, env = "ASOF_DATA", default_value = "./asof-data")]
    pub data: PathBuf,
    /// Where to serve; port 0 takes a free one
    #[arg(long, env = "ASOF_LISTEN", default_value = "127.0.0.1:7420")]
    pub listen: SocketAddr,
    /// End after the tables
    #[arg(long)]
    pub exit: bool,
}

/// Serves, loads, asks, prints; then ends, or serves on.
pub async fn run(args: &DemoArgs) -> Result<(), Failure> {
    let running = serve::start(serve::Options::new(args.listen, args.data.clone())).await?;
    let shown = show(&running, args).await;
    if args.exit || shown.is_err() {
        running.stop().await?;
        return shown;
    }
    writeln!(std::io::stdout(), "Serving on until Ctrl-C.")?;
    running.until_signalled().await?;
    Ok(())
}

async fn show(running: &Running, args: &DemoArgs) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    let address = running.addr.to_string();
    load(&address, args, &mut out).await?;
    for (number, question) in QUESTIONS.iter().enumerate() {
        let answer = ask(&address, question.graphql).await?;
        print(&mut out, number + 1, question, &answer)?;
    }
    let ledger = &ask(&address, "{ ledger { size root } }").await?["ledger"];
    writeln!(
        out,
        "Every answer is of T = {} and K = {} records, whose Merkle root is",
        organisation::ASKED_AT,
        ledger["size"]
    )?;
    writeln!(out, "{}.", ledger["root"].as_str().unwrap_or_default())?;
    writeln!(out, "Asked again at the same T and K, it will be the same answer.\n")?;
    writeln!(out, "GraphiQL, to ask on: http://{address}/")?;
    Ok(())
}

/// Over gRPC; what is there already stays as it is.
async fn load(address: &str, args: &DemoArgs, out: &mut impl Write) -> Result<(), Failure> {
    let started = Instant::now();
    let (mut new, mut known, mut records) = (0, 0, 0);
    let loaded = into_server(address, DEFAULT_TENANT, organisation::batches().into_iter(), |receipt| {
        if receipt.duplicate_batch {
            known += 1;
        } else {
            new += 1;
            records += receipt.ledger_size - receipt.first_index;
        }
    })
    .await;
    let data = args.data.display();
    loaded.map_err(|error| match error.downcast_ref::<Status>().map(Status::code) {
        Some(Code::FailedPrecondition) => {
            format!("{data} holds another version's sample; name a new folder with --data ({error})").into()
        }
        _ => error,
    })?;
    if new > 0 {
        let seconds = started.elapsed().as_secs_f64();
        writeln!(
            out,
            "The sample organisation, {records} records in {new} batches, is in {data} ({seconds:.1} s)."
        )?;
    }
    if known > 0 {
        writeln!(
            out,
            "{known} batches of the sample organisation were in {data} already: sent again, they changed nothing."
        )?;
    }
    writeln!(out)?;
    Ok(())
}

/// The question, its text, its answer as a table.
fn print(out: &mut impl Write, number: usize, question: &Question, data: &Value) -> std::io::Result<()> {
    writeln!(out, "{number}. {}\n", question.asks)?;
    for line in question.graphql.lines() {
        writeln!(out, "    {line}")?;
    }
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(WIDTH).set_header(question.head);
    table.add_rows((question.rows)(data));
    writeln!(out, "\n{table}")?;
    if !question.note.is_empty() {
        writeln!(out, "{}", question.note)?;
    }
    writeln!(out, "\n")
}

/// Posts a question; gives the answer's data.
async fn ask(address: &str, graphql: &str) -> Result<Value, Failure> {
    let mut answer = from_server(address, DEFAULT_TENANT, json!({ "query": graphql })).await?;
    match answer.get("errors") {
        Some(errors) => Err(format!("the question\n{graphql}\nfailed: {errors}").into()),
        None => Ok(answer["data"].take()),
    }
}
