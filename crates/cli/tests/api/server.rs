//! The server under test: the built binary, on a port and in a directory of its own.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::form::{self, Form};
use crate::http::{Connection, Reply, request};

/// The user that servers become in these tests when root starts them, whether there is a user `belljar` or not.
pub(crate) const USER: u32 = 99_700;

/// The binary, without settings from the environment of the tests.
pub(crate) fn belljar() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_belljar"));
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("BELLJAR_")) {
        command.env_remove(name);
    }
    command.env_remove("NOTIFY_SOCKET").stdin(Stdio::null());
    command
}

/// Waits for a condition; panics when it does not come.
#[track_caller]
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(Instant::now() < deadline, "in vain: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Says why a test is skipped, or fails where skipping is not wanted.
pub(crate) fn skip(reason: &str) {
    assert!(env::var_os("BELLJAR_TEST_STRICT").is_none_or(|strict| strict != "1"), "{reason}");
    // Not by the macro, whose output is shown for tests that fail only.
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}

/// Whether sandboxes can be made here; otherwise says why the test is skipped, or fails.
pub(crate) fn has_sandboxes() -> bool {
    static PROBLEM: OnceLock<Option<String>> = OnceLock::new();
    let problem = PROBLEM.get_or_init(|| {
        let tried = belljar().args(["run", "--", "/bin/true"]).output().expect("the binary starts");
        (!tried.status.success()).then(|| String::from_utf8_lossy(&tried.stderr).into_owned())
    });
    if let Some(problem) = problem {
        skip(&format!("no sandboxes here: {problem}"));
    }
    problem.is_none()
}

/// Whether a program is installed.
pub(crate) fn has_program(name: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).any(|directory| directory.join(name).is_file());
    if !found {
        skip(&format!("no {name} here"));
    }
    found
}

/// A running server; killed, with all that it started, when it is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    process: Child,
    address: SocketAddr,
    data: Arc<TempDir>,
    /// What it wrote to standard error so far.
    log: Arc<Mutex<String>>,
}

/// A server with default settings but for a smaller pool, shared by all tests that ask while it lives. `None` where no
/// sandboxes can be made.
pub(crate) fn shared() -> Option<Arc<Server>> {
    static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
    if !has_sandboxes() {
        return None;
    }
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    Some(shared.upgrade().unwrap_or_else(|| {
        let server = Arc::new(Server::start(&["execute.pool_size=4", "execute.wait_for_sandbox=30s"]));
        *shared = Arc::downgrade(&server);
        server
    }))
}

/// A server of the test's own, with these settings. `None` where no sandboxes can be made.
pub(crate) fn own(settings: &[&str]) -> Option<Server> {
    has_sandboxes().then(|| Server::start(settings))
}

impl Server {
    fn start(settings: &[&str]) -> Self {
        Self::start_in(Arc::new(place()), settings)
    }

    /// Starts one in a directory that another one has used.
    pub(crate) fn start_in(data: Arc<TempDir>, settings: &[&str]) -> Self {
        let command = command(&data.path().join("data"), "127.0.0.1:0", settings);
        Self::started(command, data)
    }

    /// Starts one with defaults from a shell that hands on this soft limit on open descriptors.
    pub(crate) fn start_with_descriptors(limit: u32) -> Self {
        let data = place();
        let plain = command(&data.path().join("data"), "127.0.0.1:0", &[]);
        let mut shell = Command::new("bash");
        shell.args(["-c", &format!("ulimit -Sn {limit} && exec \"$0\" \"$@\"")]);
        shell.arg(plain.get_program()).args(plain.get_args()).stdin(Stdio::null());
        // Variables that are taken away, and no others.
        plain.get_envs().filter(|(_, value)| value.is_none()).for_each(|(name, _)| {
            shell.env_remove(name);
        });
        Self::started(shell, Arc::new(data))
    }

