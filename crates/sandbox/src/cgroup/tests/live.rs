//! Against the control groups of this machine, in a group of the test's own.
//!
//! Without the right to make one a test says so and passes; with `BELLJAR_TEST_STRICT=1` it fails.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::super::hierarchy::{Place, locate};
use super::super::owner::prefix;
use super::super::remove::{Swept, sweep};
use super::super::{Controller, Group, GroupLimits, Hierarchies, Version};

/// A group of one test, which stands for the group that belljar is started in; removed with everything in it.
struct Ground {
    places: BTreeMap<Controller, Result<Place, String>>,
}

impl Ground {
    /// Makes one that has these controllers.
    fn new(test: &str, controllers: &[Controller]) -> Option<Self> {
        let read = |path: &str| fs::read_to_string(path).expect("a file of /proc");
        let mut places = locate(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"));
        let found = Hierarchies::discover();
        for controller in controllers {
            if let Err(reason) = found.availability(*controller) {
                return skip(test, &reason);
            }
        }
        places.retain(|controller, _| controllers.contains(controller));
        Some(Self::at(test, places))
    }

    fn at(test: &str, mut places: BTreeMap<Controller, Result<Place, String>>) -> Self {
        for place in places.values_mut().flatten() {
            place.base.push(format!("belljar-test-{test}-{}", std::process::id()));
            let _ = fs::create_dir(&place.base); // made already for a controller of the same hierarchy
            assert!(place.base.is_dir(), "{place:?}");
        }
        Self { places }
    }

    fn hierarchies(&self) -> Hierarchies {
        Hierarchies::new(self.places.clone(), "belljar-1-1".to_owned())
    }

    fn base(&self, controller: Controller) -> PathBuf {
        self.places[&controller].as_ref().expect("a place").base.clone()
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        for place in self.places.values().flatten() {
            if place.base.exists() {
                fs::remove_dir(&place.base).expect("the test left nothing in its group");
            }
        }
    }
}

fn skip<T>(test: &str, reason: &str) -> Option<T> {
    assert!(std::env::var_os("BELLJAR_TEST_STRICT").is_none_or(|value| value != "1"), "{test} cannot run: {reason}");
    println!("skipped: {reason}");
    None
}

/// A shell that waits for a line before it begins.
struct Waiting(Child);

impl Waiting {
    fn new(script: &str) -> Self {
        let child = Command::new("/bin/sh")
            .args(["-c", &format!("read line; {script}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("a shell");
        Self(child)
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).expect("a process id")
    }

    fn begin(&mut self) {
        self.0.stdin.as_mut().expect("a pipe").write_all(b"\n").expect("the shell reads");
    }

    /// Runs it in the group to its end; says what it wrote to standard output.
    fn run_in(mut self, group: &Group) -> String {
        group.attach(self.pid()).expect("attached");
        self.begin();
        let output = self.0.wait_with_output().expect("the shell ends");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

#[test]
fn memory_is_limited_and_counted() {
    let Some(ground) = Ground::new("memory", &[Controller::Memory]) else {
        return;
    };
    let limits = GroupLimits { memory: Some(32 << 20), swap: Some(0), ..GroupLimits::default() };
    let group = Group::create(&ground.hierarchies(), "box-0", &limits).expect("a group");
    assert!(group.enforced()[&Controller::Memory].is_ok(), "{group:?}");
    let counters = group.counters().expect("counters");
    let peak = counters.memory_peak.as_ref().expect("the peak is counted");
    let kills = counters.oom_kills.as_ref().expect("kills are counted");
    assert_eq!(kills.read().expect("a number"), 0);

    // `tail` keeps its last line, which never ends.
    let said = Waiting::new("head -c 16000000 /dev/zero | tail >/dev/null; echo $?").run_in(&group);
    assert_eq!((said.trim(), kills.read().expect("a number")), ("0", 0), "16 MB fit into 32 MiB");
    let used = peak.read().expect("a number");
    assert!((16_000_000..=32 << 20).contains(&used), "{used} bytes");

    if let Some(text) = counters.memory_peak_reset {
        rustix::io::pwrite(&peak.file, text.as_bytes(), 0).expect("reset");
        let again = peak.read().expect("a number");
        assert!(again < used, "{again} bytes after a reset, {used} before");
    }

    let said = Waiting::new("head -c 64000000 /dev/zero | tail >/dev/null; echo $?").run_in(&group);
    assert_eq!(said.trim(), "137", "64 MB do not fit into 32 MiB");
    assert_eq!(kills.read().expect("a number"), 1);
    let used = peak.read().expect("a number");
    assert!((31 << 20..=32 << 20).contains(&used), "{used} bytes");
    assert!(counters.memory_current.expect("use is counted").read().expect("a number") <= 32 << 20);
    group.remove().expect("removed");
}

#[test]
fn processes_are_limited_and_counted() {
    let Some(ground) = Ground::new("pids", &[Controller::Pids]) else {
        return;
    };
    let limits = GroupLimits { processes: Some(3), ..GroupLimits::default() };
    let group = Group::create(&ground.hierarchies(), "box-0", &limits).expect("a group");
    let counters = group.counters().expect("counters");
    let refused = counters.processes_refused.as_ref().expect("refusals are counted");
    assert_eq!(refused.read().expect("a number"), 0);
    assert_eq!(Waiting::new("/bin/true && /bin/true && echo fine").run_in(&group).trim(), "fine");
    assert_eq!(refused.read().expect("a number"), 0);
    // One shell and two daughters are three. A shell that cannot fork ends.
    let mut shell = Waiting::new("tail -f /dev/null & tail -f /dev/null & tail -f /dev/null & wait");
    group.attach(shell.pid()).expect("attached");
    shell.begin();
    assert!(!shell.0.wait().expect("the shell ends").success());
    assert!(refused.read().expect("a number") >= 1);
    let current = counters.processes_current.expect("processes are counted");
    assert_eq!(current.read().expect("a number"), 2, "the daughters live on");
    // Removing kills them.
    group.remove().expect("removed");
}

#[test]
fn processor_time_is_counted_and_limited() {
    let Some(ground) = Ground::new("cpu", &[Controller::Cpu, Controller::Cpuacct]) else {
        return;
    };
    let limits = GroupLimits { cpu_percent: Some(50), ..GroupLimits::default() };
    let group = Group::create(&ground.hierarchies(), "box-0", &limits).expect("a group");
    assert!(group.enforced()[&Controller::Cpu].is_ok(), "{group:?}");
    let counter = group.counters().expect("counters").cpu_time.expect("time is counted");
    assert_eq!(counter.read().expect("a number"), 0);
    let start = std::time::Instant::now();
    Waiting::new("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done").run_in(&group);
    let (wall, used) = (start.elapsed(), std::time::Duration::from_nanos(counter.read().expect("a number")));
    println!("{used:?} of CPU time in {wall:?}");
    assert!(used.as_millis() >= 20, "{used:?}");
    // A loop that would take all of one CPU gets half, but for the last period's quota.
    assert!(used <= wall / 2 + std::time::Duration::from_millis(60), "{used:?} of CPU time in {wall:?}");
    group.remove().expect("removed");
}

#[test]
fn device_bandwidth_is_limited() {
    let Some(ground) = Ground::new("io", &[Controller::Io]) else {
        return;
    };
    let limits = GroupLimits { io_bytes_per_second: Some(1 << 20), ..GroupLimits::default() };
    let group = Group::create(&ground.hierarchies(), "box-0", &limits).expect("a group");
    let version = group.enforced()[&Controller::Io].clone().expect("enforced");
    let directory = ground.base(Controller::Io).join("belljar-1-1/box-0");
    let file = if version == Version::V1 { "blkio.throttle.read_bps_device" } else { "io.max" };
    let text = fs::read_to_string(directory.join(file)).expect("the limits");
    assert!(text.contains("1048576"), "{text}");
    group.remove().expect("removed");
}

/// The part of version 2 that every machine with a version 2 mount has, even one without controllers.
#[test]
fn version_2_counts_processor_time_and_is_emptied() {
    let read = |path: &str| fs::read_to_string(path).expect("a file of /proc");
    let mountinfo: String = read("/proc/self/mountinfo")
        .lines()
        .filter(|line| line.contains(" - cgroup2 "))
        .map(|line| format!("{line}\n"))
        .collect();
    let places = locate(&mountinfo, &read("/proc/self/cgroup"));
    let place = match &places[&Controller::Cpuacct] {
        Ok(place) => place.clone(),
        Err(reason) => return skip("version 2", reason).unwrap_or_default(),
    };
    let found = Hierarchies::new([(Controller::Cpuacct, Ok(place.clone()))].into(), "belljar-1-1".to_owned());
    if let Err(reason) = found.availability(Controller::Cpuacct) {
        return skip("version 2", &reason).unwrap_or_default();
    }
    let ground = Ground::at("v2", [(Controller::Cpuacct, Ok(place))].into());
    let group = Group::create(&ground.hierarchies(), "box-0", &GroupLimits::default()).expect("a group");
    assert_eq!(group.enforced()[&Controller::Cpuacct], Ok(Version::V2));
    let counter = group.counters().expect("counters").cpu_time.expect("time is counted");
    Waiting::new("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done").run_in(&group);
    let used = counter.read().expect("a number");
    assert!((1_000_000..60_000_000_000).contains(&used), "{used} ns");
    let left = Waiting::new("tail -f /dev/null & tail -f /dev/null & wait");
    check_emptied(left, group);
}

#[test]
fn version_1_is_emptied() {
    let Some(ground) = Ground::new("kill", &[Controller::Memory]) else {
        return;
    };
    let group = Group::create(&ground.hierarchies(), "box-0", &GroupLimits::default()).expect("a group");
    check_emptied(Waiting::new("tail -f /dev/null & tail -f /dev/null & wait"), group);
}

/// Dropping a group kills a shell in it and what the shell started.
fn check_emptied(mut shell: Waiting, group: Group) {
    group.attach(shell.pid()).expect("attached");
    shell.begin();
    drop(group);
    // The daughters hold the pipe too: its end means that all are dead.
    let mut errors = String::new();
    shell.0.stderr.take().expect("a pipe").read_to_string(&mut errors).expect("end of file");
    assert!(!shell.0.wait().expect("the shell ended").success());
}

#[test]
fn a_sweep_kills_what_dead_owners_left() {
    let Some(ground) = Ground::new("sweep", &[Controller::Memory, Controller::Pids]) else {
        return;
    };
    let mut shell = Waiting::new("tail -f /dev/null");
    for controller in [Controller::Memory, Controller::Pids] {
        // No process has this id: it is above what the kernel gives out (`pid_max`).
        let group = ground.base(controller).join(format!("{}99999999-7/box-3", prefix()));
        fs::create_dir_all(&group).expect("a group");
        fs::write(group.join("cgroup.procs"), shell.pid().to_string()).expect("attached");
    }
    let own = Hierarchies::new(ground.places.clone(), Hierarchies::discover().owner().name().to_owned());
    let living = Group::create(&own, "box-0", &GroupLimits::default()).expect("a group of a living owner");
    let swept = sweep(&own);
    assert_eq!(swept, Swept { groups: 1, processes: 1 });
    assert!(!ground.base(Controller::Memory).join(format!("{}99999999-7", prefix())).exists());
    assert!(
        living.counters().expect("counters").memory_current.expect("a counter").read().is_ok(),
        "the living are left alone"
    );
    shell.0.stdin.take();
    assert!(!shell.0.wait().expect("the shell ended").success());
    living.remove().expect("removed");
}
