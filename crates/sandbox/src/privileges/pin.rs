//! Directories of the host, found once and held.
//!
//! The launcher shows directories to sandboxes with the rights of root. Some of them lie where the server's user may write, and who has
//! taken the server over could put a link to anything in their place. So they are opened before that can have happened, and only along
//! a way on which nobody but root and the owner of the place itself could have laid anything.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, openat, readlinkat, statat};

use crate::error::SandboxError;

/// Links on one way, at most, as in the kernel.
const MOST_LINKS: usize = 40;

/// A directory or file of the host that is held.
#[derive(Debug)]
pub(crate) struct Pin {
    /// Its path, to name it (`O_PATH`).
    pub(crate) file: OwnedFd,
    /// Its owner and group.
    pub(crate) owner: (u32, u32),
}

/// Opens what is at an absolute path.
///
/// # Errors
/// It is not there; or a place on the way belongs to a user other than root who could have put what follows there, and it does not
/// belong to that user.
pub(crate) fn pin(path: &Path) -> Result<Pin, SandboxError> {
    let failed = |source| SandboxError::setup(format!("holding {}", path.display()), source);
    let refused = |at: &Path, why: &str| {
        SandboxError::Policy(format!("'{}' is not shown to sandboxes: '{}' {why}", path.display(), at.display()))
    };
    if !path.is_absolute() {
        return Err(refused(path, "is not absolute"));
    }
    let mut links = 0;
    let mut rest: VecDeque<OsString> = names(path);
    let mut place = PathBuf::from("/");
    let mut here = open_root().map_err(failed)?;
    let mut owner = look(&here).map_err(failed)?;
    while let Some(name) = rest.pop_front() {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let next = openat(&here, &name, flags, Mode::empty()).map_err(|errno| failed(errno.into()))?;
        let found = look(&next).map_err(failed)?;
        place.push(&name);
        let is = |kind| FileType::from_raw_mode(found.st_mode) == kind;
        // Whoever owns a directory may put into it what they please, and of others a file at most, by another name for it: a directory
        // of root's in there is one that root made there.
        let of_roots = found.st_uid == 0 && is(FileType::Directory);
        if owner.st_uid != 0 && found.st_uid != owner.st_uid && !of_roots {
            return Err(refused(&place, &format!("could have been put there by user {}", owner.st_uid)));
        }
        if is(FileType::Symlink) {
            links += 1;
            let anybody = owner.st_mode & 0o022 != 0;
            if found.st_uid != 0 || owner.st_uid != 0 || anybody || links > MOST_LINKS {
                return Err(refused(&place, "is a symbolic link that is not root's alone"));
            }
            let target = readlinkat(&next, "", Vec::new()).map_err(|errno| failed(errno.into()))?;
            let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
            place.pop();
            if target.is_absolute() {
                place = PathBuf::from("/");
                here = open_root().map_err(failed)?;
                owner = look(&here).map_err(failed)?;
            }
            names(&target).into_iter().rev().for_each(|name| rest.push_front(name));
            continue;
        }
        (here, owner) = (next, found);
    }
    Ok(Pin { file: here, owner: (owner.st_uid, owner.st_gid) })
}

fn names(path: &Path) -> VecDeque<OsString> {
    let names = path.components().filter(|component| matches!(component, Component::Normal(_) | Component::ParentDir));
    names.map(|component| component.as_os_str().to_owned()).collect()
}

fn open_root() -> io::Result<OwnedFd> {
    Ok(openat(CWD, "/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

fn look(file: &OwnedFd) -> io::Result<Stat> {
    Ok(statat(file, "", AtFlags::EMPTY_PATH)?)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    fn inode(pin: &Pin) -> u64 {
        look(&pin.file).unwrap().st_ino
    }

    #[test]
    fn nobody_but_root_lays_the_way() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let give = |name: &str| std::os::unix::fs::lchown(at(name), Some(1234), Some(1234)).unwrap();
        for name in ["secret", "theirs", "theirs/own", "theirs/roots", "theirs/others", "open"] {
            fs::create_dir(at(name)).unwrap();
        }
        fs::write(at("theirs/file"), "").unwrap();
        symlink(at("secret"), at("link")).unwrap();
        symlink("secret", at("relative")).unwrap();
        symlink(at("secret"), at("theirs/link")).unwrap();
        symlink(at("secret"), at("theirs/roots-link")).unwrap();
        symlink(at("secret"), at("open/link")).unwrap();
        fs::set_permissions(at("open"), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        for name in ["theirs/link", "theirs/own", "theirs"] {
            give(name);
        }
        let secret = fs::metadata(at("secret")).unwrap().ino();
        for name in ["secret", "link", "relative"] {
            assert_eq!(inode(&pin(&at(name)).unwrap()), secret, "{name}");
        }
        std::os::unix::fs::chown(at("theirs/others"), Some(1235), Some(1235)).unwrap();
        for (name, owner) in [("theirs", 1234), ("theirs/own", 1234), ("theirs/roots", 0)] {
            assert_eq!(pin(&at(name)).unwrap().owner, (owner, owner));
        }
        for name in ["theirs/others", "theirs/file", "theirs/link", "theirs/roots-link", "open/link", "nothing"] {
            assert!(pin(&at(name)).is_err(), "{name}");
        }
        assert!(pin(Path::new("secret")).is_err());
    }
}
