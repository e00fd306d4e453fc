// attack: io_uring, a second way to do what the filter refuses
// tries: Sets up a ring by the native call, by x32 and by int 0x80, with every flag that gives it a thread or a filter of its own,
//   and enters and registers one by made-up descriptors. With a ring, opens a vsock socket, which no filter of calls sees.
// source: isolate 2.6 NEWS (io_uring opens AF_VSOCK past the filter), CVE-2022-29582, CVE-2023-2598
// expect: no ring by any door: ENOSYS, which programs take for an old kernel
// stopped-by: seccomp
// without: seccomp
#define _GNU_SOURCE
#include <errno.h>
#include <linux/io_uring.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SETUP 425
#define ENTER 426
#define REGISTER 427
#define X32 0x40000000L

static struct io_uring_params parameters;

static long native(long number, long a, long b, long c, long d, long e) {
    long result = syscall(number, a, b, c, d, e, 0);
    return result < 0 ? -errno : result;
}

static long int80(long number, long a, long b, long c, long d, long e) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
                     : "r8", "r9", "r10", "r11", "memory");
    return (int)result;
}

static long x32(long number, long a, long b, long c, long d, long e) { return native(number | X32, a, b, c, d, e); }

/// Asks the ring for a vsock socket: the filter sees `io_uring_enter` and nothing else.
static int socket_by_ring(int ring, int family) {
    char *sq = mmap(0, parameters.sq_off.array + parameters.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring,
                    IORING_OFF_SQ_RING);
    char *cq = mmap(0, parameters.cq_off.cqes + parameters.cq_entries * sizeof(struct io_uring_cqe), PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_CQ_RING);
    struct io_uring_sqe *entries = mmap(0, parameters.sq_entries * sizeof *entries, PROT_READ | PROT_WRITE,
                                        MAP_SHARED | MAP_POPULATE, ring, IORING_OFF_SQES);
    if (sq == MAP_FAILED || cq == MAP_FAILED || entries == MAP_FAILED) return -1;
    memset(entries, 0, sizeof *entries);
    entries[0].opcode = 45; // IORING_OP_SOCKET
    entries[0].fd = family;
    entries[0].off = 1; // SOCK_STREAM
    *(unsigned *)(sq + parameters.sq_off.array) = 0;
    __atomic_store_n((unsigned *)(sq + parameters.sq_off.tail), 1, __ATOMIC_RELEASE);
    if (native(ENTER, ring, 1, 1, IORING_ENTER_GETEVENTS, 0) < 0) return -1;
    return ((struct io_uring_cqe *)(cq + parameters.cq_off.cqes))[0].res;
}

int main(void) {
    struct { const char *name; long (*call)(long, long, long, long, long, long); } doors[] = {
        {"the native call", native}, {"x32", x32}, {"int 0x80", int80}};
    // None, SQPOLL, IOPOLL, SQPOLL and affinity, R_DISABLED, NO_MMAP, SINGLE_ISSUER and DEFER_TASKRUN.
    unsigned flags[] = {0, 2, 1, 6, 64, 1 << 14, 3 << 12};
    for (unsigned door = 0; door < 3; door++) {
        for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
            memset(&parameters, 0, sizeof parameters);
            parameters.flags = flags[i];
            long ring = doors[door].call(SETUP, 8, (long)&parameters, 0, 0, 0);
            if (ring >= 0) {
                int vsock = i == 0 ? socket_by_ring((int)ring, 40) : -1;
                printf("broke: a ring by %s with flags %#x; a vsock socket by it: %d\n", doors[door].name, flags[i], vsock);
                return 99;
            }
            if (ring != -ENOSYS) {
                printf("broke: the kernel's own code answers to io_uring_setup by %s: %ld\n", doors[door].name, ring);
                return 99;
            }
        }
        // A descriptor that is none: EBADF would come from io_uring's own code, and so would EINVAL.
        long entered = doors[door].call(ENTER, 0, 1, 1, 1, 0), registered = doors[door].call(REGISTER, -1, 13, 0, 0, 0);
        if (entered != -ENOSYS || registered != -ENOSYS) {
            printf("broke: io_uring_enter and io_uring_register by %s: %ld, %ld\n", doors[door].name, entered, registered);
            return 99;
        }
    }
    printf("held: no ring by three doors\n");
    return 0;
}
