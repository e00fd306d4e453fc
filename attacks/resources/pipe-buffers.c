// attack: memory in pipes
// tries: hundreds of pipes, each made as large as it can be and filled, and filled again by vmsplice with pages of its own that it then
//   gives up, under a limit of 64 MiB.
// source: field notes 5b 19; CVE-2016-2847 (pipe buffers exhaust memory)
// expect: killed, or the pipes stay small
// stopped-by: memory_limit
// flags: --memory 64M --wall-time 6s
// ends: memory | died
// without: memory_limit, process_limit, cpu_accounting, resource_limits
// variants: standard strict server-privileged
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

int main(void) {
    enum { MOST = 450 };
    long total = 0;
    for (int n = 0; n < MOST && total < 200L << 20; n++) {
        int ends[2];
        if (pipe2(ends, O_NONBLOCK)) break;
        fcntl(ends[1], F_SETPIPE_SZ, 1 << 20);
        int size = fcntl(ends[1], F_GETPIPE_SZ);
        char *m = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (m == MAP_FAILED) break;
        memset(m, 1, size);
        struct iovec all = {m, size};
        // Given away, the pages stay in the pipe when the mapping is gone.
        long sent = vmsplice(ends[1], &all, 1, SPLICE_F_NONBLOCK);
        munmap(m, size);
        total += sent > 0 ? sent : 0;
    }
    if (total > 80L << 20) {
        printf("broke: %ld MiB wait in pipes\n", total >> 20);
        fflush(stdout);
        _exit(99);
    }
    // The kernel keeps pipes of one user small once they are many; then they are no way to much memory.
    printf("unclear: only %ld MiB fit\n", total >> 20);
    return 1;
}
