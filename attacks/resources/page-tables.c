// attack: page tables instead of pages
// tries: maps a large file-less region for reading and touches one address in every 2 MiB: no page of its own is used, as all are the
//   zero page, but each touch takes a page table. 40,000 of them are 160 MiB, under a limit of 64 MiB.
// source: field notes 5b 19 and 21; CVE-2017-18079-era reports of containers that exhaust hosts by page tables (moby #32942)
// expect: killed, and the outcome says memory
// stopped-by: memory_limit
// flags: --memory 64M --wall-time 5s
// ends: memory | died
// without: memory_limit, process_limit, cpu_accounting, resource_limits
// variants: standard strict server-privileged
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void) {
    enum { TOUCHES = 40000 };
    size_t step = 2 << 20;
    volatile char *m = mmap(NULL, TOUCHES * step, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (m == MAP_FAILED) { printf("held: no such mapping\n"); return 0; }
    // Without huge zero pages, which would need no table.
    madvise((void *)m, TOUCHES * step, MADV_NOHUGEPAGE);
    int sum = 0;
    for (size_t n = 0; n < TOUCHES; n++) sum += m[n * step];
    printf("broke: %d MiB of page tables (%d)\n", TOUCHES / 256, sum);
    fflush(stdout);
    _exit(99);
}
