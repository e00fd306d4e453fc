//! What comes back, and what goes wrong on the way.

use std::io::Write as _;
use std::time::Duration;

use serde_json::json;
use tokio::net::TcpListener;

use super::world::{Act, LONG, Server, World, ask, http, http_with, ok, open_ended, plain};
use crate::config::Profile::{Belljar, Strict};
use crate::protocol::Answer;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

const GZIP: &str = "Content-Encoding: gzip\r\n";

/// Any status is success, and the body is text.
#[tokio::test]
async fn answers_are_read() {
    for (act, code, body) in [
        (plain("200 OK", "", "é"), 200, "é"),
        (plain("404 Not Found", "", "no"), 404, "no"),
        (plain("500 Internal Server Error", "", ""), 500, ""),
        (plain("200 OK", "Set-Cookie: a=1\r\nContent-Type: image/png\r\n", "x"), 200, "x"),
        (Act::Answer(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()), 204, ""),
        (Act::Answer(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx".to_vec()), 200, "x"),
        (Act::Answer(b"HTTP/1.0 200 OK\r\n\r\nold".to_vec()), 200, "old"),
        (Act::Hang(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()), 200, "ok"),
        (open_ended("Transfer-Encoding: chunked\r\n", b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"), 200, "abc"),
        (open_ended(GZIP, &gzip("zip é".as_bytes())), 200, "zip é"),
        (open_ended("Content-Encoding: X-GZIP\r\n", &gzip(b"zip")), 200, "zip"),
        (open_ended(GZIP, b""), 200, ""),
        (open_ended(GZIP, &[gzip(b"zip"), b"trailing".to_vec()].concat()), 200, "zip"),
        (open_ended("Content-Encoding: br\r\n", b"as it is"), 200, "as it is"),
    ] {
        for profile in [Belljar, Strict] {
            let server = Server::start(vec![act.clone()]).await;
            assert_eq!(ask(&http(), profile, "get", json!({"url": server.url("/")})).await, ok(code, body), "{act:?}");
        }
    }
}

/// W12: never silence.
#[tokio::test]
async fn a_body_that_is_no_text_is_answered() {
    for (bytes, lossy, python) in [
        (&b"a\xffb"[..], "a\u{fffd}b", "'utf8' codec can't decode byte 0xff in position 1: invalid start byte"),
        (b"\xc3(", "\u{fffd}(", "'utf8' codec can't decode byte 0xc3 in position 0: invalid continuation byte"),
        (b"abc\xc3", "abc\u{fffd}", "'utf8' codec can't decode byte 0xc3 in position 3: unexpected end of data"),
    ] {
        let server = Server::start(vec![open_ended("", bytes)]).await;
        let asked = json!({"url": server.url("/")});
        assert_eq!(ask(&http(), Belljar, "get", asked.clone()).await, ok(200, lossy));
        assert_eq!(ask(&http(), Strict, "get", asked).await, Answer::failure(python));
    }
}

/// Section 6, 124–126, with a limit of 1024 bytes; W13: what is over is not read.
#[tokio::test]
async fn bodies_are_limited() {
    let over = |received: usize| Err(format!("Received {received} bytes, maximum of 1024 bytes allowed."));
    let body = |length: usize| "x".repeat(length);
    let huge = gzip(&vec![b'x'; 64 << 20]);
    assert!(huge.len() > 1024);
    for (command, act, expected) in [
        ("get", plain("200 OK", "", &body(1024)), Ok(body(1024))),
        ("get", plain("200 OK", "", &body(1025)), over(1025)),
        ("post", plain("200 OK", "", &body(1025)), over(1025)),
        ("head", Act::Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n".to_vec()), Ok(String::new())),
        // Nobody waits for the end of it.
        ("get", Act::Hang(b"HTTP/1.1 200 OK\r\nContent-Length: 1025\r\n\r\n".to_vec()), over(1025)),
        ("get", Act::Hang([b"HTTP/1.1 200 OK\r\n\r\n", body(1025).as_bytes()].concat()), over(1025)),
        ("get", open_ended("", body(1024).as_bytes()), Ok(body(1024))),
        ("get", open_ended("", body(1025).as_bytes()), over(1025)),
        ("get", open_ended(GZIP, &gzip(body(1024).as_bytes())), Ok(body(1024))),
        ("get", open_ended(GZIP, &gzip(body(1025).as_bytes())), over(1025)),
        // A bomb is not unpacked: it is left after one block of the decoder.
        ("get", open_ended(GZIP, &huge), over(32 * 1024)),
    ] {
        let server = Server::start(vec![act]).await;
        let answer = ask(&http(), Strict, command, json!({"url": server.url("/")})).await;
        assert_eq!(answer, expected.map_or_else(Answer::failure, |body| ok(200, &body)), "{command}");
    }
}

#[tokio::test]
async fn broken_answers_have_reasons() {
    let closed =
        "[<twisted.python.failure.Failure twisted.internet.error.ConnectionDone: Connection was closed cleanly.>]";
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-A: 1\r\n".repeat(10_000));
    let long = format!("HTTP/1.1 200 OK\r\nX-A: {}\r\n\r\n", "a".repeat(1 << 20));
    let mut cut = gzip(b"zip");
    cut.truncate(15);
    for (bytes, plain, python) in [
        (&b""[..], "the server closed the connection before its answer was complete", Some(closed)),
        (b"HTTP/1.1 200 OK\r\nX", "the server closed the connection before its answer was complete", Some(closed)),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx",
            "the server closed the connection before its answer was complete",
            Some(closed),
        ),
        (b"SSH-2.0-x\r\n\r\n", "the server's answer is not HTTP: ", None),
        (many.as_bytes(), "the server's answer is not HTTP: ", None),
        (long.as_bytes(), "the server's answer is not HTTP: ", None),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nno gzip at all",
            "the body is not what its Content-Encoding says: ",
            None,
        ),
        (
            &[b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", cut.as_slice()].concat(),
            "the body is not what its Content-Encoding says: ",
            None,
        ),
    ] {
        let server = Server::start(vec![Act::Answer(bytes.to_vec())]).await;
        let asked = json!({"url": server.url("/")});
        let answer = ask(&http(), Belljar, "get", asked.clone()).await;
        assert!(matches!(&answer, Answer::Failure(reason) if reason.starts_with(plain)), "{answer:?}");
        if let Some(python) = python {
            assert_eq!(ask(&http(), Strict, "get", asked).await, Answer::failure(python));
        }
    }
}

/// Section 6, 118.
#[tokio::test]
async fn hosts_that_are_not_there_have_reasons() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let refused = listener.local_addr().unwrap();
    drop(listener);
    for (url, plain, python) in [
        (
            format!("http://{refused}/"),
            format!("cannot connect to {refused}: Connection refused (os error 111)"),
            "Connection was refused by other side: 111: Connection refused.",
        ),
        (
            "http://nowhere.example/".to_owned(),
            "no address is known of the host nowhere.example: Name or service not known".to_owned(),
            "DNS lookup failed: no results for hostname lookup: nowhere.example.",
        ),
        (
            "http://empty.example/".to_owned(),
            "no address is known of the host empty.example: it has none".to_owned(),
            "DNS lookup failed: no results for hostname lookup: empty.example.",
        ),
    ] {
        for (profile, reason) in [(Belljar, plain.as_str()), (Strict, python)] {
            let http = http_with(LONG, World::with(&[("empty.example", &[&[]])]));
            assert_eq!(ask(&http, profile, "get", json!({"url": url})).await, Answer::failure(reason));
        }
    }
}

/// W13: one deadline for connecting, headers and body. Each of these servers never ends its part.
#[tokio::test]
async fn the_timeout_covers_all() {
    let short = Duration::from_millis(300);
    for hang in [
        &b""[..],
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nslow",
    ] {
        let server = Server::start(vec![Act::Hang(hang.to_vec())]).await;
        let http = http_with(short, World::default());
        let asked = json!({"url": server.url("/")});
        let answer = tokio::time::timeout(LONG, ask(&http, Belljar, "get", asked)).await.unwrap();
        assert_eq!(answer, Answer::failure("it was not complete after 0.3 seconds"), "{hang:?}");
    }
    // Connecting.
    let http = http_with(short, World::with(&[("far.example", &[&["93.184.216.34"]])]));
    let answer = tokio::time::timeout(LONG, ask(&http, Strict, "get", json!({"url": "http://far.example/"}))).await;
    let python = "[<twisted.python.failure.Failure twisted.internet.defer.CancelledError: >]";
    assert_eq!(answer.unwrap(), Answer::failure(python));
}

/// An address that does not answer leaves time for the next one.
#[tokio::test]
async fn each_address_has_its_share_of_the_time() {
    let server = Server::start(vec![plain("200 OK", "", "second")]).await;
    let http = http_with(Duration::from_secs(10), World::with(&[("two.example", &[&["93.184.216.34", "127.0.0.1"]])]));
    let asked = json!({"url": format!("http://two.example:{}/", server.address.port())});
    tokio::time::timeout(LONG, async { assert_eq!(ask(&http, Belljar, "get", asked).await, ok(200, "second")) })
        .await
        .unwrap();
}
