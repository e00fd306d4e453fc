//! The filter of every sandbox: an allow-list wide enough for shells, compilers, interpreters, virtual machines of languages
//! and databases.
//!
//! Refusals read as a kernel's would: `ENOSYS` for calls that a program may find missing in an old kernel and has an answer to,
//! `EPERM` for those that need privileges, the call's own error where only some arguments are refused.
//!
//! Deliberately allowed: `chmod` with set-user-id bits (the mounts are `nosuid` and the process has no new privileges, so the
//! bits do nothing inside; they are stripped when files are packed), `mlock` (`RLIMIT_MEMLOCK` and the memory limit bound it),
//! real-time scheduling and `nice` (`RLIMIT_RTPRIO` and `RLIMIT_NICE` bound them), `seccomp` and Landlock (more of them only
//! tightens), `set*id` (no capabilities are left).

use belljar_sys::call::OWN_SOCKET;

use super::{Action, Case, Comparison, Filter, Half};

pub(super) const ALLOW: Action = Action::Allow;
pub(super) const DENIED: Action = errno(libc::EPERM);
pub(super) const ABSENT: Action = errno(libc::ENOSYS);

const fn errno(number: i32) -> Action {
    assert!(number >= 0 && number < 4096);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range, see the line above")]
    Action::Errno(number as u16)
}

/// Calls that libc has no constant for (`asm/unistd_64.h` of Linux 6.18).
mod number {
    use libc::c_long;

    pub(super) const IO_PGETEVENTS: c_long = 333;
    pub(super) const URETPROBE: c_long = 335;
    pub(super) const UPROBE: c_long = 336;
    pub(super) const MAP_SHADOW_STACK: c_long = 453;
    pub(super) const FUTEX_WAKE: c_long = 454;
    pub(super) const FUTEX_WAIT: c_long = 455;
    pub(super) const FUTEX_REQUEUE: c_long = 456;
    pub(super) const SETXATTRAT: c_long = 463;
    pub(super) const GETXATTRAT: c_long = 464;
    pub(super) const LISTXATTRAT: c_long = 465;
    pub(super) const REMOVEXATTRAT: c_long = 466;
    pub(super) const OPEN_TREE_ATTR: c_long = 467;
}

/// The filter.
///
/// It is installed in the process that starts the programs, after everything that needs a forbidden call.
pub(crate) fn standard() -> Filter {
    let mut filter = Filter::new(ABSENT, ABSENT);
    allow_files(&mut filter);
    allow_processes(&mut filter);
    allow_memory(&mut filter);
    allow_communication(&mut filter);
    deny_privileged(&mut filter);
    limit_processes(&mut filter);
    limit_core_dumps(&mut filter);
    spare_init(&mut filter);
    limit_files(&mut filter);
    limit_watches(&mut filter);
    limit_requests(&mut filter);
    limit_sockets(&mut filter);
    limit_attributes(&mut filter);
    filter
}

/// The filter for a sandbox that may write to files of the host: it makes no set-user-id and no set-group-id file.
///
/// Inside, such a bit means nothing. Outside, the file belongs to the owner of the directory that was shown, who may be root.
/// `openat2` takes the mode in memory, where a filter cannot look, so there is none; programs do without it. Nor are there extended
/// attributes to be set, whose names are in memory too: some are labels and lists of rights outside. Programs take it for a file
/// system without them.
pub(crate) fn without_set_id() -> Filter {
    let mut filter = standard();
    let plain = |mode: u8| masked(mode, libc::S_ISUID | libc::S_ISGID, &[0]);
    let by_mode = [
        (libc::SYS_chmod, 1),
        (libc::SYS_fchmod, 1),
        (libc::SYS_fchmodat, 2),
        (libc::SYS_fchmodat2, 2),
        (libc::SYS_creat, 1),
    ];
    for (number, mode) in by_mode {
        filter.replace(number, vec![when(vec![plain(mode)], ALLOW)], DENIED);
    }
    // Where nothing is created, the mode may be anything.
    let creates = (libc::O_CREAT | libc::O_TMPFILE & !libc::O_DIRECTORY).cast_unsigned();
    for (number, flags, mode) in [(libc::SYS_open, 1, 2), (libc::SYS_openat, 2, 3)] {
        let cases = vec![when(vec![masked(flags, creates, &[0])], ALLOW), when(vec![plain(mode)], ALLOW)];
        filter.replace(number, cases, DENIED);
    }
    for (number, mode) in [(libc::SYS_mknod, 1), (libc::SYS_mknodat, 2)] {
        let types = [libc::S_IFREG, libc::S_IFIFO, libc::S_IFSOCK, 0];
        filter.replace(number, vec![when(vec![plain(mode), masked(mode, libc::S_IFMT, &types)], ALLOW)], DENIED);
    }
    filter.replace(libc::SYS_openat2, Vec::new(), ABSENT);
    for number in ATTRIBUTE_SETTERS {
        filter.replace(number, Vec::new(), errno(libc::EOPNOTSUPP));
    }
    filter
}

