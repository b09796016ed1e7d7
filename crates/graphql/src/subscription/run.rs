//! Drives a subscription: step by step through the engine's gate, into a bounded queue.
//!
//! A step is a request of its own, on the thread that the gate gave: it tells what follows the subscription's place, and ends
//! when that is all, or it has taken its share of time or bytes. Between steps nothing is held but the place. While the queue is
//! full nothing is evaluated: the ledger is what waits.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use asof_engine::{EngineError, Place, Session, Tenant};
use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, Selection};
use async_graphql::{Request, Response, ServerError, Value, Variables};
use futures_executor::block_on;
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::feed::Feed;
use crate::asked::Asked;
use crate::execute::{SCHEMA, is_request_error, nowhere, settle};
use crate::failure::{DEADLINE, Failure, INTERNAL, SLOW_READER, VALIDATION_FAILED};
use crate::limits::{EVENT_BYTES, QUEUE_BYTES, QUEUE_EVENTS, STEP_BYTES, STEP_DEADLINE, STEPS_AT_ONCE};
use crate::operation::{OperationType, operation};

/// Steps take few of the gate's places, so that however many subscriptions there are, questions find one.
static STEPS: Semaphore = Semaphore::const_new(STEPS_AT_ONCE);

/// What a subscriber is told; after an error there is nothing more.
#[derive(Debug)]
pub enum Told {
    /// An event: a GraphQL response.
    Next(Box<RawValue>),
    /// Why it ended: a list of GraphQL errors.
    Error(Box<RawValue>),
}

impl Told {
    /// What is told instead, where the engine did not take the request.
    pub fn refusal(error: EngineError) -> Self {
        Self::Error(to_raw_value(&[nowhere(error.into())]).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }
}

/// What a request over a lasting connection is answered with, one after the other; the end is its completion. Dropped, it stops
/// working.
#[derive(Debug)]
pub struct Subscribed {
    queue: mpsc::Receiver<Queued>,
    /// How it ends: by errors, or by itself.
    work: Option<JoinHandle<Vec<ServerError>>>,
}

#[derive(Debug)]
struct Queued {
    event: Box<RawValue>,
    /// Its bytes' place in the queue.
    _bytes: OwnedSemaphorePermit,
}

/// Answers a request from a tenant for as long as it goes on: a subscription until it fails or is dropped, a query once. A
/// reader who leaves the queue full for `slow_after` is cut off.
pub fn subscribe(tenant: Tenant, request: impl Into<Request>, slow_after: Duration) -> Subscribed {
    let (sender, queue) = mpsc::channel(QUEUE_EVENTS);
    let bytes = Arc::new(Semaphore::new(QUEUE_BYTES as usize));
    let queue_in = Queue { sender, bytes, slow_after };
    let work = tokio::spawn(answer(tenant, request.into(), queue_in));
    Subscribed { queue, work: Some(work) }
}

impl Stream for Subscribed {
    type Item = Told;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Told>> {
        if let Some(queued) = ready!(self.queue.poll_recv(context)) {
            return Poll::Ready(Some(Told::Next(queued.event)));
        }
        let Some(work) = &mut self.work else { return Poll::Ready(None) };
        let ended = ready!(work.poll_unpin(context));
        self.work = None;
        let errors = ended.unwrap_or_else(|error| {
            tracing::error!(%error, "a subscription failed");
            vec![nowhere(Failure::new(INTERNAL, "it stopped unexpectedly; see the server's log"))]
        });
        Poll::Ready(if errors.is_empty() { None } else { to_raw_value(&errors).ok().map(Told::Error) })
    }
}

impl Drop for Subscribed {
    fn drop(&mut self) {
        if let Some(work) = &self.work {
            work.abort();
        }
    }
}

/// The near end of the queue.
struct Queue {
    sender: mpsc::Sender<Queued>,
    bytes: Arc<Semaphore>,
    slow_after: Duration,
}

impl Queue {
    /// Puts an event in its place, once there is one; `false` where there is none for too long.
    async fn put(&self, event: Box<RawValue>) -> bool {
        let length = u32::try_from(event.get().len()).unwrap_or(u32::MAX).clamp(1, QUEUE_BYTES);
        let waiting = async {
            let bytes = Arc::clone(&self.bytes).acquire_many_owned(length).await.ok()?;
            // Where nobody is left to read, this work is dropped, too.
            self.sender.send(Queued { event, _bytes: bytes }).await.ok()
        };
        tokio::time::timeout(self.slow_after, waiting).await.is_ok()
    }
}

/// Until it ends, by itself or by these errors.
async fn answer(tenant: Tenant, mut request: Request, queue: Queue) -> Vec<ServerError> {
    match operation(&mut request) {
        Ok(OperationType::Subscription) => {}
        Ok(_) => return once(tenant, request, &queue).await,
        Err(error) => return vec![error],
    }
    match Asking::of(request) {
        Ok(asking) => follow(&tenant, asking, &queue).await,
        Err(failure) => vec![nowhere(failure)],
    }
}

async fn once(tenant: Tenant, request: Request, queue: &Queue) -> Vec<ServerError> {
    let response = crate::execute(tenant, request).await;
    if is_request_error(&response) {
        return response.errors;
    }
    let event = match to_raw_value(&response) {
        Ok(event) => event,
        Err(error) => return vec![nowhere(unwritable(&error))],
    };
    if queue.put(event).await { Vec::new() } else { vec![slow(queue, None)] }
}

async fn follow(tenant: &Tenant, asking: Asking, queue: &Queue) -> Vec<ServerError> {
    let (asking, feed) = (Arc::new(asking), Feed::default());
    let mut sizes = tenant.watch();
    loop {
        // Seen before the step: what is published after it wakes the wait below.
        let size = *sizes.borrow_and_update();
        let before = feed.lock().position();
        let step = match step(tenant, &asking, &feed).await {
            Ok(step) => step,
            // What it had told is told again.
            Err(error) => return resumable(vec![nowhere(error.into())], before),
        };
        for (event, from) in step.events {
            if !queue.put(event).await {
                return vec![slow(queue, Some(from))];
            }
        }
        let position = feed.lock().position();
        match (step.errors, position) {
            (Some(errors), _) => return errors,
            (None, None) => return Vec::new(),
            (None, Some(position)) if position < size => continue,
            (None, Some(_)) => {}
        }
        if sizes.changed().await.is_err() {
            return resumable(vec![nowhere(EngineError::Closed.into())], position);
        }
    }
}

/// A subscription as it was asked for.
struct Asking {
    document: ExecutableDocument,
    operation: Option<String>,
    variables: Variables,
}

impl Asking {
    fn of(mut request: Request) -> Result<Self, Failure> {
        let document =
            request.parsed_query().map_err(|error| Failure::new(VALIDATION_FAILED, error.message))?;
        let document = document.clone();
        single_root(&document, request.operation_name.as_deref())?;
        Ok(Self { document, operation: request.operation_name, variables: request.variables })
    }

