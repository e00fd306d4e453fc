//! From a [`Policy`] to plans: everything about a sandbox that can be decided before its first process exists.
//!
//! The order of a plan is typed: each stage consumes the one before it, so that a step cannot be prepared for a moment at which the
//! kernel would refuse it or, worse, at which it would be too late.

mod bridge;
mod confinement;
mod host;
pub(crate) mod landlock;
mod root;
mod warm;
mod world;

use std::ffi::CString;
use std::path::{Component, Path};

use belljar_sys::call::Endpoint;
use belljar_sys::plan::{Entry, NO_LAYER, Slot, Step};
use belljar_sys::seccomp::Instruction;

use crate::error::SandboxError;
use crate::layer::{Layer, Strictness};
use crate::machine::Machine;
use crate::policy::{Access, Network, Policy, Reuse};
use crate::seccomp;

pub(crate) use root::Source;

/// The slots that more than one plan uses.
pub(crate) mod slot {
    use belljar_sys::plan::Slot;

    /// The mount that becomes the root directory.
    pub(crate) const ROOT: Slot = Slot(0);
    /// A file system that is being configured.
    pub(crate) const CONTEXT: Slot = Slot(1);
    /// A mount on its way to its place.
    pub(crate) const TREE: Slot = Slot(2);
    /// The writable layer.
    pub(crate) const LAYER: Slot = Slot(3);
    /// `/proc/sys/kernel/ns_last_pid`.
    pub(crate) const LAST_PID: Slot = Slot(4);
    /// A Landlock ruleset.
    pub(crate) const RULESET: Slot = Slot(5);
    /// A `/proc`, for the init only.
    pub(crate) const PROC: Slot = Slot(6);
    /// The file system of message queues.
    pub(crate) const QUEUES: Slot = Slot(7);
    /// The first of the slots for trees of the host, one each.
    pub(crate) const FIRST_SOURCE: u8 = 8;
}

/// The plans of one policy on one machine.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// `CLONE_NEW*`.
    pub(crate) namespaces: u64,
    /// See [`belljar_sys::init::Setup`].
    pub(crate) init: Vec<Entry<CString>>,
    /// See [`belljar_sys::init::Setup`].
    pub(crate) layer: Vec<Entry<CString>>,
    /// See [`belljar_sys::init::Setup`].
    pub(crate) world: Vec<Entry<CString>>,
    /// See [`belljar_sys::init::Setup`].
    pub(crate) drop: Vec<Entry<CString>>,
    /// See [`belljar_sys::init::Setup`].
    pub(crate) filter: Vec<Instruction>,
    /// See [`belljar_sys::init::Setup`].
    pub(crate) warm: Option<warm::WarmPlan>,
    /// See [`belljar_sys::init::Setup`].
    pub(crate) listen: Vec<Endpoint>,
    /// See [`belljar_sys::init::Setup`].
    pub(crate) watch: Vec<Instruction>,
    /// See [`belljar_sys::init::Setup`].
    pub(crate) watched: Vec<CString>,
    /// Trees of the host that the owner must open itself, because only it may: slot and source.
    pub(crate) sources: Vec<Source>,
}

impl Prepared {
    /// Prepares a policy.
    ///
    /// # Errors
    /// [`SandboxError::Policy`] when the policy contradicts itself or names what does not exist.
    pub(crate) fn new(policy: &Policy, machine: &Machine, reuse: Reuse) -> Result<Self, SandboxError> {
        refuse_without_walls(policy)?;
        let listen = bridge::endpoints(policy)?;
        let sources = root::Sources::collect(policy, machine)?;
        let (to_open, mut root) = root::Root::build(policy, machine, sources)?;
        let filter = if policy.strictness(Layer::Seccomp) == Strictness::Off {
            Vec::new()
        } else {
            let has = |access| policy.mounts.iter().any(|mount| mount.access == access);
            let mut filter = match (has(Access::Layer), has(Access::ReadWrite)) {
                (true, _) => seccomp::for_layers(),
                (false, true) => seccomp::without_set_id(),
                (false, false) => seccomp::standard(),
            };
            if policy.network != Network::Host {
                seccomp::refuse_groups(&mut filter);
            }
            seccomp::compile(&filter).instructions
        };
        let namespaces = namespaces(policy);
        let drop = confinement::confine_spawner(policy, machine)?;
        let warm = warm::prepare(policy, machine, namespaces, &drop, &filter, &mut root)?;
        let init = confinement::confine_init(root.enter(), policy);
        let watches = reuse == Reuse::AfterReset && !filter.is_empty();
        let (watch, watched) = if watches {
            (seccomp::compile(&seccomp::watch()).instructions, world::watched(policy)?)
        } else {
            (Vec::new(), Vec::new())
        };
        Ok(Self {
            namespaces,
            init,
            layer: world::layer(policy, machine)?,
            world: world::world(policy, reuse)?,
            drop,
            filter,
            warm,
            listen,
            watch,
            watched,
            sources: to_open,
        })
    }

    /// The system call behind a step that failed, for people.
    pub(crate) fn step_name(&self, phase: u32, step: u32) -> String {
        use belljar_sys::init::phase;
        let (name, plan) = match phase {
            phase::INIT => ("root directory", &self.init),
            phase::LAYER => ("writable layer", &self.layer),
            phase::WORLD => ("mounts of the run", &self.world),
            phase::DROP => ("giving up privileges", &self.drop),
            _ => return format!("process set-up ({step})"),
        };
        match usize::try_from(step).ok().and_then(|step| plan.get(step)) {
            Some(entry) => format!("{name}: {} ({})", entry.step.name(), describe(&entry.step)),
            None => name.to_owned(),
        }
    }
}

