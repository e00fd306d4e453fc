// attack: devices
// tries: mknod and mknodat of every major number to 511 as a character and block device, through int 0x80 and x32 too, in each writable directory and in memory; opens
//   everything in /dev, follows what is no ordinary device, and asks for disks, memory, KVM, FUSE, loop, input, frame buffers, watchdogs by name.
// source: CVE-2014-9357 era containers with mknod; /dev/mem and /dev/sda in privileged containers
// expect: no node can be made but files, FIFOs and sockets; /dev holds null, zero, full, random, urandom, tty and terminals
// stopped-by: seccomp, mount_namespace, user_namespace
// without: seccomp
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static int harmless(dev_t device) {
    int minors[] = {3, 5, 7, 8, 9};
    if (major(device) == 1) for (int i = 0; i < 5; i++) if ((int)minor(device) == minors[i]) return 1;
    // /dev/tty, /dev/ptmx, terminals.
    return device == makedev(5, 0) || device == makedev(5, 2) || (major(device) >= 136 && major(device) <= 143);
}

static int walk(const char *path, int depth) {
    DIR *directory = opendir(path);
    int r;
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char name[512];
        struct stat status;
        if (entry->d_name[0] == '.') continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (lstat(name, &status)) continue;
        if (S_ISDIR(status.st_mode) && depth < 6 && (r = walk(name, depth + 1))) return r;
        if (S_ISBLK(status.st_mode) || (S_ISCHR(status.st_mode) && !harmless(status.st_rdev))) {
            int fd = open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
            return printf("broke: %s is device %d:%d%s\n", name, major(status.st_rdev), minor(status.st_rdev), fd >= 0 ? " and opens" : ""), 99;
        }
    }
    if (directory) closedir(directory);
    return 0;
}

int main(void) {
    const char *places[] = {"/tmp", "/var/tmp", "/dev/shm", "/run", "/dev", "/dev/mqueue", "/dev/pts", "/proc", "."};
    int tried = 0, r;
    for (int i = 0; i < 9; i++)
        for (int kind = 0; kind < 2; kind++)
            for (int number = 0; number < 512; number++) {
                char path[64];
                static char low[64];
                mode_t mode = (kind ? S_IFBLK : S_IFCHR) | 0666;
                snprintf(path, sizeof path, "%s/node", places[i]), strcpy(low, path);
                dev_t device = makedev(number, number == 0 ? 0 : number % 16);
                tried += 5;
                if (syscall(SYS_mknod, path, mode, device) == 0 || syscall(SYS_mknodat, AT_FDCWD, path, mode, device) == 0 ||
                    syscall(SYS_mknod, path, mode | 0xfffffffff0000000, device) == 0 || syscall(SYS_mknod | 0x40000000, path, mode, device) == 0)
                    return printf("broke: a node of %d:%d in %s\n", number, minor(device), places[i]), 99;
                long old;
                __asm__ volatile("int $0x80" : "=a"(old) : "a"(14), "b"(low), "c"(mode), "d"(device) : "r8", "r9", "r10", "r11", "memory");
                if ((int)old == 0) return printf("broke: a node by int 0x80\n"), 99;
            }
    if ((r = walk("/dev", 0)) || (r = walk("/tmp", 0)) || (r = walk("/run", 0))) return r;
    const char *names[] = {"vda", "sda", "nvme0n1", "mem", "kmem", "port", "kmsg", "kvm", "fuse", "loop0", "loop-control", "mapper/control", "net/tun", "vhost-net", "vsock",
                           "input/event0", "fb0", "watchdog", "snapshot", "userfaultfd", "autofs", "hwrng", "rfkill", "uinput", "cpu_dma_latency", "btrfs-control", "console",
                           "tty0", "tty1", "vcs", "rtc0", "hpet", "dri/card0", "nvidia0", "vfio/vfio", "udmabuf", "dma_heap/system", "sgx_enclave", "ppp", "binder"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        char path[64];
        snprintf(path, sizeof path, "/dev/%s", names[i]);
        if (open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY) >= 0 || errno != ENOENT) return printf("broke: %s is there\n", path), 99;
    }
    printf("held: %d nodes, 40 names\n", tried);
    return 0;
}
