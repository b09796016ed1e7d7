//! Folders that earlier versions wrote, kept as they were: they are opened, brought up to date, and answer as they did.

use std::path::Path;

use asof_engine::{Engine, Options, maintenance};
use asof_tests::contract::{questions, text};

use crate::contract::{ask, difference, same};

/// The folder of each format with 254 records of `story`, and the root over them as that version gave it.
const OLD: [(&str, &str); 3] = [
    ("v1", "4de7e9b0d49c0635c5e84aa8540a760df1bfa076524221235b247005743ab23b"),
    ("v2", "ca09b533f94b3d85b60217af1a51cdca3ae8e98bf5ad6b95cdc85a4ab3ac66cf"),
    ("v3", "1f30955f4c98ccf8408019d77e6e6447a2675fbd124cdeb474ef97edb21399ba"),
];

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
async fn earlier_formats_are_brought_up_to_date() {
    for (format, root) in OLD {
        brought_up_to_date(format, root).await;
    }
}

async fn brought_up_to_date(format: &str, root: &str) {
    let folder = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("old").join(format), folder.path());
    for _ in 0..2 {
        let options = Options { data: folder.path().to_owned(), ..Options::default() };
        let engine = Engine::open(options).await.unwrap();
        let tenant = engine.tenant("story").await.unwrap().unwrap();
        for question in questions("story") {
            let found = ask(&tenant, &question).await.unwrap();
            let expected = &question["expected"];
            assert!(same(expected, &found), "{}: {}", text(&question["name"]), difference(expected, &found));
        }
        let asked = serde_json::json!({ "query": "{ identities { snapshot { root } } }", "variables": {} });
        assert_eq!(ask(&tenant, &asked).await.unwrap()["identities"]["snapshot"]["root"], root);
        engine.close().await.unwrap();
        drop((engine, tenant));
        for (tenant, report) in maintenance::check(folder.path(), None, &mut |_, _, _| true).unwrap() {
            assert!(report.problems.is_empty(), "{tenant}: {:?}", report.problems);
        }
    }
}
