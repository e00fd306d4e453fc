//! The execution API. What the real server makes of it is tried in the tests of the program `belljar`; here is what is sent, and what
//! becomes of servers that fail. Numbers are those of the list of behaviours of PremierLangage's own client.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use belljar_client::execution::{
    Archive, Command, Execution, ExecutionSettings, Fact, HttpError, Presence, Reason, Request, Status,
};
use belljar_client::{Error, ErrorKind, Fault, Secret, Vendor};
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::stand_in::{Ending, Reply, StandIn};

const ID: &str = "39a843f6-0f46-4f90-b2af-b7724106f954";
const KEY: &str = "k3y-that-nobody-may-see";
const DONE: &str = r#"{"status": 0, "execution": [{"command": "true", "exit_code": 0, "stdout": "out", "stderr": "", "time": 0.01}],
    "total_time": 0.02}"#;

pub(crate) fn settings(address: &str) -> ExecutionSettings {
    let mut settings = ExecutionSettings::new("lab", address);
    settings.http.tries = 2;
    settings.key = Some(Secret::new(KEY));
    settings
}

fn execution(address: &str) -> Execution {
    Execution::new(settings(address)).unwrap()
}

fn http(error: &Error) -> &HttpError {
    match &error.kind {
        ErrorKind::Http(error) => error,
        other => panic!("no HTTP error: {other:?}"),
    }
}

async fn answering(reply: impl Fn() -> Reply + Send + Sync + 'static) -> (StandIn, Execution) {
    let server = StandIn::start(move |_| reply()).await;
    let execution = execution(&server.address);
    (server, execution)
}

