//! What the `host` rootfs shows, and the `/etc` that it makes up.

use std::path::Path;

use crate::policy::{Network, Policy};

/// Directories at the root of the host that hold programs and libraries. Links (merged `/usr`) are copied as links.
pub(super) const PROGRAMS: &[&str] = &["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32"];

/// What else programs of those directories need, read-only, where the host has it. Nothing here holds a secret: each is readable
/// by every user of a Debian system.
pub(super) const SHARED: &[&str] = &[
    "etc/alternatives",
    "etc/bash.bashrc",
    "etc/debian_version",
    "etc/fonts",
    "etc/inputrc",
    "etc/java-11-openjdk",
    "etc/java-17-openjdk",
    "etc/java-21-openjdk",
    "etc/ld.so.cache",
    "etc/ld.so.conf",
    "etc/ld.so.conf.d",
    "etc/locale.alias",
    "etc/localtime",
    "etc/magic",
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

/// Files of `/proc` that tell of the host or act on it, covered by an empty file.
pub(super) const MASKED_FILES: &[&str] = &[
    "kcore",
    "keys",
    "key-users",
    "kallsyms",
    "kmsg",
    "kpagecgroup",
    "kpagecount",
    "kpageflags",
    "latency_stats",
    "modules",
    "pagetypeinfo",
    "sched_debug",
    "slabinfo",
    "sysrq-trigger",
    "timer_list",
    "timer_stats",
    "vmallocinfo",
];

/// Directories of `/proc` likewise, covered by an empty directory.
pub(super) const MASKED_DIRECTORIES: &[&str] = &["acpi", "asound", "driver", "dynamic_debug", "scsi", "tty"];

/// Directories of `/proc` that may be read but not written.
pub(super) const READ_ONLY: &[&str] = &["bus", "fs", "irq", "sys"];

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
        ("etc/hosts", format!("127.0.0.1 localhost {0}\n::1 localhost {0}\n", policy.hostname)),
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
