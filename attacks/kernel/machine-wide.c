// attack: using up what all processes of the machine share
// tries: Takes asynchronous I/O contexts (fs.aio-max-nr), terminals (kernel.pty.max) by eight processes, and huge pages of the host's pool by mmap, memfd_create and
//   System V segments of each size: none of them is counted by a limit of memory or of a user.
// source: found in belljar by this attack (one program held all 65,536 I/O contexts of the machine); field test 50
// expect: no I/O context, no huge page, at most 64 terminals: the next sandbox and the host's databases get theirs
// stopped-by: seccomp, mount_namespace
// without: seccomp
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void) {
    int contexts = 0;
    unsigned sizes[] = {1, 128, 1024, 65536};
    for (int i = 0; i < 4; i++)
        for (unsigned long context = 0; contexts < 1000 && syscall(SYS_io_setup, sizes[i], &context) == 0; context = 0) contexts++;
    if (contexts) return printf("broke: %d contexts for asynchronous I/O\n", contexts), 99;
    // Sizes of huge pages by their logarithms: the default, 2 MiB, 1 GiB. An empty pool says ENOMEM; a filter in its place must say the same, so that
    // whether the pool is empty cannot be told.
    unsigned long logarithms[] = {0, 21, 30};
    for (int i = 0; i < 3; i++) {
        int flags[] = {MAP_PRIVATE, MAP_SHARED, MAP_PRIVATE | MAP_POPULATE, MAP_SHARED | MAP_NORESERVE};
        for (int j = 0; j < 4; j++)
            if (mmap(0, 2 << 20, PROT_READ | PROT_WRITE, flags[j] | MAP_ANONYMOUS | MAP_HUGETLB | logarithms[i] << 26, -1, 0) != MAP_FAILED) return printf("broke: a huge page by mmap\n"), 99;
        long memory = syscall(SYS_memfd_create, "huge", 4 | logarithms[i] << 26);
        if (memory >= 0) return printf("broke: a file of huge pages; as large as asked for: %s\n", ftruncate(memory, 1 << 30) ? "no" : "yes"), 99;
        if (shmget(IPC_PRIVATE, 2 << 20, IPC_CREAT | SHM_HUGETLB | 0600 | logarithms[i] << 26) >= 0) return printf("broke: a segment of huge pages\n"), 99;
    }
    int *counts = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), total = 0;
    int hold[2];
    if (pipe(hold)) return 1;
    for (int child = 0; child < 8; child++)
        if (fork() == 0) {
            char byte;
            close(hold[1]);
            while (open("/dev/ptmx", O_RDWR | O_NOCTTY) >= 0) counts[child]++;
            _exit(read(hold[0], &byte, 1) < 0);
        }
    usleep(300000);
    for (int child = 0; child < 8; child++) total += counts[child];
    close(hold[1]);
    while (wait(0) > 0);
    if (total > 64) return printf("broke: %d terminals at the same time\n", total), 99;
    printf("held: no context, no huge page, %d terminals\n", total);
    return 0;
}
