// attack: fork and exit faster than the killer
// tries: sixteen chains in each of which a process forks, and exits at once, for ever: whoever reads a list of processes and then
//   kills them finds numbers of the dead
// source: test 4 of execution-sandboxes; why `pkill`-based cleaners fail and cgroup.kill exists (Linux 5.14)
// expect: all of it ends at the wall-clock limit, and nothing is alive afterwards
// stopped-by: pid_namespace
// flags: --wall-time 1s
// ends: wall_time
// control: plain
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static int alive(void) {
    /* Children of the init of these namespaces that are not it: the chains. */
    FILE *list = popen("ls -d /proc/[0-9]* | wc -l", "r");
    int count = 0;
    fscanf(list, "%d", &count);
    pclose(list);
    return count;
}

int main(void) {
    const char *home = getenv("HOME");
    int control = home && strncmp(home, "/tmp/work", 9) == 0;
    for (int chain = 0; chain < 16; chain++) {
        if (fork() == 0) {
            setsid();
            time_t end = time(NULL) + (control ? 4 : 3600);
            while (time(NULL) < end) {
                pid_t child = fork();
                if (child > 0)
                    _exit(0);
                if (child < 0)
                    usleep(100);
            }
            _exit(0);
        }
    }
    if (control) {
        sleep(1);
        /* What a cleaner does that knows only numbers. Not of process 1, which everything here hangs on. */
        for (pid_t pid = 2; pid < 300; pid++)
            if (pid != getpid() && pid != getppid())
                kill(pid, SIGKILL);
        usleep(300000);
        if (alive() > 5) {
            puts("broke: chains are alive after everything in a list was killed");
            return 99;
        }
        puts("held: the list was complete");
        return 0;
    }
    for (;;)
        pause();
}
