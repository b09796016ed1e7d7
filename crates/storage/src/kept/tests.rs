#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::atomic::AtomicBool;

use super::*;

const KEY: KeptKey = KeptKey::Entangled(0);

fn read(kept: &Kept, disk: &AtomicU64) -> u64 {
    let entry = kept.get(KEY, || {
        let found = disk.load(Ordering::SeqCst);
        std::thread::yield_now();
        Ok::<_, ()>(Entry::Count(0, found))
    });
    match entry.unwrap() {
        Entry::Count(_, found) => found,
        other => unreachable!("{other:?}"),
    }
}

/// Who reads at a published size finds all that is below it, whatever other reads were under way when it was written.
#[test]
fn nothing_below_the_published_size_is_ever_missed() {
    const WRITES: u64 = 20_000;
    let (kept, disk, published, done) = (
        Kept::new(Arc::new(Shards::new(1 << 20)), 0),
        AtomicU64::new(0),
        AtomicU64::new(0),
        AtomicBool::new(false),
    );
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    let size = published.load(Ordering::Acquire);
                    assert!(read(&kept, &disk) >= size);
                }
            });
        }
        for size in 1..=WRITES {
            disk.store(size, Ordering::SeqCst);
            kept.forget(&KEY);
            published.store(size, Ordering::Release);
        }
        done.store(true, Ordering::Release);
    });
    assert_eq!(read(&kept, &disk), WRITES);
}

#[test]
fn a_read_that_raced_with_a_write_is_not_kept() {
    let kept = Kept::new(Arc::new(Shards::new(1 << 20)), 0);
    let first = kept.get(KEY, || {
        kept.forget(&KEY);
        Ok::<_, ()>(Entry::Count(0, 1))
    });
    assert!(matches!(first, Ok(Entry::Count(_, 1))));
    assert!(matches!(kept.get(KEY, || Ok::<_, ()>(Entry::Count(0, 2))), Ok(Entry::Count(_, 2))));
    assert!(matches!(kept.get(KEY, || Ok::<_, ()>(Entry::Count(0, 3))), Ok(Entry::Count(_, 2))));
}

#[test]
fn it_stays_within_its_bytes() {
    let kept = Kept::new(Arc::new(Shards::new(1 << 20)), 0);
    for ordinal in 0..100_000 {
        let name = Entry::Name(0, "identity/with-some-name".into());
        kept.get(KeptKey::Name(Space::Texts, ordinal), || Ok::<_, ()>(name)).unwrap();
    }
    let bytes: u64 = kept.shards.shards.iter().map(|shard| shard.lock().unwrap().entries.weight()).sum();
    assert!(bytes <= 1 << 20, "{bytes}");
}

/// A timeline at a ledger size is what the statements below it make.
#[test]
fn a_history_answers_at_every_size() {
    use asof_model::StatementOp;
    let statement = |index, op| Statement {
        index,
        source: 0,
        op,
        from: Instant::from_nanos(index as i64),
        to: Instant::FOREVER,
        until_next: false,
    };
    let some = asof_temporal::some_value();
    let history = History::of(vec![statement(3, StatementOp::Put(some)), statement(5, StatementOp::Delete)]);
    let pieces: Vec<_> = (3..=6).map(|size| history.at(size).pieces().len()).collect();
    assert_eq!(pieces, [0, 1, 1, 2]);
}
