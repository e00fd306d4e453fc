//! A registry of the test's own, on a port of this machine: it does what a test wants it to do, and remembers what it was asked.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use super::archive::{Image, digest};

/// What it does with a request instead of answering it.
#[derive(Debug, Clone)]
pub(crate) enum Trouble {
    /// Answers with this status.
    Status(u16),
    /// Breaks off after so many bytes.
    Cut(usize),
    /// Sends the caller elsewhere.
    Redirect(String),
    /// Sends something else.
    Instead(Vec<u8>),
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) authorization: Option<String>,
    pub(crate) range: Option<String>,
}

#[derive(Default)]
struct State {
    files: Mutex<BTreeMap<String, Vec<u8>>>,
    troubles: Mutex<BTreeMap<String, VecDeque<Trouble>>>,
    asked: Mutex<Vec<Asked>>,
    /// What `Authorization` of the token's giver must be, and of everything else.
    token: Mutex<Option<(Option<String>, String)>>,
    stop: AtomicBool,
}

pub(crate) struct Registry {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

impl Registry {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.stop.load(Ordering::Relaxed) {
                    break;
                }
                let (state, stream) = (Arc::clone(&shared), stream.expect("a connection"));
                thread::spawn(move || serve(&state, address, &stream));
            }
        });
        Self { address, state }
    }

    /// Puts an image into the repository `team/x` under a tag; returns the digest of its manifest.
    pub(crate) fn put(&self, image: &Image, tag: &str) -> String {
        let (manifest, config) = image.documents();
        for blob in image.blobs.iter().chain([&config]) {
            self.file(&format!("blobs/{}", digest(blob)), blob);
        }
        let name = digest(&manifest);
        for version in [tag, &name] {
            self.file(&format!("manifests/{version}"), &manifest);
        }
        name
    }

    pub(crate) fn file(&self, path: &str, bytes: &[u8]) {
        self.state.files.lock().expect("no panic").insert(format!("/v2/team/x/{path}"), bytes.to_vec());
    }

    /// An entry of an index.
    pub(crate) fn entry(image: &Image, platform: &str) -> Value {
        let (manifest, _) = image.documents();
        let (os, architecture) = platform.split_once('/').expect("two parts");
        json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest(&manifest),
            "size": manifest.len(),
            "platform": {"os": os, "architecture": architecture},
        })
    }

    /// What happens to the next requests for something, one after the other.
    pub(crate) fn trouble(&self, path: &str, troubles: impl IntoIterator<Item = Trouble>) {
        let path = format!("/v2/team/x/{path}");
        self.state.troubles.lock().expect("no panic").insert(path, troubles.into_iter().collect());
    }

    /// From now on everything needs this token, which is given to who has these credentials, or to anybody.
    pub(crate) fn ask_for_token(&self, credentials: Option<&str>, token: &str) {
        *self.state.token.lock().expect("no panic") = Some((credentials.map(str::to_owned), token.to_owned()));
    }

    /// What was asked since the last call.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.asked.lock().expect("no panic"))
    }

    pub(crate) fn reference(&self, version: &str) -> String {
        format!("{}/team/x{version}", self.address)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(state: &State, address: SocketAddr, stream: &TcpStream) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    if reader.read_line(&mut line).is_err() || line.is_empty() {
        return;
    }
    let path = line.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let mut asked = Asked { path: path.clone(), authorization: None, range: None };
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header).is_err() || header.trim().is_empty() {
            break;
        }
        let (name, value) = header.trim().split_once(':').expect("a header");
        match name.to_ascii_lowercase().as_str() {
            "authorization" => asked.authorization = Some(value.trim().to_owned()),
            "range" => asked.range = Some(value.trim().to_owned()),
            _ => {}
        }
    }
    state.asked.lock().expect("no panic").push(asked.clone());
    answer(state, address, stream, &asked);
}

fn answer(state: &State, address: SocketAddr, mut stream: &TcpStream, asked: &Asked) {
    // A caller that has enough goes away.
    let mut send = |status: u16, headers: &str, body: &[u8], sent: usize| {
        let length = body.len();
        let _ = write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n");
        let _ = stream.write_all(&body[..sent.min(length)]);
    };
    let token = state.token.lock().expect("no panic").clone();
    if let Some((credentials, token)) = token {
        if asked.path.starts_with("/token?") {
            return match credentials.is_none() || credentials == asked.authorization {
                true => send(200, "", json!({ "token": token }).to_string().as_bytes(), usize::MAX),
                false => send(401, "", b"", 0),
            };
        }
        if asked.authorization != Some(format!("Bearer {token}")) {
            let challenge =
                format!("Bearer realm=\"http://{address}/token\",service=\"test\",scope=\"repository:team/x:pull\"");
            return send(401, &format!("WWW-Authenticate: {challenge}\r\n"), b"", 0);
        }
    }
    let trouble = state.troubles.lock().expect("no panic").get_mut(&asked.path).and_then(VecDeque::pop_front);
    let Some(bytes) = state.files.lock().expect("no panic").get(&asked.path).cloned() else {
        return send(404, "", b"{}", usize::MAX);
    };
    let from = asked.range.as_ref().and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok());
    match trouble {
        Some(Trouble::Status(status)) => send(status, "Retry-After: 0\r\n", b"", 0),
        Some(Trouble::Cut(count)) => send(200, "", &bytes, count),
        Some(Trouble::Redirect(target)) => send(307, &format!("Location: {target}\r\n"), b"", 0),
        Some(Trouble::Instead(other)) => send(200, "", &other, usize::MAX),
        None => match from {
            Some(from) => send(206, "", &bytes[from..], usize::MAX),
            None => send(200, "", &bytes, usize::MAX),
        },
    }
}
