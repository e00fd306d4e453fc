//! A prepared list of steps that turns a fresh process into a part of a sandbox.
//!
//! The owner decides everything and writes it down before the clone; [`execute`] only carries it out: no allocation, no lock, no
//! lookup. A step that is required and fails ends the sandbox with its index and error number. One that is dispensable marks its
//! layer as missing, and the layer's later steps are skipped.

use core::ffi::CStr;

use crate::call::{self, Fd, Result};
use crate::seccomp::Instruction;
use crate::{Errno, call::CURRENT_DIRECTORY};

/// Number of [`Slot`]s.
pub const SLOTS: usize = 160;

/// A place that keeps a descriptor made by one step for a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot(pub u8);

impl Slot {
    /// The current directory, where a directory is expected.
    pub const CURRENT: Self = Self(u8::MAX);
}

/// One step. `S` is a zero-terminated string, owned by the side that prepares (`CString`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<S> {
    /// New namespaces by `unshare(2)` flags.
    Unshare(i32),
    /// Every mount private.
    MakeMountsPrivate,
    /// A detached copy of the mount at `path`.
    CloneTree {
        /// Directory that `path` is relative to.
        at: Slot,
        /// The path; a final link is followed.
        path: S,
        /// Whether mounts below come along.
        recursive: bool,
        /// Where the descriptor goes.
        into: Slot,
    },
    /// Attributes (`MOUNT_ATTR_*`) for a detached mount.
    SetAttributes {
        /// The mount.
        tree: Slot,
        /// Attributes to set.
        attributes: u64,
        /// Whether mounts below get them too.
        recursive: bool,
    },
    /// Ids of a detached mount shown through the map of a user namespace.
    MapIds {
        /// The mount.
        tree: Slot,
        /// The user namespace.
        map: Slot,
    },
    /// A new instance of a file system of this type, to be configured.
    OpenFileSystem {
        /// The type, such as `tmpfs`.
        kind: S,
        /// Where the descriptor goes.
        into: Slot,
    },
    /// An option of a new file system; an empty value makes it a flag.
    SetOption {
        /// The file system.
        context: Slot,
        /// Its name.
        key: S,
        /// Its value.
        value: S,
    },
    /// Makes the configured file system and a detached mount of it.
    CreateMount {
        /// The file system; its descriptor is closed.
        context: Slot,
        /// `MOUNT_ATTR_*`.
        attributes: u64,
        /// Where the mount's descriptor goes.
        into: Slot,
    },
    /// Attaches a detached mount; its descriptor stays open.
    Attach {
        /// The mount.
        tree: Slot,
        /// Directory that `path` is relative to.
        at: Slot,
        /// The path; a final link is not followed.
        path: S,
    },
    /// Closes a slot.
    Close(Slot),
    /// Makes a directory with this mode, unless it is there.
    MakeDirectory {
        /// Directory that `path` is relative to.
        at: Slot,
        /// The path.
        path: S,
        /// The mode.
        mode: u32,
    },
    /// Makes a file with this content.
    MakeFile {
        /// Directory that `path` is relative to.
        at: Slot,
        /// The path.
        path: S,
        /// The mode.
        mode: u32,
        /// The content.
        content: S,
    },
    /// Makes a symbolic link.
    MakeLink {
        /// Directory that `path` is relative to.
        at: Slot,
        /// What the link says.
        target: S,
        /// Where it is.
        path: S,
    },
    /// Gives a file or directory to a user.
    ChangeOwner {
        /// Directory that `path` is relative to.
        at: Slot,
        /// The path.
        path: S,
        /// The user.
        uid: u32,
        /// The group.
        gid: u32,
    },
    /// Writes to a file that exists: a setting of the kernel.
    WriteFile {
        /// The path.
        path: S,
        /// What to write.
        content: S,
    },
    /// Opens a file and keeps it.
    OpenFile {
        /// Directory that `path` is relative to.
        at: Slot,
        /// The path.
        path: S,
        /// Flags of `open(2)`.
        flags: i32,
        /// Where the descriptor goes.
        into: Slot,
    },
    /// Makes the mount the root directory.
    EnterRoot(Slot),
    /// Host name.
    SetHostname(S),
    /// Loopback interface up.
    RaiseLoopback,
    /// Working directory.
    ChangeDirectory(S),
    /// An open directory as working directory, so that names in it can be short.
    EnterDirectory(Slot),
    /// One resource limit (`RLIMIT_*`).
    SetLimit {
        /// Which.
        resource: u32,
        /// Soft and hard value.
        value: u64,
    },
    /// No supplementary groups.
    ClearGroups,
    /// User and group.
    SetIds {
        /// The user.
        uid: u32,
        /// The group.
        gid: u32,
    },
    /// Whether `/proc` entries of this process belong to its user.
    SetDumpable(bool),
    /// These capabilities, one bit each, stay over `execve`: for a zygote. To be done before the next one.
    KeepCapabilities(u64),
    /// No capability can ever be gained.
    DropBoundingSet,
    /// No capability is held.
    ClearCapabilities,
    /// No privilege by `execve`.
    NoNewPrivileges,
    /// Dies with its parent.
    DieWithParent,
    /// A session of its own.
    NewSession,
    /// A session keyring of its own.
    NewKeyring,
    /// The file mode mask.
    SetUmask(u32),
    /// A Landlock ruleset.
    CreateRuleset {
        /// Handled file rights.
        files: u64,
        /// Scopes.
        scoped: u64,
        /// Where the descriptor goes.
        into: Slot,
    },
    /// Rights beneath a path.
    AddPathRule {
        /// The ruleset.
        ruleset: Slot,
        /// The path.
        path: S,
        /// The rights.
        access: u64,
    },
    /// Puts the ruleset in force.
    RestrictSelf(Slot),
    /// Installs the plan's seccomp filter.
    InstallFilter,
}

