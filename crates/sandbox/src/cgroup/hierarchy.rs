//! Where the groups of each controller are made.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::process::{getpid, getppid};

use super::owner::{Owner, OwnerDirectories};
use super::remove::clear;
use super::{CgroupError, Controller, GroupLimits, Version, make_directory, members, read, write};

/// The version 2 group that belljar moves itself into when its own has to become a parent of groups.
const SUPERVISOR: &str = "belljar-supervisor";

/// The place of one controller's groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) version: Version,
    /// The directory of the group that belljar was started in.
    pub(super) base: PathBuf,
}

/// The places of all controllers, as found at start.
#[derive(Debug, Clone)]
pub(crate) struct Hierarchies {
    places: BTreeMap<Controller, Result<Place, String>>,
    owner: Arc<OwnerDirectories>,
}

impl Hierarchies {
    /// Looks where this process is. Changes nothing; what cannot be found is an answer of [`Self::availability`].
    ///
    /// The process becomes the owner of the groups made with the result, so it has to be the one that lives as long as they.
    pub(crate) fn discover() -> Self {
        let found = || {
            let mountinfo = read(Path::new("/proc/self/mountinfo"))?;
            let membership = read(Path::new("/proc/self/cgroup"))?;
            let owner = Owner::current().map_err(CgroupError::system("read", Path::new("/proc/self/stat")))?;
            Ok::<_, CgroupError>((locate(&mountinfo, &membership), owner))
        };
        match found() {
            Ok((places, owner)) => Self::new(places, owner.directory_name()),
            Err(error) => {
                let places = Controller::ALL.map(|controller| (controller, Err(error.reason())));
                Self::new(places.into(), String::new())
            }
        }
    }

    pub(super) fn new(places: BTreeMap<Controller, Result<Place, String>>, owner: String) -> Self {
        let bases = places.values().flatten().map(|place| place.base.clone()).collect();
        Self { places, owner: Arc::new(OwnerDirectories::new(owner, bases)) }
    }

    /// Whether groups can be made for this controller, through which version, or why not. Changes nothing.
    ///
    /// # Errors
    ///
    /// The reason, in words for whoever sets the machine up.
    pub(crate) fn availability(&self, controller: Controller) -> Result<Version, String> {
        let place = self.place(controller)?;
        writable(&place.base)?;
        match (place.version, controller.name_v2()) {
            (Version::V2, Some(name)) => enabled_or_possible(&place.base, name)?,
            (Version::V2, None) | (Version::V1, _) => {}
        }
        Ok(place.version)
    }

    /// Makes ready what groups of these limits need above them, as far as it can be had, for processes that will have fewer rights
    /// than this one: the group that belljar is in may take them to change.
    pub(crate) fn prepare_for(&self, limits: &GroupLimits) {
        for controller in limits.controllers() {
            // Whoever makes a group is told what it lacks.
            let _ = self.prepare(controller);
        }
    }

    /// Kills what is in the groups of this owner, and removes them.
    pub(crate) fn clear(&self) {
        clear(self.owner.bases().iter().map(|base| base.join(self.owner.name())));
    }

    fn place(&self, controller: Controller) -> Result<&Place, String> {
        let missing = || Err(format!("no place is known for the {} controller", controller.name_v1()));
        self.places.get(&controller).map_or_else(missing, |place| place.as_ref().map_err(Clone::clone))
    }

    pub(super) const fn owner(&self) -> &Arc<OwnerDirectories> {
        &self.owner
    }

    /// Makes the directory that this owner's groups of this controller go into.
    ///
    /// In version 2 a controller works in a group only if all groups above hand it down, which a group that holds processes must
    /// not do (`cgroups(7)`, "no internal processes"). If ours holds nobody else, this process, and with it the one of belljar
    /// that started it, moves to a group beside its sandboxes.
    pub(super) fn prepare(&self, controller: Controller) -> Result<(Version, PathBuf), String> {
        let place = self.place(controller)?;
        let directory = place.base.join(self.owner.name());
        let mut prepared = self.owner.prepared();
        if !prepared.contains(&controller) {
            self.availability(controller)?;
            let v2_name = if place.version == Version::V2 { controller.name_v2() } else { None };
            let done = || {
                if let Some(name) = v2_name {
                    hand_down_from_own(&place.base, name)?;
                }
                make_directory(&directory)?;
                v2_name.map_or(Ok(()), |name| hand_down(&directory, name))
            };
            done().map_err(|error: CgroupError| error.reason())?;
            prepared.insert(controller);
        }
        Ok((place.version, directory))
    }
}

