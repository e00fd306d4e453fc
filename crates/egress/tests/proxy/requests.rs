//! Requests that mean to get past: each is one request to one host, or none.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use belljar_egress::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::world::{Town, World, ask, hear, server, text};

const RESPONSE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A server that hears `enough`, and a second host that nobody may reach.
async fn town(enough: &'static str) -> (Town, Arc<Mutex<Vec<String>>>) {
    let world = Arc::new(World::default());
    let (address, told) = server(enough, RESPONSE).await;
    world.name("example.org", &[&["93.184.216.34"]]);
    world.name("other.example", &[&["93.184.216.34"]]);
    world.host("93.184.216.34:80", address);
    (Town::new(&world, &["example.org:80"], Limits::default()), told)
}

#[tokio::test]
async fn a_second_request_is_never_passed_on() {
    let (town, told) = town("\r\n\r\n").await;
    let get = |host: &str| format!("GET http://{host}/ HTTP/1.1\r\nHost: {host}\r\nConnection: keep-alive\r\n\r\n");
    for second in [get("other.example"), get("example.org"), "GET / HTTP/1.1\r\nHost: other.example\r\n\r\n".to_owned()]
    {
        let answer = ask(town.http().await, get("example.org") + &second).await;
        assert_eq!(answer, RESPONSE, "one answer, and then the end");
    }
    let expected = "GET / HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n";
    assert_eq!(*told.lock().unwrap(), [expected; 3]);
    assert_eq!(town.records(3).await.len(), 3);
}

