// attack: watching and holding up the whole file system
// tries: fanotify_init with each class and the report flags that need no rights, marks on files, mounts, file systems and mount namespaces; permission
//   events, with which a program could hold up the host's opens; by every door. inotify is offered, and must show only what is shown anyway.
// source: fanotify(7) (unprivileged since Linux 5.13); the shocker family, by the handles in its events
// expect: EPERM from the filter
// stopped-by: seccomp
// without: seccomp
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void) {
    // Class notify, content, pre-content; unlimited; report fid, dir fid, name, target fid, pid descriptor, mount.
    unsigned flags[] = {0, 4, 8, 0x30, 0x200, 0x600, 0xe00, 0x1e00, 0x80, 0x200 | 0x80, 0x4000, 0x200 | 3, 0x2000};
    for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
        long fd = syscall(SYS_fanotify_init, flags[i], O_RDONLY);
        if (fd >= 0 || errno != EPERM) return printf("broke: fanotify_init(%#x): %ld, errno %d\n", flags[i], fd, errno), 99;
        fd = syscall(SYS_fanotify_init, flags[i] | 0x100000000, O_RDONLY);
        if (fd >= 0 || errno != EPERM) return printf("broke: fanotify_init with a high bit: %ld\n", fd), 99;
        fd = syscall(SYS_fanotify_init | 0x40000000, flags[i], O_RDONLY);
        if (fd >= 0 || errno != ENOSYS) return printf("broke: fanotify_init by x32: %ld\n", fd), 99;
        __asm__ volatile("int $0x80" : "=a"(fd) : "a"(338), "b"(flags[i]), "c"(0) : "r8", "r9", "r10", "r11", "memory");
        if ((int)fd != -ENOSYS) return printf("broke: fanotify_init by int 0x80: %d\n", (int)fd), 99;
    }
    unsigned marks[] = {1, 1 | 0x10 /* mount */, 1 | 0x100 /* file system */, 1 | 0x110 /* mount namespace */};
    for (int fd = -1; fd < 8; fd++)
        for (int i = 0; i < 4; i++)
            if (syscall(SYS_fanotify_mark, fd, marks[i], 0x10000ul | 0x20, AT_FDCWD, "/") >= 0 || errno != EPERM)
                return printf("broke: fanotify_mark answers: errno %d\n", errno), 99;
    const char *hidden[] = {"/etc/shadow", "/proc/1", "/proc/2", "/proc/1/fd", "/var/log", "/sys"};
    int watch = inotify_init1(IN_NONBLOCK);
    for (int i = 0; watch >= 0 && i < 6; i++)
        if (inotify_add_watch(watch, hidden[i], IN_ALL_EVENTS) >= 0) return printf("broke: %s can be watched\n", hidden[i]), 99;
    printf("held: 13 kinds, 4 marks, 6 hidden paths\n");
    return 0;
}
