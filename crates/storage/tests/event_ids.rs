//! What was delivered before is found again, wherever its fingerprint is by then.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::path::Path;

use asof_model::{Batch, NodeKind, NodeRef, NodeValue, Observation, Op, Privilege, Subject, Value};
use asof_storage::{Memory, Pieces, Prepared, Sealed, Store, Writer, check, reindex};
use rocksdb::{DB, IteratorMode, Options};

use common::{at, fact};

const SMALL: Pieces = Pieces { level_runs: 3, run_block: 4, merge_share: 2, ..Pieces::DEFAULT };

/// Numbers that look random, the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

fn open(path: &Path) -> (Store, Writer) {
    Store::open_in(path, SMALL, &Memory::new(Memory::BYTES_DEFAULT)).unwrap()
}

fn write(mut sealed: Sealed) {
    sealed.write().unwrap();
}

fn sound(path: &Path) {
    assert_eq!(check(path, &mut |_, _| Ok(())).unwrap().problems, Vec::<String>::new());
}

/// Of ids below `ids`: some are given to no record, some to several, and those of facts to several nodes.
fn batch(number: usize, ids: u64, chance: &mut Chance) -> Batch {
    let seen = |chance: &mut Chance| {
        let mut seen = Observation::new("i", at(1), Privilege::Write);
        seen.event_id = format!("e{}", chance.below(ids));
        seen
    };
    let told = |chance: &mut Chance| {
        let id = format!("n{}", chance.below(3));
        let mut told = fact(
            Subject::Node(NodeRef { kind: NodeKind::Identity, id }),
            Op::Put(Value::Node(NodeValue::default())),
            1,
        );
        told.event_id = format!("e{}", chance.below(ids / 4));
        told
    };
    // Few and many, so that merges are overtaken by what comes after them.
    let count = [1, 1, 2, 40][chance.below(4) as usize];
    Batch {
        source: format!("s{}", chance.below(2)),
        batch_id: format!("b{number}"),
        facts: (0..chance.below(count)).map(|_| told(chance)).collect(),
        observations: (0..count).map(|_| seen(chance)).collect(),
    }
}

/// Counts of what was known, by what is the same.
fn expected(known: &mut BTreeSet<String>, batch: &Batch) -> (u64, u64) {
    let facts =
        batch.facts.iter().map(|fact| format!("{} {:?} {}", batch.source, fact.subject, fact.event_id));
    let facts = facts.filter(|same| !known.insert(same.clone())).count();
    let events = batch.observations.iter().map(|seen| format!("{} {}", batch.source, seen.event_id));
    (facts as u64, events.filter(|same| !known.insert(same.clone())).count() as u64)
}

#[test]
fn what_came_before_is_found_in_whatever_run_it_is() {
    for seed in 0..4 {
        let (mut chance, mut known) = (Chance(seed), BTreeSet::new());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tenant");
        let (mut store, mut writer) = open(&path);
        let mut waiting = VecDeque::new();
        let mut found = 0;
        for number in 0..300 {
            let mut group = writer.group();
            for place in 0..=chance.below(3) as usize {
                let batch = batch(number * 10 + place, 4000, &mut chance);
                let expected = expected(&mut known, &batch);
                let receipt = group.append(Prepared::of(batch), at(10)).unwrap();
                assert_eq!((receipt.duplicate_facts, receipt.duplicate_events), expected, "seed {seed}");
                found += receipt.duplicate_events;
            }
            waiting.push_back(group.seal().unwrap());
            while waiting.len() > chance.below(3) as usize {
                write(waiting.pop_front().unwrap());
            }
            // What merges came to is left behind, and those under way begin again.
            if chance.below(30) == 0 {
                waiting.drain(..).for_each(write);
                drop((store, writer));
                (store, writer) = open(&path);
            }
        }
        waiting.drain(..).for_each(write);
        assert!(found > 500, "{found}");
        drop((store, writer));
        sound(&path);
    }
}

