// attack: a storm of timers
// tries: makes as many POSIX timers of one microsecond as it can, timerfds and interval timers besides, with signals that queue
// source: test 16 of execution-sandboxes; CVE-2020-25704-like exhaustion through many small kernel objects; RLIMIT_SIGPENDING
// expect: the timers that queue signals are bounded by the limit on pending signals
// stopped-by: resource_limits
// flags: --wall-time 8s
// without: resource_limits
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

int main(void) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    struct itimerspec soon = {{0, 1000}, {0, 1000}};
    struct itimerval often = {{0, 1}, {0, 1}};
    setitimer(ITIMER_REAL, &often, NULL);
    setitimer(ITIMER_PROF, &often, NULL);
    for (int n = 0; n < 100; n++) {
        int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
        if (timer >= 0)
            timerfd_settime(timer, 0, &soon, NULL);
    }
    int made = 0;
    for (; made < 20000; made++) {
        struct sigevent event;
        memset(&event, 0, sizeof event);
        event.sigev_notify = SIGEV_SIGNAL;
        event.sigev_signo = SIGRTMIN;
        timer_t timer;
        if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0)
            break;
        if (made < 2000)
            timer_settime(timer, 0, &soon, NULL);
    }
    int why = errno;
    usleep(300000);
    if (made > 2048) {
        printf("broke: %d timers\n", made);
        return 99;
    }
    printf("held: no more than %d timers: %s\n", made, strerror(why));
    return 0;
}
