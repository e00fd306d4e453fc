// attack: mounting by descriptors
// tries: fsopen and fsconfig and fsmount of each file system, open_tree with and without cloning, open_tree_attr, move_mount by paths and
//   descriptors, fspick, mount_setattr that clears read-only, nosuid, nodev or maps ids, statmount and listmount of all namespaces.
// source: mount_setattr(2), move_mount(2); CVE-2022-0185 (fsconfig); none of these calls is in older containers' filters
// expect: no mount descriptor, no attribute cleared, no list
// stopped-by: seccomp, landlock
// without: seccomp landlock
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SAY_NO(what, call) do { long r_ = (call); if (r_ >= 0 || (errno != EPERM && errno != ENOSYS)) { \
        printf("broke: %s: %ld, errno %d\n", what, r_, errno); return 99; } } while (0)

int main(void) {
    struct { unsigned long set, clear, propagation, userns; } change;
    static char buffer[8192];
    // As root of a new user namespace if that can be had.
    unshare(CLONE_NEWUSER | CLONE_NEWNS);
    mkdir("/tmp/m", 0700);
    const char *types[] = {"tmpfs", "proc", "sysfs", "overlay", "ext4", "btrfs", "erofs", "fuse", "cgroup2", "bpf", "mqueue", "devpts", "ramfs"};
    for (unsigned i = 0; i < sizeof types / sizeof *types; i++) {
        SAY_NO("fsopen", syscall(430, types[i], 0));
        SAY_NO("fsopen by x32", syscall(430 | 0x40000000, types[i], 0));
    }
    const char *trees[] = {"/", "/usr", "/proc", "/proc/sys", "/dev/null", "/tmp", "/etc/passwd", "/proc/self/ns/mnt", "/proc/self/fd", ""};
    unsigned flags[] = {0, 1, 1 | 0x8000 /* recursive */, O_CLOEXEC | 1, AT_EMPTY_PATH | 1, AT_SYMLINK_NOFOLLOW | 1, 0x800 /* no automount */};
    for (unsigned i = 0; i < sizeof trees / sizeof *trees; i++) {
        int fd = open(*trees[i] ? trees[i] : "/usr", O_PATH);
        for (unsigned j = 0; j < sizeof flags / sizeof *flags; j++) {
            SAY_NO("open_tree", syscall(428, *trees[i] ? AT_FDCWD : fd, trees[i], flags[j]));
            unsigned long clear[] = {1, 2, 4, 8, 15, 0x70, 0x200000};
            for (unsigned k = 0; k < sizeof clear / sizeof *clear; k++) {
                memset(&change, 0, sizeof change);
                change.clear = clear[k];
                SAY_NO("open_tree_attr", syscall(467, fd, "", flags[j] | AT_EMPTY_PATH, &change, sizeof change));
                SAY_NO("mount_setattr", syscall(442, fd, "", (flags[j] & ~1u) | AT_EMPTY_PATH, &change, sizeof change));
            }
            change.clear = 0, change.set = 0x100000, change.userns = open("/proc/self/ns/user", O_RDONLY);
            SAY_NO("mount_setattr with a map of ids", syscall(442, fd, "", AT_EMPTY_PATH, &change, sizeof change));
            close(change.userns);
            memset(&change, 0, sizeof change);
            for (int k = 0; k < 2; k++) {
                change.propagation = k ? 1 << 20 /* shared */ : 1 << 19 /* slave */;
                SAY_NO("propagation", syscall(442, fd, "", AT_EMPTY_PATH | 0x8000, &change, sizeof change));
            }
        }
        SAY_NO("fspick", syscall(433, AT_FDCWD, trees[i], 0));
        SAY_NO("move_mount by path", syscall(429, AT_FDCWD, trees[i], AT_FDCWD, "/tmp/m", 0));
        SAY_NO("move_mount by descriptor", syscall(429, fd, "", AT_FDCWD, "/tmp/m", 4));
        SAY_NO("move_mount beneath", syscall(429, fd, "", AT_FDCWD, "/", 4 | 0x200));
        SAY_NO("move_mount of a group", syscall(429, fd, "", fd, "", 0x144));
        close(fd);
    }
    // Descriptors that are none: EBADF and EINVAL would come from the calls themselves.
    for (int command = 0; command < 10; command++) SAY_NO("fsconfig", syscall(431, 0, command, "source", "x", 0));
    SAY_NO("fsmount", syscall(432, 0, 0, 0));
    struct { unsigned size, spare; unsigned long id, parameter, namespace; } ask;
    for (unsigned long id = 0; id < 64; id++) {
        for (int special = 0; special < 2; special++) {
            memset(&ask, 0, sizeof ask);
            ask.size = special ? 32 : 24, ask.id = special ? -1ul : id, ask.parameter = 0xfff, ask.namespace = special ? id : 0;
            SAY_NO("statmount", syscall(457, &ask, buffer, sizeof buffer, 0));
            ask.parameter = 0;
            SAY_NO("listmount", syscall(458, &ask, buffer, 100, 0));
        }
    }
    printf("held: 13 file systems, 10 trees, 12 calls\n");
    return 0;
}
