//! The root directory: which trees of the host are opened, and how they are put together.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use belljar_sys::plan::{Entry, SLOTS, Slot, Step};

use super::host::Shown;
use super::{Steps, host, inside, path_text, slot, text};
use crate::error::SandboxError;
use crate::layer::{Layer, Strictness};
use crate::machine::Machine;
use crate::policy::{Access, MAX_LAYERS, Network, Policy, Rootfs, User};

/// Read-only, no setuid, no devices: what every tree of the host is shown with.
const PLAIN: u64 = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
/// For device nodes: of the three only the first and second make sense.
const DEVICE: u64 = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC;
/// Terminals of a sandbox at the same time. All sandboxes share those of the host (`kernel.pty.max`, 4,096), which one program could
/// hold.
const TERMINALS: u32 = 32;
/// The place inside where a policy's mounts wait until a run puts them where they belong. Covered by then.
pub(super) const WAITING: &str = "tmp";
/// A directory that every host has, and that is no longer needed when a root directory is put together.
const ASIDE: &str = "/dev";

/// A tree of the host that the owner opens, because the sandbox's own processes could not read their way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// Where its descriptor goes.
    pub(crate) slot: Slot,
    /// The path on the host.
    pub(crate) path: PathBuf,
    /// `MOUNT_ATTR_*`.
    pub(crate) attributes: u64,
    /// The owner of the directory on the host, whose files shall belong to somebody inside.
    pub(crate) owner: (u32, u32),
    /// Whom they belong to inside.
    pub(crate) shown_as: User,
}

/// A tree and where it goes below the root.
#[derive(Debug)]
struct Tree {
    slot: Slot,
    source: PathBuf,
    target: String,
    attributes: u64,
    recursive: bool,
    directory: bool,
    /// Opened by the owner rather than by the init, and shown as the files of this user.
    by_owner: Option<User>,
    /// A layer of the root directory: beneath it, rather than on it.
    layer: bool,
}

/// First stage: the trees of the host are opened while paths still mean the host's, and while we still are the host's user.
#[derive(Debug)]
pub(super) struct Sources {
    trees: Vec<Tree>,
    links: Vec<(String, PathBuf)>,
    copies: Vec<(String, String)>,
}

