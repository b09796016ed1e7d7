//! What a machine must have beside Rust: a C++ compiler, libclang (RocksDB's bindings are made by bindgen), and for
//! the tests rustfmt, clippy, and Node.js with npm (for other people's clients). What can be installed without asking is;
//! else the failure says what to type.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Failure, steps};

/// The oldest Node.js that the clients run on: Debian 12's.
const NODE_MAJOR_MIN: u32 = 18;

/// A C++ compiler, by the names that the build of RocksDB tries.
pub fn need_compiler() -> Result<(), Failure> {
    let given = std::env::var("CXX").ok();
    let found = || {
        given.as_deref().into_iter().chain(["c++", "g++", "clang++"]).any(|name| works(name, &["--version"]))
    };
    if found() {
        return Ok(());
    }
    eprintln!("xtask: there is no C++ compiler");
    apt_install(&["g++"])?;
    if found() { Ok(()) } else { Err("still no C++ compiler (c++, g++ or clang++) in PATH".to_owned()) }
}

/// libclang and its own headers, where bindgen looks.
pub fn need_libclang() -> Result<(), Failure> {
    if has_libclang() {
        return Ok(());
    }
    eprintln!("xtask: there is no libclang, from which the bindings of RocksDB are made");
    apt_install(&["libclang-dev"]).map_err(|failure| {
        format!(
            "{failure}\nWithout root: `pip install libclang`, then set LIBCLANG_PATH to its folder clang/native and\n\
             BINDGEN_EXTRA_CLANG_ARGS to \"-I$(gcc -print-file-name=include)\"."
        )
    })?;
    if has_libclang() {
        Ok(())
    } else {
        Err("libclang-dev is installed and libclang.so is still not found; set LIBCLANG_PATH to its folder"
            .to_owned())
    }
}

/// rustfmt and clippy of the toolchain in use.
pub fn need_components(root: &Path) -> Result<(), Failure> {
    let has = |chore: &str| {
        let mut command = steps::command(root);
        quiet(command.args([chore, "--version"]))
    };
    if has("fmt") && has("clippy") {
        return Ok(());
    }
    eprintln!("xtask: rustfmt or clippy is missing");
    let install = ["component", "add", "rustfmt", "clippy"];
    if works("rustup", &["--version"]) {
        steps::run(Command::new("rustup").args(install).current_dir(root))?;
    }
    if has("fmt") && has("clippy") {
        Ok(())
    } else {
        Err(format!(
            "rustfmt and clippy are needed for the tests. With rustup: `rustup {}`; on Debian's own Rust: \
             `apt-get install rustfmt rust-clippy`",
            install.join(" ")
        ))
    }
}

/// Node.js and npm, for the clients of tests/clients.
pub fn need_node() -> Result<(), Failure> {
    if node_major() >= Some(NODE_MAJOR_MIN) && works("npm", &["--version"]) {
        return Ok(());
    }
    eprintln!(
        "xtask: there is no Node.js {NODE_MAJOR_MIN} with npm, with which other people's clients are run"
    );
    apt_install(&["nodejs", "npm"])?;
    match node_major() {
        Some(major) if major < NODE_MAJOR_MIN => {
            Err(format!("Node.js here is {major}; the clients need {NODE_MAJOR_MIN} or newer (nodejs.org)"))
        }
        Some(_) if works("npm", &["--version"]) => Ok(()),
        _ => Err("nodejs and npm are installed and still not found in PATH".to_owned()),
    }
}

/// 18 of v18.20.4.
fn node_major() -> Option<u32> {
    let output =
        Command::new("node").arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

/// By apt-get as root, or with a sudo that asks for no password; else the failure says what to type.
pub fn apt_install(packages: &[&str]) -> Result<(), Failure> {
    let package = packages.join(" ");
    let by_hand =
        format!("install it and try again: sudo apt-get update && sudo apt-get install --yes {package}");
    if !works("apt-get", &["--version"]) {
        return Err(format!(
            "this system has no apt-get. Install what Debian calls {package} and try again."
        ));
    }
    let prefix: &[&str] = if is_root() {
        &[]
    } else if works("sudo", &["-n", "true"]) {
        &["sudo", "-n"]
    } else {
        return Err(format!(
            "{package} is missing, and neither root nor sudo without a password is at hand;\n{by_hand}"
        ));
    };
    let apt_get = |args: &[&str]| {
        let mut words =
            prefix.iter().chain(&["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]).chain(args);
        let program = words.next().copied().unwrap_or("apt-get");
        steps::run(Command::new(program).args(words).stdin(Stdio::null()))
    };
    // Lists that cannot be refreshed may still do, and the second call says what it lacks.
    if let Err(failure) = apt_get(&["update", "--quiet"]) {
        eprintln!("xtask: {failure}; going on with the lists that are there");
    }
    let install = ["install", "--yes", "--quiet", "--no-install-recommends"];
    apt_get(&[&install, packages].concat()).map_err(|failure| format!("{failure};\n{by_hand}"))
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").stderr(Stdio::null()).output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Whether it can be started and ends well.
pub fn works(program: &str, args: &[&str]) -> bool {
    quiet(Command::new(program).args(args))
}

/// Whether it ends well; what it says is not shown.
pub fn quiet(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn has_libclang() -> bool {
    if !cfg!(target_os = "linux") {
        return true; // bindgen knows its places there, and names what it misses
    }
    if let Some(given) = std::env::var_os("LIBCLANG_PATH").map(PathBuf::from) {
        return is_libclang(&given) || holds_libclang(&given);
    }
    // The library alone (Debian's libclang1) lacks the compiler's own headers, and bindgen then fails on stddef.h.
    let headers = std::env::var_os("BINDGEN_EXTRA_CLANG_ARGS").is_some() || has_headers();
    headers && library_folders().iter().any(|folder| holds_libclang(folder))
}

/// /usr/lib*, /usr/local/lib* and two levels below, as clang-sys looks.
fn library_folders() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = ["/usr", "/usr/local"]
        .iter()
        .flat_map(|parent| children(Path::new(parent)))
        .filter(|path| name_of(path).starts_with("lib"))
        .collect();
    let mut newest = folders.clone();
    for _ in 0..2 {
        newest = newest.iter().flat_map(|folder| children(folder)).filter(|path| path.is_dir()).collect();
        folders.extend(newest.iter().cloned());
    }
    folders
}

fn has_headers() -> bool {
    ["/usr/lib", "/usr/lib64", "/usr/local/lib"]
        .iter()
        .flat_map(|parent| children(Path::new(parent)))
        .flat_map(|folder| [folder.join("lib").join("clang"), folder.clone()])
        .filter(|folder| name_of(folder) == "clang")
        .flat_map(|clang| children(&clang))
        .any(|version| version.join("include").join("stddef.h").is_file())
}

fn holds_libclang(folder: &Path) -> bool {
    children(folder).iter().any(|path| is_libclang(path))
}

/// libclang.so, libclang-14.so, libclang.so.1, libclang-14.so.14.0.6; not libclang-cpp.so.
fn is_libclang(path: &Path) -> bool {
    let name = name_of(path);
    let Some(rest) = name.strip_prefix("libclang") else {
        return false;
    };
    let Some((version, _)) = rest.split_once(".so") else {
        return false;
    };
    let numbers = version.strip_prefix('-').unwrap_or(version);
    numbers.chars().all(|each| each.is_ascii_digit() || each == '.') && path.is_file()
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries.filter_map(Result::ok).map(|entry| entry.path()).collect()
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
