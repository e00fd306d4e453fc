//! Redirects, as Twisted follows them.

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, HOST, HeaderMap, LOCATION, PROXY_AUTHORIZATION};
use http::{Method, StatusCode};
use tokio::time::Instant;
use url::Url;

use super::cookies::Jar;
use super::fields::{Request, check_url};
use super::problem::Problem;
use super::{Http, MOST_REDIRECTS, MOST_URL, body};

impl Http {
    /// Asks, follows redirects, and reads the body at the end of them.
    pub(super) async fn follow(&self, mut request: Request, deadline: Instant) -> Result<(u16, Vec<u8>), Problem> {
        let mut cookies = Jar::default();
        let mut redirects = 0;
        loop {
            let answered = self.exchange(&request, cookies.header(&request.url), deadline).await?;
            let (code, url) = (answered.head.status.as_u16(), || request.url.to_string());
            let is_get = request.method == Method::GET || request.method == Method::HEAD;
            let then_get = match answered.head.status {
                StatusCode::SEE_OTHER => true,
                StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::TEMPORARY_REDIRECT if is_get => false,
                StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND | StatusCode::TEMPORARY_REDIRECT => {
                    return Err(Problem::Redirected { code, url: url() });
                }
                _ if request.method == Method::HEAD => return Ok((code, Vec::new())),
                _ => return Ok((code, body::read(&answered.head.headers, answered.body, self.data_limit).await?)),
            };
            if redirects >= MOST_REDIRECTS {
                return Err(Problem::RedirectedTooOften { code, url: url() });
            }
            let Some(next) = location(&request.url, &answered.head.headers)? else {
                return Err(Problem::NoLocation { code, url: url() });
            };
            redirects += 1;
            cookies.take(&request.url, &answered.head.headers);
            if then_get {
                request.method = Method::GET;
            }
            leave(&mut request, next);
        }
    }
}

/// Where to, if it says so.
fn location(from: &Url, headers: &HeaderMap) -> Result<Option<Url>, Problem> {
    let Some(location) = headers.get(LOCATION) else { return Ok(None) };
    let text = String::from_utf8_lossy(location.as_bytes());
    if text.len() > MOST_URL {
        return Err(Problem::TooMuch { what: "the URL", most: MOST_URL });
    }
    let next =
        from.join(&text).map_err(|error| Problem::Url { url: text.clone().into_owned(), why: error.to_string() });
    next.and_then(check_url).map(Some)
}

/// Turns a request into the one for the next URL. Another server is not told what was meant for the first one.
fn leave(request: &mut Request, next: Url) {
    request.body = Bytes::new();
    if next.origin() != request.url.origin() {
        for secret in [AUTHORIZATION, COOKIE, HOST, PROXY_AUTHORIZATION] {
            request.headers.remove(secret);
        }
    }
    request.url = next;
}
