// attack: memory in the queues of sockets
// tries: fills Unix stream and datagram pairs and UDP and TCP over the loopback with data that nobody reads, in several processes with
//   their limits of descriptors used up, under a limit of 64 MiB.
// source: field notes 5b 19; CVE-2013-4312's neighbourhood, CVE-2021-3759 (unaccounted IPC objects)
// expect: killed, and the outcome says memory
// stopped-by: memory_limit
// flags: --memory 64M --wall-time 6s
// ends: memory | died
// without: memory_limit, process_limit, cpu_accounting, resource_limits
// variants: standard strict server-privileged
#define _GNU_SOURCE
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static char data[60000];

static long fill(int socket) {
    long sum = 0, sent;
    int large = 1 << 20;
    setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &large, sizeof large);
    while ((sent = send(socket, data, sizeof data, MSG_DONTWAIT | MSG_NOSIGNAL)) > 0) sum += sent;
    return sum;
}

int main(void) {
    memset(data, 1, sizeof data);
    long total = 0;
    for (int n = 0; n < 450 && total < 200L << 20; n++) {
        int pair[2], kind = n % 3;
        if (kind < 2) {
            if (socketpair(AF_UNIX, kind ? SOCK_DGRAM : SOCK_STREAM, 0, pair)) break;
            total += fill(pair[0]) + fill(pair[1]);
        } else {
            int server = socket(AF_INET, SOCK_STREAM, 0);
            struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
            socklen_t length = sizeof at;
            if (bind(server, (void *)&at, length) || listen(server, 1) || getsockname(server, (void *)&at, &length)) continue;
            int client = socket(AF_INET, SOCK_STREAM, 0);
            if (connect(client, (void *)&at, length)) continue;
            total += fill(client);
        }
    }
    if (total > 80L << 20) {
        printf("broke: %ld MiB wait in sockets\n", total >> 20);
        fflush(stdout);
        _exit(99);
    }
    printf("unclear: only %ld MiB fit\n", total >> 20);
    return 1;
}
