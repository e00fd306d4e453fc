//! Namespaces, mounts and file systems.

use core::ffi::{CStr, c_int};
use core::mem::MaybeUninit;
use core::ptr;

use super::{Fd, Result, done, number, system_call};
use crate::Errno;

/// `unshare(2)`.
///
/// # Errors
/// As the call.
pub fn unshare(flags: c_int) -> Result<()> {
    done(system_call!(libc::SYS_unshare, flags))
}

/// `setns(2)`.
///
/// # Errors
/// As the call.
pub fn set_namespace(fd: Fd, kind: c_int) -> Result<()> {
    done(system_call!(libc::SYS_setns, fd, kind))
}

/// Makes every mount of this namespace private, so that nothing done here shows elsewhere.
///
/// # Errors
/// As `mount(2)`.
pub fn make_mounts_private() -> Result<()> {
    let flags = libc::MS_REC | libc::MS_PRIVATE;
    done(system_call!(libc::SYS_mount, ptr::null::<u8>(), c"/".as_ptr(), ptr::null::<u8>(), flags, ptr::null::<u8>()))
}

const OPEN_TREE_CLONE: u32 = 1;
const OPEN_TREE_CLOEXEC: u32 = libc::O_CLOEXEC.cast_unsigned();
const AT_RECURSIVE: u32 = 0x8000;
const AT_EMPTY_PATH: u32 = libc::AT_EMPTY_PATH.cast_unsigned();
const MOVE_MOUNT_F_EMPTY_PATH: u32 = 4;

/// `open_tree(2)`: a detached copy of the mount at a path; a symbolic link at its end is followed.
///
/// # Errors
/// As the call.
pub fn clone_tree(at: Fd, path: &CStr, recursive: bool) -> Result<Fd> {
    let flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | if recursive { AT_RECURSIVE } else { 0 };
    number(system_call!(libc::SYS_open_tree, at, path.as_ptr(), flags))
}

#[repr(C)]
struct MountAttributes {
    set: u64,
    clear: u64,
    propagation: u64,
    user_namespace: u64,
}

/// `mount_setattr(2)` on a descriptor: the tree hears of no mount that is made elsewhere any more, and tells of none.
///
/// # Errors
/// As the call.
pub fn make_tree_private(tree: Fd) -> Result<()> {
    change_mounts(tree, true, &MountAttributes { set: 0, clear: 0, propagation: libc::MS_PRIVATE, user_namespace: 0 })
}

/// `mount_setattr(2)` on a descriptor: sets attributes, and maps ids by a user namespace when one is given.
///
/// # Errors
/// As the call.
#[expect(clippy::cast_sign_loss, reason = "absent is told by the flag, not the number")]
pub fn set_mount_attributes(tree: Fd, set: u64, recursive: bool, user_namespace: Option<Fd>) -> Result<()> {
    let map = if user_namespace.is_some() { libc::MOUNT_ATTR_IDMAP } else { 0 };
    let attributes = MountAttributes {
        set: set | map,
        clear: 0,
        propagation: 0,
        user_namespace: user_namespace.unwrap_or(0) as u64,
    };
    change_mounts(tree, recursive, &attributes)
}

fn change_mounts(tree: Fd, recursive: bool, attributes: &MountAttributes) -> Result<()> {
    let flags = AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
    done(system_call!(
        libc::SYS_mount_setattr,
        tree,
        c"".as_ptr(),
        flags,
        &raw const *attributes,
        size_of::<MountAttributes>()
    ))
}

/// `fsopen(2)`.
///
/// # Errors
/// As the call.
pub fn open_file_system(kind: &CStr) -> Result<Fd> {
    const FSOPEN_CLOEXEC: u32 = 1;
    number(system_call!(libc::SYS_fsopen, kind.as_ptr(), FSOPEN_CLOEXEC))
}

/// `fsconfig(FSCONFIG_SET_STRING)`, or `SET_FLAG` when the value is empty.
///
/// # Errors
/// As the call.
pub fn set_file_system_option(context: Fd, key: &CStr, value: &CStr) -> Result<()> {
    const SET_FLAG: u32 = 0;
    const SET_STRING: u32 = 1;
    if value.is_empty() {
        return done(system_call!(libc::SYS_fsconfig, context, SET_FLAG, key.as_ptr(), ptr::null::<u8>(), 0));
    }
    done(system_call!(libc::SYS_fsconfig, context, SET_STRING, key.as_ptr(), value.as_ptr(), 0))
}

