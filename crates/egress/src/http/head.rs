//! The head of a request to the proxy: read strictly, checked, and written anew, so that nobody behind reads it in another way.

use std::fmt::Write;

use super::body::Framing;
use crate::host::{Host, parse_authority};
use crate::record::Refusal;

/// Header fields of one request, at most.
const MOST_FIELDS: usize = 100;

/// A request as it will be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The host that is asked for.
    pub host: Host,
    /// Its port.
    pub port: u16,
    /// What to do there.
    pub task: Task,
}

/// What a request wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// `CONNECT`: a connection, whatever is said on it.
    Tunnel,
    /// One exchange.
    Forward {
        /// The head as the server gets it.
        head: Vec<u8>,
        /// How much body follows.
        framing: Framing,
    },
}

/// The length of the head that `bytes` begin with, its empty line included; `None` when it is not complete.
#[must_use]
pub fn head_length(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|position| position + 4)
}

/// Reads a complete head.
///
/// # Errors
/// Whatever could be understood in more than one way, or is not for a proxy.
pub fn parse_head(bytes: &[u8]) -> Result<Head, Refusal> {
    let refused = |why| Err(Refusal::Request(why));
    // Lines end in CR LF, and neither is anywhere else: not in the values, not instead of both.
    let mut previous = 0;
    for (index, &byte) in bytes.iter().enumerate() {
        let paired = match byte {
            b'\n' => previous == b'\r',
            b'\r' => bytes.get(index + 1) == Some(&b'\n'),
            0 => false,
            _ => true,
        };
        if !paired {
            return refused("a line does not end in CR LF, or a zero byte is in it");
        }
        previous = byte;
    }
    if bytes.first().is_none_or(|byte| !byte.is_ascii_alphabetic()) {
        return refused("it does not begin with a method");
    }
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length == bytes.len() => {}
        Err(httparse::Error::TooManyHeaders) => return refused("it has more than 100 header fields"),
        _ => return refused("it is not HTTP/1"),
    }
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return refused("it is not HTTP/1");
    };
    if target.bytes().any(|byte| !byte.is_ascii_graphic()) {
        return refused("its target holds characters that are in no URL");
    }
    let fields = Fields(request.headers);
    let framing = fields.framing(version)?;
    let host_field = fields.only("host").map_err(|()| Refusal::Request("it has more than one Host field"))?;
    if version == 1 && host_field.is_none() {
        return refused("it has no Host field");
    }
    if method == "CONNECT" {
        let (host, port) = parse_authority(target, None)?;
        same_host(host_field, &host, port, port)?;
        if framing != Framing::None {
            return refused("CONNECT has no body");
        }
        return Ok(Head { host, port, task: Task::Tunnel });
    }
    let (authority, path) = split_target(target)?;
    let (host, port) = parse_authority(authority, Some(80))?;
    same_host(host_field, &host, port, 80)?;
    let head = fields.write(method, path, version, &host, port)?;
    Ok(Head { host, port, task: Task::Forward { head, framing } })
}

/// The authority and the rest of an absolute `http` URL.
fn split_target(target: &str) -> Result<(&str, &str), Refusal> {
    let refused = |why| Err(Refusal::Request(why));
    let Some((scheme, rest)) = target.split_once("://") else {
        return refused("this is a proxy: the target is a whole URL, or CONNECT is asked for");
    };
    if !scheme.eq_ignore_ascii_case("http") {
        return refused("only http is spoken here; CONNECT leads to everything else");
    }
    if rest.contains(['#', '\\']) {
        return refused("its target holds characters that are in no URL");
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    Ok(rest.split_at(end))
}

/// Whether the Host field says the same as the target. A server that serves many looks at the one, and we have looked at the other.
fn same_host(field: Option<&[u8]>, host: &Host, port: u16, default_port: u16) -> Result<(), Refusal> {
    let Some(field) = field else { return Ok(()) };
    let text = std::str::from_utf8(field).map_err(|_| Refusal::Request("its Host field is no text"))?;
    let named = parse_authority(text.trim_matches([' ', '\t']), Some(default_port))?;
    if (&named.0, named.1) == (host, port) {
        Ok(())
    } else {
        Err(Refusal::Request("its Host field names another host than its target"))
    }
}

/// Fields between two neighbours, which are not passed on (RFC 9110, 7.6.1), and those that say who asks.
const HOP_BY_HOP: [&str; 11] = [
    "connection",
    "content-length",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

struct Fields<'a, 'b>(&'a [httparse::Header<'b>]);

impl<'b> Fields<'_, 'b> {
    fn all<'c>(&'c self, name: &'c str) -> impl Iterator<Item = &'b [u8]> + 'c {
        self.0.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    /// The value of a field that may be there once.
    fn only(&self, name: &str) -> Result<Option<&'b [u8]>, ()> {
        let mut values = self.all(name);
        let first = values.next();
        if values.next().is_some() { Err(()) } else { Ok(first) }
    }

    /// How long the body is. Two fields about it, or one that leaves room for opinions, are what requests are smuggled with.
    fn framing(&self, version: u8) -> Result<Framing, Refusal> {
        let refused = |why| Err(Refusal::Request(why));
        let (Ok(length), Ok(encoding)) = (self.only("content-length"), self.only("transfer-encoding")) else {
            return refused("the length of its body is told more than once");
        };
        match (length, encoding) {
            (None, None) => Ok(Framing::None),
            (Some(length), None) => {
                let digits =
                    std::str::from_utf8(length).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
                match digits.and_then(|text| text.parse().ok()) {
                    Some(0) => Ok(Framing::None),
                    Some(length) => Ok(Framing::Length(length)),
                    None => refused("the length of its body is no number"),
                }
            }
            (None, Some(encoding)) if version == 1 && encoding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
            (None, Some(_)) => refused("its body has another encoding than 'chunked'"),
            (Some(_), Some(_)) => refused("the length of its body is told more than once"),
        }
    }

    /// The head for the server: one request, and then the end of the connection.
    fn write(&self, method: &str, path: &str, version: u8, host: &Host, port: u16) -> Result<Vec<u8>, Refusal> {
        let mut named = Vec::new();
        for value in self.all("connection") {
            let value = std::str::from_utf8(value).map_err(|_| Refusal::Request("its Connection field is no text"))?;
            named.extend(value.split(',').map(|name| name.trim().to_ascii_lowercase()));
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        let mut head = format!("{method} {slash}{path} HTTP/1.{version}\r\nHost: {host}");
        // Writing to a string cannot fail.
        if port != 80 {
            let _ = write!(head, ":{port}");
        }
        head.push_str("\r\n");
        if let Some(length) = self.all("content-length").next() {
            let _ = write!(head, "Content-Length: {}\r\n", String::from_utf8_lossy(length));
        }
        if self.all("transfer-encoding").next().is_some() {
            head.push_str("Transfer-Encoding: chunked\r\n");
        }
        let mut head = head.into_bytes();
        for field in self.0 {
            let name = field.name.to_ascii_lowercase();
            if !HOP_BY_HOP.contains(&name.as_str()) && !named.contains(&name) {
                for part in [field.name.as_bytes(), b": ", field.value, b"\r\n"] {
                    head.extend_from_slice(part);
                }
            }
        }
        head.extend_from_slice(b"Connection: close\r\n\r\n");
        Ok(head)
    }
}
