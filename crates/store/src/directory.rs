//! The one directory that holds the state of this machine.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

use crate::blobs::Blobs;
use crate::{StoreError, durable};

/// First word of the lock file: what is ours.
pub(crate) const MARK: &str = "belljar";
pub(crate) const LIBRARIES: &str = "libraries";
/// Entries of a directory that counts as empty: what `mkfs.ext4` puts into a new file system, and what operators may fill, by hand
/// or with `belljar image`, before the first start.
pub(crate) const HARMLESS: [&str; 3] = ["lost+found", LIBRARIES, "images"];

/// A directory that this process alone uses, until the last copy of this value, and of what was opened in it, is dropped.
///
/// | entry | holds |
/// | --- | --- |
/// | `lock` | the number of the process that uses it; locked (`flock(2)`), never removed |
/// | `belljar.sqlite` | records, with SQLite's `-wal` and `-shm` beside it |
/// | `blobs/` | files named by the SHA-256 of what is in them |
/// | `spool/` | bytes of requests in flight; emptied when the directory is opened |
/// | `libraries/` | what operators install for programs to use |
/// | `images/` | root directories; not ours, and with a lock of its own |
#[derive(Debug, Clone)]
pub struct DataDirectory {
    path: Arc<PathBuf>,
    blobs: Blobs,
}

impl DataDirectory {
    /// Opens a directory, and makes it (readable and writable by this user alone) where it does not exist.
    ///
    /// What a process that was killed had left half done is removed. Blocking: for the start of a program.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] if another process uses it, [`StoreError::Foreign`] if it holds something else than a data
    /// directory, [`StoreError::File`] if it cannot be made or written to.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        make_directory(path)?;
        let path = path.canonicalize().map_err(StoreError::file("find", path))?;
        warn_of_other_readers(&path)?;
        let lock = take_lock(&path)?;

        make_libraries(&path.join(LIBRARIES))?;
        let spool = path.join("spool");
        make_directory(&spool)?;
        empty_directory(&spool)?;
        let blobs = Blobs::open(path.join("blobs"), lock)?;
        // By writing, since the permission bits do not tell of a read-only or full file system.
        for directory in [&path, &spool] {
            tempfile::tempfile_in(directory).map_err(StoreError::file("write to", directory))?;
        }
        durable::sync_directory(&path)?;
        Ok(Self { path: Arc::new(path), blobs })
    }

    /// The directory, as an absolute path without symbolic links.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where operators install what programs may use.
    #[must_use]
    pub fn libraries(&self) -> PathBuf {
        self.path.join(LIBRARIES)
    }

    /// The blobs in this directory.
    #[must_use]
    pub const fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    /// A new empty file without a name, for bytes that are too many for the memory: it is gone when it is closed, however the
    /// process ends.
    ///
    /// # Errors
    ///
    /// [`StoreError::File`] if it cannot be made.
    pub fn spool_file(&self) -> Result<File, StoreError> {
        let spool = self.path.join("spool");
        // O_TMPFILE; where the file system has none, made and unlinked at once.
        tempfile::tempfile_in(&spool).map_err(StoreError::file("make a file in", &spool))
    }
}

/// Makes a directory, and those above it, for this user alone.
pub(crate) fn make_directory(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(StoreError::file("make directory", path))
}

/// Makes the directory of libraries, where it is missing. Programs of other users read it, through a mount of a sandbox; on the
/// host the directory above keeps them out.
fn make_libraries(path: &Path) -> Result<(), StoreError> {
    match fs::create_dir(path) {
        // The umask may have taken bits away.
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(0o755)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
    .map_err(StoreError::file("make directory", path))
}

/// Removes what is in a directory. Symbolic links are removed, not followed.
pub(crate) fn empty_directory(path: &Path) -> Result<(), StoreError> {
    for entry in fs::read_dir(path).map_err(StoreError::file("list", path))? {
        let entry = entry.map_err(StoreError::file("list", path))?;
        let left_over = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => fs::remove_dir_all(&left_over),
            Ok(_) => fs::remove_file(&left_over),
            Err(error) => Err(error),
        }
        .map_err(StoreError::file("remove", &left_over))?;
    }
    Ok(())
}

fn warn_of_other_readers(path: &Path) -> Result<(), StoreError> {
    let mode = fs::metadata(path).map_err(StoreError::file("look at", path))?.mode();
    if mode & 0o077 != 0 {
        tracing::warn!(
            path = %path.display(),
            mode = format_args!("{:04o}", mode & 0o7777),
            "other users can enter the data directory: chmod 700 it"
        );
    }
    Ok(())
}

/// Locks the directory for this process and leaves its number. The lock is of the open file: it goes with the process, and
/// since the file is close-on-exec no program that is started from here can hold it.
fn take_lock(directory: &Path) -> Result<File, StoreError> {
    let path = directory.join("lock");
    let failed = |step| StoreError::file(step, &path);
    let foreign = || StoreError::Foreign { path: directory.to_owned() };
    // In this order: another process that makes this directory at the same moment makes the lock first.
    if !is_empty(directory)? && !path.try_exists().map_err(failed("look at"))? {
        return Err(foreign());
    }
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed())
        .open(&path)
        .map_err(failed("open"))?;
    let lock = flock(&file, FlockOperation::NonBlockingLockExclusive);
    // No more than what we write, and no matter if it is no text.
    let mut text = String::new();
    let readable = (&mut file).take(64).read_to_string(&mut text).is_ok();
    if !readable || !(text.is_empty() || text.starts_with(MARK)) {
        return Err(foreign());
    }
    match lock {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            return Err(StoreError::Locked {
                path: directory.to_owned(),
                holder: text.split_whitespace().last().and_then(|pid| pid.parse().ok()),
            });
        }
        Err(errno) => return Err(failed("lock")(errno.into())),
    }
    // Always of the same length and written over the old one: at no moment is the mark missing.
    file.rewind()
        .and_then(|()| file.write_all(format!("{MARK} {:>10}\n", std::process::id()).as_bytes()))
        .map_err(failed("write to"))?;
    Ok(file)
}

/// Nothing in it that we could destroy: we remove what we find in `spool/`, and `/var` has one.
fn is_empty(directory: &Path) -> Result<bool, StoreError> {
    let entries = fs::read_dir(directory).map_err(StoreError::file("list", directory))?;
    let names: io::Result<Vec<_>> = entries.map(|entry| entry.map(|entry| entry.file_name())).collect();
    let names = names.map_err(StoreError::file("list", directory))?;
    Ok(names.iter().all(|name| HARMLESS.iter().any(|harmless| name == harmless)))
}
