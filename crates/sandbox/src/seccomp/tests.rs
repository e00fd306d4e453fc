//! An interpreter of classic BPF as the kernel runs it, and a reading of [`Filter`] by its definition: compiled programs must
//! agree with the second on whatever they are given.

use belljar_sys::seccomp::Instruction;
use libc::*;
use proptest::prelude::*;

use super::program::{AND, ANY_BIT, AT_LEAST, EQUAL, JUMP, LOAD, Program, RETURN, word_offset};
use super::*;

const ARCH_I386: u32 = 0x4000_0003;
const ARCH_AARCH64: u32 = 0xc000_00b7;

/// A system call as a filter sees it (`struct seccomp_data`).
#[derive(Debug, Clone, Copy)]
struct Call {
    number: u32,
    arch: u32,
    arguments: [u64; 6],
}

impl Call {
    fn native(number: c_long, arguments: &[u64]) -> Self {
        let mut all = [0; 6];
        all[..arguments.len()].copy_from_slice(arguments);
        Self { number: u32::try_from(number).expect("a call number"), arch: ARCH_X86_64, arguments: all }
    }

    fn bytes(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..4].copy_from_slice(&self.number.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.arch.to_le_bytes());
        for (index, argument) in self.arguments.iter().enumerate() {
            bytes[16 + 8 * index..24 + 8 * index].copy_from_slice(&argument.to_le_bytes());
        }
        bytes
    }
}

/// What the filter says, read without compiling it.
fn decide(filter: &Filter, call: &Call) -> Action {
    if call.arch != ARCH_X86_64 || call.number & X32_BIT != 0 {
        return filter.foreign;
    }
    let Some(rule) = filter.rules.get(&call.number) else {
        return filter.default;
    };
    let holds = |comparison: &Comparison| {
        let argument = call.arguments[usize::from(comparison.argument)];
        let half = match comparison.half {
            Half::Low => argument & 0xffff_ffff,
            Half::High => argument >> 32,
        };
        comparison.values.iter().any(|value| half & u64::from(comparison.mask) == u64::from(*value))
    };
    rule.cases.iter().find(|case| case.all.iter().all(holds)).map_or(rule.otherwise, |case| case.action)
}

/// Runs a program as the kernel does; panics where the kernel would refuse to load it. Says the result and the steps taken.
fn run(program: &Program, call: &Call) -> (u32, usize) {
    let bytes = call.bytes();
    let (mut at, mut word, mut steps) = (0, 0, 0);
    loop {
        let Instruction { code, jt, jf, k } = program.instructions[at];
        let mut branch = |truth: bool| at += usize::from(if truth { jt } else { jf });
        steps += 1;
        match code {
            LOAD => {
                let offset = k as usize;
                word = u32::from_le_bytes(bytes[offset..offset + 4].try_into().expect("four bytes"));
            }
            AND => word &= k,
            JUMP => at += k as usize,
            EQUAL => branch(word == k),
            AT_LEAST => branch(word >= k),
            ANY_BIT => branch(word & k != 0),
            RETURN => return (k, steps),
            _ => panic!("instruction {code:#x} at {at}"),
        }
        at += 1;
    }
}

/// The kernel's check of a program before it takes it (`bpf_check_classic`, `seccomp_check_filter`), and that no part is dead.
fn check(program: &Program) {
    let length = program.instructions.len();
    assert!((1..=4096).contains(&length), "{length} instructions");
    let mut reached = vec![false; length];
    reached[0] = true;
    for (at, instruction) in program.instructions.iter().enumerate() {
        assert!(reached[at], "instruction {at} is never reached");
        let next: &[usize] = match instruction.code {
            RETURN => &[],
            JUMP => &[instruction.k as usize],
            EQUAL | AT_LEAST | ANY_BIT => &[usize::from(instruction.jt), usize::from(instruction.jf)],
            LOAD => {
                assert!(instruction.k % 4 == 0 && instruction.k < 64, "load of {} at {at}", instruction.k);
                &[0]
            }
            AND => &[0],
            code => panic!("instruction {code:#x} at {at}"),
        };
        for skip in next {
            assert!(at + 1 + skip < length, "instruction {at} jumps past the end");
            reached[at + 1 + skip] = true;
        }
    }
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![Just(Action::Allow), Just(Action::Kill), (0_u16..4).prop_map(Action::Errno)]
}