/// 41, 45, 51-56: what is sent, without an archive and with one from each place.
#[tokio::test]
async fn a_request_is_sent_as_the_protocol_wants_it() {
    let request = Request {
        commands: vec![Command::parse("-false"), Command::new("true").within(Duration::from_secs(1))],
        environ: BTreeMap::from([("VAR1".to_owned(), "My var".to_owned())]),
        environment: Some(ID.to_owned()),
        result_path: Some("a/é.txt".to_owned()),
        save: true,
    };
    let config = json!({
        "commands": ["-false", {"command": "true", "timeout": 1}], "environ": {"VAR1": "My var"}, "environment": ID,
        "result_path": "a/é.txt", "save": true,
    });
    let (server, lab) = answering(|| Reply::json(200, DONE)).await;
    let outcome = lab.execute(&request, None).await.unwrap();
    assert_eq!((outcome.status, outcome.last_output()), (Status::Success, "out"));
    let received = server.take().remove(0);
    assert_eq!(received.line(), "POST /execute/");
    assert_eq!(received.headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(received.headers["authorization"], format!("Bearer {KEY}"));
    let form: Vec<(String, String)> = serde_urlencoded(&received.body);
    assert_eq!(form.len(), 1);
    assert_eq!(form[0].0, "config");
    assert_eq!(serde_json::from_str::<Value>(&form[0].1).unwrap(), config);

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("work \"1\".tgz");
    let bytes = b"\x1f\x8b\0--\r\n\xff".repeat(100_000);
    std::fs::write(&path, &bytes).unwrap();
    let named = |name: &str| Archive { name: name.to_owned(), ..Archive::bytes(bytes.clone()) };
    for (archive, name) in [
        (Archive::path(&path), "work %221%22.tgz"),
        (Archive::bytes(bytes.clone()), "environment"),
        (Archive::read(bytes.as_slice(), 1 << 20).await.unwrap(), "environment"),
        (named(""), "environment"),
        (named("x.tgz"), "x.tgz"),
    ] {
        lab.execute(&request, Some(&archive)).await.unwrap();
        let received = server.take().remove(0);
        assert_eq!(received.headers["content-length"], received.body.len().to_string(), "servers need it");
        let parts = received.parts();
        assert_eq!(parts.len(), 2);
        assert_eq!((parts[0].0.as_str(), &parts[0].1), ("config", &None), "a file name would make it a file");
        assert_eq!(serde_json::from_slice::<Value>(&parts[0].2).unwrap(), config);
        assert_eq!((parts[1].0.as_str(), parts[1].1.as_deref()), ("environment", Some(name)));
        assert!(parts[1].2 == bytes, "{name}");
    }
    assert!(Archive::read(bytes.as_slice(), 1000).await.is_err(), "a stream without an end must have one");
}

/// The fields of a form.
fn serde_urlencoded(body: &[u8]) -> Vec<(String, String)> {
    let text = std::str::from_utf8(body).unwrap().replace('+', " ");
    let decoded = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8().unwrap().into_owned();
    text.split('&')
        .filter_map(|field| field.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

/// JSON of a caller's own goes as it is and comes as it is.
#[tokio::test]
async fn raw_requests_are_not_touched() {
    let (server, lab) = answering(|| Reply::json(200, r#"{"status": 0, "new": [1]}"#)).await;
    let config = json!({"commands": [], "unknown": null, "environ": {"A": 1.5}});
    let answer = lab.execute_json(&config, None).await.unwrap();
    assert_eq!(answer, json!({"status": 0, "new": [1]}));
    let form = serde_urlencoded(&server.take()[0].body);
    assert_eq!(serde_json::from_str::<Value>(&form[0].1).unwrap(), config);
}

#[tokio::test]
async fn a_request_without_commands_is_not_sent() {
    let (server, lab) = answering(|| Reply::json(200, DONE)).await;
    let error = lab.execute(&Request::default(), None).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Invalid(_)), "{error}");
    let gone = Archive::path("/nowhere/x.tgz");
    let error = lab.execute(&Request::new(["true"]), Some(&gone)).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Sample(_)), "{error}");
    assert_eq!(server.lines(), [""; 0]);
}

/// 84, 85, mended: every status but 200 is an error of its kind that holds the answer, whatever was asked. The key that the server repeats is not
/// in it.
#[tokio::test]
async fn an_error_holds_the_answer() {
    for (status, reason) in [
        (201, Reason::NotThisProtocol),
        (301, Reason::Redirected),
        (307, Reason::Redirected),
        (400, Reason::Invalid),
        (401, Reason::Unauthenticated),
        (403, Reason::Forbidden),
        (405, Reason::MethodNotAllowed),
        (408, Reason::TooSlow),
        (413, Reason::TooLarge),
        (418, Reason::Other),
        (425, Reason::Other),
        (429, Reason::TooMany),
        (500, Reason::Broken),
        (502, Reason::Gateway),
        (503, Reason::Overloaded),
        (520, Reason::Other),
    ] {
        let body = format!("no {KEY} at 'é'");
        let reply = move || {
            let reply = Reply::typed(status, "text/html; charset=utf-8", body.clone());
            reply.with("x-echo", KEY).with("location", "http://elsewhere.test/").with("retry-after", "0")
        };
        let (server, lab) = answering(reply).await;
        let errors = [
            lab.execute(&Request::new(["true"]), None).await.unwrap_err(),
            lab.specifications().await.unwrap_err(),
            lab.libraries().await.unwrap_err(),
            lab.usage().await.unwrap_err(),
            lab.download_environment(ID).await.unwrap_err(),
            lab.download_file(ID, "a").await.unwrap_err(),
        ];
        for error in &errors {
            let inner = http(error);
            assert_eq!((inner.reason(), inner.response.status.as_u16()), (reason, status));
            assert_eq!(inner.response.text(), "no [secret] at 'é'");
            assert_eq!(inner.response.headers["x-echo"], "[secret]");
            assert!(inner.response.url.starts_with(&server.address) && !inner.response.cut);
            assert!(!format!("{error} {error:?}").contains(KEY), "{error:?}");
            assert!(error.to_string().starts_with("lab (premierlangage), "), "{error}");
            assert_eq!(error.vendor, Vendor::PremierLangage);
            assert_eq!(error.retry_after(), Some(Duration::ZERO));
        }
        for error in [lab.check_environment(ID).await.unwrap_err(), lab.check_file(ID, "a").await.unwrap_err()] {
            assert_eq!(http(&error).reason(), reason);
        }
    }
}

/// An answer that is an error is read up to a limit, and no error of its own when it breaks off.
#[tokio::test]
async fn an_error_is_bounded() {
    let endless = || {
        let piece = Bytes::from(vec![b'a'; 1 << 16]);
        Reply::typed(400, "text/html", "").ending(Ending::Repeat { piece, times: 1 << 16, end: Bytes::new() })
    };
    let (_server, lab) = answering(endless).await;
    let error = lab.execute(&Request::new(["true"]), None).await.unwrap_err();
    assert!(http(&error).response.cut && http(&error).response.body.len() == 64 << 10);
    assert!(error.to_string().len() < 1000, "{error}");
    let (_server, lab) = answering(|| Reply::typed(400, "text/html", "beginning").ending(Ending::Cut)).await;
    let error = lab.execute(&Request::new(["true"]), None).await.unwrap_err();
    assert_eq!((http(&error).response.cut, http(&error).response.text().as_str()), (true, "beginning"));
}

/// An execution is sent again after 503 and 429, because it has not begun then, and after nothing else.
#[tokio::test]
async fn an_execution_is_not_sent_twice_that_may_have_begun() {
    for (status, times) in [(503, 2), (429, 2), (500, 1), (502, 1), (504, 1), (404, 1), (408, 1), (200, 1)] {
        let count = AtomicUsize::new(0);
        let server = StandIn::start(move |_| match count.fetch_add(1, Ordering::Relaxed) {
            0 if status == 200 => Reply::json(200, "{").ending(Ending::Cut),
            0 => Reply::json(status, ""),
            _ => Reply::json(200, DONE),
        });
        let server = server.await;
        let lab = execution(&server.address);
        let outcome = lab.execute(&Request::new(["true"]), Some(&Archive::bytes(&b"\x1f\x8b"[..]))).await;
        assert_eq!(outcome.is_ok(), times == 2, "{status}: {outcome:?}");
        let bodies = server.take();
        assert_eq!(bodies.len(), times, "{status}");
        assert!(bodies.iter().all(|request| request.parts()[1].2 == b"\x1f\x8b"));
    }
    // A connection that is closed without an answer: perhaps it has begun.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let closing = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::Relaxed);
            let _ = stream.read(&mut [0; 4096]).await;
        }
    });
    let error = execution(&address).execute(&Request::new(["true"]), None).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Transport { sent: true, .. }), "{error:?}");
    assert_eq!(error.fault(), Fault::Network);
    assert_eq!(count.load(Ordering::Relaxed), 1);
    closing.abort();
}

