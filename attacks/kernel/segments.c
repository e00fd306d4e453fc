// attack: descriptor tables, ports and model-specific registers
// tries: modify_ldt in all its functions, set_thread_area by int 0x80, iopl and ioperm, /dev/port, /dev/mem, /dev/cpu/*/msr, /dev/nvram and the PCI files;
//   executes in, out, cli, hlt, wrmsr in children, which must die of it.
// source: CVE-2015-5157 (espfix and LDT), CVE-2014-9322, BadIRET; iopl as rootkits used it
// expect: no segment, no port, no device; privileged instructions kill the process
// stopped-by: seccomp, mount_namespace
// without: seccomp
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct user_desc segment;
static char table[65536];

int main(void) {
    memset(&segment, 0, sizeof segment);
    segment.entry_number = 3, segment.limit = 0xfffff, segment.seg_32bit = 1, segment.limit_in_pages = 1, segment.useable = 1;
    int functions[] = {0, 1, 2, 0x11, 3};
    for (int i = 0; i < 5; i++) {
        long result = syscall(SYS_modify_ldt, functions[i], functions[i] & 1 ? (void *)&segment : table, functions[i] & 1 ? sizeof segment : sizeof table);
        // It returns an int, so errors may come as 32 bits.
        if ((int)result >= 0 || errno != EPERM) return printf("broke: modify_ldt(%#x): %ld, errno %d\n", functions[i], result, errno), 99;
        if (syscall(SYS_modify_ldt | 0x40000000, functions[i], &segment, sizeof segment) >= 0 || errno != ENOSYS) return printf("broke: by x32\n"), 99;
    }
    long old, area;
    __asm__ volatile("int $0x80" : "=a"(old) : "a"(123), "b"(1), "c"(&segment), "d"(sizeof segment) : "r8", "r9", "r10", "r11", "memory");
    segment.entry_number = -1;
    __asm__ volatile("int $0x80" : "=a"(area) : "a"(243), "b"(&segment) : "r8", "r9", "r10", "r11", "memory");
    if ((int)old != -ENOSYS || (int)area != -ENOSYS) return printf("broke: segments by int 0x80: %d, %d\n", (int)old, (int)area), 99;
    for (int level = 0; level < 4; level++)
        if (syscall(SYS_iopl, level) >= 0 || (errno != EPERM && errno != ENOSYS)) return printf("broke: iopl(%d): errno %d\n", level, errno), 99;
    if (syscall(SYS_ioperm, 0x70, 2, 1) >= 0 || syscall(SYS_ioperm, 0, 65536, 0) >= 0) return printf("broke: ioperm\n"), 99;
    const char *files[] = {"/dev/port", "/dev/mem", "/dev/kmem", "/dev/cpu/0/msr", "/dev/cpu/0/cpuid", "/dev/nvram", "/dev/rtc0", "/dev/hpet",
                           "/sys/bus/pci/devices/0000:00:00.0/config", "/sys/bus/pci/devices/0000:00:01.0/resource0"};
    for (unsigned i = 0; i < sizeof files / sizeof *files; i++)
        if (open(files[i], O_RDONLY) >= 0) return printf("broke: %s opens\n", files[i]), 99;
    for (int i = 0; i < 6; i++) {
        int pid = fork(), status = 0;
        if (pid == 0) {
            switch (i) {
            case 0: __asm__ volatile("inb $0x71, %%al" : : : "eax"); break;
            case 1: __asm__ volatile("outb %%al, $0x80" : : "a"(0)); break;
            case 2: __asm__ volatile("cli"); break;
            case 3: __asm__ volatile("hlt"); break;
            case 4: __asm__ volatile("wrmsr" : : "c"(0x174), "a"(0), "d"(0)); break;
            default: __asm__ volatile("mov %%cr3, %%rax" : : : "rax"); break;
            }
            _exit(0);
        }
        waitpid(pid, &status, 0);
        if (!WIFSIGNALED(status)) return printf("broke: privileged instruction %d was executed\n", i), 99;
    }
    printf("held: no segment, no port, 10 files, 6 instructions\n");
    return 0;
}
