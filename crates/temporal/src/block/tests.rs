#![expect(clippy::unwrap_used, reason = "tests")]
use super::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

fn draw(count: usize, seed: u64) -> Vec<Row> {
    let mut state = seed;
    let mut next = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let unit = [1, 1_000, 1_000_000, 1_000_000_000][seed as usize % 4];
    (0..count)
        .map(|index| Row {
            time: next(1_000_000) as i64 * unit,
            index: index as u64 + 1_000,
            class: next(5) as u8,
            identity: next(20) as u32,
            members: std::array::from_fn(|place| match (place, next(4)) {
                (0, _) | (_, 0) => NONE,
                (3, _) => next(1 << 31) as u32,
                _ => next(6) as u32,
            }),
        })
        .collect()
}

#[test]
fn bytes_give_the_block_back() {
    for seed in 0..40 {
        let block = Block::of(draw(seed as usize * 7, seed));
        let back = Block::decode(&block.encode()).unwrap();
        assert_eq!(back.rows().collect::<Vec<_>>(), block.rows().collect::<Vec<_>>());
        assert_eq!(back.last_index(), block.last_index());
        assert_eq!(back.first_index(), block.first_index());
        let head = BlockHead::of(&[Arc::new(block)], |class| class / 2, |class| class % 2);
        assert_eq!(BlockHead::decode(&head.encode()).unwrap(), head);
    }
}

#[test]
fn a_block_names_what_its_rows_do() {
    let members = [Member::Actor, Member::Secret, Member::Workload, Member::Resource, Member::SourceIp];
    for (seed, count) in (0..8).flat_map(|seed| [0, 1, 3, 700].map(|count| (seed, count))) {
        let rows = draw(count, seed);
        let block = Block::of(rows.clone());
        for member in members {
            for ordinal in (0..8).chain([NONE]) {
                let named = rows.iter().any(|row| row.members[member as usize] == ordinal);
                let nothing = rows.is_empty() && ordinal == NONE;
                assert_eq!(
                    block.names(member, ordinal),
                    named || nothing,
                    "{seed} {count} {member:?} {ordinal}"
                );
            }
        }
    }
}

#[test]
fn groups_hold_what_the_rows_say() {
    for seed in 0..20 {
        let block = Block::of(draw(300, seed));
        for identity in 0..25 {
            let wanted: Vec<u32> =
                (0..300).filter(|place| block.identity(*place as usize) == identity).collect();
            assert_eq!(block.by_identity().of_key(identity), wanted);
        }
        let used = (0..300).map(|place| (block.identity(place), block.used_at(place)));
        let uses = Uses::of(3..20, used.clone().collect());
        // Some of them twice.
        let some = |from: usize, to: usize| used.clone().skip(from).take(to - from).collect();
        let joined = Uses::of(3..20, some(0, 200)).and(some(100, 300));
        let unchanged = joined.and(Vec::new());
        for identity in 0..25 {
            let mut wanted: Vec<Use> = (block.rows().filter(|row| row.identity == identity))
                .map(|row| Use {
                    class: row.class,
                    resource: row.members[Member::Resource as usize],
                    action: row.members[Member::Action as usize],
                })
                .collect();
            wanted.sort();
            wanted.dedup();
            let found = uses.of_identity(identity);
            assert_eq!(found, if (3..20).contains(&identity) { &*wanted } else { &[] });
            assert_eq!((joined.of_identity(identity), unchanged.of_identity(identity)), (found, found));
        }
        let groups = block.by_secret();
        let mut total = 0;
        for key in groups.keys() {
            let places = groups.of_key(*key);
            total += places.len();
            assert!(places.is_sorted());
            assert!(places.iter().all(|place| block.member(Member::Secret, *place as usize) == *key));
        }
        assert_eq!(total, (0..300).filter(|place| block.member(Member::Secret, *place) != NONE).count());
        assert!(groups.of_key(7_777_777).is_empty());
    }
}

