// attack: programs in the kernel by bpf(2)
// tries: Makes maps, loads programs of the types that users without rights once could load, walks the ids of others' programs and
//   maps, opens pinned ones, asks for a token; by every door. Arguments that are too large tell whether the kernel's code is reached.
// source: CVE-2020-8835, CVE-2021-3490, CVE-2022-23222 (verifier)
// expect: EPERM from the filter, whatever kernel.unprivileged_bpf_disabled says
// stopped-by: seccomp
// without: seccomp
#define _GNU_SOURCE
#include <errno.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char attributes[8192] __attribute__((aligned(64)));

static long int80(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "r8", "r9", "r10", "r11", "memory");
    return (int)result;
}

int main(void) {
    // The kernel says E2BIG before it looks at anybody's rights; the filter never says that.
    for (int command = 0; command < 64; command++) {
        memset(attributes, 0, sizeof attributes);
        long result = syscall(321, command, attributes, sizeof attributes);
        if (result >= 0 || errno != EPERM) {
            printf("broke: the kernel's code is reached by bpf(%d): %ld, errno %d\n", command, result, errno);
            return 99;
        }
        result = syscall(0x40000000 | 321, command, attributes, sizeof attributes);
        if (result >= 0 || errno != ENOSYS) return printf("broke: bpf by x32: %ld, errno %d\n", result, errno), 99;
        result = int80(357, command, (long)attributes, sizeof attributes);
        if (result != -ENOSYS) return printf("broke: bpf by int 0x80: %ld\n", result), 99;
    }
    union bpf_attr map = {.map_type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1};
    struct bpf_insn exit_at_once[] = {{.code = 0xb7}, {.code = 0x95}};
    union bpf_attr program = {.prog_type = BPF_PROG_TYPE_SOCKET_FILTER, .insn_cnt = 2, .insns = (long)exit_at_once, .license = (long)"GPL"};
    union bpf_attr next = {.start_id = 0};
    if (syscall(321, BPF_MAP_CREATE, &map, sizeof map) >= 0 || syscall(321, BPF_PROG_LOAD, &program, sizeof program) >= 0 ||
        syscall(321, BPF_PROG_GET_NEXT_ID, &next, sizeof next) == 0) {
        printf("broke: a map, a program, or the id of somebody's program\n");
        return 99;
    }
    printf("held: 64 commands by three doors\n");
    return 0;
}
