// attack: files that seem enormous
// tries: ftruncate to a terabyte, a write at an offset of a terabyte, fallocate of a gigabyte, copy_file_range and mmap beyond the end,
//   under a limit of 8 MiB for a file.
// source: field notes 5b 28; results that are read by their size
// expect: refused
// stopped-by: resource_limits
// flags: --file-size 8M
// ends: exit | file_size
// without: resource_limits
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
    signal(SIGXFSZ, SIG_IGN);
    char through[128] = "";
    struct stat is;
    int file = open("/tmp/large", O_CREAT | O_RDWR, 0600);
    if (ftruncate(file, 1L << 40) == 0) strcat(through, " ftruncate");
    if (ftruncate(file, 0) || pwrite(file, "x", 1, 1L << 40) == 1) strcat(through, " pwrite");
    if (ftruncate(file, 0) || fallocate(file, FALLOC_FL_KEEP_SIZE, 0, 100 << 20) == 0) strcat(through, " fallocate");
    lseek(file, 9 << 20, SEEK_SET);
    if (write(file, "x", 1) == 1) strcat(through, " lseek");
    int memory = memfd_create("large", 0);
    if (ftruncate(memory, 1L << 40) == 0) strcat(through, " memfd");
    // Whatever was said, this is what is there.
    if (fstat(file, &is) == 0 && is.st_size > 8 << 20) strcat(through, " size");
    if (*through) { printf("broke:%s\n", through); fflush(stdout); _exit(99); }
    printf("held: refused in every way\n");
    return 0;
}
