//! A Cuckoo that is none: it takes submissions on loopback, keeps what it receives, and answers as it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Bytes of a request, at most.
const MAX_BODY: usize = 8 << 20;

/// How it behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Manner {
    /// Each analysis has this score.
    Score(f64),
    /// Analyses never end.
    Endless,
    /// Analyses fail.
    Failing,
    /// Nobody may do anything.
    Locked,
    /// Connections are taken and nothing is said.
    Silent,
}

/// A running one.
pub(crate) struct StandIn {
    address: SocketAddr,
    state: Arc<State>,
}

struct State {
    manner: Mutex<Manner>,
    /// `METHOD target` of each request.
    lines: Mutex<Vec<String>>,
    bodies: Mutex<Vec<Vec<u8>>>,
    submitted: AtomicUsize,
}

impl StandIn {
    pub(crate) fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = State {
            manner: Mutex::new(manner),
            lines: Mutex::default(),
            bodies: Mutex::default(),
            submitted: AtomicUsize::new(0),
        };
        let state = Arc::new(state);
        let shared = Arc::clone(&state);
        // It ends with the tests' process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                thread::spawn(move || while serve(&stream, &state).is_some() {});
            }
        });
        Self { address, state }
    }

    /// Its table for a configuration.
    pub(crate) fn table(&self, name: &str) -> String {
        format!("[sandbox.{name}]\nvendor = 'cuckoo'\naddress = 'http://{}'\ntries = 1\n", self.address)
    }

    pub(crate) fn behave(&self, manner: Manner) {
        *self.state.manner.lock().expect("not poisoned") = manner;
    }

    /// What has come so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.state.lines.lock().expect("not poisoned").clone()
    }

    pub(crate) fn bodies(&self) -> Vec<Vec<u8>> {
        self.state.bodies.lock().expect("not poisoned").clone()
    }

    pub(crate) fn submissions(&self) -> usize {
        self.state.submitted.load(Ordering::SeqCst)
    }
}

/// Answers one request; nothing when there are no more.
fn serve(stream: &TcpStream, state: &State) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok().filter(|length| *length <= MAX_BODY)?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let manner = *state.manner.lock().expect("not poisoned");
    let (status, answer) = answer(&method, &target, manner, state);
    state.lines.lock().expect("not poisoned").push(format!("{method} {target}"));
    state.bodies.lock().expect("not poisoned").push(body);
    if manner == Manner::Silent {
        loop {
            thread::park();
        }
    }
    let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n", answer.len());
    let named = "content-disposition: attachment; filename=\"../../evil.PCAP\"\r\n";
    let named = if target.starts_with("/pcap/") { named } else { "" };
    let mut stream = stream;
    stream.write_all(format!("{head}{named}\r\n{answer}").as_bytes()).ok()
}

fn answer(method: &str, target: &str, manner: Manner, state: &State) -> (u16, String) {
    let plain = |text: &str| (200, text.to_owned());
    if manner == Manner::Locked {
        return (401, r#"{"message": "wrong \u001b[31mkey"}"#.to_owned());
    }
    match (method, target) {
        ("POST", target) if target.starts_with("/tasks/create/") => {
            (200, format!(r#"{{"task_id": {}}}"#, 1 + state.submitted.fetch_add(1, Ordering::SeqCst)))
        }
        (_, "/cuckoo/status") => plain(r#"{"version": "2.0.7", "tasks": {"pending": 3, "running": 1}}"#),
        (_, target) if target.starts_with("/tasks/view/") => plain(match manner {
            Manner::Endless => r#"{"task": {"status": "running"}}"#,
            Manner::Failing => r#"{"task": {"status": "failed_analysis", "errors": ["no machine"]}}"#,
            _ => r#"{"task": {"status": "reported"}}"#,
        }),
        (_, target) if target.starts_with("/tasks/report/") => match manner {
            Manner::Score(score) => (
                200,
                format!(
                    r#"{{"info": {{"score": {score}}}, "signatures": [{{"name": "drops", "description": "It drops \u001b[2Jfiles", "severity": 3}}]}}"#
                ),
            ),
            _ => (404, r#"{"message": "Report not found"}"#.to_owned()),
        },
        (_, target) if target.starts_with("/tasks/delete/") => plain(r#"{"status": "OK"}"#),
        (_, target) if target.starts_with("/pcap/get/") => plain("pcap bytes"),
        _ => (404, r#"{"message": "not found"}"#.to_owned()),
    }
}