#[tokio::test]
async fn what_is_no_outcome_is_malformed() {
    for body in [
        "",
        "[]",
        "{}",
        "<html>busy</html>",
        r#"{"status": 0}"#,
        r#"{"status": "0", "execution": [], "total_time": 1}"#,
    ] {
        let (server, lab) = answering(move || Reply::typed(200, "text/html", body)).await;
        let error = lab.execute(&Request::new(["true"]), None).await.unwrap_err();
        assert!(matches!(&error.kind, ErrorKind::Malformed(_)), "{body}: {error:?}");
        assert_eq!(server.take().len(), 1);
    }
}

/// 18-21: what is there has a length, also 0; what is not is no error.
#[tokio::test]
async fn a_check_says_how_long_something_is() {
    let server = StandIn::start(|request| match request.target.as_str() {
        "/base/environments/39a843f6-0f46-4f90-b2af-b7724106f954/" => {
            Reply::typed(200, "application/gzip", "").with("content-length", "313")
        }
        "/base/files/39a843f6-0f46-4f90-b2af-b7724106f954/dir/empty.txt/" => {
            Reply::typed(200, "application/octet-stream", "").with("content-length", "0")
        }
        _ => Reply::typed(404, "text/html", ""),
    });
    let server = server.await;
    for base in ["/base", "/base/"] {
        let lab = execution(&format!("{}{base}", server.address));
        assert_eq!(lab.check_environment(ID).await.unwrap(), Presence::Present { length: Some(313) });
        assert_eq!(lab.check_file(ID, "dir/empty.txt").await.unwrap(), Presence::Present { length: Some(0) });
        assert!(lab.check_file(ID, "dir/empty.txt").await.unwrap().is_present());
        assert_eq!(lab.check_file(ID, "unknown.unk").await.unwrap(), Presence::Absent);
        assert_eq!(lab.check_environment("unknown").await.unwrap(), Presence::Absent);
        let received = server.take();
        assert!(received.iter().all(|request| request.method == "HEAD" && request.headers["connection"] == "close"));
    }
}