/// Calls that set an extended attribute of a file.
const ATTRIBUTE_SETTERS: [libc::c_long; 4] =
    [libc::SYS_setxattr, libc::SYS_lsetxattr, libc::SYS_fsetxattr, number::SETXATTRAT];

/// The filter for a sandbox that unpacks a layer of an image onto the host: as [`without_set_id`], but with whiteouts (character
/// devices without a driver, `mknod(2)`), their attributes, and `openat2`, by which the agent stays beneath a directory. No program is
/// started in it.
pub(crate) fn for_layers() -> Filter {
    let mut filter = without_set_id();
    let plain = |mode: u8| masked(mode, libc::S_ISUID | libc::S_ISGID, &[0]);
    let types = [libc::S_IFREG, libc::S_IFIFO, 0];
    let whiteout = vec![plain(2), masked(2, libc::S_IFMT, &[libc::S_IFCHR]), low(3, &[0])];
    let cases = vec![when(vec![plain(2), masked(2, libc::S_IFMT, &types)], ALLOW), when(whiteout, ALLOW)];
    filter.replace(libc::SYS_mknodat, cases, DENIED);
    for number in ATTRIBUTE_SETTERS.into_iter().chain([libc::SYS_openat2]) {
        filter.replace(number, Vec::new(), ALLOW);
    }
    for number in [libc::SYS_execve, libc::SYS_execveat] {
        filter.replace(number, Vec::new(), DENIED);
    }
    filter
}

/// Files: what may be opened, the mount tree and the file modes decide.
#[rustfmt::skip]
fn allow_files(filter: &mut Filter) {
    use libc::*;
    // Reading and writing.
    filter.group(ALLOW, &[
        SYS_read, SYS_write, SYS_open, SYS_close, SYS_lseek, SYS_pread64, SYS_pwrite64, SYS_readv, SYS_writev, SYS_preadv,
        SYS_pwritev, SYS_pwritev2, SYS_openat, SYS_openat2, SYS_creat, SYS_dup, SYS_dup2, SYS_dup3, SYS_close_range,
        SYS_flock, SYS_fsync, SYS_fdatasync, SYS_truncate, SYS_ftruncate, SYS_fallocate, SYS_readahead,
        SYS_sync_file_range, SYS_sendfile, SYS_splice, SYS_tee, SYS_vmsplice, SYS_copy_file_range,
    ]);
    // Files of the host are in its page cache, which everybody shares. Who may throw a page out of it, and ask later whether it has
    // come back without fetching it himself, sees what others read (arXiv:1901.01161). The first is done by an advice, which need not
    // be taken; the second is refused as by a file system that does not know.
    const RWF_NOWAIT: u32 = 8;
    filter.rule(SYS_fadvise64, vec![when(vec![low(3, &[POSIX_FADV_DONTNEED])], Action::Errno(0))], ALLOW);
    filter.rule(SYS_preadv2, vec![when(vec![masked(5, RWF_NOWAIT, &[RWF_NOWAIT])], errno(EOPNOTSUPP))], ALLOW);
    // Names, directories and attributes.
    filter.group(ALLOW, &[
        SYS_stat, SYS_fstat, SYS_lstat, SYS_newfstatat, SYS_statx, SYS_access, SYS_faccessat, SYS_faccessat2, SYS_statfs,
        SYS_fstatfs, SYS_getdents, SYS_getdents64, SYS_getcwd, SYS_chdir, SYS_fchdir, SYS_rename, SYS_renameat, SYS_renameat2,
        SYS_mkdir, SYS_mkdirat, SYS_rmdir, SYS_link, SYS_linkat, SYS_unlink, SYS_unlinkat, SYS_symlink, SYS_symlinkat,
        SYS_readlink, SYS_readlinkat, SYS_chmod, SYS_fchmod, SYS_fchmodat, SYS_fchmodat2, SYS_chown, SYS_fchown, SYS_lchown,
        SYS_fchownat, SYS_umask, SYS_utime, SYS_utimes, SYS_futimesat, SYS_utimensat,
        SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr, SYS_getxattr, SYS_lgetxattr, SYS_fgetxattr, SYS_listxattr, SYS_llistxattr,
        SYS_flistxattr, SYS_removexattr, SYS_lremovexattr, SYS_fremovexattr,
        number::SETXATTRAT, number::GETXATTRAT, number::LISTXATTRAT, number::REMOVEXATTRAT,
    ]);
    // Waiting for files.
    filter.group(ALLOW, &[
        SYS_poll, SYS_ppoll, SYS_select, SYS_pselect6, SYS_epoll_create, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_wait,
        SYS_epoll_pwait, SYS_epoll_pwait2, SYS_eventfd, SYS_eventfd2, SYS_signalfd, SYS_signalfd4, SYS_timerfd_create,
        SYS_timerfd_settime, SYS_timerfd_gettime, SYS_inotify_init, SYS_inotify_init1, SYS_inotify_rm_watch,
    ]);
    // Asynchronous reads and writes of the old kind: all processes of the host share 65,536 of them (`fs.aio-max-nr`), which one
    // program could hold, and nothing bounds a sandbox's part. The databases that use them do without.
    filter.group(ABSENT, &[
        SYS_io_setup, SYS_io_destroy, SYS_io_getevents, number::IO_PGETEVENTS, SYS_io_submit, SYS_io_cancel,
    ]);
    // `sync` writes back *every* file system of the host and waits for it, so one sandbox would slow all others. It does
    // nothing here and says success, which its definition in POSIX allows; `fsync` of a file works. `syncfs` through a
    // descriptor of the read-only host view would do the same, but promises more: it is absent.
    filter.group(Action::Errno(0), &[SYS_sync]);
    filter.group(ABSENT, &[SYS_syncfs]);
}

