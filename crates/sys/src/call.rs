//! System calls, each as a function with types. They allocate nothing and keep no state.
//!
//! Descriptors are plain numbers here: the code that uses them runs in processes whose whole descriptor table belongs to it.

use core::ffi::{CStr, c_int, c_long, c_void};
use core::mem::MaybeUninit;
use core::ptr;

use crate::Errno;
use crate::seccomp::Instruction;

/// Result of a system call.
pub type Result<T> = core::result::Result<T, Errno>;

/// A descriptor number.
pub type Fd = c_int;

/// No descriptor, or "the current directory" where a directory is expected.
pub const CURRENT_DIRECTORY: Fd = libc::AT_FDCWD;

fn check(value: c_long) -> Result<c_long> {
    if value < 0 { Err(Errno::last()) } else { Ok(value) }
}

fn done(value: c_long) -> Result<()> {
    check(value).map(drop)
}

#[expect(clippy::cast_possible_truncation, reason = "the kernel returns descriptors and process ids as int")]
fn number(value: c_long) -> Result<c_int> {
    check(value).map(|value| value as c_int)
}

macro_rules! system_call {
    ($number:expr $(, $argument:expr)* $(,)?) => {
        // SAFETY: each caller in this file passes arguments that the call's manual page asks for; pointers come from
        // references that outlive the call, and the kernel checks everything else.
        unsafe { libc::syscall($number $(, $argument)*) }
    };
}

// ---- descriptors ----

/// `close(2)`; an error leaves nothing to do.
pub fn close(fd: Fd) {
    if fd >= 0 {
        system_call!(libc::SYS_close, fd);
    }
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
#[expect(clippy::cast_sign_loss, reason = "checked to be non-negative")]
pub fn read_at_start(fd: Fd, into: &mut [u8]) -> Result<usize> {
    check(system_call!(libc::SYS_pread64, fd, into.as_mut_ptr(), into.len(), 0 as c_long)).map(|count| count as usize)
}

/// `read(2)`.
///
/// # Errors
/// As the call.
#[expect(clippy::cast_sign_loss, reason = "checked to be non-negative")]
pub fn read(fd: Fd, into: &mut [u8]) -> Result<usize> {
    check(system_call!(libc::SYS_read, fd, into.as_mut_ptr(), into.len())).map(|count| count as usize)
}

/// `write(2)`, once; control files take everything at once.
///
/// # Errors
/// As the call; `EIO` when only a part was taken.
#[expect(clippy::cast_sign_loss, reason = "checked to be non-negative")]
pub fn write(fd: Fd, bytes: &[u8]) -> Result<()> {
    let count = check(system_call!(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()))?;
    if count as usize == bytes.len() { Ok(()) } else { Err(Errno(libc::EIO)) }
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
        #[expect(clippy::cast_sign_loss, reason = "checked to be non-negative")]
        match check(system_call!(libc::SYS_write, fd, rest.as_ptr(), rest.len())) {
            Ok(count) => rest = rest.get(count as usize..).unwrap_or_default(),
            Err(errno) => result = Err(errno),
        }
    }
    close(fd);
    result
}

/// `socketpair(2)`: two connected packet sockets, close-on-exec.
///
/// # Errors
/// As the call.
pub fn packet_socket_pair() -> Result<[Fd; 2]> {
    let mut pair: [Fd; 2] = [-1; 2];
    let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
    done(system_call!(libc::SYS_socketpair, libc::AF_UNIX, kind, 0, pair.as_mut_ptr()))?;
    Ok(pair)
}

// Room for one SCM_RIGHTS message with `MAX_PASSED` descriptors: header of 16 bytes and 4 bytes each, rounded up to 8.
/// Descriptors in one packet, at most.
pub const MAX_PASSED: usize = 4;
const CONTROL_BYTES: usize = 32;
const CONTROL_HEADER: usize = size_of::<libc::cmsghdr>();

#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