/// The layer of steps that are worth a try and whose failure is nobody's concern.
pub const NO_LAYER: u8 = 64;

/// A step, the layer that it belongs to, and whether it can be done without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<S> {
    /// What to do.
    pub step: Step<S>,
    /// Number of the layer, below 64; or [`NO_LAYER`].
    pub layer: u8,
    /// Whether a failure ends the sandbox.
    pub required: bool,
}

/// The descriptors kept between steps.
#[derive(Debug, Clone, Copy)]
pub struct Slots(pub [Fd; SLOTS]);

impl Slots {
    /// All empty.
    pub const EMPTY: Self = Self([-1; SLOTS]);

    /// The descriptor in a slot; -1 when there is none.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Fd {
        if slot == Slot::CURRENT {
            return CURRENT_DIRECTORY;
        }
        self.0.get(usize::from(slot.0)).copied().unwrap_or(-1)
    }

    /// Puts a descriptor into a slot; the one that was there is closed.
    pub fn put(&mut self, slot: Slot, fd: Fd) {
        if let Some(place) = self.0.get_mut(usize::from(slot.0)) {
            call::close(core::mem::replace(place, fd));
        } else {
            call::close(fd);
        }
    }

    /// Closes a slot.
    pub fn close(&mut self, slot: Slot) {
        self.put(slot, -1);
    }
}

/// A required step that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// Its index.
    pub step: u32,
    /// Its error number.
    pub errno: Errno,
}

/// Layers that could not be put on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Missing {
    /// One bit per layer.
    pub layers: u64,
    /// The first error number.
    pub errno: i32,
}

/// Carries the steps out, in order.
///
/// # Errors
/// The first required step that failed.
pub fn execute<S: AsRef<CStr>>(
    entries: &[Entry<S>],
    filter: &[Instruction],
    slots: &mut Slots,
    missing: &mut Missing,
) -> core::result::Result<(), Failure> {
    for (index, entry) in (0..).zip(entries) {
        let bit = 1_u64.checked_shl(entry.layer.into()).unwrap_or(0);
        if !entry.required && missing.layers & bit != 0 {
            continue;
        }
        match carry_out(&entry.step, filter, slots) {
            Ok(()) => {}
            Err(errno) if entry.required => return Err(Failure { step: index, errno }),
            Err(errno) => {
                missing.layers |= bit;
                if missing.errno == 0 && bit != 0 {
                    missing.errno = errno.0;
                }
            }
        }
    }
    Ok(())
}

