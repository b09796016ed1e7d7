//! What the ten questions of the benchmarks read, counted: work that grows is seen without a clock.

use std::collections::BTreeMap;

use asof_benches::questions::QUESTIONS;
use asof_benches::subjects::Subjects;
use asof_grpc::convert;
use asof_grpc::proto::ingest_client::IngestClient;
use asof_server::sample::workload::Workload;

use crate::server::Server;

/// Moments, identities, resources and teams that each question is asked about.
const SUBJECTS: usize = 4;

/// At most what each question reads for all its subjects: bitmaps, blocks, events, nodes whose edges are read, timelines.
/// The workload, and what each batch of it makes of the disk, are the same every time.
const READ: [(&str, [u64; 5]); 10] = [
    ("Q1", [12, 4, 30, 5, 51]),
    ("Q2", [92, 6, 75, 0, 0]),
    ("Q3", [40, 226, 473, 149, 91]),
    ("Q4", [20, 0, 274, 8, 45]),
    ("Q5", [12, 436, 1122, 11, 17]),
    ("Q6", [0, 38, 6980, 0, 0]),
    ("Q7", [0, 109, 20_000, 0, 0]),
    ("Q8", [12, 0, 0, 1781, 18]),
    ("Q9", [40, 0, 0, 0, 0]),
    ("Q10", [18, 122, 3883, 756, 7]),
];

/// A server with a small workload, sent batch after batch.
async fn loaded(data: &std::path::Path) -> (Server, Subjects) {
    let server = Server::start(data);
    let workload = Workload::at_scale(0.01, 1).with_observations(20_000);
    let mut subjects = Subjects::new(workload, SUBJECTS);
    let mut client = IngestClient::connect(format!("http://{}", server.address)).await.unwrap();
    for batch in workload.batches() {
        subjects.see(&batch);
        // One stream each: a batch that waits for the one before is a group of its own.
        let request = convert::request(batch);
        let mut answers = client.write(tokio_stream::iter([request])).await.unwrap().into_inner();
        while answers.message().await.unwrap().is_some() {}
    }
    (server, subjects)
}

/// The counts that an answer's head tells.
fn counts(response: &http::Response<ureq::Body>) -> Vec<u64> {
    let mut said = response.headers().get_all("server-timing").iter().map(|value| value.to_str().unwrap());
    let read = said.find_map(|entry| entry.strip_prefix("read;desc=")).unwrap();
    read.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ten_questions_read_no_more_than_they_did() {
    let folder = tempfile::tempdir().unwrap();
    let (server, subjects) = loaded(folder.path()).await;
    let url = format!("http://{}/graphql", server.address);
    let found = tokio::task::spawn_blocking(move || {
        let mut found = BTreeMap::new();
        for (place, question) in QUESTIONS.iter().enumerate() {
            let mut total = [0; 5];
            for number in 0..SUBJECTS {
                let about = subjects.nth(question.of, number).unwrap();
                let mut response = ureq::post(&url).send_json(question.body(about)).unwrap();
                for (sum, count) in total.iter_mut().zip(counts(&response)) {
                    *sum += count;
                }
                let answer: serde_json::Value = response.body_mut().read_json().unwrap();
                assert!(answer["errors"].is_null(), "{}: {answer}", question.name);
                assert!(question.read(&answer["data"]).size >= 0);
            }
            found.insert(place, (question.name, total));
        }
        found
    });
    let found: Vec<_> = found.await.unwrap().into_values().collect();
    let grown: Vec<_> = found
        .iter()
        .zip(READ)
        .filter(|((name, now), (of, most))| {
            *name != *of || now.iter().zip(most).any(|(now, most)| *now > *most)
        })
        .collect();
    assert!(grown.is_empty(), "read now, and at most: {grown:?}; all of what is read: {found:?}");
    // What reads nothing counts nothing: a bound that nothing comes near would see no regression.
    for ((name, now), (_, most)) in found.iter().zip(READ) {
        assert!(
            now.iter().zip(most).all(|(now, most)| *now * 2 >= most),
            "{name}: {now:?}, at most {most:?}; all of what is read: {found:?}"
        );
    }
}