impl Sources {
    pub(super) fn collect(policy: &Policy, machine: &Machine) -> Result<Self, SandboxError> {
        let mut sources = Self { trees: Vec::new(), links: Vec::new(), copies: Vec::new() };
        match &policy.rootfs {
            Rootfs::Host => {
                for name in host::PROGRAMS {
                    let path = Path::new("/").join(name);
                    match path.read_link() {
                        Ok(target) => sources.links.push(((*name).to_owned(), target)),
                        Err(_) if path.is_dir() => sources.add(&path, name, PLAIN, true)?,
                        Err(_) => {}
                    }
                }
                let resolver = if policy.network == Network::Host { host::RESOLVER } else { &[] };
                for name in host::SHARED.iter().chain(resolver) {
                    let path = Path::new("/").join(name);
                    match host::show(&path) {
                        Some(Shown::Link(target)) => sources.links.push(((*name).to_owned(), target)),
                        Some(Shown::Copy(text)) => sources.copies.push(((*name).to_owned(), text)),
                        Some(Shown::Mount) => sources.add(&path, name, PLAIN, false)?,
                        None => {}
                    }
                }
            }
            Rootfs::Directory(directory) => {
                // The one layer below ours; its files belong to whom they belong.
                let is_directory = directory.metadata().map(|metadata| metadata.is_dir());
                if let Err(error) =
                    is_directory.and_then(|is| if is { Ok(()) } else { Err(ErrorKind::NotADirectory.into()) })
                {
                    let problem = format!("rootfs 'dir:{}': {error}", directory.display());
                    return Err(SandboxError::Policy(problem));
                }
                sources.add(directory, &layer_place(0), PLAIN, false)?;
                if let Some(tree) = sources.trees.last_mut() {
                    tree.layer = true;
                }
            }
            Rootfs::Layers(layers) => {
                if layers.len() > MAX_LAYERS {
                    return Err(SandboxError::Policy(format!("an image of more than {MAX_LAYERS} layers")));
                }
                for (index, layer) in layers.iter().enumerate() {
                    sources.add(layer, &layer_place(index), PLAIN, false)?;
                    if let Some(tree) = sources.trees.last_mut() {
                        tree.layer = true;
                        tree.by_owner = machine.privileged.then_some(User::ROOT);
                    }
                }
                if policy.network == Network::Host && !layers.is_empty() {
                    for name in host::RESOLVER {
                        if let Ok(text) = std::fs::read_to_string(Path::new("/").join(name)) {
                            sources.copies.push(((*name).to_owned(), text));
                        }
                    }
                }
            }
        }
        for name in host::DEVICES {
            sources.add(&Path::new("/dev").join(name), &format!("dev/{name}"), DEVICE, false)?;
        }
        for (index, mount) in policy.mounts.iter().enumerate() {
            inside(&mount.target)?;
            if mount.access == Access::CopyOnWrite && !mount.source.is_dir() {
                let path = mount.source.display();
                return Err(SandboxError::Policy(format!(
                    "'{path}' is no directory: only directories can be copied on write"
                )));
            }
            let writable = matches!(mount.access, Access::ReadWrite | Access::Layer);
            let attributes = if writable { PLAIN & !libc::MOUNT_ATTR_RDONLY } else { PLAIN };
            sources.add(&mount.source, &format!("{WAITING}/mount{index}"), attributes, true)?;
            if let Some(tree) = sources.trees.last_mut() {
                tree.by_owner = machine.privileged.then_some(policy.user);
            }
        }
        Ok(sources)
    }

    fn add(&mut self, source: &Path, target: &str, attributes: u64, recursive: bool) -> Result<(), SandboxError> {
        let slot = usize::from(slot::FIRST_SOURCE) + self.trees.len();
        let slot = u8::try_from(slot).ok().filter(|slot| usize::from(*slot) < SLOTS);
        let slot = slot.ok_or_else(|| SandboxError::Policy("too many mounts".to_owned()))?;
        let metadata = source
            .metadata()
            .map_err(|error| SandboxError::Policy(format!("cannot show '{}' inside: {error}", source.display())))?;
        self.trees.push(Tree {
            slot: Slot(slot),
            source: source.to_owned(),
            target: target.to_owned(),
            attributes,
            recursive,
            directory: metadata.is_dir(),
            by_owner: None,
            layer: false,
        });
        Ok(())
    }
}

/// Second stage: the new root directory is put together.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) steps: Steps,
}

