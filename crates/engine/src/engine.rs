//! A data folder and its tenants.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration as StdDuration;

use asof_model::{Duration, Limits};
use asof_storage::{Memory, Pieces, Store};
use tokio::sync::Mutex;

use crate::answers::Answers;
use crate::gate::Gate;
use crate::session::Shared;
use crate::{EngineError, SealKey, Tenant};

/// Opening a tenant may replay its write-ahead log, which takes as long as it takes.
const OPEN_DEADLINE: StdDuration = StdDuration::from_secs(24 * 3600);
/// The tenant of calls that name none; it is there from the start.
const DEFAULT_TENANT: &str = "default";
/// Longest name of a tenant.
const TENANT_NAME_MAX: usize = 64;

/// How an engine is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data folder.
    pub data: PathBuf,
    /// How far in the future an observation may lie.
    pub future_skew: Duration,
    /// The bounds of a batch.
    pub limits: Limits,
    /// Questions that run at once; more wait.
    pub concurrent_reads: usize,
    /// Questions that wait; more are refused with [`EngineError::Busy`].
    pub waiting_reads: usize,
    /// How long a question may take, with its wait.
    pub query_deadline: StdDuration,
    /// Bytes of memory that all tenants together are to stay within.
    pub memory: u64,
    /// How large the pieces are that views are written in; it changes no answer.
    pub pieces: Pieces,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            data: PathBuf::from("./asof-data"),
            future_skew: Duration::from_secs(300),
            limits: Limits::DEFAULT,
            concurrent_reads: 64,
            waiting_reads: 256,
            query_deadline: StdDuration::from_secs(60),
            memory: Memory::BYTES_DEFAULT,
            pieces: Pieces::DEFAULT,
        }
    }
}

/// An open data folder.
#[derive(Clone)]
pub struct Engine {
    options: Arc<Options>,
    memory: Memory,
    gate: Gate,
    answers: Answers,
    tenants: Arc<Mutex<Option<HashMap<String, Tenant>>>>,
}

impl Engine {
    /// Opens the folder, or makes it, with the tenant `default` in it.
    pub async fn open(options: Options) -> Result<Self, EngineError> {
        let memory = Memory::new(options.memory);
        let gate = Gate::new(options.concurrent_reads, options.waiting_reads);
        let answers = Answers::new(memory.answer_bytes())?;
        let tenants = Arc::new(Mutex::new(Some(HashMap::new())));
        let engine = Self { options: Arc::new(options), memory, gate, answers, tenants };
        engine.tenant_or_create(DEFAULT_TENANT).await?;
        Ok(engine)
    }

    /// The tenant of this name, if there is one.
    pub async fn tenant(&self, name: &str) -> Result<Option<Tenant>, EngineError> {
        self.open_tenant(name, false).await
    }

    /// The tenant of this name.
    pub async fn tenant_or_create(&self, name: &str) -> Result<Tenant, EngineError> {
        self.open_tenant(name, true).await?.ok_or_else(|| EngineError::NoTenant(name.to_owned()))
    }

    async fn open_tenant(&self, name: &str, create: bool) -> Result<Option<Tenant>, EngineError> {
        check_name(name)?;
        let mut tenants = self.tenants.lock().await;
        let tenants = tenants.as_mut().ok_or(EngineError::Closed)?;
        if let Some(tenant) = tenants.get(name) {
            return Ok(Some(tenant.clone()));
        }
        let path = tenant_path(&self.options.data, name);
        if !create && !path.is_dir() {
            return Ok(None);
        }
        let (pieces, memory) = (self.options.pieces, self.memory.clone());
        let data = self.options.data.clone();
        let opened = self.gate.run(OPEN_DEADLINE, move |_| {
            let (store, writer) = Store::open_in(&path, pieces, &memory)?;
            // Behind the database's lock, so that no two processes make one.
            let seal = SealKey::of_folder(&data)?;
            Ok::<_, EngineError>((store, writer, seal))
        });
        let (store, writer, seal) = opened.await??;
        let shared = Shared { store, answers: self.answers.of_tenant(), seal: Arc::new(seal) };
        let tenant = Tenant::start(name, shared, writer, Arc::clone(&self.options), self.gate.clone())?;
        tenants.insert(name.to_owned(), tenant.clone());
        Ok(Some(tenant))
    }

    /// The names of all tenants, in order.
    pub async fn tenants(&self) -> Result<Vec<String>, EngineError> {
        let data = self.options.data.clone();
        self.gate.run(OPEN_DEADLINE, move |_| names(&data)).await?
    }

    /// Finishes what is enqueued, flushes and closes. Calls after it fail with [`EngineError::Closed`].
    pub async fn close(&self) -> Result<(), EngineError> {
        let Some(tenants) = self.tenants.lock().await.take() else { return Ok(()) };
        let mut outcome = Ok(());
        for tenant in tenants.into_values() {
            outcome = outcome.and(tenant.stop().await);
        }
        outcome
    }
}

/// Where a tenant's database is.
pub(crate) fn tenant_path(data: &Path, name: &str) -> PathBuf {
    data.join("tenants").join(name)
}

pub(crate) fn check_name(name: &str) -> Result<(), EngineError> {
    let fits = (1..=TENANT_NAME_MAX).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if fits { Ok(()) } else { Err(EngineError::TenantName(name.to_owned())) }
}

pub(crate) fn names(data: &Path) -> Result<Vec<String>, EngineError> {
    let folder = data.join("tenants");
    let unreadable = |error: std::io::Error| {
        EngineError::Storage(asof_storage::StorageError::Io(format!(
            "cannot read {}: {error}",
            folder.display()
        )))
    };
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
        if check_name(&name).is_ok() {
            found.push(name);
        }
    }
    found.sort();
    Ok(found)
}
