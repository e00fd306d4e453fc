// attack: memory and descriptors of other processes
// tries: process_vm_readv and writev, pidfd_getfd, kcmp, process_madvise, process_mrelease, move_pages and migrate_pages on itself, a child, its parent,
//   the sandbox's init and the spawner; /proc/PID/mem, maps, environ, syscall, stack, pagemap of all of them; get_robust_list of others.
// source: the technique of CVE-2019-5736 and of injectors such as linux-inject; CVE-2022-30594
// expect: EPERM for the calls, ENOENT or EACCES for the files
// stopped-by: seccomp, privileges, private_proc
// without: seccomp
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static char secret[64] = "the child's own", copy[64];
static int child;

#define REFUSED(what, call) do { long r_ = (call); if (r_ >= 0 || errno != EPERM) { kill(child, SIGKILL); \
        printf("broke: %s on process %d: %ld, errno %d\n", what, pid, r_, errno); return 99; } } while (0)

int main(void) {
    child = fork();
    if (child == 0) { strcpy(secret, "changed"); pause(); _exit(0); }
    int pids[] = {child, getpid(), getppid(), 1, 2};
    for (int i = 0; i < 5; i++) {
        int pid = pids[i];
        struct iovec here = {copy, sizeof copy}, there = {secret, sizeof secret};
        int fd = syscall(SYS_pidfd_open, pid, 0);
        REFUSED("process_vm_readv", syscall(SYS_process_vm_readv, pid, &here, 1, &there, 1, 0));
        REFUSED("process_vm_writev", syscall(SYS_process_vm_writev, pid, &here, 1, &there, 1, 0));
        for (int other = 0; other < 16; other++) REFUSED("pidfd_getfd", syscall(438, fd, other, 0));
        for (int kind = 0; kind < 8; kind++) REFUSED("kcmp", syscall(SYS_kcmp, getpid(), pid, kind, 0, 0));
        for (int advice = 0; advice < 26; advice++) REFUSED("process_madvise", syscall(440, fd, &there, 1, advice, 0));
        REFUSED("process_mrelease", syscall(448, fd, 0));
        void *page = secret;
        int status, node = 0;
        unsigned long nodes = 1;
        REFUSED("move_pages", syscall(SYS_move_pages, pid, 1, &page, &node, &status, 2));
        REFUSED("migrate_pages", syscall(SYS_migrate_pages, pid, 64, &nodes, &nodes));
        if (pid != child && pid != getpid()) {
            const char *files[] = {"mem", "maps", "environ", "syscall", "stack", "pagemap", "auxv", "io", "exe", "root", "cwd", "fd/0", "fdinfo/0", "map_files",
                                   "personality", "task/1/mem", "attr/current", "timens_offsets", "clear_refs"};
            for (unsigned j = 0; j < sizeof files / sizeof *files; j++) {
                char path[64];
                snprintf(path, sizeof path, "/proc/%d/%s", pid, files[j]);
                // The parent may be a shell of ours, whose files are ours. 0 is a process outside of the namespace: there is no such directory.
                int opened = open(path, O_RDONLY);
                if (opened >= 0 && (pid == 1 || pid == 2)) return kill(child, SIGKILL), printf("broke: %s opens\n", path), 99;
                if (opened >= 0) close(opened);
            }
            void *list;
            size_t length;
            if ((pid == 1 || pid == 2) && syscall(SYS_get_robust_list, pid, &list, &length) == 0)
                return kill(child, SIGKILL), printf("broke: get_robust_list tells an address of process %d\n", pid), 99;
        }
        close(fd);
    }
    kill(child, SIGKILL), waitpid(child, 0, 0);
    printf("held: 8 calls and 19 files on 5 processes\n");
    return 0;
}