/// 9.3 of the reference: Django's development server sends a body where there must be none. What is asked next is not confused by that.
#[tokio::test]
async fn a_body_that_must_not_be_there_confuses_nobody() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                    let answer: &[u8] = match buffer[..count].starts_with(b"HEAD ") {
                        true => b"HTTP/1.1 404 Not Found\r\nContent-Length: 40\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad",
                        false => b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood",
                    };
                    stream.write_all(answer).await.unwrap();
                }
            });
        }
    });
    let lab = execution(&address);
    for _ in 0..3 {
        assert_eq!(lab.check_environment(ID).await.unwrap(), Presence::Absent);
        let download = lab.download_environment(ID).await.unwrap();
        let bytes: Vec<Bytes> = download.bytes.try_collect().await.unwrap();
        assert_eq!(bytes.concat(), b"good");
    }
    serving.abort();
}

/// 12.2 of the reference: paths are encoded; what would be another path on its way is refused before it is sent.
#[tokio::test]
async fn a_path_arrives_as_it_is() {
    let server = StandIn::start(|_| {
        Reply::typed(200, "application/octet-stream", "x").with("content-disposition", "attachment; filename=a;b")
    })
    .await;
    let lab = execution(&server.address);
    for (path, target, name) in [
        ("dir/file1.txt", "dir/file1.txt/", "file1.txt"),
        ("a b/é?#%.txt", "a%20b/%C3%A9%3F%23%25.txt/", "é?#%.txt"),
        ("/a.txt", "/a.txt/", "a.txt"),
        ("a//b", "a//b/", "b"),
        ("a/", "a//", "a"),
        (r#"a;b"c"#, "a%3Bb%22c/", r#"a;b"c"#),
        ("...", ".../", "..."),
    ] {
        let download = lab.download_file(ID, path).await.unwrap();
        assert_eq!(download.name.as_deref(), Some(name));
        lab.check_file(ID, path).await.unwrap();
        assert_eq!(server.lines(), [format!("GET /files/{ID}/{target}"), format!("HEAD /files/{ID}/{target}")]);
    }
    lab.download_environment("a/../b?").await.unwrap();
    assert_eq!(server.lines(), ["GET /environments/a%2F..%2Fb%3F/"]);
    for (id, path) in [(ID, "../x"), (ID, "a/./b"), (ID, ".."), (ID, ""), ("..", "x"), ("", "x")] {
        for error in [lab.download_file(id, path).await.unwrap_err(), lab.check_file(id, path).await.unwrap_err()] {
            assert!(matches!(error.kind, ErrorKind::Invalid(_)), "{id} {path}: {error:?}");
        }
    }
    assert!(lab.download_environment("..").await.is_err() && lab.check_environment("").await.is_err());
    assert_eq!(server.lines(), [""; 0]);
}

/// 14-17: a download is a stream; one that breaks off says so.
#[tokio::test]
async fn a_download_is_whole_or_an_error() {
    let pieces = || {
        let piece = Bytes::from(vec![7; 1 << 16]);
        Reply::typed(200, "application/gzip", "").ending(Ending::Repeat {
            piece,
            times: 100,
            end: Bytes::from_static(b"end"),
        })
    };
    let (_server, lab) = answering(pieces).await;
    let download = lab.download_environment(ID).await.unwrap();
    assert_eq!((download.content_type.as_deref(), download.length), (Some("application/gzip"), None));
    let (count, last) = download
        .bytes
        .try_fold((0, Bytes::new()), |(count, _), piece| async move { Ok((count + piece.len(), piece)) })
        .await
        .unwrap();
    assert_eq!(count, 100 * (1 << 16) + 3);
    assert!(last.ends_with(b"end"));
    let (_server, lab) = answering(|| Reply::typed(200, "application/gzip", "begin").ending(Ending::Cut)).await;
    let download = lab.download_environment(ID).await.unwrap();
    let error = download.bytes.try_collect::<Vec<_>>().await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Transport { .. }), "{error:?}");
}