/// Without one of these the steps that follow would not stay inside: mounts would change the host's tree, and the init, which
/// kills whatever it can reach after each run, would reach the host's processes.
fn refuse_without_walls(policy: &Policy) -> Result<(), SandboxError> {
    let walls = [Layer::UserNamespace, Layer::PidNamespace, Layer::MountNamespace];
    match walls.into_iter().find(|layer| policy.strictness(*layer) == Strictness::Off) {
        Some(layer) => Err(SandboxError::Policy(format!("the layer '{}' cannot be switched off", layer.name()))),
        None => Ok(()),
    }
}

fn describe(step: &Step<CString>) -> String {
    match step {
        Step::CloneTree { path, .. }
        | Step::Attach { path, .. }
        | Step::MakeDirectory { path, .. }
        | Step::MakeFile { path, .. }
        | Step::MakeLink { path, .. }
        | Step::WriteFile { path, .. }
        | Step::OpenFile { path, .. }
        | Step::ChangeOwner { path, .. }
        | Step::ChangeDirectory(path)
        | Step::AddPathRule { path, .. } => path.to_string_lossy().into_owned(),
        Step::OpenFileSystem { kind, .. } => kind.to_string_lossy().into_owned(),
        Step::SetOption { key, value, .. } => {
            format!("{}={}", key.to_string_lossy(), value.to_string_lossy())
        }
        Step::SetLimit { resource, value } => format!("{resource}={value}"),
        _ => "-".to_owned(),
    }
}

fn namespaces(policy: &Policy) -> u64 {
    let mut flags = 0;
    let all = [
        (Layer::UserNamespace, libc::CLONE_NEWUSER),
        (Layer::PidNamespace, libc::CLONE_NEWPID),
        (Layer::MountNamespace, libc::CLONE_NEWNS),
        (Layer::IpcNamespace, libc::CLONE_NEWIPC),
        (Layer::UtsNamespace, libc::CLONE_NEWUTS),
    ];
    for (layer, flag) in all {
        if policy.strictness(layer) != Strictness::Off {
            flags |= flag;
        }
    }
    if policy.network != Network::Host && policy.strictness(Layer::NetworkNamespace) != Strictness::Off {
        flags |= libc::CLONE_NEWNET;
    }
    u64::from(flags.unsigned_abs())
}

/// Steps of one plan, in order.
#[derive(Debug, Default)]
struct Steps(Vec<Entry<CString>>);

impl Steps {
    /// Adds a step of a layer, as strict as the policy says; none when it is off.
    fn layer(&mut self, policy: &Policy, layer: Layer, step: Step<CString>) {
        match policy.strictness(layer) {
            Strictness::Off => {}
            strictness => self.push(layer, strictness == Strictness::Required, step),
        }
    }

    fn push(&mut self, layer: Layer, required: bool, step: Step<CString>) {
        self.0.push(Entry { step, layer: layer as u8, required });
    }

    /// A step without which there is no root directory.
    fn root(&mut self, step: Step<CString>) {
        self.push(Layer::MountNamespace, true, step);
    }

    /// A step that is worth a try.
    fn attempt(&mut self, step: Step<CString>) {
        self.0.push(Entry { step, layer: NO_LAYER, required: false });
    }

    /// A new file system, configured and mounted, detached.
    fn file_system(
        &mut self,
        layer: (Layer, bool),
        kind: &str,
        options: &[(&str, String)],
        attributes: u64,
        into: Slot,
    ) -> Result<(), SandboxError> {
        for step in file_system(kind, options, attributes, into)? {
            self.push(layer.0, layer.1, step);
        }
        Ok(())
    }
}

/// The steps that make a new file system, detached.
fn file_system(
    kind: &str,
    options: &[(&str, String)],
    attributes: u64,
    into: Slot,
) -> Result<Vec<Step<CString>>, SandboxError> {
    let mut steps = vec![
        Step::OpenFileSystem { kind: text(kind)?, into: slot::CONTEXT },
        // What `df` and `mount` print as the device.
        Step::SetOption { context: slot::CONTEXT, key: text("source")?, value: text(kind)? },
    ];
    for (key, value) in options {
        steps.push(Step::SetOption { context: slot::CONTEXT, key: text(*key)?, value: text(value.as_str())? });
    }
    steps.push(Step::CreateMount { context: slot::CONTEXT, attributes, into });
    Ok(steps)
}

fn text(string: impl Into<Vec<u8>>) -> Result<CString, SandboxError> {
    CString::new(string).map_err(|_| SandboxError::Policy("a path or name holds a zero byte".to_owned()))
}

fn path_text(path: &Path) -> Result<CString, SandboxError> {
    use std::os::unix::ffi::OsStrExt;
    text(path.as_os_str().as_bytes())
}

/// The names of an absolute path without `.` and `..`.
///
/// # Errors
/// [`SandboxError::Policy`] when it is not one.
fn inside(path: &Path) -> Result<Vec<&std::ffi::OsStr>, SandboxError> {
    let mut names = Vec::new();
    let refused = || SandboxError::Policy(format!("'{}' is not an absolute path without '..'", path.display()));
    if !path.is_absolute() {
        return Err(refused());
    }
    for component in path.components() {
        match component {
            Component::RootDir => {}
            Component::Normal(name) => names.push(name),
            Component::CurDir | Component::ParentDir | Component::Prefix(_) => {
                return Err(refused());
            }
        }
    }
    if names.is_empty() {
        return Err(SandboxError::Policy("'/' cannot be covered by a mount".to_owned()));
    }
    Ok(names)
}