/// `fsconfig(FSCONFIG_CMD_CREATE)` and `fsmount(2)`: a detached mount.
///
/// # Errors
/// As the calls.
pub fn create_mount(context: Fd, attributes: u64) -> Result<Fd> {
    const COMMAND_CREATE: u32 = 6;
    const FSMOUNT_CLOEXEC: u32 = 1;
    done(system_call!(libc::SYS_fsconfig, context, COMMAND_CREATE, ptr::null::<u8>(), ptr::null::<u8>(), 0))?;
    number(system_call!(libc::SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes))
}

/// `move_mount(2)` of a detached mount to a path; a symbolic link at its end is not followed.
///
/// # Errors
/// As the call.
pub fn attach_mount(tree: Fd, at: Fd, path: &CStr) -> Result<()> {
    done(system_call!(libc::SYS_move_mount, tree, c"".as_ptr(), at, path.as_ptr(), MOVE_MOUNT_F_EMPTY_PATH))
}

/// Makes the mount at `root` the root directory and lets go of the old one (`pivot_root(2)`, "pivot_root(., .)").
///
/// # Errors
/// As the calls.
pub fn enter_root(root: Fd) -> Result<()> {
    done(system_call!(libc::SYS_fchdir, root))?;
    done(system_call!(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()))?;
    done(system_call!(libc::SYS_umount2, c".".as_ptr(), libc::MNT_DETACH))?;
    change_directory(c"/")
}

/// `mkdirat(2)`; a directory that is there already is fine.
///
/// # Errors
/// As the call.
pub fn make_directory(at: Fd, path: &CStr, mode: u32) -> Result<()> {
    match done(system_call!(libc::SYS_mkdirat, at, path.as_ptr(), mode)) {
        Err(Errno(libc::EEXIST)) => Ok(()),
        result => result,
    }
}

/// `fchownat(2)` without following a link.
///
/// # Errors
/// As the call.
pub fn change_owner(at: Fd, path: &CStr, uid: u32, gid: u32) -> Result<()> {
    done(system_call!(libc::SYS_fchownat, at, path.as_ptr(), uid, gid, libc::AT_SYMLINK_NOFOLLOW))
}

/// `fchmodat(2)`, then `utimensat(2)` with the present time for both; nothing for a file that is not there.
pub fn renew_attributes(path: &CStr, mode: u32) {
    let _ = done(system_call!(libc::SYS_fchmodat, libc::AT_FDCWD, path.as_ptr(), mode));
    let _ = done(system_call!(libc::SYS_utimensat, libc::AT_FDCWD, path.as_ptr(), 0, 0));
}

/// `symlinkat(2)`.
///
/// # Errors
/// As the call.
pub fn make_link(target: &CStr, at: Fd, path: &CStr) -> Result<()> {
    done(system_call!(libc::SYS_symlinkat, target.as_ptr(), at, path.as_ptr()))
}

/// `chdir(2)`.
///
/// # Errors
/// As the call.
pub fn change_directory(path: &CStr) -> Result<()> {
    done(system_call!(libc::SYS_chdir, path.as_ptr()))
}

/// `fchdir(2)`.
///
/// # Errors
/// As the call.
pub fn enter_directory(directory: Fd) -> Result<()> {
    done(system_call!(libc::SYS_fchdir, directory))
}

/// Free space of the file system behind a descriptor (`fstatfs(2)`): (blocks, inodes).
///
/// # Errors
/// As the call.
pub fn free_space(fd: Fd) -> Result<(u64, u64)> {
    let mut facts = MaybeUninit::<libc::statfs>::zeroed();
    done(system_call!(libc::SYS_fstatfs, fd, facts.as_mut_ptr()))?;
    // SAFETY: the call succeeded and filled it.
    let facts = unsafe { facts.assume_init() };
    Ok((facts.f_bfree, facts.f_ffree))
}