#[test]
fn groups_are_the_same_close_together_and_far_apart() {
    // 19 is the greatest identity.
    let firsts = |step| [0, 1_000_000, NONE - 1 - 19 * step].map(|first| (first, step));
    for (first, step) in [3, 21, 15_000].into_iter().flat_map(firsts) {
        for count in [0, 1, 2, 500] {
            let ordinals: Vec<u32> = draw(count, u64::from(step))
                .iter()
                .map(|row| if row.class == 0 { NONE } else { first + row.identity * step })
                .collect();
            let mut wanted: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
            for (place, ordinal) in (0..).zip(&ordinals).filter(|(_, ordinal)| **ordinal != NONE) {
                wanted.entry(*ordinal).or_default().push(place);
            }
            let groups = Groups::of(ordinals.into_iter());
            assert_eq!(groups.keys(), wanted.keys().copied().collect::<Vec<_>>(), "{first} {step} {count}");
            for (ordinal, places) in wanted {
                assert_eq!(groups.of_key(ordinal), places, "{first} {step} {count}");
                assert!(groups.of_key(ordinal ^ 1).is_empty());
            }
            assert!(groups.of_key(NONE).is_empty());
        }
    }
}

#[test]
fn pages_hold_all_rows_by_identity() {
    for (seed, page_events) in [(1, 1), (2, 10), (3, 40), (4, 149), (5, 150), (6, 151), (7, 1000)] {
        let rows = draw(300, seed);
        let pages = cut(rows.clone(), page_events);
        assert_eq!(pages[0].0, 0);
        let mut found = Vec::new();
        for (place, (first, block)) in pages.iter().enumerate() {
            let next = pages.get(place + 1).map_or(u32::MAX, |next| next.0);
            assert!(block.rows().all(|row| (*first..next).contains(&row.identity)));
            assert!(block.len() >= page_events.min(300) || place + 1 == pages.len());
            found.extend(block.rows());
        }
        assert_eq!(pages.len() > 1, page_events <= 150);
        found.sort_by_key(|row| row.index);
        assert_eq!(found, rows);
    }
    assert_eq!(cut(Vec::new(), 10).len(), 1);
}

#[test]
fn users_are_those_of_the_rows() {
    for (seed, page_users) in [(1, 1), (2, 7), (3, 1000)] {
        let mut rows = draw(300, seed);
        for row in &mut rows {
            let resource = &mut row.members[Member::Resource as usize];
            if *resource != NONE {
                *resource %= 40;
            }
        }
        let blocks: Vec<Arc<Block>> = cut(rows.clone(), 30).into_iter().map(|page| page.1).collect();
        let pages = Users::cut(&blocks, |class| class / 2, page_users);
        for resource in 0..45 {
            let mut wanted: Vec<(u8, u32)> = rows
                .iter()
                .filter(|row| row.members[Member::Resource as usize] == resource)
                .map(|row| (row.class / 2, row.identity))
                .collect();
            wanted.sort_unstable();
            wanted.dedup();
            let place = pages.partition_point(|page| page.0 <= resource) - 1;
            let users = &pages[place].1;
            let (classes, identities) = users.of(resource);
            let all = classes.iter().copied().zip(identities.iter().copied());
            assert_eq!(all.collect::<Vec<_>>(), wanted);
            for step in 1..4 {
                let classes = || (0..=u8::MAX).step_by(step).skip(step - 1);
                let wanted = wanted.iter().filter(|user| classes().any(|class| class == user.0));
                let wanted: Vec<u32> = wanted.map(|user| user.1).collect();
                assert_eq!(
                    users.of_classes(resource, classes()).flatten().copied().collect::<Vec<_>>(),
                    wanted
                );
            }
            let bytes = pages[place].1.encode();
            assert_eq!(Users::decode(&bytes).unwrap(), pages[place].1);
        }
        let bytes = pages[0].1.encode();
        for end in 0..bytes.len() {
            assert!(Users::decode(&bytes[..end]).is_err());
        }
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[place] ^= 1 << bit;
                // Either refused, or other users: never a panic.
                if let Ok(users) = Users::decode(&damaged) {
                    let _ = (0..50)
                        .map(|resource| users.of_classes(resource, 0..40).flatten().count())
                        .sum::<usize>();
                }
            }
        }
    }
    assert!(Users::cut(&[], |class| class, 10).is_empty());
}

#[test]
fn damaged_bytes_are_refused() {
    let bytes = Block::of(draw(50, 3)).encode();
    for end in 0..bytes.len() {
        assert!(Block::decode(&bytes[..end]).is_err());
    }
    for place in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[place] ^= 1 << bit;
            // Either refused, or some other block: never a panic.
            if let Ok(block) = Block::decode(&damaged) {
                let _ = block.by_identity().keys();
            }
        }
    }
}

