#![no_main]

mod shared;

libfuzzer_sys::fuzz_target!(init: shared::seeds("cursor"), |bytes: &[u8]| asof_tests::fuzz::cursor(bytes));
libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    shared::mutate("cursor", data, size, max_size, seed)
});
