//! RocksDB's C++ takes many minutes and cargo would compile it once for each profile and checkout. So it is compiled
//! once for a machine, into the user's cache, and every build links that archive.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Failure, steps};

const PACKAGE: &str = "librocksdb-sys";
const ARCHIVE: &str = "librocksdb.a";

/// The folder that holds `librocksdb.a` of the version in the lock file; builds it where it is missing.
///
/// A ROCKSDB_LIB_DIR that is set already and holds the archive is taken as it is.
pub fn build_once(root: &Path) -> Result<PathBuf, Failure> {
    if let Some(given) = std::env::var_os("ROCKSDB_LIB_DIR").map(PathBuf::from) {
        if given.join(ARCHIVE).is_file() {
            return Ok(given);
        }
        eprintln!("xtask: ROCKSDB_LIB_DIR is {}, where no {ARCHIVE} is: passed over", given.display());
    }
    let name = format!("{PACKAGE}-{}", locked_version(root)?);
    let cache = cache()?;
    let folder = cache.join(&name);
    if folder.join(ARCHIVE).is_file() {
        return Ok(folder);
    }
    let told =
        |what: &str, at: &Path, error: std::io::Error| format!("cannot {what} {}: {error}", at.display());
    fs::create_dir_all(&folder).map_err(|error| told("make the folder", &folder, error))?;
    // Two chores at once on one machine: the second one waits here and finds the work done.
    let lock_path = cache.join(format!("{name}.lock"));
    let lock = fs::File::create(&lock_path).map_err(|error| told("make", &lock_path, error))?;
    lock.lock().map_err(|error| told("lock", &lock_path, error))?;
    if folder.join(ARCHIVE).is_file() {
        return Ok(folder);
    }

    eprintln!("xtask: building RocksDB ({name}), once for this machine: 10 to 20 minutes on two cores");
    let build = cache.join(format!("{name}.build"));
    let mut command = steps::command(root);
    command.args(["build", "--release", "--package", PACKAGE, "--target-dir"]).arg(&build);
    command.env_remove("ROCKSDB_LIB_DIR").env_remove("ROCKSDB_STATIC");
    if cfg!(target_arch = "x86_64") {
        // RocksDB picks its checksums by what the compiler may use. Every such processor since 2009 has these two, and the
        // write-ahead log's CRC is several times slower without.
        let given = std::env::var("CXXFLAGS").unwrap_or_default();
        command.env("CXXFLAGS", format!("{given} -msse4.2 -mpclmul"));
    }
    steps::run(&mut command)?;

    let built = find(&build.join("release").join("build"))
        .ok_or_else(|| format!("no {ARCHIVE} below {} after the build", build.display()))?;
    // Renamed when it is whole: a chore that is cut off here leaves no half archive behind.
    let partial = folder.join(format!("{ARCHIVE}.partial"));
    fs::copy(&built, &partial).map_err(|error| told("copy to", &partial, error))?;
    let archive = folder.join(ARCHIVE);
    fs::rename(&partial, &archive).map_err(|error| told("rename to", &archive, error))?;
    if let Err(error) = fs::remove_dir_all(&build) {
        eprintln!("xtask: {} could stay; it is no longer needed ({error})", build.display());
    }
    eprintln!("xtask: RocksDB is in {}", folder.display());
    Ok(folder)
}

/// The archive in the out folder of the build script, whose name has a hash.
fn find(build: &Path) -> Option<PathBuf> {
    let scripts = fs::read_dir(build).ok()?;
    scripts
        .filter_map(Result::ok)
        .map(|script| script.path().join("out").join(ARCHIVE))
        .find(|path| path.is_file())
}

/// The folder for what is made once for a machine.
pub fn cache() -> Result<PathBuf, Failure> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("XDG_CACHE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".cache")))
        .map(|cache| cache.join("asof"))
        .ok_or_else(|| {
            "neither XDG_CACHE_HOME nor HOME is set: set one, what is built once is kept there".to_owned()
        })
}

fn locked_version(root: &Path) -> Result<String, Failure> {
    let path = root.join("Cargo.lock");
    let lock =
        fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    version_in(&lock).ok_or_else(|| format!("{} names no version of {PACKAGE}", path.display()))
}

fn version_in(lock: &str) -> Option<String> {
    let mut lines = lock.lines();
    lines.find(|line| *line == format!("name = \"{PACKAGE}\""))?;
    let version = lines.next()?.strip_prefix("version = \"")?.strip_suffix('"')?;
    Some(version.to_owned())
}

#[cfg(test)]
mod tests {
    use super::version_in;

    #[test]
    fn the_version_is_the_lock_files() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1\"\n\n\
                    [[package]]\nname = \"librocksdb-sys\"\nversion = \"0.19.0+11.8.1\"\nsource = \"x\"\n";
        assert_eq!(version_in(lock).as_deref(), Some("0.19.0+11.8.1"));
        assert_eq!(version_in("name = \"rocksdb\"\nversion = \"0.25.0\"\n"), None);
    }
}
