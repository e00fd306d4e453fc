//! A small world for the attacks: namespaces and control groups in which there is nothing but they.
//!
//! What else goes on on the machine does not disturb the comparison of before and after, an attack that succeeds finds a copy of
//! `/etc` and an empty `/tmp` rather than the developer's, and no packet leaves, because there is no network but a loopback.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::RunOptions;
use super::header::Attack;

/// Where the stage is inside.
pub(crate) const STAGE: &str = "/tmp";
/// Where the programs are inside, and inside of sandboxes of `belljar run`.
pub(crate) const PROGRAMS: &str = "/mnt/attacks";
/// What the directories of our control groups begin with.
const GROUP: &str = "belljar-attack-";
/// Controllers that belljar uses, by their names in version 1.
const CONTROLLERS: [&str; 5] = ["memory", "pids", "cpu", "cpuacct", "blkio"];

/// What is done inside.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Orders {
    pub(crate) attacks: Vec<Attack>,
    pub(crate) options: RunOptions,
    /// Directories of control groups that belong to this world alone.
    pub(crate) groups: Vec<PathBuf>,
}

/// A directory with all that is needed inside; gone with its handle, as are the control groups.
#[derive(Debug)]
pub(crate) struct Stage {
    directory: tempfile::TempDir,
    groups: Vec<Group>,
}

/// A control group of ours.
#[derive(Debug)]
struct Group {
    /// Where its hierarchy is mounted.
    mount: PathBuf,
    path: PathBuf,
}

impl Stage {
    /// Prepares everything.
    ///
    /// # Errors
    ///
    /// A program does not compile, or there is no room.
    pub(crate) fn prepare(attacks: Vec<Attack>, options: RunOptions, belljar: &Path, library: &Path) -> Result<Self> {
        let directory =
            tempfile::Builder::new().prefix("belljar-attack-").tempdir().context("cannot make a directory")?;
        let at = |name: &str| directory.path().join(name);
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o1777))?;
        for (name, mode) in [("bin", 0o755), ("programs", 0o755), ("var-tmp", 0o1777), ("work", 0o1777)] {
            fs::create_dir(at(name))?;
            fs::set_permissions(at(name), fs::Permissions::from_mode(mode))?;
        }
        fs::copy(belljar, at("bin/belljar")).with_context(|| format!("cannot copy {}", belljar.display()))?;
        fs::copy(std::env::current_exe()?, at("bin/xtask")).context("cannot copy this program")?;
        for name in ["bin/belljar", "bin/xtask"] {
            fs::set_permissions(at(name), fs::Permissions::from_mode(0o755))?;
        }
        for attack in &attacks {
            install(attack, &at("programs").join(attack.program()))?;
        }
        if library.is_dir() {
            fs::create_dir(at("programs/lib"))?;
            fs::set_permissions(at("programs/lib"), fs::Permissions::from_mode(0o755))?;
            for entry in fs::read_dir(library)?.flatten().filter(|entry| entry.path().is_file()) {
                let to = at("programs/lib").join(entry.file_name());
                fs::copy(entry.path(), &to)?;
                fs::set_permissions(&to, fs::Permissions::from_mode(0o644))?;
            }
        }
        let groups = control_groups();
        let orders = Orders { attacks, options, groups: groups.iter().map(|group| group.mount.clone()).collect() };
        fs::write(at("orders.json"), serde_json::to_vec(&orders)?)?;
        Ok(Self { directory, groups })
    }

    /// Starts this program again inside, as [`crate::attack::inside`]; what it finds out comes as JSON on its standard output.
    ///
    /// # Errors
    ///
    /// There is no `unshare`.
    pub(crate) fn start(&self) -> Result<Child> {
        let quoted = |path: &Path| format!("'{}'", path.display().to_string().replace('\'', "'\\''"));
        let stage = quoted(self.directory.path());
        let join: String =
            self.groups.iter().map(|group| format!("echo $$ > {}/cgroup.procs\n", quoted(&group.path))).collect();
        let bind: String = self
            .groups
            .iter()
            .map(|group| format!("mount --bind {} {}\n", quoted(&group.path), quoted(&group.mount)))
            .collect();
        // The first process of the process-id namespace is a shell, because whatever loses its parent becomes its child, and it
        // waits for whatever ends.
        let inside = format!(
            "set -e\n{bind}ip link set lo up 2>/dev/null || python3 -c 'import fcntl, socket, struct\n\
             fcntl.ioctl(socket.socket(), 0x8914, struct.pack(\"16sh\", b\"lo\", 73))'\n\
             mount -t tmpfs -o mode=1777 none /dev/shm\n\
             mount --bind {stage}/var-tmp /var/tmp\n\
             mkdir {stage}/etc\ncp -a /etc/. {stage}/etc\nmount --bind {stage}/etc /etc\n\
             mount -t tmpfs -o mode=755 none /mnt\nmkdir {PROGRAMS}\nmount --bind {stage}/programs {PROGRAMS}\n\
             mount --bind {stage} {STAGE}\ncd {STAGE}\nset +e\n\
             {STAGE}/bin/xtask attack --inside {STAGE}/orders.json &\nwait $!\n"
        );
        // Gone with this process, however that ends, and all inside with it.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "sh"]);
        let outside =
            "unshare --mount --pid --fork --kill-child --mount-proc --ipc --uts --net --cgroup -- sh -c \"$INSIDE\"";
        command.args(["-c", &format!("set -e\n{join}exec {outside}")]).env("INSIDE", inside);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BELLJAR_")) {
            command.env_remove(name);
        }
        command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start a shell")
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        for group in &self.groups {
            remove(&group.path);
        }
    }
}

