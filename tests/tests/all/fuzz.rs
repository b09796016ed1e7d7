//! The fuzz targets on stable Rust: their corpus, their seeds, and so many mutations of both. The coverage-guided runs are in `tests/fuzz`.

use asof_tests::draw::Draw;
use asof_tests::fuzz::Target;

use crate::chance;

/// Runs a target; what it finds is told with the bytes that show it.
fn run(target: &Target, bytes: &[u8], from: &str) {
    let found = std::panic::catch_unwind(|| (target.run)(bytes));
    if let Err(found) = found {
        let kept = std::env::temp_dir().join(format!("asof-fuzz-{}-found", target.name));
        std::fs::write(&kept, bytes).unwrap();
        println!(
            "{} found something in {from}, kept in {}:\n{}",
            target.name,
            kept.display(),
            bytes.escape_ascii()
        );
        std::panic::resume_unwind(found);
    }
}

fn corpus_and_mutations(name: &str, usual: u64) {
    let target = Target::of(name);
    let mut inputs = (target.seeds)();
    for (place, input) in inputs.iter().enumerate() {
        run(target, input, &format!("seed {place}"));
    }
    for (file, input) in target.corpus() {
        run(target, &input, &file);
        inputs.push(input);
    }
    let seed = chance::seed();
    let mut draw = Draw::new(seed);
    for case in 0..chance::cases(usual) {
        let mut input = draw.pick(&inputs).clone();
        for _ in 0..=draw.below(3) {
            (target.mutate)(&mut input, &inputs, &mut draw);
        }
        run(target, &input, &format!("mutation {case} with ASOF_TEST_SEED={seed}"));
    }
    (target.finish)();
}

#[test]
fn cursors() {
    corpus_and_mutations("cursor", 5_000);
}

#[test]
fn globs() {
    corpus_and_mutations("glob", 10_000);
}

#[test]
fn graphql_requests() {
    corpus_and_mutations("graphql_request", 3_000);
}

#[test]
fn write_requests() {
    corpus_and_mutations("write_request", 800);
}
