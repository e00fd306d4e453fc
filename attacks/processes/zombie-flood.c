// attack: zombies that nobody waits for
// tries: children end at once and are never waited for, each keeping its process id, until the kernel refuses another.
// source: field notes 5b 7
// expect: zombies count against the limit of processes
// stopped-by: process_limit
// flags: --processes 32
// ends: exit | processes
// without: memory_limit, process_limit, cpu_accounting, resource_limits
// needs: gcc
#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>

enum { ALLOWED = 34, ENOUGH = 500 };

int main(void) {
    int made = 0;
    for (; made < ENOUGH; made++) {
        pid_t child = fork();
        if (child < 0) break;
        if (child == 0) _exit(0);
    }
    if (made > ALLOWED) {
        printf("broke: %d zombies\n", made);
        fflush(stdout);
        _exit(99);
    }
    printf("held: refused after %d zombies\n", made);
    return 0;
}
