// attack: new namespaces, where a program is root and may mount, filter packets, ...
// tries: unshare() and clone() of each namespace and of all of them, with and without a new user namespace, with high bits and unknown
//   bits set, by the native call, x32 and int 0x80; looks at its namespaces' numbers afterwards, whatever was answered.
// source: CVE-2022-0185, CVE-2023-32233, CVE-2024-1086 (all begin with unshare -U)
// expect: EPERM from the filter; the namespaces are the same afterwards
// stopped-by: seccomp
// without: seccomp
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *names[] = {"user", "mnt", "net", "pid_for_children", "ipc", "uts", "cgroup", "time_for_children"};

static void links(char *into, int size) {
    int used = 0;
    for (int i = 0; i < 8; i++) {
        char path[64], link[64] = "";
        snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
        if (readlink(path, link, sizeof link - 1) < 0) link[0] = '-';
        used += snprintf(into + used, size - used, "%s ", link);
    }
}

static long int80(long number, long a, long b, long c, long d, long e) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
                     : "r8", "r9", "r10", "r11", "memory");
    return (int)result;
}

/// One try in a child of its own: 0 refused, 1 a new namespace, 2 the kernel's own code answered.
static int attempt(int way, unsigned long flags) {
    int pid = fork();
    if (pid) {
        int status = 0;
        if (pid < 0 || waitpid(pid, &status, __WALL) < 0) return 3;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 4;
    }
    char before[512], after[512];
    links(before, sizeof before);
    long result;
    switch (way) {
    case 0: result = syscall(SYS_unshare, flags); break;
    case 1: result = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0); break;
    case 2: result = syscall(0x40000000 | SYS_unshare, flags); break;
    case 3: result = syscall(0x40000000 | SYS_clone, flags | SIGCHLD, 0, 0, 0, 0); break;
    case 4: result = int80(310, flags, 0, 0, 0, 0), errno = -result; break;
    default: result = int80(120, flags | SIGCHLD, 0, 0, 0, 0), errno = -result; break;
    }
    int error = errno;
    if (result == 0 || result > 0) { // In clone, both the parent and the child come here.
        if (result > 0 && (way & 1)) waitpid(result, 0, __WALL);
        _exit(1);
    }
    links(after, sizeof after);
    if (strcmp(before, after)) _exit(1);
    _exit(error == EPERM || error == ENOSYS ? 0 : 2);
}

int main(void) {
    unsigned long kinds[] = {CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWPID, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP, 0x80, 0};
    unsigned long also[] = {0, CLONE_NEWUSER, CLONE_NEWUSER | 0xffffffff00000000, CLONE_NEWUSER | CLONE_UNTRACED,
                            CLONE_NEWUSER | 0x1000 /* CLONE_PIDFD: not for unshare */, CLONE_NEWUSER | CLONE_FS};
    const char *ways[] = {"unshare", "clone", "unshare by x32", "clone by x32", "unshare by int 0x80", "clone by int 0x80"};
    for (int way = 0; way < 6; way++) {
        for (int i = 0; i < 8; i++) {
            for (int j = 0; j < 6; j++) {
                unsigned long flags = kinds[i] | also[j];
                // No namespace at all; and CLONE_NEWTIME is a part of clone's exit signal.
                if (!flags || (way & 1 && kinds[i] == 0x80)) continue;
                int result = attempt(way, flags);
                if (result) {
                    printf("broke: %s(%#lx): %s\n", ways[way], flags,
                           result == 1 ? "a new namespace" : result == 2 ? "the kernel's own code answers" : "no child, or a dead one");
                    return result <= 2 ? 99 : 1;
                }
            }
        }
    }
    printf("held: 6 ways, 46 combinations of flags\n");
    return 0;
}
