//! What is written to and read from control files, with plain files in their place.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::super::hierarchy::{Place, hand_down};
use super::super::limit::{apply, block_devices};
use super::super::owner::prefix;
use super::super::remove::{Swept, sweep};
use super::super::{CgroupError, Controller, Group, GroupLimits, Hierarchies, Version};

const LIMITS: GroupLimits = GroupLimits {
    memory: Some(64 << 20),
    swap: Some(1 << 20),
    processes: Some(32),
    cpu_percent: Some(150),
    io_bytes_per_second: Some(1_000_000),
};

/// Names and contents.
type Files<'a> = &'a [(&'a str, &'a str)];

/// Makes these files, applies the limits, and says what the files hold.
fn written(
    files: &[&str],
    controller: Controller,
    version: Version,
    limits: &GroupLimits,
) -> Result<BTreeMap<String, String>, CgroupError> {
    let directory = tempfile::tempdir().expect("a directory");
    for file in files {
        fs::write(directory.path().join(file), "").expect("a file");
    }
    apply(directory.path(), controller, version, limits, &["254:0".to_owned()])?;
    let entries = fs::read_dir(directory.path()).expect("the directory").map(|entry| entry.expect("an entry"));
    Ok(entries
        .map(|entry| {
            let text = fs::read_to_string(entry.path()).expect("a file");
            (entry.file_name().into_string().expect("a name"), text)
        })
        .collect())
}