/// Processes and threads: the process-id namespace and the limits bound what they reach.
#[rustfmt::skip]
fn allow_processes(filter: &mut Filter) {
    use libc::*;
    filter.group(ALLOW, &[
        SYS_fork, SYS_vfork, SYS_execve, SYS_execveat, SYS_exit, SYS_exit_group, SYS_wait4, SYS_waitid, SYS_getpid, SYS_getppid,
        SYS_gettid, SYS_setpgid, SYS_getpgid, SYS_getpgrp, SYS_setsid, SYS_getsid, SYS_uname, SYS_sysinfo, SYS_times,
        SYS_getrusage, SYS_getrlimit, SYS_getpriority, SYS_ioprio_get, SYS_pidfd_open, SYS_pidfd_send_signal,
        SYS_restart_syscall,
    ]);
    // Identities; without capabilities they only ever give up rights.
    filter.group(ALLOW, &[
        SYS_getuid, SYS_getgid, SYS_geteuid, SYS_getegid, SYS_setuid, SYS_setgid, SYS_setreuid, SYS_setregid, SYS_setresuid,
        SYS_getresuid, SYS_setresgid, SYS_getresgid, SYS_setfsuid, SYS_setfsgid, SYS_getgroups, SYS_setgroups, SYS_capget,
        SYS_capset,
    ]);
    // Signals.
    filter.group(ALLOW, &[
        SYS_kill, SYS_tkill, SYS_tgkill, SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigpending,
        SYS_rt_sigtimedwait, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_rt_sigsuspend, SYS_sigaltstack, SYS_pause,
    ]);
    // Threads and scheduling.
    filter.group(ALLOW, &[
        SYS_futex, SYS_futex_waitv, number::FUTEX_WAKE, number::FUTEX_WAIT, number::FUTEX_REQUEUE, SYS_set_robust_list,
        SYS_get_robust_list, SYS_set_tid_address, SYS_rseq, SYS_membarrier, SYS_arch_prctl, SYS_getcpu, SYS_sched_yield,
        SYS_sched_getparam, SYS_sched_getscheduler, SYS_sched_getattr, SYS_sched_get_priority_max, SYS_sched_get_priority_min,
        SYS_sched_rr_get_interval, SYS_sched_getaffinity,
    ]);
    // Clocks, read only, and timers.
    filter.group(ALLOW, &[
        SYS_gettimeofday, SYS_time, SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_nanosleep, SYS_alarm,
        SYS_getitimer, SYS_setitimer, SYS_timer_create, SYS_timer_settime, SYS_timer_gettime, SYS_timer_getoverrun,
        SYS_timer_delete,
    ]);
    // More layers of one's own, which can only tighten.
    filter.group(ALLOW, &[SYS_landlock_create_ruleset, SYS_landlock_add_rule, SYS_landlock_restrict_self]);
    // Breakpoints that the host's administrator sets in a shared library enter the kernel by these; elsewhere they are refused there.
    filter.group(ALLOW, &[number::URETPROBE, number::UPROBE]);
    filter.group(ALLOW, &[SYS_getrandom]);
}