/// Nor one that comes while the first is being answered.
#[tokio::test]
async fn what_comes_later_is_not_passed_on_either() {
    let world = Arc::new(World::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    world.name("example.org", &[&["93.184.216.34"]]);
    world.host("93.184.216.34:80", listener.local_addr().unwrap());
    let limits = Limits { idle_timeout: Duration::from_millis(300), ..Limits::default() };
    let town = Town::new(&world, &["example.org:80"], limits);
    let mut stream = town.http().await;
    let head = "POST http://example.org/ HTTP/1.1\r\nHost: example.org\r\nContent-Length: 3\r\n\r\nend";
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    let mut told = Vec::new();
    while !told.ends_with(b"end") {
        assert!(server.read_buf(&mut told).await.unwrap() > 0, "it ends early");
    }
    stream.write_all(b"GET http://other.example/ HTTP/1.1\r\nHost: other.example\r\n\r\n").await.unwrap();
    // Not answered, it is cut for its silence.
    let _ = server.read_to_end(&mut told).await;
    let expected = "POST / HTTP/1.1\r\nHost: example.org\r\nContent-Length: 3\r\nConnection: close\r\n\r\nend";
    assert_eq!(text(&told), expected);
    assert_eq!(hear(&mut stream).await, "!");
}

/// What follows a body is not passed on, however its length is told.
#[tokio::test]
async fn nothing_is_smuggled_behind_a_body() {
    let smuggled = "GET http://other.example/ HTTP/1.1\r\nHost: other.example\r\n\r\n";
    let head = "POST http://example.org/ HTTP/1.1\r\nHost: example.org\r\n";
    let out = "POST / HTTP/1.1\r\nHost: example.org\r\n";
    for (request, expected) in [
        (
            format!("{head}Content-Length: 3\r\n\r\nend{smuggled}"),
            format!("{out}Content-Length: 3\r\nConnection: close\r\n\r\nend"),
        ),
        (
            format!("{head}Transfer-Encoding: chunked\r\n\r\n3\r\nend\r\n0\r\n\r\n{smuggled}"),
            format!("{out}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nend\r\n0\r\n\r\n"),
        ),
    ] {
        let (town, told) = town(if expected.ends_with("end") { "end" } else { "0\r\n\r\n" }).await;
        assert_eq!(ask(town.http().await, &request).await, RESPONSE);
        assert_eq!(*told.lock().unwrap(), [expected], "{request:?}");
    }
    // Announced in two ways, or in a broken one: no word of it goes out.
    let (town, told) = town("\r\n\r\n").await;
    for request in [
        format!("{head}Content-Length: 0\r\nContent-Length: {}\r\n\r\n{smuggled}", smuggled.len()),
        format!("{head}Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}", smuggled.len()),
        format!("{head}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("{head}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n{smuggled}"),
        format!("{head}X: y\nContent-Length: 0\r\n\r\n{smuggled}"),
        format!("GET http://example.org/ HTTP/1.1\r\nHost: other.example\r\n\r\n{smuggled}"),
        "GET http://example.org/\rHost:other.example HTTP/1.1\r\nHost: example.org\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n".to_owned(),
        "\x16\x03\x01 no HTTP at all\r\n\r\n".to_owned(),
    ] {
        let answer = ask(town.http().await, &request).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{request:?}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{request:?}: {answer}");
    }
    assert_eq!(*told.lock().unwrap(), Vec::<String>::new());
}

/// Chunks that go wrong in the middle break the connection off: the server never sees an end.
#[tokio::test]
async fn a_body_that_breaks_its_word_is_cut() {
    let (town, told) = town("0\r\n\r\n").await;
    let head = "POST http://example.org/ HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = ask(town.http().await, format!("{head}3\r\nabcGET / HTTP/1.1\r\n\r\n0\r\n\r\n")).await;
    assert_eq!(answer, "!");
    let records = town.records(1).await;
    assert!(
        records[0].starts_with("Http example.org:80 refused (the request is refused: its chunks are not well formed)"),
        "{records:?}"
    );
    assert!(!told.lock().unwrap().iter().any(|told| told.ends_with("0\r\n\r\n")));
}

/// A redirect is followed by the program, not by us; it leads to a request like any other.
#[tokio::test]
async fn a_redirect_is_a_new_request() {
    let world = Arc::new(World::default());
    let redirect = "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/latest/\r\nContent-Length: 0\r\n\r\n";
    let (address, _) = server("\r\n\r\n", redirect).await;
    world.name("example.org", &[&["93.184.216.34"]]);
    world.host("93.184.216.34:80", address);
    world.host("169.254.169.254:80", address);
    let town = Town::new(&world, &["example.org:80"], Limits::default());
    assert_eq!(ask(town.http().await, "GET http://example.org/ HTTP/1.0\r\n\r\n").await, redirect);
    let answer = ask(town.http().await, "GET http://169.254.169.254/latest/ HTTP/1.0\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    assert_eq!(world.connections(), ["93.184.216.34:80"]);
}

/// What a program writes into a host does not come out of us as more than a text.
#[tokio::test]
async fn answers_and_records_are_not_written_by_programs() {
    let (town, _) = town("\n").await;
    let long = "a".repeat(100_000);
    for name in ["a\r\nSet-Cookie: x", "\u{1b}[31mred", &long[..255], ""] {
        let length = u8::try_from(name.len()).unwrap();
        let request = [b"\x05\x01\x00\x05\x01\x00\x03", &[length][..], name.as_bytes(), b"\x00\x50"].concat();
        assert!(ask(town.socks().await, request).await.starts_with("\u{5}\0\u{5}\u{2}"));
    }
    let answer = ask(town.http().await, format!("CONNECT {long}:80 HTTP/1.1\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request"), "{answer}");
    for record in town.kept(5).await {
        assert!(record.host.len() <= 260 && !record.host.contains(|letter: char| letter.is_control()), "{record:?}");
    }
}

/// Other things than connections: no datagrams, no being called back, no passwords, no older protocol.
#[tokio::test]
async fn socks_makes_connections_only() {
    let (town, _) = town("\n").await;
    for (request, answer) in [
        (&b"\x05\x01\x00\x05\x03\x00\x01\x00\x00\x00\x00\x00\x00"[..], "\u{5}\0\u{5}\u{7}\0\u{1}\0\0\0\0\0\0"),
        (b"\x05\x01\x00\x05\x02\x00\x01\x5d\xb8\xd8\x22\x00\x50", "\u{5}\0\u{5}\u{7}\0\u{1}\0\0\0\0\0\0"),
        (b"\x05\x01\x00\x05\x01\x00\x09", "\u{5}\0\u{5}\u{8}\0\u{1}\0\0\0\0\0\0"),
        (b"\x05\x01\x00\x05\x01\x00\x03\x0dother.example\x00\x50", "\u{5}\0\u{5}\u{2}\0\u{1}\0\0\0\0\0\0"),
    ] {
        assert_eq!(ask(town.socks().await, request).await, answer, "{request:?}");
    }
    assert_eq!(ask(town.socks().await, b"\x05\x01\x02").await, "\u{5}\u{fffd}");
    for request in [&b"\x04\x01\x00\x50\x5d\xb8\xd8\x22\x00"[..], b"GET / HTTP/1.1\r\n\r\n"] {
        assert_eq!(ask(town.socks().await, request).await, "", "{request:?}");
    }
}
