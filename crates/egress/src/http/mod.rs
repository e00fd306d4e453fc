//! The HTTP proxy: `CONNECT`, and requests with an absolute URL.
//!
//! One request to a connection. A second one on the same would have to be told from the rest of the first by rules that client, proxy
//! and server all read alike, and requests are smuggled through where they do not. So each request is written anew, the server is asked
//! to close, and what the sandbox sends after it is never passed on.

mod body;
mod head;

pub use body::{Chunks, Framing};
pub use head::{Head, Task, head_length, parse_head};

use crate::record::{Failure, Refusal, Verdict, shown};

/// What a tunnel begins with.
pub(crate) const ESTABLISHED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// The answer to a request that is not carried out. Tells the program why, but nothing that it did not know about our side's network.
pub(crate) fn answer(verdict: &Verdict, host: &str, port: u16) -> Vec<u8> {
    let status = match verdict {
        Verdict::Refused(Refusal::NotListed | Refusal::NotPublic(..)) => "403 Forbidden",
        Verdict::Refused(_) | Verdict::Allowed => "400 Bad Request",
        Verdict::Failed(Failure::TimedOut) => "504 Gateway Timeout",
        Verdict::Failed(_) => "502 Bad Gateway",
    };
    let reason = match verdict {
        Verdict::Refused(Refusal::NotPublic(..)) => "it has no public address".to_owned(),
        Verdict::Failed(Failure::Unresolved(_)) => "the name cannot be resolved".to_owned(),
        other => other.reason().unwrap_or_default(),
    };
    let text = match (host, port) {
        ("", _) => format!("belljar: {reason}\n"),
        (host, 0) => format!("belljar: {}: {reason}\n", shown(host)),
        (host, port) => format!("belljar: {}:{port}: {reason}\n", shown(host)),
    };
    let length = text.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{text}"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests;
