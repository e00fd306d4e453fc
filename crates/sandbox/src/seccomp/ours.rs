//! The filters of our own processes that outlive a sandbox: derived from the one of every sandbox, which is an allow-list.

use super::standard::{ABSENT, ALLOW, DENIED, low, masked, own_sockets, when};
use super::{Filter, standard};

/// The filter of a launcher. What it makes inherits it: the processes of sandboxes run under this one and their own.
///
/// So it is the sandboxes' filter, and what making sandboxes takes: namespaces and mounts. The kernel asks the newest filter first
/// and takes the strictest answer, of equal ones the newest: programs see no difference.
pub(crate) fn launcher() -> Filter {
    let mut filter = standard();
    let makes_sandboxes = [
        libc::SYS_clone3,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_fsopen,
        libc::SYS_fsconfig,
        libc::SYS_fsmount,
        libc::SYS_open_tree,
        libc::SYS_move_mount,
        libc::SYS_mount_setattr,
        libc::SYS_sethostname,
        // The limit of core dumps, which a sandbox's own filter then keeps where it is: under that one's rule here, it would be
        // told to be set and not be.
        libc::SYS_setrlimit,
        libc::SYS_prlimit64,
        // With a listener: the init watches over what it starts.
        libc::SYS_seccomp,
    ];
    for number in makes_sandboxes {
        filter.replace(number, Vec::new(), ALLOW);
    }
    // What listens for an owner, before what programs may have.
    if let Some(rule) = filter.rules.get_mut(&u32::try_from(libc::SYS_socket).unwrap_or_default()) {
        rule.cases.splice(..0, own_sockets());
    }
    // Of the old calls only what makes mounts private, and a new session keyring.
    filter.replace(libc::SYS_mount, vec![when(vec![masked(3, u32::MAX, &[PRIVATE])], ALLOW)], DENIED);
    filter.replace(libc::SYS_keyctl, vec![when(vec![low(0, &[JOIN_SESSION_KEYRING])], ALLOW)], DENIED);
    filter
}

/// `MS_REC | MS_PRIVATE` of `mount(2)`, whose flags are below 32 bits.
const PRIVATE: u32 = 1 << 14 | 1 << 18;

/// `KEYCTL_JOIN_SESSION_KEYRING` of `linux/keyctl.h`.
const JOIN_SESSION_KEYRING: i32 = 1;

/// The filter of the server: that of sandboxes, without what an HTTP server with a database has no use for.
///
/// `programs`: whether it executes any (git). `connections`: whether it connects to others itself.
pub(crate) fn server(programs: bool, connections: bool) -> Filter {
    let mut filter = standard();
    // It listens already. Devices, FIFOs and the like it makes none.
    for number in [libc::SYS_listen, libc::SYS_mknod, libc::SYS_mknodat] {
        filter.replace(number, Vec::new(), DENIED);
    }
    if !programs {
        for number in [libc::SYS_execve, libc::SYS_execveat, libc::SYS_fork, libc::SYS_vfork] {
            filter.replace(number, Vec::new(), DENIED);
        }
        // Threads, and no processes.
        let thread = libc::CLONE_THREAD.cast_unsigned();
        filter.replace(libc::SYS_clone, vec![when(vec![masked(0, thread, &[thread])], ALLOW)], DENIED);
        filter.replace(libc::SYS_clone3, Vec::new(), ABSENT);
    }
    if !programs && !connections {
        for number in [libc::SYS_socket, libc::SYS_connect, libc::SYS_bind] {
            filter.replace(number, Vec::new(), DENIED);
        }
    }
    filter
}

/// The filter of a process that interprets a script by itself: it reads what it has and what it may open for reading, writes to what it
/// has, and uses its own memory. No process, no program, no socket, no signal to others, nothing that a file system would remember.
#[rustfmt::skip]
pub(crate) fn interpreter() -> Filter {
    use libc::*;
    let mut filter = Filter::new(DENIED, ABSENT);
    filter.group(ALLOW, &[
        // What it has.
        SYS_read, SYS_readv, SYS_pread64, SYS_write, SYS_writev, SYS_close, SYS_lseek, SYS_poll, SYS_ppoll, SYS_fstat,
        // What is there.
        SYS_stat, SYS_lstat, SYS_newfstatat, SYS_statx, SYS_access, SYS_faccessat, SYS_faccessat2, SYS_readlink, SYS_readlinkat,
        SYS_getcwd, SYS_getdents64,
        // Its memory, itself.
        SYS_brk, SYS_munmap, SYS_mremap, SYS_madvise, SYS_futex, SYS_getpid, SYS_gettid, SYS_getrusage, SYS_sched_yield,
        SYS_rt_sigprocmask, SYS_rt_sigaction, SYS_rt_sigreturn, SYS_sigaltstack, SYS_restart_syscall, SYS_exit, SYS_exit_group,
        // Time and chance.
        SYS_clock_gettime, SYS_clock_getres, SYS_gettimeofday, SYS_time, SYS_clock_nanosleep, SYS_nanosleep, SYS_getrandom,
    ]);
    // For reading only, and nothing is made or cut.
    let writes = (O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | O_TMPFILE & !O_DIRECTORY).cast_unsigned();
    filter.rule(SYS_open, vec![when(vec![masked(1, writes, &[0])], ALLOW)], DENIED);
    filter.rule(SYS_openat, vec![when(vec![masked(2, writes, &[0])], ALLOW)], DENIED);
    // Nothing that was data becomes a program.
    let executable = PROT_EXEC.cast_unsigned();
    for number in [SYS_mmap, SYS_mprotect] {
        filter.rule(number, vec![when(vec![masked(2, executable, &[0])], ALLOW)], DENIED);
    }
    // Flags of what it has; no copies, no locks, no owner of signals.
    filter.rule(SYS_fcntl, vec![when(vec![low(1, &[F_GETFD, F_SETFD, F_GETFL])], ALLOW)], DENIED);
    filter
}
