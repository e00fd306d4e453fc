// attack: memory in arguments and environments
// tries: thirty processes that execute themselves with 5 MiB of arguments each, which the kernel copies before the new program has any
//   memory of its own, under a limit of 64 MiB.
// source: field notes 5b; CVE-2017-1000253 and the Stack Clash limits on arguments
// expect: killed, and the outcome says memory
// stopped-by: memory_limit
// flags: --memory 64M --wall-time 6s
// ends: memory | died
// without: memory_limit, process_limit, cpu_accounting, resource_limits
// variants: standard strict server-privileged
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// One that was killed for want of memory means that the limit holds: then this process, too, is at its end.
static void lost(int unused) {
    (void)unused;
    _exit(1);
}

int main(int count, char **arguments) {
    enum { STRINGS = 40, LENGTH = 127 << 10, PROCESSES = 30 };
    if (count > STRINGS) {
        if (write(atoi(arguments[1]), "x", 1) != 1) _exit(1);
        pause();
        _exit(0);
    }
    int ready[2];
    if (pipe(ready)) return 1;
    char *text = malloc(LENGTH), number[16], *all[STRINGS + 3];
    memset(text, 'x', LENGTH - 1);
    text[LENGTH - 1] = 0;
    snprintf(number, sizeof number, "%d", ready[1]);
    all[0] = arguments[0], all[1] = number;
    for (int n = 2; n < STRINGS + 2; n++) all[n] = text;
    all[STRINGS + 2] = NULL;
    signal(SIGCHLD, lost);
    for (int n = 0; n < PROCESSES; n++)
        if (fork() == 0) { execv("/proc/self/exe", all); _exit(1); }
    close(ready[1]);
    int running = 0;
    for (char c; running < PROCESSES && read(ready[0], &c, 1) == 1;) running++;
    printf(running == PROCESSES ? "broke: %d processes with 5 MiB of arguments\n" : "unclear: %d processes\n", running);
    fflush(stdout);
    _exit(running == PROCESSES ? 99 : 1);
}
