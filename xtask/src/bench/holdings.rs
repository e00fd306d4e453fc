//! What a server, its launcher and its sandboxes hold of the machine.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::processes::{Roles, anonymous, family, in_mib};
use super::server::Server;

/// Everything that could grow, at one moment at which nothing runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct Holdings {
    pub(crate) processes: usize,
    pub(crate) descriptors: usize,
    pub(crate) mounts: usize,
    /// Namespaces of all kinds.
    pub(crate) namespaces: usize,
    /// Control groups, of all hierarchies, that the launcher has made.
    pub(crate) groups: usize,
    /// Files in the data directory.
    pub(crate) files: usize,
    // Memory that is no file's: with files it would be less while somebody else runs the same program.
    server_mib: f64,
    launcher_mib: f64,
    sandboxes_mib: f64,
}

impl Holdings {
    pub(crate) const HEAD: [&'static str; 10] = [
        "runs",
        "processes",
        "descriptors",
        "mounts",
        "namespaces",
        "groups",
        "files",
        "server MiB",
        "launcher MiB",
        "sandboxes MiB",
    ];

    /// Of this server and all below it.
    ///
    /// # Errors
    ///
    /// The kernel does not tell.
    pub(crate) fn of(server: &Server) -> Result<Self> {
        let Roles { launchers, inits, inner } = Roles::of(server.id())?;
        let memory = |of: &[u32]| of.iter().map(|process| anonymous(*process)).sum::<Result<u64>>();
        let processes = family(server.id())?;
        let mut holdings = Self {
            processes: processes.len(),
            files: count_below(server.data(), |_| true),
            server_mib: in_mib(memory(&[server.id()])?),
            launcher_mib: in_mib(memory(&launchers)?),
            sandboxes_mib: in_mib(memory(&inits)? + memory(&inner)?),
            ..Self::default()
        };
        let mut namespaces = BTreeSet::new();
        for process in &processes {
            let of = |what: &str| Path::new("/proc").join(process.to_string()).join(what);
            holdings.descriptors += fs::read_dir(of("fd")).context("cannot list descriptors")?.count();
            holdings.mounts += fs::read_to_string(of("mountinfo")).context("cannot read mounts")?.lines().count();
            for namespace in fs::read_dir(of("ns")).context("cannot list namespaces")? {
                namespaces.insert(fs::read_link(namespace?.path())?);
            }
        }
        holdings.namespaces = namespaces.len();
        // The directory of a launcher's groups tells its process.
        let names: Vec<String> = launchers.iter().map(|launcher| format!("belljar-{launcher}-")).collect();
        let is_its = |name: &OsStr| names.iter().any(|its| name.to_string_lossy().starts_with(its));
        holdings.groups = count_below(Path::new("/sys/fs/cgroup"), |path| {
            path.is_dir() && path.ancestors().filter_map(Path::file_name).any(is_its)
        });
        Ok(holdings)
    }

    pub(crate) fn cells(&self, runs: u64) -> [String; 10] {
        let mib = |mib: f64| format!("{mib:.2}");
        [
            runs.to_string(),
            self.processes.to_string(),
            self.descriptors.to_string(),
            self.mounts.to_string(),
            self.namespaces.to_string(),
            self.groups.to_string(),
            self.files.to_string(),
            mib(self.server_mib),
            mib(self.launcher_mib),
            mib(self.sandboxes_mib),
        ]
    }

    fn counts(&self) -> [(&'static str, usize); 6] {
        [
            ("processes", self.processes),
            ("descriptors", self.descriptors),
            ("mounts", self.mounts),
            ("namespaces", self.namespaces),
            ("control groups", self.groups),
            ("files", self.files),
        ]
    }

    /// What there is more of than before: of memory by more than so many MiB, of everything else at all.
    pub(crate) fn grown_since(&self, before: &Self, mib: f64) -> Vec<String> {
        let counts = self.counts().into_iter().zip(before.counts());
        let more = counts.filter(|((_, now), (_, then))| now > then);
        let mut grown: Vec<String> = more.map(|((what, now), (_, then))| format!("{what}: {then} -> {now}")).collect();
        for (whose, now, then) in [
            ("the server", self.server_mib, before.server_mib),
            ("the launcher", self.launcher_mib, before.launcher_mib),
            ("the sandboxes", self.sandboxes_mib, before.sandboxes_mib),
        ] {
            if now - then > mib {
                grown.push(format!("memory of {whose}: {then:.2} -> {now:.2} MiB"));
            }
        }
        grown
    }
}

impl fmt::Display for Holdings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (what, count) in self.counts() {
            write!(f, "{count} {what}, ")?;
        }
        write!(f, "server {:.2}, launcher {:.2} MiB", self.server_mib, self.launcher_mib)
    }
}

/// Entries below a directory, at any depth, that are such.
fn count_below(directory: &Path, such: impl Fn(&Path) -> bool) -> usize {
    let mut count = 0;
    let mut left = vec![directory.to_owned()];
    while let Some(directory) = left.pop() {
        // Groups of others come and go.
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        for entry in entries.flatten() {
            count += usize::from(such(&entry.path()));
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                left.push(entry.path());
            }
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_told() {
        let before = Holdings { descriptors: 10, server_mib: 10.0, ..Holdings::default() };
        assert_eq!(before.grown_since(&before, 1.0), Vec::<String>::new());
        let fewer = Holdings { descriptors: 9, server_mib: 10.9, ..Holdings::default() };
        assert_eq!(fewer.grown_since(&before, 1.0), Vec::<String>::new());
        let more = Holdings { descriptors: 11, server_mib: 11.5, ..Holdings::default() };
        assert_eq!(
            more.grown_since(&before, 1.0),
            ["descriptors: 10 -> 11", "memory of the server: 10.00 -> 11.50 MiB"].map(str::to_owned)
        );
    }
}
