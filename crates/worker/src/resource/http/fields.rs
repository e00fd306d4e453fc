//! What an app asks for, from the fields of its command to a request that can be sent.

use bytes::Bytes;
use http::Method;
use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderMap, HeaderName, HeaderValue, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};
use serde_json::Value;
use url::Url;

use super::problem::Problem;
use super::{MOST_HEADER_BYTES, MOST_HEADERS, MOST_REQUEST_BODY, MOST_URL, files, python};
use crate::config::Profile;
use crate::protocol::Fields;

/// Those that are about the connection and not about the request; what the app says of them is not sent.
const OF_THE_CONNECTION: [HeaderName; 9] = [
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// A request, checked.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    /// Those of the app, and of its files.
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Whether the server's certificate is verified.
    pub(super) verify: bool,
}

impl Request {
    /// Reads the fields in the order in which vxsandbox does, as only the first mistake is told.
    pub(super) fn read(method: Method, fields: &Fields, profile: Profile) -> Result<Self, Problem> {
        let Some(Value::String(url)) = fields.get("url") else { return Err(Problem::NoUrl) };
        let verify = verify(fields, profile)?;
        check_ssl_method(fields, profile)?;
        let mut headers = match fields.get("headers") {
            None | Some(Value::Null) => HeaderMap::new(),
            Some(headers) => read_headers(headers, profile)?,
        };
        let data = match fields.get("data") {
            None | Some(Value::Null) => "",
            Some(Value::String(data)) => data,
            Some(other) => {
                let python = python::no_attribute(other, "encode");
                return Err(Problem::Kind { field: "data".to_owned(), wanted: "a string", python });
            }
        };
        let files = match fields.get("files") {
            None | Some(Value::Null) => Vec::new(),
            Some(files) => files::read(files, profile)?,
        };
        let body = match (data, files.as_slice()) {
            (data, []) => Bytes::copy_from_slice(data.as_bytes()),
            ("", files) => {
                let (content_type, body) = files::encode(files);
                headers.remove(CONTENT_TYPE);
                headers.insert(CONTENT_TYPE, content_type);
                body.into()
            }
            _ => return Err(Problem::DataAndFiles),
        };
        if body.len() > MOST_REQUEST_BODY {
            return Err(Problem::TooMuch { what: "the body", most: MOST_REQUEST_BODY });
        }
        let url = read_url(url, profile)?;
        Ok(Self { method, url, headers, body, verify })
    }
}

fn verify(fields: &Fields, profile: Profile) -> Result<bool, Problem> {
    const FIELD: &str = "verify_options";
    let wrong = |python: String| Problem::Kind { field: FIELD.to_owned(), wanted: "a list of strings", python };
    let Some(options) = fields.get(FIELD) else { return Ok(true) };
    let options = match (options, profile) {
        (Value::Array(options), _) => options,
        (Value::Null, Profile::Belljar) => return Ok(true),
        (other, _) => return Err(wrong(format!("'{}' object is not iterable", python::type_name(other)))),
    };
    if options.is_empty() && profile == Profile::Strict {
        return Err(wrong("reduce() of empty sequence with no initial value".to_owned()));
    }
    let mut any = false;
    for option in options {
        any |= match option.as_str() {
            Some("VERIFY_NONE") => false,
            Some("VERIFY_PEER" | "VERIFY_CLIENT_ONCE" | "VERIFY_FAIL_IF_NO_PEER_CERT") => true,
            _ => {
                let known = "VERIFY_NONE, VERIFY_PEER, VERIFY_CLIENT_ONCE and VERIFY_FAIL_IF_NO_PEER_CERT";
                return Err(Problem::Value {
                    field: FIELD,
                    known,
                    value: option.to_string(),
                    python: python::no_key(option),
                });
            }
        };
    }
    // Nothing but VERIFY_NONE, of which there is at least one, switches it off.
    Ok(any || options.is_empty())
}

