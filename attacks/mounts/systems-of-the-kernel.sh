# attack: file systems through which the kernel is ruled
# tries: Looks for sysfs, debugfs, tracefs, securityfs, bpffs, efivarfs, configfs, fusectl, hugetlbfs, nfsd, binfmt_misc and control groups in the list of mounts,
#   at their usual places and under /proc; mounts them by the commands of util-linux, with and without a user namespace; as overlay, loop and FUSE.
# source: CVE-2022-0492, CVE-2021-22555's modprobe_path, debugfs and tracefs as exploit helpers
# expect: none is mounted, none can be
# stopped-by: mount_namespace, seccomp
# without: seccomp landlock
types='sysfs|debugfs|tracefs|securityfs|bpf|efivarfs|configfs|fusectl|hugetlbfs|nfsd|binfmt_misc|cgroup|cgroup2|pstore|selinuxfs|resctrl|rpc_pipefs'
if grep -E " - ($types) " /proc/self/mountinfo; then echo "broke: one of them is mounted"; exit 99; fi
for d in /sys/kernel /sys/fs/cgroup /sys/kernel/debug /sys/kernel/security /sys/fs/bpf /sys/firmware /proc/sys/fs/binfmt_misc/register /proc/fs/nfsd /dev/hugepages /config; do
    if [ -f "$d" ] || [ -n "$(ls -A "$d" 2>/dev/null)" ]; then echo "broke: $d is there"; exit 99; fi
done
mkdir -p /tmp/m /tmp/u /tmp/w /tmp/l
truncate -s 1M /tmp/image
tried=0
attempt() {
    tried=$((tried + 1))
    if "$@" 2>/dev/null </dev/null; then echo "broke: $*"; exit 99; fi
}
for type in $(echo "$types" | tr '|' ' ') tmpfs proc overlay ramfs devtmpfs devpts mqueue; do
    attempt mount -t "$type" none /tmp/m
    attempt mount -i -n -t "$type" none /tmp/m
    attempt unshare -r -m mount -t "$type" none /tmp/m
done
attempt mount -t overlay -o lowerdir=/usr,upperdir=/tmp/u,workdir=/tmp/w none /tmp/m
attempt mount -o loop /tmp/image /tmp/m
attempt mount --bind /usr /tmp/m
attempt mount -o remount,rw /
attempt mount -o remount,rw,bind /usr
attempt mount --make-rshared /
attempt umount /proc/keys
attempt umount -l /proc/sys
attempt unshare -r true
attempt unshare -U -m -p -n -i -u -C -f true
attempt unshare -m true
attempt nsenter -t 1 -m true
attempt nsenter --mount=/proc/1/ns/mnt true
attempt chroot /usr /bin/true
attempt losetup -f
attempt setpriv --clear-groups --reuid 0 true
echo "held: none is there, $tried commands refused"
