// attack: entering namespaces of others
// tries: setns() with the links of /proc/PID/ns of every process id up to 4096 (asked for by name: hidepid only hides the list), of every
//   thread, with pid descriptors and their ioctls that open namespaces, with a descriptor that a child sends, with its own namespaces.
// source: nsenter; PIDFD_GET_USER_NAMESPACE (Linux 6.11); CVE-2019-5736 needed an entered namespace
// expect: no link of another process opens, no namespace by a pid descriptor, setns is refused
// stopped-by: seccomp, privileges, private_proc
// without: seccomp
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *names[] = {"user", "mnt", "net", "pid", "ipc", "uts", "cgroup", "time", "pid_for_children", "time_for_children"};

static int broke(const char *what, int pid, const char *name) {
    printf("broke: %s %d %s\n", what, pid, name);
    return 99;
}

int main(void) {
    char path[64];
    int self = getpid();
    for (int pid = 1; pid <= 4096; pid++) {
        for (int i = 0; pid != self && i < 10; i++) {
            snprintf(path, sizeof path, "/proc/%d/ns/%s", pid, names[i]);
            if (open(path, O_RDONLY) >= 0) return broke("namespace opens of process", pid, names[i]);
            snprintf(path, sizeof path, "/proc/self/task/%d/ns/%s", pid, names[i]);
            if (open(path, O_RDONLY) >= 0) return broke("namespace opens of task", pid, names[i]);
        }
        int fd = syscall(SYS_pidfd_open, pid, 0);
        if (fd < 0 || pid == self) continue;
        // PIDFD_GET_CGROUP_NAMESPACE (1) to PIDFD_GET_UTS_NAMESPACE (10).
        for (int request = 1; request <= 10; request++)
            if (ioctl(fd, _IO(0xff, request), 0) >= 0) return broke("namespace by the pid descriptor of", pid, "");
        for (int flag = 7; flag < 32; flag++)
            if (syscall(SYS_setns, fd, 1u << flag) == 0) return broke("setns by the pid descriptor of", pid, "");
        if (syscall(SYS_setns, fd, 0x7e020080) == 0) return broke("setns of all by the pid descriptor of", pid, "");
        close(fd);
    }
    for (int i = 0; i < 10; i++) {
        snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
        int fd = open(path, O_RDONLY);
        if (syscall(SYS_setns, fd, 0) == 0) return broke("setns to one's own", self, names[i]);
        // The kernel's own code says EINVAL for one's own user namespace and for a wrong type.
        if (syscall(SYS_setns, fd, 0x1234) == 0 || errno == EINVAL) return broke("setns reaches the kernel", self, names[i]);
        if (syscall(0x40000000 | SYS_setns, fd, 0) == 0 || errno != ENOSYS) return broke("setns by x32", self, names[i]);
    }
    // A child makes a namespace, the parent enters it.
    int ready[2], child;
    if (pipe(ready) || (child = fork()) < 0) return printf("unclear: no child\n"), 1;
    if (child == 0) {
        char made = unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0;
        if (write(ready[1], &made, 1) == 1) sleep(1);
        _exit(0);
    }
    char made = 0;
    if (read(ready[0], &made, 1) != 1) return printf("unclear: no word from the child\n"), 1;
    int fd = syscall(SYS_pidfd_open, child, 0);
    if (made || syscall(SYS_setns, fd, CLONE_NEWUSER | CLONE_NEWNET) == 0) return broke("a namespace of the child", child, "");
    printf("held: no namespace of 4,096 ids, none of its own\n");
    return 0;
}
