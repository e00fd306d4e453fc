//! Descriptors: opening, reading, writing, closing.

use core::ffi::{CStr, c_int, c_long};

use super::{Fd, Result, done, number, size, system_call};
use crate::Errno;

/// `close(2)`; an error leaves nothing to do.
pub fn close(fd: Fd) {
    if fd >= 0 {
        system_call!(libc::SYS_close, fd);
    }
}

/// `readlinkat(2)`: how much of `into` is the link's text.
///
/// # Errors
/// As the call.
pub fn read_link(at: Fd, path: &CStr, into: &mut [u8]) -> Result<usize> {
    size(system_call!(libc::SYS_readlinkat, at, path.as_ptr(), into.as_mut_ptr(), into.len()))
}

/// `close_range(2)` of everything but the (at most 16) descriptors of `keep`.
///
/// # Errors
/// As the call; `ENOSYS` before Linux 5.9.
#[expect(clippy::cast_sign_loss, reason = "negative numbers are skipped before")]
pub fn close_all_except(keep: &[Fd]) -> Result<()> {
    let mut next: u32 = 0;
    loop {
        // The smallest kept descriptor from `next` on: selection instead of sorting, because there is nowhere to sort.
        let kept = keep.iter().filter(|&&fd| fd >= 0 && fd as u32 >= next).min();
        let Some(&kept) = kept else {
            return done(system_call!(libc::SYS_close_range, next, u32::MAX, 0));
        };
        if kept as u32 > next {
            done(system_call!(libc::SYS_close_range, next, kept as u32 - 1, 0))?;
        }
        next = kept as u32 + 1;
    }
}

/// `dup3(2)` without close-on-exec; the same number twice is an error of the kernel, so that case only clears the flag.
///
/// # Errors
/// As the call.
pub fn duplicate_to(from: Fd, to: Fd) -> Result<()> {
    if from == to {
        return done(system_call!(libc::SYS_fcntl, from, libc::F_SETFD, 0));
    }
    done(system_call!(libc::SYS_dup3, from, to, 0))
}

/// `fcntl(F_DUPFD_CLOEXEC)`: a copy numbered at least `lowest`.
///
/// # Errors
/// As the call.
pub fn duplicate_above(fd: Fd, lowest: Fd) -> Result<Fd> {
    number(system_call!(libc::SYS_fcntl, fd, libc::F_DUPFD_CLOEXEC, lowest))
}

/// `openat(2)`, close-on-exec.
///
/// # Errors
/// As the call.
pub fn open(at: Fd, path: &CStr, flags: c_int, mode: u32) -> Result<Fd> {
    number(system_call!(libc::SYS_openat, at, path.as_ptr(), flags | libc::O_CLOEXEC, mode))
}

/// `pread(2)` from the start.
///
/// # Errors
/// As the call.
pub fn read_at_start(fd: Fd, into: &mut [u8]) -> Result<usize> {
    size(system_call!(libc::SYS_pread64, fd, into.as_mut_ptr(), into.len(), 0 as c_long))
}

/// `read(2)`.
///
/// # Errors
/// As the call.
pub fn read(fd: Fd, into: &mut [u8]) -> Result<usize> {
    size(system_call!(libc::SYS_read, fd, into.as_mut_ptr(), into.len()))
}

/// `write(2)`, once; control files take everything at once.
///
/// # Errors
/// As the call; `EIO` when only a part was taken.
pub fn write(fd: Fd, bytes: &[u8]) -> Result<()> {
    let count = size(system_call!(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()))?;
    if count == bytes.len() { Ok(()) } else { Err(Errno(libc::EIO)) }
}

/// `pwrite(2)` at the start.
///
/// # Errors
/// As the call.
pub fn write_at_start(fd: Fd, bytes: &[u8]) -> Result<()> {
    done(system_call!(libc::SYS_pwrite64, fd, bytes.as_ptr(), bytes.len(), 0 as c_long))
}

/// Opens, writes everything, closes.
///
/// # Errors
/// As the calls.
pub fn write_file(at: Fd, path: &CStr, flags: c_int, mode: u32, content: &[u8]) -> Result<()> {
    let fd = open(at, path, libc::O_WRONLY | flags, mode)?;
    let mut rest = content;
    let mut result = Ok(());
    while result.is_ok() && !rest.is_empty() {
        match size(system_call!(libc::SYS_write, fd, rest.as_ptr(), rest.len())) {
            Ok(count) => rest = rest.get(count..).unwrap_or_default(),
            Err(errno) => result = Err(errno),
        }
    }
    close(fd);
    result
}

/// Whether there is something at this zero-terminated path (`access(2)`); false when there is no zero in it.
#[must_use]
pub fn exists(path: &[u8]) -> bool {
    path.contains(&0) && done(system_call!(libc::SYS_access, path.as_ptr(), libc::F_OK)).is_ok()
}