/// Few different values, so that comparisons often hold.
fn half_value() -> impl Strategy<Value = u32> {
    prop_oneof![0_u32..4, Just(0x8000_0000), Just(u32::MAX), any::<u32>()]
}

fn comparison() -> impl Strategy<Value = Comparison> {
    let half = prop_oneof![Just(Half::Low), Just(Half::High)];
    let mask = prop_oneof![Just(u32::MAX), Just(0xf), Just(0xffff_ff00), any::<u32>()];
    (0_u8..6, half, mask, prop::collection::vec(half_value(), 0..5))
        .prop_map(|(argument, half, mask, values)| Comparison { argument, half, mask, values })
}

fn rule() -> impl Strategy<Value = Rule> {
    let case = (prop::collection::vec(comparison(), 0..4), action()).prop_map(|(all, action)| Case { all, action });
    let cases = prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(case, 0..6)];
    (cases, action()).prop_map(|(cases, otherwise)| Rule { cases, otherwise })
}

/// Up to 200 rules, so that programs are longer than a conditional jump reaches.
fn filter() -> impl Strategy<Value = Filter> {
    let numbers =
        prop_oneof![8 => 0_u32..600, 1 => any::<u32>().prop_map(|number| number & !X32_BIT & (u32::MAX >> 1))];
    (action(), action(), prop::collection::btree_map(numbers, rule(), 0..200))
        .prop_map(|(default, foreign, rules)| Filter { default, foreign, rules })
}

fn argument() -> impl Strategy<Value = u64> {
    (half_value(), half_value()).prop_map(|(high, low)| u64::from(high) << 32 | u64::from(low))
}

fn arguments() -> impl Strategy<Value = [u64; 6]> {
    prop::array::uniform6(argument())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn compiled_filters_agree_with_their_definition(
        filter in filter(),
        arguments in prop::collection::vec(arguments(), 4),
        arch in prop_oneof![Just(ARCH_I386), Just(ARCH_AARCH64), any::<u32>()],
        odd in any::<u32>(),
    ) {
        let program = compile(&filter);
        prop_assert!(program.instructions.len() < 40_000);
        for number in (0..600).chain([odd, odd | X32_BIT, u32::MAX]) {
            for (index, arguments) in arguments.iter().enumerate() {
                let native = Call { number, arch: ARCH_X86_64, arguments: *arguments };
                let calls = [native, Call { arch, ..native }, Call { number: number | X32_BIT, ..native }];
                for call in calls.iter().take(if index == 0 { 3 } else { 1 }) {
                    prop_assert_eq!(run(&program, call).0, decide(&filter, call).encode(), "{:?}", call);
                }
            }
        }
    }

    #[test]
    fn the_filters_agree_with_their_definitions(arguments in prop::collection::vec(arguments(), 8)) {
        for filter in [standard(), without_set_id(), interpreter()] {
            let program = compile(&filter);
            for number in 0..600 {
                for arguments in &arguments {
                    let call = Call { number, arch: ARCH_X86_64, arguments: *arguments };
                    prop_assert_eq!(run(&program, &call).0, decide(&filter, &call).encode(), "{:?}", call);
                }
            }
        }
    }
}

