//! The codec of all services: plain protobuf, but what is written passes the door on its way in.

use std::marker::PhantomData;

use prost::bytes::Buf as _;
use prost::{Message, Name};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

use crate::door::unknown_fields;
use crate::proto::{ReconcileRequest, WriteRequest};
use crate::status;

/// Encodes `T`, decodes `U`.
#[derive(Debug, Clone)]
pub(crate) struct DoorCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for DoorCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for DoorCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Name + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = DoorDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        let name = U::full_name();
        let writes = name == WriteRequest::full_name() || name == ReconcileRequest::full_name();
        DoorDecoder { name, writes, decodes: PhantomData }
    }
}

/// Decodes one kind of message.
#[derive(Debug, Clone)]
pub(crate) struct DoorDecoder<U> {
    name: String,
    /// What it says is recorded: nothing of it may be lost.
    writes: bool,
    decodes: PhantomData<U>,
}

impl<U: Message + Default> Decoder for DoorDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        let wrong = |error| Status::invalid_argument(format!("not an {} message: {error}", self.name));
        if self.writes {
            let unknown = unknown_fields(&self.name, &bytes);
            if !unknown.is_empty() {
                let batch = self.name == WriteRequest::full_name();
                let batch_id =
                    if batch { WriteRequest::decode(bytes).map_err(wrong)?.batch_id } else { String::new() };
                return Err(status::refused(&batch_id, &unknown));
            }
        }
        U::decode(bytes).map(Some).map_err(wrong)
    }
}