/// The rows of the view, by what they are.
fn rows(path: &Path) -> [Vec<Vec<u8>>; 3] {
    let families = DB::list_cf(&Options::default(), path).unwrap();
    let bare = DB::open_cf(&Options::default(), path, families).unwrap();
    let mut rows = [const { Vec::new() }; 3];
    for row in bare.iterator_cf(&bare.cf_handle("event_ids").unwrap(), IteratorMode::Start) {
        let key = row.unwrap().0;
        rows[usize::from(key[0]) - 1].push(key.into_vec());
    }
    rows
}

/// Each group brings one event.
fn written(path: &Path, groups: Range<usize>, merge_share: u64) {
    let pieces = Pieces { merge_share, ..SMALL };
    let (_, mut writer) = Store::open_in(path, pieces, &Memory::new(Memory::BYTES_DEFAULT)).unwrap();
    for number in groups {
        let mut seen = Observation::new("i", at(1), Privilege::Write);
        seen.event_id = format!("e{number}");
        let batch = Batch { source: "s".into(), observations: vec![seen], ..Batch::default() };
        let mut group = writer.group();
        group.append(Prepared::of(batch), at(10)).unwrap();
        group.commit().unwrap();
    }
}

#[test]
fn runs_become_few_and_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tenant");
    let groups = 2 * 81 + 27 + 2 * 3 + 2;
    // A merge that has only begun when the store is closed leaves blocks of a run that is not there.
    let mut left_behind = 0;
    for place in 0..20 {
        written(&path, place * 5..place * 5 + 5, 1);
        let [lines, _, blocks] = rows(&path);
        left_behind +=
            blocks.iter().filter(|block| !lines.iter().any(|line| line[1..] == block[1..17])).count();
    }
    assert!(left_behind > 0);
    written(&path, 100..groups, u64::MAX);
    // A number to the base of the runs that become one: its digits are the runs of each level.
    let [lines, filters, blocks] = rows(&path);
    assert_eq!(lines.len(), 2 + 1 + 2 + 2);
    assert_eq!(filters.len(), lines.len());
    assert_eq!(blocks.len(), 2 * 81_usize.div_ceil(4) + 27_usize.div_ceil(4) + 2 + 2);
    sound(&path);
}

#[test]
fn what_is_damaged_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tenant");
    written(&path, 0..40, u64::MAX);
    let [lines, filters, blocks] = rows(&path);
    let families = DB::list_cf(&Options::default(), &path).unwrap();
    type Damage<'a> = &'a dyn Fn(Vec<u8>) -> Vec<u8>;
    let cases: [(&[u8], Damage<'_>); 6] = [
        (&filters[0], &|filter| vec![0; filter.len()]),
        (&filters[0], &|filter| filter[64..].to_vec()),
        (&blocks[1], &|mut block| {
            *block.last_mut().unwrap() ^= 1;
            block
        }),
        (&blocks[1], &|block| block[1..].to_vec()),
        (&lines[0], &|line| line[..line.len() - 1].to_vec()),
        (&lines[0], &|mut line| {
            line[1] -= 1;
            line
        }),
    ];
    for (number, (key, damage)) in cases.into_iter().enumerate() {
        {
            let bare = DB::open_cf(&Options::default(), &path, &families).unwrap();
            let family = bare.cf_handle("event_ids").unwrap();
            let value = bare.get_cf(&family, key).unwrap().unwrap();
            bare.put_cf(&family, key, damage(value)).unwrap();
        }
        let problems = check(&path, &mut |_, _| Ok(())).unwrap().problems;
        assert!(problems.iter().any(|problem| problem.contains("event_ids")), "{number}: {problems:?}");
        reindex(&path, false, &mut |_, _| Ok(())).unwrap();
        sound(&path);
        {
            // As `reindex` has runs of another size, what is to be damaged is made anew.
            std::fs::remove_dir_all(&path).unwrap();
            written(&path, 0..40, u64::MAX);
        }
    }
}
