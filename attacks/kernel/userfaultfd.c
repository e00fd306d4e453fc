// attack: userfaultfd, to stop the kernel in the middle of a copy
// tries: Opens a descriptor for page faults, for faults of the kernel and of the user only, by every door and by /dev/userfaultfd;
//   with one, a write() whose buffer faults would wait in the kernel for as long as the program likes.
// source: CVE-2021-22555, CVE-2022-2588 (exploits use it to win races)
// expect: EPERM from the filter, no device
// stopped-by: seccomp
// without: seccomp
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

static long int80(long number, long a) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a) : "r8", "r9", "r10", "r11", "memory");
    return (int)result;
}

int main(void) {
    // Nothing, O_CLOEXEC, O_NONBLOCK, UFFD_USER_MODE_ONLY, all, and a bit that does not exist: it tells who answers.
    long flags[] = {0, O_CLOEXEC, O_NONBLOCK, 1, 1 | O_CLOEXEC | O_NONBLOCK, 0x100000001, 1L << 30};
    for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
        long fd = syscall(323, flags[i]);
        if (fd >= 0 || (errno != EPERM && errno != ENOSYS)) {
            printf("broke: userfaultfd(%#lx): %ld, errno %d\n", flags[i], fd, errno);
            return 99;
        }
        fd = syscall(0x40000000 | 323, flags[i]);
        if (fd >= 0 || errno != ENOSYS) return printf("broke: userfaultfd by x32: %ld, errno %d\n", fd, errno), 99;
        fd = int80(374, flags[i]);
        if (fd != -ENOSYS) return printf("broke: userfaultfd by int 0x80: %ld\n", fd), 99;
    }
    int device = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
    if (device >= 0) {
        // USERFAULTFD_IOC_NEW
        printf("broke: /dev/userfaultfd opens; a descriptor by it: %d\n", ioctl(device, 0xaa00, O_CLOEXEC));
        return 99;
    }
    printf("held: no descriptor for page faults\n");
    return 0;
}
