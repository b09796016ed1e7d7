//! A workload made ahead and taken in by a fresh server.

use std::path::{Path, PathBuf};

use asof_server::sample::workload::Workload;

use crate::Failure;
use crate::feed::{self, Feed, Form, Making};
use crate::report::Ingest;
use crate::rows::Rows;
use crate::server::{Program, Server, bytes_below, own_cpu_seconds};
use crate::subjects::Subjects;

pub const TENANT: &str = asof_grpc::DEFAULT_TENANT;

/// A data folder with the whole workload, its server closed, and what is to be asked of it.
pub struct Loaded {
    pub subjects: Subjects,
    /// Posture, then observations, plain ones first where they were sent too.
    pub ingests: Vec<Ingest>,
}

/// What is to be loaded, and where.
pub struct Load<'a> {
    pub asof: &'a Program,
    pub workload: Workload,
    pub subjects: usize,
    /// A folder that is not there yet.
    pub data: PathBuf,
    /// For what is made ahead; emptied again.
    pub scratch: &'a Path,
    /// Plain observations, too: into a copy of the folder, which goes again.
    pub plain: bool,
    /// Where other engines' rows go.
    pub rows: Option<&'a Path>,
}

impl Load<'_> {
    pub fn run(&self) -> Result<Loaded, Failure> {
        let mut subjects = Subjects::new(self.workload, self.subjects);
        let mut rows = self.rows.map(Rows::create).transpose()?;
        let making = |name: &str, form| Making::create(self.scratch.join(name), form);
        let mut posture = making("posture", Form::Plain)?;
        for batch in self.workload.posture() {
            subjects.see(&batch);
            rows.as_mut().map_or(Ok(()), |rows| rows.put(&batch))?;
            posture.put(batch)?;
        }
        let mut packed = making("packed", Form::Packed)?;
        let mut plain = if self.plain { Some(making("plain", Form::Plain)?) } else { None };
        for batch in self.workload.runtime() {
            subjects.see(&batch);
            rows.as_mut().map_or(Ok(()), |rows| rows.put(&batch))?;
            if let Some(plain) = &mut plain {
                plain.put(batch.clone())?;
            }
            packed.put(batch)?;
        }
        rows.map_or(Ok(()), Rows::close)?;
        let (posture, packed) = (posture.done()?, packed.done()?);
        let mut ingests = vec![ingest("posture (facts)", self.asof, &self.data, &posture)?];
        if let Some(plain) = plain {
            let plain = plain.done()?;
            let copy = self.scratch.join("copy");
            copy_folder(&self.data, &copy)?;
            ingests.push(ingest("observations, plain", self.asof, &copy, &plain)?);
            std::fs::remove_dir_all(&copy)?;
            plain.remove()?;
        }
        ingests.push(ingest("observations, packed", self.asof, &self.data, &packed)?);
        posture.remove()?;
        packed.remove()?;
        Ok(Loaded { subjects, ingests })
    }
}

/// Starts a server, sends it all, stops it, and says what it was.
fn ingest(what: &'static str, asof: &Program, data: &Path, feed: &Feed) -> Result<Ingest, Failure> {
    let before = if data.exists() { bytes_below(data)? } else { 0 };
    let server = Server::start(asof, data)?;
    let (of_server, of_client) = (server.cpu_seconds(), own_cpu_seconds());
    let took = feed::send(server.address(), TENANT, feed)?;
    let client_cpu = own_cpu_seconds() - of_client;
    let resident_mb = server.resident_mb();
    // What is put together after the last acknowledgement belongs to these records, too.
    server.rest()?;
    let server_cpu = server.cpu_seconds() - of_server;
    server.stop()?;
    Ok(Ingest {
        what,
        records: feed.records,
        seconds: took.as_secs_f64(),
        resident_mb,
        bytes: bytes_below(data)?.saturating_sub(before),
        wire_bytes: feed.bytes,
        server_cpu,
        client_cpu,
        encoded: feed.encoded.as_secs_f64(),
    })
}

fn copy_folder(from: &Path, to: &Path) -> Result<(), Failure> {
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let there = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &there)?;
        } else {
            std::fs::copy(entry.path(), there)?;
        }
    }
    Ok(())
}
