//! Whom a data directory belongs to.

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat, openat};
use rustix::process::{Gid, Uid};

use crate::StoreError;
use crate::directory::{HARMLESS, LIBRARIES, MARK, make_directory};

/// What is ours in a data directory; whatever else is there stays as it is, images among it, which are root's to change.
const OURS: [&str; 8] = [
    "lock",
    "belljar.sqlite",
    "belljar.sqlite-wal",
    "belljar.sqlite-shm",
    "belljar.sqlite-journal",
    "blobs",
    "spool",
    LIBRARIES,
];

/// Gives a data directory, which is made where it does not exist, to a user who is going to use it in root's stead. For root only, and
/// before [`DataDirectory::open`](crate::DataDirectory::open), which then is that user's to call.
///
/// One that root has used changes its owner together with what belljar made in it. One that is the user's already is not looked
/// into: there they could have laid anything, and nothing of it is touched with the rights of root.
///
/// # Errors
///
/// [`StoreError::Owner`] if it is somebody else's or a link, [`StoreError::Foreign`] if it holds something else than a data directory,
/// [`StoreError::File`] if the system refuses.
pub fn hand_over(path: impl AsRef<Path>, user: u32, group: u32) -> Result<(), StoreError> {
    let path = path.as_ref();
    if path.symlink_metadata().is_ok_and(|found| found.is_symlink()) {
        let why = "is a symbolic link: name the directory that it leads to".to_owned();
        return Err(StoreError::Owner { path: path.to_owned(), why });
    }
    make_directory(path)?;
    let failed = |step| move |error: rustix::io::Errno| StoreError::file(step, path)(error.into());
    // From here on by descriptors: names may lead elsewhere from one moment to the next, what is open stays what it is.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = openat(rustix::fs::CWD, path, flags, Mode::empty()).map_err(failed("open"))?;
    let found = rustix::fs::fstat(&directory).map_err(failed("look at"))?;
    if found.st_uid == user {
        return Ok(());
    }
    if found.st_uid != 0 {
        let why = format!("belongs to user {}: give it to user {user} (chown -R), or choose another", found.st_uid);
        return Err(StoreError::Owner { path: path.to_owned(), why });
    }
    let used = match look_into(&directory).map_err(StoreError::file("look into", path))? {
        Content::Nothing => false,
        Content::Ours => true,
        Content::Foreign => return Err(StoreError::Foreign { path: path.to_owned() }),
    };
    let owner = Owner { user, group, device: found.st_dev };
    for name in OURS {
        let name = CString::new(name).unwrap_or_default();
        owner.take(&directory, &name).map_err(StoreError::file("hand over what is in", path))?;
    }
    // Last: as long as it is root's, all of it is tried again.
    rustix::fs::fchown(&directory, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))
        .map_err(failed("hand over"))?;
    if used {
        tracing::info!(path = %path.display(), user, group, "the data directory was root's and is handed over");
    }
    Ok(())
}

/// What is in a directory.
enum Content {
    Nothing,
    /// What a data directory holds.
    Ours,
    Foreign,
}

fn look_into(directory: &OwnedFd) -> io::Result<Content> {
    let mut empty = true;
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        empty &= name == "." || name == ".." || HARMLESS.iter().any(|harmless| name == *harmless);
    }
    if empty {
        return Ok(Content::Nothing);
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(lock) = openat(directory, "lock", flags, Mode::empty()) else {
        return Ok(Content::Foreign);
    };
    let mut text = Vec::new();
    File::from(lock).take(64).read_to_end(&mut text)?;
    Ok(if text.is_empty() || text.starts_with(MARK.as_bytes()) { Content::Ours } else { Content::Foreign })
}

/// Who gets what root has.
struct Owner {
    user: u32,
    group: u32,
    /// Other file systems, mounted below, stay as they are.
    device: u64,
}

impl Owner {
    /// Gives away what has this name, and what is below. Only what belongs to root, and of files only those with one name: another
    /// name could be anywhere.
    fn take(&self, parent: impl AsFd, name: &CStr) -> io::Result<()> {
        let parent = parent.as_fd();
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let place = match openat(parent, name, flags, Mode::empty()) {
            Err(rustix::io::Errno::NOENT) => return Ok(()),
            opened => opened?,
        };
        let found = rustix::fs::fstat(&place)?;
        if found.st_dev != self.device {
            return Ok(());
        }
        let is_directory = kind(&found) == FileType::Directory;
        if is_directory {
            self.take_entries(&place)?;
        }
        if found.st_uid == 0 && (is_directory || found.st_nlink == 1) {
            let (user, group) = (Uid::from_raw(self.user), Gid::from_raw(self.group));
            rustix::fs::chownat(&place, "", Some(user), Some(group), AtFlags::EMPTY_PATH)?;
        }
        Ok(())
    }

    fn take_entries(&self, place: &OwnedFd) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(place, ".", flags, Mode::empty())?;
        let mut names: Vec<CString> = Vec::new();
        for entry in Dir::read_from(&directory)? {
            let name = entry?.file_name().to_owned();
            if name.as_bytes() != b"." && name.as_bytes() != b".." {
                names.push(name);
            }
        }
        names.iter().try_for_each(|name| self.take(&directory, name))
    }
}

fn kind(found: &Stat) -> FileType {
    FileType::from_raw_mode(found.st_mode)
}
