//! Other sandboxes, as their own documentation says to use them for a program that nobody trusts.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::super::sampling::{Caller, Case, Work};
use super::cases::{Workload, process, spawn, words};

/// A sandbox that is a program.
pub(super) struct Peer {
    pub(super) name: &'static str,
    /// Looked for in PATH.
    program: &'static str,
    /// Names the program where it is not in PATH.
    variable: &'static str,
    /// How to get it.
    pub(super) install: &'static str,
    /// How many times fewer runs it gets, because it is slow.
    divisor: u32,
    how: How,
}

/// How it is told what to run.
enum How {
    /// By these words before the program.
    Words(&'static [&'static str]),
    /// In a box that is made before and removed behind.
    Box,
    /// By a bundle: a directory with a root file system and a configuration.
    Bundle,
    /// By these words and a directory that is the root file system.
    Root(&'static [&'static str]),
}

pub(super) const PEERS: [Peer; 10] = [
    Peer {
        name: "bubblewrap",
        program: "bwrap",
        variable: "BWRAP",
        install: "apt-get install bubblewrap",
        divisor: 1,
        how: How::Words(&[
            "--unshare-all",
            "--die-with-parent",
            "--new-session",
            "--ro-bind",
            "/usr",
            "/usr",
            "--symlink",
            "usr/bin",
            "/bin",
            "--symlink",
            "usr/lib",
            "/lib",
            "--symlink",
            "usr/lib64",
            "/lib64",
            "--proc",
            "/proc",
            "--dev",
            "/dev",
            "--tmpfs",
            "/tmp",
            "--",
        ]),
    },
    Peer {
        name: "nsjail",
        program: "nsjail",
        variable: "NSJAIL",
        install: "apt-get install nsjail, or build github.com/google/nsjail",
        divisor: 1,
        how: How::Words(&[
            "--mode",
            "o",
            "--really_quiet",
            "--user",
            "65534",
            "--group",
            "65534",
            "--bindmount_ro",
            "/usr",
            "--bindmount_ro",
            "/lib",
            "--bindmount_ro",
            "/lib64",
            "--bindmount_ro",
            "/bin",
            "--bindmount_ro",
            "/dev/null",
            "--tmpfsmount",
            "/tmp",
            "--",
        ]),
    },
    Peer {
        name: "isolate",
        program: "isolate",
        variable: "ISOLATE",
        install: "apt-get install isolate, or build github.com/ioi/isolate",
        divisor: 1,
        how: How::Box,
    },
    Peer {
        name: "minijail",
        program: "minijail0",
        variable: "MINIJAIL",
        install: "apt-get install minijail0, or build github.com/google/minijail",
        divisor: 1,
        how: How::Words(&[
            "-T", "static", "-p", "-v", "-l", "-e", "-N", "--uts", "-r", "-t", "-n", "-u", "nobody", "-g", "nogroup",
            "--",
        ]),
    },
    Peer {
        name: "sandlock",
        program: "sandlock",
        variable: "SANDLOCK",
        install: "cargo install sandlock-cli",
        divisor: 1,
        how: How::Words(&["run", "-r", "/usr", "-r", "/lib", "-r", "/lib64", "-r", "/bin", "-r", "/etc", "--"]),
    },
    Peer {
        name: "hakoniwa",
        program: "hakoniwa",
        variable: "HAKONIWA",
        install: "cargo install hakoniwa-cli",
        divisor: 4,
        how: How::Words(&["run", "--unshare-all", "--devfs", "/dev", "--tmpfs", "/tmp", "--"]),
    },
    Peer {
        name: "firejail",
        program: "firejail",
        variable: "FIREJAIL",
        install: "apt-get install firejail",
        divisor: 8,
        how: How::Words(&[
            "--quiet",
            "--noprofile",
            "--net=none",
            "--private",
            "--private-dev",
            "--caps.drop=all",
            "--seccomp",
            "--",
        ]),
    },
    Peer {
        name: "runc",
        program: "runc",
        variable: "RUNC",
        install: "apt-get install runc",
        divisor: 8,
        how: How::Bundle,
    },
    Peer {
        name: "gVisor",
        program: "runsc",
        variable: "RUNSC",
        install: "see gvisor.dev/docs/user_guide/install",
        divisor: 20,
        how: How::Words(&["--rootless=false", "--network=none", "--ignore-cgroups", "do"]),
    },
    Peer {
        name: "podman",
        program: "podman",
        variable: "PODMAN",
        install: "apt-get install podman",
        divisor: 20,
        how: How::Root(&[
            "--cgroup-manager=cgroupfs",
            "--runtime=runc",
            "run",
            "--ulimit=nofile=1024:1024",
            "--ulimit=nproc=1024:1024",
            "--rm",
            "--network=none",
            "--read-only",
            "--volume=/usr:/usr:ro",
            "--rootfs",
        ]),
    },
];