#[test]
fn a_program_longer_than_a_jump_reaches_is_still_right() {
    // Alternating actions forbid merging: 1200 segments, the outer branches need jumps over more than 255 instructions.
    let mut filter = Filter::new(Action::Kill, Action::Errno(38));
    for number in 0..1200 {
        let action = if number % 2 == 0 { Action::Allow } else { Action::Errno(1) };
        filter.rule(number, Vec::new(), action);
    }
    let program = compile(&filter);
    check(&program);
    assert!(program.instructions.iter().any(|instruction| instruction.code == JUMP), "no long jump was needed");
    for number in 0..1300 {
        let call = Call::native(number, &[]);
        assert_eq!(run(&program, &call).0, decide(&filter, &call).encode(), "{number}");
    }
}

#[test]
fn the_standard_filter_is_small_and_sound() {
    let program = compile(&standard());
    check(&program);
    let length = program.instructions.len();
    let steps = (0..512).map(|number| run(&program, &Call::native(number, &[])).1).max().expect("calls");
    println!("{length} instructions, at most {steps} steps for a call without arguments");
    assert!(length < 400, "{length} instructions");
    assert!(steps <= 64, "{steps} steps"); // `prctl` compares its options one by one
    // A look at the flags of `mmap` takes three steps more.
    for (number, most) in
        [(SYS_read, 14), (SYS_write, 14), (SYS_futex, 14), (SYS_mmap, 17), (SYS_openat, 14), (SYS_rseq, 14)]
    {
        let steps = run(&program, &Call::native(number, &[])).1;
        assert!(steps <= most, "call {number}: {steps} steps");
    }
}

#[test]
fn limits_that_a_launcher_sets_are_set() {
    // Its filter lies under those of sandboxes, whose limits it sets: told to be set and not set would be worse than refused.
    let program = compile(&super::ours::launcher());
    for (number, arguments) in [(SYS_setrlimit, [4, 1]), (SYS_prlimit64, [0, 4])] {
        assert_eq!(run(&program, &Call::native(number, &arguments)).0, ALLOW.encode(), "call {number}");
    }
}

#[test]
fn words_of_arguments_lie_where_the_kernel_puts_them() {
    let call = Call::native(0, &[0, 0x1122_3344_5566_7788]);
    for (half, value) in [(Half::Low, 0x5566_7788), (Half::High, 0x1122_3344)] {
        let offset = word_offset(&Comparison { argument: 1, half, mask: u32::MAX, values: Vec::new() }) as usize;
        assert_eq!(u32::from_le_bytes(call.bytes()[offset..offset + 4].try_into().expect("four bytes")), value);
    }
}

#[track_caller]
fn expect(cases: &[(&str, c_long, &[u64], Action)]) {
    expect_of(&standard(), cases);
}

#[track_caller]
fn expect_of(filter: &Filter, cases: &[(&str, c_long, &[u64], Action)]) {
    let program = compile(filter);
    for (name, number, arguments, action) in cases {
        let got = run(&program, &Call::native(*number, arguments)).0;
        assert_eq!(got, action.encode(), "{name}: {got:#x} instead of {action:?}");
    }
}

const ALLOW: Action = Action::Allow;
const EPERM_: Action = Action::Errno(1);
const ENOSYS_: Action = Action::Errno(38);

macro_rules! calls {
    ($action:expr; $($number:ident)*) => { &[$((stringify!($number), $number, &[] as &[u64], $action)),*] };
}