#[test]
fn a_weight_is_no_less_than_what_groups_take() {
    // Few identities and secrets, all different ones side by side, and far apart.
    for (identities, step) in [(20, 1), (u32::MAX, 1), (u32::MAX, 40), (u32::MAX, 1_000)] {
        for count in [1, 300, 5_000] {
            let mut rows = draw(count, 5);
            for (place, row) in (0..).zip(&mut rows) {
                row.identity = place % identities * step;
                row.members[Member::Secret as usize] = row.identity;
            }
            let block = Block::of(rows);
            let weight = block.weight();
            let groups = block.by_identity().bytes() + block.by_secret().bytes();
            let columns: usize =
                [&block.identities].into_iter().chain(&block.members).map(Ordinals::bytes).sum();
            let own =
                block.times.bytes() + block.indexes.bytes() + block.classes.capacity() + size_of::<Block>();
            let by_class = identities_of(&block).map(|each| size_of_val(block.by_class(each))).sum::<usize>();
            let all = (groups + columns + own + by_class) as u64;
            assert!(all <= weight, "{identities} by {step}, {count}: {all} bytes weigh {weight}");
            assert_eq!(weight, block.weight());
        }
    }
}

fn identities_of(block: &Block) -> impl Iterator<Item = u32> {
    block.by_identity().keys().iter().copied()
}

#[test]
fn what_is_counted_by_class_is_what_rows_say() {
    let (mut counted, mut left) = (0, 0);
    for (seed, identities) in [(1, 1), (2, 20), (3, 300)] {
        let mut rows = draw(3_000, seed);
        for (place, row) in (0..).zip(&mut rows) {
            // The more identities, the fewer events each has.
            row.identity = place * 7 % identities * 3;
        }
        let block = Block::of(rows.clone());
        for identity in 0..identities * 3 + 2 {
            let of_identity = || rows.iter().filter(|row| row.identity == identity);
            let mut expected: Vec<OfClass> = Vec::new();
            for class in 0..=u8::MAX {
                let events = of_identity().filter(|row| row.class == class).count() as u32;
                expected.extend((events > 0).then_some(OfClass { identity, events, class }));
            }
            if size_of_val(&*expected) > of_identity().count() {
                expected.clear();
                left += 1;
            }
            counted += usize::from(!expected.is_empty());
            assert_eq!(block.by_class(identity), expected, "{seed}, {identity}");
        }
    }
    assert!(counted >= 20 && left > 100, "{counted} {left}");
}

#[test]
fn ends_are_those_of_the_rows() {
    for seed in 0..40 {
        let rows = draw(300, seed);
        let blocks: Vec<Arc<Block>> = cut(rows.clone(), 40).into_iter().map(|page| page.1).collect();
        let of = |row: &Row| row.members[Member::Secret as usize];
        let secrets =
            Ends::of(&blocks, |block, place| block.member(Member::Secret, place), |class| class / 2);
        let identities = Ends::of(&blocks, Block::identity, |class| class / 2);
        let mut moments: Vec<i64> = rows.iter().flat_map(|row| [row.time, row.time + 1]).collect();
        moments.extend([i64::MIN, 0, i64::MAX]);
        for moment in moments {
            for wanted in [0b001_u8, 0b010, 0b101, 0b111] {
                let counts = |class: u8| wanted & 1 << class != 0;
                let seen = |ordinal: &dyn Fn(&Row) -> u32, within: &dyn Fn(i64) -> bool| {
                    let rows = rows.iter().filter(|row| within(row.time) && counts(row.class / 2));
                    rows.map(ordinal).filter(|ordinal| *ordinal != NONE).collect::<BTreeSet<u32>>()
                };
                for (ends, of) in
                    [(&secrets, &of as &dyn Fn(&Row) -> u32), (&identities, &|row| row.identity)]
                {
                    let mut found = BTreeSet::new();
                    ends.seen_from(moment, counts, |ordinals| found.extend(ordinals));
                    assert_eq!(found, seen(of, &|time| time >= moment), "{seed} from {moment}");
                    let mut found = BTreeSet::new();
                    ends.seen_before(moment, counts, |ordinals| found.extend(ordinals));
                    assert_eq!(found, seen(of, &|time| time < moment), "{seed} before {moment}");
                }
            }
        }
    }
}

#[test]
fn each_end_is_told_once() {
    let blocks = [Arc::new(Block::of(draw(300, 7)))];
    let ends = Ends::of(&blocks, Block::identity, |_| 0);
    let mut told: Vec<u32> = Vec::new();
    ends.seen_from(i64::MIN, |_| true, |ordinals| told.extend(ordinals));
    assert_eq!((told.len(), told.iter().collect::<BTreeSet<_>>().len()), (20, 20));
}
