//! A client of HTTP/1.1 that shows every byte: it hides no header, follows no redirect and repairs nothing.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// No answer of the server takes nearly as long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to the server.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: BufReader<TcpStream>,
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Names in lower case, in the order of the wire.
    headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Connection {
    pub(crate) fn open(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).expect("the server accepts"))
    }

    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("it can be set");
        stream.set_nodelay(true).expect("it can be set");
        Self { stream: BufReader::new(stream) }
    }

    /// Sends bytes as they are.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.get_mut().write_all(bytes).expect("the server takes it");
    }

    /// Sends bytes to a server that may have answered and hung up already.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Says that nothing more comes, if the server still listens.
    pub(crate) fn finish_sending(&self) {
        let _ = self.stream.get_ref().shutdown(std::net::Shutdown::Write);
    }

    /// Reads one answer to a request with this method.
    pub(crate) fn receive(&mut self, method: &str) -> io::Result<Reply> {
        let mut line = Vec::new();
        self.line(&mut line)?;
        let text = String::from_utf8_lossy(&line).into_owned();
        let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status = status.ok_or_else(|| io::Error::other(format!("no status line: {text:?}")))?;
        if status == 100 {
            self.line(&mut line)?;
            return self.receive(method);
        }
        let mut headers = Vec::new();
        loop {
            self.line(&mut line)?;
            if line.is_empty() {
                break;
            }
            let colon = line.iter().position(|byte| *byte == b':').expect("a header has a colon");
            let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
            headers.push((name, line[colon + 1..].trim_ascii().to_vec()));
        }
        let mut reply = Reply { status, headers, body: Vec::new() };
        if method != "HEAD" {
            // The server tells every length: none of its bodies comes in chunks.
            let length = reply.header("content-length").expect("a length").parse().expect("a number");
            reply.body.resize(length, 0);
            self.stream.read_exact(&mut reply.body)?;
        }
        Ok(reply)
    }

    /// Whatever comes until the server closes the connection.
    pub(crate) fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest)?;
        Ok(rest)
    }

    fn line(&mut self, line: &mut Vec<u8>) -> io::Result<()> {
        line.clear();
        self.stream.read_until(b'\n', line)?;
        if line.pop() != Some(b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        assert_eq!(line.pop(), Some(b'\r'), "lines end with CR LF");
        Ok(())
    }
}

impl Reply {
    /// The value of a header that comes at most once.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.header_bytes(name).map(|value| std::str::from_utf8(value).expect("this header is ASCII"))
    }

    pub(crate) fn header_bytes(&self, name: &str) -> Option<&[u8]> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let value = found.next().map(|(_, value)| value.as_slice());
        assert!(found.next().is_none(), "{name} comes twice");
        value
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    /// The body as JSON; the answer must be a success.
    pub(crate) fn json(&self) -> Value {
        assert_eq!((self.status, self.header("content-type")), (200, Some("application/json")), "{self:?}");
        assert!(self.body.is_ascii(), "JSON goes out as ASCII");
        serde_json::from_slice(&self.body).expect("valid JSON")
    }

    /// Checks a refusal: its status and its words, as plain text.
    #[track_caller]
    pub(crate) fn refuses(&self, status: u16, text: &str) {
        assert_eq!((self.status, self.text()), (status, text));
        assert_eq!(self.header("content-type"), Some("text/plain; charset=utf-8"));
    }
}

/// The bytes of a request with `Host`, these headers and, if there is a body, its length.
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: test\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend(format!("{name}: {value}\r\n").bytes());
    }
    if !body.is_empty() || method == "POST" {
        bytes.extend(format!("Content-Length: {}\r\n", body.len()).bytes());
    }
    bytes.extend(b"\r\n");
    bytes.extend(body);
    bytes
}
