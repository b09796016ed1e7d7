use super::*;

const END: End = End { kind: NodeKind::Entitlement, ordinal: 7 };

fn at(nanos: i64) -> Instant {
    Instant::from_nanos(nanos)
}

fn statement(index: u64, source: u32, op: StatementOp, from: i64, to: Option<i64>) -> Statement {
    let to = to.map_or(Instant::FOREVER, at);
    Statement { index, source, op, from: at(from), to, until_next: index.is_multiple_of(3) }
}

/// What the list says is what the timeline of the first statements says, at every bound and ledger size.
fn agrees(statements: &[Statement]) {
    let mut list = EdgeList::default();
    list.add(END, statements);
    let last = statements.last().map_or(0, |last| last.index) + 2;
    for size in 0..=last {
        let known: Vec<_> = statements.iter().filter(|each| each.index < size).cloned().collect();
        let timeline = Timeline::resolve(&known);
        for moment in (0..40).map(at).chain([Instant::BEGINNING, Instant::FOREVER]) {
            let rectangles = list.rectangles().iter();
            let said = rectangles.filter(|each| each.is_known_at(size) && each.holds_at(moment)).count();
            assert_eq!(said, usize::from(timeline.at(moment).is_value()), "{statements:?} {size} {moment:?}");
        }
    }
}

#[test]
fn it_says_what_timelines_say() {
    let put = || StatementOp::Put(some_value());
    agrees(&[statement(4, 0, put(), 3, Some(9))]);
    agrees(&[statement(4, 0, StatementOp::End, 3, None)]);
    agrees(&[statement(1, 0, put(), 3, None), statement(2, 0, StatementOp::Delete, 8, None)]);
    let mut seed = 1_u64;
    let mut draw = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for _ in 0..400 {
        let mut statements = Vec::new();
        for index in 0..=draw(7) {
            let op = match draw(4) {
                0 => StatementOp::Delete,
                1 => StatementOp::End,
                _ => put(),
            };
            let from = draw(30) as i64;
            let to = (draw(2) == 0).then(|| from + 1 + draw(8) as i64);
            statements.push(statement(index * 2, draw(3) as u32, op, from, to));
        }
        agrees(&statements);
    }
}

#[test]
fn very_many_statements_are_left_to_the_timeline() {
    let statements: Vec<_> = (0..=STATEMENTS_MAX as u64)
        .map(|index| statement(index, 0, StatementOp::Put(some_value()), 0, None))
        .collect();
    let mut list = EdgeList::default();
    list.add(END, &statements);
    assert_eq!((list.rectangles(), list.deep()), (&[][..], &[(END, 0)][..]));
}

#[test]
fn one_other_end_is_found_among_many() {
    let mut list = EdgeList::default();
    for ordinal in 0..5 {
        let end = End { kind: NodeKind::Entitlement, ordinal };
        list.add(end, &[statement(1, 0, StatementOp::Put(some_value()), 0, None)]);
    }
    assert_eq!(list.to(End { kind: NodeKind::Entitlement, ordinal: 3 }).len(), 1);
    assert!(list.to(END).is_empty());
}
