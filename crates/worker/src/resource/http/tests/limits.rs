//! Nothing is without bounds.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

use super::super::{
    Http, MOST_HEADER_BYTES, MOST_HEADERS, MOST_REQUEST_BODY, MOST_REQUESTS_PER_APP, MOST_REQUESTS_PER_RUN, MOST_URL,
};
use super::world::{LONG, World, ask, fields, http, http_with, ok, run};
use crate::config::Profile::Belljar;
use crate::protocol::Answer;
use crate::resource::Resource as _;

#[tokio::test]
async fn requests_have_limits() {
    let url = "http://127.0.0.1:1/";
    let many: serde_json::Map<String, Value> =
        (0..=MOST_HEADERS).map(|number| (format!("x-{number}"), json!(["1"]))).collect();
    for (asked, reason) in [
        (json!({"url": format!("{url}{}", "x".repeat(MOST_URL))}), "the URL is too long: 16384 are the most"),
        // Escapes count.
        (json!({"url": format!("{url}{}", "é".repeat(MOST_URL / 3))}), "the URL is too long: 16384 are the most"),
        (json!({"url": url, "headers": many}), "the list of headers is too long: 256 are the most"),
        (
            json!({"url": url, "headers": {"a": vec![""; MOST_HEADERS + 1]}}),
            "the list of headers is too long: 256 are the most",
        ),
        (
            json!({"url": url, "headers": {"a": ["x".repeat(MOST_HEADER_BYTES)]}}),
            "what the headers say is too long: 65536 are the most",
        ),
        (json!({"url": url, "data": "x".repeat(MOST_REQUEST_BODY + 1)}), "the body is too long: 16777216 are the most"),
    ] {
        assert_eq!(ask(&http(), Belljar, "get", asked).await, Answer::failure(reason));
    }
}

/// A server that counts its connections, and answers when it is let.
struct Counting {
    url: String,
    open: Arc<AtomicUsize>,
    answers: Arc<Semaphore>,
    _task: AbortOnDropHandle<()>,
}

impl Counting {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let (open, answers) = (Arc::<AtomicUsize>::default(), Arc::new(Semaphore::new(0)));
        let (count, let_go) = (Arc::clone(&open), Arc::clone(&answers));
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (count, let_go) = (Arc::clone(&count), Arc::clone(&let_go));
                connections.spawn(async move {
                    count.fetch_add(1, Ordering::Relaxed);
                    let _ = stream.read(&mut [0; 1024]).await;
                    let_go.acquire().await.unwrap().forget();
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        Self { url, open, answers, _task: AbortOnDropHandle::new(task) }
    }

    /// Waits for that many connections, and a while for one more.
    async fn expect(&self, connections: usize) {
        let reached = async {
            while self.open.load(Ordering::Relaxed) < connections {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(LONG, reached).await.unwrap();
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(self.open.load(Ordering::Relaxed), connections);
    }
}

async fn all(http: &Http, url: &str, count: usize) {
    let (run, asked) = (run(Belljar), fields(json!({"url": url})));
    let answers = futures_util::future::join_all((0..count).map(|_| http.handle(&run, "get", &asked))).await;
    assert!(answers.iter().all(|answer| *answer == ok(200, "")), "{answers:?}");
}

#[tokio::test]
async fn one_run_makes_so_many_requests_at_a_time() {
    let server = Counting::start().await;
    let http = http();
    let more = 3;
    tokio::join!(all(&http, &server.url, MOST_REQUESTS_PER_RUN + more), async {
        server.expect(MOST_REQUESTS_PER_RUN).await;
        server.answers.add_permits(MOST_REQUESTS_PER_RUN + more);
    });
}

#[tokio::test]
async fn one_app_makes_so_many_requests_at_a_time() {
    let server = Counting::start().await;
    let http = http();
    let runs = MOST_REQUESTS_PER_APP / MOST_REQUESTS_PER_RUN + 1;
    let runs = futures_util::future::join_all((0..runs).map(|_| all(&http, &server.url, MOST_REQUESTS_PER_RUN)));
    tokio::join!(runs, async {
        server.expect(MOST_REQUESTS_PER_APP).await;
        server.answers.add_permits(MOST_REQUESTS_PER_APP + MOST_REQUESTS_PER_RUN);
    });
}

/// Waiting for a turn counts, too.
#[tokio::test]
async fn a_turn_is_not_waited_for_without_end() {
    let http = http_with(Duration::from_millis(100), World::default());
    let run = run(Belljar);
    let _turns = run.http_turns.acquire_many(u32::try_from(MOST_REQUESTS_PER_RUN).unwrap()).await.unwrap();
    let asked = fields(json!({"url": "http://127.0.0.1:1/"}));
    let answer = tokio::time::timeout(LONG, http.handle(&run, "get", &asked)).await.unwrap();
    assert_eq!(answer, Answer::failure("it was not complete after 0.1 seconds"));
}