/// Memory of the caller itself; the memory limit bounds it.
#[rustfmt::skip]
fn allow_memory(filter: &mut Filter) {
    use libc::*;
    filter.group(ALLOW, &[
        SYS_brk, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_msync, SYS_mincore, SYS_mlock, SYS_mlock2, SYS_munlock,
        SYS_mlockall, SYS_munlockall, SYS_remap_file_pages, SYS_mseal, SYS_pkey_mprotect, SYS_pkey_alloc,
        SYS_pkey_free, number::MAP_SHADOW_STACK, SYS_mbind, SYS_set_mempolicy, SYS_get_mempolicy,
    ]);
    // Huge pages of the host's pool, which others reserved for themselves, count in no limit of memory. The answer is that of an
    // empty pool. (Transparent huge pages are ordinary memory.)
    const MFD_HUGETLB: i32 = 4;
    for (number, argument, flag) in
        [(SYS_mmap, 3, MAP_HUGETLB), (SYS_memfd_create, 1, MFD_HUGETLB), (SYS_shmget, 2, SHM_HUGETLB)]
    {
        let flag = flag.cast_unsigned();
        filter.rule(number, vec![when(vec![masked(argument, flag, &[flag])], errno(ENOMEM))], ALLOW);
    }
    // Pages offered for merging with equal pages of other sandboxes would tell, by the time a write takes, what those hold.
    // The answer is that of a kernel without page merging.
    filter.rule(SYS_madvise, vec![when(vec![low(2, &[MADV_MERGEABLE])], errno(EINVAL))], ALLOW);
}

/// Pipes, sockets once they exist, System V and POSIX objects in the sandbox's own IPC namespace.
#[rustfmt::skip]
fn allow_communication(filter: &mut Filter) {
    use libc::*;
    filter.group(ALLOW, &[
        SYS_pipe, SYS_pipe2, SYS_connect, SYS_accept, SYS_accept4, SYS_bind, SYS_listen, SYS_shutdown, SYS_getsockname,
        SYS_getpeername, SYS_getsockopt, SYS_sendto, SYS_recvfrom, SYS_sendmsg, SYS_recvmsg, SYS_sendmmsg,
        SYS_recvmmsg, SYS_shmat, SYS_shmctl, SYS_shmdt, SYS_semget, SYS_semop, SYS_semctl, SYS_semtimedop,
        SYS_msgget, SYS_msgsnd, SYS_msgrcv, SYS_msgctl, SYS_mq_open, SYS_mq_unlink, SYS_mq_timedsend, SYS_mq_timedreceive,
        SYS_mq_notify, SYS_mq_getsetattr,
    ]);
}

