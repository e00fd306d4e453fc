// attack: more memory than the limit, by several processes, each below it
// tries: four processes map and touch 40 MiB each, with private and shared mappings, brk and a grown stack, under a limit of 64 MiB.
// source: field notes 5b 18; RLIMIT_AS and RLIMIT_DATA count each process for itself
// expect: killed, and the outcome says memory
// stopped-by: memory_limit
// flags: --memory 64M --wall-time 5s
// ends: memory
// without: memory_limit, process_limit, cpu_accounting, resource_limits
// variants: standard strict server-privileged
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIECE = 10 << 20 };

static void __attribute__((noinline)) on_the_stack(int left) {
    volatile char room[1 << 20];
    for (size_t n = 0; n < sizeof room; n += 4096) room[n] = 1;
    if (left > 1) on_the_stack(left - 1);
}

static void take(void) {
    for (int kind = 0; kind < 2; kind++) {
        int sharing = kind ? MAP_SHARED : MAP_PRIVATE;
        char *m = mmap(NULL, PIECE, PROT_READ | PROT_WRITE, sharing | MAP_ANONYMOUS, -1, 0);
        if (m == MAP_FAILED) return;
        memset(m, 1, PIECE);
    }
    char *heap = sbrk(PIECE);
    if (heap != (void *)-1) memset(heap, 1, PIECE);
    on_the_stack(6);
}

// One that was killed for want of memory means that the limit holds: then this process, too, is at its end.
static void lost(int unused) {
    (void)unused;
    _exit(1);
}

int main(void) {
    int ready[2], go[2];
    if (pipe(ready) || pipe(go)) return 1;
    signal(SIGCHLD, lost);
    for (int n = 0; n < 4; n++)
        if (fork() == 0) {
            close(go[1]);
            take();
            if (write(ready[1], "x", 1) != 1) _exit(1);
            char c;
            // Holds it until the parent is gone.
            _exit(read(go[0], &c, 1) != 0);
        }
    close(ready[1]);
    int done = 0;
    for (char c; read(ready[0], &c, 1) == 1;) if (++done == 4) break;
    if (done == 4) {
        printf("broke: 144 MiB are held at once\n");
        fflush(stdout);
        _exit(99);
    }
    printf("unclear: only %d of 4 came through\n", done);
    return 1;
}
