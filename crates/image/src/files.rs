//! Files that strangers may have written: opened beneath a directory, never through a link, never waited for, read up to a bound.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};

use crate::ImageError;

/// Opens a directory.
pub(crate) fn open_directory(path: &Path) -> Result<OwnedFd, ImageError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(ImageError::errno("open", path))
}

/// Opens a regular file below a directory, with its size. `links` says whether links are followed as long as they stay below.
pub(crate) fn open_below(directory: impl AsFd, path: &str, links: bool) -> io::Result<(File, u64)> {
    let mut how = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    if !links {
        how |= ResolveFlags::NO_SYMLINKS;
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::openat2(directory, path, flags, Mode::empty(), how)?;
    let stat = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    Ok((file.into(), u64::try_from(stat.st_size).unwrap_or(0)))
}

/// Reads a regular file below a directory. Nothing when it is longer than `limit`.
pub(crate) fn read_below(directory: impl AsFd, path: &str, links: bool, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let (file, size) = open_below(directory, path, links)?;
    let mut bytes = Vec::new();
    if size <= limit {
        file.take(limit + 1).read_to_end(&mut bytes)?;
    }
    Ok((size <= limit && bytes.len() as u64 <= limit).then_some(bytes))
}

/// Makes a directory unless it is there.
pub(crate) fn make_directory(path: &Path, mode: u32) -> Result<(), ImageError> {
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(ImageError::file("make directory", path)(error))
        }
        _ => Ok(()),
    }
}

/// Writes a new file, durably but for its name.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), ImageError> {
    let write = || {
        let mut file = File::create_new(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(ImageError::file("write", path))
}

/// Makes the names in a directory durable.
pub(crate) fn sync_directory(path: &Path) -> Result<(), ImageError> {
    File::open(path).and_then(|directory| directory.sync_all()).map_err(ImageError::file("sync", path))
}

/// Removes a directory and all that is in it, whatever that is. One that is gone is fine.
pub(crate) fn remove_all(path: &Path) -> Result<(), ImageError> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(());
    };
    let parent = open_directory(parent)?;
    match belljar_sandbox::agent::remove_tree(parent.as_fd(), name.as_encoded_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ImageError::file("remove", path)(error)),
        _ => Ok(()),
    }
}

/// The names in a directory that are text; none when it is not there.
pub(crate) fn names(path: &Path) -> Result<Vec<String>, ImageError> {
    let entries = match fs::read_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(ImageError::file("list", path))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(ImageError::file("list", path))?;
        names.extend(entry.file_name().into_string());
    }
    names.sort();
    Ok(names)
}
