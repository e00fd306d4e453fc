//! What a worker is told: vxsandbox's files and variables as they are, belljar's own, and what is said about what is wrong.

#[path = "config/belljar.rs"]
mod belljar;
#[path = "config/docs.rs"]
mod docs;
#[path = "config/environment.rs"]
mod environment;
#[path = "config/vumi.rs"]
mod vumi;
#[path = "config/wrong.rs"]
mod wrong;

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use belljar_worker::config::{App, Loaded, Problem, Problems, Sources, load};
use tempfile::TempDir;

/// A directory with files, and what somebody types there.
struct World {
    directory: TempDir,
    sources: Sources,
}

impl World {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let data_dir = directory.path().join("data");
        let sources = Sources { directory: directory.path().to_owned(), data_dir, ..Sources::default() };
        let world = Self { directory, sources };
        world.file("app.js", "api.on_inbound_message = function () {};")
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }

    /// A file, which is not used because of that alone.
    fn file(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it is in a directory")).expect("made");
        fs::write(path, text).expect("written");
        self
    }

    /// A configuration file.
    fn config(mut self, name: &str, text: &str) -> Self {
        self.sources.config = Some(name.into());
        self.file(name, text)
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.sources.environment.push((OsString::from(name), OsString::from(value)));
        self
    }

    fn class(mut self, class: &str) -> Self {
        self.sources.worker_class = Some(class.to_owned());
        self
    }

    fn load(&self) -> Result<Loaded, Problems> {
        load(&self.sources)
    }

    fn loaded(&self) -> Loaded {
        self.load().unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// The only app.
    fn app(&self) -> App {
        let mut apps = self.loaded().worker.apps;
        assert_eq!(apps.len(), 1);
        apps.pop().expect("one")
    }

    /// Errors, one line each, without the directory's name.
    fn errors(&self) -> Vec<String> {
        let problems = self.load().expect_err("something is wrong");
        assert!(!problems.errors.is_empty());
        self.lines(&problems.errors)
    }

    fn warnings(&self) -> Vec<String> {
        self.lines(&self.loaded().warnings)
    }

    fn lines(&self, problems: &[Problem]) -> Vec<String> {
        let here = format!("{}/", self.directory.path().display());
        let line = |problem: &Problem| match &problem.hint {
            Some(hint) => format!("{problem} [{hint}]"),
            None => problem.to_string(),
        };
        problems.iter().map(|problem| line(problem).replace(&here, "")).collect()
    }
}

/// vxsandbox's form.
fn yaml(text: &str) -> World {
    World::new().config("w.yaml", text)
}

/// belljar's form.
fn toml(text: &str) -> World {
    World::new().config("w.toml", text)
}

/// Whether a machine has the Node of vxsandbox's places.
fn has_node() -> bool {
    belljar_worker::config::node::find().is_some()
}

/// Whether a path is one of this world's.
fn is_in(world: &World, path: &Path) -> bool {
    path.starts_with(world.directory.path())
}