#[test]
fn ordinary_calls_are_allowed() {
    expect(calls![ALLOW;
        SYS_read SYS_write SYS_open SYS_openat SYS_openat2 SYS_close SYS_close_range SYS_dup2 SYS_dup3 SYS_fcntl SYS_ioctl
        SYS_mmap SYS_mprotect SYS_munmap SYS_mremap SYS_brk SYS_madvise SYS_mlock SYS_mincore SYS_memfd_create SYS_fork SYS_vfork
        SYS_clone SYS_execve SYS_execveat SYS_exit SYS_exit_group SYS_wait4 SYS_waitid SYS_kill SYS_tgkill SYS_rt_sigaction
        SYS_rt_sigreturn SYS_rt_sigprocmask SYS_rt_sigtimedwait SYS_sigaltstack SYS_setsid SYS_setpgid SYS_getpid SYS_gettid
        SYS_prlimit64 SYS_setrlimit SYS_getrlimit SYS_getrusage SYS_setpriority SYS_sched_setscheduler SYS_sched_setaffinity
        SYS_sched_getaffinity SYS_sched_yield SYS_futex SYS_set_robust_list SYS_rseq SYS_membarrier SYS_arch_prctl SYS_getcpu
        SYS_poll SYS_ppoll SYS_select SYS_pselect6 SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_wait SYS_epoll_pwait2 SYS_eventfd2
        SYS_signalfd4 SYS_timerfd_create SYS_timer_create SYS_inotify_init1 SYS_pipe SYS_pipe2 SYS_sendmsg SYS_recvmsg
        SYS_sendto SYS_recvfrom SYS_connect SYS_bind SYS_listen SYS_accept4 SYS_setsockopt SYS_getsockopt SYS_shmget SYS_shmat
        SYS_shmctl SYS_shmdt SYS_semget SYS_semop SYS_semctl SYS_semtimedop SYS_msgget SYS_mq_open SYS_mq_timedsend
        SYS_clock_gettime SYS_clock_nanosleep SYS_gettimeofday SYS_getrandom SYS_stat SYS_newfstatat SYS_statx SYS_statfs
        SYS_access SYS_faccessat2 SYS_getdents64 SYS_chdir SYS_fchdir SYS_getcwd SYS_rename SYS_renameat2 SYS_mkdir SYS_rmdir
        SYS_link SYS_symlink SYS_readlink SYS_unlink SYS_chmod SYS_fchmodat SYS_fchmodat2 SYS_chown SYS_umask SYS_utimensat
        SYS_ftruncate SYS_fallocate SYS_fsync SYS_fdatasync SYS_sendfile SYS_splice SYS_copy_file_range SYS_flock
        SYS_getxattr SYS_setxattr SYS_uname SYS_sysinfo SYS_getuid SYS_setuid SYS_setresgid SYS_setgroups SYS_capget SYS_capset
        SYS_landlock_create_ruleset SYS_landlock_add_rule SYS_landlock_restrict_self SYS_seccomp SYS_personality
        SYS_pidfd_open SYS_pidfd_send_signal SYS_pkey_alloc SYS_mbind SYS_get_mempolicy SYS_mknod
        SYS_restart_syscall
    ]);
}

#[test]
fn dangerous_calls_are_refused() {
    expect(calls![EPERM_;
        SYS_unshare SYS_setns SYS_mount SYS_umount2 SYS_pivot_root SYS_chroot SYS_fsopen SYS_fsconfig SYS_fsmount SYS_fspick
        SYS_open_tree SYS_move_mount SYS_mount_setattr SYS_ptrace SYS_process_vm_readv SYS_process_vm_writev SYS_kcmp
        SYS_pidfd_getfd SYS_process_madvise SYS_bpf SYS_perf_event_open SYS_userfaultfd SYS_keyctl SYS_add_key SYS_request_key
        SYS_kexec_load SYS_kexec_file_load SYS_init_module SYS_finit_module SYS_delete_module SYS_open_by_handle_at
        SYS_name_to_handle_at SYS_fanotify_init SYS_fanotify_mark SYS_quotactl SYS_quotactl_fd SYS_swapon SYS_swapoff SYS_reboot
        SYS_syslog SYS_acct SYS_settimeofday SYS_clock_settime SYS_adjtimex SYS_clock_adjtime SYS_iopl SYS_ioperm
        SYS_modify_ldt SYS_sethostname SYS_setdomainname SYS_vhangup SYS_move_pages SYS_migrate_pages
    ]);
    expect(calls![ENOSYS_;
        SYS_clone3 SYS_io_uring_setup SYS_io_uring_enter SYS_io_uring_register SYS_memfd_secret SYS_lookup_dcookie
        SYS_nfsservctl SYS_uselib SYS__sysctl SYS_syncfs SYS_io_setup SYS_io_submit
    ]);
    expect(calls![Action::Errno(0); SYS_sync]);
    // Calls that the kernel may learn: `cachestat`, `statmount`, and some future one.
    expect(&[("451", 451, &[], ENOSYS_), ("457", 457, &[], ENOSYS_), ("599", 599, &[], ENOSYS_)]);
}

