// attack: the kernel's older doors, where calls have other numbers
// tries: write() as a call of i386 through int 0x80, through int 0x80 and syscall from 32-bit code (a far jump into the other code segment), through
//   sysenter; of x32; and natively with garbage in the upper half of the number. A byte that arrives in a pipe shows that a door is open.
// source: CVE-2010-3301 (upper half of rax), seccomp(2) on checking the architecture, x32 bypasses of filters
// expect: no byte through any of the foreign doors
// stopped-by: seccomp
// without: seccomp
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char byte[] = "x";
static int ends[2];

/// 32-bit code that makes one call and then stops in an endless loop of `ud2`: eax, ebx, ecx, edx are set by the caller.
static void in_32_bit_code(const unsigned char *door, int size) {
    unsigned char *low = mmap((void *)0x20000000, 8192, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (low == MAP_FAILED) _exit(0);
    memcpy(low, door, size);
    low[size] = 0x0f, low[size + 1] = 0x0b;
    struct { unsigned offset; unsigned short segment; } __attribute__((packed)) *far = (void *)(low + 4096);
    far->offset = 0x20000000, far->segment = 0x23;
    __asm__ volatile("mov %0, %%esp\n ljmp *(%1)" : : "r"(0x20001f00), "r"(far), "a"(4), "b"(ends[1]), "c"(byte), "d"(1) : "memory");
}

static void go(int door) {
    switch (door) {
    case 0: __asm__ volatile("int $0x80" : : "a"(4), "b"(ends[1]), "c"(byte), "d"(1) : "memory"); break;
    case 1: in_32_bit_code((unsigned char[]){0xcd, 0x80}, 2); break;
    case 2: in_32_bit_code((unsigned char[]){0x0f, 0x05}, 2); break;
    case 3: in_32_bit_code((unsigned char[]){0x89, 0xe5, 0x0f, 0x34}, 4); break; // mov ebp, esp; sysenter
    case 4: __asm__ volatile("mov %%rsp, %%rbp\n sysenter" : : "a"(4), "b"(ends[1]), "c"(byte), "d"(1) : "memory"); break;
    case 5: syscall(0x40000000 | SYS_write, ends[1], byte, 1); break;
    case 6: syscall(0x40000000 | 516 /* writev of x32 */, ends[1], &(struct { unsigned base, length; }){(unsigned)(long)byte, 1}, 1); break;
    default: break;
    }
    _exit(0);
}

static int arrived(void) {
    char buffer[16];
    return read(ends[0], buffer, sizeof buffer) > 0;
}

int main(void) {
    const char *names[] = {"int 0x80", "int 0x80 from 32-bit code", "syscall from 32-bit code", "sysenter from 32-bit code", "sysenter", "x32 write", "x32 writev"};
    if (pipe2(ends, O_NONBLOCK)) return printf("unclear: no pipe\n"), 1;
    syscall(SYS_write, ends[1], byte, 1);
    if (!arrived()) return printf("unclear: the pipe does not work\n"), 1;
    for (int door = 0; door < 7; door++) {
        int pid = fork(), status;
        if (pid == 0) go(door);
        if (pid < 0 || waitpid(pid, &status, 0) < 0) return printf("unclear: no child\n"), 1;
        if (arrived()) return printf("broke: a byte came through: %s\n", names[door]), 99;
    }
    // A number whose upper half is garbage must be taken as the number that it is, by the filter and by the kernel alike.
    for (int bit = 32; bit < 64; bit++) {
        long result;
        register long no_flags __asm__("r10") = 0;
        __asm__ volatile("syscall" : "=a"(result) : "a"(1ul << bit | SYS_unshare), "D"(0x10000000), "S"(0), "d"(0), "r"(no_flags) : "rcx", "r11", "memory");
        if (result != -EPERM && result != -ENOSYS) return printf("broke: unshare as 1 << %d: %ld\n", bit, result), 99;
    }
    printf("held: 7 doors, 32 forged numbers\n");
    return 0;
}
