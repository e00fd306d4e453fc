// attack: a parent that cannot be reached because its vfork child has stopped
// tries: the child of a vfork stops itself and ignores everything, so that the parent waits in the kernel for a child that never goes
//   on; a few of these, one in another.
// source: field notes 5b 8; vfork waits uninterruptibly but for SIGKILL (kernel/fork.c)
// expect: all of them are killed when the wall time is over
// stopped-by: pid_namespace
// flags: --wall-time 2s
// ends: wall_time
// control: own
// needs: gcc
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void stuck(int depth) {
    for (int n = 1; n < 65; n++) signal(n, SIG_IGN);
    if (vfork() == 0) {
        if (depth > 0 && vfork() == 0) { raise(SIGSTOP); _exit(0); }
        raise(SIGSTOP);
        _exit(0);
    }
}

int main(void) {
    if (getenv("ATTACK_CONTROL") && *getenv("ATTACK_CONTROL") == '1') {
        // A supervisor that asks nicely, then looks whether its child is gone.
        pid_t child = fork();
        if (child == 0) { setpgid(0, 0); stuck(1); _exit(0); }
        usleep(100000);
        kill(child, SIGTERM);
        kill(child, SIGINT);
        usleep(300000);
        int alive = waitpid(child, NULL, WNOHANG) == 0;
        kill(-child, SIGKILL);
        printf(alive ? "broke: what is stuck in vfork does not end by SIGTERM\n" : "unclear: it ended\n");
        fflush(stdout);
        _exit(alive ? 99 : 1);
    }
    for (int n = 0; n < 3; n++)
        if (fork() == 0) stuck(1);
    stuck(1);
    printf("unclear: vfork returned\n");
    return 1;
}
