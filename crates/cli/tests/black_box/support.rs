//! How tests start the binary and look at what it did.

use std::env;
use std::ffi::OsStr;
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// The binary, without settings from the environment of the tests.
pub(crate) fn belljar() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_belljar"));
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BELLJAR_")) {
        command.env_remove(name);
    }
    command.env_remove("NO_COLOR").env_remove("NOTIFY_SOCKET").stdin(Stdio::null());
    command
}

/// What a finished call did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Calls `belljar` with these arguments, in this directory, with this input.
pub(crate) fn call_in<A: AsRef<OsStr>>(directory: &Path, arguments: impl IntoIterator<Item = A>, input: &str) -> Done {
    let mut child = belljar()
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    // A command that does not read its input closes it: no fault of the test's.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("it ends").into()
}

/// Calls `belljar run` with these arguments, from a directory that holds nothing.
pub(crate) fn run(arguments: &[&str]) -> Done {
    let place = tempfile::tempdir().expect("a directory");
    call_in(place.path(), ["run"].iter().chain(arguments), "")
}

/// Waits for a condition; panics when it does not come.
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Kills and reaps a process when a test ends early.
pub(crate) struct Guard(pub(crate) Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What `belljar doctor` says of this machine.
fn doctor() -> &'static Value {
    static FOUND: OnceLock<Value> = OnceLock::new();
    FOUND.get_or_init(|| {
        let output = belljar().args(["doctor", "--json"]).output().expect("the binary starts");
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&output.stderr).into_owned()))
    })
}

/// Whether sandboxes can be made here; otherwise says why the test is skipped, or fails.
pub(crate) fn has_sandboxes() -> bool {
    has(doctor()["usable"] == Value::Bool(true), || format!("no sandboxes here: {}", doctor()))
}

/// Whether a layer is enforced here, sandboxes included.
pub(crate) fn has_layer(name: &str) -> bool {
    let layers = doctor()["layers"].as_array().cloned().unwrap_or_default();
    let found = layers.iter().find(|layer| layer["layer"] == name).cloned().unwrap_or_default();
    has_sandboxes() && has(found["state"] == "enforced", || format!("layer {name} here: {found}"))
}

/// Whether a program is installed.
pub(crate) fn has_program(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    has(env::split_paths(&path).any(|directory| directory.join(name).is_file()), || format!("no {name} here"))
}

#[expect(clippy::print_stderr, reason = "a skipped test says why")]
fn has(condition: bool, reason: impl FnOnce() -> String) -> bool {
    if !condition {
        let reason = reason();
        assert!(env::var_os("BELLJAR_TEST_STRICT").is_none_or(|strict| strict != "1"), "{reason}");
        eprintln!("skipped: {reason}");
    }
    condition
}
