// attack: a crash that starts the host's crash handler
// tries: Tries to move the limit of core dumps away from 1, the only value at which the kernel starts no handler (0 does not stop it), by setrlimit
//   and prlimit64, for itself, its parent and children, by the old doors; then crashes in six ways and looks whether anything was dumped.
// source: core(5); CVE-2025-4598 (systemd-coredump), CVE-2025-5054 (apport)
// expect: the limit stays 1, no child's status says that a core was dumped, no file appears
// stopped-by: resource_limits, seccomp
// without: seccomp
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int moved(const char *how) {
    struct rlimit now = {77, 77};
    getrlimit(RLIMIT_CORE, &now);
    if (now.rlim_cur == 1 && now.rlim_max == 1) return 0;
    printf("broke: %s: the limit is %ld, %ld\n", how, (long)now.rlim_cur, (long)now.rlim_max);
    return 99;
}

int main(void) {
    struct rlimit wanted[] = {{0, 0}, {0, 1}, {-1, -1}, {1 << 30, 1 << 30}, {0, -1}}, old;
    int r;
    if ((r = moved("from the start"))) return r;
    for (int i = 0; i < 5; i++) {
        setrlimit(RLIMIT_CORE, &wanted[i]);
        if ((r = moved("setrlimit"))) return r;
        syscall(SYS_setrlimit, 4 | 0x100000000, &wanted[i]);
        if ((r = moved("setrlimit with a high bit"))) return r;
        int pids[] = {0, getpid(), getppid(), 1};
        for (int j = 0; j < 4; j++) {
            syscall(SYS_prlimit64, pids[j], 4, &wanted[i], 0);
            syscall(SYS_prlimit64, pids[j], 4 | 0x100000000, &wanted[i], &old);
            if ((r = moved("prlimit64"))) return r;
        }
        static unsigned low[2];
        low[0] = wanted[i].rlim_cur, low[1] = wanted[i].rlim_max;
        __asm__ volatile("int $0x80" : : "a"(75), "b"(4), "c"(low) : "r8", "r9", "r10", "r11", "memory");
        syscall(SYS_setrlimit | 0x40000000, 4, &wanted[i]);
        if ((r = moved("by an old door"))) return r;
        int child = fork();
        if (child == 0) pause();
        syscall(SYS_prlimit64, child, 4, &wanted[i], 0);
        struct rlimit its = {77, 77};
        prlimit(child, RLIMIT_CORE, 0, &its);
        kill(child, SIGKILL), waitpid(child, 0, 0);
        if (its.rlim_cur != 1 || its.rlim_max != 1) return printf("broke: a child's limit is %ld\n", (long)its.rlim_cur), 99;
    }
    int signals[] = {SIGSEGV, SIGQUIT, SIGABRT, SIGSYS, SIGXCPU, SIGTRAP};
    for (int i = 0; i < 6; i++) {
        int status, child = fork();
        if (child == 0) {
            setrlimit(RLIMIT_CORE, &wanted[0]);
            prctl(PR_SET_DUMPABLE, 1);
            if (chdir("/tmp") || i == 0) *(volatile int *)8 = 1;
            raise(signals[i]);
            _exit(0);
        }
        if (waitpid(child, &status, 0) < 0 || !WIFSIGNALED(status)) return printf("unclear: no crash by signal %d\n", signals[i]), 1;
        if (WCOREDUMP(status)) return printf("broke: signal %d dumped core\n", signals[i]), 99;
    }
    DIR *directory = opendir("/tmp");
    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (!strncmp(entry->d_name, "core", 4)) return printf("broke: /tmp/%s\n", entry->d_name), 99;
    printf("held: the limit is 1, six crashes dumped nothing\n");
    return 0;
}