#[test]
fn arguments_decide_about_some_calls() {
    const HIGH: u64 = 0xdead_beef_0000_0000;
    const THREAD: u64 = 0x003d_0f00; // what C libraries start threads with
    const VFORK_SIBLING: u64 = 0x0000_c100 | 17; // CLONE_VM | CLONE_VFORK | CLONE_PARENT | SIGCHLD
    let value = i32::cast_unsigned;
    let flag = |flag: i32| u64::from(value(flag));
    expect(&[
        ("thread", SYS_clone, &[THREAD], ALLOW),
        ("fork", SYS_clone, &[0x0120_0011], ALLOW),
        ("posix_spawn", SYS_clone, &[0x4111], ALLOW),
        ("vfork of a sibling", SYS_clone, &[VFORK_SIBLING], ALLOW),
        ("new user namespace", SYS_clone, &[flag(CLONE_NEWUSER) | 17], EPERM_),
        ("new mount namespace", SYS_clone, &[flag(CLONE_NEWNS)], EPERM_),
        ("new pid namespace", SYS_clone, &[flag(CLONE_NEWPID)], EPERM_),
        ("new network namespace", SYS_clone, &[flag(CLONE_NEWNET) | HIGH], EPERM_),
        ("new ipc namespace", SYS_clone, &[flag(CLONE_NEWIPC) | THREAD], EPERM_),
        ("new uts namespace", SYS_clone, &[flag(CLONE_NEWUTS)], EPERM_),
        ("new cgroup namespace", SYS_clone, &[flag(CLONE_NEWCGROUP)], EPERM_),
        ("untraced child", SYS_clone, &[flag(CLONE_UNTRACED) | 17], EPERM_),
        ("TIOCGWINSZ", SYS_ioctl, &[0, 0x5413], ALLOW),
        ("TCGETS", SYS_ioctl, &[0, 0x5401], ALLOW),
        ("TIOCSCTTY", SYS_ioctl, &[0, 0x540e], ALLOW),
        ("FIONBIO", SYS_ioctl, &[0, 0x5421], ALLOW),
        ("TIOCSTI", SYS_ioctl, &[0, 0x5412], EPERM_),
        ("TIOCSTI with a high bit", SYS_ioctl, &[0, 0x1_0000_5412], EPERM_),
        ("TIOCSTI with all high bits", SYS_ioctl, &[0, 0xffff_ffff_0000_5412], EPERM_),
        ("TIOCLINUX", SYS_ioctl, &[0, 0x541c], EPERM_),
        ("TIOCLINUX with high bits", SYS_ioctl, &[0, HIGH | 0x541c], EPERM_),
        ("TIOCCONS", SYS_ioctl, &[0, 0x541d], EPERM_),
        ("TIOCSETD", SYS_ioctl, &[0, 0x5423], EPERM_),
        ("KDSKBSENT", SYS_ioctl, &[0, 0x4b49], EPERM_),
        ("VT_DISALLOCATE with high bits", SYS_ioctl, &[0, HIGH | 0x5608], EPERM_),
        ("unix stream", SYS_socket, &[1, 1], ALLOW),
        ("unix seqpacket, close-on-exec", SYS_socket, &[1, 5 | 0o2_000_000], ALLOW),
        ("tcp", SYS_socket, &[2, 1, 6], ALLOW),
        ("tcp, non-blocking", SYS_socket, &[10, 1 | 0o4000, 0], ALLOW),
        ("udp", SYS_socket, &[10, 2, 17], ALLOW),
        ("mptcp", SYS_socket, &[2, 1, 262], Action::Errno(93)),
        ("sctp stream", SYS_socket, &[2, 1, 132], Action::Errno(93)),
        ("ping socket", SYS_socket, &[2, 2, 1], Action::Errno(93)),
        ("raw", SYS_socket, &[2, 3, 255], EPERM_),
        ("raw with flags", SYS_socket, &[10, 3 | 0o2_004_000, 58], EPERM_),
        ("sctp seqpacket", SYS_socket, &[2, 5, 132], Action::Errno(94)),
        ("dccp", SYS_socket, &[2, 6, 33], Action::Errno(94)),
        ("netlink", SYS_socket, &[16, 3, 0], Action::Errno(97)),
        ("packet", SYS_socket, &[17, 3, 0], Action::Errno(97)),
        ("vsock", SYS_socket, &[40, 1, 0], Action::Errno(97)),
        ("vsock with high bits", SYS_socket, &[HIGH | 40, 1, 0], Action::Errno(97)),
        ("alg", SYS_socket, &[38, 5, 0], Action::Errno(97)),
        ("pair of unix sockets", SYS_socketpair, &[1, 1 | 0o2_000_000], ALLOW),
        ("pair of tcp sockets", SYS_socketpair, &[2, 1], Action::Errno(95)),
        ("pair of tipc sockets", SYS_socketpair, &[30, 1], Action::Errno(95)),
        ("file", SYS_mknod, &[0, 0o100_644], ALLOW),
        ("file, no type", SYS_mknodat, &[0, 0, 0o644], ALLOW),
        ("fifo", SYS_mknod, &[0, 0o010_600], ALLOW),
        ("socket", SYS_mknodat, &[0, 0, 0o140_600], ALLOW),
        ("block device", SYS_mknod, &[0, 0o060_600], EPERM_),
        ("character device", SYS_mknodat, &[0, 0, 0o020_600], EPERM_),
        ("character device with high bits", SYS_mknodat, &[0, 0, HIGH | 0o020_600], EPERM_),
        ("personality query", SYS_personality, &[0xffff_ffff], ALLOW),
        ("personality PER_LINUX32", SYS_personality, &[8], ALLOW),
        ("personality UNAME26", SYS_personality, &[0x2_0000], ALLOW),
        ("personality READ_IMPLIES_EXEC", SYS_personality, &[0x40_0000], EPERM_),
        ("personality ADDR_NO_RANDOMIZE", SYS_personality, &[0x4_0000], EPERM_),
        ("personality MMAP_PAGE_ZERO", SYS_personality, &[0x10_0000], EPERM_),
        ("seccomp filter", SYS_seccomp, &[1, 0], ALLOW),
        ("seccomp filter for all threads", SYS_seccomp, &[1, 1], ALLOW),
        ("seccomp listener", SYS_seccomp, &[1, 8], EPERM_),
        ("seccomp listener among other flags", SYS_seccomp, &[1, 0x19 | HIGH], EPERM_),
        ("PR_SET_NAME", SYS_prctl, &[15], ALLOW),
        ("PR_SET_PDEATHSIG", SYS_prctl, &[1], ALLOW),
        ("PR_SET_NO_NEW_PRIVS", SYS_prctl, &[38], ALLOW),
        ("PR_SET_SECCOMP", SYS_prctl, &[22], ALLOW),
        ("PR_SET_VMA", SYS_prctl, &[0x5356_4d41], ALLOW),
        ("PR_SET_MM", SYS_prctl, &[35], EPERM_),
        ("PR_SET_MM with high bits", SYS_prctl, &[HIGH | 35], EPERM_),
        ("PR_SCHED_CORE", SYS_prctl, &[62], EPERM_),
        ("PR_SET_MEMORY_MERGE", SYS_prctl, &[67], Action::Errno(22)),
        ("an unknown option", SYS_prctl, &[9999], Action::Errno(22)),
        ("MADV_DONTNEED", SYS_madvise, &[0, 0, 4], ALLOW),
        ("MADV_MERGEABLE", SYS_madvise, &[0, 0, 12], Action::Errno(22)),
    ]);
}

