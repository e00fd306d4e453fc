//! Images: what goes in, what programs see of it, and what is refused. As root everything is done again as an ordinary user.

mod archive;
mod hostile;
mod pulling;
mod registry;
mod server;
mod using;

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{Done, has_program, has_sandboxes};

/// Somebody who calls belljar, with a data directory of their own.
pub(crate) struct Caller {
    place: tempfile::TempDir,
    program: PathBuf,
    ordinary: bool,
}

/// A user and group that nobody else is.
const ORDINARY: &str = "64123";

impl Caller {
    /// Whoever runs the tests, and an ordinary user too if that is root. None where there are no sandboxes.
    pub(crate) fn all() -> Vec<Self> {
        if !has_sandboxes() || !has_program("ldd") {
            return Vec::new();
        }
        let root = rustix::process::geteuid().is_root();
        let mut all = vec![Self::new(false)];
        if root && has_program("setpriv") {
            all.push(Self::new(true));
        }
        all
    }

    fn new(ordinary: bool) -> Self {
        let place = tempfile::tempdir().expect("a directory");
        // The target directory may be closed to others.
        let program = place.path().join("belljar");
        fs::copy(env!("CARGO_BIN_EXE_belljar"), &program).expect("copied");
        fs::set_permissions(place.path(), Permissions::from_mode(0o777)).expect("opened");
        Self { place, program, ordinary }
    }

    pub(crate) fn is_root(&self) -> bool {
        !self.ordinary && rustix::process::geteuid().is_root()
    }

    /// What this is, for messages.
    pub(crate) fn name(&self) -> &'static str {
        if self.ordinary { "as an ordinary user" } else { "as whoever runs the tests" }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    pub(crate) fn images(&self) -> PathBuf {
        self.path("data/images")
    }

    /// Writes a file that the caller can read.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, bytes).expect("written");
        path
    }

    pub(crate) fn command<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = if self.ordinary {
            let mut command = Command::new("setpriv");
            command.args(["--reuid", ORDINARY, "--regid", ORDINARY, "--clear-groups", "--"]).arg(&self.program);
            command
        } else {
            Command::new(&self.program)
        };
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BELLJAR_")) {
            command.env_remove(name);
        }
        command.args(arguments).env("BELLJAR_DATA_DIR", self.path("data")).current_dir(self.place.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn call<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Done {
        self.command(arguments).output().expect("the binary starts").into()
    }

    /// Calls it with these bytes on standard input.
    pub(crate) fn feed<'a>(&self, arguments: impl IntoIterator<Item = &'a str>, bytes: &[u8]) -> Done {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().expect("the binary starts");
        // One that does not read its input closes it: no fault of the test's.
        let _ = child.stdin.take().expect("it is piped").write_all(bytes);
        child.wait_with_output().expect("it ends").into()
    }

    /// Imports an archive under a name; what it holds is sound.
    pub(crate) fn import(&self, bytes: &[u8], name: &str) -> Value {
        let done = self.feed(["image", "import", "-", name, "--json"], bytes);
        assert_eq!(done.code, Some(0), "{}: {done:?}", self.name());
        serde_json::from_str(&done.stdout).expect("JSON")
    }

    /// Imports an archive that is refused, without a trace; returns what is said.
    pub(crate) fn refused(&self, bytes: &[u8]) -> String {
        let before = self.stored();
        let done = self.feed(["image", "import", "-", "refused"], bytes);
        assert_eq!((done.code, done.stdout.as_str()), (Some(1), ""), "{}: {done:?}", self.name());
        assert_eq!(self.stored(), before, "nothing is left");
        done.stderr
    }

    /// Runs a command in an image.
    pub(crate) fn run(&self, image: &str, arguments: &[&str]) -> Done {
        let rootfs = format!("image:{image}");
        self.call(["run", "--rootfs", &rootfs].into_iter().chain(arguments.iter().copied()))
    }

    /// What a shell in an image says.
    pub(crate) fn say(&self, image: &str, script: &str) -> String {
        let done = self.run(image, &["--", "sh", "-c", script]);
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{}: {script}: {done:?}", self.name());
        done.stdout
    }

    /// The names of layers, of images and of what is on its way.
    pub(crate) fn stored(&self) -> [Vec<String>; 3] {
        ["layers", "names", "incoming"].map(|name| names(&self.images().join(name)))
    }
}

fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
