// attack: timers and pending signals without end
// tries: POSIX timers until the kernel refuses, and signals queued to itself while they are blocked; each is kernel memory that other
//   processes of the user are charged for.
// source: field notes 5b 16 and 50; RLIMIT_SIGPENDING
// expect: about a thousand of both together
// stopped-by: resource_limits
// without: resource_limits
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(void) {
    enum { ALLOWED = 1100, ENOUGH = 3000 };
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    int timers = 0, signals = 0;
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
    while (timers < ENOUGH && timer_create(CLOCK_MONOTONIC, &event, &timer) == 0) timers++;
    union sigval nothing = {0};
    while (signals < ENOUGH && sigqueue(getpid(), SIGRTMIN + 1, nothing) == 0) signals++;
    if (timers + signals > ALLOWED) {
        printf("broke: %d timers and %d signals\n", timers, signals);
        return 99;
    }
    printf("held: refused after %d timers and %d signals\n", timers, signals);
    return 0;
}
