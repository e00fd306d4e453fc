// attack: orphans by the ten thousand, for process 1 to reap
// tries: children that fork and end at once, so that every grandchild falls to process 1; then looks how many are left and whether a
//   process can still be made.
// source: field notes 5b 7; containers without an init that reaps (the "PID 1 zombie" problem of Docker)
// expect: all are reaped as they come
// stopped-by: pid_namespace
// flags: --processes 64 --wall-time 8s
// control: own
// needs: gcc
#define _GNU_SOURCE
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int listed(void) {
    DIR *proc = opendir("/proc");
    int count = 0;
    for (struct dirent *e; proc && (e = readdir(proc));) count += strspn(e->d_name, "0123456789") == strlen(e->d_name);
    if (proc) closedir(proc);
    return count;
}

int main(void) {
    int control = getenv("ATTACK_CONTROL") && *getenv("ATTACK_CONTROL") == '1';
    // In the control run they fall to one that does not reap: ourselves.
    if (control) prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    int refused = 0, made = 0, before = listed();
    time_t end = time(NULL) + 2;
    while (time(NULL) < end && made < 20000 && !(control && made >= 40)) {
        pid_t child = fork();
        if (child < 0) { refused++; usleep(500); continue; }
        if (child == 0) { fork(); _exit(0); }
        made++;
        waitpid(child, NULL, 0);
    }
    int left = 0;
    for (int n = 0; n < 200 && (left = listed() - before) > 2; n++) usleep(5000);
    if (left > 2) {
        printf("broke: %d of %d orphans were not reaped\n", left, made);
        fflush(stdout);
        _exit(99);
    }
    pid_t last = fork();
    if (last == 0) _exit(0);
    if (last < 0) { printf("broke: no process can be made any more\n"); fflush(stdout); _exit(99); }
    printf("held: %d orphans were reaped, %d forks had to wait\n", made, refused);
    return 0;
}