fn writable(path: &Path) -> Result<(), String> {
    accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS)
        .map_err(|error| format!("{} is not writable: {}", path.display(), std::io::Error::from(error)))
}

/// Whether a version 2 group hands this controller down to its children, or can be made to.
fn enabled_or_possible(base: &Path, name: &str) -> Result<(), String> {
    let lists = |file: &str| {
        let text = read(&base.join(file)).map_err(|error| error.reason())?;
        Ok::<_, String>(text.split_whitespace().any(|controller| controller == name))
    };
    if lists("cgroup.subtree_control")? {
        return Ok(());
    }
    if !lists("cgroup.controllers")? {
        return Err(format!(
            "the {name} controller is not delegated to {} (not in its cgroup.controllers)",
            base.display()
        ));
    }
    writable(&base.join("cgroup.subtree_control"))?;
    // The root of the whole hierarchy, which alone has no type, may hold processes and hand down.
    if !base.join("cgroup.type").exists() {
        return Ok(());
    }
    let own = own_processes();
    let others = members(base).map_err(|error| error.reason())?;
    let others = others.iter().filter(|pid| !own.contains(pid)).count();
    if others > 0 {
        return Err(format!(
            "the {name} controller is not handed down by {}, which cannot be changed while {others} other processes are in it; \
             start belljar in a group of its own, such as a systemd service or scope with Delegate=yes",
            base.display()
        ));
    }
    Ok(())
}

/// This process, and the one that started it if that is belljar too: a server or a command line with its launcher.
fn own_processes() -> Vec<i32> {
    let program = |process: &str| {
        let file = fs::metadata(format!("/proc/{process}/exe")).ok()?;
        Some((file.dev(), file.ino()))
    };
    let own = getpid().as_raw_nonzero().get();
    let parent = getppid().map(|pid| pid.as_raw_nonzero().get());
    let parent = parent.filter(|pid| program("self").is_some_and(|file| program(&pid.to_string()) == Some(file)));
    [own].into_iter().chain(parent).collect()
}

/// Makes a version 2 group hand a controller down to its children.
pub(super) fn hand_down(group: &Path, name: &str) -> Result<(), CgroupError> {
    write(&group.join("cgroup.subtree_control"), &format!("+{name}"))
}

/// The same for the group that this process is in, out of which belljar moves if it must.
fn hand_down_from_own(base: &Path, name: &str) -> Result<(), CgroupError> {
    match hand_down(base, name) {
        Err(CgroupError::System { source, .. }) if source.kind() == std::io::ErrorKind::ResourceBusy => {
            let leaf = base.join(SUPERVISOR);
            make_directory(&leaf)?;
            let inside = members(base)?;
            for pid in own_processes().iter().filter(|pid| inside.contains(pid)) {
                write(&leaf.join("cgroup.procs"), &pid.to_string())?;
            }
            tracing::info!(group = %leaf.display(), "moved belljar itself, so that its control group can hand controllers down");
            hand_down(base, name)
        }
        other => other,
    }
}

/// A mounted hierarchy.
struct Mount<'a> {
    /// The group that the mount shows at its top, as a path from the hierarchy's (or the namespace's) root.
    root: String,
    point: PathBuf,
    read_only: bool,
    version: Version,
    /// Options of the file system; for version 1 the controllers are among them.
    options: &'a str,
}

/// Finds the place of each controller in the texts of `/proc/self/mountinfo` (`proc_pid_mountinfo(5)`) and `/proc/self/cgroup`.
pub(super) fn locate(mountinfo: &str, membership: &str) -> BTreeMap<Controller, Result<Place, String>> {
    let mounts: Vec<_> = mountinfo.lines().filter_map(mount).collect();
    // `<number>:<controllers>:<path>`; version 2 is the line with no controllers.
    let groups: Vec<(&str, &str)> =
        membership.lines().filter_map(|line| line.split_once(':')?.1.split_once(':')).collect();
    Controller::ALL.map(|controller| (controller, place(controller, &mounts, &groups))).into()
}

