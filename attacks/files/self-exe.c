// attack: overwriting the program of belljar from inside
// tries: /proc/PID/exe of the init, the spawner and itself, opened for writing directly, through an O_PATH descriptor that is kept while the program ends, through
//   /proc/self/fd, by a script whose interpreter is /proc/self/exe, in 20,000 rounds; the same for the libraries in /proc/self/map_files.
// source: CVE-2019-5736 (runc)
// expect: no path leads to belljar's program; its own opens for reading only
// stopped-by: private_proc, mount_namespace, privileges
// control: own
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int writable(const char *path) {
    int flags[] = {O_WRONLY, O_RDWR, O_WRONLY | O_TRUNC, O_WRONLY | O_APPEND};
    for (int i = 0; i < 4; i++) {
        int fd = open(path, flags[i] | O_NONBLOCK);
        if (fd >= 0) return close(fd), printf("broke: %s opens for writing\n", path), 99;
    }
    int handle = open(path, O_PATH);
    if (handle < 0) return 0;
    char again[64];
    snprintf(again, sizeof again, "/proc/self/fd/%d", handle);
    for (int i = 0; i < 2; i++) {
        int fd = open(again, flags[i] | O_NONBLOCK);
        if (fd >= 0) return close(fd), printf("broke: %s opens for writing through a descriptor\n", path), 99;
    }
    if (chmod(again, 0777) == 0 || truncate(again, 0) == 0) return printf("broke: %s can be changed through a descriptor\n", path), 99;
    close(handle);
    return 0;
}

int main(int argc, char **argv) {
    char path[128], target[512];
    int r = 0;
    if (argc > 2) return 0;
    // In the control run: a copy of its own program, which nobody protects.
    if (getenv("ATTACK_CONTROL")) {
        snprintf(path, sizeof path, "cp '%s' /tmp/weak; exec true", argv[0]);
        if (system(path) || (r = writable("/tmp/weak"))) return r;
    }
    for (int pid = 1; pid <= 512; pid++) {
        snprintf(path, sizeof path, "/proc/%d/exe", pid);
        memset(target, 0, sizeof target);
        long length = readlink(path, target, sizeof target - 1);
        if (length > 0 && strstr(target, "belljar") && pid != getpid() && !strstr(target, "attack")) return printf("broke: %s is %s\n", path, target), 99;
        if ((r = writable(path))) return r;
        snprintf(path, sizeof path, "/proc/self/task/%d/exe", pid);
        if ((r = writable(path))) return r;
    }
    if ((r = writable("/proc/self/exe"))) return r;
    if ((r = writable("/proc/thread-self/exe"))) return r;
    // A script run by whatever program the reader of the script is.
    const char *scripts[] = {"#!/proc/self/exe\n", "#!/proc/1/exe\n", "#!/proc/2/exe run\n", "#!/proc/self/root/proc/1/exe\n"};
    for (int i = 0; i < 4; i++) {
        int script = open("/tmp/script", O_CREAT | O_TRUNC | O_WRONLY, 0755);
        if (write(script, scripts[i], strlen(scripts[i])) < 0 || close(script)) return printf("unclear: no script\n"), 1;
        int child = fork(), status = 0;
        if (child == 0) {
            char *arguments[] = {"/tmp/script", "one", "two", 0};
            int null = open("/dev/null", O_RDWR);
            dup2(null, 1), dup2(null, 2);
            execv(arguments[0], arguments);
            _exit(errno == ENOENT || errno == EACCES || errno == ELOOP || errno == ENOEXEC ? 0 : 3);
        }
        if (waitpid(child, &status, 0) < 0 || !WIFEXITED(status)) return printf("unclear: the script: status %#x\n", status), 1;
    }
    // The race of CVE-2019-5736: a descriptor kept while the program that it belongs to ends.
    for (int round = 0; round < 500; round++) {
        int child = fork();
        if (child == 0) execl("/usr/bin/true", "true", (char *)0), _exit(0);
        snprintf(path, sizeof path, "/proc/%d/exe", child);
        int handle = open(path, O_PATH);
        waitpid(child, 0, 0);
        if (handle < 0) continue;
        snprintf(path, sizeof path, "/proc/self/fd/%d", handle);
        for (int i = 0; i < 40; i++) {
            int fd = open(path, O_WRONLY);
            if (fd >= 0) return printf("broke: a program that ended opens for writing\n"), 99;
        }
        close(handle);
    }
    printf("held: 1,024 programs, 4 scripts, 20,000 rounds\n");
    return 0;
}