/// The program of this name: what the variable says, or what is in PATH.
pub(super) fn find(program: &str, variable: &str) -> Option<PathBuf> {
    let named = env::var_os(variable).map(PathBuf::from);
    named.or_else(|| {
        let path = env::var_os("PATH").unwrap_or_default();
        env::split_paths(&path).map(|directory| directory.join(program)).find(|candidate| candidate.is_file())
    })
}

impl Peer {
    /// Its program, if it is installed.
    pub(super) fn find(&self) -> Option<PathBuf> {
        find(self.program, self.variable)
    }

    /// Runs of a program by as many callers at once.
    pub(super) fn case(&self, program: &Path, workload: Workload, callers: usize) -> Case<'static> {
        let program = program.to_owned();
        let caller: Box<dyn Fn() -> Result<Caller>> = match self.how {
            How::Words(rest) => Box::new(move || Ok(process(words(&program, rest), workload))),
            How::Box => Box::new(move || Ok(Box::new(Isolate::new(&program, workload)?))),
            How::Bundle => Box::new(move || Ok(Box::new(Bundle::new(&program, workload)?))),
            How::Root(rest) => Box::new(move || {
                let root = root()?;
                let mut prefix = words(&program, rest);
                prefix.push(root.path().into());
                let mut run = process(prefix, workload);
                Ok(Box::new(move || {
                    // The directory lives as long as the caller.
                    let _root = &root;
                    run.run()
                }))
            }),
        };
        Case::new(self.name, caller).callers(callers).divisor(self.divisor).dispensable()
    }
}

/// A box of isolate: made once, as its users do between submissions, and run in again and again.
struct Isolate {
    program: PathBuf,
    number: OsString,
    arguments: Vec<OsString>,
}

impl Isolate {
    fn new(program: &Path, workload: Workload) -> Result<Self> {
        // Boxes of somebody else have low numbers.
        static NEXT: AtomicU32 = AtomicU32::new(500);
        let number = OsString::from(format!("--box-id={}", NEXT.fetch_add(1, Ordering::Relaxed)));
        let limits = ["--silent", "--run", "--processes=50", "--mem=262144", "--time=10", "--wall-time=20", "--"];
        let mut arguments = words(program, &[]);
        arguments.push(number.clone());
        arguments.extend(limits.iter().chain(workload.program()).map(OsString::from));
        let made = Self { program: program.to_owned(), number, arguments };
        ensure!(made.command("--init")?, "isolate --init failed");
        Ok(made)
    }

    fn command(&self, what: &str) -> Result<bool> {
        let mut command = Command::new(&self.program);
        command.arg(&self.number).arg(what).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(command.status().context("cannot start isolate")?.success())
    }
}

impl Work for Isolate {
    fn run(&mut self) -> Result<()> {
        spawn(&self.arguments)
    }
}

impl Drop for Isolate {
    fn drop(&mut self) {
        let _ = self.command("--cleanup");
    }
}

/// A bundle for `runc`: the host's `/usr`, read-only.
struct Bundle {
    program: PathBuf,
    directory: TempDir,
    runs: u32,
}

impl Bundle {
    fn new(program: &Path, workload: Workload) -> Result<Self> {
        let directory = root()?;
        let bundle = directory.path();
        let mut spec = Command::new(program);
        spec.arg("spec").arg("--bundle").arg(bundle).stdin(Stdio::null());
        ensure!(spec.status().context("cannot start runc")?.success(), "runc spec failed");
        let path = bundle.join("config.json");
        let mut config: Value = serde_json::from_slice(&fs::read(&path)?)?;
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!(workload.program());
        config["root"] = json!({"path": bundle, "readonly": true});
        let mounts = config["mounts"].as_array_mut().context("the configuration of runc has no mounts")?;
        mounts.retain(|mount| mount["type"] != "cgroup");
        mounts.push(json!({"destination": "/usr", "source": "/usr", "type": "bind",
            "options": ["rbind", "ro", "nosuid", "nodev"]}));
        fs::write(&path, config.to_string())?;
        Ok(Self { program: program.to_owned(), directory, runs: 0 })
    }
}

impl Work for Bundle {
    fn run(&mut self) -> Result<()> {
        self.runs += 1;
        let bundle = self.directory.path();
        let name = bundle.file_name().unwrap_or(OsStr::new("bundle"));
        let mut container = name.to_owned();
        container.push(format!("-{}", self.runs));
        let mut arguments = words(&self.program, &["run", "--bundle"]);
        arguments.extend([bundle.as_os_str().to_owned(), container]);
        spawn(&arguments)
    }
}

/// A directory with the outline of a root file system over which `/usr` is mounted.
fn root() -> Result<TempDir> {
    let root = tempfile::Builder::new().prefix("belljar-bench-").tempdir().context("cannot make a directory")?;
    for directory in ["usr", "proc", "dev", "sys", "tmp", "etc", "run", "var"] {
        fs::create_dir(root.path().join(directory))?;
    }
    for link in ["bin", "lib", "lib64"] {
        symlink(format!("usr/{link}"), root.path().join(link))?;
    }
    Ok(root)
}
