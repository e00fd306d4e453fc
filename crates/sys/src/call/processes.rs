//! Other processes: signals, reaping, `execve`.

use core::ffi::{c_int, c_long};
use core::mem::MaybeUninit;
use core::ptr;

use super::{Fd, Result, check, number, size, system_call};
use crate::Errno;

/// `kill(2)`; a process that is gone is fine.
pub fn kill(pid: i32, signal: c_int) {
    system_call!(libc::SYS_kill, pid, signal);
}

/// A child that ended.
#[derive(Debug, Clone, Copy)]
pub struct Reaped {
    /// Its process id.
    pub pid: i32,
    /// Its wait status.
    pub status: i32,
    /// User-mode microseconds, its own reaped children included.
    pub user_us: u64,
    /// Kernel-mode microseconds, likewise.
    pub system_us: u64,
    /// Largest resident set in bytes of it or one of its reaped children.
    pub peak_memory: u64,
}

/// `wait4(2)` for any child, of any kind; `None` when none has ended yet (only if `wait` is false).
///
/// # Errors
/// `ECHILD` when there is no child left.
#[expect(clippy::cast_sign_loss, reason = "times and sizes are not negative")]
pub fn reap(wait: bool) -> Result<Option<Reaped>> {
    let mut status: c_int = 0;
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    let flags = libc::__WALL | if wait { 0 } else { libc::WNOHANG };
    let pid = number(system_call!(libc::SYS_wait4, -1, &raw mut status, flags, usage.as_mut_ptr()))?;
    // SAFETY: zeroed before, and filled by the call where it reaped something; both are valid.
    let usage = unsafe { usage.assume_init() };
    let microseconds = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    Ok((pid > 0).then(|| Reaped {
        pid,
        status,
        user_us: microseconds(usage.ru_utime),
        system_us: microseconds(usage.ru_stime),
        peak_memory: usage.ru_maxrss as u64 * 1024,
    }))
}

/// The largest resident set of this process until now, in bytes (`getrusage(2)`).
#[must_use]
pub fn peak_memory() -> u64 {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    system_call!(libc::SYS_getrusage, libc::RUSAGE_SELF, usage.as_mut_ptr());
    // SAFETY: zeroed before, and filled by the call; both are valid.
    let usage = unsafe { usage.assume_init() };
    u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024
}

/// Blocks every signal that can be blocked, and makes ignored ones default again: programs inherit "ignored" over `execve`.
pub fn quiet_signals() {
    let all = u64::MAX;
    system_call!(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const all, ptr::null::<u8>(), 8);
    // The kernel's struct sigaction (handler, flags, restorer, mask), all zero: SIG_DFL. Not by the C library, which refuses the
    // two signals that it keeps for itself; we may have been started with those ignored too.
    let default = [0_u64; 4];
    for signal in 1..=64 {
        system_call!(libc::SYS_rt_sigaction, signal, default.as_ptr(), ptr::null::<u8>(), 8);
    }
}

/// Unblocks every signal.
pub fn unblock_signals() {
    let none = 0_u64;
    system_call!(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const none, ptr::null::<u8>(), 8);
}

/// A descriptor that is readable when a child has ended (`signalfd(2)` on `SIGCHLD`, which must be blocked).
///
/// # Errors
/// As the call.
pub fn child_events() -> Result<Fd> {
    let mask = 1_u64 << (libc::SIGCHLD - 1);
    number(system_call!(libc::SYS_signalfd4, -1, &raw const mask, 8, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK))
}

/// `getpid(2)`.
#[must_use]
pub fn process_id() -> i32 {
    number(system_call!(libc::SYS_getpid)).unwrap_or(0)
}

/// `execve(2)`.
///
/// # Errors
/// As the call; it does not return otherwise.
///
/// # Safety
/// `arguments` and `variables` point to arrays of pointers to zero-terminated strings, each array ended by a null pointer.
pub unsafe fn execute(path: *const u8, arguments: *const *const u8, variables: *const *const u8) -> Errno {
    system_call!(libc::SYS_execve, path, arguments, variables);
    Errno::last()
}

/// Asks for short turns on the CPU, a tenth of a millisecond: whoever takes little at a time gets its turn earlier when the machine is
/// busy (`sched(7)`, Linux 6.12; older kernels take the request and ignore it). Best effort. Children have turns of the usual length,
/// unless `inherit` says so.
pub fn take_short_turns(inherit: bool) {
    const RESET_ON_FORK: u64 = 1;
    const TURN_NS: u64 = 100_000;
    // struct sched_attr (sched_setattr(2)) in words: size and policy, flags, niceness and priority, runtime, deadline, period.
    let mut attributes = [0_u64; 6];
    let known = check(system_call!(libc::SYS_sched_getattr, 0, attributes.as_mut_ptr(), size_of_val(&attributes), 0));
    // The real-time policies have no turns, or mean something else by a runtime.
    if known.is_err() || attributes[0] >> 32 != libc::SCHED_OTHER as u64 {
        return;
    }
    attributes[1] |= if inherit { 0 } else { RESET_ON_FORK };
    attributes[3] = TURN_NS;
    system_call!(libc::SYS_sched_setattr, 0, attributes.as_ptr(), 0);
}

/// Reads directory entries (`getdents64(2)`) from a directory whose offset is put back to its start first.
///
/// # Errors
/// As the calls.
pub fn read_directory(fd: Fd, into: &mut [u8], rewind: bool) -> Result<usize> {
    if rewind {
        check(system_call!(libc::SYS_lseek, fd, 0 as c_long, libc::SEEK_SET))?;
    }
    size(system_call!(libc::SYS_getdents64, fd, into.as_mut_ptr(), into.len()))
}

/// Ends this process at once, without any clean-up of the C library.
pub fn exit(code: c_int) -> ! {
    // SAFETY: _exit has no conditions and does not return.
    unsafe { libc::_exit(code) }
}