#[test]
fn other_instruction_sets_are_absent() {
    let program = compile(&standard());
    for number in (0..600).chain([u32::MAX]) {
        for arch in [ARCH_I386, ARCH_AARCH64, 0] {
            let call = Call { number, arch, arguments: [0; 6] };
            assert_eq!(run(&program, &call).0, ENOSYS_.encode(), "{call:?}");
        }
        let x32 = Call { number: number | X32_BIT, arch: ARCH_X86_64, arguments: [0; 6] };
        assert_eq!(run(&program, &x32).0, ENOSYS_.encode(), "{x32:?}");
    }
}

/// What the watch must report, and what it must not slow down.
#[test]
fn the_watch_reports_what_could_be_left_behind() {
    let filter = watch();
    let program = compile(&filter);
    check(&program);
    let other = [
        Call::native(SYS_socket, &[u64::from(AF_INET.cast_unsigned()), 1, 0]),
        Call::native(SYS_socket, &[1 << 32 | u64::from(AF_INET6.cast_unsigned()), 2, 0]),
        Call::native(SYS_shmget, &[0, 4096, 0o1600]),
        Call::native(SYS_semget, &[5]),
        Call::native(SYS_msgget, &[5]),
        Call::native(SYS_mq_open, &[5]),
        Call::native(SYS_mq_unlink, &[5]),
        Call::native(SYS_prlimit64, &[1, 7, 0x1000]),
        Call::native(SYS_prlimit64, &[1, 7, 1 << 32]),
        Call::native(SYS_prlimit64, &[1 << 32 | 2, 7, 0x1000]),
        Call::native(SYS_sched_setaffinity, &[2]),
        Call::native(SYS_sched_setscheduler, &[2]),
        Call::native(SYS_sched_setparam, &[2]),
        Call::native(SYS_sched_setattr, &[2]),
        Call::native(SYS_setpriority, &[0, 2]),
        Call::native(SYS_setpriority, &[1, 0]),
        Call::native(SYS_setpriority, &[2, 0]),
        Call::native(SYS_ioprio_set, &[1, 2]),
        Call::native(SYS_ioprio_set, &[3, 0]),
    ];
    for call in other {
        assert_eq!(run(&program, &call).0, Action::Report.encode(), "{call:?}");
    }
    let own = [
        Call::native(SYS_socket, &[u64::from(AF_UNIX.cast_unsigned())]),
        Call::native(SYS_prlimit64, &[0, 7, 0x1000]),
        // The kernel takes an int: this is the caller, too.
        Call::native(SYS_prlimit64, &[1 << 32, 7, 0x1000]),
        // Without a new limit it only reads.
        Call::native(SYS_prlimit64, &[2, 7, 0]),
        Call::native(SYS_sched_setaffinity, &[0]),
        Call::native(SYS_setpriority, &[0, 0]),
        Call::native(SYS_ioprio_set, &[1, 0]),
        Call::native(SYS_read, &[0]),
        Call::native(SYS_clone, &[0]),
        Call { arch: ARCH_I386, ..Call::native(SYS_shmget, &[0]) },
    ];
    for call in own {
        assert_eq!(run(&program, &call).0, Action::Allow.encode(), "{call:?}");
    }
    // The way of the init around its own watch is closed to programs.
    let marked = u64::from(belljar_sys::call::OWN_SOCKET) << 32 | u64::from(AF_INET.cast_unsigned());
    let call = Call::native(SYS_socket, &[marked, 1, 0]);
    assert_eq!(decide(&filter, &call), Action::Allow);
    assert_eq!(decide(&ours::launcher(), &call), Action::Allow);
    for filter in [standard(), without_set_id(), for_layers()] {
        assert_eq!(decide(&filter, &call), Action::Errno(EAFNOSUPPORT.try_into().unwrap()));
    }
}

