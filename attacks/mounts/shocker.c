// attack: files of the host by their handles
// tries: name_to_handle_at on everything that is shown, with each flag; open_by_handle_at with made-up handles of the root directory (inode 2, 128, 256) and
//   of the first 4,000 inodes for ext4, xfs, btrfs, tmpfs and overlayfs, against every mount of the host that is shown; by every door.
// source: shocker.c (Docker before 1.0), CVE-2014-3519 (OpenVZ)
// expect: EPERM from the filter; no handle, no file
// stopped-by: seccomp, privileges
// without: seccomp
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct { unsigned bytes; int type; unsigned char handle[128]; } handle;

int main(void) {
    const char *mounts[] = {"/usr", "/etc/alternatives", "/etc/ssl/certs", "/var/lib/dpkg", "/dev/null", "/", "/tmp", "/proc", "/dev/shm", "/proc/self/ns/mnt"};
    int flags[] = {0, AT_EMPTY_PATH, AT_SYMLINK_FOLLOW, 0x200 /* AT_HANDLE_FID */, 0x1 /* unique mount id */, 0x2 /* connectable */};
    for (int i = 0; i < 10; i++) {
        int fd = open(mounts[i], O_RDONLY | O_NONBLOCK);
        if (fd < 0) continue;
        for (int j = 0; j < 6; j++) {
            long mount = 0;
            handle.bytes = 128;
            long result = syscall(SYS_name_to_handle_at, AT_FDCWD, mounts[i], &handle, &mount, flags[j]);
            if (result >= 0 || errno != EPERM)
                return printf("broke: a handle of %s: %ld, errno %d, type %#x, inode %u\n", mounts[i], result, errno, handle.type, *(unsigned *)handle.handle), 99;
            result = syscall(SYS_name_to_handle_at | 0x40000000, AT_FDCWD, mounts[i], &handle, &mount, flags[j]);
            if (result >= 0 || errno != ENOSYS) return printf("broke: a handle by x32\n"), 99;
        }
        // Types: 32-bit inode and generation (1), with parent (2), udf, btrfs (0x4d to 0x4f), 64-bit inode (0x81, 0xb2), overlayfs (0xf8), xfs (0x81).
        struct { int type; unsigned bytes; } kinds[] = {{1, 8}, {2, 12}, {2, 16}, {0x4d, 20}, {0x4e, 32}, {0x81, 8}, {0x81, 12}, {0xb2, 12}, {0xf8, 24}, {0xfb, 24}};
        for (int j = 0; j < 10; j++)
            for (unsigned inode = 1; inode < 4000; inode++) {
                memset(&handle, 0, sizeof handle);
                handle.bytes = kinds[j].bytes, handle.type = kinds[j].type;
                memcpy(handle.handle, &inode, 4);
                long opened = syscall(SYS_open_by_handle_at, fd, &handle, O_RDONLY);
                if (opened >= 0) return printf("broke: inode %u of %s opens\n", inode, mounts[i]), 99;
                if (errno != EPERM) return printf("broke: open_by_handle_at reaches the kernel: errno %d\n", errno), 99;
            }
        long old;
        __asm__ volatile("int $0x80" : "=a"(old) : "a"(342), "b"(fd), "c"(&handle), "d"(0) : "r8", "r9", "r10", "r11", "memory");
        if ((int)old != -ENOSYS) return printf("broke: open_by_handle_at by int 0x80: %d\n", (int)old), 99;
        close(fd);
    }
    printf("held: 60 handles asked for, 399,900 made up\n");
    return 0;
}
