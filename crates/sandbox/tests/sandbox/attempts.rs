//! System calls that a program tries, and what each says.

use belljar_sandbox::{Policy, User};

use crate::bench::{Bench, Cell};

/// Name, C expression, and the error numbers that it may end with (0: it works).
type Attempt = (&'static str, &'static str, &'static [i32]);

const DENIED: &[i32] = &[libc::EPERM];
const ABSENT: &[i32] = &[libc::ENOSYS];
const NO_FAMILY: &[i32] = &[libc::EAFNOSUPPORT];

const FORBIDDEN: &[Attempt] = &[
    ("mount", "syscall(SYS_mount, \"none\", \"/tmp\", \"tmpfs\", 0, 0)", DENIED),
    ("umount", "syscall(SYS_umount2, \"/proc\", 2)", DENIED),
    ("pivot_root", "syscall(SYS_pivot_root, \"/tmp\", \"/tmp\")", DENIED),
    ("chroot", "syscall(SYS_chroot, \"/tmp\")", DENIED),
    ("fsopen", "syscall(SYS_fsopen, \"tmpfs\", 0)", DENIED),
    ("open_tree", "syscall(SYS_open_tree, -100, \"/\", 1)", DENIED),
    ("move_mount", "syscall(SYS_move_mount, -1, \"\", -1, \"\", 0)", DENIED),
    ("mount_setattr", "syscall(SYS_mount_setattr, -100, \"/\", 0, 0, 0)", DENIED),
    ("open_tree_attr", "syscall(467, -100, \"/\", 1, 0, 0)", DENIED),
    ("unshare user", "syscall(SYS_unshare, 0x10000000)", DENIED),
    ("unshare mount", "syscall(SYS_unshare, 0x00020000)", DENIED),
    ("unshare network", "syscall(SYS_unshare, 0x40000000)", DENIED),
    ("unshare with high bits", "syscall(SYS_unshare, 0xffffffff10000000)", DENIED),
    ("setns", "syscall(SYS_setns, 0, 0)", DENIED),
    ("clone into a user namespace", "syscall(SYS_clone, 0x10000000 | 17, 0, 0, 0, 0)", DENIED),
    ("clone into a network namespace", "syscall(SYS_clone, 0x40000000 | 17, 0, 0, 0, 0)", DENIED),
    ("clone untraced", "syscall(SYS_clone, 0x00800000 | 17, 0, 0, 0, 0)", DENIED),
    ("clone3", "syscall(SYS_clone3, buffer, 88)", ABSENT),
    ("ptrace me", "syscall(SYS_ptrace, 0, 0, 0, 0)", DENIED),
    ("ptrace init", "syscall(SYS_ptrace, 16, 1, 0, 0)", DENIED),
    ("ptrace spawner", "syscall(SYS_ptrace, 0x4206, 2, 0, 0)", DENIED),
    ("process_vm_readv", "syscall(SYS_process_vm_readv, getpid(), 0, 0, 0, 0, 0)", DENIED),
    ("process_vm_writev", "syscall(SYS_process_vm_writev, 1, 0, 0, 0, 0, 0)", DENIED),
    ("pidfd_getfd", "syscall(SYS_pidfd_getfd, syscall(SYS_pidfd_open, getpid(), 0), 0, 0)", DENIED),
    ("kcmp", "syscall(SYS_kcmp, getpid(), getpid(), 0, 0, 0)", DENIED),
    ("process_madvise", "syscall(SYS_process_madvise, 0, 0, 0, 0, 0)", DENIED),
    ("keyctl", "syscall(SYS_keyctl, 0, -3, 1)", DENIED),
    ("add_key", "syscall(SYS_add_key, \"user\", \"k\", \"v\", 1, -4)", DENIED),
    ("request_key", "syscall(SYS_request_key, \"user\", \"k\", 0, -4)", DENIED),
    ("bpf", "syscall(SYS_bpf, 0, buffer, 64)", DENIED),
    ("perf_event_open", "syscall(SYS_perf_event_open, buffer, 0, -1, -1, 0)", DENIED),
    ("userfaultfd", "syscall(SYS_userfaultfd, 1)", DENIED),
    ("io_uring_setup", "syscall(SYS_io_uring_setup, 8, buffer)", ABSENT),
    ("io_uring_enter", "syscall(SYS_io_uring_enter, 0, 0, 0, 0, 0, 0)", ABSENT),
    ("io_uring_register", "syscall(SYS_io_uring_register, -1, 0, 0, 0)", ABSENT),
    (
        "is it in the page cache",
        "syscall(SYS_preadv2, open(\"/usr/bin/env\", 0), (long[]){(long)buffer, 9}, 1, 0, 0, 8)",
        &[libc::EOPNOTSUPP],
    ),
    ("io_setup", "syscall(SYS_io_setup, 8, buffer)", ABSENT),
    ("huge pages mapped", "(long)mmap(0, 2 << 20, 3, 0x40022, -1, 0)", &[libc::ENOMEM]),
    ("huge pages as a file", "syscall(SYS_memfd_create, \"x\", 5)", &[libc::ENOMEM]),
    ("huge pages as a segment", "shmget(0, 2 << 20, 05600)", &[libc::ENOMEM]),
    (
        "more than 32 terminals",
        "({ int n = 0; while (n < 100 && open(\"/dev/ptmx\", 2 | O_NOCTTY | O_CLOEXEC) >= 0) n++; close_range(5, 200, 0); n < 32 ? -1 : 0; })",
        &[libc::ENOSPC],
    ),
    ("memfd_secret", "syscall(447, 0)", ABSENT),
    ("open_by_handle_at", "syscall(SYS_open_by_handle_at, -100, buffer, 0)", DENIED),
    ("name_to_handle_at", "syscall(SYS_name_to_handle_at, -100, \"/\", buffer, buffer, 0)", DENIED),
    ("fanotify_init", "syscall(SYS_fanotify_init, 0, 0)", DENIED),
    ("quotactl", "syscall(SYS_quotactl, 0, 0, 0, 0)", DENIED),
    ("acct", "syscall(SYS_acct, 0)", DENIED),
    ("swapon", "syscall(SYS_swapon, \"/tmp/x\", 0)", DENIED),
    ("kexec_load", "syscall(SYS_kexec_load, 0, 0, 0, 0)", DENIED),
    ("init_module", "syscall(SYS_init_module, buffer, 1, \"\")", DENIED),
    ("finit_module", "syscall(SYS_finit_module, 0, \"\", 0)", DENIED),
    ("delete_module", "syscall(SYS_delete_module, \"x\", 0)", DENIED),
    ("reboot", "syscall(SYS_reboot, 0xfee1dead, 672274793, 0x1234567, 0)", DENIED),
    ("syslog", "syscall(SYS_syslog, 3, buffer, 100)", DENIED),
    ("sethostname", "syscall(SYS_sethostname, \"x\", 1)", DENIED),
    ("setdomainname", "syscall(SYS_setdomainname, \"x\", 1)", DENIED),
    ("vhangup", "syscall(SYS_vhangup)", DENIED),
    ("iopl", "syscall(SYS_iopl, 3)", DENIED),
    ("ioperm", "syscall(SYS_ioperm, 0, 1, 1)", DENIED),
    ("modify_ldt", "syscall(SYS_modify_ldt, 0, buffer, 16)", DENIED),
    ("settimeofday", "syscall(SYS_settimeofday, buffer, 0)", DENIED),
    ("clock_settime", "syscall(SYS_clock_settime, 0, buffer)", DENIED),
    ("adjtimex", "syscall(SYS_adjtimex, buffer)", DENIED),
    ("personality without randomization", "syscall(SYS_personality, 0x0040000)", DENIED),
    ("personality with executable data", "syscall(SYS_personality, 0x0400000)", DENIED),
    ("mknod of a block device", "syscall(SYS_mknod, \"/tmp/b\", 0060666, 0x800)", DENIED),
    ("mknodat of a character device", "syscall(SYS_mknodat, -100, \"/tmp/c\", 0020666, 0x101)", DENIED),
    ("vsock", "socket(40, 1, 0)", NO_FAMILY),
    ("netlink", "socket(16, 3, 0)", NO_FAMILY),
    ("packet", "socket(17, 3, 0)", NO_FAMILY),
    ("alg", "socket(38, 5, 0)", NO_FAMILY),
    ("bluetooth", "socket(31, 3, 0)", NO_FAMILY),
    ("can", "socket(29, 3, 0)", NO_FAMILY),
    ("tipc", "socket(30, 1, 0)", NO_FAMILY),
    ("smc", "socket(43, 1, 0)", NO_FAMILY),
    ("xdp", "socket(44, 3, 0)", NO_FAMILY),
    ("raw", "socket(2, 3, 1)", DENIED),
    ("raw with flags", "socket(10, 3 | 02000000, 58)", DENIED),
    ("ping", "socket(2, 2, 1)", &[libc::EPROTONOSUPPORT]),
    ("sctp", "socket(2, 1, 132)", &[libc::EPROTONOSUPPORT]),
    ("multipath tcp", "socket(2, 1, 262)", &[libc::EPROTONOSUPPORT]),
    ("family with high bits", "syscall(SYS_socket, 0x100000010, 3, 0)", NO_FAMILY),
    ("socketpair of vsock", "socketpair(40, 1, 0, (int *)buffer)", &[libc::EOPNOTSUPP]),
    ("TIOCSTI", "ioctl(terminal, 0x5412, \"x\")", DENIED),
    ("TIOCSTI with high bits", "syscall(SYS_ioctl, terminal, 0x100005412, \"x\")", DENIED),
    ("TIOCLINUX", "ioctl(terminal, 0x541c, \"\\3\")", DENIED),
    ("TIOCSETD", "ioctl(terminal, 0x5423, buffer)", DENIED),
    ("KDSKBSENT", "ioctl(terminal, 0x4b49, buffer)", DENIED),
    ("seccomp listener", "syscall(SYS_seccomp, 1, 8, buffer)", DENIED),
    ("prctl set mm", "prctl(35, 1, 0, 0, 0)", DENIED),
    ("prctl core scheduling", "prctl(62, 0, 0, 0, 0)", DENIED),
    ("sibling through an old door", "int80(20)", ABSENT),
    ("mount through an old door", "int80(21)", ABSENT),
    ("x32 getpid", "syscall(0x40000000 | 39)", ABSENT),
    ("x32 ptrace", "syscall(0x40000000 | 521)", ABSENT),
    ("a call that nobody knows", "syscall(100000)", ABSENT),
    ("call number -1", "syscall(-1)", ABSENT),
    ("syncfs", "syscall(SYS_syncfs, 0)", ABSENT),
    ("capset", "syscall(SYS_capset, (int[]){0x20080522, 0}, (int[]){-1, -1, 0, -1, -1, 0})", DENIED),
    ("real-time priority", "syscall(SYS_sched_setscheduler, 0, 1, (int[]){50})", DENIED),
    ("nicer", "setpriority(0, 0, -5)", &[libc::EACCES, libc::EPERM]),
    ("more files", "setrlimit(7, (long[]){1 << 20, 1 << 20})", DENIED),
    (
        "core dumps",
        "({ struct rlimit r; setrlimit(4, (long[]){-1, -1}); setrlimit(4, (long[]){0, 0}); errno = EPERM; getrlimit(4, &r) || r.rlim_cur != 1 || r.rlim_max != 1 ? 0 : -1; })",
        DENIED,
    ),
    ("core dumps, with the old limit", "syscall(SYS_prlimit64, 0, 4, (long[]){0, 0}, buffer)", DENIED),
    ("limits of process 1", "syscall(SYS_prlimit64, 1, 7, 0, buffer)", DENIED),
    ("limits of process 1, with high bits", "syscall(SYS_prlimit64, 0x100000001, 7, 0, buffer)", DENIED),
    ("class of process 1", "syscall(SYS_sched_setscheduler, 1, 5, (int[]){0})", DENIED),
    ("priority of process 1", "setpriority(0, 1, 5)", DENIED),
    ("priority of the user", "setpriority(2, 0, 5)", DENIED),
    ("disk priority of the user", "syscall(SYS_ioprio_set, 3, getuid(), 3 << 13)", DENIED),
    (
        "watch who opens",
        "syscall(SYS_inotify_add_watch, syscall(SYS_inotify_init1, 0), \"/usr/bin\", 0x20)",
        &[libc::EACCES],
    ),
    ("watch who reads, the old way", "fcntl(open(\"/usr\", 0), 1026, 1)", &[libc::EINVAL]),
    ("flow label", "setsockopt(socket(10, 2, 0), 41, 32, buffer, 32)", DENIED),
    ("multicast group", "setsockopt(socket(2, 2, 0), 0, 35, (int[]){0x030201ef, 0x0100007f}, 8)", &[libc::ENODEV]),
    ("TLS in the kernel", "setsockopt(socket(2, 1, 0), 6, 31, \"tls\", 4)", &[libc::ENOENT]),
    ("key of an encrypted directory", "syscall(SYS_ioctl, open(\"/usr\", 0), 0x1c0506617, buffer)", &[libc::ENOTTY]),
    (
        "lock much memory",
        "mlock(mmap(0, 1 << 20, 3, 0x22, -1, 0), 1 << 20)",
        &[libc::EPERM, libc::ENOMEM, libc::EAGAIN],
    ),
    (
        "immutable file",
        "ioctl(open(\"/tmp/im\", 0102, 0600), 0x40086602, (long[]){0x10})",
        &[libc::EPERM, libc::ENOTTY, libc::EOPNOTSUPP],
    ),
    ("trusted attribute", "setxattr(\"/tmp\", \"trusted.x\", \"\", 0, 0)", DENIED),
    (
        "attribute with capabilities",
        "setxattr(\"/tmp/im\", \"security.capability\", \"\\1\\0\\0\\2\\377\\377\\377\\377\\377\\377\\377\\377\\377\\377\\377\\377\\377\\377\\377\\377\", 20, 0)",
        DENIED,
    ),
    ("merge memory", "madvise(mmap(0, 4096, 3, 0x22, -1, 0), 4096, 12)", &[libc::EINVAL]),
    ("open /dev/mem", "open(\"/dev/mem\", 0)", &[libc::ENOENT]),
    ("open memory of init", "open(\"/proc/1/mem\", 2)", &[libc::ENOENT]),
    ("open memory of spawner", "open(\"/proc/2/mem\", 2)", &[libc::ENOENT, libc::EACCES]),
    ("descriptors of init", "open(\"/proc/1/fd/3\", 0)", &[libc::ENOENT]),
    ("descriptors of spawner", "open(\"/proc/2/fd/3\", 0)", &[libc::ENOENT, libc::EACCES]),
    ("root of init", "open(\"/proc/1/root/etc/shadow\", 0)", &[libc::ENOENT]),
    ("up from the root", "open(\"/../../../../proc/1/root\", 0)", &[libc::ENOENT]),
];

const ORDINARY: &[Attempt] = &[
    ("personality query", "personality(0xffffffff)", &[0]),
    ("tcp", "socket(2, 1, 0)", &[0]),
    ("udp", "socket(2, 2, 0)", &[0]),
    ("unix pair", "socketpair(1, 1, 0, (int *)buffer)", &[0]),
    ("memfd", "syscall(SYS_memfd_create, \"x\", 0)", &[0]),
    ("mkfifo", "mkfifo(\"/tmp/fifo\", 0600)", &[0]),
    (
        "thread",
        "({ pthread_t t; int e = pthread_create(&t, 0, nothing, 0); errno = e; e ? -1 : pthread_join(t, 0); })",
        &[0],
    ),
    ("fork", "({ int p = fork(); if (p == 0) _exit(0); p < 0 ? -1 : waitpid(p, 0, 0) == p ? 0 : -1; })", &[0]),
    ("vfork", "({ int p = vfork(); if (p == 0) _exit(0); p < 0 ? -1 : waitpid(p, 0, 0) == p ? 0 : -1; })", &[0]),
    ("terminal", "terminal < 0 ? -1 : ioctl(terminal, 0x5413, buffer)", &[0]),
    ("system V shared memory", "shmget(0, 4096, 01600)", &[0]),
    ("message queue", "syscall(SYS_mq_open, \"q\", 0102, 0600, 0)", &[0]),
    ("inotify", "syscall(SYS_inotify_init1, 0)", &[0]),
    ("epoll", "syscall(SYS_epoll_create1, 0)", &[0]),
    ("signalfd", "syscall(SYS_signalfd4, -1, buffer, 8, 0)", &[0]),
    ("sync", "(sync(), 0)", &[0]),
    ("landlock", "syscall(444, 0, 0, 1)", &[0, libc::ENOSYS, libc::EOPNOTSUPP]),
    ("own niceness", "setpriority(0, 0, 5)", &[0]),
    ("own affinity", "syscall(SYS_sched_setaffinity, 0, 8, (long[]){1})", &[0, libc::EINVAL]),
    ("no core dumps", "setrlimit(4, (long[]){0, 0})", &[0]),
    ("limits read", "({ struct rlimit r; getrlimit(4, &r) || getrlimit(7, &r); })", &[0]),
    ("socket option", "setsockopt(socket(2, 1, 0), 6, 1, (int[]){1}, 4)", &[0]),
    ("fewer files", "setrlimit(7, (long[]){100, 100})", &[0]),
];

fn source(attempts: &[Attempt]) -> String {
    let mut lines = String::new();
    for (index, (_, expression, _)) in attempts.iter().enumerate() {
        lines += &format!(
            "  errno = 0; r = (long)({expression}); printf(\"{index} %d\\n\", r < 0 ? errno : 0); fflush(stdout);\n"
        );
    }
    format!(
        "#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
static void *nothing(void *p) {{ return p; }}
static long int80(long n) {{ long r; __asm__ volatile(\"int $0x80\" : \"=a\"(r) : \"a\"(n), \"b\"(0), \"c\"(0), \"d\"(0) : \"r8\", \"r9\", \"r10\", \"r11\", \"memory\"); r = (int)r; if (r < 0) {{ errno = -r; return -1; }} return r; }}
static char buffer[65536] __attribute__((aligned(64)));
int main(void) {{
  long r; (void)r;
  int terminal = open(\"/dev/ptmx\", O_RDWR | O_NOCTTY);
{lines}  return 0;
}}
"
    )
}

async fn check(cell: &mut Cell, attempts: &[Attempt]) {
    cell.compile("attempts", &source(attempts)).await;
    let said = cell.say("/tmp/attempts").await;
    let wrong: Vec<String> = attempts
        .iter()
        .enumerate()
        .filter_map(|(index, (name, _, expected))| {
            let errno: Option<i32> =
                said.lines().find_map(|line| line.strip_prefix(&format!("{index} "))?.parse().ok());
            (!errno.is_some_and(|errno| expected.contains(&errno))).then(|| {
                format!(
                    "{name}: {} instead of {expected:?}",
                    errno.map_or("nothing".to_owned(), |errno| errno.to_string())
                )
            })
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

pub(crate) async fn forbidden_calls_fail_as_they_should(bench: &Bench) {
    let mut cell = bench.cell(Policy::default()).await;
    check(&mut cell, FORBIDDEN).await;
    assert!(cell.shell("true").await.success());
    cell.close().await;
}

pub(crate) async fn ordinary_calls_work(bench: &Bench) {
    let mut cell = bench.cell(Policy::default()).await;
    check(&mut cell, ORDINARY).await;
    cell.close().await;
}

pub(crate) async fn root_inside_can_do_no_more(bench: &Bench) {
    let mut cell = bench.cell(Policy { user: User::ROOT, ..Policy::default() }).await;
    assert_eq!(cell.say("id -u; cat /proc/self/status | grep CapEff").await, "0\nCapEff:\t0000000000000000\n");
    check(&mut cell, FORBIDDEN).await;
    check(&mut cell, ORDINARY).await;
    for script in [
        "cat /etc/shadow",
        "echo x > /etc/passwd",
        "kill -9 1; false",
        "ls /proc/1",
        "echo 1 > /proc/sys/kernel/hostname",
        "chown 5 ~",
        "mount -t tmpfs x /tmp",
    ] {
        assert!(!cell.shell(script).await.success(), "{script}");
    }
    cell.close().await;
}
