//! Directory trees by descriptors: nothing here follows a path out of the tree that it was given.

use std::ffi::CString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::{Errno, Result};

/// What its owner needs to list and change a directory.
pub(super) const OWNER_ALL: u32 = 0o700;

/// Tries when the kernel says that a rename came in between (`openat2(2)`, EAGAIN).
const RESOLVE_TRIES: u32 = 128;

/// Opens a path below `root`. Links in it are followed as long as they stay below.
pub(super) fn open_beneath(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd> {
    resolve(root, path, flags, ResolveFlags::empty())
}

/// Opens a path below `root`, none of whose components is a link.
pub(super) fn open_without_links(root: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd> {
    resolve(root, path, flags, ResolveFlags::NO_SYMLINKS)
}

fn resolve(root: BorrowedFd<'_>, path: &[u8], flags: OFlags, more: ResolveFlags) -> Result<OwnedFd> {
    let how = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS | more;
    for _ in 1..RESOLVE_TRIES {
        match rustix::fs::openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), how) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
    Err(Errno::AGAIN)
}

/// What a name in a directory is; links are not followed.
pub(super) fn stat(directory: impl AsFd, name: &[u8]) -> Result<Stat> {
    rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
}

/// Permission bits, without set-user-ID, set-group-ID and the sticky bit.
pub(super) const fn permissions(stat: &Stat) -> u32 {
    stat.st_mode & 0o777
}

/// The kind of a file.
pub(super) const fn file_type(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Whether this is what overlayfs takes for "not there, whatever is below": a character device of no driver.
pub(super) const fn is_whiteout(stat: &Stat) -> bool {
    matches!(file_type(stat), FileType::CharacterDevice) && stat.st_rdev == 0
}

/// Sets the permission bits of a name that is no link.
pub(super) fn set_mode(directory: impl AsFd, name: &[u8], mode: u32) -> Result<()> {
    rustix::fs::chmodat(directory, name, Mode::from_raw_mode(mode), AtFlags::empty())
}

/// The names in a directory.
pub(super) fn names(directory: impl AsFd) -> Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if !matches!(name.to_bytes(), b"." | b"..") {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

/// Removes a name and, for a directory, all that is below. Says whether it was a directory.
pub(super) fn remove(parent: impl AsFd, name: &[u8]) -> Result<bool> {
    match rustix::fs::unlinkat(parent.as_fd(), name, AtFlags::empty()) {
        Ok(()) => Ok(false),
        Err(Errno::ISDIR | Errno::PERM) => {
            remove_directory(parent.as_fd(), name)?;
            Ok(true)
        }
        Err(errno) => Err(errno),
    }
}

/// Removes a name and all that is below, whatever its depth and its modes. Nothing that it links to is touched.
///
/// # Errors
///
/// Those of the system; `NotFound` when there is no such name.
pub fn remove_tree(parent: BorrowedFd<'_>, name: &[u8]) -> std::io::Result<()> {
    remove(parent, name).map(drop).map_err(std::io::Error::from)
}

/// Removes a directory of any depth with three descriptors: what cannot be removed at once because it is not empty moves up,
/// right below the top, until its turn comes.
fn remove_directory(parent: BorrowedFd<'_>, name: &[u8]) -> Result<()> {
    if try_remove(parent, name)? {
        return Ok(());
    }
    let top = open_directory(parent, name)?;
    let mut serial = 0_u64;
    loop {
        let below = names(&top)?;
        if below.is_empty() {
            return rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR);
        }
        for child in below {
            let child = child.as_bytes();
            if try_remove(top.as_fd(), child)? {
                continue;
            }
            let directory = open_directory(top.as_fd(), child)?;
            for grandchild in names(&directory)? {
                let grandchild = grandchild.as_bytes();
                if try_remove(directory.as_fd(), grandchild)? {
                    continue;
                }
                // To move a directory its ".." is written, which takes permission.
                set_mode(&directory, grandchild, OWNER_ALL)?;
                move_up(&directory, grandchild, &top, &mut serial)?;
            }
            rustix::fs::unlinkat(&top, child, AtFlags::REMOVEDIR)?;
        }
    }
}

/// Removes a file or an empty directory; false for a directory that is not empty.
fn try_remove(parent: BorrowedFd<'_>, name: &[u8]) -> Result<bool> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) => return Ok(true),
        Err(Errno::ISDIR | Errno::PERM) => {}
        Err(errno) => return Err(errno),
    }
    match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Ok(()) => Ok(true),
        Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
        Err(errno) => Err(errno),
    }
}

fn open_directory(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    if permissions(&stat(parent, name)?) & OWNER_ALL != OWNER_ALL {
        set_mode(parent, name, OWNER_ALL)?;
    }
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

fn move_up(from: &OwnedFd, name: &[u8], to: &OwnedFd, serial: &mut u64) -> Result<()> {
    loop {
        *serial += 1;
        let new_name = format!("moved-{serial}");
        match rustix::fs::renameat(from, name, to, &*new_name) {
            // Somebody chose the same name.
            Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn trees_are_removed_at_any_depth_and_links_are_not_followed() {
        let outside = super::super::tests::in_memory();
        fs::write(outside.path().join("kept"), "kept").unwrap();
        let place = super::super::tests::in_memory();
        let root = OwnedFd::from(fs::File::open(place.path()).unwrap());
        // Deeper than a path can be written, with names that the removal itself uses.
        let mut above = root.try_clone().unwrap();
        for level in 0..2500 {
            let name = if level == 0 { "tree" } else { "moved-1" };
            rustix::fs::mkdirat(&above, name, Mode::from_raw_mode(0o700)).unwrap();
            above = open_directory(above.as_fd(), name.as_bytes()).unwrap();
            rustix::fs::symlinkat(outside.path(), &above, "link").unwrap();
            rustix::fs::mkdirat(&above, "empty", Mode::empty()).unwrap();
        }
        symlink(outside.path(), place.path().join("link")).unwrap();
        assert_eq!(remove(&root, b"tree"), Ok(true));
        assert_eq!(remove(&root, b"link"), Ok(false));
        assert_eq!(remove(&root, b"link"), Err(Errno::NOENT));
        assert!(names(&root).unwrap().is_empty());
        assert_eq!(fs::read_to_string(outside.path().join("kept")).unwrap(), "kept");
    }

    #[test]
    fn paths_stay_beneath() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "").unwrap();
        let place = tempfile::tempdir_in(outside.path()).unwrap();
        let path = place.path();
        fs::create_dir_all(path.join("a/b")).unwrap();
        fs::write(path.join("a/file"), "").unwrap();
        symlink("../../secret", path.join("a/out")).unwrap();
        symlink("..", path.join("a/b/up")).unwrap();
        symlink(path.join("a/file"), path.join("absolute")).unwrap();
        symlink("loop", path.join("loop")).unwrap();
        let root = OwnedFd::from(fs::File::open(path).unwrap());
        for (name, opens) in [
            ("a/file", true),
            ("a/b/../file", true),
            ("a/b/up/file", true),
            ("a/out", false),
            ("absolute", false),
            ("loop", false),
            ("../secret", false),
            ("/etc", false),
            ("", false),
        ] {
            let opened = open_beneath(root.as_fd(), name.as_bytes(), OFlags::RDONLY);
            assert_eq!(opened.is_ok(), opens, "{name}: {opened:?}");
        }
        assert!(open_without_links(root.as_fd(), b"a/b/up/file", OFlags::RDONLY).is_err());
        assert!(open_without_links(root.as_fd(), b"a/file", OFlags::RDONLY).is_ok());
    }
}
