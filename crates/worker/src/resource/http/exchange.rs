//! One request and its answer, on a connection of its own.

use bytes::Bytes;
use http::header::{HOST, HeaderValue};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::fields::{Request, complete};
use super::problem::Problem;
use super::{Http, tls};

/// Headers of an answer, at most.
const MOST_ANSWER_HEADERS: usize = 256;
/// Bytes of an answer's head, at most, and of what is read ahead.
const READ_BUFFER: usize = 64 * 1024;

/// An answer whose body is still to be read; dropped, it closes the connection.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) head: http::response::Parts,
    pub(super) body: Incoming,
    _connection: AbortOnDropHandle<()>,
}

impl Http {
    /// Connects, asks, and reads the head of the answer. `cookie` is what the redirects before brought.
    pub(super) async fn exchange(
        &self,
        request: &Request,
        cookie: Option<HeaderValue>,
        deadline: Instant,
    ) -> Result<Answered, Problem> {
        let asked = asked(request, cookie)?;
        let stream = self.route.connect(&request.url, deadline).await?;
        if request.url.scheme() == "https" {
            ask(self.tls.connect(&request.url, request.verify, stream).await?, asked).await
        } else {
            ask(stream, asked).await
        }
    }
}

fn asked(request: &Request, cookie: Option<HeaderValue>) -> Result<http::Request<Full<Bytes>>, Problem> {
    let no_url = |why: String| Problem::Url { url: request.url.to_string(), why };
    let target = &request.url[url::Position::BeforePath..url::Position::AfterQuery];
    let target: http::Uri = target.parse().map_err(|error: http::uri::InvalidUri| no_url(error.to_string()))?;
    let mut asked = http::Request::new(Full::new(request.body.clone()));
    *asked.method_mut() = request.method.clone();
    *asked.uri_mut() = target;
    let headers = asked.headers_mut();
    if !request.headers.contains_key(HOST) {
        // With the port, where it is not the one of the scheme.
        let host = &request.url[url::Position::BeforeHost..url::Position::AfterPort];
        headers.insert(HOST, HeaderValue::from_str(host).map_err(|error| no_url(error.to_string()))?);
    }
    headers.extend(request.headers.clone());
    if let Some(cookie) = cookie {
        headers.append(http::header::COOKIE, cookie);
    }
    complete(headers, &request.method, &request.body);
    Ok(asked)
}

async fn ask<S>(stream: S, asked: http::Request<Full<Bytes>>) -> Result<Answered, Problem>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let mut http = hyper::client::conn::http1::Builder::new();
    http.title_case_headers(true).max_headers(MOST_ANSWER_HEADERS).max_buf_size(READ_BUFFER);
    let (mut sender, connection) =
        http.handshake::<_, Full<Bytes>>(TokioIo::new(stream)).await.map_err(|error| problem(&error))?;
    // How the connection ended is told to whoever waits for the answer.
    let connection = AbortOnDropHandle::new(tokio::spawn(async { drop(connection.await) }));
    let (head, body) = sender.send_request(asked).await.map_err(|error| problem(&error))?.into_parts();
    Ok(Answered { head, body, _connection: connection })
}

/// What an error of hyper means to an app.
pub(super) fn problem(error: &hyper::Error) -> Problem {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(inner) = inner.downcast_ref::<std::io::Error>() {
            return tls::problem(inner);
        }
        source = inner.source();
    }
    if error.is_parse() {
        return Problem::NotHttp(error.to_string());
    }
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        return Problem::Closed;
    }
    Problem::Lost(error.to_string())
}
