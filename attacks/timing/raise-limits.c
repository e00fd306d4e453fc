// attack: raise the limits on itself, or somebody else's
// tries: setrlimit and prlimit of every resource to unlimited, of itself, its parent and process 1; soft limits to hard ones; looks
//   whether any hard limit is what the machine has rather than the sandbox
// source: test 14 of execution-sandboxes; sandboxes that set soft limits only
// expect: nothing can be raised above what the sandbox set; core dumps and locked memory stay off
// stopped-by: resource_limits
// without: resource_limits
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct {
    int resource;
    const char *name;
    rlim_t most;
} LIMITS[] = {
    /* With 1, the kernel starts no handler of crashes, which it would with 0. */
    {RLIMIT_CORE, "core", 1},
    {RLIMIT_FSIZE, "file size", 256UL << 20},
    {RLIMIT_NOFILE, "open files", 1024},
    {RLIMIT_STACK, "stack", 64UL << 20},
    {RLIMIT_MEMLOCK, "locked memory", 64UL << 10},
    {RLIMIT_MSGQUEUE, "message queues", 800UL << 10},
    {RLIMIT_NICE, "niceness", 0},
    {RLIMIT_RTPRIO, "real-time priority", 0},
    {RLIMIT_SIGPENDING, "pending signals", 1024},
};

int main(void) {
    int through = 0;
    for (unsigned n = 0; n < sizeof LIMITS / sizeof *LIMITS; n++) {
        struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY}, now;
        setrlimit(LIMITS[n].resource, &all);
        getrlimit(LIMITS[n].resource, &now);
        now.rlim_cur = now.rlim_max;
        setrlimit(LIMITS[n].resource, &now);
        getrlimit(LIMITS[n].resource, &now);
        if (now.rlim_cur > LIMITS[n].most) {
            printf("broke: the limit on %s is %lu\n", LIMITS[n].name, (unsigned long)now.rlim_cur);
            through = 1;
        }
        pid_t others[] = {1, getppid()};
        for (int other = 0; other < 2; other++) {
            /* Without limits to begin with nothing is raised: an ordinary user's init has those of whoever started belljar. */
            struct rlimit before;
            if (others[other] > 0 && prlimit(others[other], LIMITS[n].resource, NULL, &before) == 0 &&
                before.rlim_max != RLIM_INFINITY && prlimit(others[other], LIMITS[n].resource, &all, NULL) == 0) {
                printf("broke: the limit on %s of process %d was raised\n", LIMITS[n].name, others[other]);
                through = 1;
            }
        }
    }
    if (through)
        return 99;
    puts("held: no limit could be raised");
    return 0;
}
