//! What one process may set of another with the same user id, and what a System V namespace holds.

use core::ffi::{c_int, c_long};
use core::ptr;

use super::{Result, check, done, system_call};

/// Resource limits that Linux knows (`RLIM_NLIMITS`).
const LIMITS: usize = 16;

/// Settings of a process that others with its user id can change (`prlimit(2)`, `sched_setattr(2)`, `sched_setaffinity(2)`,
/// `ioprio_set(2)`, `setpriority(2)`), and that its children inherit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    limits: [[u64; 2]; LIMITS],
    /// `struct sched_attr`: policy, niceness, time slice, clamps.
    scheduling: [u64; 8],
    affinity: [u64; 128],
    disk_priority: c_long,
}

/// The settings of this process.
///
/// # Errors
/// As `prlimit(2)` and `sched_getattr(2)`, which need nothing.
pub fn own_settings() -> Result<Settings> {
    settings_of(0)
}

/// The settings of a process.
///
/// # Errors
/// As `prlimit(2)` and `sched_getattr(2)`.
pub fn settings_of(pid: i32) -> Result<Settings> {
    let mut settings = Settings { limits: [[0; 2]; LIMITS], scheduling: [0; 8], affinity: [0; 128], disk_priority: 0 };
    for (resource, limit) in (0..).zip(&mut settings.limits) {
        let resource: c_int = resource;
        done(system_call!(libc::SYS_prlimit64, pid, resource, ptr::null::<u64>(), limit.as_mut_ptr()))?;
    }
    let scheduling = &mut settings.scheduling;
    done(system_call!(libc::SYS_sched_getattr, pid, scheduling.as_mut_ptr(), size_of_val(scheduling), 0))?;
    let affinity = &mut settings.affinity;
    done(system_call!(libc::SYS_sched_getaffinity, pid, size_of_val(affinity), affinity.as_mut_ptr()))?;
    const WHO_PROCESS: c_int = 1;
    // A kernel without block devices has none.
    settings.disk_priority = check(system_call!(libc::SYS_ioprio_get, WHO_PROCESS, pid)).unwrap_or(0);
    Ok(settings)
}

/// Removes the System V objects of this process's IPC namespace. The kernel does it when the namespace goes, but some time later,
/// and until then they count against a memory limit.
pub fn remove_ipc_objects() {
    // For each kind: the call, its commands *_INFO and *_STAT, and the position of the number of objects in what the former
    // writes (struct shm_info, msginfo, seminfo).
    const KINDS: [(c_long, c_int, c_int, usize); 3] =
        [(libc::SYS_shmctl, 14, 13, 0), (libc::SYS_msgctl, 12, 11, 0), (libc::SYS_semctl, 19, 18, 7)];
    for (call, info, stat, count) in KINDS {
        // Larger than any of the structures that these commands write.
        let mut buffer = [0_u64; 32];
        let control = |id: c_long, command: c_int, into: *mut u64| match call {
            libc::SYS_semctl => check(system_call!(call, id, 0, command, into)),
            _ => check(system_call!(call, id, command, into)),
        };
        let Ok(last) = control(0, info, buffer.as_mut_ptr()) else { continue };
        let word = buffer.get(count / 2).copied().unwrap_or(0);
        let objects = if count % 2 == 0 { word & 0xffff_ffff } else { word >> 32 };
        if objects == 0 {
            continue;
        }
        for index in 0..=last {
            if let Ok(id) = control(index, stat, buffer.as_mut_ptr()) {
                let _ = control(id, libc::IPC_RMID, ptr::null_mut());
            }
        }
    }
}
