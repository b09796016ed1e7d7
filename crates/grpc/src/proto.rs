//! What is generated from `proto/asof/v1/asof.proto`.
#![allow(
    missing_docs,
    unused_qualifications,
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes,
    reason = "generated"
)]

tonic::include_proto!("asof.v1");

/// The descriptors of the wire contract and of what it imports, for reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/asof.binpb"));
