// attack: leave the out-of-memory killer nobody worth killing
// tries: takes the memory in System V segments that no process has attached, so that killing its processes frees nothing, with every
//   process small and asking to be spared, and goes on asking for more; the killer may then turn to process 1.
// source: field notes 5b 22; the out-of-memory killer counts attached memory only (mm/oom_kill.c)
// expect: the run ends for want of memory, or the sandbox dies and is replaced, and nothing outside is touched
// stopped-by: memory_limit
// flags: --memory 64M --wall-time 5s
// ends: memory | died
// without: memory_limit, process_limit, cpu_accounting, resource_limits
// variants: standard strict server-privileged
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <unistd.h>

int main(void) {
    int score = open("/proc/self/oom_score_adj", O_WRONLY);
    if (write(score, "-1000", 5) == 5) { printf("broke: spared\n"); fflush(stdout); _exit(99); }
    for (int n = 0; n < 2; n++) fork();
    int taken = 0;
    for (; taken < 150; taken++) {
        int id = shmget(IPC_PRIVATE, 1 << 20, IPC_CREAT | 0600);
        if (id < 0) break;
        char *m = shmat(id, NULL, 0);
        if (m == (void *)-1) break;
        memset(m, 1, 1 << 20);
        shmdt(m);
    }
    usleep(300000);
    if (taken >= 150) { printf("broke: %d MiB and more that belong to nobody\n", taken); fflush(stdout); _exit(99); }
    printf("unclear: %d MiB\n", taken);
    return 1;
}