fn carry_out<S: AsRef<CStr>>(step: &Step<S>, filter: &[Instruction], slots: &mut Slots) -> Result<()> {
    match step {
        Step::Unshare(flags) => call::unshare(*flags),
        Step::MakeMountsPrivate => call::make_mounts_private(),
        Step::CloneTree { at, path, recursive, into } => {
            let tree = call::clone_tree(slots.get(*at), path.as_ref(), *recursive)?;
            slots.put(*into, tree);
            Ok(())
        }
        Step::SetAttributes { tree, attributes, recursive } => {
            call::set_mount_attributes(slots.get(*tree), *attributes, *recursive, None)
        }
        Step::MapIds { tree, map } => call::set_mount_attributes(slots.get(*tree), 0, false, Some(slots.get(*map))),
        Step::OpenFileSystem { kind, into } => {
            let context = call::open_file_system(kind.as_ref())?;
            slots.put(*into, context);
            Ok(())
        }
        Step::SetOption { context, key, value } => {
            call::set_file_system_option(slots.get(*context), key.as_ref(), value.as_ref())
        }
        Step::CreateMount { context, attributes, into } => {
            let tree = call::create_mount(slots.get(*context), *attributes)?;
            slots.close(*context);
            slots.put(*into, tree);
            Ok(())
        }
        Step::Attach { tree, at, path } => call::attach_mount(slots.get(*tree), slots.get(*at), path.as_ref()),
        Step::Close(slot) => {
            slots.close(*slot);
            Ok(())
        }
        Step::MakeDirectory { at, path, mode } => call::make_directory(slots.get(*at), path.as_ref(), *mode),
        Step::MakeFile { at, path, mode, content } => {
            let flags = libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW;
            call::write_file(slots.get(*at), path.as_ref(), flags, *mode, content.as_ref().to_bytes())
        }
        Step::MakeLink { at, target, path } => call::make_link(target.as_ref(), slots.get(*at), path.as_ref()),
        Step::ChangeOwner { at, path, uid, gid } => call::change_owner(slots.get(*at), path.as_ref(), *uid, *gid),
        Step::WriteFile { path, content } => {
            call::write_file(CURRENT_DIRECTORY, path.as_ref(), 0, 0, content.as_ref().to_bytes())
        }
        Step::OpenFile { at, path, flags, into } => {
            let fd = call::open(slots.get(*at), path.as_ref(), *flags, 0)?;
            slots.put(*into, fd);
            Ok(())
        }
        Step::EnterRoot(root) => call::enter_root(slots.get(*root)),
        Step::SetHostname(name) => call::set_hostname(name.as_ref()),
        Step::RaiseLoopback => call::raise_loopback(),
        Step::ChangeDirectory(path) => call::change_directory(path.as_ref()),
        Step::EnterDirectory(directory) => call::enter_directory(slots.get(*directory)),
        Step::SetLimit { resource, value } => call::set_limit(*resource, *value, *value),
        Step::ClearGroups => call::clear_groups(),
        Step::SetIds { uid, gid } => call::set_ids(*uid, *gid),
        Step::SetDumpable(dumpable) => call::set_dumpable(*dumpable),
        Step::KeepCapabilities(capabilities) => call::keep_capabilities(*capabilities),
        Step::DropBoundingSet => call::drop_bounding_set(),
        Step::ClearCapabilities => call::clear_capabilities(),
        Step::NoNewPrivileges => call::no_new_privileges(),
        Step::DieWithParent => call::die_with_parent(),
        Step::NewSession => call::new_session(),
        Step::NewKeyring => call::new_keyring(),
        Step::SetUmask(mask) => {
            call::set_umask(*mask);
            Ok(())
        }
        Step::CreateRuleset { files, scoped, into } => {
            let ruleset = call::create_ruleset(*files, *scoped)?;
            slots.put(*into, ruleset);
            Ok(())
        }
        Step::AddPathRule { ruleset, path, access } => call::add_path_rule(slots.get(*ruleset), path.as_ref(), *access),
        Step::RestrictSelf(ruleset) => {
            call::restrict_self(slots.get(*ruleset))?;
            slots.close(*ruleset);
            Ok(())
        }
        Step::InstallFilter => call::install_filter(filter),
    }
}

