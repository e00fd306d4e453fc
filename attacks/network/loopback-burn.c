// attack: have the kernel burn the CPU time: packets over the loopback
// tries: floods its own loopback with datagrams that are thrown away and with TCP connections that are opened and closed, so that the
//   work is done in the kernel's interrupt handling, under a limit of 200 ms of CPU time.
// source: Gao et al., "Houdini's Escape" (CCS 2019): work in interrupts and kernel threads that no control group is charged for
// expect: it counts, and the limit of CPU time ends the run
// stopped-by: cpu_accounting
// flags: --cpu-time 200ms --wall-time 9s
// ends: cpu_time
// control: plain
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

int main(void) {
    static char data[60000];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof at;
    int server = socket(AF_INET, SOCK_STREAM, 0), datagrams = socket(AF_INET, SOCK_DGRAM, 0), sink = socket(AF_INET, SOCK_DGRAM, 0);
    struct sockaddr_in closed = at;
    if (bind(server, (void *)&at, length) || listen(server, 100) || getsockname(server, (void *)&at, &length)) return 1;
    if (bind(sink, (void *)&closed, length) || getsockname(sink, (void *)&closed, &length)) return 1;
    long packets = 0;
    struct rusage used;
    // 1.2 s of this process alone, interrupts not counted.
    do {
        for (int n = 0; n < 500; n++) packets += sendto(datagrams, data, sizeof data, MSG_DONTWAIT, (void *)&closed, sizeof closed) > 0;
        for (int n = 0; n < 20; n++) {
            int client = socket(AF_INET, SOCK_STREAM, 0);
            struct linger hard = {1, 0};
            setsockopt(client, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
            if (connect(client, (void *)&at, sizeof at) == 0) { int end = accept4(server, NULL, NULL, SOCK_NONBLOCK); if (end >= 0) close(end); }
            close(client);
        }
        getrusage(RUSAGE_SELF, &used);
    } while (used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6 < 1.2);
    printf("broke: %ld packets in 1.2 s of CPU time\n", packets);
    fflush(stdout);
    _exit(99);
}
