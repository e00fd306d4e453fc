//! What this process is and may do: limits, users, capabilities, sessions.

use core::ffi::{CStr, c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr;

use super::{Result, close, done, number, system_call};
use crate::Errno;

/// `setrlimit(2)`.
///
/// # Errors
/// As the call.
pub fn set_limit(resource: u32, soft: u64, hard: u64) -> Result<()> {
    let limit = libc::rlimit64 { rlim_cur: soft, rlim_max: hard };
    done(system_call!(libc::SYS_prlimit64, 0, resource, &raw const limit, ptr::null::<c_void>()))
}

/// Gives up supplementary groups where that is allowed (it is not with an unprivileged user's own map).
///
/// # Errors
/// As `setgroups(2)`.
pub fn clear_groups() -> Result<()> {
    done(system_call!(libc::SYS_setgroups, 0, ptr::null::<u32>()))
}

/// Sets real, effective and saved ids. The raw calls: one thread, no C library bookkeeping.
///
/// # Errors
/// As `setresgid(2)` and `setresuid(2)`.
pub fn set_ids(uid: u32, gid: u32) -> Result<()> {
    done(system_call!(libc::SYS_setresgid, gid, gid, gid))?;
    done(system_call!(libc::SYS_setresuid, uid, uid, uid))
}

fn prctl(option: c_int, value: u64) -> Result<()> {
    done(system_call!(libc::SYS_prctl, option, value, 0_u64, 0_u64, 0_u64))
}

/// This process dies with its parent.
///
/// # Errors
/// As `prctl(2)`.
pub fn die_with_parent() -> Result<()> {
    prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL as u64)
}

/// Whether others with the same user may inspect this process.
///
/// # Errors
/// As `prctl(2)`.
pub fn set_dumpable(dumpable: bool) -> Result<()> {
    prctl(libc::PR_SET_DUMPABLE, u64::from(dumpable))
}

// NOROOT and NO_CAP_AMBIENT_RAISE, each with its lock; NO_SETUID_FIXUP off, because its fixup is wanted (capabilities(7)).
const SECUREBITS: u64 = 1 | 1 << 1 | 1 << 6 | 1 << 7;
/// Changes of user leave capabilities alone.
const NO_SETUID_FIXUP: u64 = 1 << 2;

/// `capget(2)` and `capset(2)`: their header for this process.
const CAPABILITY_HEADER: [u32; 2] = [0x2008_0522, 0];

/// Makes capabilities that this process has, one bit each, stay over `execve` (the ambient set).
///
/// # Errors
/// As `capset(2)` and `prctl(2)`: `EPERM` for one that it does not have.
pub fn keep_capabilities(capabilities: u64) -> Result<()> {
    const AMBIENT_RAISE: u64 = 2;
    // Effective, permitted, inheritable: the low halves of all, then the high ones.
    let mut sets = [0_u32; 6];
    done(system_call!(libc::SYS_capget, CAPABILITY_HEADER.as_ptr(), sets.as_mut_ptr()))?;
    let [low @ .., a, b, c, d] = capabilities.to_le_bytes();
    sets[2] |= u32::from_le_bytes(low);
    sets[5] |= u32::from_le_bytes([a, b, c, d]);
    done(system_call!(libc::SYS_capset, CAPABILITY_HEADER.as_ptr(), sets.as_ptr()))?;
    for capability in (0..64_u64).filter(|capability| capabilities >> capability & 1 == 1) {
        done(system_call!(libc::SYS_prctl, libc::PR_CAP_AMBIENT, AMBIENT_RAISE, capability, 0_u64, 0_u64))?;
    }
    Ok(())
}

/// As [`set_ids`], after [`drop_bounding_set`], but capabilities stay.
///
/// # Errors
/// As `prctl(2)` and `setresuid(2)`.
pub fn set_ids_keeping_capabilities(uid: u32, gid: u32) -> Result<()> {
    prctl(libc::PR_SET_SECUREBITS, SECUREBITS | NO_SETUID_FIXUP)?;
    set_ids(uid, gid)?;
    prctl(libc::PR_SET_SECUREBITS, SECUREBITS)
}

/// Empties the capability bounding set and the ambient set, and locks the securebits so that user id 0 means nothing.
///
/// # Errors
/// As `prctl(2)`.
pub fn drop_bounding_set() -> Result<()> {
    drop_bounding_set_except(0)
}

