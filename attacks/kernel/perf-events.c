// attack: performance counters, to watch the machine and the neighbours
// tries: Opens counters of the process, of process 1, of a CPU, of control groups; software, hardware, trace points, breakpoints;
//   with the flags that need no rights (user space only). Then the old doors, and the files that would name the events.
// source: CVE-2013-2094, CVE-2020-14351, CVE-2023-5717; side channels by counters (Spectre, cache attacks)
// expect: EPERM from the filter, whatever kernel.perf_event_paranoid says
// stopped-by: seccomp
// without: seccomp
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct perf_event_attr event;

static long int80(long number, long a, long b, long c, long d, long e) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
                     : "r8", "r9", "r10", "r11", "memory");
    return (int)result;
}

int main(void) {
    int pids[] = {0, 1, 2, -1};
    for (unsigned type = 0; type < 12; type++) {
        for (unsigned config = 0; config < 12; config++) {
            for (unsigned i = 0; i < 4; i++) {
                memset(&event, 0, sizeof event);
                event.type = type;
                event.size = sizeof event;
                event.config = config;
                event.exclude_kernel = event.exclude_hv = event.disabled = 1;
                if (type == PERF_TYPE_BREAKPOINT) event.bp_type = 1, event.bp_addr = (long)&event, event.bp_len = 1;
                long fd = syscall(298, &event, pids[i], pids[i] < 0 ? 0 : -1, -1, 0);
                if (fd >= 0) return printf("broke: an event of type %u, config %u for pid %d\n", type, config, pids[i]), 99;
                if (errno != EPERM) return printf("broke: the kernel's code answers: errno %d\n", errno), 99;
                if (syscall(0x40000000 | 298, &event, pids[i], -1, -1, 0) >= 0 || errno != ENOSYS)
                    return printf("broke: by x32: errno %d\n", errno), 99;
                long old = int80(336, (long)&event, pids[i], -1, -1, 0);
                if (old != -ENOSYS) return printf("broke: by int 0x80: %ld\n", old), 99;
            }
        }
    }
    // An impossible size: the kernel would say E2BIG and write the right one.
    memset(&event, 0, sizeof event);
    event.size = 65535;
    if (syscall(298, &event, 0, -1, -1, 0) >= 0 || errno != EPERM || event.size != 65535)
        return printf("broke: the kernel tells the size of its structure: %u\n", event.size), 99;
    const char *files[] = {"/sys/bus/event_source/devices", "/sys/kernel/tracing/events", "/sys/kernel/debug/tracing/events"};
    for (unsigned i = 0; i < 3; i++)
        if (open(files[i], O_RDONLY) >= 0) return printf("broke: %s opens\n", files[i]), 99;
    printf("held: no counter of any type\n");
    return 0;
}
