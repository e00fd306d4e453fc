// attack: clone3, whose flags no filter can see
// tries: clone3 with each namespace flag, with every size of its argument, with chosen process ids, into a control group, from several
//   threads that change the flags in memory meanwhile (the filter sees a pointer, so does the kernel: twice).
// source: Docker and Flatpak (CVE-2021-41133): filters that knew clone only
// expect: ENOSYS, at which C libraries fall back to clone
// stopped-by: seccomp
// without: seccomp
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct { unsigned long flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup; } arguments;
static volatile int stop;

static void *swap(void *unused) {
    (void)unused;
    while (!stop) {
        *(volatile unsigned long *)&arguments.flags = 0;
        *(volatile unsigned long *)&arguments.flags = CLONE_NEWUSER | CLONE_NEWNS;
    }
    return 0;
}

static int attempt(long number, unsigned long size) {
    long result = syscall(number, &arguments, size);
    if (result == 0) _exit(0);
    if (result > 0) {
        waitpid(result, 0, __WALL);
        printf("broke: clone3 with flags %#lx, size %lu made a process\n", arguments.flags, size);
        return 99;
    }
    if (errno != ENOSYS) {
        printf("broke: the kernel's clone3 answers: errno %d\n", errno);
        return 99;
    }
    return 0;
}

int main(void) {
    unsigned long flags[] = {0, CLONE_NEWUSER, CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID, CLONE_NEWNS, CLONE_NEWNET,
                             0x80 /* CLONE_NEWTIME */, 0x100000000 /* CLONE_CLEAR_SIGHAND */, 0x200000000 /* CLONE_INTO_CGROUP */};
    int tid = 1;
    for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
        for (unsigned long size = 0; size <= sizeof arguments + 8; size += 8) {
            memset(&arguments, 0, sizeof arguments);
            arguments.flags = flags[i];
            arguments.exit_signal = SIGCHLD;
            if (flags[i] == 0x200000000) arguments.cgroup = open("/", O_RDONLY | O_DIRECTORY);
            int result = attempt(435, size) ?: attempt(435 | 0x40000000, size);
            if (result) return result;
            arguments.set_tid = (long)&tid;
            arguments.set_tid_size = 1;
            if ((result = attempt(435, sizeof arguments))) return result;
        }
    }
    long old;
    __asm__ volatile("int $0x80" : "=a"(old) : "a"(435), "b"(&arguments), "c"(64) : "r8", "r9", "r10", "r11", "memory");
    if ((int)old != -ENOSYS) return printf("broke: clone3 by int 0x80: %d\n", (int)old), 99;
    pthread_t thread;
    if (pthread_create(&thread, 0, swap, 0)) return printf("unclear: no thread\n"), 1;
    memset(&arguments, 0, sizeof arguments);
    arguments.exit_signal = SIGCHLD;
    for (int round = 0; round < 50000; round++) {
        int result = attempt(435, 88);
        if (result) return result;
    }
    stop = 1;
    pthread_join(thread, 0);
    printf("held: no process by clone3 in 50,000 rounds and 96 forms\n");
    return 0;
}
