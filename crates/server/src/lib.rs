//! What the binary `asof` is made of, as a library: the benchmarks use its workload.

pub mod sample;
