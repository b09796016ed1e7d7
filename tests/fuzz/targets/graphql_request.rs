#![no_main]

mod shared;

libfuzzer_sys::fuzz_target!(init: shared::seeds("graphql_request"), |bytes: &[u8]| asof_tests::fuzz::graphql_request(bytes));
libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    shared::mutate("graphql_request", data, size, max_size, seed)
});
