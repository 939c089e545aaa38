//! The saved state: one file, replaced as a whole, in a directory that one process at a time owns.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use fs4::FileExt;
use sma_core::{Secret, Snapshot};

use crate::Error;

const STATE: &str = "state";
const STATE_NEW: &str = "state.new";
const LOCK: &str = "lock";
/// A state above this is none of ours, in octets.
const STATE_BYTES_MAX: u64 = 256 << 20;

/// The directory of one MUAA, held alone until dropped (invariant C18: one state, one process).
#[derive(Debug)]
pub struct StateFile {
    directory: PathBuf,
    /// Holds the lock; the system releases it when the process ends, however it ends.
    _lock: File,
}

impl StateFile {
    /// Takes the directory, and makes it, readable by its owner alone, if it is missing.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process holds it, [`Error::File`] if it cannot be used. No effect.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(directory).map_err(failed("make the directory", directory))?;
        let path = directory.join(LOCK);
        let lock = private().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(failed("open", &path))?;
        match FileExt::try_lock(&lock) {
            Ok(()) => Ok(Self { directory: directory.to_owned(), _lock: lock }),
            Err(fs4::TryLockError::WouldBlock) => Err(Error::Locked(directory.to_owned())),
            Err(fs4::TryLockError::Error(source)) => Err(Error::File { what: "lock", path, source }),
        }
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The last saved state, if there is one.
    ///
    /// # Errors
    /// [`Error::State`] if it is damaged or of a later version; the file is left as it is. [`Error::File`] if it cannot be
    /// read.
    pub fn load(&self) -> Result<Option<Snapshot>, Error> {
        Self::peek(&self.directory)
    }

    /// As [`StateFile::load`], for looking only: needs no lock, since the file is always a whole one.
    ///
    /// # Errors
    /// As [`StateFile::load`].
    pub fn peek(directory: &Path) -> Result<Option<Snapshot>, Error> {
        let path = directory.join(STATE);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::File { what: "read", path, source }),
        };
        let mut octets = Vec::new();
        file.take(STATE_BYTES_MAX).read_to_end(&mut octets).map_err(failed("read", &path))?;
        let octets = Secret::new(octets);
        let snapshot = Snapshot::decode(octets.expose());
        snapshot.map(Some).map_err(|source| Error::State { path, source })
    }

    /// Makes a state durable in place of the last one: when this returns, a loss of power gives this one, and when it does
    /// not, this one or the last.
    ///
    /// # Errors
    /// [`Error::File`]; the last state stands.
    pub fn save(&self, snapshot: &Snapshot) -> Result<(), Error> {
        write_private(&self.directory, STATE_NEW, STATE, snapshot.encode().expose())
    }
}

/// Replaces a file by one that its owner alone may read, atomically and durably.
///
/// # Errors
/// [`Error::File`]; the last file stands.
pub fn replace_file(directory: &Path, name: &str, octets: &[u8]) -> Result<(), Error> {
    write_private(directory, &format!("{name}.new"), name, octets)
}

fn write_private(directory: &Path, new: &str, name: &str, octets: &[u8]) -> Result<(), Error> {
    let (new, path) = (directory.join(new), directory.join(name));
    // A leftover of a crash may have another mode.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("replace", &new)(error)),
        Ok(()) | Err(_) => {}
    }
    let mut file = private().write(true).create_new(true).open(&new).map_err(failed("write", &new))?;
    file.write_all(octets).and_then(|()| file.sync_all()).map_err(failed("write", &new))?;
    fs::rename(&new, &path).map_err(failed("replace", &path))?;
    // The new name is durable only with its directory.
    #[cfg(unix)]
    File::open(directory).and_then(|file| file.sync_all()).map_err(failed("write", directory))?;
    Ok(())
}

fn private() -> OpenOptions {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "only there a mode is set"))]
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::File { what, path, source }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use sma_core::{Config, Muaa, Output, Timestamp};
    use sma_sim::symbolic::Symbolic;

    use super::*;

    fn snapshot(seed: u8) -> Snapshot {
        let config = Config::new("anna@example.org", "laptop");
        let mut muaa = Muaa::new(config, Symbolic, [seed; 32], Timestamp(0));
        match muaa.poll_output() {
            Some(Output::Persist(snapshot)) => snapshot,
            other => panic!("{other:?}"),
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn only_the_owner_may_read_what_is_saved() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("deep/state");
        let file = StateFile::open(&directory).unwrap();
        fs::write(directory.join(STATE_NEW), "left over").unwrap();
        file.save(&snapshot(1)).unwrap();
        assert_eq!(mode(&directory), 0o700);
        assert_eq!(mode(&directory.join(STATE)), 0o600);
        assert_eq!(mode(&directory.join(LOCK)), 0o600);
        assert!(!directory.join(STATE_NEW).exists());
    }

    #[test]
    fn what_was_saved_last_is_loaded() {
        let root = tempfile::tempdir().unwrap();
        let file = StateFile::open(root.path()).unwrap();
        assert!(file.load().unwrap().is_none());
        file.save(&snapshot(1)).unwrap();
        file.save(&snapshot(2)).unwrap();
        assert!(file.load().unwrap() == Some(snapshot(2)));
    }

    #[test]
    fn c18_a_second_opener_is_refused_until_the_first_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let first = StateFile::open(root.path()).unwrap();
        let error = StateFile::open(root.path()).unwrap_err();
        assert!(matches!(error, Error::Locked(_)), "{error}");
        assert!(error.to_string().starts_with("another process is using"));
        drop(first);
        StateFile::open(root.path()).unwrap();
    }

    #[test]
    fn a_save_that_fails_leaves_the_last_state() {
        let root = tempfile::tempdir().unwrap();
        let file = StateFile::open(root.path()).unwrap();
        file.save(&snapshot(1)).unwrap();
        // A directory stands where the new file would be written.
        fs::create_dir(root.path().join(STATE_NEW)).unwrap();
        assert!(matches!(file.save(&snapshot(2)), Err(Error::File { .. })));
        assert!(file.load().unwrap() == Some(snapshot(1)));
    }

    #[test]
    fn a_damaged_or_later_state_is_told_and_left_untouched() {
        let root = tempfile::tempdir().unwrap();
        let file = StateFile::open(root.path()).unwrap();
        let later = sma_core::wire::encode(&(99u32, 0u8));
        for (octets, word) in [(&b"damaged"[..], "damaged"), (&later, "later version")] {
            fs::write(root.path().join(STATE), octets).unwrap();
            let error = file.load().unwrap_err();
            assert!(matches!(error, Error::State { .. }));
            assert!(error.to_string().contains(word), "{error}");
            assert_eq!(fs::read(root.path().join(STATE)).unwrap(), octets);
        }
    }
}
