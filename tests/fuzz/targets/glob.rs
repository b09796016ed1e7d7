#![no_main]

mod shared;

libfuzzer_sys::fuzz_target!(init: shared::seeds("glob"), |bytes: &[u8]| asof_tests::fuzz::glob(bytes));
libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    shared::mutate("glob", data, size, max_size, seed)
});
