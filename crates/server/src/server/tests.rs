//! The server over real connections, with a service without sandboxes.

use std::future::Future;
use std::time::Instant;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::settings::Settings;
use crate::test_backend::TestBackend;

/// Longest wait for anything, so that a failing test ends.
const PATIENCE: Duration = Duration::from_secs(20);

struct Running {
    address: SocketAddr,
    backend: TestBackend,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(settings: Settings) -> Self {
        Self::start_with(settings, TestBackend::default()).await
    }

    async fn start_with(settings: Settings, backend: TestBackend) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let config = settings.resolve().unwrap();
        let shutdown = async { drop(stopped.await) };
        let task = tokio::spawn(serve(vec![listener], config, backend.clone(), shutdown));
        Self { address, backend, stop, task }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes on a connection of their own and reads until the server closes it.
    async fn exchange(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        rest(stream).await
    }

    async fn get(&self, path: &str, headers: &str) -> String {
        self.exchange(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n")).await
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        soon(self.task).await.unwrap();
    }
}

async fn soon<F: Future>(future: F) -> F::Output {
    timeout(PATIENCE, future).await.expect("in time")
}

/// What comes until the server closes the connection, or resets it.
async fn rest(mut stream: TcpStream) -> String {
    let mut received = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = soon(stream.read(&mut buffer)).await {
        received.extend_from_slice(&buffer[..read]);
    }
    String::from_utf8(received).unwrap()
}

/// Reads until the text ends with this.
async fn until(stream: &mut TcpStream, end: &str) -> String {
    let mut received = Vec::new();
    while !received.ends_with(end.as_bytes()) {
        received.push(soon(stream.read_u8()).await.unwrap());
    }
    String::from_utf8(received).unwrap()
}

fn execute(command: &str) -> String {
    let form = format!("config=%7B%22commands%22%3A+%5B%22{command}%22%5D%7D");
    format!(
        "POST /execute/ HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    )
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn operations_have_their_paths() {
    let running = Running::start(Settings::default()).await;
    let health = running.get("/healthz", "").await;
    assert_eq!((status(&health), health.ends_with("alive\n")), ("200", true), "{health}");
    let ready = running.get("/readyz", "").await;
    assert_eq!((status(&ready), ready.ends_with("ready\n")), ("200", true));
    let metrics = running.get("/metrics", "").await;
    assert!(metrics.contains("application/openmetrics-text"));
    for line in [
        "belljar_http_requests_total{route=\"healthz\",method=\"GET\",status=\"2xx\"} 1",
        "belljar_sandboxes{state=\"idle\"} 3",
        "belljar_http_connections 1",
    ] {
        assert!(metrics.contains(line), "{line} in\n{metrics}");
    }
    running.stop().await;

    let starting = TestBackend { ready: false, ..TestBackend::default() };
    let running = Running::start_with(Settings::default(), starting).await;
    let ready = running.get("/readyz", "").await;
    assert_eq!((status(&ready), ready.ends_with("the first sandbox is being made\n")), ("503", true), "{ready}");
    running.stop().await;
}

// Behaviours 2 and 1, byte for byte on the wire: HEAD tells the length and sends nothing.
#[tokio::test]
async fn connections_are_kept_and_head_has_no_body() {
    let running = Running::start(Settings::default()).await;
    let mut stream = running.connect().await;
    let path = format!("/environments/{}/", crate::test_backend::ENVIRONMENT);
    let expected = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/gzip\r\ncontent-disposition: attachment; filename={}.tgz\r\n",
        crate::test_backend::ENVIRONMENT
    );
    for method in ["HEAD", "GET", "HEAD"] {
        stream.write_all(format!("{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
        let head = until(&mut stream, "\r\n\r\n").await;
        assert!(head.starts_with(&expected), "{head}");
        assert!(head.contains("content-length: 7\r\n"), "{head}");
        assert!(head.contains("x-request-id: "));
        if method == "GET" {
            assert_eq!(until(&mut stream, "archive").await, "archive");
        }
    }
    stream.write_all(b"HEAD /none HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let answer = rest(stream).await;
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
    running.stop().await;
}

#[tokio::test]
async fn keys_are_asked_for() {
    // The digest of "correct-horse-battery".
    let digest = "sha256:62249369389075490555a758353aec61500c6218fa597252d52dc4bd0148f12d".to_owned();
    let settings = Settings { api_keys: vec![digest], ..Settings::default() };
    let running = Running::start(settings).await;
    for (path, header, expected) in [
        ("/healthz", "", "200"),
        ("/readyz", "", "401"),
        ("/metrics", "", "401"),
        ("/usages/", "", "401"),
        ("/none", "", "401"),
        ("/usages/", "X-Api-Key: wrong\r\n", "401"),
        ("/usages/", "X-Api-Key: correct-horse-battery\r\n", "200"),
        ("/usages/", "Authorization: Bearer correct-horse-battery\r\n", "200"),
        ("/none", "Authorization: Bearer correct-horse-battery\r\n", "404"),
    ] {
        let answer = running.get(path, header).await;
        assert_eq!(status(&answer), expected, "{path} {header}");
        assert_eq!(answer.contains("www-authenticate: Bearer\r\n"), expected == "401");
    }
    running.stop().await;
}

/// A certificate for `localhost` and its key, or the reason why there are none.
fn certificate(directory: &std::path::Path) -> Result<crate::TlsSettings, String> {
    let (certificate, key) = (directory.join("certificate.pem"), directory.join("key.pem"));
    let config = directory.join("openssl.cnf");
    std::fs::write(&config, "[req]\ndistinguished_name=dn\n[dn]\n").unwrap();
    let made = std::process::Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-addext",
            "basicConstraints=CA:FALSE",
        ])
        .args(["-config".as_ref(), config.as_os_str(), "-keyout".as_ref(), key.as_os_str()])
        .args(["-out".as_ref(), certificate.as_os_str()])
        .output()
        .map_err(|error| format!("no openssl: {error}"))?;
    match made.status.success() {
        true => Ok(crate::TlsSettings { certificate, key }),
        false => Err(format!("openssl cannot make a certificate: {}", String::from_utf8_lossy(&made.stderr))),
    }
}

#[tokio::test]
async fn connections_can_be_encrypted() {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, ServerName};

    let directory = tempfile::tempdir().unwrap();
    let tls = match certificate(directory.path()) {
        Ok(tls) => tls,
        Err(reason) => return eprintln!("skipped: {reason}"),
    };
    let swapped = crate::TlsSettings { certificate: tls.key.clone(), key: tls.certificate.clone() };
    assert!(Settings { tls: Some(swapped), ..Settings::default() }.resolve().is_err());

    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&tls.certificate).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let client = client.with_root_certificates(roots).with_no_client_auth();
    let short = Duration::from_millis(100);
    let settings = Settings { tls: Some(tls), handshake_timeout: short, ..Settings::default() };
    let running = Running::start(settings).await;

    let connector = tokio_rustls::TlsConnector::from(Arc::new(client));
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = soon(connector.connect(name, running.connect().await)).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    assert_eq!(status(&answer), "200");
    // Who says nothing, or something else, is let go.
    assert_eq!(running.exchange("").await, "");
    let mut plain = running.connect().await;
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut received = Vec::new();
    let _ = soon(plain.read_to_end(&mut received)).await;
    assert!(!received.starts_with(b"HTTP"));
    running.stop().await;
}

#[tokio::test]
async fn a_panic_ends_one_request_only() {
    let running = Running::start(Settings::default()).await;
    let mut stream = running.connect().await;
    stream.write_all(execute("panic").as_bytes()).await.unwrap();
    assert_eq!(status(&until(&mut stream, "</html>\n").await), "500");
    stream.write_all(execute("echo").as_bytes()).await.unwrap();
    assert_eq!(status(&until(&mut stream, "\"total_time\": 1.0}").await), "200");
    running.stop().await;
}

#[tokio::test]
async fn slow_clients_are_not_waited_for() {
    let short = Duration::from_millis(100);
    let settings = Settings { header_timeout: short, body_idle_timeout: short, ..Settings::default() };
    let running = Running::start(settings).await;
    // Silence, and headers that do not end.
    for sent in ["", "GET / HTTP/1.1\r\nHost:"] {
        let answer = running.exchange(sent).await;
        assert!(answer.is_empty() || status(&answer) == "408", "{answer}");
    }
    // A body that does not come: an answer, and the end of the connection.
    let request = execute("echo");
    let answer = running.exchange(&request[..request.len() - 1]).await;
    assert_eq!(status(&answer), "408");
    assert!(answer.contains("connection: close\r\n"));
    running.stop().await;
}

#[tokio::test]
async fn a_body_as_a_whole_has_its_time() {
    let total = Duration::from_millis(200);
    let running = Running::start(Settings { body_timeout: total, ..Settings::default() }).await;
    let mut stream = running.connect().await;
    let form = "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000000\r\n\r\n";
    stream.write_all(format!("POST /execute/ HTTP/1.1\r\nHost: x\r\n{form}").as_bytes()).await.unwrap();
    let (mut reading, mut writing) = stream.into_split();
    let drip = async {
        // Ends when the server has closed the connection.
        while writing.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let mut head = [0; 12];
    tokio::select! {
        read = soon(reading.read_exact(&mut head)) => drop(read.unwrap()),
        () = drip => {}
    }
    assert_eq!(&head, b"HTTP/1.1 408");
    running.stop().await;
}

#[tokio::test]
async fn refused_uploads_see_their_answer() {
    let running = Running::start(Settings::default()).await;
    // Larger than what the sockets hold, so that the client is still sending when the answer is known.
    let file = "x".repeat(8 << 20);
    let body =
        format!("--B\r\nContent-Disposition: form-data; name=environment; filename=f\r\n\r\n{file}\r\n--B--\r\n");
    let request = format!(
        "POST /execute/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: multipart/form-data; boundary=B\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    assert_eq!(status(&running.exchange(&request).await), "413");
    // Who asks before sending is told before sending.
    let request = request.replace("Connection: close", "Expect: 100-continue");
    let mut stream = running.connect().await;
    stream.write_all(request.split_inclusive("\r\n\r\n").next().unwrap().as_bytes()).await.unwrap();
    assert_eq!(status(&until(&mut stream, "\r\n\r\n").await), "413");
    running.stop().await;
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let running = Running::start(Settings { max_connections: 1, ..Settings::default() }).await;
    let mut first = running.connect().await;
    first.write_all(execute("wait").as_bytes()).await.unwrap();
    soon(running.backend.waiting.acquire()).await.unwrap().forget();
    let mut second = Box::pin(running.get("/healthz", ""));
    let early = timeout(Duration::from_millis(100), second.as_mut()).await;
    assert!(early.is_err(), "served beyond the limit");
    running.backend.permits.add_permits(1);
    assert_eq!(status(&until(&mut first, "\"total_time\": 1.0}").await), "200");
    drop(first);
    assert_eq!(status(&soon(second.as_mut()).await), "200");
    drop(second);
    running.stop().await;
}

#[tokio::test]
async fn stopping_lets_requests_finish() {
    let running = Running::start(Settings::default()).await;
    let idle = running.connect().await;
    let mut busy = running.connect().await;
    busy.write_all(execute("wait").as_bytes()).await.unwrap();
    soon(running.backend.waiting.acquire()).await.unwrap().forget();
    let Running { address, backend, stop, task } = running;
    stop.send(()).unwrap();
    // The one on which nothing was asked is closed at once, and nobody new is let in.
    assert_eq!(rest(idle).await, "");
    assert!(TcpStream::connect(address).await.is_err());
    assert!(!task.is_finished());
    backend.permits.add_permits(1);
    let answer = rest(busy).await;
    assert_eq!(status(&answer), "200");
    soon(task).await.unwrap();
}

#[tokio::test]
async fn stopping_does_not_wait_for_ever() {
    let running = Running::start(Settings { grace_period: Duration::from_millis(50), ..Settings::default() }).await;
    let mut busy = running.connect().await;
    busy.write_all(execute("wait").as_bytes()).await.unwrap();
    soon(running.backend.waiting.acquire()).await.unwrap().forget();
    let before = Instant::now();
    running.stop().await;
    assert!(before.elapsed() >= Duration::from_millis(50));
    assert_eq!(rest(busy).await, "");
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_request() {
    let running = Running::start(Settings::default()).await;
    let mut stream = running.connect().await;
    stream.write_all(execute("wait").as_bytes()).await.unwrap();
    soon(running.backend.waiting.acquire()).await.unwrap().forget();
    drop(stream);
    let line = "belljar_http_requests_total{route=\"execute\",method=\"POST\",status=\"abandoned\"} 1";
    soon(async { while !running.get("/metrics", "").await.contains(line) {} }).await;
    running.stop().await;
}

#[tokio::test]
async fn silent_connections_make_room_for_others() {
    let settings = Settings { max_connections: 3, ..Settings::default() };
    let running = Running::start(settings).await;
    let mut kept = running.connect().await;
    kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert_eq!(status(&until(&mut kept, "alive\n").await), "200");
    let mut silent = Vec::new();
    for _ in 0..10 {
        silent.push(running.connect().await);
    }
    // The header timeout is thirty seconds; nobody waits for it.
    assert_eq!(status(&running.get("/healthz", "").await), "200");
    // The oldest are closed, the kept one among them.
    let mut rest = Vec::new();
    soon(kept.read_to_end(&mut rest)).await.unwrap();
    assert_eq!(soon(silent[0].read_to_end(&mut rest)).await.unwrap(), 0);
    running.stop().await;
}