/// What no program in a sandbox needs, or what only root may do anyway: the kernel's code behind it stays out of reach.
#[rustfmt::skip]
fn deny_privileged(filter: &mut Filter) {
    use libc::*;
    // New or other namespaces: they hand out capabilities, and most local root exploits of the last years begin there.
    filter.group(DENIED, &[SYS_unshare, SYS_setns]);
    // Its flags lie in memory, out of a filter's sight. C libraries fall back to `clone` on this very error.
    filter.group(ABSENT, &[SYS_clone3]);
    // The mount tree is what hides the host.
    filter.group(DENIED, &[
        SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick, SYS_open_tree,
        number::OPEN_TREE_ATTR, SYS_move_mount, SYS_mount_setattr,
    ]);
    // Other processes' memory, descriptors and kernel objects.
    filter.group(DENIED, &[
        SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_process_madvise, SYS_process_mrelease, SYS_kcmp,
        SYS_pidfd_getfd, SYS_migrate_pages, SYS_move_pages,
    ]);
    // Programs and probes inside the kernel; a page fault handled by a program stops the kernel in the middle of a copy.
    filter.group(DENIED, &[SYS_bpf, SYS_perf_event_open, SYS_userfaultfd]);
    // A ring does files' and sockets' work without the calls that this filter sees. Programs fall back on this error.
    filter.group(ABSENT, &[SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register]);
    // Memory that even the kernel cannot look into is pinned outside of what can be swapped or moved.
    filter.group(ABSENT, &[SYS_memfd_secret]);
    // Keyrings outlive the sandbox and belong to the user id, not to a namespace.
    filter.group(DENIED, &[SYS_add_key, SYS_request_key, SYS_keyctl]);
    // Files by handle bypass the mount tree; fanotify sees whole file systems; quotas and accounting are the host's.
    filter.group(DENIED, &[
        SYS_open_by_handle_at, SYS_name_to_handle_at, SYS_fanotify_init, SYS_fanotify_mark, SYS_quotactl, SYS_quotactl_fd,
        SYS_acct, SYS_swapon, SYS_swapoff,
    ]);
    // The machine itself: kernel, modules, log, name, console, ports, segments.
    filter.group(DENIED, &[
        SYS_kexec_load, SYS_kexec_file_load, SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_reboot, SYS_syslog,
        SYS_sethostname, SYS_setdomainname, SYS_vhangup, SYS_iopl, SYS_ioperm, SYS_modify_ldt,
    ]);
    // The host's clock.
    filter.group(DENIED, &[SYS_settimeofday, SYS_clock_settime, SYS_adjtimex, SYS_clock_adjtime]);
    // Long gone from the kernel, and holes when they were there.
    filter.group(ABSENT, &[
        SYS_lookup_dcookie, SYS_nfsservctl, SYS__sysctl, SYS_uselib, SYS_ustat, SYS_sysfs, SYS_getpmsg, SYS_putpmsg,
        SYS_afs_syscall, SYS_tuxcall, SYS_security, SYS_vserver, SYS_epoll_ctl_old, SYS_epoll_wait_old, SYS_set_thread_area,
        SYS_get_thread_area,
    ]);
}

/// `clone`, `personality`, `seccomp`: by their flags.
fn limit_processes(filter: &mut Filter) {
    use libc::{
        CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWUTS,
        CLONE_UNTRACED,
    };
    // Everything but new namespaces (as above) and a child that hides from the tracer of its parent. `CLONE_PARENT` has to work:
    // the process that starts programs makes them siblings of itself. The kernel takes the low half only.
    let forbidden = CLONE_NEWNS
        | CLONE_NEWCGROUP
        | CLONE_NEWUTS
        | CLONE_NEWIPC
        | CLONE_NEWUSER
        | CLONE_NEWPID
        | CLONE_NEWNET
        | CLONE_UNTRACED;
    filter.rule(libc::SYS_clone, vec![when(vec![masked(0, forbidden.cast_unsigned(), &[0])], ALLOW)], DENIED);

    // Plain Linux, its 32-bit address and kernel-name variants, and the query. The others make memory executable
    // (`READ_IMPLIES_EXEC`), map page 0, or switch randomization off.
    const PERSONALITIES: [u32; 5] = [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];
    let plain = Comparison { argument: 0, half: Half::Low, mask: u32::MAX, values: PERSONALITIES.to_vec() };
    filter.rule(libc::SYS_personality, vec![when(vec![plain], ALLOW)], DENIED);

    // A further filter can only tighten; but one that hands calls to another process (`SECCOMP_FILTER_FLAG_NEW_LISTENER`) lets
    // that process answer in our place, and no program needs it. Filters without that flag can also come by `prctl`.
    const NEW_LISTENER: u32 = 1 << 3;
    filter.rule(libc::SYS_seccomp, vec![when(vec![masked(1, NEW_LISTENER, &[0])], ALLOW)], DENIED);
}

