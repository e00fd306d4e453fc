//! What became of a connection, for those who watch.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Serialize, Serializer};

use crate::guard::Special;
use crate::host::HostError;

/// How a connection came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// To the address that a name has inside.
    Direct,
    /// Through the HTTP proxy, as a request.
    Http,
    /// Through the HTTP proxy, as a tunnel (`CONNECT`).
    Tunnel,
    /// Through the SOCKS5 proxy.
    Socks,
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The name or the address with this port is not on the list.
    #[error("it is not on the list")]
    NotListed,
    /// A name on the list led to nothing but this kind of address.
    #[error("it is at {0}, {1}")]
    NotPublic(IpAddr, Special),
    /// The text is not a host.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The request is not one that can be understood in one way only.
    #[error("the request is refused: {0}")]
    Request(&'static str),
    /// The request took too long to arrive, or ended before it was complete.
    #[error("the request did not arrive")]
    Incomplete,
}

/// Why something that is allowed did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The name is not known, or whoever knows it did not answer.
    #[error("the name cannot be resolved: {0}")]
    Unresolved(String),
    /// Nobody took the connection.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// It took too long.
    #[error("it did not answer in time")]
    TimedOut,
    /// The run ended before it answered.
    #[error("the run ended first")]
    RunEnded,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Connected.
    Allowed,
    /// Not allowed.
    Refused(Refusal),
    /// Allowed, and in vain.
    Failed(Failure),
}

impl Verdict {
    /// One of three words, for metrics and logs.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused(_) => "refused",
            Self::Failed(_) => "failed",
        }
    }

    /// Why not, in words; `None` when it was allowed.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::Allowed => None,
            Self::Refused(refusal) => Some(refusal.to_string()),
            Self::Failed(failure) => Some(failure.to_string()),
        }
    }
}

impl Serialize for Verdict {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.label())
    }
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Both sides had said all, or one of them broke it off.
    Closed,
    /// Nothing was said for too long.
    Idle,
    /// The run has sent all that it may.
    SentLimit,
    /// The run has received all that it may.
    ReceivedLimit,
    /// The run ended first.
    RunEnded,
}

/// One connection, or one attempt.
#[derive(Debug, Clone, Serialize)]
pub struct Connection {
    /// How it came.
    pub way: Way,
    /// The host that was asked for, as it was said, at most 260 characters and none that a terminal would obey; empty when that is not known.
    pub host: String,
    /// The port that was asked for; 0 when that is not known.
    pub port: u16,
    /// Where it was connected to.
    pub address: Option<SocketAddr>,
    /// Whether it was.
    pub verdict: Verdict,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How it ended.
    pub ending: Ending,
    /// Bytes from the sandbox.
    pub sent: u64,
    /// Bytes to the sandbox.
    pub received: u64,
    /// From its acceptance to its end, in seconds.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub duration: Duration,
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

/// Who is told of connections, each once, at its end.
pub trait Journal: std::fmt::Debug + Send + Sync {
    /// A connection has ended, or was refused. Called on the way of other connections: it must not wait.
    fn record(&self, connection: Connection);
}

/// A text of a stranger as it may be shown.
pub(crate) fn shown(text: &str) -> String {
    text.escape_debug().take(260).collect()
}
