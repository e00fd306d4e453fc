// attack: becoming another user by the maps of ids
// tries: Writes uid_map, gid_map, projid_map and setgroups of itself, children, the init and the spawner, in one and in many lines, after closing and by a descriptor that a
//   child inherits; runs the host's newuidmap and newgidmap; looks for a map that covers ids of the host's users.
// source: CVE-2018-18955 (nested maps), CVE-2014-8989 (setgroups), CVE-2018-6954-style helpers (newuidmap)
// expect: no map can be written; those that are there lead to ids that nobody has outside
// stopped-by: user_namespace, landlock, seccomp
// without: seccomp landlock
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int put(const char *path, const char *text) {
    int fd = open(path, O_WRONLY);
    if (fd < 0) return 0;
    long written = write(fd, text, strlen(text));
    close(fd);
    return written > 0;
}

int main(void) {
    const char *files[] = {"uid_map", "gid_map", "projid_map", "setgroups", "timens_offsets"};
    const char *texts[] = {"0 0 1", "0 0 4294967295", "0 1000 1", "0 0 1\n1 1 1\n2 2 65000", "1000 0 1", "4294967294 0 1", "allow", "deny", "monotonic 1 0"};
    int child = fork();
    if (child == 0) { pause(); _exit(0); }
    int pids[] = {getpid(), child, getppid(), 1, 2};
    char path[64], what[64], line[256];
    for (int i = 0; i < 5; i++)
        for (int j = 0; j < 5; j++)
            for (int k = 0; k < 9; k++) {
                snprintf(path, sizeof path, "/proc/%d/%s", pids[i], files[j]);
                if (put(path, texts[k]) && j != 3) return kill(child, 9), printf("broke: %s takes '%s'\n", path, texts[k]), 99;
                snprintf(path, sizeof path, "/proc/self/task/%d/%s", pids[i], files[j]);
                if (put(path, texts[k]) && j != 3) return kill(child, 9), printf("broke: %s takes '%s'\n", path, texts[k]), 99;
            }
    kill(child, SIGKILL), waitpid(child, 0, 0);
    // A map needs a new namespace; from nesting came CVE-2018-18955.
    for (int depth = 0; depth < 3; depth++) {
        if (unshare(CLONE_NEWUSER)) break;
        put("/proc/self/setgroups", "deny");
        int mapped = put("/proc/self/uid_map", "0 1000 1") | put("/proc/self/uid_map", "0 65534 1");
        return printf("broke: a user namespace of its own, with a map: %d\n", mapped), 99;
    }
    const char *commands[] = {"newuidmap $$ 0 100000 65536", "newgidmap $$ 0 100000 65536", "newuidmap 1 0 0 1", "unshare -U -r true", "unshare -U --map-auto true", "setpriv --reuid 0 true",
                              "su -c true", "sudo -n true", "pkexec true", "newgrp root </dev/null"};
    for (int i = 0; i < 10; i++) {
        snprintf(line, sizeof line, "%s >/dev/null 2>&1 </dev/null", commands[i]);
        // A command that does nothing when it is refused may still say success; who it is says more.
        int status = system(line);
        if (i < 6 && WIFEXITED(status) && WEXITSTATUS(status) == 0) return printf("broke: %s\n", commands[i]), 99;
    }
    // The maps themselves: inside, outside, count. What is outside must be no ordinary user's, or belljar's own single one.
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "/proc/self/%s", files[i]);
        FILE *file = fopen(path, "r");
        unsigned inside, outside, count;
        while (file && fgets(what, sizeof what, file))
            if (sscanf(what, "%u %u %u", &inside, &outside, &count) == 3 && count > 1 && outside < 0x70000000) return printf("broke: %s: %s", path, what), 99;
    }
    printf("held: 450 maps, 10 commands\n");
    return 0;
}
