//! The data folder's own secret, by which it knows again what it gave out.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use asof_storage::StorageError;
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use crate::EngineError;

/// The file in the data folder.
const FILE: &str = "seal.key";
const KEY_BYTES: usize = 32;
/// Bytes of a mark.
pub const MARK_BYTES: usize = 16;

/// Marks bytes that are given to clients and come back from them, such as cursors: nobody else can.
#[derive(Clone)]
pub struct SealKey([u8; KEY_BYTES]);

impl SealKey {
    /// A key of these bytes, which must be secret.
    pub const fn new(secret: [u8; KEY_BYTES]) -> Self {
        Self(secret)
    }

    /// The mark of some bytes: HMAC-SHA-256, cut to half.
    pub fn mark(&self, said: &[u8]) -> [u8; MARK_BYTES] {
        let whole = self.hashed(said).finalize().into_bytes();
        let mut mark = [0; MARK_BYTES];
        mark.copy_from_slice(&whole[..MARK_BYTES]);
        mark
    }

    /// Whether this is their mark. Takes the same time whatever is wrong with it.
    pub fn is_mark(&self, said: &[u8], mark: &[u8]) -> bool {
        mark.len() == MARK_BYTES && self.hashed(said).verify_truncated_left(mark).is_ok()
    }

    fn hashed(&self, said: &[u8]) -> Hmac<Sha256> {
        // A key of one block: what `new_from_slice` does, without its error for lengths that no key has.
        let mut block = [0; 64];
        block[..KEY_BYTES].copy_from_slice(&self.0);
        Hmac::<Sha256>::new(&block.into()).chain_update(said)
    }

    /// The key of a data folder, made where there is none. The folder is locked by whoever opens it.
    pub(crate) fn of_folder(data: &Path) -> Result<Self, EngineError> {
        let path = data.join(FILE);
        let failed = |what: &str, why: &dyn std::fmt::Display| {
            EngineError::Storage(StorageError::Io(format!("cannot {what} {}: {why}", path.display())))
        };
        match fs::read(&path) {
            Ok(bytes) => {
                let key = bytes.try_into().map_err(|bytes: Vec<u8>| {
                    EngineError::Storage(StorageError::Corruption(format!(
                        "{} has {} bytes and must have {KEY_BYTES}; delete it, and a new one is made: cursors given out before \
                         are refused then",
                        path.display(),
                        bytes.len()
                    )))
                })?;
                return Ok(Self(key));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed("read", &error)),
        }
        let mut key = [0; KEY_BYTES];
        getrandom::fill(&mut key).map_err(|error| failed("make", &error))?;
        // Whole or not at all: a crash leaves no half of a key behind.
        let new = path.with_extension("new");
        write_secret(&new, &key).map_err(|error| failed("write", &error))?;
        fs::rename(&new, &path).map_err(|error| failed("write", &error))?;
        fs::File::open(data).and_then(|folder| folder.sync_all()).map_err(|error| failed("write", &error))?;
        Ok(Self(key))
    }
}

/// Readable by this user alone from its first byte on.
fn write_secret(path: &Path, secret: &[u8]) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(secret)?;
    file.sync_all()
}

impl std::fmt::Debug for SealKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealKey(..)")
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_known_again() {
        let key = SealKey::new([7; KEY_BYTES]);
        let mark = key.mark(b"said");
        assert!(key.is_mark(b"said", &mark));
        assert!(!key.is_mark(b"sair", &mark));
        assert!(!key.is_mark(b"said", &mark[..1]));
        assert!(!key.is_mark(b"said", &[]));
        assert!(!SealKey::new([8; KEY_BYTES]).is_mark(b"said", &mark));
        for bit in 0..MARK_BYTES * 8 {
            let mut other = mark;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.is_mark(b"said", &other));
        }
    }

    #[test]
    fn a_folder_keeps_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let key = SealKey::of_folder(folder.path()).unwrap();
        assert_eq!(SealKey::of_folder(folder.path()).unwrap().0, key.0);
        assert_ne!(SealKey::of_folder(tempfile::tempdir().unwrap().path()).unwrap().0, key.0);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        // What a crash left behind is written over.
        fs::rename(folder.path().join(FILE), folder.path().join("seal.new")).unwrap();
        assert_ne!(SealKey::of_folder(folder.path()).unwrap().0, key.0);
        fs::write(folder.path().join(FILE), b"short").unwrap();
        assert!(SealKey::of_folder(folder.path()).unwrap_err().to_string().contains("delete it"));
    }
}
