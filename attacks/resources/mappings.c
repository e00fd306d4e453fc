// attack: mappings without pages: the kernel's notes about them are the memory
// tries: 65,000 mappings of one page each, never touched, in twenty processes, so that a few hundred bytes of kernel memory each add up
//   to over 200 MiB, under a limit of 64 MiB.
// source: field notes 5b 21; vm.max_map_count limits each process only
// expect: killed, or refused
// stopped-by: memory_limit
// flags: --memory 64M --wall-time 6s
// ends: memory | died
// without: memory_limit, process_limit, cpu_accounting, resource_limits
// variants: standard strict server-privileged
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

// One that was killed for want of memory means that the limit holds: then this process, too, is at its end.
static void lost(int unused) {
    (void)unused;
    _exit(1);
}

int main(void) {
    enum { EACH = 65000, PROCESSES = 8 };
    char *m = mmap(NULL, (size_t)EACH * 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m == MAP_FAILED) return 1;
    int made = 0;
    for (int n = 0; n < EACH; n += 2, made += 2)
        if (mprotect(m + (size_t)n * 4096, 4096, PROT_READ)) break;
    signal(SIGCHLD, lost);
    // A fork copies them all.
    for (int n = 1; n < PROCESSES; n++) {
        pid_t child = fork();
        if (child == 0) { pause(); _exit(0); }
        if (child < 0) { printf("held: no more after %d processes\n", n); return 0; }
    }
    printf("broke: %d mappings\n", made * PROCESSES);
    fflush(stdout);
    kill(0, 15);
    _exit(99);
}
