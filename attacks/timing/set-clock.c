// attack: set the machine's clocks
// tries: clock_settime on the wall clock, settimeofday, stime-like jumps, adjtimex and clock_adjtime with a frequency and an
//   offset, and writing the offsets of its time namespace
// source: execution-sandboxes tests 15; time limits by the wall clock have been dodged by setting it back
// expect: each call is refused
// stopped-by: privileges
// control: host-unsafe: a clock that is really set is every program's clock
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static int through;

static void tried(const char *what, long result) {
    if (result >= 0) {
        through = 1;
        printf("broke: %s worked\n", what);
    }
}

int main(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    /* To what it is, so that even a success does little. */
    tried("clock_settime", clock_settime(CLOCK_REALTIME, &now));
    struct timeval day = {now.tv_sec, now.tv_nsec / 1000};
    tried("settimeofday", syscall(SYS_settimeofday, &day, NULL));
    struct timezone zone = {60, 0};
    tried("settimeofday of the zone", syscall(SYS_settimeofday, NULL, &zone));
    struct timex adjust;
    memset(&adjust, 0, sizeof adjust);
    adjust.modes = ADJ_TICK;
    adjust.tick = 10000;
    tried("adjtimex", syscall(SYS_adjtimex, &adjust));
    tried("clock_adjtime", syscall(SYS_clock_adjtime, CLOCK_REALTIME, &adjust));
    int offsets = open("/proc/self/timens_offsets", O_WRONLY);
    if (offsets >= 0)
        tried("timens_offsets", write(offsets, "monotonic 1000 0\n", 17));
    int rtc = open("/dev/rtc0", O_RDWR);
    tried("opening /dev/rtc0", rtc);
    if (through)
        return 99;
    printf("held: every call was refused, the last with %s\n", strerror(errno));
    return 0;
}