/// Each of the three time limits, by its name. The total counts for an answer that is read, and not for one that is streamed.
#[tokio::test]
async fn time_limits_have_names() {
    let (server, _) = answering(|| Reply::json(200, "{").ending(Ending::Stall)).await;
    let limited = |read, total| {
        let mut settings = settings(&server.address);
        settings.http.read_timeout = Duration::from_millis(read);
        settings.http.total_timeout = Some(Duration::from_millis(total));
        Execution::new(settings).unwrap()
    };
    let limit = |error: Error| match error.kind {
        ErrorKind::TimedOut { limit, .. } => limit,
        other => panic!("not out of time: {other:?}"),
    };
    let hour = 3_600_000;
    let of_read = limited(200, hour);
    assert_eq!(limit(of_read.execute(&Request::new(["true"]), None).await.unwrap_err()), "read");
    let download = of_read.download_environment(ID).await.unwrap();
    assert_eq!(limit(download.bytes.try_collect::<Vec<_>>().await.unwrap_err()), "read");
    let of_total = limited(hour, 1000);
    assert_eq!(limit(of_total.execute(&Request::new(["true"]), None).await.unwrap_err()), "total");
    assert_eq!(limit(of_total.specifications().await.unwrap_err()), "total");
    let both = limited(3000, 1000);
    let download = both.download_environment(ID).await.unwrap();
    assert_eq!(limit(download.bytes.try_collect::<Vec<_>>().await.unwrap_err()), "read");
    let defaults = ExecutionSettings::new("lab", "http://127.0.0.1:7000").http;
    let times = [Some(defaults.connect_timeout), Some(defaults.read_timeout), defaults.total_timeout];
    assert_eq!(times.map(|time| time.unwrap().as_secs()), [10, 60, 60]);
}