impl Root {
    pub(super) fn build(
        policy: &Policy,
        machine: &Machine,
        sources: Sources,
    ) -> Result<(Vec<Source>, Self), SandboxError> {
        let mut root = Self { steps: Steps::default() };
        let steps = &mut root.steps;
        if machine.time_namespace {
            // For the children of the init, which are all that is run: its offsets must be written before the first is there,
            // and while `/proc` is the host's.
            steps.layer(policy, Layer::TimeNamespace, Step::Unshare(libc::CLONE_NEWTIME));
            let (path, content) = (text("/proc/self/timens_offsets")?, text(host::clock_offsets())?);
            steps.layer(policy, Layer::TimeNamespace, Step::WriteFile { path, content });
        }
        steps.root(Step::MakeMountsPrivate);
        for tree in &sources.trees {
            let path = path_text(&tree.source)?;
            let (recursive, into) = (tree.recursive, tree.slot);
            if tree.by_owner.is_none() {
                steps.root(Step::CloneTree { at: Slot::CURRENT, path, recursive, into });
                let (attributes, tree) = (tree.attributes, tree.slot);
                steps.root(Step::SetAttributes { tree, attributes, recursive });
            }
        }
        steps.layer(policy, Layer::CgroupNamespace, Step::Unshare(libc::CLONE_NEWCGROUP));
        if machine.privileged {
            // Root of the sandbox, nobody on the host. Before the first file is made: the host's user has no number in here.
            steps.push(Layer::UserNamespace, true, Step::ClearGroups);
            steps.push(Layer::UserNamespace, true, Step::SetIds { uid: 0, gid: 0 });
        }
        // The sandbox's own limit, of its user namespace: the kernel charges the maker of the sandbox as well, who has 128 by default for
        // everything, so that one sandbox must not be able to hold them all. The file is the namespace's of whoever opens it.
        let (path, content) = (text("/proc/sys/user/max_inotify_instances")?, text("32")?);
        steps.attempt(Step::WriteFile { path, content });
        let options = [("mode", "0755".to_owned()), ("size", "1m".to_owned()), ("nr_inodes", "2048".to_owned())];
        let attributes = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
        steps.file_system((Layer::MountNamespace, true), "tmpfs", &options, attributes, slot::ROOT)?;
        // Directly on the host's root, and nothing else there: letting go of that lets go of what is topmost on it. Under layers
        // this is not the root yet.
        let place = if sources.trees.iter().any(|tree| tree.layer) { ASIDE } else { "/" };
        steps.root(Step::Attach { tree: slot::ROOT, at: Slot::CURRENT, path: text(place)? });

        let mut tree = Directories { steps, made: BTreeSet::new() };
        for directory in
            ["tmp", "var/tmp", "run", "dev/pts", "dev/shm", "dev/mqueue", "proc", "etc", "mnt", "opt", "srv"]
        {
            tree.make(directory)?;
        }
        tree.make(relative(&policy.work_directory)?)?;
        tree.make("root")?;
        for mount in &policy.mounts {
            let target = relative(&mount.target)?;
            if super::world::in_layer(policy, &mount.target).is_none() {
                if mount.source.is_dir() { tree.make(target)? } else { tree.make_file(target, "")? }
            }
        }
        if let Rootfs::Layers(layers) = &policy.rootfs
            && !layers.is_empty()
        {
            for (name, content) in host::made_up(policy) {
                // Its own users stay; what the machine is called is ours.
                if matches!(name, "etc/hostname" | "etc/hosts") {
                    tree.make_file(name, &content)?;
                }
            }
        }
        if super::bridge::covers_hosts(policy) {
            tree.make_file("etc/hosts", &super::bridge::hosts(policy))?;
        }
        if policy.rootfs == Rootfs::Host {
            for (name, content) in host::made_up(policy) {
                tree.make_file(name, &content)?;
            }
            tree.steps.root(Step::MakeLink {
                at: slot::ROOT,
                target: text("../proc/self/mounts")?,
                path: text("etc/mtab")?,
            });
        }
        for (name, content) in &sources.copies {
            tree.make_file(name, content)?;
        }
        for (name, target) in &sources.links {
            tree.make_parent(name)?;
            tree.made.insert(name.clone());
            let path = text(name.as_str())?;
            tree.steps.root(Step::MakeLink { at: slot::ROOT, target: path_text(target)?, path });
        }
        for (name, target) in host::DEVICE_LINKS {
            let path = text(format!("dev/{name}"))?;
            tree.steps.root(Step::MakeLink { at: slot::ROOT, target: text(*target)?, path });
        }
        let (layers, others): (Vec<_>, Vec<_>) = sources.trees.iter().partition(|tree| tree.layer);
        for place in &others {
            if place.directory { tree.make(&place.target)? } else { tree.make_file(&place.target, "")? }
        }
        for layer in &layers {
            tree.make(&layer.target)?;
        }
        root.put_over(&layers)?;
        for place in others {
            let path = text(place.target.as_str())?;
            root.steps.root(Step::Attach { tree: place.slot, at: slot::ROOT, path });
            root.steps.root(Step::Close(place.slot));
        }
        root.mount_kernel_file_systems(policy, machine)?;
        let opened = sources.trees.into_iter().filter_map(|tree| {
            let shown_as = tree.by_owner?;
            let owner = tree.source.metadata().map_or((0, 0), |metadata| (metadata.uid(), metadata.gid()));
            Some(Source { slot: tree.slot, path: tree.source, attributes: tree.attributes, owner, shown_as })
        });
        Ok((opened.collect(), root))
    }