/// The versions of TLS that are named are those of 2002; what is spoken is what the server and we know best, 1.2 at least.
fn check_ssl_method(fields: &Fields, profile: Profile) -> Result<(), Problem> {
    match (fields.get("ssl_method"), profile) {
        (None, _) | (Some(Value::Null), Profile::Belljar) => Ok(()),
        (Some(Value::String(method)), _) if matches!(method.as_str(), "SSLv3" | "SSLv23" | "TLSv1") => Ok(()),
        (Some(other), _) => Err(Problem::Value {
            field: "ssl_method",
            known: "SSLv3, SSLv23 and TLSv1",
            value: other.to_string(),
            python: python::no_key(other),
        }),
    }
}

fn read_headers(headers: &Value, profile: Profile) -> Result<HeaderMap, Problem> {
    let wrong = |name: Option<&str>, python| Problem::Kind {
        field: name.map_or_else(|| "headers".to_owned(), |name| format!("the header {name:?}")),
        wanted: if name.is_some() { "a list of strings" } else { "an object of lists of strings" },
        python,
    };
    let Value::Object(headers) = headers else { return Err(wrong(None, python::no_attribute(headers, "items"))) };
    let mut read = HeaderMap::new();
    let mut bytes = 0_usize;
    for (name, values) in headers {
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Problem::HeaderName(name.clone()))?;
        let letters: Vec<String>;
        let values: Vec<&str> = match (values, profile) {
            (Value::Array(values), _) => {
                let text = |value: &'_ Value| match value {
                    Value::String(_) => Ok(()),
                    other => Err(wrong(Some(name), python::no_attribute(other, "encode"))),
                };
                values.iter().try_for_each(text)?;
                values.iter().filter_map(Value::as_str).collect()
            }
            (Value::String(value), Profile::Belljar) => vec![value],
            (Value::String(value), Profile::Strict) => {
                letters = value.chars().map(String::from).collect();
                letters.iter().map(String::as_str).collect()
            }
            (other, _) => {
                let python = format!("'{}' object is not iterable", python::type_name(other));
                return Err(wrong(Some(name), python));
            }
        };
        if OF_THE_CONNECTION.contains(&header) {
            continue;
        }
        for value in values {
            bytes += name.len() + value.len();
            if read.len() >= MOST_HEADERS {
                return Err(Problem::TooMuch { what: "the list of headers", most: MOST_HEADERS });
            }
            if bytes > MOST_HEADER_BYTES {
                return Err(Problem::TooMuch { what: "what the headers say", most: MOST_HEADER_BYTES });
            }
            let value = value.trim_matches([' ', '\t']);
            let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| Problem::HeaderValue(name.clone()))?;
            read.append(header.clone(), value);
        }
    }
    Ok(read)
}

/// Adds what every request has.
pub(super) fn complete(headers: &mut HeaderMap, method: &Method, body: &Bytes) {
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    if !headers.contains_key(ACCEPT_ENCODING) {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if !body.is_empty() || [Method::POST, Method::PUT, Method::PATCH].contains(method) {
        headers.insert(CONTENT_LENGTH, body.len().into());
    }
}

fn read_url(text: &str, profile: Profile) -> Result<Url, Problem> {
    if text.len() > MOST_URL {
        return Err(Problem::TooMuch { what: "the URL", most: MOST_URL });
    }
    if profile == Profile::Strict {
        if !text.is_ascii() {
            return Err(Problem::UrlNotAscii(text.to_owned()));
        }
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Problem::Url { url: text.to_owned(), why: "spaces or control characters".to_owned() });
        }
    }
    match Url::parse(text) {
        Ok(url) => check_url(url),
        Err(url::ParseError::RelativeUrlWithoutBase) if !text.is_empty() => Err(Problem::Scheme(String::new())),
        Err(error) => Err(Problem::Url { url: text.to_owned(), why: error.to_string() }),
    }
}

/// What holds for every URL, also for one that is redirected to.
pub(super) fn check_url(url: Url) -> Result<Url, Problem> {
    if url.as_str().len() > MOST_URL {
        return Err(Problem::TooMuch { what: "the URL", most: MOST_URL });
    }
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Problem::Scheme(url.scheme().to_owned()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        // Nothing of the password.
        let host = url.host_str().unwrap_or_default();
        return Err(Problem::Credentials { authority: format!("{}@{host}", url.username()) });
    }
    if url.port() == Some(0) {
        return Err(Problem::Url { url: url.into(), why: "there is no port 0".to_owned() });
    }
    Ok(url)
}