    fn request(&self) -> Request {
        let mut request = Request::new("").variables(self.variables.clone());
        request.operation_name.clone_from(&self.operation);
        request.set_parsed_query(self.document.clone());
        request
    }
}

/// A subscription selects one field, and that at its root itself.
fn single_root(document: &ExecutableDocument, name: Option<&str>) -> Result<(), Failure> {
    let asked = match (&document.operations, name) {
        (DocumentOperations::Single(only), _) => Some(only),
        (DocumentOperations::Multiple(all), Some(name)) => all.get(name),
        (DocumentOperations::Multiple(all), None) => all.values().next(),
    };
    let items = asked.map_or(&[][..], |asked| &asked.node.selection_set.node.items);
    match items {
        [only] if matches!(only.node, Selection::Field(_)) => Ok(()),
        _ => Err(Failure::new(
            VALIDATION_FAILED,
            "a subscription selects one field, `records` or `matches`, and no fragment at its root",
        )),
    }
}

/// What one step told.
#[derive(Default)]
struct Step {
    /// Each event, and where it goes on from, were it told again.
    events: Vec<(Box<RawValue>, u64)>,
    /// Why the subscription ends behind these.
    errors: Option<Vec<ServerError>>,
}

async fn step(tenant: &Tenant, asking: &Arc<Asking>, feed: &Feed) -> Result<Step, EngineError> {
    let _place = STEPS.acquire().await.map_err(|_| EngineError::Closed)?;
    let (asking, feed, name) = (Arc::clone(asking), feed.clone(), tenant.name().to_owned());
    tenant
        .run(Place::Pool, STEP_DEADLINE, move |session| {
            // Resolvers do not wait: this drives them on the thread that the gate gave.
            block_on(told(&asking, &feed, session, name))
        })
        .await
}

async fn told(asking: &Asking, feed: &Feed, session: Arc<Session>, tenant: String) -> Step {
    feed.lock().begin_step();
    let request = asking.request().data(Asked { session, tenant, made: None }).data(feed.clone());
    let mut responses = SCHEMA.0.execute_stream(request);
    let (mut step, mut bytes) = (Step::default(), 0);
    while bytes < STEP_BYTES
        && let Some(mut response) = responses.next().await
    {
        settle(&mut response);
        let (from, position) = {
            let mut stand = feed.lock();
            (stand.take_told(), stand.position())
        };
        let Some(from) = from.filter(|_| !is_fatal(&response)) else {
            step.errors = Some(resumable(response.errors, from.or(position)));
            break;
        };
        match to_raw_value(&response) {
            Ok(event) if event.get().len() as u64 <= EVENT_BYTES => {
                bytes += event.get().len();
                step.events.push((event, from));
            }
            other => {
                let failure = match other {
                    Ok(event) => {
                        let length = event.get().len() as u64;
                        Failure::limit("an event of bytes", length, EVENT_BYTES, "event_bytes")
                    }
                    Err(error) => unwritable(&error),
                };
                step.errors = Some(resumable(vec![nowhere(failure)], Some(from)));
                break;
            }
        }
    }
    step
}

/// The request itself is wrong, or the event may well be told another time.
fn is_fatal(response: &Response) -> bool {
    let passing = |error: &ServerError| {
        let code = error.extensions.as_ref().and_then(|values| values.get("code"));
        matches!(code, Some(Value::String(code)) if [DEADLINE, INTERNAL].contains(&code.as_str()))
    };
    is_request_error(response) || response.errors.iter().any(passing)
}

/// Says where to go on.
fn resumable(mut errors: Vec<ServerError>, from: Option<u64>) -> Vec<ServerError> {
    if let Some(from) = from {
        for error in &mut errors {
            error.extensions.get_or_insert_default().set("resumeFrom", from);
        }
    }
    errors
}

fn slow(queue: &Queue, from: Option<u64>) -> ServerError {
    let resume = from.map_or_else(String::new, |from| format!(": subscribe again with fromIndex {from}"));
    let message = format!(
        "events waited for {:?} and were not taken, so the subscription is cut off{resume}",
        queue.slow_after
    );
    let failure = Failure::new(SLOW_READER, message);
    nowhere(match from {
        Some(from) => failure.with("resumeFrom", from),
        None => failure,
    })
}

fn unwritable(error: &serde_json::Error) -> Failure {
    Failure::new(INTERNAL, format!("the answer cannot be written: {error}"))
}