#[test]
fn each_limit_reaches_its_file_in_its_words() {
    use Controller::{Cpu, Cpuacct, Io, Memory, Pids};
    use Version::{V1, V2};
    let cases: [(Controller, Version, Files<'_>); 11] = [
        (
            Memory,
            V1,
            &[
                ("memory.limit_in_bytes", "67108864"),
                ("memory.memsw.limit_in_bytes", "68157440"),
                ("memory.swappiness", ""),
            ],
        ),
        (Memory, V1, &[("memory.limit_in_bytes", "67108864")]), // no swap accounting
        (Memory, V2, &[("memory.max", "67108864"), ("memory.swap.max", "1048576"), ("memory.oom.group", "")]),
        (Memory, V2, &[("memory.max", "67108864")]),
        (Pids, V1, &[("pids.max", "32")]),
        (Pids, V2, &[("pids.max", "32")]),
        (Cpu, V1, &[("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "150000")]),
        (Cpu, V2, &[("cpu.max", "150000 100000")]),
        (Cpuacct, V1, &[("cpuacct.usage", "")]),
        (
            Io,
            V1,
            &[
                ("blkio.throttle.read_bps_device", "254:0 1000000"),
                ("blkio.throttle.write_bps_device", "254:0 1000000"),
            ],
        ),
        (Io, V2, &[("io.max", "254:0 rbps=1000000 wbps=1000000")]),
    ];
    for (controller, version, files) in cases {
        let names: Vec<_> = files.iter().map(|(name, _)| *name).collect();
        let expected = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        assert_eq!(
            written(&names, controller, version, &LIMITS).expect("written"),
            expected,
            "{controller:?} {version:?}"
        );
        let untouched = names.iter().map(|name| ((*name).to_owned(), String::new())).collect();
        let nothing = written(&names, controller, version, &GroupLimits::default()).expect("nothing to write");
        assert_eq!(nothing, untouched, "{controller:?} {version:?} without limits");
    }
}

#[test]
fn no_swap_is_a_limit_too() {
    let limits = GroupLimits { swap: Some(0), ..LIMITS };
    let v1 = written(&["memory.limit_in_bytes", "memory.swappiness"], Controller::Memory, Version::V1, &limits)
        .expect("written");
    assert_eq!(v1["memory.swappiness"], "0");
    let v2 = written(&["memory.max", "memory.swap.max"], Controller::Memory, Version::V2, &limits).expect("written");
    assert_eq!(v2["memory.swap.max"], "0");
}

#[test]
fn a_missing_file_is_an_error_that_names_it() {
    let error = written(&[], Controller::Pids, Version::V2, &LIMITS).expect_err("no file");
    assert!(error.reason().contains("pids.max: No such file"), "{}", error.reason());
    assert!(error.to_string().starts_with("cannot write to /"), "{error}");
}

#[test]
fn policies_leave_out_what_they_do_not_limit() {
    let mut limits = crate::policy::Limits::default();
    let group = GroupLimits::from(&limits);
    assert_eq!((group.memory, group.swap, group.processes), (Some(512 << 20), Some(0), Some(64)));
    assert_eq!((group.cpu_percent, group.io_bytes_per_second), (None, None));
    use Controller::{Cpu, Cpuacct, Io, Memory, Pids};
    assert_eq!(group.controllers().collect::<Vec<_>>(), [Memory, Pids, Cpuacct]);
    limits.cpu_percent = 50;
    limits.io_bytes_per_second = 1;
    assert_eq!(GroupLimits::from(&limits).controllers().collect::<Vec<_>>(), [Memory, Pids, Cpu, Cpuacct, Io]);
}

#[test]
fn devices_are_disks_only() {
    let sys = tempfile::tempdir().expect("a directory");
    for (name, number) in
        [("vda", "254:0\n"), ("loop0", "7:0\n"), ("ram1", "1:1\n"), ("zram0", "252:0\n"), ("nvme0n1", "259:0\n")]
    {
        fs::create_dir(sys.path().join(name)).expect("a directory");
        fs::write(sys.path().join(name).join("dev"), number).expect("a file");
    }
    fs::create_dir(sys.path().join("nvme0c0n1")).expect("a hidden path of a disk, without a number");
    assert_eq!(block_devices(sys.path()), ["254:0", "259:0"]);
    assert!(block_devices(&sys.path().join("none")).is_empty());
}

/// A version 2 group of plain files.
fn v2_group(controllers: &str, handed_down: &str, processes: &str, root: bool) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for (file, text) in
        [("cgroup.controllers", controllers), ("cgroup.subtree_control", handed_down), ("cgroup.procs", processes)]
    {
        fs::write(directory.path().join(file), text).expect("a file");
    }
    if !root {
        fs::write(directory.path().join("cgroup.type"), "domain\n").expect("a file");
    }
    directory
}

fn places(base: &Path, version: Version) -> Hierarchies {
    owned_places(base, version, "belljar-1-1")
}

fn owned_places(base: &Path, version: Version, owner: &str) -> Hierarchies {
    let place = Place { version, base: base.to_owned() };
    Hierarchies::new(Controller::ALL.map(|controller| (controller, Ok(place.clone()))).into(), owner.to_owned())
}

#[test]
fn version_2_is_available_when_it_hands_down_or_can_be_made_to() {
    let own = format!("{}\n", std::process::id());
    let crowd = format!("1\n{own}");
    let cases = [
        ("cpu memory", "memory", crowd.as_str(), false, Ok(Version::V2)),
        ("cpu memory", "", own.as_str(), false, Ok(Version::V2)),
        ("cpu memory", "cpu", "", false, Ok(Version::V2)),
        ("cpu memory", "", crowd.as_str(), true, Ok(Version::V2)),
        ("cpu memory", "", crowd.as_str(), false, Err("while 1 other processes are in it")),
        ("cpu memory", "", "0\n0\n", false, Err("while 2 other processes are in it")),
        ("cpu hugetlb", "cpu", own.as_str(), false, Err("the memory controller is not delegated")),
        ("memory_x", "", own.as_str(), false, Err("the memory controller is not delegated")),
    ];
    for (controllers, handed_down, processes, root, expected) in cases {
        let group = v2_group(controllers, handed_down, processes, root);
        let found = places(group.path(), Version::V2).availability(Controller::Memory);
        match expected {
            Ok(version) => assert_eq!(found, Ok(version), "{controllers} / {handed_down} / {processes}"),
            Err(part) => {
                assert!(found.as_ref().is_err_and(|reason| reason.contains(part)), "{found:?} without '{part}'")
            }
        }
        // Counting CPU time needs no controller.
        assert_eq!(places(group.path(), Version::V2).availability(Controller::Cpuacct), Ok(Version::V2));
    }
}

#[test]
fn handing_down_names_the_controller() {
    let group = v2_group("memory", "", "", false);
    hand_down(group.path(), "memory").expect("written");
    assert_eq!(fs::read_to_string(group.path().join("cgroup.subtree_control")).expect("a file"), "+memory");
}

#[test]
fn a_missing_hierarchy_is_reported_and_no_error() {
    let reason = "no mounted control group hierarchy has it".to_owned();
    let hierarchies = Hierarchies::new([(Controller::Memory, Err(reason.clone()))].into(), "belljar-1-1".to_owned());
    assert_eq!(hierarchies.availability(Controller::Memory), Err(reason.clone()));
    let group = Group::create(&hierarchies, "box-1", &LIMITS).expect("a group of nothing");
    assert_eq!(group.enforced()[&Controller::Memory], Err(reason));
    assert_eq!(group.enforced()[&Controller::Pids], Err("no place is known for the pids controller".to_owned()));
    group.attach(i32::MAX).expect("nowhere to attach to");
    assert!(group.counters().expect("no counters").memory_peak.is_none());
    group.remove().expect("nothing to remove");
}

#[test]
fn strange_names_are_refused() {
    let base = tempfile::tempdir().expect("a directory");
    let hierarchies = places(base.path(), Version::V1);
    for name in ["", ".", "..", "../x", "a/b", "/a", "a\0b", "a\nb", ".hidden"] {
        let refused = Group::create(&hierarchies, name, &LIMITS);
        assert!(matches!(refused, Err(CgroupError::Name(_))), "{name:?}: {refused:?}");
    }
    assert_eq!(fs::read_dir(base.path()).expect("the directory").count(), 0);
}

#[test]
fn groups_and_their_parent_go_when_the_last_is_dropped() {
    let base = tempfile::tempdir().expect("a directory");
    let owner = base.path().join("belljar-1-1");
    let hierarchies = places(base.path(), Version::V1);
    let none = GroupLimits::default();
    let first = Group::create(&hierarchies, "box-1", &none).expect("a group");
    let second = Group::create(&hierarchies, "box-2", &none).expect("a group");
    assert!(matches!(Group::create(&hierarchies, "box-1", &none), Err(CgroupError::Exists(_))));
    assert!(owner.join("box-1").is_dir() && owner.join("box-2").is_dir());
    first.remove().expect("removed");
    assert!(!owner.join("box-1").exists() && owner.join("box-2").is_dir());
    drop(hierarchies);
    assert!(owner.join("box-2").is_dir());
    drop(second);
    assert!(!owner.exists());
}

#[test]
fn a_sweep_takes_the_dead_and_leaves_the_living() {
    let base = tempfile::tempdir().expect("a directory");
    let stat = fs::read_to_string("/proc/self/stat").expect("own stat");
    let start = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(19)).expect("field 22");
    let living = format!("{}{}-{start}", prefix(), std::process::id());
    let dead = format!("{}{}-{start}1", prefix(), std::process::id());
    let stay = [
        format!("{living}/box-0"),
        "belljar-supervisor".to_owned(),
        "other/box-0".to_owned(),
        "belljar-x-1".to_owned(),
    ];
    let go = [format!("{dead}/box-0"), format!("{dead}/box-1/nested/deep"), format!("{}{}-5", prefix(), i32::MAX)];
    for path in stay.iter().chain(&go) {
        fs::create_dir_all(base.path().join(path)).expect("a directory");
    }
    // Two of the dead owner's boxes (and what was nested in one) are groups; an owner without any counts for none.
    assert_eq!(sweep(&places(base.path(), Version::V1)), Swept { groups: 4, processes: 0 });
    for path in &stay {
        assert!(base.path().join(path).is_dir(), "{path} is gone");
    }
    for path in &go {
        let top = Path::new(path).components().next().expect("a component");
        assert!(!base.path().join(top).exists(), "{path} is left");
    }
    assert_eq!(sweep(&places(base.path(), Version::V1)), Swept::default());
}

#[test]
fn a_sweep_leaves_groups_of_another_pid_namespace() {
    let base = tempfile::tempdir().expect("a directory");
    let group = base.path().join(format!("{}{}-5/box-0", prefix(), i32::MAX));
    fs::create_dir_all(&group).expect("a directory");
    fs::write(group.join("cgroup.procs"), "0\n0\n").expect("a file");
    assert_eq!(sweep(&places(base.path(), Version::V2)), Swept::default());
    assert!(group.is_dir());
}