/// Sends one packet made of two parts, with descriptors. A closed peer is `EPIPE`, not a signal.
///
/// # Errors
/// As `sendmsg(2)`.
pub fn send(socket: Fd, head: &[u8], tail: &[u8], descriptors: &[Fd]) -> Result<()> {
    let count = descriptors.len().min(MAX_PASSED);
    let mut control = Control([0; CONTROL_BYTES]);
    let control_length = CONTROL_HEADER + count * size_of::<Fd>();
    let header = libc::cmsghdr { cmsg_len: control_length, cmsg_level: libc::SOL_SOCKET, cmsg_type: libc::SCM_RIGHTS };
    // SAFETY: `control` is aligned for a cmsghdr and larger than one; the descriptors fit behind it (16 + 4 * 4 = 32 bytes).
    unsafe {
        control.0.as_mut_ptr().cast::<libc::cmsghdr>().write(header);
        ptr::copy_nonoverlapping(
            descriptors.as_ptr().cast::<u8>(),
            control.0.as_mut_ptr().add(CONTROL_HEADER),
            count * size_of::<Fd>(),
        );
    }
    let mut parts = [
        libc::iovec { iov_base: head.as_ptr().cast_mut().cast(), iov_len: head.len() },
        libc::iovec { iov_base: tail.as_ptr().cast_mut().cast(), iov_len: tail.len() },
    ];
    // SAFETY: all-zero is a valid msghdr.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = parts.as_mut_ptr();
    message.msg_iovlen = parts.len();
    if count > 0 {
        message.msg_control = control.0.as_mut_ptr().cast();
        message.msg_controllen = (control_length + 7) & !7;
    }
    done(system_call!(libc::SYS_sendmsg, socket, &raw const message, libc::MSG_NOSIGNAL))
}

/// A packet that was received.
#[derive(Debug, Clone, Copy)]
pub struct Received {
    /// Bytes of the packet; 0 when the peer closed its end.
    pub length: usize,
    /// Descriptors that came with it, close-on-exec; -1 where there is none.
    pub descriptors: [Fd; MAX_PASSED],
}

/// Receives one packet.
///
/// # Errors
/// As `recvmsg(2)`; `EMSGSIZE` when the packet or its descriptors did not fit (what did fit is closed).
#[expect(clippy::cast_sign_loss, reason = "checked to be non-negative")]
pub fn receive(socket: Fd, into: &mut [u8], flags: c_int) -> Result<Received> {
    let mut control = Control([0; CONTROL_BYTES]);
    let mut part = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    // SAFETY: all-zero is a valid msghdr.
    let mut message: libc::msghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL_BYTES;
    let length =
        check(system_call!(libc::SYS_recvmsg, socket, &raw mut message, flags | libc::MSG_CMSG_CLOEXEC))? as usize;
    let mut descriptors = [-1; MAX_PASSED];
    if message.msg_controllen >= CONTROL_HEADER {
        // SAFETY: the kernel wrote a header at the start of `control`, which is aligned for it.
        let header = unsafe { control.0.as_ptr().cast::<libc::cmsghdr>().read() };
        if header.cmsg_level == libc::SOL_SOCKET && header.cmsg_type == libc::SCM_RIGHTS {
            let count = header.cmsg_len.saturating_sub(CONTROL_HEADER) / size_of::<Fd>();
            let (numbers, _) = control.0[CONTROL_HEADER..].as_chunks::<4>();
            for (slot, bytes) in descriptors.iter_mut().zip(numbers).take(count) {
                *slot = Fd::from_ne_bytes(*bytes);
            }
        }
    }
    if message.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) != 0 {
        descriptors.into_iter().for_each(close);
        return Err(Errno(libc::EMSGSIZE));
    }
    Ok(Received { length, descriptors })
}

/// `ppoll(2)` for readability; `None` waits without end. Returns a bit for each descriptor that is readable or closed.
///
/// # Errors
/// As the call.
pub fn poll<const N: usize>(fds: [Fd; N], timeout_ns: Option<u64>) -> Result<u32> {
    let mut entries = fds.map(|fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 });
    let timeout = timeout_ns.map(timespec);
    let timeout = timeout.as_ref().map_or(ptr::null(), ptr::from_ref);
    done(system_call!(libc::SYS_ppoll, entries.as_mut_ptr(), N, timeout, ptr::null::<c_void>(), 0))?;
    let mut ready = 0;
    for (index, entry) in entries.iter().enumerate() {
        if entry.revents != 0 {
            ready |= 1 << index;
        }
    }
    Ok(ready)
}

#[expect(clippy::cast_possible_wrap, reason = "seconds of a u64 of nanoseconds fit an i64")]
const fn timespec(ns: u64) -> libc::timespec {
    libc::timespec { tv_sec: (ns / 1_000_000_000) as i64, tv_nsec: (ns % 1_000_000_000) as i64 }
}

// ---- time ----

