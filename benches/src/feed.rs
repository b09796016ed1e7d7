//! Requests made ahead, on disk: while a server takes them in, the sender only reads and sends, so that what the server can
//! do is not hidden behind the drawing of random numbers on the same cores. Memory stays that of one batch.

use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use asof_grpc::proto::{WriteRequest, WriteResponse};
use asof_grpc::{TENANT_HEADER, convert};
use asof_model::Batch;
use prost::Message as _;
use prost::bytes::{BufMut as _, Bytes};
use tokio_stream::{Stream, StreamExt as _};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use crate::Failure;

/// How observations are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Plain,
    Packed,
}

impl Form {
    fn request(self, batch: Batch) -> WriteRequest {
        if self == Self::Plain { convert::request(batch) } else { convert::packed(batch) }
    }
}

/// Requests in a file, each behind its length.
#[derive(Debug, Clone)]
pub struct Feed {
    pub form: Form,
    path: PathBuf,
    pub records: u64,
    pub bytes: u64,
    /// What packing or copying and encoding took.
    pub encoded: Duration,
}

/// A feed being made.
pub struct Making {
    feed: Feed,
    file: BufWriter<File>,
    buffer: Vec<u8>,
}

impl Making {
    pub fn create(path: PathBuf, form: Form) -> Result<Self, Failure> {
        let file = BufWriter::with_capacity(1 << 20, File::create(&path)?);
        let feed = Feed { form, path, records: 0, bytes: 0, encoded: Duration::ZERO };
        Ok(Self { feed, file, buffer: Vec::new() })
    }

    pub fn put(&mut self, batch: Batch) -> Result<(), Failure> {
        let started = Instant::now();
        self.feed.records += (batch.facts.len() + batch.observations.len()) as u64;
        self.buffer.clear();
        self.feed.form.request(batch).encode(&mut self.buffer)?;
        self.feed.encoded += started.elapsed();
        self.feed.bytes += self.buffer.len() as u64;
        self.file.write_all(&(self.buffer.len() as u32).to_le_bytes())?;
        Ok(self.file.write_all(&self.buffer)?)
    }

    pub fn done(mut self) -> Result<Feed, Failure> {
        self.file.flush()?;
        Ok(self.feed)
    }
}

impl Feed {
    /// All of these batches.
    pub fn of(path: &Path, form: Form, batches: impl IntoIterator<Item = Batch>) -> Result<Self, Failure> {
        let mut making = Making::create(path.to_owned(), form)?;
        batches.into_iter().try_for_each(|batch| making.put(batch))?;
        making.done()
    }

    /// The requests, one after the other; what cannot be read ends them, and is missed in the acknowledgements.
    pub fn requests(&self) -> Result<impl Iterator<Item = Bytes> + Send + use<>, Failure> {
        let mut file = BufReader::with_capacity(1 << 20, File::open(&self.path)?);
        Ok(std::iter::from_fn(move || {
            let mut length = [0; 4];
            match file.read_exact(&mut length) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => return None,
                read => read.ok()?,
            }
            let mut request = vec![0; u32::from_le_bytes(length) as usize];
            file.read_exact(&mut request).ok()?;
            Some(request.into())
        }))
    }

    /// Its file goes.
    pub fn remove(self) -> Result<(), Failure> {
        Ok(std::fs::remove_file(self.path)?)
    }
}

/// A connection that writes.
#[derive(Clone)]
pub struct Sender {
    grpc: tonic::client::Grpc<Channel>,
    tenant: String,
}

impl Sender {
    pub async fn connect(address: &str, tenant: &str) -> Result<Self, Failure> {
        let channel = Endpoint::from_shared(format!("http://{address}"))?.connect().await?;
        Ok(Self { grpc: tonic::client::Grpc::new(channel), tenant: tenant.to_owned() })
    }

    /// Sends the requests over one stream; gives what each acknowledgement says as it comes.
    pub async fn send(
        &mut self,
        requests: impl Stream<Item = Bytes> + Send + 'static,
        mut heard: impl FnMut(&WriteResponse),
    ) -> Result<(), Failure> {
        self.grpc.ready().await?;
        let path = PathAndQuery::from_static("/asof.v1.Ingest/Write");
        let mut request = Request::new(requests);
        request.metadata_mut().insert(TENANT_HEADER, self.tenant.parse()?);
        let mut answers = self.grpc.streaming(request, path, Encoded).await?.into_inner();
        while let Some(answer) = answers.next().await {
            heard(&answer.map_err(|status| status.message().to_owned())?);
        }
        Ok(())
    }
}

/// Sends a whole feed, the next requests while earlier ones are being written, and waits for the last acknowledgement.
pub fn send(address: &str, tenant: &str, feed: &Feed) -> Result<Duration, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut sender = Sender::connect(address, tenant).await?;
        let started = Instant::now();
        let mut records = 0;
        let count = |answer: &WriteResponse| records += answer.ledger_size - answer.first_index;
        sender.send(tokio_stream::iter(feed.requests()?), count).await?;
        let took = started.elapsed();
        if records == feed.records {
            Ok(took)
        } else {
            Err(format!("{} records were sent, and {records} acknowledged", feed.records).into())
        }
    })
}

/// Requests as they are; responses of the contract.
struct Encoded;

impl Codec for Encoded {
    type Encode = Bytes;
    type Decode = WriteResponse;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Encoded {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

impl Decoder for Encoded {
    type Item = WriteResponse;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<WriteResponse>, Status> {
        WriteResponse::decode(buffer).map(Some).map_err(|why| Status::data_loss(why.to_string()))
    }
}
