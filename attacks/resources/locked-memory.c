// attack: memory that cannot be taken back
// tries: mlock, mlock2, mlockall, MAP_LOCKED, SHM_LOCK and huge pages for 4 MiB.
// source: field notes 5b 20
// expect: refused beyond 64 KiB
// stopped-by: resource_limits
// without: resource_limits
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    enum { SIZE = 4 << 20 };
    char through[256] = "";
    char *m = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mlock(m, SIZE) == 0) strcat(through, " mlock");
    munlock(m, SIZE);
    if (syscall(SYS_mlock2, m, (size_t)SIZE, 1) == 0) strcat(through, " mlock2");
    munlock(m, SIZE);
    if (mlockall(MCL_CURRENT) == 0) strcat(through, " mlockall");
    munlockall();
    if (mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0) != MAP_FAILED) strcat(through, " MAP_LOCKED");
    int id = shmget(IPC_PRIVATE, SIZE, IPC_CREAT | 0600);
    if (id >= 0 && shmctl(id, SHM_LOCK, NULL) == 0) strcat(through, " SHM_LOCK");
    if (id >= 0) shmctl(id, IPC_RMID, NULL);
    if (mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0) != MAP_FAILED) strcat(through, " MAP_HUGETLB");
    if (*through) { printf("broke:%s\n", through); fflush(stdout); _exit(99); }
    printf("held: refused in every way\n");
    return 0;
}
