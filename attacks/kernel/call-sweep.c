// attack: every system call there is, by its number
// tries: Calls each number from 0 to 1023 natively and by int 0x80 and 0 to 1023 with x32's bit, with arguments that can do no harm (all ones), each
//   in a process of its own; also -1 and numbers beside the ends. Compares the answers with a list of the calls that sandboxes offer.
// source: seccomp filters that denied a list and missed what came later (io_uring in isolate 2.6, clone3 in Docker 20.10)
// expect: every call that is not on the list says EPERM or ENOSYS, all foreign ones ENOSYS
// stopped-by: seccomp
// without: seccomp
// timeout: 60
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

// What is offered natively (asm/unistd_64.h): first and last number of each stretch.
static const short offered[][2] = {
    {0, 100}, {102, 102}, {104, 133}, {135, 135}, {137, 138}, {140, 152}, {157, 158}, {160, 160}, {162, 162}, {186, 202}, {203, 204}, {206, 210},
    {213, 213}, {216, 218}, {219, 226}, {228, 230}, {231, 235}, {237, 245}, {247, 247}, {251, 255}, {257, 271}, {273, 278}, {280, 297},
    {299, 299}, {302, 302}, {306, 307}, {309, 309}, {314, 320}, {322, 322}, {324, 336}, {424, 424}, {434, 434}, {436, 437}, {439, 439},
    {441, 441}, {444, 446}, {449, 449}, {452, 456}, {462, 466}};
static int is_offered(int number) {
    for (unsigned i = 0; i < sizeof offered / sizeof *offered; i++)
        if (number >= offered[i][0] && number <= offered[i][1]) return 1;
    return 0;
}

/// fork, vfork, exit, pause, rt_sigreturn, exit_group: they do not answer, or twice. sync and its kin would write the host's disk.
static int skipped(int number, int old) {
    static const short ours[] = {15, 34, 57, 58, 60, 162, 231, 56}, theirs[] = {1, 2, 29, 36, 119, 120, 173, 190, 252};
    const short *list = old ? theirs : ours;
    for (unsigned i = 0; i < (old ? sizeof theirs : sizeof ours) / sizeof *ours; i++)
        if (list[i] == number) return 1;
    return 0;
}

static long native(long number) {
    long result;
    register long r10 __asm__("r10") = -1, r8 __asm__("r8") = -1, r9 __asm__("r9") = -1;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(-1), "S"(-1), "d"(-1), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
    return result;
}

static long int80(long number) {
    long result;
    __asm__ volatile("push %%rbp\n mov $-1, %%rbp\n int $0x80\n pop %%rbp" : "=a"(result) : "a"(number), "b"(-1), "c"(-1), "d"(-1), "S"(-1), "D"(-1)
                     : "r8", "r9", "r10", "r11", "memory");
    return (int)result;
}

static int is_wrong(int i, long answer) { return answer != -ENOSYS && (i >= 1024 || answer != -EPERM); }

int main(void) {
    // Answers come through memory that is shared, because a call may do anything to descriptors. 4096 means none came.
    volatile long *answers = mmap(0, 4 * 1024 * sizeof *answers, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    volatile int *next = (volatile int *)mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 4 * 1024; i++) answers[i] = 4096;
    for (*next = 0; *next < 3 * 1024;) {
        int pid = fork();
        if (pid == 0) {
            signal(SIGALRM, SIG_DFL), alarm(5);
            while (*next < 3 * 1024) {
                int i = (*next)++, number = i % 1024;
                // What is offered may stop, kill or change this process: it is not what is looked for.
                if (i < 1024 && (is_offered(number) || skipped(number, 0))) continue;
                if (i >= 2048 && skipped(number, 1)) continue;
                answers[i] = i < 1024 ? native(number) : i < 2048 ? native(0x40000000 | number) : int80(number);
                // What answers may stop or change this process, so nothing is called after it.
                if (is_wrong(i, answers[i])) *next = 3 * 1024;
            }
            _exit(0);
        }
        int status;
        if (pid < 0 || waitpid(pid, &status, 0) < 0) return printf("unclear: no child\n"), 1;
        if (WIFEXITED(status) && *next >= 3 * 1024) break;
    }
    int natively = 0;
    for (int i = 0; i < 3 * 1024; i++) {
        int number = i % 1024;
        if (answers[i] == 4096 && ((i < 1024 && (is_offered(number) || skipped(number, 0))) || (i >= 2048 && skipped(number, 1)))) continue;
        natively += i < 1024;
        if (is_wrong(i, answers[i])) {
            printf("broke: call %d %s answers %ld\n", number, i < 1024 ? "natively" : i < 2048 ? "of x32" : "by int 0x80", answers[i]);
            return 99;
        }
    }
    long ends[] = {-1, 1024, 4096, 0x3fffffff, 0x7fffffff, 0x80000000, 0xffffffff, 0xbfffffff};
    for (int i = 0; i < 8; i++)
        if (native(ends[i]) != -ENOSYS || int80(ends[i]) != -ENOSYS) return printf("broke: call %#lx answers\n", ends[i]), 99;
    printf("held: %d native calls are refused, and 2,048 foreign ones\n", natively);
    return 0;
}
