// attack: the machine's own calls: clock, name, log, swap, accounting, quotas, modules, kernel, reboot
// tries: Each of them with arguments that would work for root, natively, by x32 and int 0x80, as the user it is and, if a user namespace can be had, as
//   its root with all capabilities (host name, and restart of a process-id namespace).
// source: capabilities(7); CVE-2022-0492 and CVE-2016-8655 turned such rights of a namespace into the host's
// expect: EPERM from the filter for each
// stopped-by: seccomp, privileges
// without: seccomp
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

static char buffer[65536];

int main(void) {
    struct utsname before, after;
    uname(&before);
    if (unshare(CLONE_NEWUSER | CLONE_NEWUTS) == 0)
        return printf("broke: namespaces of its own, sethostname in them: %ld\n", syscall(SYS_sethostname, "attack", 6)), 99;
    long time[2] = {1, 0};
    int self = open("/proc/self/exe", O_RDONLY);
    // Native number, number of int 0x80 (0: none), arguments. Commands of reboot that do nothing if they should be carried out: CAD_OFF is the
    // mildest; with wrong magic numbers the kernel would say EINVAL.
    struct { const char *name; long number, old, a, b, c, d, e; } calls[] = {
        {"sethostname", 170, 74, (long)"attack", 6}, {"setdomainname", 171, 121, (long)"attack", 6}, {"settimeofday", 164, 79, (long)time, 0},
        {"settimeofday, zone", 164, 79, 0, (long)time}, {"clock_settime", 227, 264, 0, (long)time}, {"clock_settime of TAI", 227, 264, 11, (long)time},
        {"adjtimex", 159, 124, (long)buffer}, {"clock_adjtime", 305, 343, 0, (long)buffer}, {"syslog, read all", 103, 103, 3, (long)buffer, 65536},
        {"syslog, clear", 103, 103, 5, 0, 0}, {"syslog, size", 103, 103, 10, 0, 0}, {"syslog, console off", 103, 103, 6, 0, 0}, {"swapon", 167, 87, (long)"/tmp/swap", 0},
        {"swapoff", 168, 115, (long)"/dev/vda", 0}, {"acct", 163, 51, (long)"/tmp/acct"}, {"acct off", 163, 51, 0}, {"quotactl", 179, 131, 0x800005 << 8, 0, 0, (long)buffer},
        {"quotactl, sync all", 179, 131, 0x800001 << 8, 0, 0, 0}, {"init_module", 175, 128, (long)buffer, 4096, (long)""}, {"finit_module", 313, 350, self, (long)"", 3},
        {"delete_module", 176, 129, (long)"ext4", 0}, {"kexec_load", 246, 283, 0, 0, 0, 0}, {"kexec_file_load", 320, 0, self, -1, 0, (long)"", 4},
        {"reboot, wrong magic", 169, 88, 1, 2, 3, 0}, {"vhangup", 153, 111}, {"chroot", 161, 61, (long)"/tmp"}, {"pivot_root", 155, 217, (long)"/tmp", (long)"/tmp"},
        {"lookup_dcookie", 212, 253, 1, (long)buffer, 4096}, {"sysctl", 156, 149, (long)buffer}, {"sysfs", 139, 135, 3}, {"ustat", 136, 62, 0x801, (long)buffer},
        {"uselib", 134, 86, (long)"/usr/bin/env"}, {"nfsservctl", 180, 169, 0, 0, 0}, {"personality of nobody", 135, 0, 0x0040000}, {"ioprio of all, real time", 251, 289, 3, 0, 1 << 13}};
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
        long result = syscall(calls[i].number, calls[i].a, calls[i].b, calls[i].c, calls[i].d, calls[i].e, 0);
        if (result >= 0 || (errno != EPERM && errno != ENOSYS)) return printf("broke: %s: %ld, errno %d\n", calls[i].name, result, errno), 99;
        result = syscall(calls[i].number | 0x40000000, calls[i].a, calls[i].b, calls[i].c, calls[i].d, calls[i].e, 0);
        if (result >= 0 || errno != ENOSYS) return printf("broke: %s by x32: errno %d\n", calls[i].name, errno), 99;
        if (!calls[i].old) continue;
        __asm__ volatile("int $0x80" : "=a"(result) : "a"(calls[i].old), "b"(calls[i].a), "c"(calls[i].b), "d"(calls[i].c), "S"(calls[i].d)
                         : "r8", "r9", "r10", "r11", "memory");
        if ((int)result != -ENOSYS) return printf("broke: %s by int 0x80: %d\n", calls[i].name, (int)result), 99;
    }
    uname(&after);
    if (memcmp(&before, &after, sizeof before)) return printf("broke: the host's name has changed\n"), 99;
    printf("held: 35 calls by three doors\n");
    return 0;
}
