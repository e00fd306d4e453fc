//! What each run has of its own: the writable layer, and the mounts and the message queues of a fresh namespace.

use std::ffi::CString;
use std::path::Path;

use belljar_sys::plan::{Entry, Slot, Step};

use super::root::{WAITING, relative};
use super::{Steps, path_text, slot, text};
use crate::error::SandboxError;
use crate::layer::Layer;
use crate::machine::Machine;
use crate::policy::{Access, Mount, Policy, Reuse};

/// Directories of the layer, where they show, and their modes. The first is where the layer waits while it is taken apart.
const SHARED: &[(&str, &str, u32)] =
    &[("tmp", "/tmp", 0o1777), ("var-tmp", "/var/tmp", 0o1777), ("shm", "/dev/shm", 0o1777), ("run", "/run", 0o1777)];
/// The layer's directory that shows as the policy's work directory.
const WORK: &str = "work";
/// The layer's directory that takes what is written elsewhere, where the policy allows that.
const ELSEWHERE: &str = "root";
/// Where the layer is while directories of it become parts of other file systems: overlayfs takes them by path.
const ASIDE: &str = "/mnt";

/// The path within the layer that an absolute path inside falls into, if any.
pub(super) fn in_layer(policy: &Policy, path: &Path) -> Option<String> {
    let work = (WORK, policy.work_directory.as_path());
    let places = SHARED.iter().map(|&(name, target, _)| (name, Path::new(target))).chain([work]);
    for (name, target) in places {
        if let Ok(rest) = path.strip_prefix(target)
            && !rest.as_os_str().is_empty()
        {
            return Some(format!("{name}/{}", rest.display()));
        }
    }
    None
}

/// The directories of the layer that programs can write to; none when a policy puts something into them, whose every file would have
/// to be watched.
pub(super) fn watched(policy: &Policy) -> Result<Vec<CString>, SandboxError> {
    let filled = |mount: &Mount| mount.access != Access::ReadOnly || in_layer(policy, &mount.target).is_some();
    if policy.mounts.iter().any(filled) || policy.root_is_writable() {
        return Ok(Vec::new());
    }
    SHARED.iter().map(|&(name, ..)| name).chain([WORK]).map(text).collect()
}

/// The plan of the writable layer.
pub(super) fn layer(policy: &Policy, machine: &Machine) -> Result<Vec<Entry<CString>>, SandboxError> {
    let mut steps = Steps::default();
    let limits = &policy.limits;
    let options = [
        ("mode", "0755".to_owned()),
        ("size", limits.room_for_files().to_string()),
        // The kernel counts the directories that we make ourselves.
        ("nr_inodes", limits.inodes.saturating_add(16).to_string()),
    ];
    // Without times of access, looking is not changing: a run that only looked leaves nothing to renew.
    let attributes = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOATIME;
    steps.file_system((Layer::MountNamespace, true), "tmpfs", &options, attributes, slot::LAYER)?;
    let (uid, gid) = (policy.user.uid, policy.user.gid);
    let mut make = |path: &str, mode: u32, owned: bool| {
        steps.root(Step::MakeDirectory { at: slot::LAYER, path: text(path)?, mode });
        if owned && machine.privileged {
            steps.root(Step::ChangeOwner { at: slot::LAYER, path: text(path)?, uid, gid });
        }
        Ok::<_, SandboxError>(())
    };
    for &(name, _, mode) in SHARED {
        make(name, mode, false)?;
    }
    make(WORK, 0o755, true)?;
    if policy.root_is_writable() {
        for name in [ELSEWHERE.to_owned(), format!("{ELSEWHERE}/upper"), format!("{ELSEWHERE}/work")] {
            make(&name, 0o755, false)?;
        }
    }
    for (index, mount) in policy.mounts.iter().enumerate() {
        if let Some(path) = in_layer(policy, &mount.target) {
            let mut so_far = String::new();
            let mut names = path.split('/').peekable();
            while let Some(name) = names.next() {
                so_far = if so_far.is_empty() { name.to_owned() } else { format!("{so_far}/{name}") };
                if so_far.contains('/') && (names.peek().is_some() || mount.source.is_dir()) {
                    make(&so_far, 0o755, true)?;
                }
            }
        }
        if mount.access == Access::CopyOnWrite {
            for name in [format!("cow{index}"), format!("cow{index}/upper"), format!("cow{index}/work")] {
                make(&name, 0o755, true)?;
            }
        }
    }
    for mount in policy.mounts.iter().filter(|mount| !mount.source.is_dir()) {
        if let Some(path) = in_layer(policy, &mount.target) {
            let (path, content) = (text(path)?, text("")?);
            steps.root(Step::MakeFile { at: slot::LAYER, path, mode: 0o644, content });
        }
    }
    Ok(steps.0)
}

