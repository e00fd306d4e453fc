//! Giving up: limits, users, capabilities, Landlock, the filter. Always last, always in this order.

use std::ffi::CString;
use std::path::Path;

use belljar_sys::plan::{Entry, Step};

use super::landlock::{EXECUTE, FOR_FILES, IOCTL_DEVICE, READ_DIR, READ_FILE, TRUNCATE, WRITE_FILE, handled};
use super::root::Entered;
use super::{Steps, path_text, slot, text};
use crate::error::SandboxError;
use crate::layer::{Layer, Strictness};
use crate::machine::Machine;
use crate::policy::{Access, Network, Policy};

/// The end of the init's plan. It keeps the capabilities of its namespace, to renew what a run has; nothing that it starts
/// can have any.
pub(super) fn confine_init(entered: Entered, policy: &Policy) -> Vec<Entry<CString>> {
    let mut steps = Steps(entered.steps);
    if let Ok(name) = CString::new(policy.hostname.as_str()) {
        steps.layer(policy, Layer::UtsNamespace, Step::SetHostname(name));
    }
    if policy.network != Network::Host {
        steps.layer(policy, Layer::NetworkNamespace, Step::RaiseLoopback);
    }
    if policy.warm.is_some() {
        // For its zygote. A spawner gives them up with all others.
        steps.attempt(Step::KeepCapabilities(super::warm::CAPABILITIES));
    }
    steps.layer(policy, Layer::Privileges, Step::DropBoundingSet);
    steps.layer(policy, Layer::Privileges, Step::NoNewPrivileges);
    // Dumpable for as long as the spawners need their own /proc entries; nobody else is alive then. See `confine_spawner`.
    steps.layer(policy, Layer::Privileges, Step::SetDumpable(false));
    // After the change of user, which clears it.
    steps.push(Layer::PidNamespace, true, Step::DieWithParent);
    steps.0
}

/// The plan of a spawner after its mounts.
pub(super) fn confine_spawner(policy: &Policy, machine: &Machine) -> Result<Vec<Entry<CString>>, SandboxError> {
    let mut steps = Steps::default();
    steps.root(Step::ChangeDirectory(path_text(&policy.work_directory)?));
    steps.root(Step::NewSession);
    // Nothing to inherit where the kernel has no keys; the filter refuses them anyway.
    steps.attempt(Step::NewKeyring);
    steps.root(Step::SetUmask(0o022));
    if machine.privileged {
        let (uid, gid) = (policy.user.uid, policy.user.gid);
        steps.push(Layer::UserNamespace, true, Step::SetIds { uid, gid });
    }
    // When memory runs out, programs are killed and not the init, which tells about it; to be killed first takes no privilege. The
    // owner keeps the init from the killer altogether where it may, and what the init starts must not inherit that.
    steps.root(Step::SetDumpable(true));
    let (path, content) = (text("/proc/self/oom_score_adj")?, text("1000")?);
    steps.attempt(Step::WriteFile { path, content });
    steps.layer(policy, Layer::Privileges, Step::SetDumpable(false));
    steps.push(Layer::PidNamespace, true, Step::DieWithParent);
    steps.layer(policy, Layer::Privileges, Step::ClearCapabilities);
    if machine.landlock_version > 0 {
        landlock(policy, machine.landlock_version, &mut steps)?;
    }
    // Late, because the steps before open files.
    for (resource, value) in resource_limits(policy, machine) {
        steps.layer(policy, Layer::ResourceLimits, Step::SetLimit { resource, value });
    }
    steps.layer(policy, Layer::Seccomp, Step::InstallFilter);
    Ok(steps.0)
}

fn resource_limits(policy: &Policy, machine: &Machine) -> Vec<(u32, u64)> {
    let limits = &policy.limits;
    let mut all = vec![
        // Less than any dump, and the one value at which the kernel hands none to a program either; the filter keeps it there.
        (libc::RLIMIT_CORE, 1),
        (libc::RLIMIT_FSIZE, limits.file_size),
        (libc::RLIMIT_NOFILE, u64::from(limits.open_files)),
        (libc::RLIMIT_STACK, limits.stack),
        (libc::RLIMIT_MEMLOCK, 64 << 10),
        // The kernel charges the sandbox's maker as well, who has 800 KiB: room for three queues of the usual size, and for others.
        (libc::RLIMIT_MSGQUEUE, 256 << 10),
        (libc::RLIMIT_NICE, 0),
        (libc::RLIMIT_RTPRIO, 0),
        (libc::RLIMIT_SIGPENDING, 1024),
    ];
    if !machine.cgroup_memory {
        // Per process instead of all together: the best there is without a control group.
        all.push((libc::RLIMIT_DATA, limits.memory));
    }
    if !machine.cgroup_processes {
        // Counted for each user namespace by itself since Linux 5.14; the init and the spawner count too.
        let ours = 2 + u64::from(policy.warm.is_some());
        all.push((libc::RLIMIT_NPROC, u64::from(limits.processes).saturating_add(ours)));
    }
    for (resource, value) in &mut all {
        *value = (*value).min(machine.hard_limit(*resource));
    }
    all
}

fn landlock(policy: &Policy, version: u32, steps: &mut Steps) -> Result<(), SandboxError> {
    if policy.strictness(Layer::Landlock) == Strictness::Off {
        return Ok(());
    }
    let (handled, scoped) = handled(version);
    let mut add = |step| steps.layer(policy, Layer::Landlock, step);
    add(Step::CreateRuleset { files: handled, scoped, into: slot::RULESET });
    let mut allow = |path: &Path, access: u64| {
        let (path, access) = (path_text(path)?, access & handled);
        add(Step::AddPathRule { ruleset: slot::RULESET, path, access });
        Ok::<_, SandboxError>(())
    };
    allow(Path::new("/"), if policy.root_is_writable() { handled } else { EXECUTE | READ_FILE | READ_DIR })?;
    for path in ["/tmp", "/var/tmp", "/run", "/dev/shm", "/dev/mqueue"] {
        allow(Path::new(path), handled)?;
    }
    allow(&policy.work_directory, handled)?;
    // One rule for all devices and terminals; the directory itself takes no new files.
    allow(Path::new("/dev"), READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE | IOCTL_DEVICE)?;
    for mount in policy.mounts.iter().filter(|mount| mount.access != Access::ReadOnly) {
        allow(&mount.target, if mount.source.is_dir() { handled } else { FOR_FILES })?;
    }
    add(Step::RestrictSelf(slot::RULESET));
    Ok(())
}

#[cfg(test)]
mod tests {
    use belljar_sys::plan::Slot;

    use super::*;

    /// Where in a plan the first step that `is` likes stands.
    fn position(plan: &[Entry<CString>], is: impl Fn(&Step<CString>) -> bool) -> usize {
        plan.iter().position(|entry| is(&entry.step)).expect("the step is in the plan")
    }

    #[test]
    fn a_spawner_gives_up_in_the_only_order_that_works() {
        let mut machine = Machine::for_tests();
        (machine.privileged, machine.landlock_version) = (true, 6);
        let plan = confine_spawner(&Policy::default(), &machine).unwrap();
        let ids = position(&plan, |step| matches!(step, Step::SetIds { .. }));
        let capabilities = position(&plan, |step| matches!(step, Step::ClearCapabilities));
        let landlock = position(&plan, |step| matches!(step, Step::RestrictSelf(Slot(_))));
        let filter = position(&plan, |step| matches!(step, Step::InstallFilter));
        assert!(ids < capabilities && capabilities < landlock && landlock < filter);
        assert_eq!(filter, plan.len() - 1, "nothing comes after the filter");
    }
}
