// attack: programs that run as somebody else
// tries: Copies of itself with set-user-id and set-group-id bits, by chmod, fchmodat2, open, mkdir's inheritance, mknod and memory files; every set-id program of the
//   host; file capabilities by setxattr; then looks who it is. Also changes users by every call, with and without "no new privileges".
// source: CVE-2017-5180 (firejail), CVE-2021-4034 (pkexec), CVE-2023-4911
// expect: whatever is executed, user, group and capabilities stay
// stopped-by: privileges, mount_namespace, user_namespace
// control: own
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

/// Who this process is: users, groups and capabilities, as /proc says.
static void who(int pid, char *into) {
    char path[64], line[256];
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *file = fopen(path, "r");
    into[0] = 0;
    while (file && fgets(line, sizeof line, file))
        if (!strncmp(line, "Uid:", 4) || !strncmp(line, "Gid:", 4) || !strncmp(line, "CapPrm:", 7) || !strncmp(line, "CapEff:", 7) || !strncmp(line, "CapAmb:", 7)) strcat(into, line);
    if (file) fclose(file);
}

static int copy_of(const char *from, int to) {
    char buffer[65536];
    int fd = open(from, O_RDONLY);
    for (long n; (n = read(fd, buffer, sizeof buffer)) > 0;) if (write(to, buffer, n) != n) return -1;
    return close(fd), 0;
}

/// Executes a file, looks at it while it lives, and compares.
static int same(const char *path, const char *before, int own) {
    int input[2], child, status;
    char after[1024] = "";
    if (pipe(input)) return 1;
    child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(input[0], 0), dup2(null, 1), dup2(null, 2), close(input[1]);
        execl(path, path, own ? "wait" : "-", (char *)0);
        _exit(0);
    }
    close(input[0]);
    char target[256], link[64];
    snprintf(link, sizeof link, "/proc/%d/exe", child);
    // Until it is the other program: its file tells. One that is over already tells nothing.
    for (int i = 0; i < 200; i++) {
        long length = readlink(link, target, sizeof target - 1);
        usleep(500);
        if (length > 0 && (target[length] = 0, !strcmp(target, path))) break;
        if (waitpid(child, &status, WNOHANG) == child) { child = 0; break; }
    }
    if (child) who(child, after), close(input[1]), kill(child, 9), waitpid(child, 0, 0);
    else close(input[1]);
    if (!after[0] || !strcmp(before, after)) return 0;
    return printf("broke: %s runs as %.120s\n", path, after), 99;
}

int main(int argc, char **argv) {
    char before[1024], now[1024], byte;
    if (argc > 1) return read(0, &byte, 1) < 0;
    int r;
    prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), prctl(PR_SET_SECUREBITS, 0, 0, 0, 0);
    who(getpid(), before);
    // In the control run a child is looked at that has another set of groups: the comparison must see it.
    if (getenv("ATTACK_CONTROL")) before[5]++;
    char name[64];
    // By chmod, fchmodat2, open, mknod, creat, O_TMPFILE, and the group of the directory.
    for (int way = 0; way < 7; way++) {
        snprintf(name, sizeof name, "/tmp/set-id-%d", way);
        int fd;
        mkdir("/tmp/d", 0777), chmod("/tmp/d", 07777), chown("/tmp/d", -1, 0);
        switch (way) {
        case 2: fd = open(name, O_CREAT | O_WRONLY, 06755); break;
        case 3: mknod(name, S_IFREG | 06755, 0), fd = open(name, O_WRONLY); break;
        case 4: fd = creat(name, 06755); break;
        case 5: fd = open("/tmp", O_TMPFILE | O_WRONLY, 06755); snprintf(now, sizeof now, "/proc/self/fd/%d", fd); linkat(AT_FDCWD, now, AT_FDCWD, name, AT_SYMLINK_FOLLOW); break;
        case 6: snprintf(name, sizeof name, "/tmp/d/set-id"); // fall through
        default: fd = open(name, O_CREAT | O_WRONLY, 0755);
        }
        if (fd < 0 || copy_of(argv[0], fd)) return printf("unclear: no copy: errno %d\n", errno), 1;
        // To whom may it be given?
        for (int id = 0; id < 3; id++) fchown(fd, id, id);
        fchown(fd, 65534, 65534);
        // Version 2 of the attribute: effective, all capabilities; version 3 with a root of one's own.
        unsigned two[] = {0x02000001, -1, -1, -1, -1}, three[] = {0x03000001, -1, -1, -1, -1, getuid()};
        if (fsetxattr(fd, "security.capability", two, sizeof two, 0) == 0 || fsetxattr(fd, "security.capability", three, sizeof three, 0) == 0)
            return printf("broke: a file gets capabilities\n"), 99;
        close(fd);
        if (way == 0) chmod(name, 06755);
        if (way == 1) syscall(452, AT_FDCWD, name, 06755, 0);
        chmod(name, 06755);
        if ((r = same(name, before, 1))) return r;
    }
    int memory = syscall(SYS_memfd_create, "set-id", 0);
    if (memory >= 0 && copy_of(argv[0], memory) == 0) {
        fchmod(memory, 06755);
        snprintf(name, sizeof name, "/proc/self/fd/%d", memory);
        if ((r = same(name, before, 1))) return r;
    }
    // The host's.
    const char *directories[] = {"/usr/bin", "/usr/sbin", "/usr/lib/openssh", "/usr/lib/dbus-1.0", "/usr/libexec", "/usr/local/bin", "/usr/lib/x86_64-linux-gnu/libexec"};
    int count = 0;
    for (int i = 0; i < 7; i++) {
        DIR *directory = opendir(directories[i]);
        for (struct dirent *entry; directory && (entry = readdir(directory));) {
            char path[512];
            struct stat status;
            snprintf(path, sizeof path, "%s/%s", directories[i], entry->d_name);
            if (lstat(path, &status) || !S_ISREG(status.st_mode)) continue;
            if (!(status.st_mode & 06000) && getxattr(path, "security.capability", now, sizeof now) <= 0) continue;
            count++;
            if ((r = same(path, before, 0))) return r;
        }
        if (directory) closedir(directory);
    }
    // Changing by calls.
    for (int id = 0; id < 70000; id += id < 3 ? 1 : id < 65530 ? 997 : 1) {
        setresuid(id, id, id), setuid(id), setreuid(id, id), setfsuid(id), setresgid(id, id, id), setgid(id), setregid(id, id), setfsgid(id);
        unsigned groups[] = {id};
        if (id != getgid() && syscall(SYS_setgroups, 1, groups) == 0) return printf("broke: member of group %d\n", id), 99;
    }
    unsigned header[] = {0x20080522, 0}, all[] = {-1, -1, -1, -1, -1, -1};
    if (syscall(SYS_capset, header, all) == 0) return printf("broke: capset gives all\n"), 99;
    for (int capability = 0; capability < 64; capability++) prctl(PR_CAP_AMBIENT, 2, capability, 0, 0);
    who(getpid(), now);
    if (strcmp(before, now)) return printf("broke: it is now %.120s\n", now), 99;
    printf("held: 8 copies, %d programs of the host, 70 users\n", count);
    return 0;
}
