//! Clocks and CPUs.

use core::ffi::c_int;

use super::{Result, check, system_call};
use crate::Errno;

/// The monotonic clock in nanoseconds.
#[must_use]
pub fn monotonic_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC).unwrap_or(0)
}

/// The clock of the kernel's time stamps on files: the wall clock as of its last tick, in nanoseconds since 1970.
#[must_use]
pub fn stamp_ns() -> i128 {
    clock_ns(libc::CLOCK_REALTIME_COARSE).map_or(0, i128::from)
}

/// CPU time of a whole process in nanoseconds, by its CPU clock (`clock_getcpuclockid(3)`), living processes only.
///
/// # Errors
/// As `clock_gettime(2)`.
pub fn process_cpu_ns(pid: i32) -> Result<u64> {
    // The kernel's encoding of a process's scheduler clock: complement of the id above three bits that say "process, sched".
    clock_ns((!pid << 3) | 2)
}

#[expect(clippy::cast_sign_loss, reason = "these clocks are not negative")]
fn clock_ns(clock: c_int) -> Result<u64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the C function (which uses the vDSO) only writes to `time`.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return Err(Errno::last());
    }
    Ok(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// Number of CPUs that this process may use, at least 1.
#[must_use]
pub fn usable_cpus() -> u64 {
    let mut mask = [0_u64; 128];
    match check(system_call!(libc::SYS_sched_getaffinity, 0, size_of_val(&mask), mask.as_mut_ptr())) {
        Ok(_) => mask.iter().map(|word| u64::from(word.count_ones())).sum::<u64>().max(1),
        Err(_) => 1,
    }
}
