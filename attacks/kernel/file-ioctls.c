// attack: requests to the host's file systems and disks by ioctl
// tries: On every mount that is shown: freezing, trimming, shutting down, immutable and append-only flags, project ids, encryption policies and keys,
//   verity, resizing, cloning, block numbers (FIBMAP), labels, btrfs snapshots, ext4 swaps of extents; with high bits set.
// source: ioctl_fs(2); CVE-2021-4204-style carelessness about who may ask; keys that outlive a container (fscrypt)
// expect: nothing works but reading flags and maps of files that are shown
// stopped-by: mount_namespace, privileges, seccomp
// control: own
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char argument[4096] __attribute__((aligned(64)));

int main(void) {
    struct { const char *name; unsigned long request; } requests[] = {
        {"FIFREEZE", 0xc0045877}, {"FITHAW", 0xc0045878}, {"FITRIM", 0xc0185879}, {"FS_IOC_SETFLAGS", 0x40086602}, {"FS_IOC_FSSETXATTR", 0x401c5820},
        {"FS_IOC_SHUTDOWN", 0x8004587d}, {"FS_IOC_SETFSLABEL", 0x41009432}, {"FS_IOC_SETVERSION", 0x40087602}, {"FICLONE", 0x40049409}, {"FIDEDUPERANGE", 0xc0189436},
        {"FIBMAP", 1}, {"FS_IOC_SET_ENCRYPTION_POLICY", 0x800c6613}, {"FS_IOC_ADD_ENCRYPTION_KEY", 0xc0506617}, {"FS_IOC_REMOVE_ENCRYPTION_KEY", 0xc0406618},
        {"FS_IOC_GET_ENCRYPTION_KEY_STATUS", 0xc080661a}, {"FS_IOC_ENABLE_VERITY", 0x40806685}, {"EXT4_IOC_RESIZE_FS", 0x40086610}, {"EXT4_IOC_GROUP_ADD", 0x40286608},
        {"EXT4_IOC_MOVE_EXT", 0xc028660f}, {"EXT4_IOC_SWAP_BOOT", 0x6611}, {"EXT4_IOC_MIGRATE", 0x6609}, {"EXT4_IOC_CHECKPOINT", 0x4004662b},
        {"EXT4_IOC_SETFSUUID", 0x4008662c}, {"EXT4_IOC_PRECACHE_EXTENTS", 0}, {"BTRFS_IOC_SNAP_CREATE_V2", 0x50009417}, {"BTRFS_IOC_SUBVOL_CREATE", 0x5000940e},
        {"BTRFS_IOC_TREE_SEARCH", 0xd0009411}, {"XFS_IOC_FSGROWFSDATA", 0x4010586e}, {"BLKDISCARD", 0x1277}, {"BLKROSET", 0x125d}, {"LOOP_SET_FD", 0x4c00},
        {"CDROMEJECT", 0x5309}, {"SG_IO", 0x2285}, {"RNDADDTOENTCNT", 0x40045201}, {"RNDADDENTROPY", 0x40085203}, {"RNDCLEARPOOL", 0x5206}, {"RNDRESEEDCRNG", 0x5207}};
    char points[256][256];
    int count = 0;
    // In the control run: a file of its own, where some of it works.
    const char *weak = getenv("ATTACK_CONTROL") ? "/tmp/weak" : 0;
    if (weak) close(open(weak, O_CREAT | O_RDWR, 0600)), strcpy(points[count++], weak);
    FILE *mounts = fopen("/proc/self/mountinfo", "r");
    char line[4096];
    while (mounts && count < 250 && fgets(line, sizeof line, mounts))
        if (sscanf(line, "%*s %*s %*s %*s %255s", points[count]) == 1) count++;
    const char *more[] = {"/usr/bin/env", "/etc/passwd", "/dev/random", "/dev/urandom"};
    for (int i = 0; i < 4; i++) strcpy(points[count++], more[i]);
    for (int i = 0; i < count; i++) {
        struct stat status;
        // What belongs to the sandbox alone is none of the host's.
        if (!strncmp(points[i], "/tmp", 4) && !(weak && i == 0)) continue;
        int fd = open(points[i], O_RDONLY | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 || fstat(fd, &status)) continue;
        for (unsigned j = 0; j < sizeof requests / sizeof *requests; j++) {
            if (!requests[j].request) continue;
            for (int high = 0; high < 2; high++) {
                memset(argument, 0, sizeof argument);
                // Flags: immutable, or none: either would be a change if it were allowed. Descriptors and pointers are those of nothing.
                if (requests[j].request == 0x40086602) *(long *)argument = high ? 0x10 : 0x40;
                if (requests[j].request == 0x40049409) *(int *)argument = -1;
                long result = syscall(SYS_ioctl, fd, requests[j].request | (high ? 0x100000000 : 0), argument);
                int own = !strncmp(points[i], "/home", 5) || !strncmp(points[i], "/run", 4) || !strncmp(points[i], "/var/tmp", 8) || !strncmp(points[i], "/dev/shm", 8);
                if (result >= 0 && !own) return printf("broke: %s on %s\n", requests[j].name, points[i]), 99;
                if (result < 0 && errno == EFAULT) return printf("broke: %s on %s gets as far as its argument\n", requests[j].name, points[i]), 99;
            }
        }
        close(fd);
    }
    printf("held: %zu requests on %d mounts and files\n", sizeof requests / sizeof *requests - 1, count);
    return 0;
}
