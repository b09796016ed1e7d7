// How libFuzzer runs a target: its own mutations and those that know the input's language take turns.

use asof_tests::draw::Draw;
use asof_tests::fuzz::Target;

/// Other bytes in the place of the first `size`; how many they are.
pub fn mutate(name: &str, data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    use std::sync::OnceLock;
    static SEEDS: OnceLock<Vec<Vec<u8>>> = OnceLock::new();
    let mut draw = Draw::new(u64::from(seed));
    if draw.chance(0.5) {
        return libfuzzer_sys::fuzzer_mutate(data, size, max_size);
    }
    let target = Target::of(name);
    let seeds = SEEDS.get_or_init(target.seeds);
    let mut input = data[..size].to_vec();
    (target.mutate)(&mut input, seeds, &mut draw);
    input.truncate(max_size);
    data[..input.len()].copy_from_slice(&input);
    input.len()
}

/// With `ASOF_FUZZ_SEEDS` set, writes the seeds to that folder, for libFuzzer to begin with.
pub fn seeds(name: &str) {
    let Some(folder) = std::env::var_os("ASOF_FUZZ_SEEDS") else { return };
    for (place, seed) in (Target::of(name).seeds)().into_iter().enumerate() {
        let path = std::path::Path::new(&folder).join(format!("seed-{place}"));
        std::fs::write(&path, seed).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    }
}
