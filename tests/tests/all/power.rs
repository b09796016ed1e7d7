//! A power cut, not a kill: SIGKILL keeps the page cache, so what was never synced is cut off from a copy of the data folder,
//! and the copy is opened. A preloaded library (`power/synced.c`) notes what every fsync and fdatasync made safe.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use asof_tests::draw::Draw;
use tokio::task::JoinSet;

use crate::chance::{cases, seed};
use crate::load::{Acknowledged, Found, read, send};
use crate::server::{Server, check};

/// The library, compiled by the C compiler that Rust links with.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = LIBRARY.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("synced.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("power/synced.c");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(&path)
            .arg(source)
            .arg("-ldl")
            .status();
        assert!(compiled.unwrap().success(), "power/synced.c does not compile");
        (folder, path)
    });
    path
}

/// What is on disk for good, by inode.
#[derive(Debug, Default)]
struct Synced {
    /// Sizes of files.
    files: BTreeMap<u64, u64>,
    /// Entries of directories: name and inode.
    folders: BTreeMap<u64, Vec<(String, u64)>>,
}

impl Synced {
    fn noted(log: &Path) -> Self {
        let mut synced = Self::default();
        let text = fs::read_to_string(log).unwrap_or_default();
        // The last line may be under way.
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let mut words = line.trim_end_matches('\n').splitn(4, ' ');
            let (what, inode) = (words.next().unwrap(), words.next().unwrap().parse().unwrap());
            match what {
                "file" => {
                    synced.files.insert(inode, words.next().unwrap().parse().unwrap());
                }
                "dir" => {
                    synced.folders.insert(inode, Vec::new());
                }
                _ => {
                    let (child, name) = (words.next().unwrap().parse().unwrap(), words.next().unwrap());
                    synced.folders.get_mut(&inode).unwrap().push((name.to_owned(), child));
                }
            }
        }
        synced
    }

    /// Builds what a power cut leaves of a folder: entries that a sync of their directory saw, files as long as a sync of
    /// theirs saw them.
    fn restore(&self, all: &BTreeMap<u64, PathBuf>, inode: u64, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for (name, child) in self.folders.get(&inode).into_iter().flatten() {
            let Some(path) = all.get(child) else { continue };
            if path.is_dir() {
                self.restore(all, *child, &to.join(name));
                continue;
            }
            // It may be removed while it is copied.
            let Ok(mut bytes) = fs::read(path) else { continue };
            bytes.truncate(self.files.get(child).copied().unwrap_or_default() as usize);
            fs::write(to.join(name), bytes).unwrap();
        }
    }
}

fn inodes(folder: &Path, found: &mut BTreeMap<u64, PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        found.insert(metadata.ino(), entry.path());
        if metadata.is_dir() {
            inodes(&entry.path(), found);
        }
    }
}

/// Opens a copy: every batch is whole, all that were acknowledged are there, the views agree with the ledger.
async fn verify(copy: &Path, acknowledged: &Acknowledged) -> Found {
    let told = acknowledged.lock().unwrap().clone();
    let server = Server::start(copy); // killed when dropped
    let mut found = Found::default();
    found.take(&read(&server.address, 0).await);
    found.holds_all(&told);
    found
}

/// A server whose syncs are noted.
struct Watched {
    server: Server,
    folder: tempfile::TempDir,
}

impl Watched {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [data, kept, log] = ["data", "kept", "synced"].map(|name| folder.path().join(name));
        fs::create_dir(&data).unwrap(); // the folder that is given is whoever gives it to make safe
        fs::create_dir(&kept).unwrap();
        let environment = [
            ("LD_PRELOAD", library()),
            ("ASOF_TEST_SYNCED", log.as_path()),
            ("ASOF_TEST_KEPT", kept.as_path()),
        ];
        Self { server: Server::start_with(&data, &environment), folder }
    }

    /// What a power cut would leave of the data now.
    fn power_cut(&self) -> tempfile::TempDir {
        let copy = tempfile::tempdir().unwrap();
        // First: what is synced from here on is more, never less.
        let synced = Synced::noted(&self.folder.path().join("synced"));
        let data = self.folder.path().join("data");
        let mut all = BTreeMap::new();
        inodes(&self.folder.path().join("kept"), &mut all);
        inodes(&data, &mut all);
        inodes(&self.folder.path().join("kept"), &mut all); // and what was removed meanwhile
        synced.restore(&all, fs::metadata(&data).unwrap().ino(), copy.path());
        copy
    }
}

