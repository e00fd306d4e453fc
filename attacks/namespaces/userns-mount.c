// attack: root in a user namespace of one's own: mounts, overlays, idmaps
// tries: A new user and mount namespace by every call that makes one, a map for root in it, then: tmpfs, proc, sysfs, overlayfs, a bind, FUSE,
//   the legacy option parser of CVE-2022-0185 (fsopen and 40 harmless options), an idmapped mount.
// source: CVE-2022-0185 (legacy_parse_param), CVE-2021-3493 and CVE-2023-0386 (overlayfs), CVE-2022-34918
// expect: no new user namespace, so nothing else either
// stopped-by: seccomp, landlock
// without: seccomp landlock
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int put(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 || write(fd, text, strlen(text)) < 0 ? -1 : 0;
}

static int inside(int made) {
    int done = 0;
    char what[512] = "";
#define TRY(name, call) do { if ((call) >= 0) done++, strcat(what, " " name); } while (0)
    put("/proc/self/setgroups", "deny");
    char map[64];
    snprintf(map, sizeof map, "0 %d 1", made ? 1000 : (int)getuid());
    if (put("/proc/self/uid_map", map) == 0) strcat(what, " uid_map"), done++;
    mkdir("/tmp/m", 0700), mkdir("/tmp/u", 0700), mkdir("/tmp/w", 0700);
    TRY("private", mount("none", "/", 0, MS_REC | MS_PRIVATE, 0));
    TRY("tmpfs", mount("none", "/tmp/m", "tmpfs", 0, 0));
    TRY("proc", mount("none", "/tmp/m", "proc", 0, 0));
    TRY("sysfs", mount("none", "/tmp/m", "sysfs", 0, 0));
    TRY("overlay", mount("none", "/tmp/m", "overlay", 0, "lowerdir=/usr,upperdir=/tmp/u,workdir=/tmp/w,userxattr"));
    TRY("bind", mount("/usr", "/tmp/m", 0, MS_BIND, 0));
    TRY("fuse", mount("none", "/tmp/m", "fuse", 0, "fd=0,rootmode=40000,user_id=0,group_id=0"));
    int context = syscall(SYS_fsopen, "ext4", 0);
    for (int i = 0; context >= 0 && i < 40; i++) TRY("", syscall(SYS_fsconfig, context, 1, "\0", "AAAAAAAA", 0));
    int tree = syscall(SYS_open_tree, AT_FDCWD, "/usr", 1 /* OPEN_TREE_CLONE */);
    if (tree >= 0) {
        struct { unsigned long set, clear, propagation, userns; } change = {0x100000, 0, 0, open("/proc/self/ns/user", O_RDONLY)};
        TRY("idmap", syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &change, sizeof change));
    }
    if (made || done) {
        printf("broke: a user namespace (%s);%s\n", made ? "made" : "not made", what);
        fflush(stdout);
        return 99;
    }
    return 0;
}

int main(void) {
    int calls[] = {CLONE_NEWUSER | CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNS, 0};
    for (int i = 0; i < 4; i++) {
        int pid = fork();
        if (pid == 0) _exit(inside(calls[i] && unshare(calls[i]) == 0));
        int status;
        waitpid(pid, &status, 0);
        if (!WIFEXITED(status) || WEXITSTATUS(status)) return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
        pid = syscall(SYS_clone, calls[i] | SIGCHLD, 0, 0, 0, 0);
        if (pid == 0) _exit(inside(calls[i] != 0));
        if (pid > 0 && waitpid(pid, &status, 0) == pid && (!WIFEXITED(status) || WEXITSTATUS(status)))
            return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    }
    printf("held: no user namespace, no mount of 9 kinds\n");
    return 0;
}
