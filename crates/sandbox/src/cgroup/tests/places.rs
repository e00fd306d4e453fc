//! Where groups are made, from recorded texts.

use std::path::Path;

use super::super::hierarchy::locate;
use super::super::{Controller, Version};

/// One line per controller: `memory 1 /path`, or `memory - reason`.
#[track_caller]
fn check(mountinfo: &str, membership: &str, expected: &[&str]) {
    let found: Vec<_> = locate(mountinfo, membership)
        .into_iter()
        .map(|(controller, place)| match place {
            Ok(place) => {
                let version = if place.version == Version::V1 { 1 } else { 2 };
                format!("{} {version} {}", controller.name_v1(), place.base.display())
            }
            Err(reason) => format!("{} - {reason}", controller.name_v1()),
        })
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn version_1_with_an_empty_version_2_beside_it() {
    let mountinfo = "\
23 27 0:22 / /sys rw,relatime - sysfs sysfs rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
38 31 0:35 / /sys/fs/cgroup/blkio rw,relatime - cgroup cgroup rw,blkio
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
    let membership = "\
9:name=systemd:/
8:pids:/
7:blkio:/
4:memory:/process_api/3170f89e
3:cpuset:/
2:cpuacct:/
1:cpu:/
0::/
";
    check(
        mountinfo,
        membership,
        &[
            "memory 1 /sys/fs/cgroup/memory/process_api/3170f89e",
            "pids 1 /sys/fs/cgroup/pids",
            "cpu 1 /sys/fs/cgroup/cpu",
            "cpuacct 1 /sys/fs/cgroup/cpuacct",
            "blkio 1 /sys/fs/cgroup/blkio",
        ],
    );
}

const UNIFIED: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n";

#[test]
fn version_2_of_systemd() {
    let base = "/sys/fs/cgroup/system.slice/belljar.service";
    let expected = Controller::ALL.map(|controller| format!("{} 2 {base}", controller.name_v1()));
    let expected = expected.each_ref().map(String::as_str);
    check(UNIFIED, "0::/system.slice/belljar.service\n", &expected);
    // After the process has moved, its groups are made where they were before.
    check(UNIFIED, "0::/system.slice/belljar.service/belljar-supervisor\n", &expected);
}

#[test]
fn version_2_at_the_root() {
    for membership in ["0::/\n", "0::/belljar-supervisor\n"] {
        check(
            UNIFIED,
            membership,
            &[
                "memory 2 /sys/fs/cgroup",
                "pids 2 /sys/fs/cgroup",
                "cpu 2 /sys/fs/cgroup",
                "cpuacct 2 /sys/fs/cgroup",
                "blkio 2 /sys/fs/cgroup",
            ],
        );
    }
}

#[test]
fn hybrid_of_systemd_with_shared_mounts() {
    let mountinfo = "\
25 18 0:22 / /sys/fs/cgroup ro,nosuid,nodev,noexec shared:9 - tmpfs tmpfs ro,mode=755
26 25 0:23 / /sys/fs/cgroup/unified rw,nosuid,nodev,noexec,relatime shared:10 - cgroup2 cgroup2 rw,nsdelegate
27 25 0:24 / /sys/fs/cgroup/systemd rw,nosuid,nodev,noexec,relatime shared:11 - cgroup cgroup rw,xattr,name=systemd
30 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid,nodev,noexec,relatime shared:15 - cgroup cgroup rw,cpu,cpuacct
33 25 0:30 / /sys/fs/cgroup/memory rw,nosuid,nodev,noexec,relatime shared:18 - cgroup cgroup rw,memory
";
    let membership = "\
12:cpu,cpuacct:/user.slice
11:memory:/user.slice/user-1000.slice/session-2.scope
1:name=systemd:/user.slice/user-1000.slice/session-2.scope
0::/user.slice/user-1000.slice/session-2.scope
";
    check(
        mountinfo,
        membership,
        &[
            "memory 1 /sys/fs/cgroup/memory/user.slice/user-1000.slice/session-2.scope",
            // Not mounted as version 1, so version 2 may have them; whether it does, its files say.
            "pids 2 /sys/fs/cgroup/unified/user.slice/user-1000.slice/session-2.scope",
            "cpu 1 /sys/fs/cgroup/cpu,cpuacct/user.slice",
            "cpuacct 1 /sys/fs/cgroup/cpu,cpuacct/user.slice",
            "blkio 2 /sys/fs/cgroup/unified/user.slice/user-1000.slice/session-2.scope",
        ],
    );
}

#[test]
fn containers() {
    // Version 1 without a control group namespace: the mount shows the container's group, the path is the host's.
    let mountinfo = "\
832 823 0:33 /docker/ab12 /sys/fs/cgroup/memory ro,nosuid,nodev,noexec,relatime master:18 - cgroup cgroup rw,memory
833 823 0:34 /docker/ab12 /sys/fs/cgroup/pids rw,nosuid,nodev,noexec,relatime master:19 - cgroup cgroup rw,pids
834 823 0:35 /docker/ab12 /sys/fs/cgroup/cpu rw,nosuid,nodev,noexec,relatime master:19 - cgroup cgroup rw,cpu
835 823 0:36 /docker/ab12 /sys/fs/cgroup/c\\040a rw,nosuid,nodev,noexec,relatime master:19 - cgroup cgroup rw,cpuacct
";
    let membership =
        "9:memory:/docker/ab12\n8:pids:/docker/ab12/own\n7:cpu:/docker/ab12345\n6:cpuacct:/docker/ab12/x\n";
    check(
        mountinfo,
        membership,
        &[
            "memory - /sys/fs/cgroup/memory is mounted read-only",
            "pids 1 /sys/fs/cgroup/pids/own",
            "cpu - the control group of this process, /docker/ab12345, is outside of what is mounted",
            "cpuacct 1 /sys/fs/cgroup/c a/x",
            "blkio - no mounted control group hierarchy has the blkio controller",
        ],
    );
    // Version 2 with a namespace, read-only as containers get it, and once more where it can be written to.
    let read_only = "830 823 0:26 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw\n";
    let reason = "is mounted read-only";
    let expected = Controller::ALL.map(|controller| format!("{} - /sys/fs/cgroup {reason}", controller.name_v1()));
    check(read_only, "0::/\n", &expected.each_ref().map(String::as_str));
    let both = format!("{read_only}831 823 0:26 / /mnt/cgroup rw - cgroup2 cgroup rw\n");
    let expected = Controller::ALL.map(|controller| format!("{} 2 /mnt/cgroup", controller.name_v1()));
    check(&both, "0::/\n", &expected.each_ref().map(String::as_str));
}

#[test]
fn places_that_cannot_be_reached() {
    for (membership, reason) in [
        ("0::/../../other\n", "the control group of this process, /../../other, is outside of what is mounted"),
        ("0::/gone (deleted)\n", "the control group of this process, /gone (deleted), has been removed"),
    ] {
        let expected = Controller::ALL.map(|controller| format!("{} - {reason}", controller.name_v1()));
        check(UNIFIED, membership, &expected.each_ref().map(String::as_str));
    }
    let nothing = Controller::ALL.map(|controller| {
        format!("{0} - no mounted control group hierarchy has the {0} controller", controller.name_v1())
    });
    let nothing = nothing.each_ref().map(String::as_str);
    check("", "", &nothing);
    check("22 27 0:21 / /proc rw,relatime - proc proc rw\n", "0::/\n", &nothing);
    check("garbage\n - \n1 2 - cgroup2\n", ":\n::\nx", &nothing);
}

#[test]
fn the_texts_of_this_machine_can_be_read() {
    let read = |path: &str| std::fs::read_to_string(path).expect("a file of /proc");
    let places = locate(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"));
    assert_eq!(places.len(), Controller::ALL.len());
    for place in places.values().flatten() {
        assert!(Path::new(&place.base).is_dir(), "{place:?}");
    }
}