/// `setrlimit` and `prlimit64`: everything but the limit of core dumps, which stays 1.
///
/// Where the host hands core dumps to a program of its own, it runs as the host's root and reads what a hostile process left. The
/// kernel minds no limit then, 0 included; only at 1 it starts nothing (`fs/coredump.c`). Programs that switch their dumps off
/// are told that they did.
fn limit_core_dumps(filter: &mut Filter) {
    use libc::RLIMIT_CORE;
    let null =
        |argument| [Half::Low, Half::High].map(|half| Comparison { argument, half, mask: u32::MAX, values: vec![0] });
    let core = |argument| Comparison { argument, half: Half::Low, mask: u32::MAX, values: vec![RLIMIT_CORE] };
    let done = Action::Errno(0);
    filter.rule(libc::SYS_setrlimit, vec![when(vec![core(0)], done)], ALLOW);
    let [old_low, old_high] = null(3);
    let cases = vec![
        when(null(2).to_vec(), ALLOW),
        when(vec![core(1), old_low, old_high], done),
        // It wants to be told the old one, which a filter cannot do.
        when(vec![core(1)], DENIED),
    ];
    filter.rule(libc::SYS_prlimit64, cases, ALLOW);
}

/// The limits and the scheduling of process 1, which kills at the limits: a program that has its user id (without root outside, or as
/// root inside) could keep it from that. It is known by its number, or hit by a user's id, which no program needs to name.
fn spare_init(filter: &mut Filter) {
    const IOPRIO_WHO_PROCESS: i32 = 1;
    const IOPRIO_WHO_USER: i32 = 3;
    let by_number =
        [libc::SYS_sched_setaffinity, libc::SYS_sched_setscheduler, libc::SYS_sched_setparam, libc::SYS_sched_setattr];
    filter.before(libc::SYS_prlimit64, vec![when(vec![low(0, &[1])], DENIED)]);
    for number in by_number {
        filter.rule(number, vec![when(vec![low(0, &[1])], DENIED)], ALLOW);
    }
    let by_kind = [
        (libc::SYS_setpriority, libc::PRIO_PROCESS.cast_signed(), libc::PRIO_USER.cast_signed()),
        (libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, IOPRIO_WHO_USER),
    ];
    for (number, process, user) in by_kind {
        let init = when(vec![low(0, &[process]), low(1, &[1])], DENIED);
        filter.rule(number, vec![init, when(vec![low(0, &[user])], DENIED)], ALLOW);
    }
}

/// `inotify` and `fcntl`: no news of who opens or reads a file.
///
/// The host's read-only files are the same for all sandboxes: by watching `/usr/bin` for opens, each would see what the others
/// start. Changes can be watched: on those files only the host makes any.
fn limit_watches(filter: &mut Filter) {
    let reads = libc::IN_ACCESS | libc::IN_OPEN | libc::IN_CLOSE_NOWRITE;
    let changes = when(vec![masked(2, reads, &[0])], ALLOW);
    filter.rule(libc::SYS_inotify_add_watch, vec![changes], errno(libc::EACCES));
    // The older kind of watch, which nothing uses any more.
    filter.rule(libc::SYS_fcntl, vec![when(vec![low(1, &[libc::F_NOTIFY])], errno(libc::EINVAL))], ALLOW);
}

/// `mknod`: files, FIFOs and sockets, no devices. A type of 0 is a regular file.
fn limit_files(filter: &mut Filter) {
    let types = [0, libc::S_IFREG, libc::S_IFIFO, libc::S_IFSOCK];
    for (number, mode) in [(libc::SYS_mknod, 1), (libc::SYS_mknodat, 2)] {
        let plain = Comparison { argument: mode, half: Half::Low, mask: libc::S_IFMT, values: types.to_vec() };
        filter.rule(number, vec![when(vec![plain], ALLOW)], DENIED);
    }
}

/// `ioctl`: everything but what reaches the reader of a terminal that is shared with the outside, and keys that stay.
///
/// The kernel takes the request as 32 bits, so the low half is compared and nothing else: a comparison of all 64 bits let
/// programs past other sandboxes' filters by setting a high bit (CVE-2019-7303, CVE-2019-10063).
fn limit_requests(filter: &mut Filter) {
    // Typing into the terminal, for whoever reads it next (`TIOCSTI`; `TIOCLINUX` pastes); taking over the console's output
    // (`TIOCCONS`); loading another line discipline, a module with a history of holes (`TIOCSETD`).
    const REQUESTS: [u32; 4] = [0x5412, 0x541c, 0x541d, 0x5423];
    // The keyboard and virtual-terminal requests of the console, 0x4Bxx and 0x56xx: `KDSKBSENT` puts words into a key.
    const FAMILIES: [u32; 2] = [0x4b00, 0x5600];
    let requests = Comparison { argument: 1, half: Half::Low, mask: u32::MAX, values: REQUESTS.to_vec() };
    let families = masked(1, 0xffff_ff00, &FAMILIES);
    // Keys for encrypted directories (`FS_IOC_ADD_ENCRYPTION_KEY` and its kin) belong to the host's file system, which any file of
    // it stands for, and outlive the sandbox. The answer is that of a file system without encryption.
    const KEYS: [u32; 4] = [0xc050_6617, 0xc040_6618, 0xc040_6619, 0xc080_661a];
    let keys = Comparison { argument: 1, half: Half::Low, mask: u32::MAX, values: KEYS.to_vec() };
    let cases = vec![when(vec![requests], DENIED), when(vec![families], DENIED), when(vec![keys], errno(libc::ENOTTY))];
    filter.rule(libc::SYS_ioctl, cases, ALLOW);
}

