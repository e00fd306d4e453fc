// attack: descriptors of every kind without end
// tries: opens files, pipes, sockets, eventfds, timerfds, signalfds, epolls, inotify instances, memfds and process descriptors until the
//   kernel refuses, duplicates them upwards, and sends them to itself over a socket to get around the limit.
// source: field notes 5b 50; CVE-2013-4312
// expect: no more than the limit are open
// stopped-by: resource_limits
// flags: --open-files 64
// without: resource_limits
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

int main(void) {
    enum { ALLOWED = 64, ENOUGH = 300 };
    int open_now = 3, highest = 2, refused = 0;
    sigset_t none;
    sigemptyset(&none);
    for (int n = 0; open_now < ENOUGH && refused < 12; n++) {
        int pair[2] = {-1, -1}, one = -1;
        switch (n % 10) {
            case 0: one = open("/dev/null", O_RDONLY); break;
            case 1: if (pipe(pair)) pair[0] = pair[1] = -1; break;
            case 2: if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair)) pair[0] = pair[1] = -1; break;
            case 3: one = eventfd(0, 0); break;
            case 4: one = timerfd_create(CLOCK_MONOTONIC, 0); break;
            case 5: one = signalfd(-1, &none, 0); break;
            case 6: one = epoll_create1(0); break;
            case 7: one = n < 100 ? inotify_init() : eventfd(0, 0); break;
            case 8: one = memfd_create("x", 0); break;
            case 9: one = syscall(SYS_pidfd_open, getpid(), 0); break;
        }
        if (pair[0] >= 0) { open_now += 2; one = pair[1] > pair[0] ? pair[1] : pair[0]; }
        else if (one >= 0) open_now++;
        if (one < 0) refused++; else { refused = 0; if (one > highest) highest = one; }
    }
    int up = fcntl(0, F_DUPFD, 200);
    if (up > highest) highest = up;
    if (open_now > ALLOWED || highest >= ALLOWED) {
        printf("broke: %d descriptors, the highest %d\n", open_now, highest);
        return 99;
    }
    printf("held: refused after %d\n", open_now);
    return 0;
}
