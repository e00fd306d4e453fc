// attack: a hundred thousand file locks, each a piece of kernel memory
// tries: locks every second byte of many files in several processes, so that no two records can be joined: 240,000 locks are
//   over 40 MiB, under a limit of 32 MiB.
// source: field notes 5b 50; CVE-2021-3759 and the 2022 patches that count file locks (mm: accounting of file_lock_cache)
// expect: killed, and the outcome says memory
// gap: the kernel does not charge records of locks to anybody; they go with their process
// stopped-by: memory_limit
// flags: --memory 32M --wall-time 9s
// ends: memory
// without: memory_limit, process_limit, cpu_accounting, resource_limits
// variants: standard strict server-privileged
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static long lock_many(int files, int locks) {
    long made = 0;
    for (int f = 0; f < files; f++) {
        char name[64];
        snprintf(name, sizeof name, "/tmp/locks-%d-%d", (int)getpid(), f);
        int file = open(name, O_CREAT | O_RDWR, 0600);
        if (file < 0) break;
        // From the end, so that each is put first in the kernel's list.
        for (int n = locks; n > 0; n--) {
            struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 2L * n, .l_len = 1};
            if (fcntl(file, F_SETLK, &lock)) break;
            made++;
        }
    }
    return made;
}

// One that was killed for want of memory means that the limit holds: then this process, too, is at its end.
static void lost(int unused) {
    (void)unused;
    _exit(1);
}

int main(void) {
    int ready[2];
    if (pipe(ready)) return 1;
    signal(SIGCHLD, lost);
    for (int n = 0; n < 2; n++)
        if (fork() == 0) {
            long made = lock_many(120, 1000);
            if (write(ready[1], &made, sizeof made) < 0) _exit(1);
            pause();
            _exit(0);
        }
    long total = 0, made;
    for (int n = 0; n < 2; n++)
        if (read(ready[0], &made, sizeof made) == sizeof made) total += made;
    printf(total > 200000 ? "broke: %ld locks\n" : "unclear: %ld locks\n", total);
    fflush(stdout);
    _exit(total > 200000 ? 99 : 1);
}
