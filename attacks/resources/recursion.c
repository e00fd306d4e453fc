// attack: a stack without end
// tries: recursion in the main thread without bound after raising the limit of the stack, which grows into whatever lies below it.
// source: field notes 5b 21; Stack Clash (CVE-2017-1000364)
// expect: SIGSEGV at the limit
// stopped-by: resource_limits
// flags: --memory 256M --wall-time 5s
// ends: signal
// without: resource_limits
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static void __attribute__((noinline)) deeper(int left) {
    volatile char room[1 << 20];
    room[0] = 1;
    if (left > 0) deeper(left - 1);
    room[1] = room[0];
}

int main(int count, char **arguments) {
    (void)count;
    if (!getenv("AGAIN")) {
        // The room for the stack is laid out when a program starts.
        struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY}, now;
        if (setrlimit(RLIMIT_STACK, &all) && getrlimit(RLIMIT_STACK, &now) == 0) {
            now.rlim_cur = now.rlim_max;
            setrlimit(RLIMIT_STACK, &now);
        }
        setenv("AGAIN", "1", 1);
        execv("/proc/self/exe", arguments);
    }
    deeper(100);
    printf("broke: 100 MiB of stack\n");
    fflush(stdout);
    _exit(99);
}
