//! What is listed is reached, each way.

use std::sync::Arc;

use belljar_egress::Limits;
use tokio::io::AsyncWriteExt;

use crate::world::{Town, World, ask, hear, server, take};

/// An internet with one host that answers after a line.
async fn town(list: &[&str]) -> (Town, Arc<std::sync::Mutex<Vec<String>>>) {
    let world = Arc::new(World::default());
    let (address, told) = server("\n", "hello\n").await;
    world.name("example.org", &[&["93.184.216.34"]]);
    world.name("a.b.example.net", &[&["2606:2800:220::1", "93.184.216.34"]]);
    world.host("93.184.216.34:80", address);
    world.host("93.184.216.34:443", address);
    world.host("10.0.0.5:80", address);
    (Town::new(&world, list, Limits::default()), told)
}

#[tokio::test]
async fn programs_without_a_proxy_reach_a_name() {
    let (town, told) = town(&["example.org:80,443"]).await;
    for place in ["example.org:80", "example.org:443"] {
        assert_eq!(ask(town.direct(place).await, "hi\n").await, "hello\n");
    }
    assert_eq!(*told.lock().unwrap(), ["hi\n", "hi\n"]);
    let records = town.records(2).await;
    assert_eq!(records[0], "Direct example.org:80 allowed Closed 3/6");
    assert_eq!(town.kept(2).await[0].address.unwrap().to_string(), "93.184.216.34:80");
}

#[tokio::test]
async fn tunnels_reach_names_and_addresses() {
    let (town, told) = town(&["*.example.net:80", "10.0.0.5:80"]).await;
    for host in ["a.b.example.net", "A.b.Example.NET.", "10.0.0.5"] {
        let established = "HTTP/1.1 200 Connection established\r\n\r\n";
        let mut stream = town.http().await;
        stream.write_all(format!("CONNECT {host}:80 HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await.unwrap();
        assert_eq!(take(&mut stream, established.len()).await, established.as_bytes());
        assert_eq!(ask(stream, "hi\n").await, "hello\n");
        // What comes along with the request is part of what is said.
        let early = format!("CONNECT {host}:80 HTTP/1.1\r\nHost: {host}\r\n\r\nearly\n");
        assert_eq!(ask(town.http().await, early).await, format!("{established}hello\n"));
    }
    assert_eq!(*told.lock().unwrap(), ["hi\n", "early\n"].repeat(3));
    assert_eq!(town.records(6).await[2], "Tunnel a.b.example.net:80 allowed Closed 3/6");
    // The first address of the name answered nobody, so the second was tried.
    assert_eq!(town.world.connections()[..2], ["[2606:2800:220::1]:80", "93.184.216.34:80"]);
}

#[tokio::test]
async fn socks_reaches_names_and_addresses() {
    let (town, told) = town(&["example.org:80", "10.0.0.5:80"]).await;
    let name = b"\x05\x01\x00\x03\x0bexample.org\x00\x50";
    let address = b"\x05\x01\x00\x01\x0a\x00\x00\x05\x00\x50";
    for request in [&name[..], address] {
        let mut stream = town.socks().await;
        stream.write_all(b"\x05\x02\x02\x00").await.unwrap();
        assert_eq!(take(&mut stream, 2).await, [5, 0]);
        stream.write_all(request).await.unwrap();
        assert_eq!(take(&mut stream, 10).await, [5, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(ask(stream, "hi\n").await, "hello\n");
        // All at once, as hasty clients do.
        let all = [b"\x05\x01\x00", request, b"early\n"].concat();
        assert_eq!(ask(town.socks().await, all).await, "\u{5}\0\u{5}\0\0\u{1}\0\0\0\0\0\0hello\n");
    }
    assert_eq!(*told.lock().unwrap(), ["hi\n", "early\n"].repeat(2));
    assert_eq!(town.records(4).await[2], "Socks 10.0.0.5:80 allowed Closed 3/6");
}

#[tokio::test]
async fn requests_reach_a_server() {
    let world = Arc::new(World::default());
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nyes";
    let (address, told) = server("\r\n\r\n", response).await;
    world.name("example.org", &[&["93.184.216.34"]]);
    world.host("93.184.216.34:80", address);
    let town = Town::new(&world, &["*.org:80"], Limits::default());
    let request = "GET http://example.org/a HTTP/1.1\r\nHost: example.org\r\nProxy-Connection: keep-alive\r\n\r\n";
    assert_eq!(ask(town.http().await, request).await, response);
    assert_eq!(*told.lock().unwrap(), ["GET /a HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n"]);
    let sent = told.lock().unwrap()[0].len();
    assert_eq!(town.records(1).await, [format!("Http example.org:80 allowed Closed {sent}/{}", response.len())]);
}

#[tokio::test]
async fn one_side_may_end_before_the_other() {
    let world = Arc::new(World::default());
    // It answers at the end of what it hears, and not before.
    let (address, told) = server("", "all heard").await;
    world.name("example.org", &[&["93.184.216.34"]]);
    world.host("93.184.216.34:80", address);
    let town = Town::new(&world, &["example.org:80"], Limits::default());
    let mut stream = town.direct("example.org:80").await;
    stream.write_all(b"first").await.unwrap();
    stream.write_all(b", last").await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(hear(&mut stream).await, "all heard");
    assert_eq!(*told.lock().unwrap(), ["first, last"]);
    assert_eq!(town.records(1).await, ["Direct example.org:80 allowed Closed 11/9"]);
}

#[tokio::test]
async fn the_end_of_a_run_is_the_end_of_its_connections() {
    let (mut town, _) = town(&["example.org:80"]).await;
    let mut open = town.http().await;
    open.write_all(b"CONNECT example.org:80 HTTP/1.0\r\n\r\nnot a whole line").await.unwrap();
    assert_eq!(take(&mut open, 12).await, b"HTTP/1.1 200");
    let mut asking = town.socks().await;
    asking.write_all(b"\x05\x01\x00").await.unwrap();
    assert_eq!(take(&mut asking, 2).await, [5, 0]);
    town.close().await;
    hear(&mut open).await;
    hear(&mut asking).await;
    let mut records = town.records(2).await;
    records.sort();
    assert!(records[1].starts_with("Tunnel example.org:80 allowed RunEnded"), "{records:?}");
    assert_eq!(records[0], "Socks :0 refused (the request did not arrive) RunEnded 0/0");
    assert!(tokio::net::TcpStream::connect(town.http_address()).await.is_err(), "nobody listens any more");
}