    /// What was made up to now becomes the topmost layer: all places that something is mounted at are directories and files of
    /// ours, whatever links the layers below have under their names.
    fn put_over(&mut self, layers: &[&Tree]) -> Result<(), SandboxError> {
        if layers.is_empty() {
            return Ok(());
        }
        let steps = &mut self.steps;
        for layer in layers {
            let path = text(layer.target.as_str())?;
            steps.root(Step::Attach { tree: layer.slot, at: slot::ROOT, path });
            steps.root(Step::Close(layer.slot));
        }
        // overlayfs takes its layers by name, the topmost first.
        let flags = libc::O_PATH | libc::O_DIRECTORY;
        steps.root(Step::OpenFile { at: slot::ROOT, path: text(WAITING)?, flags, into: slot::TREE });
        steps.root(Step::EnterDirectory(slot::TREE));
        let below: String = (0..layers.len()).rev().map(|index| format!(":{}", layer_letter(index))).collect();
        let options = [("lowerdir", format!("..{below}")), ("userxattr", String::new())];
        let attributes = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;
        steps.file_system((Layer::MountNamespace, true), "overlay", &options, attributes, slot::ROOT)?;
        steps.root(Step::Attach { tree: slot::ROOT, at: Slot::CURRENT, path: text("/")? });
        Ok(())
    }

    fn mount_kernel_file_systems(&mut self, policy: &Policy, machine: &Machine) -> Result<(), SandboxError> {
        let steps = &mut self.steps;
        let closed = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;
        // The terminal file system is its own device directory: devices must work in it.
        let terminals = [
            ("newinstance", String::new()),
            ("ptmxmode", "0666".to_owned()),
            ("mode", "0620".to_owned()),
            ("max", TERMINALS.to_string()),
        ];
        let no_devices = libc::MOUNT_ATTR_NODEV;
        steps.file_system((Layer::MountNamespace, true), "devpts", &terminals, closed & !no_devices, slot::TREE)?;
        steps.root(Step::Attach { tree: slot::TREE, at: slot::ROOT, path: text("dev/pts")? });

        let layer = Layer::PrivateProc;
        let strictness = policy.strictness(layer);
        let required = strictness == Strictness::Required;
        let flags = libc::O_PATH | libc::O_DIRECTORY;
        if !required {
            // The init keeps a run's namespaces by files of /proc. It may have to do with the one of the host, which nobody but
            // it can reach.
            let path = text("/proc")?;
            steps.root(Step::OpenFile { at: Slot::CURRENT, path, flags, into: slot::PROC });
        }
        if strictness == Strictness::Off {
            return Ok(());
        }
        // Processes of other users, ours among them, do not show (proc(5), since Linux 5.8 for each mount by itself).
        let options = [("hidepid", "invisible".to_owned())];
        steps.file_system((layer, required), "proc", &options, closed, slot::TREE)?;
        if machine.last_pid {
            let (path, flags) = (text("sys/kernel/ns_last_pid")?, libc::O_RDWR);
            steps.push(layer, required, Step::OpenFile { at: slot::TREE, path, flags, into: slot::LAST_PID });
        }
        let mut add = |step| steps.push(layer, required, step);
        add(Step::Attach { tree: slot::TREE, at: slot::ROOT, path: text("proc")? });
        if required {
            add(Step::OpenFile { at: slot::ROOT, path: text("proc")?, flags, into: slot::PROC });
        }
        let as_root = !machine.privileged && rustix::process::geteuid().is_root();
        let mut cover = |from: String, name: &str, attributes: u64| {
            let path = text(format!("proc/{name}"))?;
            add(Step::CloneTree { at: slot::ROOT, path: text(from)?, recursive: false, into: slot::TREE });
            add(Step::SetAttributes { tree: slot::TREE, attributes, recursive: false });
            add(Step::Attach { tree: slot::TREE, at: slot::ROOT, path });
            Ok::<_, SandboxError>(())
        };
        for name in host::read_only(as_root) {
            cover(format!("proc/{name}"), name, closed | libc::MOUNT_ATTR_RDONLY)?;
        }
        for name in host::masked_files(as_root) {
            cover("dev/null".to_owned(), name, DEVICE)?;
        }
        for name in host::MASKED_DIRECTORIES.iter().filter(|name| host::exists(&format!("proc/{name}"))) {
            cover("mnt".to_owned(), name, closed | libc::MOUNT_ATTR_RDONLY)?;
        }
        Ok(())
    }

