// attack: keys that outlive the run or belong to others
// tries: Reads and extends the thread, process, session, user, user session and persistent keyrings; joins named sessions; asks for a key
//   with text for the host's request-key program; guesses serial numbers; reads /proc/keys. By every door.
// source: CVE-2016-0728, CVE-2014-9529; go-judge and minijail keep a user keyring from run to run (measured)
// expect: EPERM from the filter; no list of keys
// stopped-by: seccomp
// without: seccomp
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static long int80(long number, long a, long b, long c, long d, long e) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
                     : "r8", "r9", "r10", "r11", "memory");
    return (int)result;
}

int main(void) {
    static char type[] = "user", name[] = "belljar-attack", value[] = "left behind", buffer[4096];
    for (int ring = -8; ring < 0; ring++) {
        if (syscall(248, type, name, value, sizeof value, ring) >= 0) return printf("broke: a key in ring %d\n", ring), 99;
        if (errno != EPERM) return printf("broke: add_key reaches the kernel: errno %d\n", errno), 99;
        if (syscall(249, type, name, "x", ring) >= 0 || errno != EPERM) return printf("broke: request_key: errno %d\n", errno), 99;
        // Every command, for this ring: 0 GET_KEYRING_ID to 32 and some that are not there yet.
        for (int command = 0; command < 40; command++) {
            long result = syscall(250, command, ring, buffer, sizeof buffer, 0);
            if (result >= 0 || errno != EPERM)
                return printf("broke: keyctl(%d) on ring %d: %ld, errno %d\n", command, ring, result, errno), 99;
        }
        if (int80(286, (long)type, (long)name, (long)value, sizeof value, ring) != -ENOSYS ||
            int80(287, (long)type, (long)name, 0, ring, 0) != -ENOSYS || int80(288, 0, ring, 1, 0, 0) != -ENOSYS)
            return printf("broke: keys by int 0x80\n"), 99;
        for (int number = 248; number <= 250; number++)
            if (syscall(0x40000000 | number, type, name, value, sizeof value, ring) >= 0 || errno != ENOSYS)
                return printf("broke: keys by x32: errno %d\n", errno), 99;
    }
    // Serial numbers are random, but the first ones of a machine are small in old kernels; 20,000 guesses.
    for (int serial = 1; serial < 20000; serial++)
        if (syscall(250, 11, serial, buffer, sizeof buffer) >= 0 || errno != EPERM) return printf("broke: key %d read\n", serial), 99;
    const char *lists[] = {"/proc/keys", "/proc/key-users"};
    for (int i = 0; i < 2; i++) {
        int fd = open(lists[i], O_RDONLY);
        if (fd >= 0 && read(fd, buffer, sizeof buffer) > 0) return printf("broke: %s lists keys\n", lists[i]), 99;
    }
    printf("held: no keyring, no key, no list\n");
    return 0;
}
