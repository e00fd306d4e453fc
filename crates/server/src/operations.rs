//! A listener for whoever watches a process that serves nothing else over HTTP: `/healthz`, `/readyz` and `/metrics`, as the server of
//! executions has them.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::metrics;
use crate::stall::Stallable;

/// Connections at the same time; further ones wait in the kernel's queue. A handful of probes and collectors come.
const MAX_CONNECTIONS: usize = 64;
/// Until the headers of a request are there, also of the next one on a connection: how long silence is borne.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for a client that does not take the bytes of an answer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest wait for an answer: what is asked for numbers may itself have to ask somebody.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of a request's headers.
const BUFFER_BYTES: usize = 16 * 1024;
/// Pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is watched.
pub trait Watched: Send + Sync + 'static {
    /// Whether it does its work now; else what is in the way.
    ///
    /// # Errors
    /// What is in the way, for an operator.
    fn ready(&self) -> impl Future<Output = Result<(), String>> + Send;
    /// Everything that Prometheus collects, in the text format of OpenMetrics.
    fn metrics(&self) -> impl Future<Output = String> + Send;
}

/// Answers on this listener until `until` ends; connections end with it. Nobody has to prove who they are: what is told is how busy the
/// process is, and the names in its metrics.
pub async fn watch(listener: TcpListener, watched: impl Watched, until: impl Future<Output = ()>) {
    let watched = Arc::new(watched);
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    let accepting = async {
        loop {
            while connections.try_join_next().is_some() {}
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
            match listener.accept().await {
                Ok((stream, _)) => {
                    let watched = Arc::clone(&watched);
                    connections.spawn(async move {
                        serve(stream, watched).await;
                        drop(permit);
                    });
                }
                Err(error) => {
                    warn!(%error, "A connection could not be accepted.");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        () = until => {}
    }
}

async fn serve(stream: TcpStream, watched: Arc<impl Watched>) {
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let watched = Arc::clone(&watched);
        async move { Ok::<_, Infallible>(respond(request.method(), request.uri().path(), &*watched).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(TokioIo::new(Stallable::new(stream, WRITE_TIMEOUT)), service)
        .await;
    if let Err(error) = served {
        debug!(%error, "A connection ended early.");
    }
}

async fn respond(method: &Method, path: &str, watched: &impl Watched) -> Response<Full<Bytes>> {
    const TEXT: &str = "text/plain; charset=utf-8";
    let answering = async {
        match path {
            "/healthz" | "/readyz" | "/metrics" if method != Method::GET && method != Method::HEAD => {
                (StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n".to_owned())
            }
            "/healthz" => (StatusCode::OK, TEXT, "alive\n".to_owned()),
            "/readyz" => match watched.ready().await {
                Ok(()) => (StatusCode::OK, TEXT, "ready\n".to_owned()),
                Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{reason}\n")),
            },
            "/metrics" => (StatusCode::OK, metrics::CONTENT_TYPE, watched.metrics().await),
            _ => (StatusCode::NOT_FOUND, TEXT, "try /healthz, /readyz or /metrics\n".to_owned()),
        }
    };
    let (status, content_type, text) = timeout(ANSWER_TIMEOUT, answering)
        .await
        .unwrap_or_else(|_| (StatusCode::SERVICE_UNAVAILABLE, TEXT, "no answer in time\n".to_owned()));
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::sync::oneshot;

    use super::*;

    struct Sample(Result<(), String>);

    impl Watched for Sample {
        async fn ready(&self) -> Result<(), String> {
            self.0.clone()
        }

        async fn metrics(&self) -> String {
            "answers 42\n# EOF\n".to_owned()
        }
    }

    #[tokio::test]
    async fn it_says_how_it_is() {
        let unready = || Sample(Err("no broker".to_owned()));
        for (sample, request, status, body) in [
            (Sample(Ok(())), "GET /healthz", "200 OK", "alive\n"),
            (unready(), "GET /healthz", "200 OK", "alive\n"),
            (Sample(Ok(())), "GET /readyz", "200 OK", "ready\n"),
            (unready(), "GET /readyz", "503 Service Unavailable", "no broker\n"),
            (unready(), "HEAD /readyz", "503 Service Unavailable", ""),
            (Sample(Ok(())), "GET /metrics", "200 OK", "answers 42\n# EOF\n"),
            (Sample(Ok(())), "POST /metrics", "405 Method Not Allowed", "only GET and HEAD\n"),
            (Sample(Ok(())), "GET /else", "404 Not Found", "try /healthz, /readyz or /metrics\n"),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (stop, stopped) = oneshot::channel::<()>();
            let watching = tokio::spawn(watch(listener, sample, async { drop(stopped.await) }));
            let mut stream = TcpStream::connect(address).await.unwrap();
            let text = format!("{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            stream.write_all(text.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{request}: {answer}");
            assert_eq!(answer.split_once("\r\n\r\n").unwrap().1, body, "{request}");
            drop(stop);
            // It ends; its listener, which was given to it, ends with it.
            watching.await.unwrap();
        }
    }
}
