// attack: thousands of threads instead of processes
// tries: threads made by clone with one page of stack each, which cost far less than processes, until the kernel refuses.
// source: field notes 5b 10; limits that count processes only (RLIMIT_NPROC before user namespaces, ulimit -u in boxes of one user)
// expect: threads count against the limit of processes
// stopped-by: process_limit
// flags: --processes 32 --wall-time 3s
// ends: exit | processes
// without: memory_limit, process_limit, cpu_accounting, resource_limits
// needs: gcc
#define _GNU_SOURCE
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ALLOWED = 34, ENOUGH = 400, STACK = 16384 };

static int idle(void *unused) {
    (void)unused;
    for (;;) pause();
    return 0;
}

int main(void) {
    int made = 1;
    while (made < ENOUGH) {
        char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (stack == MAP_FAILED) break;
        int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
        if (clone(idle, stack + STACK, flags, NULL) < 0) break;
        made++;
    }
    if (made > ALLOWED) {
        printf("broke: %d threads\n", made);
        fflush(stdout);
        _exit(99);
    }
    printf("held: refused after %d threads\n", made);
    fflush(stdout);
    _exit(0);
}
