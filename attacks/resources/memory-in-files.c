// attack: memory that belongs to no process: files, memfd, System V segments
// tries: 25 MiB each in a file of /tmp, a file of /dev/shm, two memfds, and System V segments that nobody has attached, with no process
//   above 2 MiB, under a limit of 64 MiB.
// source: field notes 5b 19; DMOJ and Judge0 count processes only; isolate's /dev/shm
// expect: killed, or refused by the limit on files
// stopped-by: memory_limit
// flags: --memory 64M --wall-time 5s
// ends: memory | disk | died
// without: memory_limit, process_limit, cpu_accounting, resource_limits
// variants: standard strict server-privileged
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <unistd.h>

enum { PIECE = 25 << 20 };
static char page[65536];

static int fill(int file) {
    for (int n = 0; n < PIECE / (int)sizeof page; n++)
        if (write(file, page, sizeof page) != sizeof page) return 0;
    return 1;
}

int main(void) {
    memset(page, 1, sizeof page);
    int pieces = 0;
    for (int n = 0; n < 2; n++) {
        int id = shmget(IPC_PRIVATE, PIECE, IPC_CREAT | 0600);
        char *m = id < 0 ? (void *)-1 : shmat(id, NULL, 0);
        if (m == (void *)-1) continue;
        // A little at a time, so that no process is ever large: touched, detached, attached again.
        for (int at = 0; at < PIECE; at += 1 << 20) {
            memset(m + at, 1, 1 << 20);
            shmdt(m);
            m = shmat(id, NULL, 0);
        }
        shmdt(m);
        pieces++;
    }
    pieces += fill(memfd_create("one", 0));
    pieces += fill(memfd_create("two", 0));
    pieces += fill(open("/tmp/x", O_CREAT | O_WRONLY, 0600));
    pieces += fill(open("/dev/shm/x", O_CREAT | O_WRONLY, 0600));
    if (pieces * 25 > 70) {
        printf("broke: %d MiB are held by no process\n", pieces * 25);
        fflush(stdout);
        _exit(99);
    }
    printf("held: refused after %d MiB\n", pieces * 25);
    return 0;
}
