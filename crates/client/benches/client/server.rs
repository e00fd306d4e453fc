//! The server: what of Cuckoo's API is measured, with samples that are thrown away and captures of any size.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// Bytes of one piece of a capture.
const PIECE: usize = 64 << 10;

static PIECE_BYTES: [u8; PIECE] = [7; PIECE];
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Serves until whoever started it ends it.
pub(crate) fn serve() {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("http://{}", listener.local_addr().unwrap());
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.set_nodelay(true).unwrap();
            tokio::spawn(
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer)),
            );
        }
    });
}

async fn answer(mut request: Request<Incoming>) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    while let Some(Ok(_)) = request.body_mut().frame().await {}
    let path = request.uri().path();
    let text = match path.split('/').nth(2) {
        Some("view") if path.starts_with("/tasks") => r#"{"task": {"id": 1, "status": "reported", "errors": []}}"#,
        Some("create") => {
            let id = NEXT.fetch_add(1, Ordering::Relaxed);
            return Ok(whole(format!(r#"{{"task_id": {id}}}"#).into()));
        }
        Some("report") => r#"{"info": {"id": 1, "score": 7.2}, "signatures": [{"name": "drops", "severity": 2}]}"#,
        // The number of a task is the length of its capture in MiB.
        Some("get") => {
            let mib: usize = path.rsplit('/').next().unwrap_or_default().parse().unwrap_or_default();
            let pieces = (0..mib * ((1 << 20) / PIECE)).map(|_| Ok(Frame::data(Bytes::from_static(&PIECE_BYTES))));
            let pieces = stream::iter(pieces);
            return Ok(Response::new(StreamBody::new(pieces).boxed()));
        }
        _ => "{}",
    };
    Ok(whole(text.into()))
}

fn whole(text: Bytes) -> Response<BoxBody<Bytes, Infallible>> {
    let body = Full::new(text).boxed();
    Response::builder().header("content-type", "application/json").body(body).unwrap()
}
