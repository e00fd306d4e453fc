// attack: sleep past the wall-clock limit with all signals blocked
// tries: blocks and ignores every signal that can be, makes itself a session leader, waits in a pipe read, a futex and nanosleep in
//   three processes, and lives on
// source: test 13 of execution-sandboxes; limits made of SIGALRM or SIGXCPU in the program itself
// expect: the wall-clock limit kills it
// stopped-by: the wall-clock limit
// flags: --wall-time 700ms
// ends: wall_time
// control: plain
#define _GNU_SOURCE
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int main(void) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    for (int number = 1; number < 65; number++)
        signal(number, SIG_IGN);
    int pipe_ends[2], word = 0;
    pipe(pipe_ends);
    if (fork() == 0) {
        setsid();
        char byte;
        read(pipe_ends[0], &byte, 1);
    }
    if (fork() == 0) {
        setsid();
        for (;;)
            syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
    }
    struct timespec twice = {1, 500000000};
    nanosleep(&twice, NULL);
    puts("broke: it lived for twice the limit");
    fflush(stdout);
    kill(0, SIGKILL);
    return 99;
}
