// attack: be another program in each moment
// tries: executes itself again and again, with the same process id, in eight processes, so that whoever looks at a program and then
//   acts on it acts on another one
// source: the check-to-use races of supervisors that read /proc/PID/exe; CVE-2015-3339 (the execve race on privileges)
// expect: the CPU-time limit counts what each of them used before it became another
// stopped-by: cpu_accounting
// flags: --cpu-time 700ms --wall-time 8s
// ends: cpu_time
// control: plain
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int main(int count, char **arguments) {
    if (count == 1) {
        char end[32];
        snprintf(end, sizeof end, "%ld", (long)time(NULL) + 5);
        for (int n = 0; n < 8; n++)
            if (fork() == 0)
                execl("/proc/self/exe", "storm", end, (char *)NULL);
        while (wait(NULL) > 0)
            ;
        struct rusage used;
        getrusage(RUSAGE_CHILDREN, &used);
        long seconds = used.ru_utime.tv_sec + used.ru_stime.tv_sec;
        printf(seconds >= 2 ? "broke: %ld s of CPU\n" : "it had %ld s only\n", seconds);
        return seconds >= 2 ? 99 : 1;
    }
    if (time(NULL) >= atol(arguments[1]))
        return 0;
    execl("/proc/self/exe", "storm", arguments[1], (char *)NULL);
    return 1;
}
