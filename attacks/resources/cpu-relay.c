// attack: burn CPU time in a relay, so that no process has used much
// tries: four runners burn 60 ms each, fork a successor and end without being waited for, so that process 1 reaps them, under a limit of
//   400 ms for all.
// source: field notes 5b 11 and 12; RLIMIT_CPU and getrusage (measured: 6 s pass a limit of 1 s in seven of nine tools)
// expect: the sum counts, and the limit of CPU time ends the run
// stopped-by: cpu_accounting
// flags: --cpu-time 400ms --wall-time 9s
// ends: cpu_time
// control: plain
// variants: standard strict server-privileged
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static double clock_of(clockid_t which) {
    struct timespec t;
    clock_gettime(which, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

int main(void) {
    // Milliseconds burnt by all.
    int *burnt = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    double end = clock_of(CLOCK_MONOTONIC) + 7;
    for (int n = 0; n < 4; n++)
        if (fork() == 0) {
            for (;;) {
                double start = clock_of(CLOCK_PROCESS_CPUTIME_ID);
                while (clock_of(CLOCK_PROCESS_CPUTIME_ID) - start < 0.06) {}
                __atomic_add_fetch(burnt, 60, __ATOMIC_SEQ_CST);
                if (*burnt > 1500 || clock_of(CLOCK_MONOTONIC) > end || fork()) _exit(0);
            }
        }
    while (*burnt < 1500 && clock_of(CLOCK_MONOTONIC) < end) usleep(5000);
    printf(*burnt >= 1500 ? "broke: %d ms were burnt\n" : "unclear: only %d ms were burnt\n", *burnt);
    fflush(stdout);
    _exit(*burnt >= 1500 ? 99 : 1);
}
