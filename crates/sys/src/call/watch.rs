//! Noticing: system calls that are reported before they are carried out, and what a file looks like.

use core::ffi::CStr;
use core::mem::MaybeUninit;
use core::ptr;

use super::{Fd, Result, done, number, system_call};
use crate::Errno;
use crate::seccomp::Instruction;

/// `SECCOMP_FILTER_FLAG_NEW_LISTENER` of `linux/seccomp.h`.
const NEW_LISTENER: u64 = 1 << 3;
/// `SECCOMP_USER_NOTIF_FLAG_CONTINUE`: the call is carried out (Linux 5.5).
const CONTINUE: u32 = 1;
/// `SECCOMP_IOCTL_NOTIF_RECV`: 80 bytes, both ways.
const RECEIVE: u64 = 0xc050_2100;
/// `SECCOMP_IOCTL_NOTIF_SEND`: 24 bytes, both ways.
const SEND: u64 = 0xc018_2101;

/// `struct seccomp_notif` of `linux/seccomp.h`.
#[repr(C)]
struct Notification {
    id: u64,
    pid: u32,
    flags: u32,
    number: i32,
    architecture: u32,
    instruction_pointer: u64,
    arguments: [u64; 6],
}

/// `struct seccomp_notif_resp` of `linux/seccomp.h`.
#[repr(C)]
struct Response {
    id: u64,
    value: i64,
    error: i32,
    flags: u32,
}

/// Installs a filter whose `SECCOMP_RET_USER_NOTIF` results are read from the descriptor that is returned (`seccomp(2)`).
///
/// # Errors
/// As the call; `EINVAL` before Linux 5.0.
pub fn install_watch(program: &[Instruction]) -> Result<Fd> {
    let len = u16::try_from(program.len()).map_err(|_| Errno(libc::E2BIG))?;
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut().cast() };
    number(system_call!(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, NEW_LISTENER, &raw const program))
}

/// Takes one report and lets the call go on. Returns the call's number.
///
/// # Errors
/// `ENOENT` when the caller was killed meanwhile; otherwise as `seccomp_unotify(2)`.
pub fn take_report(listener: Fd) -> Result<i32> {
    // The kernel refuses a structure that is not all zero.
    let mut notification = MaybeUninit::<Notification>::zeroed();
    done(system_call!(libc::SYS_ioctl, listener, RECEIVE, notification.as_mut_ptr()))?;
    // SAFETY: all-zero is valid, and the call filled it.
    let notification = unsafe { notification.assume_init() };
    let mut response = Response { id: notification.id, value: 0, error: 0, flags: CONTINUE };
    // A caller that was killed in between needs no answer.
    let _ = done(system_call!(libc::SYS_ioctl, listener, SEND, &raw mut response));
    Ok(notification.number)
}

/// What the kernel says about a file: all of it that a program can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Look {
    /// Mode, owner, group, links, size, blocks, attributes, identity.
    facts: [u64; 8],
    /// Access, change and modification time in nanoseconds.
    times: [i128; 3],
}

impl Look {
    /// The latest of its times, in nanoseconds since 1970.
    #[must_use]
    pub fn latest(&self) -> i128 {
        self.times.into_iter().max().unwrap_or_default()
    }

    /// Its inode number.
    #[must_use]
    pub const fn inode(&self) -> u64 {
        self.facts[7]
    }
}

/// Looks at a file (`statx(2)`); at the descriptor itself when the path is empty.
///
/// # Errors
/// As the call.
pub fn look(at: Fd, path: &CStr) -> Result<Look> {
    let mut facts = MaybeUninit::<libc::statx>::zeroed();
    let flags = libc::AT_EMPTY_PATH | libc::AT_SYMLINK_NOFOLLOW;
    done(system_call!(libc::SYS_statx, at, path.as_ptr(), flags, libc::STATX_BASIC_STATS, facts.as_mut_ptr()))?;
    // SAFETY: all-zero is valid, and the call filled it.
    let facts = unsafe { facts.assume_init() };
    let time = |time: libc::statx_timestamp| i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec);
    Ok(Look {
        facts: [
            facts.stx_mode.into(),
            facts.stx_uid.into(),
            facts.stx_gid.into(),
            facts.stx_nlink.into(),
            facts.stx_size,
            facts.stx_blocks,
            facts.stx_attributes,
            facts.stx_ino,
        ],
        times: [time(facts.stx_atime), time(facts.stx_ctime), time(facts.stx_mtime)],
    })
}

/// Makes a nameless file in a directory (`O_TMPFILE`), for a moment, and returns its inode number.
///
/// # Errors
/// As `open(2)`; not all file systems can.
pub fn nameless_inode(directory: Fd) -> Result<u64> {
    let file = super::open(directory, c".", libc::O_TMPFILE | libc::O_WRONLY, 0o600)?;
    let look = look(file, c"");
    super::close(file);
    Ok(look?.inode())
}

/// Whether a child stands still by a signal (`waitid(2)`, which forgets nothing here).
#[must_use]
pub fn is_stopped(pid: i32) -> bool {
    // SAFETY: all-zero is a valid siginfo_t.
    let mut found: libc::siginfo_t = unsafe { MaybeUninit::zeroed().assume_init() };
    let flags = libc::WSTOPPED | libc::WNOHANG | libc::WNOWAIT;
    let result = done(system_call!(libc::SYS_waitid, libc::P_PID, pid, &raw mut found, flags, ptr::null::<u8>()));
    // One that cannot be asked is no better.
    result.is_err() || found.si_signo != 0
}