/// `socket`: Unix, TCP and UDP. All other families and protocols load kernel modules for the asking (vsock reaches the host
/// of a virtual machine; packet, netlink, SCTP and the like are where local exploits come from).
fn limit_sockets(filter: &mut Filter) {
    use libc::{
        AF_INET, AF_INET6, AF_UNIX, EAFNOSUPPORT, ENOENT, EOPNOTSUPP, EPROTONOSUPPORT, ESOCKTNOSUPPORT, IPPROTO_TCP,
        IPPROTO_UDP, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET, SOCK_STREAM,
    };
    // The init's own are not reported; a program that marks its own in the same way gets none.
    let own = Comparison { argument: 0, half: Half::High, mask: u32::MAX, values: vec![OWN_SOCKET] };
    // The low four bits are the type; `SOCK_NONBLOCK` and `SOCK_CLOEXEC` are above.
    const TYPE: u32 = 0xf;
    let kind = |kinds: &[i32]| masked(1, TYPE, &unsigned(kinds));
    let unix = || low(0, &[AF_UNIX]);
    let internet = || low(0, &[AF_INET, AF_INET6]);
    let known = || low(0, &[AF_UNIX, AF_INET, AF_INET6]);
    let cases = vec![
        when(vec![own], errno(EAFNOSUPPORT)),
        when(vec![unix(), kind(&[SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET])], ALLOW),
        when(vec![internet(), kind(&[SOCK_STREAM]), low(2, &[0, IPPROTO_TCP])], ALLOW),
        when(vec![internet(), kind(&[SOCK_DGRAM]), low(2, &[0, IPPROTO_UDP])], ALLOW),
        // Languages that try multipath TCP first go on with TCP on this error.
        when(vec![internet(), kind(&[SOCK_STREAM, SOCK_DGRAM])], errno(EPROTONOSUPPORT)),
        when(vec![internet(), kind(&[SOCK_RAW])], DENIED),
        when(vec![known()], errno(ESOCKTNOSUPPORT)),
    ];
    filter.rule(libc::SYS_socket, cases, errno(EAFNOSUPPORT));

    // Pairs exist for Unix sockets only; this is what the kernel says for internet families.
    let pair = when(vec![unix(), kind(&[SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET])], ALLOW);
    let other_type = when(vec![unix()], errno(ESOCKTNOSUPPORT));
    filter.rule(libc::SYS_socketpair, vec![pair, other_type], errno(EOPNOTSUPP));

    // Protocols on top of TCP (TLS in the kernel, and others): hardly used, and holes year after year. The answer is that of a
    // kernel without them. The kernel takes level and option as `int`.
    const TCP_ULP: i32 = 31;
    let on_top = vec![low(1, &[IPPROTO_TCP]), low(2, &[TCP_ULP])];
    filter.rule(libc::SYS_setsockopt, vec![when(on_top, errno(ENOENT))], ALLOW);

    // Flow labels outlive their socket and their process by minutes, and any later process can read them.
    const IPV6_FLOWLABEL_MGR: i32 = 32;
    let labels = when(vec![low(1, &[libc::IPPROTO_IPV6]), low(2, &[IPV6_FLOWLABEL_MGR])], DENIED);
    filter.before(libc::SYS_setsockopt, vec![labels]);
}