/// The plan of a run's own namespaces and mounts.
pub(super) fn world(policy: &Policy, reuse: Reuse) -> Result<Vec<Entry<CString>>, SandboxError> {
    let mut steps = Steps::default();
    if reuse == Reuse::AfterReset {
        // Otherwise the init's own namespaces, which nobody else will ever use, do as well.
        steps.root(Step::Unshare(libc::CLONE_NEWNS));
        steps.layer(policy, Layer::IpcNamespace, Step::Unshare(libc::CLONE_NEWIPC));
    }
    // The trees that wait below WAITING are taken out before the layer covers it.
    let waiting = |index: usize| u8::try_from(index).map(|index| Slot(slot::FIRST_SOURCE + index));
    let too_many = |_| SandboxError::Policy("too many mounts".to_owned());
    for (index, mount) in policy.mounts.iter().enumerate() {
        if mount.access != Access::CopyOnWrite {
            let (path, into) = (text(format!("/{WAITING}/mount{index}"))?, waiting(index).map_err(too_many)?);
            steps.root(Step::CloneTree { at: Slot::CURRENT, path, recursive: true, into });
        }
    }
    let copies = policy.mounts.iter().any(|mount| mount.access == Access::CopyOnWrite);
    if copies || policy.root_is_writable() {
        // Beside the waiting trees for a moment.
        steps.root(Step::Attach { tree: slot::LAYER, at: Slot::CURRENT, path: text(ASIDE)? });
    }
    for (index, mount) in policy.mounts.iter().enumerate() {
        if mount.access == Access::CopyOnWrite {
            let options = [
                ("lowerdir", format!("/{WAITING}/mount{index}")),
                ("upperdir", format!("{ASIDE}/cow{index}/upper")),
                ("workdir", format!("{ASIDE}/cow{index}/work")),
                ("userxattr", String::new()),
            ];
            let attributes = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
            let into = waiting(index).map_err(too_many)?;
            steps.file_system((Layer::MountNamespace, true), "overlay", &options, attributes, into)?;
        }
    }
    if policy.root_is_writable() {
        write_elsewhere(&mut steps)?;
    } else {
        steps.root(Step::Attach { tree: slot::LAYER, at: Slot::CURRENT, path: text(format!("/{WAITING}"))? });
    }
    let mut show = |name: &str, target: &Path| {
        let path = text(format!("/{WAITING}/{name}"))?;
        steps.root(Step::CloneTree { at: Slot::CURRENT, path, recursive: false, into: slot::TREE });
        steps.root(Step::Attach { tree: slot::TREE, at: Slot::CURRENT, path: path_text(target)? });
        Ok::<_, SandboxError>(())
    };
    relative(&policy.work_directory)?;
    show(WORK, &policy.work_directory)?;
    // The last covers the layer itself.
    for &(name, target, _) in SHARED.iter().rev() {
        show(name, Path::new(target))?;
    }
    // Its own message queues, where the kernel has them; the mount belongs to the IPC namespace that was just made. Queues are made
    // and removed by their calls, which are noticed (`seccomp::watch`), so the directory can only be read.
    let closed = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;
    for step in super::file_system("mqueue", &[], closed, slot::QUEUES)? {
        steps.attempt(step);
    }
    steps.attempt(Step::Attach { tree: slot::QUEUES, at: Slot::CURRENT, path: text("/dev/mqueue")? });
    for (index, mount) in policy.mounts.iter().enumerate() {
        let tree = waiting(index).map_err(too_many)?;
        steps.root(Step::Attach { tree, at: Slot::CURRENT, path: path_text(&mount.target)? });
    }
    Ok(steps.0)
}

/// A root directory for this run alone, over the one that all runs share, with the same file systems of the kernel in it.
fn write_elsewhere(steps: &mut Steps) -> Result<(), SandboxError> {
    let options = [
        ("lowerdir", "/".to_owned()),
        ("upperdir", format!("{ASIDE}/{ELSEWHERE}/upper")),
        ("workdir", format!("{ASIDE}/{ELSEWHERE}/work")),
        ("userxattr", String::new()),
    ];
    let attributes = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
    steps.file_system((Layer::MountNamespace, true), "overlay", &options, attributes, slot::ROOT)?;
    steps.root(Step::Attach { tree: slot::ROOT, at: Slot::CURRENT, path: text("/")? });
    for name in ["proc", "dev"] {
        let path = text(format!("/{name}"))?;
        steps.root(Step::CloneTree { at: Slot::CURRENT, path, recursive: true, into: slot::TREE });
        steps.root(Step::Attach { tree: slot::TREE, at: slot::ROOT, path: text(name)? });
    }
    // Out of the former root directory before that is let go.
    steps.root(Step::Attach { tree: slot::LAYER, at: slot::ROOT, path: text(WAITING)? });
    steps.root(Step::EnterRoot(slot::ROOT));
    Ok(())
}
