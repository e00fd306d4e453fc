//! A server that stands in for a vendor's: it keeps what it receives and answers as it is told.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) method: String,
    /// Path and query, not decoded.
    pub(crate) target: String,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Bytes,
}

impl Received {
    /// `METHOD target`.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }

    /// The parts of a form with files: name, file name, bytes.
    pub(crate) fn parts(&self) -> Vec<(String, Option<String>, Vec<u8>)> {
        let boundary = self.headers["content-type"].strip_prefix("multipart/form-data; boundary=").expect("a form");
        let delimiter = format!("--{boundary}");
        let text = self.body.iter().map(|byte| char::from(*byte)).collect::<String>();
        let pieces = text.split(&delimiter).filter(|piece| !piece.is_empty() && *piece != "--\r\n");
        let parameter = |head: &str, name: &str| {
            let (_, rest) = head.split_once(&format!("; {name}=\""))?;
            Some(rest.split_once('"').expect("an end").0.to_owned())
        };
        let part = |piece: &str| {
            let (head, body) = piece.split_once("\r\n\r\n").expect("a head");
            let bytes = body.strip_suffix("\r\n").expect("an end").chars().map(|sign| sign as u8).collect();
            (parameter(head, "name").expect("a name"), parameter(head, "filename"), bytes)
        };
        pieces.map(part).collect()
    }
}

/// What is answered.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) ending: Ending,
}

/// What comes after the body that was given.
#[derive(Debug, Clone)]
pub(crate) enum Ending {
    /// Nothing: that was all of it.
    Whole,
    /// The connection is cut.
    Cut,
    /// Nothing, and no end.
    Stall,
    /// The same bytes many times, and then others.
    Repeat { piece: Bytes, times: usize, end: Bytes },
}

impl Reply {
    pub(crate) fn json(status: u16, body: &str) -> Self {
        Self::typed(status, "application/json", body)
    }

    pub(crate) fn typed(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        let headers = vec![("content-type", content_type.to_owned())];
        Self { status, headers, body: body.into(), ending: Ending::Whole }
    }

    pub(crate) fn ending(self, ending: Ending) -> Self {
        Self { ending, ..self }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// A running server, on loopback.
pub(crate) struct StandIn {
    pub(crate) address: String,
    received: Arc<Mutex<Vec<Received>>>,
    serving: JoinHandle<()>,
}

impl StandIn {
    pub(crate) async fn start(answer: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let (kept, answer) = (Arc::clone(&received), Arc::new(answer));
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                    async move {
                        let (head, body) = request.into_parts();
                        let text =
                            |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
                        let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value)));
                        let received = Received {
                            method: head.method.to_string(),
                            target: head.uri.to_string(),
                            headers: headers.collect(),
                            body: body.collect().await.map(|body| body.to_bytes()).unwrap_or_default(),
                        };
                        let reply = answer(&received);
                        kept.lock().expect("not poisoned").push(received);
                        let mut response = Response::builder().status(reply.status);
                        for (name, value) in reply.headers {
                            response = response.header(name, value);
                        }
                        let body = answered(reply.body.into(), reply.ending);
                        Ok::<_, Infallible>(response.body(body).expect("a response"))
                    }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { address, received, serving }
    }

    /// What has come so far; it is forgotten.
    pub(crate) fn take(&self) -> Vec<Received> {
        std::mem::take(&mut *self.received.lock().expect("not poisoned"))
    }

    /// The lines of what has come so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.take().iter().map(Received::line).collect()
    }
}

/// A body: of a known length when it is whole, else in chunks.
fn answered(start: Bytes, ending: Ending) -> UnsyncBoxBody<Bytes, io::Error> {
    let rest = match ending {
        Ending::Whole => return Full::new(start).map_err(|never| match never {}).boxed_unsync(),
        // While this waits for its turn, the head and the beginning of the body go out.
        Ending::Cut => stream::once(async {
            tokio::task::yield_now().await;
            Err(io::Error::other("cut"))
        })
        .boxed(),
        Ending::Stall => stream::pending().boxed(),
        Ending::Repeat { piece, times, end } => {
            stream::repeat(piece).take(times).chain(stream::iter([end])).map(Ok).boxed()
        }
    };
    BodyExt::boxed_unsync(StreamBody::new(stream::iter([Ok(start)]).chain(rest).map(|piece| piece.map(Frame::data))))
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.serving.abort();
    }
}
