// attack: a process without randomization, with executable data, or with page 0
// tries: personality() with each single bit, the pairs that exploits use, and high bits; runs itself again after each to see whether it took effect;
//   maps page 0 by MAP_FIXED, by MAP_GROWSDOWN and by mremap; x32 and int 0x80.
// source: CVE-2009-1895, CVE-2009-2692 (page 0), the READ_IMPLIES_EXEC and ADDR_NO_RANDOMIZE preludes of many exploits
// expect: EPERM for all that weakens; addresses differ from run to run; page 0 stays empty
// stopped-by: seccomp
// without: seccomp
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv) {
    unsigned weak = 0x00040000 /* no randomization */ | 0x00400000 /* readable is executable */ | 0x00100000 /* page 0 */ | 0x00200000 /* compatible layout */;
    if (argc > 1) {
        unsigned now = syscall(SYS_personality, 0xffffffff);
        if (now & weak) return printf("broke: personality %#x after exec\n", now), 99;
        return 0;
    }
    for (int bit = 0; bit < 64; bit++) {
        long result = syscall(SYS_personality, 1ul << bit);
        unsigned now = syscall(SYS_personality, 0xffffffff);
        if (now & weak) return printf("broke: personality(1 << %d): %ld, now %#x\n", bit, result, now), 99;
        if (bit < 32 && (1ul << bit & weak) && (result >= 0 || errno != EPERM)) return printf("broke: the kernel's code answers: %ld, errno %d\n", result, errno), 99;
    }
    unsigned long together[] = {weak, weak | 8, 0x0440008, 0xffffffff00040000, 0x1ffffffff, 0xfffffffe, 0x0000000f, 0x06000000 | 0x00400000};
    for (int i = 0; i < 8; i++) {
        syscall(SYS_personality, together[i]);
        syscall(SYS_personality | 0x40000000, together[i]);
        long old;
        __asm__ volatile("int $0x80" : "=a"(old) : "a"(136), "b"(together[i]) : "r8", "r9", "r10", "r11", "memory");
        if ((int)old != -ENOSYS) return printf("broke: personality by int 0x80: %d\n", (int)old), 99;
        unsigned now = syscall(SYS_personality, 0xffffffff);
        if (now & weak) return printf("broke: personality is %#x\n", now), 99;
    }
    int flags[] = {MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_FIXED | MAP_GROWSDOWN, MAP_FIXED | MAP_32BIT};
    for (int i = 0; i < 4; i++)
        for (unsigned long at = 0; at < 0x1000 * 2; at += 0x1000) {
            char *page = mmap((void *)at, 4096, PROT_READ | PROT_WRITE, flags[i] | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (page != MAP_FAILED && (unsigned long)page < 0x1000) return printf("broke: page 0 is mapped\n"), 99;
        }
    char *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mremap(page, 4096, 4096, MREMAP_MAYMOVE | MREMAP_FIXED, 0) != MAP_FAILED) return printf("broke: page 0 by mremap\n"), 99;
    char command[512], first[64] = "", other[64] = "";
    snprintf(command, sizeof command, "exec '%s' again", argv[0]);
    if (system(command)) return printf("broke: something is left after exec\n"), 99;
    for (int i = 0; i < 6; i++) {
        FILE *stack = popen("grep -m1 '\\[stack\\]' /proc/self/maps | cut -d- -f1", "r");
        if (!stack || !fgets(i ? other : first, 64, stack)) return printf("unclear: no stack\n"), 1;
        pclose(stack);
        if (i && strcmp(first, other)) {
            printf("held: 64 bits and 8 sets of them; stacks differ\n");
            return 0;
        }
    }
    printf("broke: six stacks at the same address\n");
    return 99;
}