    /// Third stage: the new root is entered and sealed; the host is out of reach from here on.
    pub(super) fn enter(self) -> Entered {
        let mut steps = self.steps;
        steps.root(Step::EnterRoot(slot::ROOT));
        steps.root(Step::SetAttributes { tree: slot::ROOT, attributes: libc::MOUNT_ATTR_RDONLY, recursive: false });
        for slot in [slot::ROOT, slot::TREE] {
            steps.root(Step::Close(slot));
        }
        Entered { steps: steps.0 }
    }
}

/// A plan whose root directory has been entered.
#[derive(Debug)]
pub(super) struct Entered {
    pub(super) steps: Vec<Entry<CString>>,
}

/// Makes directories below the root, each once.
struct Directories<'a> {
    steps: &'a mut Steps,
    made: BTreeSet<String>,
}

impl Directories<'_> {
    fn make(&mut self, path: &str) -> Result<(), SandboxError> {
        let mut so_far = String::new();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            if !so_far.is_empty() {
                so_far.push('/');
            }
            so_far.push_str(name);
            // A rootfs directory or a link of this name holds the rest already.
            if self.made.insert(so_far.clone()) {
                let mode = 0o755;
                self.steps.root(Step::MakeDirectory { at: slot::ROOT, path: text(so_far.as_str())?, mode });
            }
        }
        Ok(())
    }

    fn make_parent(&mut self, path: &str) -> Result<(), SandboxError> {
        path.rsplit_once('/').map_or(Ok(()), |(directory, _)| self.make(directory))
    }

    fn make_file(&mut self, path: &str, content: &str) -> Result<(), SandboxError> {
        self.make_parent(path)?;
        if self.made.insert(path.to_owned()) {
            let (path, content) = (text(path)?, text(content)?);
            self.steps.root(Step::MakeFile { at: slot::ROOT, path, mode: 0o644, content });
        }
        Ok(())
    }
}

/// Where a layer waits for the root directory to be made of it.
fn layer_place(index: usize) -> String {
    format!("{WAITING}/{}", layer_letter(index))
}

/// The name of a layer: a single letter, because all of them go into one option.
fn layer_letter(index: usize) -> char {
    const LETTERS: &[u8; MAX_LAYERS] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    char::from(LETTERS[index % MAX_LAYERS])
}

/// An absolute path as text without its first slash.
pub(super) fn relative(path: &Path) -> Result<&str, SandboxError> {
    inside(path)?;
    let bytes = path.as_os_str().as_bytes();
    let text =
        std::str::from_utf8(bytes).map_err(|_| SandboxError::Policy(format!("'{}' is not UTF-8", path.display())))?;
    Ok(text.trim_start_matches('/').trim_end_matches('/'))
}
