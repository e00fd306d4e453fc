//! What the `host` rootfs shows, and the `/etc` that it makes up.

use std::path::{Path, PathBuf};

use crate::policy::{Network, Policy};

/// Directories at the root of the host that hold programs and libraries. Links (merged `/usr`) are copied as links.
pub(super) const PROGRAMS: &[&str] = &["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// What else programs of those directories need, read-only, where the host has it. Nothing here holds a secret: each is readable
/// by every user of a Debian system. Each mount costs time in each run, so short texts are copied and links are copied as links.
pub(super) const SHARED: &[&str] = &[
    "etc/alternatives",
    "etc/debian_version",
    "etc/fonts",
    "etc/java-11-openjdk",
    "etc/java-17-openjdk",
    "etc/java-21-openjdk",
    "etc/ld.so.cache",
    "etc/localtime",
    "etc/mime.types",
    "etc/nodejs",
    "etc/os-release",
    "etc/perl",
    "etc/protocols",
    "etc/python3",
    "etc/python3.11",
    "etc/R",
    "etc/services",
    "etc/ssl/certs",
    "etc/ssl/openssl.cnf",
    "etc/timezone",
    // Which packages there are: `/libraries/` of the execution service answers from it.
    "var/lib/dpkg",
];

/// The longest text that is copied rather than mounted.
const MAX_COPY: u64 = 32 * 1024;

/// How something of the host gets inside.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// As a link that says the same.
    Link(PathBuf),
    /// As a copy of its text.
    Copy(String),
    /// As a mount.
    Mount,
}

/// How a path of the host gets inside; `None` when it is not there.
pub(super) fn show(path: &Path) -> Option<Shown> {
    let metadata = path.symlink_metadata().ok()?;
    if metadata.is_symlink() {
        let target = path.read_link().ok()?;
        // What a link into /usr points to is there inside, too.
        let resolved = path.canonicalize().ok()?;
        return Some(if resolved.starts_with("/usr") { Shown::Link(target) } else { Shown::Mount });
    }
    if metadata.is_file() && metadata.len() <= MAX_COPY {
        let text = std::fs::read_to_string(path).ok().filter(|text| !text.contains('\0'));
        return Some(text.map_or(Shown::Mount, Shown::Copy));
    }
    Some(Shown::Mount)
}

/// Only with the host's network: how names are resolved.
pub(super) const RESOLVER: &[&str] = &["etc/resolv.conf"];

/// Device nodes, bound from the host because a user namespace cannot make any.
pub(super) const DEVICES: &[&str] = &["null", "zero", "full", "random", "urandom", "tty"];

/// Links in `/dev` and what they say.
pub(super) const DEVICE_LINKS: &[(&str, &str)] = &[
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("ptmx", "pts/ptmx"),
];

/// Files of `/proc` that tell of the host and that anybody may read, covered by an empty file.
const MASKED_FOR_ALL: &[&str] =
    &["keys", "key-users", "kallsyms", "latency_stats", "modules", "sched_debug", "timer_stats"];

/// Files of `/proc` that tell of the host or act on it, for its root only.
const MASKED_FOR_ROOT: &[&str] = &[
    "kcore",
    "kmsg",
    "kpagecgroup",
    "kpagecount",
    "kpageflags",
    "pagetypeinfo",
    "slabinfo",
    "sysrq-trigger",
    "timer_list",
    "vmallocinfo",
];

/// Directories of `/proc` likewise, covered by an empty directory.
pub(super) const MASKED_DIRECTORIES: &[&str] = &["acpi", "asound", "scsi"];

/// Directories of `/proc` that may be read but not written. Settings of the sandbox's own namespaces are in the last.
const READ_ONLY: &[&str] = &["bus", "fs", "irq", "sys"];

/// Which files of `/proc` are to be covered. The host's root owns them all, and has no number inside, so what only root may touch
/// needs no cover, unless we are the host's root ourselves and can map nobody else (in some containers).
pub(super) fn masked_files(as_root: bool) -> impl Iterator<Item = &'static str> {
    let for_root = if as_root { MASKED_FOR_ROOT } else { &[] };
    MASKED_FOR_ALL.iter().chain(for_root).copied().filter(|name| exists(&format!("proc/{name}")))
}

/// Which directories of `/proc` are to be made read-only, by the same rule: only `sys` holds what others than root may write.
pub(super) fn read_only(as_root: bool) -> impl Iterator<Item = &'static str> {
    READ_ONLY.iter().copied().filter(move |name| (as_root || *name == "sys") && exists(&format!("proc/{name}")))
}

/// The made-up files of `/etc`: name and content.
pub(super) fn made_up(policy: &Policy) -> Vec<(&'static str, String)> {
    let home = policy.work_directory.display();
    let user = policy.user;
    let mut passwd = "root:x:0:0:root:/root:/bin/bash\n".to_owned();
    let mut group = "root:x:0:\n".to_owned();
    if user.uid != 0 {
        passwd += &format!("student:x:{}:{}:student:{home}:/bin/bash\n", user.uid, user.gid);
    }
    if user.gid != 0 {
        group += &format!("student:x:{}:\n", user.gid);
    }
    // Files of the host belong to this one: their owners have no number in here.
    passwd += "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
    group += "nogroup:x:65534:\n";
    let services = if policy.network == Network::Host { "files dns" } else { "files" };
    vec![
        ("etc/passwd", passwd),
        ("etc/group", group),
        ("etc/hostname", format!("{}\n", policy.hostname)),
        ("etc/hosts", super::bridge::hosts(policy)),
        ("etc/host.conf", "multi on\n".to_owned()),
        ("etc/shells", "/bin/sh\n/bin/bash\n".to_owned()),
        (
            "etc/nsswitch.conf",
            format!(
                "passwd: files\ngroup: files\nshadow: files\nhosts: {services}\nservices: files\nprotocols: files\n"
            ),
        ),
    ]
}

/// Whether a path of the host is there for us to show.
pub(super) fn exists(path: &str) -> bool {
    Path::new("/").join(path).exists()
}

/// What is written to `/proc/<pid>/timens_offsets` (`time_namespaces(7)`) so that clocks inside start from zero now: they then
/// tell how long there have been sandboxes, and not how long the host has been up.
pub(super) fn clock_offsets() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let uptime = read("/proc/uptime");
    let seconds =
        |text: &str| text.split(['.', ' ']).next().and_then(|seconds| seconds.parse::<i64>().ok()).unwrap_or(0);
    let boot = seconds(&uptime);
    // Without the time that the host was suspended.
    let monotonic = i64::try_from(belljar_sys::call::monotonic_ns() / 1_000_000_000).unwrap_or(0);
    // Offsets count from the host's clocks, and we may be in a time namespace ourselves.
    let own = read("/proc/self/timens_offsets");
    let own = |clock: &str| {
        let line = own.lines().find_map(|line| line.strip_prefix(clock));
        line.and_then(|line| line.split_whitespace().next()?.parse::<i64>().ok()).unwrap_or(0)
    };
    format!("monotonic {} 0\nboottime {} 0\n", own("monotonic") - monotonic, own("boottime") - boot)
}
