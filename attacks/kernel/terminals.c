// attack: typing into a terminal for whoever reads it next
// tries: TIOCSTI, TIOCLINUX, TIOCCONS, TIOCSETD and the console's keyboard requests on the terminal that it has, on /dev/tty and on a pair of its
//   own, with each of the upper 32 bits of the request set, by x32 and int 0x80. What it typed must not come out of the terminal.
// source: CVE-2017-5226, CVE-2019-7303, CVE-2019-10063 (64-bit request past a 32-bit comparison), CVE-2023-28100 (TIOCLINUX)
// expect: EPERM for each form; nothing is typed
// stopped-by: seccomp
// without: seccomp
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char letter[] = "#belljar\n";

static int attempt(int fd, unsigned long request, const char *what) {
    for (int bit = -1; bit < 32; bit++) {
        unsigned long forged = request | (bit < 0 ? 0 : 1ul << (32 + bit));
        long result = syscall(SYS_ioctl, fd, forged, letter);
        if (result >= 0 || errno != EPERM) return printf("broke: %s as %#lx: %ld, errno %d\n", what, forged, result, errno), 99;
    }
    long result = syscall(SYS_ioctl | 0x40000000, fd, request, letter);
    if (result >= 0 || errno != ENOSYS) return printf("broke: %s by x32\n", what), 99;
    // x32 has a number of its own for ioctl, 514.
    result = syscall(514 | 0x40000000, fd, request, letter);
    if (result >= 0 || errno != ENOSYS) return printf("broke: %s by x32's own number\n", what), 99;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(54), "b"(fd), "c"(request), "d"(letter) : "r8", "r9", "r10", "r11", "memory");
    if ((int)result != -ENOSYS) return printf("broke: %s by int 0x80: %d\n", what, (int)result), 99;
    return 0;
}

int main(void) {
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    if (master < 0 || grantpt(master) || unlockpt(master)) return printf("unclear: no terminal: errno %d\n", errno), 1;
    // It becomes the controlling terminal of a session of its own, as TIOCSTI wants it.
    if (setsid() < 0 && fork()) { int status; wait(&status); return status >> 8; }
    setsid();
    int slave = open(ptsname(master), O_RDWR);
    if (slave < 0) return printf("unclear: no slave: errno %d\n", errno), 1;
    ioctl(slave, TIOCSCTTY, 0);
    int fds[] = {slave, master, open("/dev/tty", O_RDWR), 0, 1, 2};
    struct { unsigned long request; const char *name; } requests[] = {
        {0x5412, "TIOCSTI"}, {0x541c, "TIOCLINUX"}, {0x541d, "TIOCCONS"}, {0x5423, "TIOCSETD"}, {0x4b49, "KDSKBSENT"}, {0x4b47, "KDSKBENT"},
        {0x4b3a, "KDSETMODE"}, {0x4b72, "KDFONTOP"}, {0x5606, "VT_ACTIVATE"}, {0x560b, "VT_LOCKSWITCH"}, {0x5601, "VT_GETMODE"}, {0x4bfa, "KDSKBDIACRUC"}};
    for (int i = 0; i < 6; i++)
        for (unsigned j = 0; fds[i] >= 0 && j < sizeof requests / sizeof *requests; j++) {
            int result = attempt(fds[i], requests[j].request, requests[j].name);
            if (result) return result;
        }
    struct pollfd typed = {slave, POLLIN, 0};
    if (poll(&typed, 1, 50) > 0) return printf("broke: something was typed\n"), 99;
    printf("held: 12 requests with 33 numbers each, on 6 descriptors\n");
    return 0;
}
