//! What of the host an app sees, besides the programs and libraries that every sandbox shows.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use belljar_sandbox::{Access, Mount};

/// Directories that every sandbox shows.
const ALWAYS: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
/// Variables that name directories in which programs look for more programs and libraries, separated by colons.
const SEARCHED: [&str; 4] = ["NODE_PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "PATH"];

/// Files and directories, read-only, at their own paths.
#[derive(Debug, Default)]
pub(super) struct Shown(BTreeMap<PathBuf, PathBuf>);

impl Shown {
    /// Shows this, if it is there, and is not shown anyway.
    pub(super) fn add(&mut self, path: &Path) {
        // A root directory that is covered is none any more; what is within a directory is found without its links.
        let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
        let Ok(source) = path.canonicalize() else { return };
        if path.is_absolute() && plain && path != Path::new("/") && !is_shown_always(path) {
            self.0.insert(path.to_owned(), source);
        }
    }

    /// Shows a file alone, and nothing of its directory.
    pub(super) fn add_file(&mut self, path: &Path) {
        if path.is_file() {
            self.add(path);
        }
    }

    /// Shows the directories that these variables name.
    pub(super) fn add_searched(&mut self, environment: &BTreeMap<String, String>) {
        let values = SEARCHED.iter().filter_map(|name| environment.get(*name));
        for directory in values.flat_map(|value| std::env::split_paths(value)) {
            if directory.is_dir() {
                self.add(&directory);
            }
        }
    }

    /// As mounts of a policy, the outer before the inner; what is within another is not named again.
    pub(super) fn into_mounts(self) -> Vec<Mount> {
        let mut mounts: Vec<Mount> = Vec::new();
        // In the order of paths, a directory comes before what is in it.
        for (target, source) in self.0 {
            let within =
                |outer: &Mount| target.strip_prefix(&outer.target).is_ok_and(|rest| outer.source.join(rest) == source);
            if !mounts.iter().any(within) {
                mounts.push(Mount { source, target, access: Access::ReadOnly });
            }
        }
        mounts
    }
}

fn is_shown_always(path: &Path) -> bool {
    ALWAYS.iter().any(|shown| path.starts_with(shown))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_is_shown_once_and_at_its_path() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        let app = root.join("app");
        std::fs::create_dir_all(app.join("lib")).unwrap();
        std::fs::write(app.join("lib/x"), "").unwrap();
        std::fs::write(root.join("tool"), "").unwrap();
        std::os::unix::fs::symlink(&app, root.join("link")).unwrap();
        let mut shown = Shown::default();
        for path in ["app/lib", "app", "link", "tool", "absent"] {
            shown.add(&root.join(path));
        }
        for path in ["/usr/bin/env", "/", "relative", "/usr/../etc"] {
            shown.add(Path::new(path));
        }
        let searched = format!("{}:/nowhere", app.join("lib").display());
        shown.add_searched(&[("PYTHONPATH".to_owned(), searched)].into());
        let mounts = shown.into_mounts();
        let pairs: Vec<_> = mounts.iter().map(|mount| (mount.target.as_path(), mount.source.as_path())).collect();
        let (link, tool) = (root.join("link"), root.join("tool"));
        assert_eq!(pairs, [(app.as_path(), app.as_path()), (&link, &app), (&tool, &tool)]);
    }
}
