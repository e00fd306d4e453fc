//! The server gives everything up, for good.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use belljar_sys::plan::{self, Entry, Missing, NO_LAYER, Slot, Slots, Step};
use belljar_sys::{SingleThreaded, call};

use super::{PrivilegeError, Standing};
use crate::prepare::landlock;
use crate::seccomp;

/// The only slot that the plan uses.
const RULESET: Slot = Slot(0);

/// What is left to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restriction {
    /// The user that it becomes; not 0.
    pub user: u32,
    /// The group that it becomes.
    pub group: u32,
    /// Directories beneath which it may do everything that this user may.
    pub write: Vec<PathBuf>,
    /// Files and directories beneath which it may read, besides `/proc`, `/sys` and `/dev`. One that is not there is left out.
    pub read: Vec<PathBuf>,
    /// Whether it executes programs, those beneath `read`.
    pub programs: bool,
    /// Whether it makes connections.
    pub connections: bool,
}

/// Does something with the rights that this user and group have on files, and not those of root: where strangers may have laid
/// anything, root must not walk. For root, in a process with a single thread.
///
/// # Errors
/// The ids cannot be taken on or, worse, off: the process must end then.
pub fn with_files_as<T>(user: u32, group: u32, work: impl FnOnce() -> T) -> Result<T, PrivilegeError> {
    let switch = |user, group| {
        SingleThreaded::check().and_then(|_| call::set_file_ids(user, group)).map_err(|errno| {
            let source = io::Error::from_raw_os_error(errno.0);
            PrivilegeError::Step { step: format!("using files as user {user}"), source }
        })
    };
    let (former_user, former_group) = switch(user, group)?;
    let done = work();
    switch(former_user, former_group)?;
    Ok(done)
}

/// Sets `HOME`, so that programs that are executed look for their settings where the user's are, and not root's. For a process with a
/// single thread.
///
/// # Errors
/// There are more threads, or there is no memory.
pub fn set_home(home: &Path) -> Result<(), PrivilegeError> {
    let failed = |source| PrivilegeError::Step { step: "setting HOME".to_owned(), source };
    let home = CString::new(home.as_os_str().as_bytes()).map_err(|error| failed(error.into()))?;
    let witness = SingleThreaded::check();
    let set = witness.and_then(|witness| belljar_sys::set_variable(witness, c"HOME", &home));
    set.map_err(|errno| failed(io::Error::from_raw_os_error(errno.0)))
}

/// Makes this process, which must have a single thread, a user without rights: no supplementary groups, no capabilities, now or by any
/// program that it executes, no memory that others of its user may look into, files only as the restriction says (Landlock, where the
/// kernel has it), and only system calls that a server needs. There is no way back. Returns what it is then, read from the kernel.
///
/// # Errors
/// A step failed, or something is left. The process is then somewhere in between, and must end.
pub fn restrict_self(restriction: &Restriction) -> Result<Standing, PrivilegeError> {
    let failed = |step: &str| {
        let step = step.to_owned();
        move |source: io::Error| PrivilegeError::Step { step, source }
    };
    // The calls below are about a thread.
    SingleThreaded::check().map_err(|errno| failed("looking for threads")(io::Error::from_raw_os_error(errno.0)))?;
    let filter = seccomp::compile(&seccomp::server(restriction.programs, restriction.connections)).instructions;
    let plan = plan_of(restriction, call::landlock_version())?;
    let done = plan::execute(&plan, &filter, &mut Slots::EMPTY.clone(), &mut Missing::default());
    done.map_err(|failure| {
        let step = usize::try_from(failure.step).ok().and_then(|step| plan.get(step));
        let name = step.map_or("unknown step", |entry| entry.step.name());
        failed(name)(io::Error::from_raw_os_error(failure.errno.0))
    })?;

    let standing = Standing::of_self().map_err(failed("reading /proc/self/status"))?;
    let nobody = (standing.user, standing.group) == (restriction.user, restriction.group)
        && standing.groups.is_empty()
        && standing.capabilities.is_empty()
        && standing.attainable.is_empty();
    if !nobody || !standing.no_new_privileges || !standing.filtered || call::set_ids(0, 0).is_ok() {
        return Err(PrivilegeError::Left(standing.to_string()));
    }
    Ok(standing)
}

fn plan_of(restriction: &Restriction, landlock_version: u32) -> Result<Vec<Entry<CString>>, PrivilegeError> {
    let mut plan = Vec::new();
    let mut add = |required, step| plan.push(Entry { step, layer: NO_LAYER, required });
    // While every path can be reached.
    if landlock_version > 0 {
        let (files, scoped) = landlock::handled(landlock_version);
        // Abstract sockets and signals of others are out of reach; what it has connected to before stays.
        add(true, Step::CreateRuleset { files, scoped, into: RULESET });
        let reading =
            landlock::READ_FILE | landlock::READ_DIR | if restriction.programs { landlock::EXECUTE } else { 0 };
        let kernel = [("/proc", 0), ("/sys", 0), ("/dev", landlock::WRITE_FILE | landlock::IOCTL_DEVICE)];
        let kernel = kernel.map(|(path, more)| (Path::new(path), landlock::READ_FILE | landlock::READ_DIR | more));
        let read = restriction.read.iter().map(|path| (path.as_path(), reading));
        let write = restriction.write.iter().map(|path| (path.as_path(), files));
        for (path, access) in kernel.into_iter().chain(read).chain(write) {
            let Ok(metadata) = path.metadata() else { continue };
            let access = access & files & if metadata.is_dir() { u64::MAX } else { landlock::FOR_FILES };
            let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| {
                let source = io::ErrorKind::InvalidInput.into();
                PrivilegeError::Step { step: format!("naming {}", path.display()), source }
            })?;
            add(true, Step::AddPathRule { ruleset: RULESET, path, access });
        }
    }
    // Nothing to leave behind where the kernel has no keys.
    add(false, Step::NewKeyring);
    add(true, Step::NoNewPrivileges);
    add(true, Step::ClearGroups);
    add(true, Step::DropBoundingSet);
    add(true, Step::SetIds { uid: restriction.user, gid: restriction.group });
    add(true, Step::ClearCapabilities);
    add(true, Step::SetDumpable(false));
    if landlock_version > 0 {
        add(true, Step::RestrictSelf(RULESET));
    }
    add(true, Step::InstallFilter);
    Ok(plan)
}
