// attack: socket families and protocols beyond Unix, TCP and UDP
// tries: socket() and socketpair() of every family to 63, every type to 15 and many protocols, with flags and with high bits set; the same
//   through socketcall of int 0x80 and by x32. Netlink, packet, vsock, AF_ALG, AF_KEY, Bluetooth, TIPC, RDS, XDP, SMC, QIPCRTR are among them.
// source: CVE-2017-7308 (packet), CVE-2017-17805 (AF_ALG), CVE-2010-3904 (RDS), CVE-2021-26708 (vsock), CVE-2022-0435 (TIPC)
// expect: only Unix, TCP and UDP; everything else fails before a kernel module is loaded for it
// stopped-by: seccomp
// without: seccomp
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int allowed(unsigned family, unsigned type, unsigned protocol) {
    type &= 0xf;
    if (family == AF_UNIX) return type == SOCK_STREAM || type == SOCK_DGRAM || type == SOCK_SEQPACKET;
    if (family != AF_INET && family != AF_INET6) return 0;
    return (type == SOCK_STREAM && (protocol == 0 || protocol == 6)) || (type == SOCK_DGRAM && (protocol == 0 || protocol == 17));
}

int main(void) {
    // TCP, UDP, ICMP, IGMP, IPIP, GRE, ESP, L2TP, ICMPv6, SCTP, UDP-Lite, RAW, MPTCP, and those of the other families.
    unsigned protocols[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 15, 16, 17, 21, 22, 41, 47, 50, 51, 58, 103, 115, 132, 136, 137, 255, 262, 0x0300, 768};
    unsigned long high[] = {0, 0x100000000, 0xffffffff00000000};
    int pair[2], tried = 0;
    for (unsigned family = 0; family < 64; family++) {
        for (unsigned type = 0; type < 16; type++) {
            for (unsigned i = 0; i < sizeof protocols / sizeof *protocols; i++) {
                unsigned protocol = protocols[i];
                for (int j = 0; j < 3; j++) {
                    unsigned flags = j == 1 ? SOCK_CLOEXEC | SOCK_NONBLOCK : 0;
                    long fd = syscall(SYS_socket, family | high[j], (type | flags) | high[j], protocol | high[j]);
                    tried++;
                    if (fd >= 0 && !allowed(family, type, protocol))
                        return printf("broke: a socket of family %u, type %u, protocol %u\n", family, type, protocol), 99;
                    if (fd >= 0) close(fd);
                    long both = syscall(SYS_socketpair, family | high[j], (type | flags) | high[j], protocol | high[j], pair);
                    if (both == 0 && family != AF_UNIX) return printf("broke: a pair of family %u\n", family), 99;
                    if (both == 0) close(pair[0]), close(pair[1]);
                }
                static unsigned arguments[3];
                arguments[0] = family, arguments[1] = type, arguments[2] = protocol;
                long by_call, direct;
                __asm__ volatile("int $0x80" : "=a"(by_call) : "a"(102), "b"(1), "c"(arguments) : "r8", "r9", "r10", "r11", "memory");
                __asm__ volatile("int $0x80" : "=a"(direct) : "a"(359), "b"(family), "c"(type), "d"(protocol) : "r8", "r9", "r10", "r11", "memory");
                if ((int)by_call != -ENOSYS || (int)direct != -ENOSYS)
                    return printf("broke: int 0x80 answers: socketcall %d, socket %d\n", (int)by_call, (int)direct), 99;
                if (syscall(0x40000000 | SYS_socket, family, type, protocol) >= 0 || errno != ENOSYS)
                    return printf("broke: x32 answers: errno %d\n", errno), 99;
            }
        }
    }
    printf("held: %d sockets tried, none but Unix, TCP and UDP\n", tried);
    return 0;
}
