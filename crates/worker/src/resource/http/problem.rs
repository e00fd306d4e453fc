//! Why a request has no answer, in words for people and in those of vxsandbox.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use belljar_egress::Special;

use super::python;
use crate::config::Profile;

/// Why a request has no answer. Its display is the wording for people; [`Problem::reason`] knows Python's, too.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("No URL given")]
    NoUrl,
    /// Of the strict profile only: Python wants bytes.
    #[error("the URL has other characters than ASCII")]
    UrlNotAscii(String),
    #[error("{url:?} is no URL: {why}")]
    Url { url: String, why: String },
    #[error("a URL begins with http:// or https://, not with {0:?}")]
    Scheme(String),
    #[error("a URL has no user name or password; send them in the header Authorization")]
    Credentials { authority: String },
    /// A field of another kind.
    #[error("{field} must be {wanted}")]
    Kind { field: String, wanted: &'static str, python: String },
    /// A value that is none of those that there are.
    #[error("{field} knows {known}, and not {value}")]
    Value { field: &'static str, known: &'static str, value: String, python: String },
    #[error("a request has data or files, not both")]
    DataAndFiles,
    #[error("the data of the file {0:?} is not base64")]
    Base64(String),
    #[error("the file {file:?} has no {member}")]
    FileMember { file: String, member: &'static str },
    #[error("{what} is too long: {most} are the most")]
    TooMuch { what: &'static str, most: usize },
    #[error("{0:?} is no name of a header")]
    HeaderName(String),
    #[error("the header {0:?} has a value with line breaks or control characters")]
    HeaderValue(String),
    /// By the guard.
    #[error(
        "{host} has the address {address}, which is {special}: this worker keeps apps from it (setting allow_private)"
    )]
    Guarded { host: String, address: IpAddr, special: Special },
    #[error("no address is known of the host {host}: {why}")]
    Unresolved { host: String, why: String },
    #[error("cannot connect to {address}: {error}")]
    Connect { address: SocketAddr, error: io::Error },
    #[error("it was not complete after {} seconds", .0.as_secs_f64())]
    TimedOut(Duration),
    #[error("the server closed the connection before its answer was complete")]
    Closed,
    #[error("the connection was lost: {0}")]
    Lost(String),
    #[error("the server's certificate is not accepted: {0}")]
    Certificate(String),
    #[error("the server does not speak TLS at this port")]
    NotTls,
    #[error("TLS: {0}")]
    Tls(String),
    #[error("the server's answer is not HTTP: {0}")]
    NotHttp(String),
    #[error("Received {received} bytes, maximum of {limit} bytes allowed.")]
    OverLimit { received: u64, limit: u64 },
    #[error("the body is not what its Content-Encoding says: {0}")]
    Gzip(String),
    #[error("the server redirects ({code}) from {url}, which is followed for GET and HEAD only")]
    Redirected { code: u16, url: String },
    #[error("the server redirects ({code}) from {url} and does not say where to")]
    NoLocation { code: u16, url: String },
    #[error("more than {} redirects, the last ({code}) from {url}", super::MOST_REDIRECTS)]
    RedirectedTooOften { code: u16, url: String },
    /// Of the strict profile only: others get the body with replacement characters.
    #[error("the body is not UTF-8: {0}")]
    NotText(NotText),
}

/// Where a body ceases to be UTF-8.
#[derive(Debug, thiserror::Error)]
#[error("byte {byte:#04x} at {position}")]
pub(super) struct NotText {
    byte: u8,
    position: usize,
    ended: bool,
}

impl From<std::string::FromUtf8Error> for NotText {
    fn from(error: std::string::FromUtf8Error) -> Self {
        let position = error.utf8_error().valid_up_to();
        let byte = error.as_bytes().get(position).copied().unwrap_or_default();
        Self { byte, position, ended: error.utf8_error().error_len().is_none() }
    }
}

impl Problem {
    /// What the app is told.
    pub(super) fn reason(&self, profile: Profile) -> String {
        match profile {
            Profile::Belljar => self.to_string(),
            Profile::Strict => self.python(),
        }
    }

