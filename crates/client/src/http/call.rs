//! One request, before it is sent.

use http::{HeaderName, HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::multipart::Part;
use crate::error::Step;
use crate::sample::Origin;

/// What need not be encoded in a segment of a path (RFC 3986, `unreserved`).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What a call sends.
#[derive(Debug, Clone, Default)]
pub enum Body {
    /// Nothing.
    #[default]
    Empty,
    /// A form.
    Form(Vec<(String, String)>),
    /// JSON.
    Json(serde_json::Value),
    /// A form with files.
    Multipart(Vec<Part>),
    /// A file as it is, read anew each time it is sent, as `application/octet-stream`.
    File(Origin),
}

/// One request.
#[derive(Debug, Clone)]
pub struct Call {
    pub(super) step: Step,
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Body,
    pub(super) again: bool,
    /// Also after a 503, although it may not be sent again otherwise.
    pub(super) after_unavailable: bool,
    /// A segment is `.` or `..`, encoded or not: addresses are shortened by those wherever they are read.
    pub(super) dots: bool,
}

impl Call {
    /// A request for `path`, whose segments are encoded one by one; a slash at its end is kept. One that only reads is sent again when it fails.
    pub fn new(step: Step, method: Method, path: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut dots = false;
        let segments = path.into_iter().map(|segment| {
            dots |= matches!(segment.as_ref(), "." | "..");
            utf8_percent_encode(segment.as_ref(), SEGMENT).to_string()
        });
        let path = segments.collect::<Vec<_>>().join("/");
        let again = method == Method::GET || method == Method::HEAD;
        Self {
            step,
            method,
            path,
            query: Vec::new(),
            headers: Vec::new(),
            body: Body::Empty,
            again,
            after_unavailable: false,
            dots,
        }
    }

    /// A GET of what a server has named: a path with a query, encoded already, without a slash at its beginning.
    pub(crate) fn located(step: Step, target: &str) -> Self {
        Self { path: target.to_owned(), ..Self::get(step, [""; 0]) }
    }

    /// A GET.
    pub fn get(step: Step, path: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self::new(step, Method::GET, path)
    }

    /// A POST.
    pub fn post(step: Step, path: impl IntoIterator<Item = impl AsRef<str>>, body: Body) -> Self {
        Self { body, ..Self::new(step, Method::POST, path) }
    }

    /// Sends this, whatever the method.
    #[must_use]
    pub fn with(mut self, body: Body) -> Self {
        self.body = body;
        self
    }

    /// A PUT. What it sets is the same after it was sent twice, so that it is sent again when it fails.
    pub fn put(step: Step, path: impl IntoIterator<Item = impl AsRef<str>>, body: Body) -> Self {
        Self { body, again: true, ..Self::new(step, Method::PUT, path) }
    }

    /// A DELETE. Sent once: when it is not known whether it has arrived, asking shows.
    pub fn delete(step: Step, path: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self::new(step, Method::DELETE, path)
    }

    /// What it is for.
    #[must_use]
    pub const fn step(&self) -> Step {
        self.step
    }

    /// Adds to the query.
    #[must_use]
    pub fn query(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.push((name.to_owned(), value.into()));
        self
    }

    /// Adds a header; one with impossible characters is left out, and the server will say what it misses.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(mut value) = HeaderValue::from_str(value) {
            value.set_sensitive(true);
            self.headers.push((name, value));
        }
        self
    }

    /// It changes something, although it is a GET: it must not be sent again.
    #[must_use]
    pub const fn once(mut self) -> Self {
        self.again = false;
        self
    }

    /// It changes nothing, although it is no GET: it may be sent again.
    #[must_use]
    pub const fn harmless(mut self) -> Self {
        self.again = true;
        self
    }

    /// Here a 503 says that nothing has happened: it may be sent again after one, and only then.
    #[must_use]
    pub const fn again_when_unavailable(mut self) -> Self {
        self.after_unavailable = true;
        self
    }
}
