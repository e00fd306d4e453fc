// attack: nftables from a network namespace of one's own
// tries: A user and network namespace, then tables, chains and sets by netlink: the way into nf_tables of every recent local root exploit.
//   Also without new namespaces, in the sandbox's own, and the old door: setsockopt of iptables.
// source: CVE-2023-32233, CVE-2024-1086, CVE-2021-22555 (IPT_SO_SET_REPLACE)
// expect: no user namespace, no netlink socket, no table
// stopped-by: seccomp
// without: seccomp
#define _GNU_SOURCE
#include <errno.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/// Makes the table "t" of family inet in a batch; 0 when the kernel acknowledges.
static int table(int socket) {
    struct { struct nlmsghdr h; struct nfgenmsg g; } begin = {{sizeof begin, NFNL_MSG_BATCH_BEGIN, NLM_F_REQUEST, 1, 0}, {0, 0, 0x0a00}};
    struct { struct nlmsghdr h; struct nfgenmsg g; struct nlattr a; char name[4]; } make = {
        {sizeof make, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE, 2, 0},
        {1 /* NFPROTO_INET */, 0, 0}, {4 + 2, NFTA_TABLE_NAME}, "t"};
    struct { struct nlmsghdr h; struct nfgenmsg g; } end = {{sizeof end, NFNL_MSG_BATCH_END, NLM_F_REQUEST, 3, 0}, {0, 0, 0x0a00}};
    char all[sizeof begin + sizeof make + sizeof end], answer[512];
    memcpy(all, &begin, sizeof begin);
    memcpy(all + sizeof begin, &make, sizeof make);
    memcpy(all + sizeof begin + sizeof make, &end, sizeof end);
    if (send(socket, all, sizeof all, 0) < 0) return -1;
    long got = recv(socket, answer, sizeof answer, 0);
    struct nlmsghdr *h = (struct nlmsghdr *)answer;
    return got < (long)sizeof *h || h->nlmsg_type != NLMSG_ERROR ? -1 : ((struct nlmsgerr *)NLMSG_DATA(h))->error;
}

static int attempt(int flags) {
    int made = flags && unshare(flags) == 0;
    int socket_ = socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
    int answer = socket_ >= 0 ? table(socket_) : -1;
    // IPT_SO_SET_REPLACE and IPT_SO_GET_INFO on TCP sockets, which the filter lets be. Levels 0 and 41, options 64 to 70.
    int tcp = socket(AF_INET, SOCK_STREAM, 0), got = 0;
    char buffer[256] = "filter";
    for (int option = 64; tcp >= 0 && option <= 70; option++) {
        socklen_t length = 84;
        errno = 0;
        got += setsockopt(tcp, 0, option, buffer, sizeof buffer) == 0 && option != 70;
        got += getsockopt(tcp, 0, option, buffer, &length) == 0 && length == 84;
    }
    if (made || socket_ >= 0 || got) {
        printf("broke: namespaces %s, netlink socket %d, table: %d, iptables options: %d\n", made ? "made" : "refused", socket_, answer, got);
        fflush(stdout);
        return 99;
    }
    return 0;
}

int main(void) {
    int flags[] = {CLONE_NEWUSER | CLONE_NEWNET, CLONE_NEWUSER, CLONE_NEWNET, 0};
    for (int i = 0; i < 4; i++) {
        int pid = fork(), status = 0;
        if (pid == 0) _exit(attempt(flags[i]));
        if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status)) return printf("unclear: no child\n"), 1;
        if (WEXITSTATUS(status)) return WEXITSTATUS(status);
    }
    printf("held: no namespace, no netlink, no iptables option\n");
    return 0;
}
