// attack: output that is never written: splice, tee, vmsplice, sendfile
// tries: moves 8 MiB to standard output by reference, from pipes, files and its own pages, after making the pipe as large as it can be,
//   under a limit of 1 MiB; a supervisor that counts calls of write sees none.
// source: field notes 5b 25
// expect: killed, and the outcome says output
// stopped-by: output limit
// flags: --output 1M --wall-time 5s
// ends: output
// control: plain
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

enum { ALL = 8 << 20 };

int main(void) {
    fcntl(1, F_SETPIPE_SZ, 1 << 20);
    fcntl(2, F_SETPIPE_SZ, 1 << 20);
    alarm(4);
    char *m = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(m, 'x', 65535);
    m[65535] = '\n';
    int file = memfd_create("x", 0), ends[2];
    if (write(file, m, 65536) != 65536 || pipe(ends)) return 1;
    long sent = 0;
    for (int turn = 0; sent < ALL && turn < 4096; turn++) {
        struct iovec page = {m, 65536};
        off_t start = 0;
        long done = 0;
        switch (turn % 4) {
            case 0: done = vmsplice(1, &page, 1, 0); break;
            case 1: done = sendfile(1, file, &start, 65536); break;
            case 2: if (write(ends[1], m, 65536) > 0) done = splice(ends[0], NULL, 1, NULL, 65536, SPLICE_F_MOVE); break;
            case 3:
                if (write(ends[1], m, 65536) > 0) done = tee(ends[0], 1, 65536, 0);
                while (fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 && read(ends[0], m, 65536) > 0) {}
                fcntl(ends[0], F_SETFL, 0);
                memset(m, 'x', 65535), m[65535] = '\n';
                break;
        }
        if (done > 0) sent += done;
    }
    dprintf(1, "\nbroke: %ld MiB went out\n", sent >> 20);
    _exit(sent >= ALL ? 99 : 1);
}
