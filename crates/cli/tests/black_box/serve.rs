//! The server as a process: how it starts, says that it is ready, and stops.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::process::{ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::support::{Done, Guard, belljar, has_sandboxes, wait_for};

/// A running server.
struct Server {
    child: Guard,
    /// Kept open, so that it may write there.
    _stdout: BufReader<ChildStdout>,
    address: String,
    _data: TempDir,
}

/// `belljar serve` on any port, with its data in a new directory.
fn serve(data: &TempDir) -> Command {
    let mut command = belljar();
    command.args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]).arg(data.path().join("data"));
    command
}

impl Server {
    fn start(configure: impl FnOnce(&mut Command)) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        // Within reach of others: the server may become somebody else.
        fs::set_permissions(data.path(), fs::Permissions::from_mode(0o711)).expect("it is ours");
        let mut command = serve(&data);
        configure(&mut command);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map(Guard).expect("the binary starts");
        let mut stdout = BufReader::new(child.0.stdout.take().expect("it is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("text");
        let url = line.split_whitespace().find_map(|word| word.strip_prefix("http://"));
        let address = url.unwrap_or_else(|| panic!("a URL in {line:?}")).trim_end_matches(';').to_owned();
        Self { child, _stdout: stdout, address, _data: data }
    }

    /// Posts a form to `/execute/`; gives the whole answer.
    fn execute(&self, script: &str) -> String {
        let form = format!("config={{\"commands\":[\"{script}\"]}}");
        let mut stream = self.connect();
        write!(
            stream,
            "POST /execute/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{form}",
            form.len()
        )
        .expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("text");
        answer
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("set");
        stream
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child.0), signal).expect("it is there");
    }

    /// Waits for the end: the code and the log.
    fn ends(&mut self) -> (Option<i32>, String) {
        let code = self.child.0.wait().expect("it ends").code();
        let mut log = String::new();
        self.child.0.stderr.take().expect("it is piped").read_to_string(&mut log).expect("text");
        (code, log)
    }
}

#[test]
fn it_says_that_it_is_ready_runs_a_command_and_stops_when_told() {
    if !has_sandboxes() {
        return;
    }
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Server::start(|_| {});
        let answer = server.execute("echo hello");
        assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"stdout\": \"hello\""), "{answer}");
        server.signal(signal);
        let (code, log) = server.ends();
        assert_eq!(code, Some(0), "{log}");
        assert!(log.contains("Ready."), "{log}");
    }
}

#[test]
fn what_runs_may_end_unless_a_second_signal_comes() {
    if !has_sandboxes() {
        return;
    }
    for (signals, code, finishes) in [(1, 0, true), (2, 143, false)] {
        let mut server = Server::start(|_| {});
        let address = server.address.clone();
        let form = "config={\"commands\":[\"sleep 2; echo done\"]}";
        let request = format!(
            "POST /execute/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {}\r\n\r\n{form}",
            form.len()
        );
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.write_all(request.as_bytes()).expect("sent");
        // It is counted as running once it has a sandbox; until then a stopping server would turn it away.
        wait_for("a busy sandbox", || metric(&server, "busy").is_some_and(|count| count > 0.0));
        let began = Instant::now();
        for _ in 0..signals {
            server.signal(Signal::TERM);
            // Two at once would be one.
            wait_for("the end of listening", || TcpStream::connect(&server.address).is_err());
        }
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        assert_eq!(read.is_ok() && answer.contains("done"), finishes, "{answer}");
        let (ended_with, log) = server.ends();
        assert_eq!(ended_with, Some(code), "{log}");
        assert_eq!(began.elapsed() > Duration::from_millis(1500), finishes);
    }
}

/// The value of the first metric whose name or labels hold this word.
fn metric(server: &Server, word: &str) -> Option<f64> {
    let mut stream = server.connect();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("text");
    let line = answer.lines().find(|line| !line.starts_with('#') && line.contains(word))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn the_supervisor_is_told() {
    if !has_sandboxes() {
        return;
    }
    let place = tempfile::tempdir().expect("a directory");
    let socket = UnixDatagram::bind(place.path().join("notify")).expect("bound");
    socket.set_read_timeout(Some(Duration::from_secs(20))).expect("set");
    let received = || {
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer).expect("a datagram");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let mut server = Server::start(|command| {
        command.env("NOTIFY_SOCKET", place.path().join("notify"));
    });
    assert_eq!(received(), "READY=1");
    server.signal(Signal::TERM);
    assert_eq!(received(), "STOPPING=1");
    assert_eq!(server.ends().0, Some(0));
}

#[test]
fn the_log_is_for_programs_when_asked() {
    if !has_sandboxes() {
        return;
    }
    let mut server = Server::start(|command| {
        command.args(["--log-format", "json"]);
    });
    server.signal(Signal::TERM);
    let (_, log) = server.ends();
    assert!(log.lines().count() >= 2, "{log}");
    for line in log.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("each line is JSON");
        assert!(line["level"].is_string() && line["message"].is_string(), "{line}");
    }
}

#[test]
fn what_prevents_it_is_told_before_it_is_ready() {
    let data = tempfile::tempdir().expect("a directory");
    let config = data.path().join("belljar.toml");
    fs::write(&config, "[server]\nlistn = 'x'\n").expect("written");
    let file = data.path().join("data");
    fs::write(&file, "a file, no directory").expect("written");
    let config = config.to_str().expect("text");
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let taken = taken.local_addr().expect("an address").to_string();
    let other = tempfile::tempdir().expect("a directory");
    let other = other.path().to_str().expect("text");
    let cases: [(&[&str], i32, &str); 6] = [
        (&["--listen", "0.0.0.0:0"], 2, "other machines can reach 0.0.0.0:0"),
        (&["--listen", "here"], 2, "flag --listen: server.listen: "),
        (&["--config", config], 2, "belljar.toml:2: there is no setting 'server.listn'"),
        (
            &["--set", "execute.pool_size=0"],
            2,
            "flag --set execute.pool_size: execute.pool_size: must be from 1 to 1024",
        ),
        (&[], 1, "cannot use the data directory"),
        (&["--data-dir", other, "--listen", &taken], 1, "cannot listen on 127.0.0.1:"),
    ];
    for (arguments, code, message) in cases {
        let mut command = belljar();
        command.arg("serve");
        if !arguments.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        if !arguments.contains(&"--data-dir") {
            command.arg("--data-dir").arg(&file);
        }
        let done: Done = command.args(arguments).output().expect("the binary starts").into();
        assert_eq!((done.code, done.stdout.as_str()), (Some(code), ""), "{arguments:?} {done:?}");
        assert!(done.stderr.contains(message), "{arguments:?} {done:?}");
    }
}
