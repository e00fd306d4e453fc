// attack: fork bomb: children that fork as fast as they can
// tries: every process forks until it is refused, and nobody ends; a page that all share counts how many live at the same time.
// source: field notes 5b 1; the shell line :(){ :|:& };:
// expect: no more than the limit of processes live at once; the run goes on, or ends for want of memory: the kernel gives back what
//   refused forks took only a little later
// stopped-by: process_limit
// flags: --processes 32 --wall-time 3s
// ends: exit | processes | memory
// without: memory_limit, process_limit, cpu_accounting, resource_limits
// needs: gcc
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// Above the limit and below what the control run may reach: it stops by itself.
enum { ALLOWED = 34, ENOUGH = 150 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

int main(void) {
    int *alive = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int *most = alive + 1;
    pid_t first = getpid();
    double end = now() + 1.0;
    __atomic_store_n(alive, 1, __ATOMIC_SEQ_CST);
    while (now() < end && *most < ENOUGH) {
        if (*alive >= ENOUGH) { usleep(1000); continue; }
        pid_t child = fork();
        if (child < 0) { usleep(200); continue; }
        if (child == 0) {
            int count = __atomic_add_fetch(alive, 1, __ATOMIC_SEQ_CST);
            if (count > *most) *most = count;
        }
    }
    if (getpid() != first) { pause(); _exit(0); }
    if (*most > ALLOWED) {
        printf("broke: %d processes at the same time\n", *most);
        exit(99);
    }
    printf("held: at most %d processes at the same time\n", *most);
    return 0;
}
