//! Layers of images (OCI Image Layer Filesystem Changeset): a tar whose whiteouts become those of overlayfs.
//!
//! `.wh.NAME` hides NAME of the layers below, `.wh..wh..opq` hides all of a directory. In overlayfs the first is a character device
//! of no driver under that name, the second an attribute of the directory (`Documentation/filesystems/overlayfs.rst`, "whiteouts
//! and opaque directories", with `userxattr`). Both can be made without privileges. A whiteout hides what is below only, wherever it
//! stands among the members: what the layer itself has under that name stays.

use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{FileType, Mode, OFlags, XattrFlags};
use rustix::io::Errno;

use super::archive::{Archive, Kind};
use super::name::{normalize, shown, split};
use super::problem::Step;
use super::tree;
use super::unpack::{Target, making};
use super::{ArchiveLimits, Done, Problem, Refusal};

/// What whiteouts begin with.
const WHITEOUT: &[u8] = b".wh.";
/// Hides all of its directory.
const OPAQUE: &[u8] = b".wh..wh..opq";
/// What begins like this belongs to the file system that whiteouts come from (aufs), and means nothing here.
const INTERNAL: &[u8] = b".wh..wh.";

/// What a layer held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnpackedLayer {
    /// Members, those passed over included, and bytes of files.
    pub done: Done,
    /// Members passed over: devices, and what is of an unknown kind.
    pub skipped: u64,
    /// Nothing of the layers below shows through: the root itself is opaque, which overlayfs has no way to say.
    pub opaque: bool,
}

/// Unpacks a tar that is not compressed into an empty directory, as a layer that overlayfs can use. As [`super::unpack`] in all but
/// whiteouts and devices: the latter are passed over.
///
/// # Errors
///
/// Those of [`super::unpack`], and [`Refusal::BadWhiteout`].
pub fn unpack_layer(
    reader: impl Read,
    directory: BorrowedFd<'_>,
    limits: &ArchiveLimits,
) -> Result<UnpackedLayer, Problem> {
    let mut archive = Archive::plain(reader, *limits);
    let mut target = Target::new(directory, Some(hide_below));
    let (mut skipped, mut opaque) = (0, false);
    while let Some(member) = archive.next_member()? {
        let name = normalize(&member.name)?;
        let (above, leaf) = split(&name);
        if above.split(|&byte| byte == b'/').any(|component| component.starts_with(WHITEOUT)) {
            return Err(Refusal::BadWhiteout(shown(&name)).into());
        }
        if leaf == OPAQUE && above.is_empty() {
            opaque = true;
        } else if leaf == OPAQUE {
            let directory = target.reach(above)?;
            let directory = directory.as_ref().map_or(target.root, |directory| directory.as_fd());
            hide_below(directory, b".").step(|| making(above))?;
        } else if leaf.starts_with(INTERNAL) {
            skipped += 1;
        } else if let Some(hidden) = leaf.strip_prefix(WHITEOUT) {
            if matches!(hidden, b"" | b"." | b"..") {
                return Err(Refusal::BadWhiteout(shown(&name)).into());
            }
            let directory = target.reach(above)?;
            let directory = directory.as_ref().map_or(target.root, |directory| directory.as_fd());
            hide(directory, hidden).step(|| making(&name))?;
        } else if member.kind == Kind::Other {
            skipped += 1;
        } else if !name.is_empty() {
            target.place(&mut archive, &member, &name)?;
        }
    }
    target.finish()?;
    let (entries, bytes) = archive.totals();
    Ok(UnpackedLayer { done: Done { entries, bytes }, skipped, opaque })
}

/// Hides what the layers below have under this name.
fn hide(directory: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<()> {
    match tree::stat(directory, name) {
        Ok(there) if tree::file_type(&there) == FileType::Directory => hide_below(directory, name),
        // A file of this layer hides it already.
        Ok(_) => Ok(()),
        Err(Errno::NOENT) => rustix::fs::mknodat(directory, name, FileType::CharacterDevice, Mode::empty(), 0),
        Err(errno) => Err(errno),
    }
}

/// Hides what the layers below have in this directory.
fn hide_below(parent: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory: OwnedFd = rustix::fs::openat(parent, name, flags, Mode::empty())?;
    rustix::fs::fsetxattr(&directory, "user.overlay.opaque", b"y", XattrFlags::empty())
}