/// In a network namespace of our own: nobody joins a group.
///
/// The kernel announces a group, and the leaving of it, seconds later, when the next run may be the one that sees the packets. The
/// answer is that of a machine without a route for multicast, which this is.
pub(crate) fn refuse_groups(filter: &mut Filter) {
    const MCAST_JOIN_GROUP: i32 = 42;
    const MCAST_JOIN_SOURCE_GROUP: i32 = 46;
    const IPV6_JOIN_ANYCAST: i32 = 27;
    let either = [MCAST_JOIN_GROUP, MCAST_JOIN_SOURCE_GROUP];
    let four = [&[libc::IP_ADD_MEMBERSHIP, libc::IP_ADD_SOURCE_MEMBERSHIP], &either[..]].concat();
    let six = [&[libc::IPV6_ADD_MEMBERSHIP, IPV6_JOIN_ANYCAST], &either[..]].concat();
    let absent = errno(libc::ENODEV);
    let cases = vec![
        when(vec![low(1, &[libc::IPPROTO_IP]), low(2, &four)], absent),
        when(vec![low(1, &[libc::IPPROTO_IPV6]), low(2, &six)], absent),
    ];
    filter.before(libc::SYS_setsockopt, cases);
}

/// `prctl`: the options that ordinary programs use; the others answer as in a kernel that does not know them.
fn limit_attributes(filter: &mut Filter) {
    use libc::*;
    const PR_GET_AUXV: i32 = 0x4155_5856;
    let options = [
        // Of the process: name, death signal, core dumps, orphans, timers.
        PR_SET_NAME,
        PR_GET_NAME,
        PR_SET_PDEATHSIG,
        PR_GET_PDEATHSIG,
        PR_SET_DUMPABLE,
        PR_GET_DUMPABLE,
        PR_SET_CHILD_SUBREAPER,
        PR_GET_CHILD_SUBREAPER,
        PR_SET_TIMERSLACK,
        PR_GET_TIMERSLACK,
        PR_GET_TID_ADDRESS,
        PR_GET_AUXV,
        PR_GET_TSC,
        PR_SET_TSC,
        // Of its memory: names of mappings, huge pages, no writable code.
        PR_SET_VMA,
        PR_SET_THP_DISABLE,
        PR_GET_THP_DISABLE,
        PR_SET_MDWE,
        PR_GET_MDWE,
        // Of its rights; without capabilities each of them reads or gives up.
        PR_SET_NO_NEW_PRIVS,
        PR_GET_NO_NEW_PRIVS,
        PR_SET_SECCOMP,
        PR_GET_SECCOMP,
        PR_CAPBSET_READ,
        PR_CAPBSET_DROP,
        PR_CAP_AMBIENT,
        PR_SET_KEEPCAPS,
        PR_GET_KEEPCAPS,
        PR_SET_SECUREBITS,
        PR_GET_SECUREBITS,
        PR_GET_SPECULATION_CTRL,
        PR_SET_PTRACER,
    ];
    // `PR_SET_MM` forges what `/proc` shows of a process. `PR_SCHED_CORE` and `PR_SET_SPECULATION_CTRL` weaken what keeps
    // side channels shut, `PR_SET_MEMORY_MERGE` opens one (see `madvise`).
    let privileged = [PR_SET_MM, PR_SCHED_CORE, PR_SET_SPECULATION_CTRL];
    let cases = vec![when(vec![low(0, &options)], ALLOW), when(vec![low(0, &privileged)], DENIED)];
    filter.rule(SYS_prctl, cases, errno(EINVAL));
}

/// The sockets of an init, as far as it needs any: those that listen for its owner.
pub(super) fn own_sockets() -> Vec<Case> {
    let stream = masked(1, 0xf, &[libc::SOCK_STREAM.cast_unsigned()]);
    let own = Comparison { argument: 0, half: Half::High, mask: u32::MAX, values: vec![OWN_SOCKET] };
    vec![when(vec![own, low(0, &[libc::AF_INET]), stream, low(2, &[0])], ALLOW)]
}

pub(super) fn when(all: Vec<Comparison>, action: Action) -> Case {
    Case { all, action }
}

/// The argument, taken as the 32-bit `int` that it is to the kernel, is one of `values`.
pub(super) fn low(argument: u8, values: &[i32]) -> Comparison {
    masked(argument, u32::MAX, &unsigned(values))
}

/// The bits of `mask` of the argument's low half are one of `values`.
pub(super) fn masked(argument: u8, mask: u32, values: &[u32]) -> Comparison {
    Comparison { argument, half: Half::Low, mask, values: values.to_vec() }
}

fn unsigned(values: &[i32]) -> Vec<u32> {
    values.iter().map(|value| value.cast_unsigned()).collect()
}
