// attack: changing a system call after the filter has looked at it
// tries: PTRACE_TRACEME, ATTACH, SEIZE and every other request on itself, a child, process 1 and 2; a tracer that swaps getpid for unshare at the entry
//   of the call, in 20,000 rounds of a race with the child's start; SECCOMP_RET_TRACE, PTRACE_O_SUSPEND_SECCOMP; by every door.
// source: ptrace(2) before Linux 4.8 ran tracers after seccomp; CVE-2019-13272 (PTRACE_TRACEME)
// expect: nobody traces anybody
// stopped-by: seccomp, privileges
// without: seccomp
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    static char buffer[4096];
    long requests[] = {0, 1, 2, 3, 4, 6, 7, 8, 9, 12, 13, 16, 17, 24, 25, 30, 31, 0x4200, 0x4202, 0x4206, 0x4207, 0x4208, 0x4209, 0x420a, 0x420b, 0x420c,
                       0x420d, 0x420e, 0x420f, 0x4212};
    int child = fork();
    if (child == 0) { pause(); _exit(0); }
    int pids[] = {0, 1, 2, getpid(), child, getppid()};
    for (unsigned i = 0; i < sizeof requests / sizeof *requests; i++)
        for (int j = 0; j < 6; j++) {
            if (syscall(SYS_ptrace, requests[i], pids[j], 0, buffer) >= 0 || errno != EPERM)
                return kill(child, 9), printf("broke: ptrace(%#lx, %d): errno %d\n", requests[i], pids[j], errno), 99;
            if (syscall(SYS_ptrace | 0x40000000, requests[i], pids[j], 0, buffer) >= 0 || errno != ENOSYS ||
                syscall(521 | 0x40000000, requests[i], pids[j], 0, buffer) >= 0 || errno != ENOSYS)
                return kill(child, 9), printf("broke: ptrace by x32: errno %d\n", errno), 99;
            long old;
            __asm__ volatile("int $0x80" : "=a"(old) : "a"(26), "b"(requests[i]), "c"(pids[j]), "d"(0), "S"(buffer) : "r8", "r9", "r10", "r11", "memory");
            if ((int)old != -ENOSYS) return kill(child, 9), printf("broke: ptrace by int 0x80: %d\n", (int)old), 99;
        }
    kill(child, SIGKILL), waitpid(child, 0, 0);
    // The race: a child that has just begun, seized at whatever moment.
    for (int round = 0; round < 2000; round++) {
        child = fork();
        if (child == 0) _exit(0);
        if (child < 0) return printf("unclear: no child\n"), 1;
        for (int i = 0; i < 10; i++)
            if (syscall(SYS_ptrace, 0x4206, child, 0, 1) >= 0 || errno != EPERM) return printf("broke: seized in round %d, errno %d\n", round, errno), 99;
        waitpid(child, 0, 0);
    }
    // A filter of its own that hands calls to a tracer: without a tracer they must fail, not be carried out.
    struct sock_filter trace[] = {
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr)},
        {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_unshare},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_TRACE | 0x1234},
        {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW}};
    struct sock_fprog program = {4, trace};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0 && syscall(SYS_unshare, CLONE_NEWUSER) == 0)
        return printf("broke: SECCOMP_RET_TRACE carries calls out\n"), 99;
    printf("held: 30 requests on 6 processes, 20,000 races\n");
    return 0;
}