    /// What vxsandbox on Twisted 20 says; where it has nothing to say, what we do.
    fn python(&self) -> String {
        let failed = |class: &str, text: &str| format!("[<twisted.python.failure.Failure {class}: {text}>]");
        let tls = |routine: &str, text: &str| {
            failed("OpenSSL.SSL.Error", &format!("[('SSL routines', '{routine}', '{text}')]"))
        };
        match self {
            Self::UrlNotAscii(url) => {
                // Positions are those of the encoded text: it is UTF-8 by then.
                let position = url.bytes().position(|byte| !byte.is_ascii()).unwrap_or_default();
                let byte = url.as_bytes().get(position).copied().unwrap_or_default();
                format!("'ascii' codec can't decode byte {byte:#04x} in position {position}: ordinal not in range(128)")
            }
            Self::Url { url, .. } => format!("Invalid URI {}", python::repr_bytes(url)),
            Self::Scheme(scheme) => format!("Unsupported scheme: {}", python::repr_bytes(scheme)),
            Self::Credentials { authority } => {
                format!("DNS lookup failed: no results for hostname lookup: {authority}.")
            }
            Self::Kind { python, .. } | Self::Value { python, .. } => python.clone(),
            Self::DataAndFiles => "Unsupported format".to_owned(),
            Self::Base64(_) => "Incorrect padding".to_owned(),
            Self::FileMember { member, .. } => python::repr_bytes(member),
            Self::Unresolved { host, .. } => {
                format!("DNS lookup failed: no results for hostname lookup: {host}.")
            }
            Self::Connect { error, .. } => connect_error(error),
            Self::TimedOut(_) => failed("twisted.internet.defer.CancelledError", ""),
            Self::Closed => failed("twisted.internet.error.ConnectionDone", "Connection was closed cleanly."),
            Self::Lost(_) => failed(
                "twisted.internet.error.ConnectionLost",
                "Connection to the other side was lost in a non-clean fashion.",
            ),
            Self::Certificate(_) => tls("tls_process_server_certificate", "certificate verify failed"),
            Self::NotTls => tls("ssl3_get_record", "wrong version number"),
            Self::Redirected { code, url } => {
                failed("twisted.web.error.PageRedirect", &format!("{code} {} to {url}", phrase(*code)))
            }
            Self::NoLocation { code, url } => {
                let text = format!("{code} No location header field to {url}");
                failed("twisted.web.error.RedirectWithNoLocation", &text)
            }
            Self::RedirectedTooOften { code, url } => {
                let text = format!("{code} Infinite redirection detected to {url}");
                failed("twisted.web.error.InfiniteRedirection", &text)
            }
            Self::NotText(NotText { byte, position, ended }) => {
                let why = match byte {
                    _ if *ended => "unexpected end of data",
                    0xc2..=0xf4 => "invalid continuation byte",
                    _ => "invalid start byte",
                };
                format!("'utf8' codec can't decode byte {byte:#04x} in position {position}: {why}")
            }
            Self::NoUrl
            | Self::TooMuch { .. }
            | Self::HeaderName(_)
            | Self::HeaderValue(_)
            | Self::Guarded { .. }
            | Self::Tls(_)
            | Self::NotHttp(_)
            | Self::OverLimit { .. }
            | Self::Gzip(_) => self.to_string(),
        }
    }
}

/// `302` is `Found`.
fn phrase(code: u16) -> &'static str {
    http::StatusCode::from_u16(code).ok().and_then(|code| code.canonical_reason()).unwrap_or_default()
}

/// Twisted's words for errors of `connect(2)`.
fn connect_error(error: &io::Error) -> String {
    let Some(number) = error.raw_os_error() else { return error.to_string() };
    let text = rustix::io::Errno::from_raw_os_error(number);
    let (class, words) = match text {
        rustix::io::Errno::CONNREFUSED => ("Connection was refused by other side", "Connection refused"),
        rustix::io::Errno::HOSTUNREACH => ("No route to host", "No route to host"),
        rustix::io::Errno::TIMEDOUT => ("TCP connection timed out", "Connection timed out"),
        rustix::io::Errno::NETUNREACH => ("An error occurred while connecting", "Network is unreachable"),
        _ => return format!("An error occurred while connecting: {error}."),
    };
    format!("{class}: {number}: {words}.")
}
