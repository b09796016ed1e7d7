//! Real tenants for the targets: made once, in a folder of their own, and used for as long as the process asks.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use asof_engine::{Engine, Options, Tenant};
use asof_graphql::execute_within;
use async_graphql::{Request, Response, ServerError, Value};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::contract::{batch, lines};

/// Far more than any of these questions needs: to pass it is a fault.
const DEADLINE: Duration = Duration::from_secs(20);
/// As the server has it.
const STACK: usize = 8 << 20;

pub(super) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2).thread_stack_size(STACK).enable_all().build().unwrap()
    })
}

/// An engine in a folder of its own.
pub(super) struct World {
    pub(super) engine: Engine,
    pub(super) folder: TempDir,
}

impl World {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { data: folder.path().to_owned(), ..Options::default() };
        Self { engine: runtime().block_on(Engine::open(options)).unwrap(), folder }
    }

    /// A tenant with histories of the contract.
    pub(super) fn tenant(&self, name: &str, histories: &[&str]) -> Tenant {
        runtime().block_on(async {
            let tenant = self.engine.tenant_or_create(name).await.unwrap();
            for line in histories.iter().flat_map(|history| lines(history)) {
                tenant.ingest(batch(&line)).await.unwrap();
            }
            tenant
        })
    }

    pub(super) fn close(&self) {
        runtime().block_on(self.engine.close()).unwrap();
    }
}

/// What a target keeps between its runs.
pub(super) type Kept<T> = Mutex<Option<T>>;

/// One run of a target at a time.
pub(super) fn lock<T>(kept: &Kept<T>) -> MutexGuard<'_, Option<T>> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Executes a request; whatever it is, the response is well-formed, and every error says whose fault it is.
pub(super) fn ask(tenant: &Tenant, request: Request) -> Response {
    let response = runtime().block_on(execute_within(tenant.clone(), request, DEADLINE));
    let told = serde_json::to_string(&response).unwrap_or_else(|why| panic!("no JSON: {why}: {response:?}"));
    let read: serde_json::Value = serde_json::from_str(&told).unwrap_or_else(|why| panic!("{why}: {told}"));
    assert_eq!(read["errors"].as_array().map_or(0, Vec::len), response.errors.len(), "{told}");
    for error in &response.errors {
        match code(error) {
            None => panic!("an error without a code: {told}"),
            Some("INTERNAL") => panic!("something broke: {told}"),
            Some("DEADLINE_EXCEEDED") => panic!("more work than there is in a tenant this small: {told}"),
            Some(_) => {}
        }
    }
    assert!(
        !response.data.eq(&Value::Null) || !response.errors.is_empty(),
        "neither data nor errors: {told}"
    );
    response
}

/// The error's code.
pub(super) fn code(error: &ServerError) -> Option<&str> {
    match error.extensions.as_ref()?.get("code")? {
        Value::String(code) => Some(code),
        _ => None,
    }
}