/// 79: all that the reference lists is read, and what a server leaves out or adds breaks nothing.
#[tokio::test]
async fn facts_are_read() {
    let server = StandIn::start(|request| match request.target.as_str() {
        "/specifications/" => Reply::json(
            200,
            r#"{"host": {"cpu": {"core": null, "logical": 2, "freq_min": 800.0, "freq_max": 3600.0},
              "memory": {"ram": 25276514304, "swap": 0, "storage": {"/dev/vda": 270553174016}},
              "docker_version": "28.2.2", "sandbox_version": "3.0.3"},
            "container": {"count": 20, "cpu": {"count": 1, "period": 1000, "shares": 1024, "quota": 0},
              "memory": {"ram": 100000000, "swap": -100000001, "storage": -1},
              "io": {"read_iops": {}, "read_bps": [{"Path": "/dev/vda", "Rate": 1}], "write_iops": {}, "write_bps": {}},
              "process": -1, "working_dir_device": "/dev/vda"}, "new": 1}"#,
        ),
        "/usages/" => Reply::json(
            200,
            r#"{"cpu": {"frequency": 2596.144, "usage": 0.569, "usage_avg": [1.14, 0.895, 0.42]},
            "memory": {"ram": 482050048, "swap": 0, "storage": {"/dev/vda": 19417128960}},
            "io": {"read_iops": {"/dev/vda": 41}, "read_bps": {"/dev/vda": 1060864}, "write_iops": {}, "write_bps": {}},
            "network": {"sent_bytes": 1470, "received_bytes": 1901, "sent_packets": 7, "received_packets": 7},
            "process": 98, "container": 2}"#,
        ),
        _ => Reply::json(
            200,
            r#"{"libraries": {"system": {"bash": "5.0-4"}, "python": {"sympy": "?"}, "c": {"libz": "1"}}, "bin": ["awk", "awk"]}"#,
        ),
    });
    let server = server.await;
    let lab = execution(&server.address);
    let specifications = lab.specifications().await.unwrap();
    assert_eq!((specifications.host.cpu.core, specifications.host.cpu.logical), (None, Some(2)));
    assert_eq!(specifications.host.memory.storage["/dev/vda"], 270_553_174_016);
    assert_eq!((specifications.container.count, specifications.container.memory.swap), (20, -100_000_001));
    assert_eq!(specifications.container.io.read_bps[0]["Rate"], 1);
    let usage = lab.usage().await.unwrap().unwrap();
    assert_eq!((usage.cpu.usage_avg.len(), usage.io.read_iops["/dev/vda"], usage.container), (3, 41, 2));
    assert_eq!(usage.network.received_bytes, 1901);
    let libraries = lab.libraries().await.unwrap();
    assert_eq!((libraries.libraries.python["sympy"].as_str(), libraries.libraries.perl.len()), ("?", 0));
    assert_eq!(libraries.bin, ["awk", "awk"]);
    assert_eq!(lab.fact(Fact::Specifications).await.unwrap()["new"], 1);
    let lines = ["specifications", "usages", "libraries", "specifications"].map(|fact| format!("GET /{fact}/"));
    assert_eq!(server.lines(), lines);
}

/// 2.x has no usage, and that is no error; what it has not is not confused with what cannot be asked.
#[tokio::test]
async fn a_server_without_usage_has_none() {
    let (_server, lab) = answering(|| Reply::typed(404, "text/html", "<h1>Not Found</h1>")).await;
    assert_eq!(lab.usage().await.unwrap(), None);
    assert_eq!(http(&lab.specifications().await.unwrap_err()).message(), "Not Found");
    assert_eq!(http(&lab.download_environment(ID).await.unwrap_err()).reason(), Reason::NotFound);
}

#[test]
fn an_address_that_is_none_is_told_at_once() {
    for address in ["", "127.0.0.1:7000", "ftp://127.0.0.1/", "http://"] {
        let error = Execution::new(ExecutionSettings::new("lab", address)).unwrap_err();
        assert!(matches!(error.kind, ErrorKind::Invalid(_)), "{address}: {error}");
        assert!(error.to_string().starts_with("lab (premierlangage), reading the settings: "), "{error}");
    }
}

/// An upload of any length is no silence of the server's, as long as it takes some of it; one that takes nothing is silent.
#[tokio::test]
async fn a_long_upload_is_no_silence() {
    let (whole, piece) = (64 << 20, 4 << 20);
    for reads in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            if !reads {
                std::future::pending::<()>().await;
            }
            let (mut taken, mut buffer) = (0, vec![0; piece]);
            while taken < whole {
                taken += stream.read_exact(&mut buffer).await.unwrap();
                tokio::time::sleep(Duration::from_millis(150)).await;
            }
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{DONE}", DONE.len());
            stream.write_all(head.as_bytes()).await.unwrap();
            std::future::pending::<()>().await;
        });
        let mut settings = settings(&address);
        settings.http.read_timeout = Duration::from_millis(1500);
        let lab = Execution::new(settings).unwrap();
        let done = lab.execute(&Request::new(["true"]), Some(&Archive::bytes(vec![7; whole]))).await;
        match done {
            Ok(outcome) => assert!(reads && outcome.status.is_success()),
            Err(error) => assert!(!reads && matches!(error.kind, ErrorKind::TimedOut { limit: "read", .. }), "{error}"),
        }
        serving.abort();
    }
}