    /// Starts one by a command, with what is in this directory.
    pub(crate) fn started(mut command: Command, data: Arc<TempDir>) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
        let log = Arc::new(Mutex::new(String::new()));
        let mut stderr = process.stderr.take().expect("it is piped");
        thread::spawn({
            let log = Arc::clone(&log);
            move || {
                let mut buffer = [0; 4096];
                while let Ok(length @ 1..) = stderr.read(&mut buffer) {
                    let text = String::from_utf8_lossy(&buffer[..length]);
                    log.lock().unwrap_or_else(PoisonError::into_inner).push_str(&text);
                }
            }
        });
        let mut line = String::new();
        let stdout = process.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut line).expect("it says where it listens");
        let after = line.split_once("://").map(|(_, rest)| rest).unwrap_or_default();
        let address = after.split(';').next().and_then(|address| address.parse().ok());
        let Some(address) = address else {
            let _ = process.kill();
            let _ = process.wait();
            panic!("no address in {line:?}; {}", log.lock().unwrap_or_else(PoisonError::into_inner));
        };
        Self { process, address, data, log }
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The directory that holds `data`, to start another server in.
    pub(crate) fn directory(&self) -> Arc<TempDir> {
        Arc::clone(&self.data)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.data.path().join("data")
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(self.address)
    }

    /// One request on a connection of its own.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut connection = self.connect();
        connection.send(&request(method, path, headers, body));
        connection.receive(method).unwrap_or_else(|error| panic!("{method} {path}: {error}; {}", self.log()))
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.request("GET", path, &[], b"")
    }

    pub(crate) fn head(&self, path: &str) -> Reply {
        self.request("HEAD", path, &[], b"")
    }

    pub(crate) fn post(&self, form: &Form) -> Reply {
        self.request("POST", "/execute/", &[("Content-Type", &form.content_type)], &form.body)
    }

    /// Posts a configuration alone.
    pub(crate) fn ask(&self, config: &Value) -> Reply {
        self.post(&form::config(&config.to_string()))
    }

    /// Executes a configuration that must be carried out.
    #[track_caller]
    pub(crate) fn execute(&self, config: &Value) -> Value {
        checked(&self.ask(config))
    }

    /// Executes with an uploaded archive.
    #[track_caller]
    pub(crate) fn execute_with(&self, config: &Value, archive: &[u8]) -> Value {
        checked(&self.post(&form::with_archive(&config.to_string(), archive)))
    }

    /// Saves an archive as an environment, and returns its id.
    #[track_caller]
    pub(crate) fn save(&self, archive: &[u8]) -> String {
        let answer = self.execute_with(&serde_json::json!({"commands": ["true"], "save": true}), archive);
        answer["environment"].as_str().expect("an id").to_owned()
    }

    /// The archive of a saved environment.
    #[track_caller]
    pub(crate) fn download(&self, id: &str) -> Vec<u8> {
        let reply = self.get(&format!("/environments/{id}/"));
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.body
    }

    /// Sandboxes that are not idle.
    pub(crate) fn taken(&self) -> u64 {
        self.get("/usages/").json()["container"].as_u64().expect("a number")
    }

    /// Waits until every sandbox is back.
    #[track_caller]
    pub(crate) fn wait_until_idle(&self) {
        wait_for("all sandboxes are idle", || self.taken() == 0);
    }

    /// Everything in the data directory that holds something of a caller.
    pub(crate) fn stored(&self) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        for directory in ["blobs", "spool"] {
            collect_files(&self.data().join(directory), &mut found);
        }
        found
    }

    /// The processes of the server, itself included.
    pub(crate) fn processes(&self) -> BTreeSet<u32> {
        family(self.pid())
    }

    /// The process that makes the sandboxes.
    pub(crate) fn launcher(&self) -> Option<u32> {
        let parents = parents();
        let children = |of: u32| parents.iter().filter(move |(_, parent)| *parent == of).map(|(pid, _)| *pid);
        let first = children(self.pid()).find(|pid| command_line(*pid).starts_with("belljar-launcher"))?;
        match name(first).as_str() {
            "belljar-keeper" => children(first).find(|pid| name(*pid) == "belljar-launch"),
            _ => Some(first),
        }
    }

    /// The process that keeps the launcher, where privileges are separated.
    pub(crate) fn keeper(&self) -> Option<u32> {
        parents()
            .into_iter()
            .find(|(pid, parent)| *parent == self.pid() && name(*pid) == "belljar-keeper")
            .map(|(pid, _)| pid)
    }

    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("it lives").count()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal);
    }

    /// Waits for the end of the process.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.process.wait().expect("it is our child")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// `belljar serve` with these settings.
