// attack: mounting and unmounting, by the old calls
// tries: mount() of file systems, binds, moves, remounts to read-write of everything that mountinfo shows, propagation changes; umount2() with
//   each flag, also of what covers files of /proc; oldumount. By the native calls, x32 and int 0x80, and again in a user namespace if there is one.
// source: mount(2); the uncovering of masked files that CVE-2025-31133 and CVE-2025-52565 end in
// expect: EPERM from the filter; mountinfo says the same before and after
// stopped-by: seccomp, landlock
// without: seccomp landlock
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char points[200][256], fstypes[200][32];
static int count;

static unsigned long read_mounts(void) {
    char line[4096];
    unsigned long sum = 5381;
    FILE *file = fopen("/proc/self/mountinfo", "r");
    count = 0;
    while (file && fgets(line, sizeof line, file)) {
        for (char *c = line; *c; c++) sum = sum * 33 + *c;
        char *type = strstr(line, " - ");
        if (count < 200 && type && sscanf(line, "%*s %*s %*s %*s %255s", points[count]) == 1 && sscanf(type, " - %31s", fstypes[count]) == 1) count++;
    }
    if (file) fclose(file);
    return sum;
}

static int doors_say_no(long number, long old, const char *a, const char *b, const char *c, unsigned long flags, const char *what) {
    static char low[4][256]; // int 0x80 takes 32 bits: texts have to be in low memory, as static ones are.
    long result = syscall(number, a, b, c, flags, 0);
    if (result == 0) return printf("broke: %s %s\n", what, b ? b : a), 99;
    if (errno != EPERM) return printf("broke: the kernel's own code answers to %s %s: errno %d\n", what, b ? b : a, errno), 99;
    result = syscall(number | 0x40000000, a, b, c, flags, 0);
    if (result == 0 || errno != ENOSYS) return printf("broke: %s by x32: %ld, errno %d\n", what, result, errno), 99;
    snprintf(low[0], 256, "%s", a ? a : ""), snprintf(low[1], 256, "%s", b ? b : ""), snprintf(low[2], 256, "%s", c ? c : "");
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(old), "b"(low[0]), "c"(number == SYS_umount2 ? (long)flags : (long)low[1]),
                     "d"(low[2]), "S"(flags), "D"(0) : "r8", "r9", "r10", "r11", "memory");
    if ((int)result != -ENOSYS) return printf("broke: %s by int 0x80: %d\n", what, (int)result), 99;
    return 0;
}

static int all(void) {
    int r;
    mkdir("/tmp/m", 0700);
    const char *types[] = {"tmpfs", "proc", "sysfs", "overlay", "ext4", "btrfs", "squashfs", "erofs", "fuse", "devpts", "mqueue", "cgroup",
                           "cgroup2", "bpf", "tracefs", "debugfs", "securityfs", "binfmt_misc", "nfs", "ramfs", "devtmpfs", "nsfs"};
    for (unsigned i = 0; i < sizeof types / sizeof *types; i++)
        if ((r = doors_say_no(SYS_mount, 21, "none", "/tmp/m", types[i], 0, types[i]))) return r;
    unsigned long again[] = {MS_REMOUNT | MS_BIND, MS_REMOUNT, MS_BIND, MS_BIND | MS_REC, MS_SHARED, MS_SHARED | MS_REC, MS_SLAVE, MS_PRIVATE,
                             MS_UNBINDABLE, MS_MOVE, MS_REMOUNT | MS_BIND | MS_NOATIME, 0xc0ed0000 | MS_REMOUNT | MS_BIND};
    for (int i = 0; i < count; i++)
        for (unsigned j = 0; j < sizeof again / sizeof *again; j++)
            if ((r = doors_say_no(SYS_mount, 21, j == 2 || j == 9 ? "/tmp" : "none", points[i], 0, again[j], "remount, bind, move or share"))) return r;
    unsigned long flags[] = {0, MNT_FORCE, MNT_DETACH, MNT_EXPIRE, UMOUNT_NOFOLLOW, MNT_DETACH | UMOUNT_NOFOLLOW};
    for (int i = count - 1; i >= 0; i--)
        for (int j = 0; j < 6; j++)
            if ((r = doors_say_no(SYS_umount2, 52, points[i], 0, 0, flags[j], "unmount"))) return r;
    return 0;
}

int main(void) {
    unsigned long before = read_mounts();
    if (!count) return printf("unclear: no mountinfo\n"), 1;
    // With a user namespace it would be root's turn; where it cannot be had, the same calls without.
    int pid = fork(), status = 0;
    if (pid == 0) {
        int made = unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0;
        mkdir("/tmp/m", 0700);
        if (made) return printf("broke: a user and mount namespace; tmpfs in it: %d\n", mount("none", "/tmp/m", "tmpfs", 0, 0)), 99;
        int result = all();
        fflush(stdout);
        _exit(result);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status)) return printf("unclear: no child\n"), 1;
    if (WEXITSTATUS(status)) return WEXITSTATUS(status);
    if (before != read_mounts()) return printf("broke: mountinfo has changed\n"), 99;
    printf("held: 22 file systems, 18 changes of %d mounts, by three doors\n", count);
    return 0;
}
