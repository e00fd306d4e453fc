// attack: forged packets and the settings of the network
// tries: Raw and packet sockets (also in a user and network namespace of its own), a header of one's own on UDP and TCP sockets, address and route
//   changes by ioctl, promiscuous mode, TUN devices, marks, transparent binds, binding to devices, kernel TLS and other protocols on top of TCP.
// source: CVE-2016-8655, CVE-2020-14386 (packet), CVE-2022-27666 (ESP on TCP), CVE-2023-0461 (TLS on TCP)
// expect: no such socket; what needs CAP_NET_ADMIN or CAP_NET_RAW is refused; nothing is sent
// stopped-by: seccomp, privileges, network_namespace
// without: seccomp
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0) {
        int raw = socket(AF_INET, SOCK_RAW, 255);
        return printf("broke: a network namespace of its own, raw socket: %d\n", raw), 99;
    }
    int types[] = {SOCK_RAW, SOCK_PACKET, SOCK_RAW | SOCK_CLOEXEC, 4 /* RDM */, 6 /* DCCP */};
    for (int i = 0; i < 5; i++)
        for (int family = 2; family <= 17; family += family == 2 ? 8 : 7)
            for (int protocol = 0; protocol < 256; protocol++)
                if (socket(family, types[i], protocol) >= 0) return printf("broke: family %d, type %d, protocol %d\n", family, types[i], protocol), 99;
    int udp = socket(AF_INET, SOCK_DGRAM, 0), tcp = socket(AF_INET, SOCK_STREAM, 0), six = socket(AF_INET6, SOCK_DGRAM, 0);
    if (udp < 0 || tcp < 0) return printf("unclear: no UDP or TCP\n"), 1;
    struct { int fd, level, option; const char *name; } options[] = {
        {udp, 0, 3, "IP_HDRINCL"}, {udp, 0, 19, "IP_TRANSPARENT"}, {udp, 0, 16, "IP_IPSEC_POLICY"}, {udp, 0, 17, "IP_XFRM_POLICY"}, {udp, 1, 36, "SO_MARK"},
        {udp, 1, 32, "SO_SNDBUFFORCE"}, {udp, 1, 33, "SO_RCVBUFFORCE"}, {udp, 1, 25, "SO_BINDTODEVICE"}, {udp, 1, 12 + 1000, "none"},
        {tcp, 6, 19, "TCP_REPAIR"}, {tcp, 0, 200, "MRT_INIT"}, {six, 41, 200, "MRT6_INIT"}, {six, 41, 75, "IPV6_TRANSPARENT"}, {tcp, 0, 64, "IPT_SO_SET_REPLACE"},
        {tcp, 0, 96, "ARPT_SO_SET_REPLACE"}, {six, 41, 64, "IP6T_SO_SET_REPLACE"}, {udp, 263, 1, "SOL_PACKET"}, {udp, 270, 1, "SOL_NETLINK"}};
    for (unsigned i = 0; i < sizeof options / sizeof *options; i++) {
        char value[64] = "lo";
        if (options[i].option != 25) *(int *)value = 1;
        // Binding to a device of one's own namespace has needed no rights since Linux 5.7, and lo is the only one.
        if (setsockopt(options[i].fd, options[i].level, options[i].option, value, 4) == 0 && options[i].option != 25)
            return printf("broke: %s is set\n", options[i].name), 99;
    }
    struct ifreq request = {.ifr_name = "lo"};
    struct { unsigned long number; const char *name; } calls[] = {
        {0x8914, "SIOCSIFFLAGS"}, {0x8916, "SIOCSIFADDR"}, {0x8922, "SIOCSIFMTU"}, {0x8924, "SIOCSIFHWADDR"}, {0x890b, "SIOCADDRT"}, {0x8955, "SIOCSARP"},
        {0x89a0, "SIOCBRADDBR"}, {0x8983, "SIOCADDVLAN"}, {0x89f1, "SIOCADDTUNNEL"}, {0x8949, "SIOCSMIIREG"}, {0x89b0, "SIOCSHWTSTAMP"}};
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
        request.ifr_flags = IFF_UP | IFF_PROMISC;
        if (ioctl(udp, calls[i].number, &request) == 0 || ioctl(udp, calls[i].number | 0x100000000, &request) == 0)
            return printf("broke: %s works\n", calls[i].name), 99;
    }
    const char *devices[] = {"/dev/net/tun", "/dev/ppp", "/dev/vhost-net", "/dev/vhost-vsock", "/dev/vsock", "/dev/kvm"};
    for (int i = 0; i < 6; i++)
        if (open(devices[i], O_RDWR) >= 0) return printf("broke: %s opens\n", devices[i]), 99;
    // A connection over the loopback, and what can be put on top of it.
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in here = {AF_INET, 0, {htonl(INADDR_LOOPBACK)}};
    socklen_t length = sizeof here;
    if (bind(listener, (void *)&here, sizeof here) || listen(listener, 1) || getsockname(listener, (void *)&here, &length) ||
        connect(tcp, (void *)&here, sizeof here))
        return printf("unclear: no loopback: errno %d\n", errno), 1;
    const char *protocols[] = {"espintcp", "smc", "mptcp", "tls"};
    for (int i = 0; i < 4; i++)
        if (setsockopt(tcp, 6, 31 /* TCP_ULP */, protocols[i], strlen(protocols[i])) == 0) return printf("broke: %s on TCP\n", protocols[i]), 99;
    printf("held: no raw packet, %d options and %d settings refused\n", 18, 11);
    return 0;
}