pub(crate) fn command(data: &Path, listen: &str, settings: &[&str]) -> Command {
    let mut command = belljar();
    command.args(["serve", "--listen", listen, "--data-dir"]).arg(data);
    if rustix::process::geteuid().is_root() {
        command.args(["--set", &format!("server.user={USER}")]);
    }
    for setting in settings {
        command.args(["--set", setting]);
    }
    command
}

/// Checks what holds for every answer to an execution, and returns it.
#[track_caller]
pub(crate) fn checked(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{reply:?}");
    let answer = reply.json();
    let entries = answer["execution"].as_array().expect("an array");
    assert!(!entries.is_empty(), "a caller reads the first entry: {answer}");
    let total = answer["total_time"].as_f64().expect("a number");
    let sum: f64 = entries.iter().map(|entry| entry["time"].as_f64().expect("a number")).sum();
    // Behaviour 46; the sum of rounded numbers may be off by a rounding.
    assert!(sum <= total + 1e-9, "{answer}");
    let numbers = [&answer["total_time"]].into_iter().chain(entries.iter().map(|entry| &entry["time"]));
    for number in numbers {
        assert!(number.is_f64(), "a client reads a float: {number}");
    }
    answer
}

pub(crate) fn kill(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).expect("a process id")).expect("not zero");
    let _ = kill_process(pid, signal);
}

/// A process and all below it.
pub(crate) fn family(pid: u32) -> BTreeSet<u32> {
    let parents = parents();
    let mut family = BTreeSet::from([pid]);
    loop {
        let before = family.len();
        family.extend(
            parents.iter().filter(|(_, parent)| family.contains(parent)).map(|(pid, _)| *pid).collect::<Vec<_>>(),
        );
        if family.len() == before {
            return family;
        }
    }
}

/// A directory to put a server's into. Within reach of others: the server may become somebody else.
pub(crate) fn place() -> TempDir {
    let place = TempDir::new().expect("a directory");
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o711)).expect("it is ours");
    place
}

/// The name of a process.
fn name(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim_end().to_owned()
}

/// Every process with its parent.
fn parents() -> Vec<(u32, u32)> {
    let entries = fs::read_dir("/proc").expect("it is mounted").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parent = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
    };
    pids.filter_map(|pid| Some((pid, parent(pid)?))).collect()
}

pub(crate) fn command_line(pid: u32) -> String {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).replace('\0', " ")
}

/// Whether a process is there and not a zombie.
pub(crate) fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// The control groups that a launcher with this process id made.
pub(crate) fn control_groups(launcher: u32) -> BTreeSet<PathBuf> {
    fn search(directory: &Path, prefix: &str, found: &mut BTreeSet<PathBuf>) {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            if entry.file_name().to_string_lossy().starts_with(prefix) {
                found.insert(entry.path());
            } else {
                search(&entry.path(), prefix, found);
            }
        }
    }
    let mut found = BTreeSet::new();
    search(Path::new("/sys/fs/cgroup"), &format!("belljar-{launcher}-"), &mut found);
    found
}

fn collect_files(directory: &Path, found: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => collect_files(&entry.path(), found),
            _ => {
                found.insert(entry.path());
            }
        }
    }
}
