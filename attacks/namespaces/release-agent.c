// attack: a command of the host's root by cgroup v1's release_agent
// tries: Looks for control group file systems; mounts each v1 controller, a named hierarchy and v2 in a new user, mount and cgroup namespace
//   and directly; opens release_agent, notify_on_release, cgroup.procs and devices.allow of whatever there is for writing.
// source: CVE-2022-0492; Felix Wilhelm's container escape of 2019
// expect: no control group file system is there, none can be mounted
// stopped-by: seccomp, mount_namespace
// without: seccomp
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *controllers[] = {"cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "rdma", "misc", "net_cls",
                                    "hugetlb", "perf_event", "none,name=belljar", "none,name=systemd"};

static int look(const char *directory) {
    const char *files[] = {"release_agent", "notify_on_release", "cgroup.procs", "tasks", "devices.allow", "cgroup.kill", "memory.max"};
    char path[256];
    for (int i = 0; i < 7; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, files[i]);
        int fd = open(path, O_WRONLY);
        if (fd >= 0) return printf("broke: %s opens for writing\n", path), 99;
    }
    return 0;
}

static int attempt(int flags) {
    int made = flags && unshare(flags) == 0;
    mkdir("/tmp/cg", 0700);
    if (made) mount("none", "/", 0, MS_REC | MS_PRIVATE, 0);
    for (unsigned i = 0; i <= sizeof controllers / sizeof *controllers; i++) {
        int v2 = i == sizeof controllers / sizeof *controllers;
        if (mount("none", "/tmp/cg", v2 ? "cgroup2" : "cgroup", 0, v2 ? 0 : controllers[i]) == 0) {
            int open_for_all = look("/tmp/cg");
            umount2("/tmp/cg", MNT_DETACH);
            if (!open_for_all) printf("broke: mounted: %s\n", v2 ? "v2" : controllers[i]);
            fflush(stdout);
            return 99;
        }
    }
    if (!made) return 0;
    printf("broke: a namespace was made\n");
    fflush(stdout);
    return 99;
}

int main(void) {
    // One that is shown already.
    char line[4096];
    FILE *mounts = fopen("/proc/self/mountinfo", "r");
    while (mounts && fgets(line, sizeof line, mounts)) {
        char point[1024] = "", *type = strstr(line, " - cgroup");
        if (type && sscanf(line, "%*s %*s %*s %*s %1023s", point) == 1) return printf("broke: %s is a control group file system\n", point), 99;
    }
    const char *places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/devices", "/cgroup", "/dev/cgroup"};
    for (int i = 0; i < 6; i++) {
        int result = look(places[i]);
        if (result) return result;
    }
    int flags[] = {CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWCGROUP, CLONE_NEWUSER | CLONE_NEWNS, CLONE_NEWNS, 0};
    for (int i = 0; i < 4; i++) {
        fflush(stdout);
        int pid = fork(), status = 0;
        if (pid == 0) _exit(attempt(flags[i]));
        if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status)) return printf("unclear: no child\n"), 1;
        if (WEXITSTATUS(status)) return WEXITSTATUS(status);
    }
    printf("held: 16 hierarchies in 4 ways\n");
    return 0;
}