impl<S> Step<S> {
    /// The system call (or the last of several) behind a step, for messages to people.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Unshare(_) => "unshare",
            Self::MakeMountsPrivate => "mount(MS_PRIVATE)",
            Self::CloneTree { .. } => "open_tree",
            Self::SetAttributes { .. } => "mount_setattr",
            Self::MapIds { .. } => "mount_setattr(MOUNT_ATTR_IDMAP)",
            Self::OpenFileSystem { .. } => "fsopen",
            Self::SetOption { .. } => "fsconfig",
            Self::CreateMount { .. } => "fsmount",
            Self::Attach { .. } => "move_mount",
            Self::Close(_) => "close",
            Self::MakeDirectory { .. } => "mkdir",
            Self::MakeFile { .. } => "open",
            Self::MakeLink { .. } => "symlink",
            Self::ChangeOwner { .. } => "chown",
            Self::WriteFile { .. } => "write",
            Self::OpenFile { .. } => "open",
            Self::EnterRoot(_) => "pivot_root",
            Self::SetHostname(_) => "sethostname",
            Self::RaiseLoopback => "ioctl(SIOCSIFFLAGS)",
            Self::ChangeDirectory(_) => "chdir",
            Self::EnterDirectory(_) => "fchdir",
            Self::SetLimit { .. } => "setrlimit",
            Self::ClearGroups => "setgroups",
            Self::SetIds { .. } => "setresuid",
            Self::SetDumpable(_) => "prctl(PR_SET_DUMPABLE)",
            Self::KeepCapabilities(_) => "prctl(PR_CAP_AMBIENT)",
            Self::DropBoundingSet => "prctl(PR_CAPBSET_DROP)",
            Self::ClearCapabilities => "capset",
            Self::NoNewPrivileges => "prctl(PR_SET_NO_NEW_PRIVS)",
            Self::DieWithParent => "prctl(PR_SET_PDEATHSIG)",
            Self::NewSession => "setsid",
            Self::NewKeyring => "keyctl",
            Self::SetUmask(_) => "umask",
            Self::CreateRuleset { .. } => "landlock_create_ruleset",
            Self::AddPathRule { .. } => "landlock_add_rule",
            Self::RestrictSelf(_) => "landlock_restrict_self",
            Self::InstallFilter => "seccomp",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn impossible(layer: u8, required: bool) -> Entry<&'static CStr> {
        Entry { step: Step::ChangeDirectory(c"/nowhere/at/all"), layer, required }
    }

    #[test]
    fn what_a_failure_means_is_up_to_the_entry() {
        let gone = Errno(libc::ENOENT);
        let missing = |layers| Missing { layers, errno: if layers == 0 { 0 } else { gone.0 } };
        for (plan, outcome, expected) in [
            ([impossible(3, true), impossible(3, true)], Err(Failure { step: 0, errno: gone }), missing(0)),
            ([impossible(3, false), impossible(5, true)], Err(Failure { step: 1, errno: gone }), missing(1 << 3)),
            ([impossible(3, false), impossible(63, false)], Ok(()), missing(1 << 3 | 1 << 63)),
            ([impossible(NO_LAYER, false), impossible(NO_LAYER, false)], Ok(()), missing(0)),
        ] {
            let (mut slots, mut seen) = (Slots::EMPTY, Missing::default());
            assert_eq!(execute(&plan, &[], &mut slots, &mut seen), outcome);
            assert_eq!(seen, expected);
        }
    }
}
