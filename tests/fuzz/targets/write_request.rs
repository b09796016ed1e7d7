#![no_main]

mod shared;

libfuzzer_sys::fuzz_target!(init: shared::seeds("write_request"), |bytes: &[u8]| asof_tests::fuzz::write_request(bytes));
libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    shared::mutate("write_request", data, size, max_size, seed)
});