/// One batch at a time: whenever one is acknowledged, it is already safe.
#[tokio::test(flavor = "multi_thread")]
async fn a_sync_precedes_every_acknowledgement() {
    let watched = Watched::start();
    let acknowledged = Acknowledged::default();
    for number in 0..cases(12) {
        send(watched.server.address.clone(), 0, vec![number], 0, 0, Arc::clone(&acknowledged)).await;
        assert_eq!(acknowledged.lock().unwrap().len() as u64, number + 1);
        let copy = watched.power_cut();
        let found = verify(copy.path(), &acknowledged).await;
        assert_eq!(found.batches.len() as u64, number + 1);
    }
}

/// At random moments under load, with copies taken while it runs and after it was killed.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_power_fails() {
    let mut draw = Draw::new(seed());
    let mut batches = 0;
    for _ in 0..cases(6) {
        let mut watched = Watched::start();
        let acknowledged = Acknowledged::default();
        let mut streams = JoinSet::new();
        for stream in 0..3 {
            streams.spawn(send(
                watched.server.address.clone(),
                stream,
                Vec::new(),
                0,
                5_000,
                Arc::clone(&acknowledged),
            ));
        }
        tokio::time::sleep(Duration::from_millis(20 + draw.below(300) as u64)).await;
        // What is acknowledged by now must be in every copy that is made from now on.
        let before = Acknowledged::default();
        before.lock().unwrap().clone_from(&acknowledged.lock().unwrap());
        let running = watched.power_cut();
        watched.server.kill();
        while let Some(ended) = streams.join_next().await {
            ended.unwrap();
        }
        let killed = watched.power_cut();
        verify(running.path(), &before).await;
        let found = verify(killed.path(), &acknowledged).await;
        check(killed.path());
        batches += found.batches.len();
    }
    println!("{batches} batches outlived the cuts");
    assert!(batches > 0);
}

/// A log cut anywhere: what is left is a beginning of what was written, in whole batches.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_cut_anywhere_opens_with_whole_batches() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    let acknowledged = Acknowledged::default();
    send(server.address.clone(), 0, Vec::new(), 0, 60, Arc::clone(&acknowledged)).await;
    server.kill();
    let (mut draw, mut last) = (Draw::new(seed()), 0);
    let cuts = cases(8) as usize;
    for cut in 0..=cuts {
        let copy = tempfile::tempdir().unwrap();
        let keep = if cut == cuts { 1.0 } else { draw.below(1_000) as f64 / 1_000.0 };
        copied(folder.path(), copy.path(), "default", keep);
        let found = verify(copy.path(), &Acknowledged::default()).await;
        found.is_a_beginning(0);
        last = found.batches.len();
        check(copy.path());
    }
    assert_eq!(last, acknowledged.lock().unwrap().len(), "uncut, it has all");
}

/// Copies a folder; of the newest logs of one tenant, with anything in them, only a part.
fn copied(from: &Path, to: &Path, tenant: &str, keep: f64) {
    fs::create_dir_all(to).unwrap();
    let is_log = |path: &Path| {
        path.extension().is_some_and(|ending| ending == "log")
            && path.parent().is_some_and(|folder| folder.ends_with(tenant))
    };
    let newest = fs::read_dir(from)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| is_log(path) && fs::metadata(path).unwrap().len() > 0)
        .max();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copied(&path, &target, tenant, keep);
        } else if Some(&path) == newest.as_ref() {
            let bytes = fs::read(&path).unwrap();
            fs::write(target, &bytes[..(bytes.len() as f64 * keep) as usize]).unwrap();
        } else {
            fs::copy(&path, target).unwrap();
        }
    }
}
