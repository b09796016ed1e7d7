//! Paths as given to files in a fixed order, and their bytes, unpacked.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::ImportError;

/// The names that a directory is searched for.
const ENDINGS: [&str; 6] = [".json", ".json.gz", ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz"];

/// How deep directories are followed.
const DEPTH_MAX: usize = 64;

/// Every file that the paths name, once, in order of name: files as they are, directories with what is below
/// them and has one of the known endings, and what is no such path as a glob. The order in which paths are
/// given makes no difference.
pub(crate) fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, ImportError> {
    let mut found = BTreeSet::new();
    for path in paths {
        if path.exists() {
            add(path, true, 0, &mut found)?;
            continue;
        }
        let pattern = path.to_string_lossy().into_owned();
        let is_glob = pattern.contains(['*', '?', '[']);
        if !is_glob {
            let cause = std::io::Error::from(std::io::ErrorKind::NotFound);
            return Err(ImportError::Path { path: path.clone(), cause });
        }
        let wrong = |why: String| ImportError::Pattern { pattern: pattern.clone(), why };
        let mut none = true;
        for each in glob::glob(&pattern).map_err(|cause| wrong(cause.to_string()))? {
            let each = each.map_err(|cause| {
                let path = cause.path().to_owned();
                ImportError::Path { path, cause: cause.into() }
            })?;
            none = false;
            add(&each, true, 0, &mut found)?;
        }
        if none {
            return Err(wrong("no file matches".to_owned()));
        }
    }
    Ok(found.into_iter().collect())
}

fn add(path: &Path, named: bool, depth: usize, found: &mut BTreeSet<PathBuf>) -> Result<(), ImportError> {
    let fail = |cause| ImportError::Path { path: path.to_owned(), cause };
    if path.is_dir() {
        if depth > DEPTH_MAX {
            let cause = std::io::Error::other(format!(
                "more than {DEPTH_MAX} directories deep; is it a loop of links?"
            ));
            return Err(fail(cause));
        }
        for entry in std::fs::read_dir(path).map_err(fail)? {
            add(&entry.map_err(fail)?.path(), false, depth + 1, found)?;
        }
    } else if named || ENDINGS.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
        // One file by two paths is one file.
        found.insert(path.canonicalize().map_err(fail)?);
    }
    Ok(())
}

/// Counts the bytes read from disk, for a progress bar.
struct Counting<R> {
    inner: R,
    bytes: Arc<AtomicU64>,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let got = self.inner.read(buffer)?;
        self.bytes.fetch_add(got as u64, Ordering::Relaxed);
        Ok(got)
    }
}

/// The file's bytes, unpacked where they begin as gzip does, whatever its name.
pub(crate) fn open(path: &Path, bytes: &Arc<AtomicU64>) -> std::io::Result<Box<dyn BufRead + Send>> {
    let mut file =
        BufReader::with_capacity(1 << 16, Counting { inner: File::open(path)?, bytes: Arc::clone(bytes) });
    if file.fill_buf()?.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(BufReader::with_capacity(1 << 16, flate2::bufread::MultiGzDecoder::new(file))));
    }
    Ok(Box::new(file))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn finds_files_directories_and_globs_once() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        for name in ["a/1.json", "a/b/2.json.gz", "a/b/note.txt", "3.jsonl"] {
            std::fs::write(root.join(name), "{}").unwrap();
        }
        let all = find(&[root.clone(), root.join("a"), root.join("*.jsonl")]).unwrap();
        let names = ["3.jsonl", "a/1.json", "a/b/2.json.gz"].map(|name| root.join(name));
        assert_eq!(all, names);
        assert_eq!(
            find(&[root.join("a/b/note.txt")]).unwrap().len(),
            1,
            "a named file is read whatever its ending"
        );
        assert!(matches!(find(&[root.join("nothing.json")]), Err(ImportError::Path { .. })));
        assert!(matches!(find(&[root.join("*.parquet")]), Err(ImportError::Pattern { .. })));
    }
}
