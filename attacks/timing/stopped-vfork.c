// attack: a vfork whose child stops
// tries: the child of a vfork stops itself, so that its parent sleeps in the kernel, where no signal but a fatal one reaches it
// source: test 8 of execution-sandboxes
// expect: the wall-clock limit kills both
// stopped-by: the wall-clock limit
// flags: --wall-time 700ms
// ends: wall_time
// control: plain
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void) {
    const char *home = getenv("HOME");
    if (home && strncmp(home, "/tmp/work", 9) == 0 && fork() == 0) {
        /* The control: somebody who tells that it is alive after twice the limit, and ends it. */
        usleep(1500000);
        puts("broke: both are alive after twice the limit");
        fflush(stdout);
        kill(0, SIGKILL);
    }
    if (vfork() == 0) {
        for (;;)
            raise(SIGSTOP);
    }
    _exit(0);
}
