//! The contract's batches, through the proto3 JSON mapping, to the bytes that a client would send.

use asof_grpc::proto::WriteRequest;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DeserializeOptions, DynamicMessage};
use serde_json::Value as Json;

/// A request as any client would have it, faulty ones too.
pub fn request(json: &Json) -> WriteRequest {
    let pool = DescriptorPool::decode(asof_grpc::DESCRIPTORS).unwrap();
    let kind = pool.get_message_by_name("asof.v1.WriteRequest").unwrap();
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let message = DynamicMessage::deserialize_with_options(kind, json, &options)
        .unwrap_or_else(|why| panic!("not a WriteRequest: {why}: {json}"));
    WriteRequest::decode(message.encode_to_vec().as_slice()).unwrap()
}
