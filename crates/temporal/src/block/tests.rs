#![expect(clippy::unwrap_used, reason = "tests")]
use super::*;

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
        let head = BlockHead::of(&block, |class| class / 2, |class| class % 2);
        assert_eq!(BlockHead::decode(&head.encode()).unwrap(), head);
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
            assert_eq!(block.uses().of_identity(identity), wanted);
        }
        for (groups, member) in [(block.by_secret(), Member::Secret), (block.by_resource(), Member::Resource)]
        {
            let mut total = 0;
            for key in groups.keys() {
                let places = groups.of_key(*key);
                total += places.len();
                assert!(places.iter().all(|place| block.member(member, *place as usize) == *key));
            }
            assert_eq!(total, (0..300).filter(|place| block.member(member, *place) != NONE).count());
            assert!(groups.of_key(7_777_777).is_empty());
        }
        for key in block.by_resource().keys() {
            let places = block.by_resource().of_key(*key);
            assert!(places.is_sorted_by_key(|place| (block.classes()[*place as usize], *place)));
        }
    }
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
