// attack: a dead main thread whose process lives on
// tries: the main thread ends by itself while another goes on: the process is a zombie by its state, and cannot be waited for
// source: pthread_exit(3) from main; supervisors that look for state Z in /proc
// expect: it counts as running, and the wall-clock limit ends it
// stopped-by: the wall-clock limit
// flags: --wall-time 700ms
// ends: wall_time
// control: plain
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *go_on(void *nothing) {
    usleep(1500000);
    puts("broke: it lives past the limit under a dead leader");
    fflush(stdout);
    syscall(SYS_exit_group, 99);
    return nothing;
}

int main(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, go_on, NULL);
    syscall(SYS_exit, 0);
}