fn place(controller: Controller, mounts: &[Mount<'_>], groups: &[(&str, &str)]) -> Result<Place, String> {
    let name = controller.name_v1();
    let lists = |text: &str| text.split(',').any(|word| word == name);
    let of = |version| {
        let mounts = mounts
            .iter()
            .filter(move |mount| mount.version == version && (version == Version::V2 || lists(mount.options)));
        let group = groups.iter().find(|(controllers, _)| match version {
            Version::V1 => lists(controllers),
            Version::V2 => controllers.is_empty(),
        });
        (mounts.collect::<Vec<_>>(), group.map(|(_, path)| *path))
    };
    // A controller that a version 1 hierarchy has is not in version 2, whatever is mounted there.
    for version in [Version::V1, Version::V2] {
        if let (mounts, Some(path)) = of(version)
            && !mounts.is_empty()
        {
            return Ok(Place { version, base: base(version, &mounts, path)? });
        }
    }
    Err(format!("no mounted control group hierarchy has the {name} controller"))
}

/// The directory of the group `path`, through whichever mount shows it and can be written to.
fn base(version: Version, mounts: &[&Mount<'_>], path: &str) -> Result<PathBuf, String> {
    if path.ends_with(" (deleted)") {
        return Err(format!("the control group of this process, {path}, has been removed"));
    }
    let mut reason = format!("the control group of this process, {path}, is outside of what is mounted");
    for mount in mounts {
        let Some(below) = below(path, &mount.root) else {
            continue;
        };
        if mount.read_only {
            reason = format!("{} is mounted read-only", mount.point.display());
            continue;
        }
        // Where an earlier call, of this process or of the one that started it, has moved us away from.
        let below = match below.strip_suffix(SUPERVISOR) {
            Some(above) if version == Version::V2 && (above.is_empty() || above.ends_with('/')) => {
                above.trim_end_matches('/')
            }
            _ => below,
        };
        return Ok(if below.is_empty() { mount.point.clone() } else { mount.point.join(below) });
    }
    Err(reason)
}

/// `path` as seen from `root`, without a leading slash; none when it is not below. A path through `..` lies outside of the
/// control group namespace.
fn below<'a>(path: &'a str, root: &str) -> Option<&'a str> {
    let below = path.strip_prefix(root.trim_end_matches('/'))?;
    if below.split('/').any(|component| component == "..") {
        return None;
    }
    if below.is_empty() { Some(below) } else { below.strip_prefix('/') }
}

/// Reads a line of mountinfo, if it is a control group hierarchy.
fn mount(line: &str) -> Option<Mount<'_>> {
    let (place, kind) = line.split_once(" - ")?;
    let mut kind = kind.split(' ');
    let version = match kind.next()? {
        "cgroup" => Version::V1,
        "cgroup2" => Version::V2,
        _ => return None,
    };
    let options = kind.nth(1)?;
    let mut place = place.split(' ').skip(3);
    let (root, point, flags) = (place.next()?, place.next()?, place.next()?);
    let read_only = [flags, options].iter().any(|list| list.split(',').any(|word| word == "ro"));
    Some(Mount { root: unescape(root), point: unescape(point).into(), read_only, version, options })
}

/// Undoes the octal escapes of space, tab, newline and backslash.
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_owned(), |text, (escape, character)| text.replace(escape, character))
}

/// The directories directly below `base` that belong to owners, with them.
pub(super) fn owner_directories(base: &Path) -> Result<Vec<(Owner, PathBuf)>, CgroupError> {
    let entries = fs::read_dir(base).map_err(CgroupError::system("list", base))?;
    let owned = entries.flatten().filter_map(|entry| {
        let owner = Owner::of_directory(entry.file_name().to_str()?)?;
        Some((owner, entry.path()))
    });
    Ok(owned.collect())
}