/// As [`drop_bounding_set`], but for the capabilities of `keep`: bit n is capability n (`linux/capability.h`).
///
/// # Errors
/// As `prctl(2)`.
pub fn drop_bounding_set_except(keep: u64) -> Result<()> {
    prctl(libc::PR_SET_SECUREBITS, SECUREBITS)?;
    let mut capability = 0;
    loop {
        if keep.checked_shr(capability).is_some_and(|kept| kept & 1 == 1) {
            capability += 1;
            continue;
        }
        match prctl(libc::PR_CAPBSET_DROP, capability.into()) {
            Ok(()) => capability += 1,
            Err(Errno(libc::EINVAL)) if capability > 0 => return Ok(()),
            Err(errno) => return Err(errno),
        }
    }
}

/// Gives up all capabilities of this process.
///
/// # Errors
/// As `capset(2)`.
pub fn clear_capabilities() -> Result<()> {
    set_capabilities(0)
}

/// Gives up all capabilities of this process but those of `keep` (bit n is capability n), which it has to have.
///
/// # Errors
/// As `capset(2)`.
#[expect(clippy::cast_possible_truncation, reason = "the low half, then the high half")]
pub fn set_capabilities(keep: u64) -> Result<()> {
    let (low, high) = (keep as u32, (keep >> 32) as u32);
    // Effective, permitted, inheritable: first of the capabilities below 32, then of the others.
    let sets = [low, low, 0, high, high, 0];
    done(system_call!(libc::SYS_capset, CAPABILITY_HEADER.as_ptr(), sets.as_ptr()))
}

/// The user and group that this thread uses files as (`setfsuid(2)`, `setfsgid(2)`); those it had before. Root with another user
/// here has no rights on files beyond that user's.
///
/// # Errors
/// `EPERM` when they did not change.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the calls return ids, 32 bits, and no errors"
)]
pub fn set_file_ids(uid: u32, gid: u32) -> Result<(u32, u32)> {
    let group = system_call!(libc::SYS_setfsgid, gid) as u32;
    let user = system_call!(libc::SYS_setfsuid, uid) as u32;
    // The calls tell no errors. An id that cannot be leaves things as they are, and the present one is told.
    let found = (system_call!(libc::SYS_setfsuid, u32::MAX) as u32, system_call!(libc::SYS_setfsgid, u32::MAX) as u32);
    if found == (uid, gid) { Ok((user, group)) } else { Err(Errno(libc::EPERM)) }
}

/// No program executed from here on gains privileges.
///
/// # Errors
/// As `prctl(2)`.
pub fn no_new_privileges() -> Result<()> {
    prctl(libc::PR_SET_NO_NEW_PRIVS, 1)
}

/// `setsid(2)`.
///
/// # Errors
/// As the call.
pub fn new_session() -> Result<()> {
    done(system_call!(libc::SYS_setsid))
}

/// Makes the terminal on descriptor 0 the controlling one of this session.
///
/// # Errors
/// As `ioctl(TIOCSCTTY)`.
pub fn take_terminal() -> Result<()> {
    done(system_call!(libc::SYS_ioctl, 0, libc::TIOCSCTTY, 0))
}

/// Joins a new, empty session keyring (`keyctl(2)`).
///
/// # Errors
/// As the call; `ENOSYS` where the kernel has no keys.
pub fn new_keyring() -> Result<()> {
    const JOIN_SESSION_KEYRING: c_int = 1;
    done(system_call!(libc::SYS_keyctl, JOIN_SESSION_KEYRING, ptr::null::<u8>()))
}

/// `umask(2)`.
pub fn set_umask(mask: u32) {
    system_call!(libc::SYS_umask, mask);
}

/// `sethostname(2)`.
///
/// # Errors
/// As the call.
pub fn set_hostname(name: &CStr) -> Result<()> {
    done(system_call!(libc::SYS_sethostname, name.as_ptr(), name.count_bytes()))
}

/// Switches the loopback interface of this network namespace on.
///
/// # Errors
/// As `socket(2)` and `ioctl(SIOCSIFFLAGS)`.
pub fn raise_loopback() -> Result<()> {
    // Any socket will do (netdevice(7)); one of the internet family would be reported, see `init::touched`.
    let socket = number(system_call!(libc::SYS_socket, libc::AF_UNIX, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0))?;
    // SAFETY: all-zero is a valid ifreq.
    let mut request: libc::ifreq = unsafe { MaybeUninit::zeroed().assume_init() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    #[expect(clippy::cast_possible_truncation, reason = "IFF_UP and IFF_RUNNING are below 16 bits, as ifr_flags is")]
    {
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    }
    let result = done(system_call!(libc::SYS_ioctl, socket, libc::SIOCSIFFLAGS, &raw const request));
    close(socket);
    result
}
