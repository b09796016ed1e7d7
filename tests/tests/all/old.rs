//! Folders that earlier versions wrote, kept as they were: they are opened, brought up to date, and answer as they did.

use std::path::Path;

use asof_engine::{Engine, Options, maintenance};
use asof_tests::contract::{questions, text};

use crate::contract::{ask, difference, same};

/// The root over the 254 records of `story` in the folder of format 1, as that version gave it.
const ROOT: &str = "4de7e9b0d49c0635c5e84aa8540a760df1bfa076524221235b247005743ab23b";

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn format_1_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("old").join("v1"), folder.path());
    for _ in 0..2 {
        let options = Options { data: folder.path().to_owned(), ..Options::default() };
        let engine = Engine::open(options).await.unwrap();
        let tenant = engine.tenant("story").await.unwrap().unwrap();
        for question in questions("story") {
            let found = ask(&tenant, &question).await.unwrap();
            let expected = &question["expected"];
            assert!(same(expected, &found), "{}: {}", text(&question["name"]), difference(expected, &found));
        }
        let root = serde_json::json!({ "query": "{ identities { snapshot { root } } }", "variables": {} });
        assert_eq!(ask(&tenant, &root).await.unwrap()["identities"]["snapshot"]["root"], ROOT);
        engine.close().await.unwrap();
        drop((engine, tenant));
        for (tenant, report) in maintenance::check(folder.path(), None, &mut |_, _, _| true).unwrap() {
            assert!(report.problems.is_empty(), "{tenant}: {:?}", report.problems);
        }
    }
}
