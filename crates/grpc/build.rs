//! Compiles the wire contract, without `protoc`, and keeps its descriptors for reflection and for the door.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use prost::Message as _;

fn main() -> Result<(), Box<dyn Error>> {
    const PROTO: &str = "asof/v1/asof.proto";
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.join(PROTO).display());
    let descriptors = protox::compile([PROTO], [&root])?;
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("asof.binpb"), descriptors.encode_to_vec())?;
    let mut config = tonic_prost_build::Config::new();
    config.enable_type_names().btree_map(["."]);
    // Columns are read where they arrived.
    config.bytes([".asof.v1.PackedObservations"]);
    tonic_prost_build::configure()
        .codec_path("crate::codec::DoorCodec")
        .compile_fds_with_config(descriptors, config)?;
    Ok(())
}