#[test]
fn an_interpreter_reads_computes_and_ends() {
    let filter = interpreter();
    expect_of(
        &filter,
        calls![ALLOW;
            SYS_read SYS_write SYS_poll SYS_brk SYS_munmap SYS_mremap SYS_madvise SYS_clock_gettime SYS_getrandom SYS_exit_group
            SYS_statx SYS_readlink SYS_rt_sigreturn
        ],
    );
    expect_of(
        &filter,
        calls![EPERM_;
            SYS_fork SYS_vfork SYS_clone SYS_clone3 SYS_execve SYS_execveat SYS_kill SYS_tkill SYS_tgkill SYS_pidfd_open
            SYS_pidfd_send_signal SYS_rt_sigqueueinfo SYS_ptrace SYS_process_vm_readv SYS_socket SYS_socketpair SYS_connect
            SYS_sendmsg SYS_recvmsg SYS_prctl SYS_prlimit64 SYS_setrlimit SYS_seccomp SYS_setpriority SYS_sched_setscheduler
            SYS_sched_setaffinity SYS_ioctl SYS_dup SYS_dup2 SYS_dup3 SYS_unlink SYS_rename SYS_mkdir SYS_chmod SYS_truncate
            SYS_ftruncate SYS_flock SYS_creat SYS_openat2 SYS_memfd_create SYS_shmget SYS_shmat SYS_msgget SYS_semget SYS_mq_open
            SYS_inotify_init1 SYS_epoll_create1 SYS_timer_create SYS_setitimer SYS_setuid SYS_capset SYS_chdir SYS_personality
            SYS_io_uring_setup SYS_mount SYS_unshare SYS_pkey_mprotect SYS_remap_file_pages
        ],
    );
    let flags = |flags: c_int| u64::from(flags.cast_unsigned());
    let open = |of: c_int| [0, 0, flags(of), 0];
    let map = |protection: c_int| [0, 4096, flags(protection), 0, 0, 0];
    expect_of(
        &filter,
        &[
            ("openat for reading", SYS_openat, &open(O_RDONLY | O_CLOEXEC), ALLOW),
            ("openat for writing", SYS_openat, &open(O_WRONLY), EPERM_),
            ("openat for both", SYS_openat, &open(O_RDWR), EPERM_),
            ("openat that creates", SYS_openat, &open(O_CREAT), EPERM_),
            ("openat that cuts", SYS_openat, &open(O_TRUNC), EPERM_),
            ("openat without a name", SYS_openat, &open(O_TMPFILE), EPERM_),
            ("open for reading", SYS_open, &[0, flags(O_RDONLY)], ALLOW),
            ("open for writing", SYS_open, &[0, flags(O_WRONLY)], EPERM_),
            ("memory", SYS_mmap, &map(PROT_READ | PROT_WRITE), ALLOW),
            ("memory to execute", SYS_mmap, &map(PROT_READ | PROT_EXEC), EPERM_),
            ("no memory to execute", SYS_mprotect, &map(PROT_READ), ALLOW),
            ("memory made executable", SYS_mprotect, &map(PROT_EXEC), EPERM_),
            ("flags of a descriptor", SYS_fcntl, &[0, flags(F_GETFD)], ALLOW),
            ("a copy of a descriptor", SYS_fcntl, &[0, flags(F_DUPFD_CLOEXEC)], EPERM_),
            ("signals of a descriptor", SYS_fcntl, &[0, flags(F_SETOWN)], EPERM_),
        ],
    );
}
