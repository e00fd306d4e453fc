// attack: loosening the filter by more filters
// tries: A filter that allows everything, one with a listener that answers in the filter's place (by seccomp with each flag and high bits, by prctl,
//   SECCOMP_RET_USER_NOTIF without a listener), filters synchronized to threads, 100 filters on top of each other, Landlock rulesets that allow all.
// source: seccomp_unotify(2) ("continue" must not be trusted); CVE-2022-30594 (PTRACE_O_SUSPEND_SECCOMP)
// expect: no listener; whatever is added, unshare stays refused
// stopped-by: seccomp
// without: seccomp
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <unistd.h>

static int add(unsigned flags, unsigned long high, unsigned what) {
    struct sock_filter code[] = {
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr)},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_unshare},
        {BPF_RET | BPF_K, 0, 0, what},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
    struct sock_fprog program = {4, code};
    return syscall(SYS_seccomp, 1 | high, flags | high, &program);
}

static int loose(const char *what) {
    if (unshare(CLONE_NEWUSER) && errno != EINVAL && prctl(PR_GET_SECCOMP) == 2) return 0;
    return printf("broke: after %s\n", what), 99;
}

int main(void) {
    int r;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if ((r = loose("nothing"))) return r;
    // NEW_LISTENER is 8; TSYNC 1, LOG 2, SPEC_ALLOW 4, TSYNC_ESRCH 16, WAIT_KILLABLE_RECV 32.
    for (unsigned flags = 8; flags < 64; flags++)
        for (int bit = 31; (flags & 8) && bit < 64; bit++) {
            int listener = add(flags, bit == 31 ? 0 : 1ul << bit, SECCOMP_RET_USER_NOTIF);
            if (listener >= 0) return printf("broke: a listener with flags %#x, bit %d\n", flags, bit), 99;
            if (errno != EPERM && errno != ENOSYS) return printf("broke: the kernel's code answers: errno %d\n", errno), 99;
        }
    unsigned actions[] = {SECCOMP_RET_ALLOW, SECCOMP_RET_LOG, SECCOMP_RET_TRACE, SECCOMP_RET_USER_NOTIF, 0x7ffc0000, 0x7fffffff, SECCOMP_RET_ERRNO};
    for (unsigned i = 0; i < sizeof actions / sizeof *actions; i++) {
        add(i & 1, 0, actions[i]);
        struct sock_filter all[] = {{BPF_RET | BPF_K, 0, 0, actions[i]}};
        struct sock_fprog program = {1, all};
        if (actions[i] == SECCOMP_RET_ALLOW || actions[i] == SECCOMP_RET_LOG) prctl(PR_SET_SECCOMP, 2, &program);
        // SECCOMP_RET_ERRNO with 0 says success and does nothing, which is no loosening; it comes last.
        if (actions[i] != SECCOMP_RET_ERRNO && (r = loose("a further filter"))) return r;
    }
    for (int i = 0; i < 100; i++) add(0, 0, SECCOMP_RET_ALLOW);
    // SECCOMP_MODE_DISABLED, and options that do not exist.
    prctl(PR_SET_SECCOMP, 0, 0), prctl(PR_SET_SECCOMP, 3, 0), prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0);
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) return printf("broke: new privileges may be had again\n"), 99;
    struct { unsigned long files, net, scoped; } nothing = {0xffff, 0, 0};
    int rules = syscall(444, &nothing, 8, 0);
    if (rules >= 0) syscall(446, rules, 0);
    if (prctl(PR_GET_SECCOMP) != 2) return printf("broke: no filter any more\n"), 99;
    // getpid of a new namespace's first process would be 1: nothing took place, whatever was answered.
    char before[64] = "", after[64] = "";
    readlink("/proc/self/ns/user", before, 63);
    syscall(SYS_unshare, CLONE_NEWUSER);
    readlink("/proc/self/ns/user", after, 63);
    for (int i = 0; i < 63; i++)
        if (before[i] != after[i]) return printf("broke: a new user namespace\n"), 99;
    printf("held: 1,056 listeners and 107 filters\n");
    return 0;
}
