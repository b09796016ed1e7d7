//! SIGKILL at random moments under load: every acknowledged record is there, no batch by halves, and what is sent again
//! is written once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use asof_tests::draw::Draw;
use tokio::task::JoinSet;

use crate::chance::{cases, seed};
use crate::load::{Acknowledged, Found, batch, read, send};
use crate::server::{Server, check};

const STREAMS: u32 = 3;
/// How many more than those acknowledged a stream may have sent.
const AHEAD: u64 = 2_000;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut draw = Draw::new(seed());
    let acknowledged = Acknowledged::default();
    let mut found = Found::default();
    let (mut kills, cycles) = (0, cases(56));
    for cycle in 0..cycles {
        if draw.chance(0.15) {
            // While it opens, too.
            let mut server = Server::spawn(folder.path(), &[]);
            tokio::time::sleep(Duration::from_millis(draw.below(120) as u64)).await;
            server.kill();
            kills += 1;
        }
        let mut server = Server::start(folder.path());
        verify(&server, &acknowledged, &mut found).await;
        let mut streams = JoinSet::new();
        for stream in 0..STREAMS {
            let next =
                found.batches.keys().filter(|(each, _)| *each == stream).map(|(_, number)| number + 1).max();
            let next = next.unwrap_or_default();
            // The last ones again, some of them acknowledged and some not: that is harmless.
            let again = (next.saturating_sub(5)..next).collect();
            streams.spawn(send(
                server.address.clone(),
                stream,
                again,
                next,
                AHEAD,
                Arc::clone(&acknowledged),
            ));
        }
        tokio::time::sleep(Duration::from_millis(5 + draw.below(250) as u64)).await;
        server.kill();
        kills += 1;
        while let Some(ended) = streams.join_next().await {
            ended.unwrap();
        }
        if cycle % 10 == 9 {
            check(folder.path());
        }
    }
    check(folder.path());
    let server = Server::start(folder.path());
    verify(&server, &acknowledged, &mut found).await;
    let mut whole = Found::default();
    whole.take(&read(&server.address, 0).await);
    assert_eq!(whole.batches, found.batches, "what was once there has not moved");
    assert!(server.terminate().success());
    check(folder.path());
    let sent: usize =
        whole.batches.keys().map(|name| batch(*name).facts.len() + batch(*name).observations.len()).sum();
    assert_eq!(sent as u64, whole.size);
    println!("{kills} kills, {} batches, {} records", whole.batches.len(), whole.size);
    assert!(cycles < 50 || kills >= 50, "{kills} kills are too few");
    assert!(whole.batches.len() as u64 > cycles, "hardly anything was written between the kills");
}

/// What stands there now is what stood there before, and behind it whole batches, all that were acknowledged among them.
async fn verify(server: &Server, acknowledged: &Acknowledged, found: &mut Found) {
    found.take(&read(&server.address, found.size).await);
    let told: BTreeMap<_, _> = acknowledged.lock().unwrap().clone();
    found.holds_all(&told);
    for stream in 0..STREAMS {
        found.is_a_beginning(stream);
    }
}