/// Removes a control group with all below it; a directory of the file system is removed when it is empty of processes.
fn remove(path: &Path) {
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path());
        }
    }
    let began = std::time::Instant::now();
    // The last of its processes may still be on their way out.
    while fs::remove_dir(path).is_err_and(|error| error.kind() == std::io::ErrorKind::ResourceBusy)
        && began.elapsed() < std::time::Duration::from_secs(5)
    {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Removes the groups of those that were killed.
fn sweep(base: &Path) {
    for entry in fs::read_dir(base).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| name.strip_prefix(GROUP)?.parse::<u32>().ok());
        if owner.is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists()) {
            remove(&entry.path());
        }
    }
}

/// Makes a control group below our own in each hierarchy that belljar uses. Where that is not possible, belljar has to do with
/// what there is, as it would anywhere.
fn control_groups() -> Vec<Group> {
    let mountinfo = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let membership = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut groups = Vec::new();
    for line in mountinfo.lines() {
        let (Some((place, kind)), Some(point)) = (line.split_once(" - "), line.split(' ').nth(4)) else { continue };
        let (root, options) = (place.split(' ').nth(3).unwrap_or("/"), kind.split(' ').nth(2).unwrap_or_default());
        let of = |wanted: &dyn Fn(&str) -> bool| {
            let mut lines = membership.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
            lines.find(|(controllers, _)| wanted(controllers)).map(|(_, path)| path.to_owned())
        };
        let own = match kind.split(' ').next() {
            Some("cgroup2") => of(&|controllers| controllers.is_empty()),
            Some("cgroup") => {
                let Some(name) = CONTROLLERS.into_iter().find(|name| options.split(',').any(|option| option == *name))
                else {
                    continue;
                };
                of(&|controllers| controllers.split(',').any(|controller| controller == name))
            }
            _ => continue,
        };
        let Some(below) = own.as_deref().and_then(|path| path.strip_prefix(root.trim_end_matches('/'))) else {
            continue;
        };
        let base = Path::new(point).join(below.trim_start_matches('/'));
        sweep(&base);
        let path = base.join(format!("{GROUP}{}", std::process::id()));
        if groups.iter().all(|group: &Group| group.mount != Path::new(point)) && fs::create_dir(&path).is_ok() {
            groups.push(Group { mount: PathBuf::from(point), path });
        }
    }
    groups
}

/// Puts the program of an attack at a path, compiled if it has to be.
fn install(attack: &Attack, to: &Path) -> Result<()> {
    if attack.kind() == "c" {
        // Without a compiler it is not run, and says so.
        if super::process::missing("gcc") {
            return Ok(());
        }
        let mut command = Command::new("gcc");
        command.args(["-O1", "-w", "-static", "-pthread", "-o"]).arg(to).arg(&attack.file).arg("-lrt");
        let output = command.output().context("cannot start gcc")?;
        ensure!(
            output.status.success(),
            "{} does not compile:\n{}",
            attack.file.display(),
            String::from_utf8_lossy(&output.stderr)
        );
    } else {
        fs::copy(&attack.file, to).with_context(|| format!("cannot copy {}", attack.file.display()))?;
    }
    fs::set_permissions(to, fs::Permissions::from_mode(0o755))?;
    Ok(())
}
