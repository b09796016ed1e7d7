//! Many events cut by identity: each page is a block, and all events of one identity are in one page.

use std::sync::Arc;

use super::{Block, Row};

/// Cuts rows in any order into blocks, each of so many events at least but for the last one. With each the identity from
/// which on it holds all of them, up to that of the next one: 0 for the first.
pub fn cut(rows: Vec<Row>, page_events: usize) -> Vec<(u32, Arc<Block>)> {
    let firsts = firsts(&rows, page_events.max(1));
    if firsts.len() == 1 {
        return vec![(0, Arc::new(Block::of(rows)))];
    }
    let mut pages: Vec<Vec<Row>> = firsts.iter().map(|_| Vec::with_capacity(page_events)).collect();
    for row in rows {
        let place = firsts.partition_point(|first| *first <= row.identity);
        pages[place - 1].push(row);
    }
    firsts.into_iter().zip(pages).map(|(first, rows)| (first, Arc::new(Block::of(rows)))).collect()
}

fn firsts(rows: &[Row], page_events: usize) -> Vec<u32> {
    let mut found = vec![0];
    if rows.len() < page_events * 2 {
        return found;
    }
    let mut identities: Vec<u32> = rows.iter().map(|row| row.identity).collect();
    identities.sort_unstable();
    let mut start = 0;
    while let Some(last) = identities.get(start + page_events - 1) {
        let end = identities.partition_point(|identity| identity <= last);
        let Some(next) = identities.get(end) else { break };
        found.push(*next);
        start = end;
    }
    found
}
