// attack: system calls newer than most filters
// tries: Everything since number 424: descriptors of processes and their contents, mounts by descriptor, secret memory, other processes' memory advice,
//   shadow stacks, statmount, attributes by descriptor, module and namespace lists; with arguments that would work, not only with nonsense.
// source: pidfd_getfd(2), process_madvise(2), memfd_secret(2), quotactl_fd(2), cachestat(2), listns (Linux 6.19)
// expect: each is refused or reaches nothing but the caller itself
// stopped-by: seccomp
// without: seccomp
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define REFUSED(what, call) do { errno = 0; long r_ = (call); if (r_ >= 0 || (errno != EPERM && errno != ENOSYS)) { \
        printf("broke: %s: %ld, errno %d\n", what, r_, errno); return 99; } } while (0)

int main(void) {
    static char buffer[8192] __attribute__((aligned(4096)));
    struct iovec memory = {buffer, 4096};
    struct { unsigned long offset, length; } range = {0, 4096};
    int me = syscall(SYS_pidfd_open, getpid(), 0), file = open("/usr/bin/env", O_RDONLY);
    if (me < 0 || file < 0) return printf("unclear: no pid descriptor, or no file\n"), 1;
    REFUSED("pidfd_getfd of itself", syscall(438, me, 1, 0));
    REFUSED("process_madvise of itself", syscall(440, me, &memory, 1, MADV_COLD, 0));
    REFUSED("process_madvise by PIDFD_SELF", syscall(440, -10000, &memory, 1, MADV_PAGEOUT, 0));
    REFUSED("quotactl_fd", syscall(443, file, 0x800007 << 8, 0, buffer));
    REFUSED("memfd_secret", syscall(447, 0));
    REFUSED("process_mrelease", syscall(448, me, 0));
    REFUSED("set_mempolicy_home_node", syscall(450, buffer, 4096, 0, 0));
    // The page cache of a file of the host: who has read it lately?
    REFUSED("cachestat of a file of the host", syscall(451, file, &range, buffer, 0));
    REFUSED("statmount", syscall(457, buffer, buffer, 4096, 0));
    REFUSED("listmount", syscall(458, buffer, buffer, 512, 0));
    REFUSED("lsm_get_self_attr", syscall(459, 100, buffer, buffer, 0));
    REFUSED("lsm_set_self_attr", syscall(460, 100, buffer, 4096, 0));
    REFUSED("lsm_list_modules", syscall(461, buffer, buffer, 0));
    REFUSED("open_tree_attr", syscall(467, AT_FDCWD, "/", 1, 0, 0));
    REFUSED("file_getattr", syscall(468, AT_FDCWD, "/usr", buffer, 24, 0));
    REFUSED("file_setattr", syscall(469, AT_FDCWD, "/tmp", buffer, 24, 0));
    REFUSED("listns", syscall(470, buffer, buffer, 100, 0));
    REFUSED("rseq_slice_yield", syscall(471));
    for (int number = 472; number < 600; number++) REFUSED("a call of the future", syscall(number, 0, 0, 0, 0, 0, 0));
    // Allowed, and harmless: Landlock only tightens. A ruleset must not loosen what is there.
    struct { unsigned long files, net, scoped; } all = {1 << 3, 0, 0};
    int rules = syscall(444, &all, 8, 0);
    if (rules >= 0 && (syscall(446, rules, 0) == 0) && open("/", O_RDONLY | O_DIRECTORY) >= 0) return printf("broke: a ruleset without a rule let a directory be listed\n"), 99;
    // Sealed memory, waiting for several futexes and shadow stacks are the caller's own; nothing to gain.
    char *page = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (syscall(462, page, 4096, 0) == 0 && mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0) return printf("broke: a sealed page changes\n"), 99;
    printf("held: 18 new calls, 128 future ones\n");
    return 0;
}