/// The monotonic clock in nanoseconds.
#[must_use]
pub fn monotonic_ns() -> u64 {
    clock_ns(libc::CLOCK_MONOTONIC).unwrap_or(0)
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

// ---- namespaces and mounts ----

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
    let flags = AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
    done(system_call!(
        libc::SYS_mount_setattr,
        tree,
        c"".as_ptr(),
        flags,
        &raw const attributes,
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

// ---- this process ----

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

/// Empties the capability bounding set and the ambient set, and locks the securebits so that user id 0 means nothing.
///
/// # Errors
/// As `prctl(2)`.
pub fn drop_bounding_set() -> Result<()> {
    // NOROOT, NO_SETUID_FIXUP off (its fixup is wanted), NO_CAP_AMBIENT_RAISE, each with its lock (capabilities(7)).
    const SECUREBITS: u64 = 1 | 1 << 1 | 1 << 6 | 1 << 7;
    prctl(libc::PR_SET_SECUREBITS, SECUREBITS)?;
    let mut capability = 0;
    loop {
        match prctl(libc::PR_CAPBSET_DROP, capability) {
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
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    let none = [0_u32; 6];
    done(system_call!(libc::SYS_capset, header.as_ptr(), none.as_ptr()))
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
    let socket = number(system_call!(libc::SYS_socket, libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0))?;
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

/// Landlock's version, 0 where the kernel has none.
#[must_use]
pub fn landlock_version() -> u32 {
    const VERSION: u32 = 1;
    let version = check(system_call!(libc::SYS_landlock_create_ruleset, ptr::null::<c_void>(), 0, VERSION));
    version.ok().and_then(|version| u32::try_from(version).ok()).unwrap_or(0)
}

/// `landlock_create_ruleset(2)`.
///
/// # Errors
/// As the call.
pub fn create_ruleset(handled_files: u64, scoped: u64) -> Result<Fd> {
    // handled_access_fs, handled_access_net, scoped; older kernels take fewer fields when the rest is zero.
    let attributes = [handled_files, 0, scoped];
    let length = if scoped == 0 { 8 } else { size_of_val(&attributes) };
    number(system_call!(libc::SYS_landlock_create_ruleset, attributes.as_ptr(), length, 0))
}

/// `landlock_add_rule(2)` for everything beneath a path.
///
/// # Errors
/// As the call.
pub fn add_path_rule(ruleset: Fd, path: &CStr, access: u64) -> Result<()> {
    const PATH_BENEATH: u32 = 1;
    #[repr(C, packed)]
    struct PathBeneath {
        access: u64,
        parent: Fd,
    }
    let parent = open(CURRENT_DIRECTORY, path, libc::O_PATH, 0)?;
    let rule = PathBeneath { access, parent };
    let result = done(system_call!(libc::SYS_landlock_add_rule, ruleset, PATH_BENEATH, &raw const rule, 0));
    close(parent);
    result
}

/// `landlock_restrict_self(2)`.
///
/// # Errors
/// As the call.
pub fn restrict_self(ruleset: Fd) -> Result<()> {
    done(system_call!(libc::SYS_landlock_restrict_self, ruleset, 0))
}

/// Installs a seccomp filter on this process and all that it starts.
///
/// # Errors
/// As `seccomp(2)`; `E2BIG` above the kernel's 4096 instructions.
pub fn install_filter(program: &[Instruction]) -> Result<()> {
    let len = u16::try_from(program.len()).map_err(|_| Errno(libc::E2BIG))?;
    let program = libc::sock_fprog { len, filter: program.as_ptr().cast_mut().cast() };
    done(system_call!(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program))
}

// ---- processes ----

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

/// Blocks every signal that can be blocked, and makes ignored ones default again: programs inherit "ignored" over `execve`.
pub fn quiet_signals() {
    let all = u64::MAX;
    system_call!(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const all, ptr::null::<u8>(), 8);
    for signal in 1..=64 {
        // SAFETY: SIG_DFL is a valid disposition; signals that cannot be changed are refused.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
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

/// Reads directory entries (`getdents64(2)`) from a directory whose offset is put back to its start first.
///
/// # Errors
/// As the calls.
#[expect(clippy::cast_sign_loss, reason = "checked to be non-negative")]
pub fn read_directory(fd: Fd, into: &mut [u8], rewind: bool) -> Result<usize> {
    if rewind {
        check(system_call!(libc::SYS_lseek, fd, 0 as c_long, libc::SEEK_SET))?;
    }
    check(system_call!(libc::SYS_getdents64, fd, into.as_mut_ptr(), into.len())).map(|count| count as usize)
}

/// Ends this process at once, without any clean-up of the C library.
pub fn exit(code: c_int) -> ! {
    // SAFETY: _exit has no conditions and does not return.
    unsafe { libc::_exit(code) }
}
